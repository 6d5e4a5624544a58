package io.forebay.storage.log;

import io.forebay.storage.checkpoint.CheckpointFile;
import io.forebay.storage.checkpoint.CheckpointSlot;
import io.forebay.storage.index.QueueIndex;
import io.forebay.storage.log.StripeException.Reason;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/**
 * Makes checkpoints and lets go of what a finished one has made superfluous: segments, extents of the index, owners. The
 * StoreWriter's thread, but for {@link #finish}.
 */
final class Checkpointing {
    /** A manifest is cut into frames of about this size. */
    private static final int MANIFEST_FRAME_BYTES_MAX = 1 << 20;

    private static final long[] NO_OFFSETS = {};

    /**
     * What a segment can only become free by, between two checkpoints: releases, and segments that are evacuated.
     *
     * @param releasedInAll {@link QueueMarks#releasedInAll}
     * @param evacuatedCount of the segments in the chain
     */
    private record NothingFreeable(long releasedInAll, long evacuatedCount) {}

    /** Appends a frame of the stripe's own. */
    interface Appender {
        void append(Frame frame) throws StripeException;
    }

    private final StripeLog log;
    private final LogState state;
    private final SegmentStore segments;
    private final QueueIndex index;
    private final EntryLists entryLists;
    private final IndexStamp indexStamp;
    private final CheckpointFile file;
    private final OwnerTable owners;
    private final BodyPins pins;
    private final Map<Integer, QueueMarks> marks;
    private final Set<Long> stopped;
    private final Needed needed;

    private long number;
    private Checkpoint running;
    /** Those that nothing but snapshots kept when the running or last checkpoint began, so that it has asked for new ones. */
    private final Set<Segment> unneededAtBegin = new HashSet<>();
    /** How many of them the last manifest had to keep all the same. */
    private int keptBySnapshots;
    /** When all that is needed was looked up and no segment could go; null if that is not known. */
    private NothingFreeable nothingFreeable;

    /** Nothing that is needed lies below but for what was moved there, as far as was known last. Any thread. */
    private volatile long neededFrom;

    // Of the newest slot; finish and close.
    private long finishedNumber;
    private volatile long replayPosition;
    private volatile long replaySequence;
    private volatile long manifestPosition;
    private volatile long manifestSequence;

    Checkpointing(StripeLog log, LogState state, StripeLog.Opened opened, Map<Integer, QueueMarks> marks) {
        this.log = log;
        this.state = state;
        this.marks = marks;
        segments = opened.segments;
        index = opened.index;
        entryLists = opened.entryLists;
        indexStamp = opened.indexStamp;
        finishedNumber = opened.checkpointNumber;
        file = opened.checkpointFile;
        owners = opened.owners;
        pins = opened.pins;
        stopped = Set.copyOf(opened.stopped);
        needed = new Needed(marks, pins, index);
        number = opened.checkpointNumber;
        replayPosition = opened.replayPosition;
        replaySequence = opened.replaySequence;
        manifestPosition = opened.manifestPosition;
        manifestSequence = opened.manifestSequence;
    }

    /** Where a start would begin to replay, -1 for the log's beginning. Any thread. */
    long replayPosition() {
        return replayPosition;
    }

    /** Segments that end at or below it hold nothing needed, unless something was moved there. Any thread. */
    long neededFrom() {
        return neededFrom;
    }

