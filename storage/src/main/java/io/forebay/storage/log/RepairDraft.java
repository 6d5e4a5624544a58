package io.forebay.storage.log;

import io.forebay.storage.checkpoint.CheckpointFile;
import io.forebay.storage.checkpoint.CheckpointSlot;
import io.forebay.storage.checkpoint.CorruptCheckpointException;
import io.forebay.storage.io.DraftDirectory;
import io.forebay.storage.io.LittleEndian;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import io.forebay.storage.log.LogFiles.Found;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * A damaged log, mended in a draft of its directory: nothing of the directory itself is changed. The segments first, until all are
 * there with sound headers; then what is lost in them is filled; then the log is opened, as a start would, and takes a note of the
 * offsets that are gone. Used once.
 */
final class RepairDraft {
    private static final int ROUNDS_MAX = 1_000;
    /** It holds the definitions of topics and groups. */
    private static final int REGISTRY_STRIPE = 0;

    private final StorageDirectory directory;
    private final DraftDirectory draft;
    private final long nowMillis;
    private final List<RepairPlan.Loss> losses = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();
    private int stripeId = -1;
    private long logId = LogIdentity.UNKNOWN;
    private boolean isIndexRebuilt;
    /** Names of segments that are made anew, or their headers. */
    private final Set<String> remade = new HashSet<>();
    /** Whether what told of topics and groups cannot be read. */
    private boolean isNamesLost;

    private RepairDraft(StorageDirectory directory, long nowMillis) {
        this.directory = directory;
        this.draft = new DraftDirectory(directory);
        this.nowMillis = nowMillis;
    }

    /** A plan and what it writes. */
    record Drafted(RepairPlan plan, List<DraftDirectory.Change> changes, boolean isIndexRebuilt) {}

    /** Thrown where nothing can be done. */
    private static final class Refused extends IOException {
        private static final long serialVersionUID = 1L;

        Refused(String reason) {
            super(reason);
        }
    }

    static Drafted of(StorageDirectory directory, long nowMillis) throws IOException {
        return new RepairDraft(directory, nowMillis).run();
    }

    private Drafted run() throws IOException {
        LogVerifier.Report before = LogVerifier.verify(directory);
        stripeId = (int) before.stripeId();
        boolean isOpened = opens(new DraftDirectory(directory)) == null;
        if (before.isSound() && isOpened) {
            return plan(before, List.of(), null);
        }
        String refusal = null;
        try {
            mend();
        } catch (CorruptLogException e) {
            refusal = e.file() + ", position " + e.position() + ": " + e.problem();
        } catch (Refused e) {
            refusal = e.getMessage();
        }
        List<DraftDirectory.Change> changes = refusal == null ? draft.changes() : List.of();
        if (refusal == null && changes.isEmpty()) {
            refusal = "nothing that could be written would change it";
        }
        return plan(before, changes, refusal);
    }

    private Drafted plan(LogVerifier.Report before, List<DraftDirectory.Change> changes, String refusal) {
        List<RepairPlan.Write> writes = changes.stream()
                .map(change -> new RepairPlan.Write(change.name(), change.isMade(), change.changedBytes()))
                .toList();
        List<String> copies = changes.stream()
                .filter(change -> !change.isMade())
                .map(DraftDirectory.Change::name)
                .toList();
        RepairPlan plan = new RepairPlan(stripeId, before.problems(), losses, notes, writes, copies, refusal);
        return new Drafted(plan, changes, isIndexRebuilt);
    }

    /** Null if a start in that directory, which is changed by it, finds everybody's records; else why not. */
    private String opens(StorageDirectory where) throws IOException {
        try (StripeLog log = StripeLog.open(where, options(where), nowMillis, new Ignoring())) {
            return log.report().stoppedOwners().isEmpty()
                    ? null
                    : "stopped: " + log.report().stoppedOwners();
        } catch (CorruptLogException e) {
            return e.file() + ", position " + e.position() + ": " + e.problem();
        }
    }

    static final class Ignoring implements RecoverySink {
        @Override
        public void snapshot(RecordView part) {}

        @Override
        public void record(RecordView record) {}
    }

