package io.forebay.look;

import io.forebay.protocol.Message;
import io.forebay.protocol.StoredMessage;
import io.forebay.queue.MessageForm;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.EntryRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.QueueReader;
import io.forebay.storage.log.RecordView;
import io.forebay.store.StripeHandle;
import io.forebay.topic.TopicDirectory;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Reads the messages of one queue for somebody who only looks. Blocks; confined to one thread and to one page.
 */
public final class QueueScan {
    /** Unreadable messages in a row that a search by time looks past. */
    private static final int PASSED_OVER_MAX = 1000;

    /** Takes what is stored. */
    public interface Sink {
        /**
         * Takes one message.
         *
         * @param body as in {@link QueueReader.Sink}
         * @return whether it wants more
         */
        boolean message(long offset, RecordView message, RecordView body) throws CorruptRecordException;

        /**
         * One that cannot be read.
         *
         * @return whether it wants more
         */
        boolean unreadable(long offset, String reason);
    }

    private final TopicDirectory.QueueRoute route;
    private final StripeHandle stripe;
    /** Made when first used: most queues of many have nothing. */
    private QueueReader reader;

    private boolean isNotReadable;

    public QueueScan(TopicDirectory.QueueRoute route, StripeHandle stripe) {
        this.route = route;
        this.stripe = stripe;
    }

    long firstOffset() {
        return Math.min(route.marks().firstOffset(), nextOffset());
    }

    long nextOffset() {
        return route.marks().nextOffset();
    }

    /** Whether the last read ended because the stripe cannot be read for now: what was read until then is good. */
    public boolean isNotReadable() {
        return isNotReadable;
    }

    /**
     * Reads on until the sink has enough or the end is reached.
     *
     * @param end offset to stop before
     * @return the first offset that was not handed out
     */
    public long read(long from, long end, Sink sink) {
        isNotReadable = false;
        if (reader == null) {
            reader = stripe.log().newReader(route.queueId());
        }
        Guard guard = new Guard(sink);
        long offset = from;
        while (offset < end && guard.wantsMore) {
            // One at a time is as fast: a run of messages in one frame is read and verified once.
            QueueReader.Result result = reader.read(offset, 1, 1, guard);
            switch (result.status()) {
                case READ -> {
                    if (result.count() == 0) {
                        return offset;
                    }
                    offset++;
                }
                case NOT_READABLE -> {
                    isNotReadable = true;
                    return offset;
                }
                case FAILED, QUARANTINED -> {
                    guard.wantsMore = sink.unreadable(offset, result.problem().text());
                    offset++;
                }
                case GONE -> offset = Math.max(offset + 1, Math.min(end, firstOffset()));
            }
        }
        return offset;
    }

    private static final class Guard implements QueueReader.Sink {
        private final Sink sink;
        private boolean wantsMore = true;

        Guard(Sink sink) {
            this.sink = sink;
        }

        @Override
        public void message(long offset, RecordView message, RecordView body) throws CorruptRecordException {
            wantsMore = sink.message(offset, message, body);
        }
    }

    /**
     * The lowest offset of those stored whose message was stored at that log time or later, the next offset if there is none:
     * by halving, then exact. See {@link #isNotReadable}.
     */
    long offsetAt(long millis) {
        return offsetAt(millis, firstOffset(), nextOffset());
    }

    /** Between two offsets it is known to be; the upper one if it is none before that. */
    long offsetAt(long millis, long from, long to) {
        long low = from;
        long high = to;
        while (low < high) {
            long middle = (low + high) >>> 1;
            long[] found = {-1, 0};
            int[] passed = {0};
            read(middle, high, new Sink() {
                @Override
                public boolean message(long offset, RecordView message, RecordView body) {
                    found[0] = offset;
                    found[1] = message.logTimeMillis();
                    return false;
                }

                @Override
                public boolean unreadable(long offset, String reason) {
                    return ++passed[0] < PASSED_OVER_MAX;
                }
            });
            if (isNotReadable) {
                return low;
            }
            if (found[0] >= 0 && found[1] < millis) {
                low = found[0] + 1;
            } else {
                // Whether what cannot be read was earlier nobody can tell.
                high = middle;
            }
        }
        return low;
    }

    /**
     * Copies a message out.
     *
     * @throws CorruptRecordException if it does not decode, or is an entry whose message is gone
     */
    public static StoredMessage copy(String topic, int queue, long offset, RecordView view, RecordView body)
            throws CorruptRecordException {
        if (body == null) {
            throw new CorruptRecordException("the message that its entry names is not stored any more");
        }
        LogRecord record = body.decode();
        if (!(record instanceof MessageRecord stored)) {
            throw new CorruptRecordException("it is a record of type " + record.type());
        }
        EntryRecord entry = view != body && view.decode() instanceof EntryRecord named ? named : null;
        return stored(topic, queue, offset, view.sequence(), view.logTimeMillis(), stored, entry);
    }

    /** @param entryOrNull what names the body, if that is not the message itself */
    static StoredMessage stored(
            String topic,
            int queue,
            long offset,
            long sequence,
            long logMillis,
            MessageRecord body,
            EntryRecord entryOrNull) {
        Message message = MessageForm.toMessage(topic, body);
        if (entryOrNull != null && !entryOrNull.properties().isEmpty()) {
            Map<String, String> properties = new LinkedHashMap<>(message.properties());
            properties.putAll(entryOrNull.properties());
            message = MessageForm.withProperties(message, properties);
        }
        return new StoredMessage(queue, offset, sequence, logMillis, message);
    }
}