    /** Marks a possible replay start here and says whose snapshots are wanted. */
    Checkpoint begin() throws StripeException {
        state.check(Phase.RUNNING, "beginCheckpoint");
        if (running != null && running.state == Checkpoint.State.FINISHING) {
            throw new StripeException(Reason.WRONG_PHASE, running + " is being finished");
        }
        nothingFreeable = null;
        neededFrom = needed.lowestPosition();
        settle();
        unneededAtBegin.clear();
        for (Segment segment : segments.live()) {
            if (isUnneeded(segment)) {
                unneededAtBegin.add(segment);
            }
        }
        List<Owner> changed = new ArrayList<>();
        for (int slot = 0; slot < owners.capacity(); slot++) {
            if (owners.isUsed(slot)) {
                owners.beginNumber[slot] = owners.lastNumber[slot];
                owners.beginStateNumber[slot] = owners.lastStateNumber[slot];
                owners.pending[slot] = null;
                OwnerTable.Snapshot snapshot = owners.current[slot];
                boolean isChanged = owners.lastStateNumber[slot] > owners.heldNumber(slot);
                if (owners.isThere(slot)
                        && (isChanged || (snapshot != null && isInTheWay(snapshot)))
                        && !stopped.contains(owners.key(slot))) {
                    changed.add(Owner.ofKey(owners.key(slot)));
                }
            }
        }
        running = new Checkpoint(
                log, ++number, state.generation, state.active.end(), state.nextSequence, List.copyOf(changed));
        return running;
    }

    /** Whether a snapshot keeps a segment that could go without it. */
    private boolean isInTheWay(OwnerTable.Snapshot snapshot) {
        Segment segment = segments.find(snapshot.position);
        Segment last = snapshot.lastPosition == snapshot.position ? segment : segments.find(snapshot.lastPosition);
        return isUnneeded(segment) || (last != segment && isUnneeded(last));
    }

    /** Whether no message and no body keeps the segment. */
    private boolean isUnneeded(Segment segment) {
        return segment != null
                && segment != state.active
                && (segment.isEvacuated() || (segment.end() <= neededFrom && !segment.holdsMoved()));
    }

    /** The last checkpoint is over: what it has reached counts. */
    private void settle() {
        Checkpoint last = running;
        running = null;
        if (last == null || last.state != Checkpoint.State.FINISHED) {
            return;
        }
        for (int slot = 0; slot < owners.capacity(); slot++) {
            if (owners.isUsed(slot)) {
                owners.current[slot] = owners.listed[slot];
                if (last.isReplayMoved) {
                    owners.replayNumber[slot] = owners.beginNumber[slot];
                }
            }
        }
        if (last.isReplayMoved) {
            owners.dropLeftOut(last.number);
        }
        Map<Integer, long[]> pinned = pins.bodies();
        for (QueueMarks queue : marks.values()) {
            queue.settleReleased();
            release(queue, pinned.getOrDefault(queue.queueId(), NO_OFFSETS));
        }
        for (int queueId : index.queueIds()) {
            if (!marks.containsKey(queueId) && owners.find(Owner.key(queueId, 0)) < 0) {
                // A queue that is gone; bodies in it may still be named.
                releaseIndex(queueId, Long.MAX_VALUE, pinned.getOrDefault(queueId, NO_OFFSETS));
            }
        }
    }

    private void release(QueueMarks queue, long[] pinned) {
        int queueId = queue.queueId();
        if (owners.find(Owner.key(queueId, 0)) < 0) {
            // No start meets a record of it any more, or has met one yet.
            releaseIndex(queueId, Long.MAX_VALUE, pinned);
            if (queue.isGone() && pinned.length == 0) {
                marks.remove(queueId);
            }
            return;
        }
        // What only was released since may be wanted by a start, which would have to build the whole index anew.
        releaseIndex(queueId, Math.min(queue.releasedForGood(), queue.nextOffset()), pinned);
    }

    private void releaseIndex(int queueId, long below, long[] pinned) {
        try {
            if (below == Long.MAX_VALUE && pinned.length == 0) {
                index.release(queueId);
            } else {
                index.releaseBelow(queueId, below, pinned);
            }
        } catch (IOException e) {
            // Extents that are kept too long cost room, nothing else; the next checkpoint tries again.
            return;
        }
    }