    /** Of the log as it is: of its newest segment, and of the first file of its index. */
    private StripeOptions options(StorageDirectory where) throws IOException {
        StripeOptions options =
                StripeOptions.of(Math.max(0, stripeId)).withSpareSegments(0, 0).withSegmentBytes(segmentBytes(where));
        StorageDirectory index = where.child(StripeLog.INDEX_DIRECTORY);
        for (String name : index.list()) {
            if (name.matches("index-[0-9]{10}")) {
                byte[] header = new byte[64];
                try (StorageFile file = index.open(name)) {
                    file.readCold(0, header, 0, (int) Math.min(header.length, file.sizeBytes()));
                }
                int entries = LittleEndian.getInt(header, 20);
                int bytes = LittleEndian.getInt(header, 32);
                if (entries >= 1 && entries <= 1 << 20 && bytes >= 4096) {
                    return options.withIndexExtentEntries(entries).withIndexFileBytes(bytes);
                }
            }
        }
        return options;
    }

    private int segmentBytes(StorageDirectory where) throws IOException {
        long bytes = StripeOptions.of(0).segmentBytes();
        try (LogFiles files = LogFiles.open(where, slotOrNull())) {
            for (Found found : files.all()) {
                if (found.header != null) {
                    bytes = found.header.sizeBytes();
                }
            }
        }
        boolean isLegal = bytes >= StripeOptions.SEGMENT_BYTES_MIN
                && bytes <= StripeOptions.SEGMENT_BYTES_MAX
                && bytes % SegmentHeader.PAGE_BYTES == 0;
        return isLegal ? (int) bytes : StripeOptions.of(0).segmentBytes();
    }

    private void mend() throws IOException {
        RepairSlots slots = new RepairSlots(draft, notes);
        slots.mend();
        isIndexRebuilt = slots.isFoundAgain();
        for (int round = 0; mendSegment(); round++) {
            if (round == ROUNDS_MAX) {
                throw new Refused("its segments do not come to a chain");
            }
        }
        Map<Integer, List<long[]>> lostOffsets = fill();
        remakeManifest(lostOffsets);
        appendNotes(lostOffsets);
        String problem = opens(new DraftDirectory(draft));
        if (problem != null) {
            throw new Refused("what is left does not come to a log: " + problem);
        }
        LogVerifier.Report after = LogVerifier.verify(draft);
        after.problems().forEach(left -> notes.add("stays: " + left));
    }

    private CheckpointSlot slot() throws IOException {
        if (!draft.list().contains(StripeLog.CHECKPOINT_FILE)) {
            return null;
        }
        try (CheckpointFile file = CheckpointFile.open(draft, StripeLog.CHECKPOINT_FILE)) {
            CheckpointSlot slot = file.found().orElse(null);
            stripeId = slot == null ? stripeId : slot.stripeId();
            logId = slot == null ? logId : slot.logId();
            return slot;
        }
    }

    /** Before the slots are mended, too. */
    private CheckpointSlot slotOrNull() throws IOException {
        try {
            return slot();
        } catch (CorruptCheckpointException e) {
            return null;
        }
    }

    private ManifestRecord manifest(LogFiles files, CheckpointSlot slot) throws IOException {
        try {
            ManifestRecord manifest = Recovery.readManifest(files, draft.path(), slot);
            if (manifest != null) {
                files.listEnds(manifest);
            }
            return manifest;
        } catch (CorruptLogException e) {
            return null;
        }
    }

    // ----------------------------------------------------------------------------------------------------- segments

    /** Where the sound frames of a segment end. */
    private record End(long position, long sequence, long epoch) {}

    private static End end(Found found) throws IOException {
        FrameWindow window = new FrameWindow();
        long limit = found.base + found.file.sizeBytes();
        End end = new End(
                found.firstPosition(),
                found.header == null ? -1 : found.header.firstSequence(),
                found.header == null ? 0 : found.header.epoch());
        for (long at = window.nextFrame(found.file, found.base, found.firstPosition(), limit); at < limit; ) {
            byte[] bytes = window.bytes();
            int in = window.at();
            long next = at + FrameCodec.length(bytes, in);
            if (FrameCodec.epoch(bytes, in) >= end.epoch) {
                int count = FrameCodec.isMoved(bytes, in) ? 0 : FrameCodec.recordCount(bytes, in);
                end = new End(next, FrameCodec.firstSequence(bytes, in) + count, FrameCodec.epoch(bytes, in));
            }
            at = window.nextFrame(found.file, found.base, next, limit);
        }
        return end;
    }

