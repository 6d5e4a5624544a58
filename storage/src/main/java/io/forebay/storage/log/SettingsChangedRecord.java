package io.forebay.storage.log;

import java.util.Map;

/**
 * Settings that were changed while running; what is not named stays. Owner: stripe 0's own.
 * <pre> byte  0  u8   scope      1 node · 2 topic · 3 group · 4 subscription
 * byte  1  i32  firstId      topic or group id, 0 for the node
 * byte  5  i32  secondId      group id of a subscription, else 0
 * byte  9  i64  changedMillis
 * byte 17  text map settings      an empty value takes the setting back to its default
 *          text who               "" if not known; not in version 1 </pre>
 * The number of queues of a topic is named {@code queues}: no setting of the topic's, but told with the others. Its record
 * follows in the same frame.
 */
public record SettingsChangedRecord(
        Scope scope, int firstId, int secondId, long changedMillis, Map<String, String> settings, String who)
        implements LogRecord {
    /** The order of the constants is the code on disk, from 1: never changed, only added to. */
    public enum Scope {
        /** All of the node. */
        NODE,

        /** One topic. */
        TOPIC,

        /** One group. */
        GROUP,

        /** One group on one topic. */
        SUBSCRIPTION
    }

    public SettingsChangedRecord {
        settings = Fields.copy("settings", settings);
        Fields.text("who", who);
    }

    @Override
    public RecordType type() {
        return RecordType.SETTINGS_CHANGED;
    }

    @Override
    public int bodyBytes() {
        return 17 + BodyWriter.textMapBytes(settings) + BodyWriter.textBytes(who);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .u8(scope.ordinal() + 1)
                .i32(firstId)
                .i32(secondId)
                .i64(changedMillis)
                .textMap(settings)
                .text(who);
    }

    static SettingsChangedRecord decode(BodyReader in, int version) throws CorruptRecordException {
        return new SettingsChangedRecord(
                in.code(Scope.values()), in.i32(), in.i32(), in.i64(), in.textMap(), version == 1 ? "" : in.text());
    }
}