    /**
     * Appends the manifest, after the snapshots.
     *
     * @param isSegmentThere whether it may need a further segment
     * @param isUnsettled whether the index may be about to name moved frames in a segment
     */
    void writeManifest(Checkpoint checkpoint, boolean isSegmentThere, Predicate<Segment> isUnsettled, Appender appender)
            throws StripeException {
        state.check(Phase.RUNNING, "writeManifest");
        if (checkpoint != running || checkpoint.isVoid() || checkpoint.state != Checkpoint.State.BEGUN) {
            throw new StripeException(Reason.CHECKPOINT_VOID, checkpoint + " was overtaken");
        }
        boolean isMoved = stopped.isEmpty();
        neededFrom = needed.lowestPosition();
        for (int slot = 0; slot < owners.capacity(); slot++) {
            if (owners.isThere(slot)) {
                OwnerTable.Snapshot pending = owners.pending[slot];
                OwnerTable.Snapshot snapshot = pending != null && pending.isComplete() ? pending : owners.current[slot];
                owners.listed[slot] = snapshot;
                long held = snapshot == null ? 0 : snapshot.heldNumber;
                isMoved &= held >= owners.beginStateNumber[slot];
                if (snapshot != null) {
                    markSnapshot(snapshot, checkpoint.number);
                }
            }
        }
        checkpoint.isReplayMoved = isMoved;
        checkpoint.replayPosition = isMoved ? checkpoint.startPosition : replayPosition;
        checkpoint.replaySequence = isMoved ? checkpoint.startSequence : replaySequence;
        checkpoint.freed = freed(checkpoint);
        List<Frame> frames = frames(manifest(checkpoint, isUnsettled));
        long bytes = frames.stream().mapToLong(Frame::lengthBytes).sum();
        if (!isSegmentThere && bytes > state.active.limit() - state.active.end()) {
            throw new StripeException(Reason.NOT_PREPARED, "no further segment is prepared for a manifest");
        }
        append(checkpoint, frames, appender);
        checkpoint.state = Checkpoint.State.MANIFEST_WRITTEN;
    }

    private void markSnapshot(OwnerTable.Snapshot snapshot, long checkpointNumber) {
        Segment first = segments.find(snapshot.position);
        if (first == null) {
            return;
        }
        first.setSnapshotCheckpoint(checkpointNumber);
        if (snapshot.lastPosition >= first.limit()) {
            for (Segment segment : segments.live()) {
                if (segment.base() > first.base() && segment.base() <= snapshot.lastPosition) {
                    segment.setSnapshotCheckpoint(checkpointNumber);
                }
            }
        }
    }

    /** The segments that nothing keeps: not the replay, no message or body, no snapshot. They may lie anywhere before it. */
    private List<Segment> freed(Checkpoint checkpoint) {
        List<Segment> freed = unneededBefore(checkpoint.replayPosition);
        List<Segment> kept = freed.stream()
                .filter(segment -> segment.snapshotCheckpoint() == checkpoint.number)
                .toList();
        freed.removeAll(kept);
        keptBySnapshots = (int) kept.stream().filter(unneededAtBegin::contains).count();
        return freed;
    }

    /** The segments that neither the replay from there keeps nor any message or body. */
    private List<Segment> unneededBefore(long replayFrom) {
        List<Segment> unneeded = new ArrayList<>();
        if (replayFrom < 0) {
            return unneeded;
        }
        Segment replayed = segments.floor(replayFrom);
        for (Segment segment : segments.live()) {
            if (segment == replayed || segment == state.active) {
                return unneeded;
            }
            if (isUnneeded(segment)) {
                unneeded.add(segment);
            }
        }
        throw new AssertionError("no segment holds the replay start " + replayFrom);
    }

    /**
     * Whether there is a segment that nothing needs, other than those of which the last checkpoint got no new snapshots. As long
     * as nothing has changed since the answer was no it looks up nothing: a stripe that idles is asked again and again.
     */
    boolean isSegmentFreeable() {
        long evacuatedCount =
                Arrays.stream(segments.live()).filter(Segment::isEvacuated).count();
        var now = new NothingFreeable(QueueMarks.releasedInAll(marks.values()), evacuatedCount);
        if (now.equals(nothingFreeable)) {
            return false;
        }
        neededFrom = needed.lowestPosition();
        boolean isFreeable = unneededBefore(replayPosition).size() > keptBySnapshots;
        nothingFreeable = isFreeable || !needed.isAllFound() ? null : now;
        return isFreeable;
    }

