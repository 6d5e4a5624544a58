package io.forebay.storage.log;

/**
 * A timer was recalled before it was due. Owner: as of the schedule.
 * <pre> byte  0  i64  timerId
 * byte  8  i64  recalledMillis
 * byte 16  text reason </pre>
 */
public record TimerRecalledRecord(long timerId, long recalledMillis, String reason) implements LogRecord {
    public TimerRecalledRecord {
        Fields.text("reason", reason);
    }

    @Override
    public RecordType type() {
        return RecordType.TIMER_RECALLED;
    }

    @Override
    public int bodyBytes() {
        return 16 + BodyWriter.textBytes(reason);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at).i64(timerId).i64(recalledMillis).text(reason);
    }

    static TimerRecalledRecord decode(BodyReader in) throws CorruptRecordException {
        return new TimerRecalledRecord(in.i64(), in.i64(), in.text());
    }
}
