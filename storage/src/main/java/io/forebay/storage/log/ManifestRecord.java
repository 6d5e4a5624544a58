package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.List;

/**
 * Every segment of the log and every owner's newest snapshot, as known at a checkpoint. Owner: the stripe. Counts when
 * all its parts are there. A listed segment that is missing is lost; an unlisted one before the replay start is free.
 * <pre> byte  0  i64  checkpointNumber   one higher each time
 * byte  8  i64  replayPosition     first frame to replay
 * byte 16  i64  replaySequence     first sequence to replay
 * byte 24  i64  nextSequence       at this checkpoint
 * byte 32  i64  addressLimit       beyond every position ever used
 * byte 40  i64  logTimeMillis
 * byte 48  i32  part               0 …
 * byte 52  i32  parts
 * byte 56  i32 count of segments, each 56 bytes:
 *              i64 fileNumber · i64 basePosition · i64 endPosition (−1: still open) · i64 sizeBytes · i64 epoch ·
 *              i64 firstSequence · i32 flags (1 holds moved frames, 2 holds entries,
 *              4 holds moved frames that the index may not name yet) · i32 0
 *          i32 count of owners, each 64 bytes:
 *              i32 queueId · i32 groupId · i64 nextOwnerNumber (at the replay start) · i64 nextOffset · i64 heldSequence ·
 *              i64 heldOwnerNumber · i64 snapshotPosition · i64 snapshotSequence (−1 without one) ·
 *              i64 releasedBelow (lowest offset still needed, of a queue) </pre>
 */