    private ManifestRecord manifest(Checkpoint checkpoint, Predicate<Segment> isUnsettled) {
        List<ManifestRecord.SegmentEntry> segmentEntries = new ArrayList<>();
        for (Segment segment : segments.live()) {
            if (!checkpoint.freed.contains(segment)) {
                segmentEntries.add(new ManifestRecord.SegmentEntry(
                        segment.base(),
                        segment.base(),
                        segment == state.active ? -1 : segment.end(),
                        segment.sizeBytes(),
                        segment.epoch(),
                        segment.firstSequence(),
                        (segment.holdsEntries() ? ManifestRecord.SegmentEntry.HOLDS_ENTRIES : 0)
                                | (segment.holdsMoved() ? ManifestRecord.SegmentEntry.HOLDS_MOVED : 0)
                                | (isUnsettled.test(segment) ? ManifestRecord.SegmentEntry.HOLDS_UNSETTLED : 0)));
            }
        }
        List<ManifestRecord.OwnerEntry> ownerEntries = new ArrayList<>(owners.count());
        for (int slot = 0; slot < owners.capacity(); slot++) {
            if (owners.isThere(slot)) {
                OwnerTable.Snapshot snapshot = owners.listed[slot];
                Owner owner = Owner.ofKey(owners.key(slot));
                QueueMarks queue = owner.isQueue() ? marks.get(owner.queueId()) : null;
                ownerEntries.add(new ManifestRecord.OwnerEntry(
                        owner.queueId(),
                        owner.groupId(),
                        1 + (checkpoint.isReplayMoved ? owners.beginNumber[slot] : owners.replayNumber[slot]),
                        queue == null ? 0 : queue.nextOffset(),
                        snapshot == null ? 0 : snapshot.heldSequence,
                        snapshot == null ? 0 : snapshot.heldNumber,
                        snapshot == null ? -1 : snapshot.position,
                        snapshot == null ? -1 : snapshot.sequence,
                        queue == null ? 0 : queue.stateReleased()));
            }
        }
        return new ManifestRecord(
                checkpoint.number,
                checkpoint.replayPosition,
                checkpoint.replaySequence,
                state.nextSequence,
                segments.addressLimit(),
                state.logTimeMillis,
                0,
                1,
                segmentEntries,
                ownerEntries);
    }

    private List<Frame> frames(ManifestRecord manifest) {
        int bodyBytesMax = Math.min(MANIFEST_FRAME_BYTES_MAX, state.frameBytesMax())
                - FrameCodec.HEADER_BYTES
                - FrameCodec.RECORD_HEADER_BYTES
                - 8;
        List<Frame> frames = new ArrayList<>();
        for (ManifestRecord part : manifest.split(bodyBytesMax)) {
            frames.add(
                    Frame.builder(part.bodyBytes() + 64).add(Owner.STRIPE, part).build());
        }
        return frames;
    }

    private void append(Checkpoint checkpoint, List<Frame> frames, Appender appender) throws StripeException {
        for (Frame frame : frames) {
            appender.append(frame);
            if (frame == frames.get(0)) {
                checkpoint.manifestPosition = state.active.end() - frame.lengthBytes();
                checkpoint.manifestFirstSequence = frame.firstSequence();
            }
            checkpoint.setManifestSequence(frame.lastSequence());
        }
    }

