package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * How the settings of one topic or group came to be what they are; part of a {@link RegistrySnapshot}.
 *
 * @param scope of a topic or a group
 * @param id of it
 * @param version 1 when it was created, one more with each change
 * @param changes the last ones, oldest first; the last one made {@code version}
 */
public record SettingsHistory(SettingsChangedRecord.Scope scope, int id, long version, List<Change> changes) {
    static final int BYTES_MIN = 1 + 4 + 8 + 4;

    /**
     * One change of one or more settings.
     *
     * @param who "" if not known
     * @param before what each setting was, "" for the default
     * @param after what it became, "" for the default; of the same settings
     */
    public record Change(long changedMillis, String who, Map<String, String> before, Map<String, String> after) {
        private static final int BYTES_MIN = 8 + 2 + 2 + 2;

        public Change {
            Fields.text("who", who);
            before = Fields.copy("before", before);
            after = Fields.copy("after", after);
            Fields.check(
                    before.keySet().equals(after.keySet()), "before", before.keySet(), after.keySet() + " as after");
        }
    }

    public SettingsHistory {
        Fields.positive("id", id);
        changes = List.copyOf(changes);
        Fields.check(version > changes.size(), "version", version, "more than the " + changes.size() + " changes");
    }

    int encodedBytes() {
        int bytes = BYTES_MIN;
        for (Change change : changes) {
            bytes += 8
                    + BodyWriter.textBytes(change.who)
                    + BodyWriter.textMapBytes(change.before)
                    + BodyWriter.textMapBytes(change.after);
        }
        return bytes;
    }

    void encode(BodyWriter out) {
        out.u8(scope.ordinal() + 1).i32(id).i64(version).i32(changes.size());
        for (Change change : changes) {
            out.i64(change.changedMillis)
                    .text(change.who)
                    .textMap(change.before)
                    .textMap(change.after);
        }
    }

    static SettingsHistory decode(BodyReader in) throws CorruptRecordException {
        SettingsChangedRecord.Scope scope = in.code(SettingsChangedRecord.Scope.values());
        int id = in.i32();
        long version = in.i64();
        int count = in.count(Change.BYTES_MIN);
        List<Change> changes = new ArrayList<>(count);
        for (int index = 0; index < count; index++) {
            changes.add(new Change(in.i64(), in.text(), in.textMap(), in.textMap()));
        }
        return new SettingsHistory(scope, id, version, changes);
    }
}