public record ManifestRecord(
        long checkpointNumber,
        long replayPosition,
        long replaySequence,
        long nextSequence,
        long addressLimit,
        long logTimeMillis,
        int part,
        int parts,
        List<SegmentEntry> segments,
        List<OwnerEntry> owners)
        implements LogRecord {
    private static final int FIXED_BYTES = 64;

    /** @param endPosition −1 while the segment is still written to */
    public record SegmentEntry(
            long fileNumber,
            long basePosition,
            long endPosition,
            long sizeBytes,
            long epoch,
            long firstSequence,
            int flags) {
        /** In {@link #flags()}: the segment holds frames that were moved there by cleaning. */
        public static final int HOLDS_MOVED = 1;

        /** In {@link #flags()}: the segment holds entries, which pin bodies in other segments. */
        public static final int HOLDS_ENTRIES = 2;

        /**
         * In {@link #flags()}: the index may be about to name moved frames in the segment, and a crash may leave an entry
         * torn: a start puts them into the index again.
         */
        public static final int HOLDS_UNSETTLED = 4;

        private static final int BYTES = 56;

        public SegmentEntry {
            Fields.notNegative("basePosition", basePosition);
            Fields.check(
                    endPosition == -1 || endPosition >= basePosition,
                    "endPosition",
                    endPosition,
                    "-1 or at least " + basePosition);
        }
    }

    /** @param snapshotPosition of the frame with the snapshot's first part, −1 if the owner has none */
    public record OwnerEntry(
            int queueId,
            int groupId,
            long nextOwnerNumber,
            long nextOffset,
            long heldSequence,
            long heldOwnerNumber,
            long snapshotPosition,
            long snapshotSequence,
            long releasedBelow) {
        private static final int BYTES = 64;
    }

    public ManifestRecord {
        Fields.part(part, parts);
        segments = List.copyOf(segments);
        owners = List.copyOf(owners);
    }

    /**
     * The same manifest in parts of at most {@code bodyBytesMax}.
     *
     * @throws IllegalArgumentException if not even one entry fits
     */
    public List<ManifestRecord> split(int bodyBytesMax) {
        int entriesMax = (bodyBytesMax - FIXED_BYTES) / OwnerEntry.BYTES;
        Fields.check(entriesMax >= 1, "bodyBytesMax", bodyBytesMax, "at least " + (FIXED_BYTES + OwnerEntry.BYTES));
        int entries = segments.size() + owners.size();
        int count = Math.max(1, (entries + entriesMax - 1) / entriesMax);
        if (count == 1) {
            return List.of(this);
        }
        List<ManifestRecord> records = new ArrayList<>(count);
        for (int index = 0; index < count; index++) {
            int from = index * entriesMax;
            int to = Math.min(from + entriesMax, entries);
            int segmentCount = segments.size();
            records.add(new ManifestRecord(
                    checkpointNumber,
                    replayPosition,
                    replaySequence,
                    nextSequence,
                    addressLimit,
                    logTimeMillis,
                    index,
                    count,
                    segments.subList(Math.min(from, segmentCount), Math.min(to, segmentCount)),
                    owners.subList(Math.max(from - segmentCount, 0), Math.max(to - segmentCount, 0))));
        }
        return records;
    }

    /**
     * The whole manifest from its parts in order.
     *
     * @throws CorruptRecordException if parts are missing, out of order or of different manifests
     */
    public static ManifestRecord join(List<ManifestRecord> records) throws CorruptRecordException {
        if (records.isEmpty()) {
            throw new CorruptRecordException("MANIFEST: no part is there");
        }
        ManifestRecord first = records.get(0);
        if (first.parts != records.size()) {
            throw new CorruptRecordException("MANIFEST: " + records.size() + " of " + first.parts + " parts are there");
        }
        List<SegmentEntry> segments = new ArrayList<>();
        List<OwnerEntry> owners = new ArrayList<>();
        for (int index = 0; index < records.size(); index++) {
            ManifestRecord record = records.get(index);
            if (record.part != index
                    || record.parts != first.parts
                    || record.checkpointNumber != first.checkpointNumber
                    || record.nextSequence != first.nextSequence) {
                throw new CorruptRecordException("MANIFEST: part " + record.part + " of checkpoint "
                        + record.checkpointNumber + " is not part " + index + " of checkpoint "
                        + first.checkpointNumber);
            }
            segments.addAll(record.segments);
            owners.addAll(record.owners);
        }
        return new ManifestRecord(
                first.checkpointNumber,
                first.replayPosition,
                first.replaySequence,
                first.nextSequence,
                first.addressLimit,
                first.logTimeMillis,
                0,
                1,
                segments,
                owners);
    }

    @Override
    public RecordType type() {
        return RecordType.MANIFEST;
    }

    @Override
    public int bodyBytes() {
        return FIXED_BYTES + SegmentEntry.BYTES * segments.size() + OwnerEntry.BYTES * owners.size();
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        BodyWriter out = new BodyWriter(target, at);
        out.i64(checkpointNumber).i64(replayPosition).i64(replaySequence).i64(nextSequence);
        out.i64(addressLimit).i64(logTimeMillis).i32(part).i32(parts);
        out.i32(segments.size());
        for (SegmentEntry segment : segments) {
            out.i64(segment.fileNumber).i64(segment.basePosition).i64(segment.endPosition);
            out.i64(segment.sizeBytes).i64(segment.epoch).i64(segment.firstSequence);
            out.i32(segment.flags).i32(0);
        }
        out.i32(owners.size());
        for (OwnerEntry owner : owners) {
            out.i32(owner.queueId).i32(owner.groupId).i64(owner.nextOwnerNumber).i64(owner.nextOffset);
            out.i64(owner.heldSequence).i64(owner.heldOwnerNumber);
            out.i64(owner.snapshotPosition).i64(owner.snapshotSequence).i64(owner.releasedBelow);
        }
    }

    static ManifestRecord decode(BodyReader in) throws CorruptRecordException {
        long checkpointNumber = in.i64();
        long replayPosition = in.i64();
        long replaySequence = in.i64();
        long nextSequence = in.i64();
        long addressLimit = in.i64();
        long logTimeMillis = in.i64();
        int part = in.i32();
        int parts = in.i32();
        int count = in.count(SegmentEntry.BYTES);
        List<SegmentEntry> segments = new ArrayList<>(count);
        for (int index = 0; index < count; index++) {
            segments.add(new SegmentEntry(in.i64(), in.i64(), in.i64(), in.i64(), in.i64(), in.i64(), in.i32()));
            in.zeros(4);
        }
        count = in.count(OwnerEntry.BYTES);
        List<OwnerEntry> owners = new ArrayList<>(count);
        for (int index = 0; index < count; index++) {
            owners.add(new OwnerEntry(
                    in.i32(), in.i32(), in.i64(), in.i64(), in.i64(), in.i64(), in.i64(), in.i64(), in.i64()));
        }
        return new ManifestRecord(
                checkpointNumber,
                replayPosition,
                replaySequence,
                nextSequence,
                addressLimit,
                logTimeMillis,
                part,
                parts,
                segments,
                owners);
    }
}
