package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.List;

/**
 * State of a reserved queue of snapshots of persistent actors: its persistence ids, in the order of their numbers, which begin at 1
 * and have no gap, each with the snapshots that are whole.
 * <pre> byte  0  u8   kind = 5
 * byte  1  u8   version = 1
 * byte  2  u8   1 if of one snapshot some parts are there and not the last yet, else 0; if 1: varint number of the persistence id ·
 *              a snapshot, see below · varint how many of its parts are there
 *          i32 count of ids, each: text persistenceId · i32 count of snapshots, each: varint sequenceNr · i64 timestampMillis ·
 *              varint offset of the first part, the others follow it · varint parts </pre>
 *
 * @param begunOrNull null if no snapshot waits for further parts
 */
public record SnapshotsSnapshot(Begun begunOrNull, List<Id> ids) {
    /** Bytes of the shortest ones. */
    private static final int ID_BYTES_MIN = 6;

    private static final int SNAPSHOT_BYTES_MIN = 11;

    /**
     * One snapshot.
     *
     * @param sequenceNr of the newest event that it holds
     * @param firstOffset of its first part in the queue
     */
    public record Snapshot(long sequenceNr, long timestampMillis, long firstOffset, int parts) {
        public Snapshot {
            Fields.notNegative("sequenceNr", sequenceNr);
            Fields.notNegative("firstOffset", firstOffset);
            Fields.positive("parts", parts);
        }

        private long bytes() {
            return BodyWriter.varintBytes(sequenceNr)
                    + 8
                    + BodyWriter.varintBytes(firstOffset)
                    + BodyWriter.varintBytes(parts);
        }

        private void encode(BodyWriter out) {
            out.varint(sequenceNr).i64(timestampMillis).varint(firstOffset).varint(parts);
        }

        private static Snapshot decode(BodyReader in) throws CorruptRecordException {
            return new Snapshot(in.varint(), in.i64(), in.varint(), intOf(in));
        }
    }

    /**
     * A snapshot that is not whole yet.
     *
     * @param number of its persistence id, which may have none that is whole
     * @param partsThere at least one, and not all
     */
    public record Begun(long number, Snapshot snapshot, int partsThere) {
        public Begun {
            Fields.positive("number", number);
            Fields.check(
                    partsThere > 0 && partsThere < snapshot.parts,
                    "parts that are there",
                    partsThere,
                    "1 to " + (snapshot.parts - 1));
        }
    }

    /**
     * One persistence id.
     *
     * @param snapshots of ascending sequence numbers
     */
    public record Id(String persistenceId, List<Snapshot> snapshots) {
        public Id {
            Fields.text("persistenceId", persistenceId);
            for (int index = 1; index < snapshots.size(); index++) {
                long before = snapshots.get(index - 1).sequenceNr;
                Fields.check(
                        snapshots.get(index).sequenceNr > before,
                        "sequenceNr",
                        snapshots.get(index).sequenceNr,
                        "more than " + before);
            }
        }
    }

    /** The lists are not copied: they may be long, and must not be changed. */
    public SnapshotsSnapshot {}

    /** The payload of its {@link SnapshotRecord}s. */
    public byte[] encode() {
        long bytes = SnapshotKind.HEADER_BYTES + 1 + 4L;
        if (begunOrNull != null) {
            bytes += BodyWriter.varintBytes(begunOrNull.number)
                    + begunOrNull.snapshot.bytes()
                    + BodyWriter.varintBytes(begunOrNull.partsThere);
        }
        for (Id id : ids) {
            bytes += BodyWriter.textBytes(id.persistenceId) + 4L;
            for (Snapshot snapshot : id.snapshots) {
                bytes += snapshot.bytes();
            }
        }
        byte[] payload = new byte[Math.toIntExact(bytes)];
        BodyWriter out = SnapshotKind.PERSISTENCE_SNAPSHOTS.begin(payload);
        out.u8(begunOrNull == null ? 0 : 1);
        if (begunOrNull != null) {
            out.varint(begunOrNull.number);
            begunOrNull.snapshot.encode(out);
            out.varint(begunOrNull.partsThere);
        }
        out.i32(ids.size());
        for (Id id : ids) {
            out.text(id.persistenceId).i32(id.snapshots.size());
            id.snapshots.forEach(snapshot -> snapshot.encode(out));
        }
        SnapshotKind.finished(payload, out);
        return payload;
    }

    public static SnapshotsSnapshot decode(byte[] payload) throws CorruptRecordException {
        BodyReader in = SnapshotKind.PERSISTENCE_SNAPSHOTS.open(payload);
        Begun begun = null;
        List<Id> ids;
        try {
            if (in.flag()) {
                begun = new Begun(in.varint(), Snapshot.decode(in), intOf(in));
            }
            int count = in.count(ID_BYTES_MIN);
            ids = new ArrayList<>(count);
            for (int index = 0; index < count; index++) {
                String persistenceId = in.text();
                int snapshotCount = in.count(SNAPSHOT_BYTES_MIN);
                List<Snapshot> snapshots = new ArrayList<>(snapshotCount);
                for (int each = 0; each < snapshotCount; each++) {
                    snapshots.add(Snapshot.decode(in));
                }
                ids.add(new Id(persistenceId, snapshots));
            }
        } catch (IllegalArgumentException e) {
            throw in.corrupt(e.getMessage());
        }
        in.end();
        if (begun != null && begun.number > ids.size()) {
            throw in.corrupt("a snapshot of persistence id number " + begun.number + " of " + ids.size());
        }
        return new SnapshotsSnapshot(begun, ids);
    }

    private static int intOf(BodyReader in) throws CorruptRecordException {
        long value = in.varint();
        if (value > Integer.MAX_VALUE) {
            throw in.corrupt(value + " parts");
        }
        return (int) value;
    }
}