    /**
     * Forces the index, writes the slot, takes segments that nothing needs out of the chain. Blocks; one caller at a time.
     *
     * @throws StripeException with reason {@link Reason#CHECKPOINT_VOID} if a failure has overtaken it or its manifest is
     *     not durable
     */
    void finish(Checkpoint checkpoint) throws IOException {
        if (checkpoint.isVoid()
                || checkpoint.state != Checkpoint.State.MANIFEST_WRITTEN
                || state.durableSequence < checkpoint.manifestSequence()) {
            throw new StripeException(
                    Reason.CHECKPOINT_VOID,
                    checkpoint + " cannot be finished: its manifest ends with sequence " + checkpoint.manifestSequence()
                            + ", durable is " + state.durableSequence);
        }
        checkpoint.state = Checkpoint.State.FINISHING;
        try {
            index.force();
            stampIndex(checkpoint);
            listEntries(checkpoint);
            writeSlot(checkpoint);
            finishedNumber = checkpoint.number;
            if (!checkpoint.freed.isEmpty()) {
                // The older slot may name segments that go now, so it is replaced first.
                writeSlot(checkpoint);
            }
            replayPosition = checkpoint.replayPosition;
            replaySequence = checkpoint.replaySequence;
            manifestPosition = checkpoint.manifestPosition;
            manifestSequence = checkpoint.manifestFirstSequence;
            checkpoint.state = Checkpoint.State.FINISHED;
        } finally {
            if (checkpoint.state == Checkpoint.State.FINISHING) {
                checkpoint.state = Checkpoint.State.MANIFEST_WRITTEN;
            }
        }
        segments.remove(checkpoint.freed);
        for (Segment segment : checkpoint.freed) {
            entryLists.delete(segment.base());
        }
    }

    private void stampIndex(Checkpoint checkpoint) {
        try {
            indexStamp.write(state.identity.logId(), finishedNumber, checkpoint.number);
        } catch (IOException e) {
            // Whatever it says now, it does not vouch for an index that was not forced: at worst a start builds
            // that anew. The next checkpoint tries again.
            return;
        }
    }

    /** Of the segments before the one where the replay begins a start need not read those whose entries are listed. */
    private void listEntries(Checkpoint checkpoint) {
        Segment replayed = checkpoint.replayPosition < 0 ? null : segments.floor(checkpoint.replayPosition);
        List<Segment> listed = new ArrayList<>();
        try {
            for (Segment segment : segments.live()) {
                if (replayed == null || segment.base() >= replayed.base()) {
                    break;
                }
                if (segment.unlistedEntries() != null && !checkpoint.freed.contains(segment)) {
                    entryLists.write(segment.base(), segment.end(), segment.unlistedEntries());
                    listed.add(segment);
                }
            }
            if (!listed.isEmpty()) {
                entryLists.forceNames();
                listed.forEach(Segment::setListed);
            }
        } catch (IOException e) {
            // A start reads those segments; the next checkpoint tries again.
            listed.forEach(segment -> entryLists.delete(segment.base()));
        }
    }

    private void writeSlot(Checkpoint checkpoint) throws IOException {
        writeSlot(
                checkpoint.replayPosition,
                checkpoint.replaySequence,
                checkpoint.manifestPosition,
                checkpoint.manifestFirstSequence,
                -1);
    }

    /** A slot that says where the log ends. */
    void writeCleanSlot(long end) throws IOException {
        writeSlot(replayPosition, replaySequence, manifestPosition, manifestSequence, end);
    }

    private void writeSlot(long replayAt, long replayFrom, long manifestAt, long manifestFrom, long cleanEnd)
            throws IOException {
        long position;
        long sequence;
        synchronized (state.durability) {
            position = state.durablePosition;
            sequence = state.durableSequence;
        }
        file.write(new CheckpointSlot(
                state.options.stripeId(),
                state.epoch,
                replayAt,
                replayFrom,
                manifestAt,
                manifestFrom,
                position,
                sequence + 1,
                segments.addressLimit(),
                state.logTimeMillis,
                cleanEnd,
                state.identity.logId(),
                state.identity.firstEpoch()));
    }

    /** A failed force takes back the snapshots that were appended for the running checkpoint. */
    void dropPendingSnapshots() {
        Arrays.fill(owners.pending, null);
    }

    /** The owner is gone: nothing of it keeps the log from being cleaned, but for bodies that entries of other queues name. */
    void forget(Owner owner) {
        keptBySnapshots = 0; // its snapshot may have been what kept one
        nothingFreeable = null;
        int slot = owners.find(owner.key());
        if (slot >= 0) {
            owners.leaveOut(slot, number + 1);
        }
        QueueMarks queue = owner.isQueue() ? marks.get(owner.queueId()) : null;
        if (queue != null) {
            queue.releaseAll();
        }
    }
}
