package io.forebay.storage.log;

/**
 * In an ordered group a key is set aside because a message of it failed too often; the other keys go on. Owner: the
 * group.
 * <pre> byte  0  i64  blockedOffset      the message that failed
 * byte  8  i32  attempts
 * byte 12  i64  parkedMillis
 * byte 20  text messageGroup      the key
 *          text reason </pre>
 */
public record KeyParkedRecord(long blockedOffset, int attempts, long parkedMillis, String messageGroup, String reason)
        implements LogRecord {
    public KeyParkedRecord {
        Fields.notNegative("blockedOffset", blockedOffset);
        Fields.notNegative("attempts", attempts);
        Fields.text("messageGroup", messageGroup);
        Fields.text("reason", reason);
    }

    @Override
    public RecordType type() {
        return RecordType.KEY_PARKED;
    }

    @Override
    public int bodyBytes() {
        return 20 + BodyWriter.textBytes(messageGroup) + BodyWriter.textBytes(reason);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .i64(blockedOffset)
                .i32(attempts)
                .i64(parkedMillis)
                .text(messageGroup)
                .text(reason);
    }

    static KeyParkedRecord decode(BodyReader in) throws CorruptRecordException {
        return new KeyParkedRecord(in.i64(), in.i32(), in.i64(), in.text(), in.text());
    }
}
