package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.List;

/**
 * What a producer with an id sent last: the <em>set</em> of sequence numbers in its window, each with where it went, so
 * that a repeated Send is answered with its first receipt. Owner: the queue.
 * <pre> byte  0  i64  producerId
 * byte  8  i64  floor            sequence numbers below it are no longer told apart
 * byte 16  i64  lastSeenMillis
 * byte 24  i32  count of sends, each 24 bytes, ascending by number:
 *              i64 producerSequence · i64 queueOffset · i64 sequence (of the record) </pre>
 */
public record ProducerWindowRecord(long producerId, long floor, long lastSeenMillis, List<Sent> sends)
        implements LogRecord {
    /** One Send that was taken. */
    public record Sent(long producerSequence, long queueOffset, long sequence) {
        private static final int BYTES = 24;

        public Sent {
            Fields.notNegative("queueOffset", queueOffset);
        }
    }

    public ProducerWindowRecord {
        sends = List.copyOf(sends);
        for (int index = 1; index < sends.size(); index++) {
            Fields.check(
                    sends.get(index).producerSequence > sends.get(index - 1).producerSequence,
                    "producerSequence",
                    sends.get(index).producerSequence,
                    "more than " + sends.get(index - 1).producerSequence);
        }
    }

    @Override
    public RecordType type() {
        return RecordType.PRODUCER_WINDOW;
    }

    @Override
    public int bodyBytes() {
        return 28 + Sent.BYTES * sends.size();
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        BodyWriter out = new BodyWriter(target, at);
        out.i64(producerId).i64(floor).i64(lastSeenMillis).i32(sends.size());
        for (Sent sent : sends) {
            out.i64(sent.producerSequence).i64(sent.queueOffset).i64(sent.sequence);
        }
    }

    static ProducerWindowRecord decode(BodyReader in) throws CorruptRecordException {
        long producerId = in.i64();
        long floor = in.i64();
        long lastSeenMillis = in.i64();
        int count = in.count(Sent.BYTES);
        List<Sent> sends = new ArrayList<>(count);
        for (int index = 0; index < count; index++) {
            sends.add(new Sent(in.i64(), in.i64(), in.i64()));
        }
        return new ProducerWindowRecord(producerId, floor, lastSeenMillis, sends);
    }
}
