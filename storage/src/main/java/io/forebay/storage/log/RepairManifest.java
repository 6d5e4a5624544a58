package io.forebay.storage.log;

import io.forebay.storage.checkpoint.CheckpointFile;
import io.forebay.storage.checkpoint.CheckpointSlot;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.log.LogFiles.Found;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Makes a manifest out of what is in the log, where the newest one, or a snapshot that it names, cannot be read: every owner's newest
 * snapshot that is whole, and a replay from the beginning of the last stretch of the log that has no gap. An owner of which that is
 * not enough gets a snapshot that says as little as is sure: a queue keeps its offsets, a group goes on at the oldest message that is
 * kept, so that it is given some messages again.
 */
final class RepairManifest {
    private final StorageDirectory directory;
    private final ManifestRecord old;
    private final Map<Integer, List<long[]>> lostOffsets;
    private final List<String> notes;
    private final RecordView view = new RecordView();

    /** A snapshot in the log. */
    private static final class Snapshot {
        long position;
        long sequence;
        long heldSequence;
        long heldNumber;
        long lowestOffset;
        final List<SnapshotRecord> parts = new ArrayList<>();
    }

    /** What the log tells of an owner. */
    private static final class Known {
        /** Its first own number from the replay start on, 0 if it has none there. */
        long firstNumber;

        long lastNumber;
        Snapshot whole;
        Snapshot growing;
        long nextOffset;
        long releasedBelow;
    }

    private final Map<Long, Known> owners = new TreeMap<>();
    private final List<ManifestRecord.SegmentEntry> segments = new ArrayList<>();
    private boolean areNamesLost;
    private long checkpointNumber;
    private long logTimeMillis;
    private long nextSequence;
    private long replayPosition;
    private long replaySequence;

    /**
     * @param oldOrNull the manifest that cannot be used as it is, if it can be read
     * @param lostOffsets first offset and count of what is lost and not noted yet, by queue: it was given as well
     */
    RepairManifest(
            StorageDirectory directory,
            ManifestRecord oldOrNull,
            Map<Integer, List<long[]>> lostOffsets,
            List<String> notes) {
        this.directory = directory;
        this.old = oldOrNull;
        this.lostOffsets = lostOffsets;
        this.notes = notes;
    }

    /** Writes it. The log is whole from the replay start on. */
    void write(StripeOptions options, long nowMillis, CheckpointSlot slot) throws IOException {
        look(slot);
        CheckpointSlot fromHere = new CheckpointSlot(
                slot.stripeId(),
                slot.epoch(),
                replayPosition,
                replaySequence,
                -1,
                -1,
                slot.durablePosition(),
                slot.nextSequence(),
                slot.addressLimit(),
                Math.max(logTimeMillis, slot.logTimeMillis()),
                slot.cleanEnd(),
                slot.logId(),
                slot.logIdEpoch());
        writeSlot(fromHere);
        List<Frame> manifests;
        try (StripeLog log = StripeLog.open(directory, options, nowMillis, new RepairDraft.Ignoring())) {
            appendSnapshots(log, nowMillis);
            look(slot);
            manifests = appendManifest(log, nowMillis);
            log.close(true);
        }
        CheckpointSlot closed;
        try (CheckpointFile file = CheckpointFile.open(directory, StripeLog.CHECKPOINT_FILE)) {
            closed = file.found().orElseThrow();
        }
        long manifestSequence = manifests.get(0).firstSequence();
        writeSlot(new CheckpointSlot(
                closed.stripeId(),
                closed.epoch(),
                replayPosition,
                replaySequence,
                positionOf(manifestSequence),
                manifestSequence,
                closed.durablePosition(),
                closed.nextSequence(),
                closed.addressLimit(),
                closed.logTimeMillis(),
                closed.cleanEnd(),
                closed.logId(),
                closed.logIdEpoch()));
        notes.add("a manifest is made out of what is in the log; the log is replayed from sequence " + replaySequence);
    }

    /** Whether topics and groups may be missing. */
    boolean areNamesLost() {
        return areNamesLost;
    }

    private void writeSlot(CheckpointSlot slot) throws IOException {
        try (CheckpointFile file = CheckpointFile.open(directory, StripeLog.CHECKPOINT_FILE)) {
            file.write(slot);
            file.write(slot); // what the other slot names is not to be used any more
        }
    }

    // -------------------------------------------------------------------------------------------------------- looking

