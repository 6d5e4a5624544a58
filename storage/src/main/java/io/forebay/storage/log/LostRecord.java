package io.forebay.storage.log;

import java.util.Arrays;

/**
 * Stands in the place of a record that was damaged and given up: {@code forebay log repair} writes one for each, so that
 * sequences and own numbers go on without a gap and none is given twice. Says nothing else. Owner: that of the lost record; the
 * stripe with the own number 0 if nobody can tell whose it was.
 * <pre> byte  0  i32  fillBytes
 * byte  4  zeros, fillBytes of them: the room that is left of what was there </pre>
 */
public record LostRecord(int fillBytes) implements LogRecord {
    /** Of the record in a frame, without fill. */
    static final int BYTES_MIN = FrameCodec.RECORD_HEADER_BYTES + 8;

    public LostRecord {
        Fields.notNegative("fillBytes", fillBytes);
    }

    @Override
    public RecordType type() {
        return RecordType.LOST;
    }

    @Override
    public int bodyBytes() {
        return 4 + fillBytes;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at).i32(fillBytes);
        Arrays.fill(target, at + 4, at + 4 + fillBytes, (byte) 0);
    }

    static LostRecord decode(BodyReader in) throws CorruptRecordException {
        int fillBytes = in.i32();
        if (fillBytes < 0) {
            throw in.corrupt("fillBytes is " + fillBytes);
        }
        in.zeros(fillBytes);
        return new LostRecord(fillBytes);
    }
}
