package io.forebay.storage.log;

/**
 * A parked key goes on. Owner: the group.
 * <pre> byte  0  i64  blockedOffset      as it was parked
 * byte  8  i64  resumedOffset      the key goes on with its first message at or above
 * byte 16  i64  unparkedMillis
 * byte 24  u8   how      1 tried again · 2 skipped · 3 dead-lettered
 * byte 25  text messageGroup      the key </pre>
 */
public record KeyUnparkedRecord(
        long blockedOffset, long resumedOffset, long unparkedMillis, How how, String messageGroup)
        implements LogRecord {
    /** The order of the constants is the code on disk, from 1: never changed, only added to. */
    public enum How {
        /** The message goes out again, attempts from the start. */
        TRIED_AGAIN,

        /** The message is settled unprocessed. */
        SKIPPED,

        /** The message went to the dead letters. */
        DEAD_LETTERED
    }

    public KeyUnparkedRecord {
        Fields.notNegative("blockedOffset", blockedOffset);
        Fields.notNegative("resumedOffset", resumedOffset);
        Fields.text("messageGroup", messageGroup);
    }

    @Override
    public RecordType type() {
        return RecordType.KEY_UNPARKED;
    }

    @Override
    public int bodyBytes() {
        return 25 + BodyWriter.textBytes(messageGroup);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .i64(blockedOffset)
                .i64(resumedOffset)
                .i64(unparkedMillis)
                .u8(how.ordinal() + 1)
                .text(messageGroup);
    }

    static KeyUnparkedRecord decode(BodyReader in) throws CorruptRecordException {
        return new KeyUnparkedRecord(in.i64(), in.i64(), in.i64(), in.code(How.values()), in.text());
    }
}