    private void look(CheckpointSlot slot) throws IOException {
        owners.clear();
        segments.clear();
        if (old != null) {
            checkpointNumber = Math.max(checkpointNumber, old.checkpointNumber());
            for (ManifestRecord.OwnerEntry entry : old.owners()) {
                Known known = known(Owner.key(entry.queueId(), entry.groupId()));
                known.lastNumber = entry.nextOwnerNumber() - 1;
                known.nextOffset = entry.nextOffset();
                known.releasedBelow = entry.releasedBelow();
            }
        }
        try (LogFiles files = LogFiles.open(directory, slot)) {
            if (old != null) {
                files.listEnds(old);
            }
            List<Found> chain = chain(files);
            if (chain.isEmpty()) {
                throw new CorruptLogException(directory.path(), -1, "no segment of the log is left");
            }
            Found first = chain.get(0);
            replayPosition = first.firstPosition();
            replaySequence = first.header.firstSequence();
            for (Found found : older(files, first)) {
                look(files, found, false, false);
            }
            for (Found found : chain) {
                look(files, found, true, found == chain.get(chain.size() - 1));
            }
        }
        lostOffsets.forEach((queueId, ranges) -> {
            Known queue = owners.get(Owner.key(queueId, 0));
            for (long[] range : queue == null ? List.<long[]>of() : ranges) {
                queue.nextOffset = Math.max(queue.nextOffset, range[0] + range[1]);
            }
        });
    }

    private Known known(long key) {
        return owners.computeIfAbsent(key, missing -> new Known());
    }

    /** The segments at the end of the log that follow one another without a gap. */
    private static List<Found> chain(LogFiles files) {
        Found tip = null;
        Set<Long> followed = new HashSet<>();
        for (Found found : files.all()) {
            if (found.isLinked()) {
                followed.add(found.header.predecessorBase());
            }
        }
        for (Found found : files.all()) {
            Found before = !found.isLinked() || found.header.predecessorBase() == SegmentHeader.NONE
                    ? null
                    : files.at(found.header.predecessorBase());
            // One whose predecessor was never linked was given up with it.
            boolean isGivenUp = before != null && !before.isLinked();
            tip = found.isLinked() && !isGivenUp && !followed.contains(found.base) ? found : tip;
        }
        List<Found> chain = new ArrayList<>();
        for (Found found = tip; found != null; ) {
            chain.add(found);
            Found before = found.header.predecessorBase() == SegmentHeader.NONE
                    ? null
                    : files.at(found.header.predecessorBase());
            found = before != null && before.isLinked() && files.successor(before) == found ? before : null;
        }
        Collections.reverse(chain);
        return chain;
    }

    /** Segments before the chain whose records it does not hold anew. */
    private List<Found> older(LogFiles files, Found first) throws IOException {
        List<Found> older = new ArrayList<>();
        Set<Long> listed = new HashSet<>();
        if (old != null) {
            old.segments().forEach(entry -> listed.add(entry.basePosition()));
        }
        for (Found found : files.all()) {
            boolean isCandidate = found.isLinked() && found.base < first.base;
            if (isCandidate && (old == null ? end(files, found)[1] <= replaySequence : listed.contains(found.base))) {
                older.add(found);
            }
        }
        return older;
    }

    /** Where its sound frames end, and the sequence behind them. */
    private static long[] end(LogFiles files, Found found) throws IOException {
        long[] end = {found.firstPosition(), found.header.firstSequence()};
        each(found, files.end(found), (bytes, at, position) -> {
            end[0] = position + FrameCodec.length(bytes, at);
            end[1] = FrameCodec.firstSequence(bytes, at)
                    + (FrameCodec.isMoved(bytes, at) ? 0 : FrameCodec.recordCount(bytes, at));
        });
        return end;
    }

    private interface FrameVisitor {
        void frame(byte[] bytes, int at, long position) throws IOException;
    }

    private static void each(Found found, long end, FrameVisitor visitor) throws IOException {
        FrameWindow window = new FrameWindow();
        long epoch = found.header.epoch();
        for (long at = window.nextFrame(found.file, found.base, found.firstPosition(), end); at < end; ) {
            int length = FrameCodec.length(window.bytes(), window.at());
            if (FrameCodec.epoch(window.bytes(), window.at()) >= epoch) {
                visitor.frame(window.bytes(), window.at(), at);
            }
            at = window.nextFrame(found.file, found.base, at + length, end);
        }
    }

