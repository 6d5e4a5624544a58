package io.forebay.storage.log;

/**
 * A timer was due and its entry is in the target queue; in one frame with that entry. Owner: as of the schedule.
 * <pre> byte  0  i64  timerId
 * byte  8  i64  dueMillis      the instant that this was for
 * byte 16  i64  nextDueMillis      -1 if it is done
 * byte 24  i64  firedMillis </pre>
 */
public record TimerFiredRecord(long timerId, long dueMillis, long nextDueMillis, long firedMillis)
        implements LogRecord {
    @Override
    public RecordType type() {
        return RecordType.TIMER_FIRED;
    }

    @Override
    public int bodyBytes() {
        return 32;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .i64(timerId)
                .i64(dueMillis)
                .i64(nextDueMillis)
                .i64(firedMillis);
    }

    static TimerFiredRecord decode(BodyReader in) throws CorruptRecordException {
        return new TimerFiredRecord(in.i64(), in.i64(), in.i64(), in.i64());
    }
}