    /** Mends one segment that is cut short, has no sound header, or is missing. @return whether there was one */
    private boolean mendSegment() throws IOException {
        CheckpointSlot slot = slot();
        int segmentBytes = segmentBytes(draft);
        Wanted wanted;
        try (LogFiles files = LogFiles.open(draft, slot)) {
            ManifestRecord manifest = manifest(files, slot);
            wanted = wanted(files, slot, manifest, segmentBytes);
        }
        if (wanted == null) {
            return false;
        }
        remade.add(wanted.name);
        byte[] old = new byte[0];
        boolean isThere = draft.list().contains(wanted.name);
        if (isThere) {
            try (StorageFile file = draft.open(wanted.name)) {
                if (file.sizeBytes() != wanted.sizeBytes) {
                    old = new byte[(int) Math.min(file.sizeBytes(), wanted.sizeBytes)];
                    file.readCold(0, old, 0, old.length);
                    isThere = false;
                }
            }
            if (!isThere) {
                draft.delete(wanted.name);
            }
        }
        try (StorageFile file = isThere ? draft.open(wanted.name) : draft.create(wanted.name, wanted.sizeBytes)) {
            file.write(0, old, 0, old.length);
            if (wanted.headerOrNull != null) {
                byte[] header = wanted.headerOrNull.encode();
                file.write(0, header, 0, header.length);
            }
        }
        return true;
    }

    /** A segment as it has to be; its header stays what it is if there is none here. */
    private record Wanted(String name, long sizeBytes, SegmentHeader headerOrNull) {}

    private Wanted wanted(LogFiles files, CheckpointSlot slot, ManifestRecord manifest, int segmentBytes)
            throws IOException {
        for (Found found : files.all()) {
            boolean isUnknown = logId == LogIdentity.UNKNOWN && found.isLinked();
            logId = isUnknown ? found.header.logId() : logId;
        }
        long durable = RepairScan.durable(files, slot);
        Map<Long, ManifestRecord.SegmentEntry> listed = new TreeMap<>();
        if (manifest != null) {
            manifest.segments().forEach(entry -> listed.put(entry.basePosition(), entry));
        }
        for (Found found : files.all()) {
            if (found.isCutShort()) {
                boolean isUsed = found.header == null || found.isLinked();
                long size = found.header == null ? segmentBytes : found.header.sizeBytes();
                if (isUsed && found.file.sizeBytes() < size) {
                    return new Wanted(found.name, size, null);
                }
            }
        }
        long replayFrom = slot == null ? -1 : slot.replayPosition();
        for (ManifestRecord.SegmentEntry entry : listed.values()) {
            Found found = files.at(entry.basePosition());
            // What follows the replay start is told by the chain.
            boolean isMissing = found == null && entry.basePosition() < replayFrom;
            if (isMissing || (found != null && found.isDamaged(Long.MAX_VALUE))) {
                long before = listedBefore(listed, entry, files);
                long size = entry.sizeBytes();
                return new Wanted(
                        Segment.fileName(entry.basePosition()),
                        size,
                        new SegmentHeader(
                                true,
                                stripeId,
                                entry.epoch(),
                                entry.basePosition(),
                                size,
                                0,
                                before,
                                before == entry.basePosition() - 1 ? before : files.end(files.at(before)),
                                entry.firstSequence(),
                                logId));
            }
        }
        return wantedInChain(files, slot, durable, segmentBytes);
    }

    /** The listed segment before one, if that is what it followed; else an address where nothing is. */
    private static long listedBefore(
            Map<Long, ManifestRecord.SegmentEntry> listed, ManifestRecord.SegmentEntry entry, LogFiles files) {
        long before = entry.basePosition() - 1;
        for (ManifestRecord.SegmentEntry other : listed.values()) {
            Found found = files.at(other.basePosition());
            boolean isNext = other.basePosition() < entry.basePosition() && other.endPosition() >= 0;
            if (isNext && found != null && found.isLinked()) {
                before = files.successor(found) == null ? other.basePosition() : entry.basePosition() - 1;
            }
        }
        return before;
    }