    private void look(LogFiles files, Found found, boolean isReplayed, boolean isLast) throws IOException {
        boolean[] holds = new boolean[2];
        long[] end = end(files, found);
        each(found, files.end(found), (bytes, at, position) -> {
            logTimeMillis = Math.max(logTimeMillis, FrameCodec.logTimeMillis(bytes, at));
            boolean isMoved = FrameCodec.isMoved(bytes, at);
            holds[0] |= isMoved;
            int recordAt = at + FrameCodec.HEADER_BYTES;
            for (int ordinal = 0; ordinal < FrameCodec.recordCount(bytes, at); ordinal++) {
                view.wrap(bytes, at, recordAt, ordinal);
                recordAt += view.lengthBytes();
                holds[1] |= view.type() == RecordType.ENTRY;
                look(isMoved, isReplayed);
            }
        });
        nextSequence = Math.max(nextSequence, end[1]);
        int flags = (holds[0] ? ManifestRecord.SegmentEntry.HOLDS_MOVED : 0)
                | (holds[1] ? ManifestRecord.SegmentEntry.HOLDS_ENTRIES : 0);
        segments.add(new ManifestRecord.SegmentEntry(
                found.base,
                found.base,
                isLast ? -1 : Math.max(end[0], isReplayed ? files.end(found) : 0),
                found.header.sizeBytes(),
                found.header.epoch(),
                found.header.firstSequence(),
                flags));
    }

    private void look(boolean isMoved, boolean isReplayed) throws IOException {
        if (view.type() == RecordType.LOST && view.ownerNumber() == 0) {
            return;
        }
        Known known = known(isMoved ? Owner.key(view.queueId(), 0) : view.ownerKey());
        if (view.queueOffset() >= 0) {
            known.nextOffset = Math.max(known.nextOffset, view.queueOffset() + 1);
        }
        if (isMoved) {
            return;
        }
        if (isReplayed && known.firstNumber == 0) {
            known.firstNumber = view.ownerNumber();
        }
        known.lastNumber = Math.max(known.lastNumber, view.ownerNumber());
        if (view.type() == RecordType.MANIFEST) {
            checkpointNumber = Math.max(checkpointNumber, ((ManifestRecord) view.decode()).checkpointNumber());
        } else if (view.type() == RecordType.SNAPSHOT) {
            lookAtSnapshot(known, (SnapshotRecord) view.decode());
        } else if (view.type() == RecordType.QUARANTINED) {
            QuarantinedRecord noted = (QuarantinedRecord) view.decode();
            if (noted.cause() != QuarantinedRecord.Cause.RELEASED) {
                known.nextOffset = Math.max(known.nextOffset, noted.firstOffset() + noted.count());
            }
        }
    }

    private void lookAtSnapshot(Known known, SnapshotRecord part) {
        known.nextOffset = Math.max(known.nextOffset, part.nextOffset());
        if (part.part() == 0) {
            known.growing = new Snapshot();
            known.growing.position = view.position();
            known.growing.sequence = view.sequence();
            known.growing.heldSequence = part.heldSequence();
            known.growing.heldNumber = part.heldOwnerNumber();
        }
        Snapshot growing = known.growing;
        boolean isNext =
                growing != null && part.heldOwnerNumber() == growing.heldNumber && part.part() == growing.parts.size();
        if (isNext) {
            growing.parts.add(part);
            if (growing.parts.size() == part.parts()) {
                known.whole = growing;
                known.growing = null;
                known.releasedBelow = Math.max(known.releasedBelow, lowest(growing));
            }
        }
    }

    /** Of a queue the oldest message that is kept; else 0. */
    private long lowest(Snapshot snapshot) {
        if (view.queueId() == 0 || view.groupId() != 0) {
            return 0;
        }
        try {
            return QueueSnapshot.decode(SnapshotRecord.join(snapshot.parts)).firstOffset();
        } catch (CorruptRecordException e) {
            return 0; // of somebody who keeps something else in it
        }
    }

    // -------------------------------------------------------------------------------------------------------- writing

    /** Whether what is replayed does not continue what is held. */
    private static boolean isGap(Known known) {
        long held = known.whole == null ? 0 : known.whole.heldNumber;
        long first = known.firstNumber == 0 ? known.lastNumber + 1 : known.firstNumber;
        return first > held + 1 && known.lastNumber > held;
    }

