package io.forebay.storage.log;

/**
 * A message stored earlier is due later, once or again and again. Owner: the queue that keeps the body.
 * <pre> byte  0  i64  timerId      unique in its stripe
 * byte  8  i64  dueMillis      wall-clock time
 * byte 16  i32  bodyQueueId
 * byte 20  i32  targetQueueId      the entry goes there
 * byte 24  i64  bodyOffset
 * byte 32  i64  bodySequence
 * byte 40  text cron      empty if it is due once
 *          text zone      of the cron expression </pre>
 */
public record TimerScheduledRecord(
        long timerId,
        long dueMillis,
        int bodyQueueId,
        int targetQueueId,
        long bodyOffset,
        long bodySequence,
        String cron,
        String zone)
        implements LogRecord {
    public TimerScheduledRecord {
        Fields.notNegative("bodyOffset", bodyOffset);
        Fields.text("cron", cron);
        Fields.text("zone", zone);
    }

    @Override
    public RecordType type() {
        return RecordType.TIMER_SCHEDULED;
    }

    @Override
    public int bodyBytes() {
        return 40 + BodyWriter.textBytes(cron) + BodyWriter.textBytes(zone);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .i64(timerId)
                .i64(dueMillis)
                .i32(bodyQueueId)
                .i32(targetQueueId)
                .i64(bodyOffset)
                .i64(bodySequence)
                .text(cron)
                .text(zone);
    }

    static TimerScheduledRecord decode(BodyReader in) throws CorruptRecordException {
        return new TimerScheduledRecord(
                in.i64(), in.i64(), in.i32(), in.i32(), in.i64(), in.i64(), in.text(), in.text());
    }
}