    private Wanted wantedInChain(LogFiles files, CheckpointSlot slot, long durable, int segmentBytes)
            throws IOException {
        Found start = slot != null && slot.replayPosition() >= 0 ? files.holding(slot.replayPosition()) : files.first();
        Found tip = start != null && start.isLinked() ? start : null;
        while (tip != null && files.successor(tip) != null) {
            tip = files.successor(tip);
        }
        if (tip == null) {
            tip = lastBefore(files, slot);
        }
        long from = tip == null ? -1 : tip.base;
        End end = tip == null ? new End(0, 1, 1) : end(tip);
        // A linked segment further on whose predecessor is not there, or has no header.
        Found orphan = null;
        for (Found found : files.above(from)) {
            if (found.isLinked() && found.base < durable && orphan == null) {
                long before = found.header.predecessorBase();
                Found predecessor = before == SegmentHeader.NONE ? null : files.at(before);
                boolean isGone = before > from && (predecessor == null || predecessor.problem != null);
                orphan = isGone && found.header.firstSequence() >= end.sequence ? found : null;
            }
        }
        long predecessorBase = tip == null ? SegmentHeader.NONE : tip.base;
        long predecessorEnd = tip == null ? SegmentHeader.NONE : end.position;
        if (orphan != null) {
            long base = orphan.header.predecessorBase();
            Found damaged = files.at(base);
            long room = (orphan.header.predecessorEnd() - base + 4095) / 4096 * 4096;
            long size = damaged != null ? sizeOf(files, damaged, segmentBytes) : Math.max(segmentBytes, room);
            return new Wanted(
                    Segment.fileName(base),
                    size,
                    new SegmentHeader(
                            true,
                            stripeId,
                            damaged == null ? end.epoch : Math.max(end.epoch, end(damaged).epoch),
                            base,
                            size,
                            0,
                            predecessorBase,
                            predecessorEnd,
                            end.sequence,
                            logId));
        }
        for (Found found : files.above(from)) {
            if (found.isDamaged(durable)) {
                long epoch = Math.max(end.epoch, firstEpoch(found));
                long size = sizeOf(files, found, segmentBytes);
                return new Wanted(
                        found.name,
                        size,
                        new SegmentHeader(
                                true,
                                stripeId,
                                epoch,
                                found.base,
                                size,
                                0,
                                predecessorBase,
                                predecessorEnd,
                                end.sequence,
                                logId));
            }
        }
        if (tip != null && durable > tip.limit()) {
            // The last segment is gone, and nothing follows: it lay where what was durable ends.
            long base = tip.base + (durable - 1 - tip.base) / segmentBytes * segmentBytes;
            return new Wanted(
                    Segment.fileName(base),
                    segmentBytes,
                    new SegmentHeader(
                            true,
                            stripeId,
                            end.epoch,
                            base,
                            segmentBytes,
                            0,
                            predecessorBase,
                            predecessorEnd,
                            end.sequence,
                            logId));
        }
        return null;
    }

    /** Where the segment with the replay start is gone: the last one before it that nothing follows. */
    private static Found lastBefore(LogFiles files, CheckpointSlot slot) {
        Found last = null;
        for (Found found : files.all()) {
            boolean isBefore = slot == null || slot.replayPosition() < 0 || found.base < slot.replayPosition();
            if (isBefore && found.isLinked() && files.successor(found) == null) {
                last = found;
            }
        }
        return last;
    }

    /** Of a segment whose header does not say it: a file that was cut short gets as much as there is room for. */
    private static long sizeOf(LogFiles files, Found found, int segmentBytes) {
        long room = Long.MAX_VALUE;
        for (Found later : files.above(found.base)) {
            room = Math.min(room, later.base - found.base);
        }
        return Math.max(found.file.sizeBytes(), Math.min(segmentBytes, room));
    }

    private static long firstEpoch(Found found) throws IOException {
        FrameWindow window = new FrameWindow();
        long limit = found.base + found.file.sizeBytes();
        long at = window.nextFrame(found.file, found.base, found.firstPosition(), limit);
        return at < limit ? FrameCodec.epoch(window.bytes(), window.at()) : 0;
    }

    // -------------------------------------------------------------------------------------------------- what is lost

    private Map<Integer, List<long[]>> fill() throws IOException {
        CheckpointSlot slot = slot();
        RepairScan scan;
        try (LogFiles files = LogFiles.open(draft, slot)) {
            scan = new RepairScan(files, slot, manifest(files, slot), remade);
            scan.scan();
            if (scan.refusal() != null) {
                throw new Refused(scan.refusal());
            }
            for (RepairScan.Hole hole : scan.holes()) {
                if (!hole.place().fits()) {
                    throw new Refused(hole.segment.name + ", position " + hole.from + ": " + hole.count
                            + " records are missing in " + (hole.to - hole.from) + " bytes");
                }
                LostFrames.write(hole.segment.file, hole.segment.base, hole.place());
            }
        }
        notes.addAll(scan.notes());
        noteLosses(scan);
        return scan.offsets().byQueue();
    }