    private void appendSnapshots(StripeLog log, long nowMillis) throws IOException {
        Map<Long, Known> wanting = new HashMap<>();
        owners.forEach((key, known) -> {
            // A snapshot is no record of the owner's state, but has a number.
            if (isGap(known) && !isOnlySnapshots(known)) {
                wanting.put(key, known);
            }
        });
        for (Map.Entry<Long, Known> each : new TreeMap<>(wanting).entrySet()) {
            Owner owner = Owner.ofKey(each.getKey());
            if (owner.equals(Owner.STRIPE) || owner.queueId() == Owner.REGISTRY_QUEUE) {
                areNamesLost = true;
                notes.add(
                        "topics and groups that were made long ago may be missing: what tells of them cannot be read");
                continue;
            }
            if (isOfPlugins(owner)) {
                // What its snapshots hold is not known here, and an older one is not continued by what is
                // replayed. Without one its next number tells its owner that something was before.
                notes.add(owner
                        + ": its state cannot be read; it is one of Akka Persistence: persistence ids that were made since"
                        + " sequence " + replaySequence + " are served, and the others refused"
                        + " (forebay.persistence.lost-names)");
                continue;
            }
            Known queue = known(Owner.key(owner.queueId(), 0));
            Known known = each.getValue();
            byte[] payload = owner.isQueue()
                    ? QueueSnapshot.of(known.nextOffset, Math.min(known.nextOffset, known.releasedBelow))
                            .encode()
                    : new GroupSnapshot(
                                    queue.releasedBelow,
                                    queue.releasedBelow,
                                    OffsetSet.empty(),
                                    List.of(),
                                    List.of(),
                                    queue.nextOffset,
                                    List.of(),
                                    List.of(),
                                    List.of(),
                                    List.of())
                            .encode();
            notes.add(owner + ": its state cannot be read; "
                    + (owner.isQueue()
                            ? "its messages are kept, what it knew beside them is lost"
                            : "it begins at offset " + queue.releasedBelow + ", so that messages come again"));
            Frame.Builder builder = Frame.builder(payload.length + 128);
            builder.add(
                    owner,
                    new SnapshotRecord(
                            nextSequence - 1, known.lastNumber, owner.isQueue() ? known.nextOffset : 0, 0, 1, payload));
            log.append(builder.build(), nowMillis);
        }
    }

    /** An older table of theirs is not gone on with: what is missing behind it may be a number that was given. */
    private static boolean isOfPlugins(Owner owner) {
        return Owner.isReserved(owner.queueId()) && owner.queueId() != Owner.REGISTRY_QUEUE;
    }

    private static boolean isOnlySnapshots(Known known) {
        return known.whole != null && known.whole.heldNumber == 0;
    }

    private List<Frame> appendManifest(StripeLog log, long nowMillis) throws IOException {
        List<ManifestRecord.OwnerEntry> entries = new ArrayList<>();
        owners.forEach((key, known) -> {
            Owner owner = Owner.ofKey(key);
            boolean isUnusable = isOfPlugins(owner) && isGap(known);
            Snapshot snapshot = isUnusable ? null : known.whole;
            entries.add(new ManifestRecord.OwnerEntry(
                    owner.queueId(),
                    owner.groupId(),
                    known.firstNumber == 0 ? known.lastNumber + 1 : known.firstNumber,
                    known.nextOffset,
                    snapshot == null ? 0 : snapshot.heldSequence,
                    snapshot == null ? 0 : snapshot.heldNumber,
                    snapshot == null ? -1 : snapshot.position,
                    snapshot == null ? -1 : snapshot.sequence,
                    known.releasedBelow));
        });
        ManifestRecord manifest = new ManifestRecord(
                checkpointNumber + 1,
                replayPosition,
                replaySequence,
                nextSequence,
                segments.get(segments.size() - 1).basePosition()
                        + segments.get(segments.size() - 1).sizeBytes(),
                logTimeMillis,
                0,
                1,
                segments,
                entries);
        List<Frame> frames = new ArrayList<>();
        for (ManifestRecord part : manifest.split(log.frameBytesMax() / 2)) {
            Frame frame =
                    Frame.builder(part.bodyBytes() + 64).add(Owner.STRIPE, part).build();
            log.append(frame, nowMillis);
            frames.add(frame);
        }
        return frames;
    }

    private long positionOf(long sequence) throws IOException {
        long[] found = {-1};
        LogVerifier.verify(directory, (segment, position, record) -> {
            if (record.sequence() == sequence && !record.isMoved()) {
                found[0] = position;
            }
        });
        return found[0];
    }
}
