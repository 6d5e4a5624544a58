package io.forebay.storage.log;

/**
 * A message went to the dead letters and is settled for this group; in one frame with the entry in the dead-letter
 * queue. Owner: the group.
 * <pre> byte  0  i64  offset
 * byte  8  i32  deadQueueId
 * byte 12  i32  attempts         deliveries that failed
 * byte 16  text reason </pre>
 */
public record DeadLetteredRecord(long offset, int deadQueueId, int attempts, String reason) implements LogRecord {
    public DeadLetteredRecord {
        Fields.notNegative("offset", offset);
        Fields.notNegative("attempts", attempts);
        Fields.text("reason", reason);
    }

    @Override
    public RecordType type() {
        return RecordType.DEAD_LETTERED;
    }

    @Override
    public int bodyBytes() {
        return 16 + BodyWriter.textBytes(reason);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at).i64(offset).i32(deadQueueId).i32(attempts).text(reason);
    }

    static DeadLetteredRecord decode(BodyReader in) throws CorruptRecordException {
        return new DeadLetteredRecord(in.i64(), in.i32(), in.i32(), in.text());
    }
}
