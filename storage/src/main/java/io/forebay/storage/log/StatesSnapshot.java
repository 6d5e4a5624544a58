package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * State of a reserved queue of durable states: its persistence ids, in the order of their numbers, which begin at 1 and have no gap.
 * <pre> byte  0  u8   kind = 6
 * byte  1  u8   version = 1
 * byte  2  i32 count of tags, each: text
 *          i32 count of ids, each: text persistenceId · varint revision, 0 without a state; and nothing more of it ·
 *              varint 2 × index of the tag among the tags + 1 if deleted · varint offset of the first part · varint parts ·
 *              varint sequence of the last part
 *          varint number of the id of which a state is begun, 0 if there is none; and nothing more of it ·
 *              varint revision · varint offset of the first part · varint parts · varint how many of them are there </pre>
 *
 * @param begun a state of which not all parts are there, null if there is none
 */
public record StatesSnapshot(List<Id> ids, Begun begun) {
    /** Bytes of the shortest one. */
    private static final int ID_BYTES_MIN = 3;

    private static final int TAG_BYTES_MIN = 2;

    /**
     * One persistence id.
     *
     * @param revision 0 if there never was a state; then all the others are nothing, too
     * @param tag "" if there is none
     * @param firstOffset of its parts, which follow each other
     * @param sequence of the record of its last part
     */
    public record Id(
            String persistenceId,
            long revision,
            boolean isDeleted,
            String tag,
            long firstOffset,
            int parts,
            long sequence) {
        public Id {
            Fields.text("persistenceId", persistenceId);
            Fields.notNegative("revision", revision);
            Fields.text("tag", tag);
            Fields.notNegative("firstOffset", firstOffset);
            Fields.notNegative("parts", parts);
            Fields.notNegative("sequence", sequence);
        }

        /** One without a state. */
        public static Id of(String persistenceId) {
            return new Id(persistenceId, 0, false, "", 0, 0, 0);
        }
    }

    /**
     * The beginning of a state.
     *
     * @param number of its persistence id
     * @param found the first so many of its parts are there
     */
    public record Begun(long number, long revision, long firstOffset, int parts, int found) {
        public Begun {
            Fields.positive("number", number);
            Fields.positive("revision", revision);
            Fields.notNegative("firstOffset", firstOffset);
            Fields.check(found > 0 && found < parts, "found", found, "1 to less than parts, " + parts);
        }
    }

    /** The list is not copied: it may be long, and must not be changed. */
    public StatesSnapshot {}

    /** The payload of its {@link SnapshotRecord}s. */
    public byte[] encode() {
        Map<String, Integer> tags = new LinkedHashMap<>();
        long bytes = SnapshotKind.HEADER_BYTES + 8L;
        for (Id id : ids) {
            bytes += BodyWriter.textBytes(id.persistenceId) + BodyWriter.varintBytes(id.revision);
            if (id.revision > 0) {
                tags.putIfAbsent(id.tag, tags.size());
                bytes += BodyWriter.varintBytes(tagCode(tags, id))
                        + BodyWriter.varintBytes(id.firstOffset)
                        + BodyWriter.varintBytes(id.parts)
                        + BodyWriter.varintBytes(id.sequence);
            }
        }
        for (String tag : tags.keySet()) {
            bytes += BodyWriter.textBytes(tag);
        }
        bytes += begun == null
                ? BodyWriter.varintBytes(0)
                : BodyWriter.varintBytes(begun.number)
                        + BodyWriter.varintBytes(begun.revision)
                        + BodyWriter.varintBytes(begun.firstOffset)
                        + BodyWriter.varintBytes(begun.parts)
                        + BodyWriter.varintBytes(begun.found);
        byte[] payload = new byte[Math.toIntExact(bytes)];
        BodyWriter out = SnapshotKind.DURABLE_STATES.begin(payload);
        out.i32(tags.size());
        tags.keySet().forEach(out::text);
        out.i32(ids.size());
        for (Id id : ids) {
            out.text(id.persistenceId).varint(id.revision);
            if (id.revision > 0) {
                out.varint(tagCode(tags, id))
                        .varint(id.firstOffset)
                        .varint(id.parts)
                        .varint(id.sequence);
            }
        }
        if (begun == null) {
            out.varint(0);
        } else {
            out.varint(begun.number)
                    .varint(begun.revision)
                    .varint(begun.firstOffset)
                    .varint(begun.parts)
                    .varint(begun.found);
        }
        SnapshotKind.finished(payload, out);
        return payload;
    }

    private static long tagCode(Map<String, Integer> tags, Id id) {
        return 2L * tags.get(id.tag) + (id.isDeleted ? 1 : 0);
    }

    public static StatesSnapshot decode(byte[] payload) throws CorruptRecordException {
        BodyReader in = SnapshotKind.DURABLE_STATES.open(payload);
        int tagCount = in.count(TAG_BYTES_MIN);
        List<String> tags = new ArrayList<>(tagCount);
        for (int index = 0; index < tagCount; index++) {
            tags.add(in.text());
        }
        int count = in.count(ID_BYTES_MIN);
        List<Id> ids = new ArrayList<>(count);
        Begun begun;
        try {
            for (int index = 0; index < count; index++) {
                ids.add(id(in, tags));
            }
            long number = in.varint();
            begun = number == 0 ? null : new Begun(number, in.varint(), in.varint(), size(in), size(in));
        } catch (IllegalArgumentException e) {
            throw in.corrupt(e.getMessage());
        }
        in.end();
        return new StatesSnapshot(ids, begun);
    }

    private static Id id(BodyReader in, List<String> tags) throws CorruptRecordException {
        String persistenceId = in.text();
        long revision = in.varint();
        if (revision == 0) {
            return Id.of(persistenceId);
        }
        long tagCode = in.varint();
        if (tagCode < 0 || tagCode / 2 >= tags.size()) {
            throw in.corrupt("tag " + tagCode / 2 + " of " + tags.size());
        }
        return new Id(
                persistenceId,
                revision,
                (tagCode & 1) == 1,
                tags.get((int) (tagCode / 2)),
                in.varint(),
                size(in),
                in.varint());
    }

    private static int size(BodyReader in) throws CorruptRecordException {
        long size = in.varint();
        if (size <= 0 || size > Integer.MAX_VALUE) {
            throw in.corrupt("a count of " + size + ", allowed: 1 to " + Integer.MAX_VALUE);
        }
        return (int) size;
    }
}