    private void noteLosses(RepairScan scan) {
        scan.lostRecords().forEach((key, count) -> {
            Owner owner = Owner.ofKey(key);
            OffsetSet offsets = owner.isQueue() ? scan.offsets().newlyLost(owner.queueId()) : OffsetSet.empty();
            losses.add(new RepairPlan.Loss(owner, count, offsets));
        });
        scan.offsets().byQueue().keySet().forEach(queueId -> {
            OffsetSet offsets = scan.offsets().newlyLost(queueId);
            if (!offsets.isEmpty() && !scan.lostRecords().containsKey(Owner.key(queueId, 0))) {
                losses.add(new RepairPlan.Loss(Owner.queue(queueId), 0, offsets));
            }
        });
        long unknown = 0;
        long older = 0;
        for (RepairScan.Hole hole : scan.holes()) {
            unknown += hole.isBelowReplay ? 0 : hole.unknownCount();
            older += hole.isBelowReplay ? hole.count : 0;
        }
        if (unknown > 0) {
            losses.add(new RepairPlan.Loss(null, unknown, OffsetSet.empty()));
        }
        if (older > 0) {
            notes.add(
                    older + " records are lost in segments that a start does not replay; messages among them are put in"
                            + " quarantine when they are asked for");
        }
    }

    /**
     * Notes in the log itself which offsets are gone. Nothing is written if there are none. What is in quarantine already may be among
     * them: so how far the offsets had come does not hang on the earlier note alone.
     */
    private void appendNotes(Map<Integer, List<long[]>> lostOffsets) throws IOException {
        boolean areIdsLost =
                stripeId == REGISTRY_STRIPE && (isNamesLost || losses.stream().anyMatch(this::isOfNames));
        if (lostOffsets.isEmpty() && !areIdsLost) {
            return;
        }
        Frame ids = areIdsLost ? RepairIds.frame(draft, nowMillis) : null;
        try (StripeLog log = StripeLog.open(draft, options(draft), nowMillis, new Ignoring())) {
            for (Map.Entry<Integer, List<long[]>> queue : lostOffsets.entrySet()) {
                for (long[] range : joined(queue.getValue())) {
                    Frame.Builder builder = Frame.builder(256);
                    builder.add(
                            Owner.queue(queue.getKey()),
                            new QuarantinedRecord(
                                    range[0],
                                    range[1],
                                    -1,
                                    -1,
                                    log.logTimeMillis(),
                                    QuarantinedRecord.Cause.BAD_FRAME,
                                    "",
                                    "given up by a repair of the log"));
                    log.append(builder.build(), nowMillis);
                }
            }
            if (ids != null) {
                log.append(ids, nowMillis);
            }
            log.close(true);
        }
    }

    /** The stripe's own records told of topics and groups before the registry had a queue. */
    private boolean isOfNames(RepairPlan.Loss loss) {
        return loss.ownerOrNull() == null
                || loss.ownerOrNull().equals(Owner.STRIPE)
                || loss.ownerOrNull().queueId() == Owner.REGISTRY_QUEUE;
    }

    /** If what the newest manifest says, or names, cannot be read. */
    private void remakeManifest(Map<Integer, List<long[]>> lostOffsets) throws IOException {
        CheckpointSlot slot = slot();
        if (slot == null || opens(new DraftDirectory(draft)) == null) {
            return;
        }
        ManifestRecord manifest;
        try (LogFiles files = LogFiles.open(draft, slot)) {
            manifest = manifest(files, slot);
        }
        RepairManifest remade = new RepairManifest(draft, manifest, lostOffsets, notes);
        remade.write(options(draft), nowMillis, slot);
        isNamesLost = remade.areNamesLost();
        isIndexRebuilt = true;
    }

    private static List<long[]> joined(List<long[]> ranges) {
        List<long[]> joined = new ArrayList<>();
        for (long[] range : ranges) {
            long[] last = joined.isEmpty() ? null : joined.get(joined.size() - 1);
            if (last != null && last[0] + last[1] == range[0]) {
                last[1] += range[1];
            } else {
                joined.add(range.clone());
            }
        }
        return joined;
    }
}
