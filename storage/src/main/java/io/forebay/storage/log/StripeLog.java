package io.forebay.storage.log;

import io.forebay.storage.checkpoint.CheckpointFile;
import io.forebay.storage.checkpoint.CheckpointSlot;
import io.forebay.storage.index.IndexEntry;
import io.forebay.storage.index.QueueIndex;
import io.forebay.storage.io.DiskFullException;
import io.forebay.storage.io.LittleEndian;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.log.StripeException.Reason;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.CRC32C;

/**
 * A stripe's log, its queue index and its checkpoints. Three kinds of callers, each method says which: the StoreWriter's
 * thread (the only writer), blocking threads (one caller per method at a time), any thread.
 *
 * <p>The layout of the files and the rules of recovery are in {@code docs/on-disk-format.md}.
 */
public final class StripeLog implements AutoCloseable {
    static final String CHECKPOINT_FILE = "checkpoint";
    static final String INDEX_DIRECTORY = "index";

    /** A manifest is cut into frames of about this size. */
    private static final int MANIFEST_FRAME_BYTES_MAX = 1 << 20;

    /** What recovery hands over. */
    static final class Opened {
        StorageDirectory directory;
        StripeOptions options;
        CheckpointFile checkpointFile;
        QueueIndex index;
        SegmentStore segments;
        Segment active;
        OwnerTable owners;
        BodyPins pins;
        Map<Integer, QueueMarks> marks;
        Set<Long> stopped;
        Set<Long> basesWithEntries;
        long checkpointNumber;
        long replayPosition;
        long replaySequence;
        long manifestPosition;
        long manifestSequence;
        long nextSequence;
        long durablePosition;
        long replayedBytes;
        RecoveryReport report;
    }

    private final StorageDirectory directory;
    private final StripeOptions options;
    private final RecoveryReport report;
    private final CheckpointFile checkpointFile;
    private final QueueIndex index;
    private final SegmentStore segments;
    private final long epoch;
    private final Map<Integer, QueueMarks> marks;
    private final Set<Long> stopped;

    // The StoreWriter's thread, and finishRewrite while that waits.
    private final OwnerTable owners;
    private final BodyPins pins;
    private final Set<Long> basesWithEntries;
    private final CRC32C crc = new CRC32C();
    private final Deque<Frame> retained = new ArrayDeque<>();
    private final IndexEntry entry = new IndexEntry();
    private List<Frame> unflushed = new ArrayList<>();
    private long unflushedFrom;
    private long unflushedBytes;
    private long unflushedRetainedBytes;
    private Segment active;
    private long nextSequence;
    private QueueMarks[] touched = new QueueMarks[4];
    private long checkpointNumber;
    private Checkpoint running;

    /** Per queue the lowest body that an entry elsewhere still names. */
    private final Map<Integer, Long> lowestPinned = new HashMap<>();

    // Rewriting.
    private FreshRun rewriting;
    private final List<Frame> rewritten = new ArrayList<>();
    private long[] rewrittenTo = new long[16];
    private long nextRewriteSequence;

    /** Held for the few steps that change what is durable, so that a late success cannot overtake a failure. */
    private final Object durability = new Object();

    private volatile Phase phase = Phase.RUNNING;
    private volatile long generation;
    private volatile long durablePosition;
    private volatile long durableSequence;
    private volatile long voidFrom = Long.MAX_VALUE;
    private final AtomicLong writtenSequence = new AtomicLong();
    private final AtomicLong appendedBytes = new AtomicLong();
    private volatile long appendedBytesAtCheckpoint;
    private volatile long logTimeMillis;
    private volatile long hotBase;

    // Of the newest slot; finishCheckpoint and close.
    private volatile long replayPosition;
    private volatile long replaySequence;
    private volatile long manifestPosition;
    private volatile long manifestSequence;

    StripeLog(Opened opened) {
        directory = opened.directory;
        options = opened.options;
        report = opened.report;
        checkpointFile = opened.checkpointFile;
        index = opened.index;
        segments = opened.segments;
        epoch = opened.report.epoch();
        owners = opened.owners;
        pins = opened.pins;
        basesWithEntries = opened.basesWithEntries;
        marks = new ConcurrentHashMap<>(opened.marks);
        stopped = Set.copyOf(opened.stopped);
        active = opened.active;
        nextSequence = opened.nextSequence;
        checkpointNumber = opened.checkpointNumber;
        replayPosition = opened.replayPosition;
        replaySequence = opened.replaySequence;
        manifestPosition = opened.manifestPosition;
        manifestSequence = opened.manifestSequence;
        durablePosition = opened.durablePosition;
        durableSequence = nextSequence - 1;
        writtenSequence.set(nextSequence - 1);
        logTimeMillis = opened.report.newestLogTimeMillis();
        hotBase = active.base();
        appendedBytes.set(opened.replayedBytes);
    }

    /**
     * Opens a stripe or makes it when the directory is empty: finds the newest checkpoint, replays the log from there,
     * copies what was not stated durable, forces a new epoch and begins a fresh segment. Blocks.
     *
     * @param nowMillis the wall clock; the log's own time never goes below the newest time in it
     * @throws CorruptLogException if something durable is damaged and its records cannot be told
     * @throws StripeException if it is of another stripe, of a newer format, or the disk is full
     */
    public static StripeLog open(StorageDirectory directory, StripeOptions options, long nowMillis, RecoverySink sink)
            throws IOException {
        return new Recovery(directory, options, nowMillis, sink).run();
    }

    /** What the start found. Any thread. */
    public RecoveryReport report() {
        return report;
    }

    // ------------------------------------------------------------------------------------------------- appending

    /**
     * Gives the frame its sequences, owner numbers and queue offsets, and writes it into the page cache. When it throws,
     * nothing was appended and the frame can be appended later. The StoreWriter's thread, phase RUNNING.
     *
     * @param timeMillis the log's clock; if it is below the newest time in the log, that is taken
     * @throws StripeException with reason {@link Reason#STORE_FAILED} the phase is REWRITING from now on
     */
    public void append(Frame frame, long timeMillis) throws StripeException {
        checkPhase(Phase.RUNNING, "append");
        if (frame.isAppended()) {
            throw new AssertionError("appended before: " + frame);
        }
        int length = frame.lengthBytes();
        if (length > frameBytesMax()) {
            throw new StripeException(
                    Reason.FRAME_TOO_LARGE,
                    "a frame of " + length + " bytes, allowed are " + frameBytesMax() + " in segments of "
                            + options.segmentBytes());
        }
        if (!stopped.isEmpty()) {
            checkNotStopped(frame);
        }
        Segment segment = active;
        if (length > segment.limit() - segment.end()) {
            segment = roll();
        }
        long position = segment.end();
        boolean hasSnapshots = number(frame, position);
        if (timeMillis > logTimeMillis) {
            logTimeMillis = timeMillis;
        }
        frame.seal(epoch, nextSequence, position, durablePosition, logTimeMillis, crc);
        try {
            segment.file().write(position - segment.base(), frame.image(), 0, length);
        } catch (IOException e) {
            takeBackNumbers(frame, frame.recordCount());
            frame.unseal();
            forceFailed(null);
            throw new StripeException(
                    Reason.STORE_FAILED, "storing a frame at position " + position + " of " + segment + " failed", e);
        }
        segment.setEnd(position + length);
        keep(frame, position);
        nextSequence += frame.recordCount();
        writtenSequence.lazySet(nextSequence - 1);
        publishOffsets();
        appendedBytes.lazySet(appendedBytes.getPlain() + length);
        if (hasSnapshots) {
            noteSnapshots(frame, position);
        }
    }

    private void checkPhase(Phase wanted, String call) throws StripeException {
        Phase now = phase;
        if (now != wanted) {
            throw new StripeException(
                    now == Phase.CLOSED ? Reason.CLOSED : Reason.WRONG_PHASE,
                    call + " wants the phase " + wanted + ", stripe " + options.stripeId() + " is " + now);
        }
    }

    private void checkNotStopped(Frame frame) throws StripeException {
        for (int record = 0; record < frame.recordCount(); record++) {
            if (stopped.contains(Owner.key(frame.queueId(record), frame.groupId(record)))) {
                throw new StripeException(
                        Reason.OWNER_STOPPED,
                        frame.owner(record) + " is stopped: records of it are missing; mend with 'forebay log repair'");
            }
        }
    }

    /** Lets go of frames that are durable by now. */
    private void dropDurable() {
        long durable = durableSequence;
        for (Frame oldest = retained.peekFirst();
                oldest != null && oldest.lastSequence() <= durable;
                oldest = retained.peekFirst()) {
            retained.pollFirst();
        }
    }

    private void keep(Frame frame, long position) {
        dropDurable();
        retained.addLast(frame);
        if (unflushed.isEmpty()) {
            unflushedFrom = position;
        }
        unflushed.add(frame);
        unflushedBytes += frame.lengthBytes();
        unflushedRetainedBytes += frame.retainedBytes();
    }

    /** Gives numbers, offsets and index entries to all records, or none. Says whether one of them is a snapshot. */
    private boolean number(Frame frame, long position) throws StripeException {
        byte[] image = frame.image();
        int count = frame.recordCount();
        int done = 0;
        int touchedCount = 0;
        boolean hasSnapshots = false;
        long key = -1;
        int slot = -1;
        try {
            for (; done < count; done++) {
                int at = frame.recordAt(done);
                int queueId = LittleEndian.getInt(image, at + 8);
                long recordKey = Owner.key(queueId, LittleEndian.getInt(image, at + 12));
                if (recordKey != key) {
                    key = recordKey;
                    slot = owners.slot(key);
                    owners.leftOutFrom[slot] = 0;
                }
                byte type = image[at + 4];
                if (Frame.isMessage(type)) {
                    QueueMarks queue = owners.marks[slot];
                    if (queue == null) {
                        queue = queueMarks(queueId);
                        owners.marks[slot] = queue;
                    }
                    if (touchedCount == 0 || touched[touchedCount - 1] != queue) {
                        if (touchedCount == touched.length) {
                            touched = Arrays.copyOf(touched, touchedCount * 2);
                        }
                        touched[touchedCount++] = queue;
                    }
                    long offset = queue.giveOffset();
                    owners.lastNumber[slot]++;
                    int body = at + FrameCodec.RECORD_HEADER_BYTES;
                    LittleEndian.putLong(image, body, offset);
                    int tagHash = LittleEndian.getInt(image, body + 8);
                    try {
                        index.put(queueId, offset, position, done, LittleEndian.getInt(image, at), tagHash);
                    } catch (IOException e) {
                        queue.takeBackOffset();
                        owners.lastNumber[slot]--;
                        throw e;
                    }
                    if (type == ENTRY) {
                        pin(queue, offset, image, body);
                    }
                } else {
                    owners.lastNumber[slot]++;
                }
                LittleEndian.putLong(image, at + 16, owners.lastNumber[slot]);
                if (type == SNAPSHOT) {
                    hasSnapshots = true;
                } else if (type != MANIFEST) {
                    owners.lastStateNumber[slot] = owners.lastNumber[slot];
                }
            }
        } catch (IOException e) {
            takeBackNumbers(frame, done);
            throw new StripeException(
                    e instanceof DiskFullException ? Reason.DISK_FULL : Reason.DEVICE_FAILED,
                    "no room in the queue index of stripe " + options.stripeId() + ": " + e.getMessage(),
                    e);
        }
        if (touchedCount < touched.length) {
            touched[touchedCount] = null;
        }
        return hasSnapshots;
    }

    private static final byte ENTRY = (byte) RecordType.ENTRY.number();
    private static final byte SNAPSHOT = (byte) RecordType.SNAPSHOT.number();
    private static final byte MANIFEST = (byte) RecordType.MANIFEST.number();

    private void takeBackNumbers(Frame frame, int count) {
        for (int record = count - 1; record >= 0; record--) {
            int slot = owners.slot(Owner.key(frame.queueId(record), frame.groupId(record)));
            long number = --owners.lastNumber[slot];
            // At worst an owner counts as changed that is not.
            owners.lastStateNumber[slot] = Math.min(owners.lastStateNumber[slot], number);
            if (Frame.isMessage(frame.image()[frame.recordAt(record) + 4])) {
                owners.marks[slot].takeBackOffset();
            }
        }
        if (touched.length > 0) {
            touched[0] = null;
        }
    }

    private void pin(QueueMarks queue, long offset, byte[] image, int body) {
        // A pin too many, of an append that fails in the end, is dropped when its offset is released.
        pins.add(queue, offset, LittleEndian.getInt(image, body + 12), LittleEndian.getLong(image, body + 16));
        basesWithEntries.add(active.base());
    }

    private void publishOffsets() {
        for (QueueMarks queue : touched) {
            if (queue == null) {
                return;
            }
            queue.publish();
        }
    }

    private void noteSnapshots(Frame frame, long position) {
        byte[] image = frame.image();
        for (int record = 0; record < frame.recordCount(); record++) {
            int at = frame.recordAt(record);
            if (image[at + 4] == SNAPSHOT) {
                int body = at + FrameCodec.RECORD_HEADER_BYTES;
                int slot = owners.slot(Owner.key(frame.queueId(record), frame.groupId(record)));
                int part = LittleEndian.getInt(image, body + 24);
                int parts = LittleEndian.getInt(image, body + 28);
                long held = LittleEndian.getLong(image, body + 8);
                OwnerTable.Snapshot pending = owners.pending[slot];
                if (held > owners.lastStateNumber[slot]) {
                    // It claims records that do not exist: not counting it keeps the log, counting it could lose some.
                    owners.pending[slot] = null;
                } else if (part == 0) {
                    owners.pending[slot] = new OwnerTable.Snapshot(
                            position, frame.firstSequence() + record, LittleEndian.getLong(image, body), held, parts);
                } else if (pending != null && pending.partCount == part && pending.heldNumber == held) {
                    pending.partCount++;
                } else {
                    owners.pending[slot] = null;
                }
            }
        }
    }

    private QueueMarks queueMarks(int queueId) {
        return marks.computeIfAbsent(queueId, QueueMarks::new);
    }

    private Segment roll() throws StripeException {
        Segment old = active;
        Segment next = takeSegment();
        try {
            next.setOrigin(nextSequence, epoch);
            next.writeHeader(new SegmentHeader(
                    true,
                    options.stripeId(),
                    epoch,
                    next.base(),
                    next.sizeBytes(),
                    durablePosition,
                    old.base(),
                    old.end(),
                    nextSequence));
        } catch (IOException e) {
            segments.giveUp(next);
            forceFailed(null);
            throw new StripeException(Reason.STORE_FAILED, "storing the header of " + next + " failed", e);
        }
        segments.add(next);
        hotBase = old.base();
        active = next;
        return next;
    }

    private Segment takeSegment() throws StripeException {
        try {
            return segments.take(durablePosition);
        } catch (DiskFullException e) {
            throw new StripeException(
                    Reason.DISK_FULL,
                    "no room for a further segment of stripe " + options.stripeId() + ": " + e.getMessage(),
                    e);
        } catch (IOException e) {
            throw new StripeException(
                    Reason.DEVICE_FAILED,
                    "no further segment of stripe " + options.stripeId() + ": " + e.getMessage(),
                    e);
        }
    }

    /** What was appended since the last call, or null. The StoreWriter's thread. */
    public FlushRange takeUnflushed() {
        dropDurable();
        if (unflushed.isEmpty()) {
            return null;
        }
        FlushRange range = new FlushRange(
                unflushedFrom,
                active.end(),
                nextSequence - 1,
                unflushedBytes,
                unflushedRetainedBytes,
                generation,
                unflushed);
        clearUnflushed();
        return range;
    }

    private void clearUnflushed() {
        unflushed = new ArrayList<>();
        unflushedBytes = 0;
        unflushedRetainedBytes = 0;
    }

    /** Bytes that wait for {@link #takeUnflushed()}. The StoreWriter's thread. */
    public long unflushedBytes() {
        return unflushedBytes;
    }

    /** Whether the next segment, or room in the index, should be prepared now. Any thread. */
    public boolean isPreparationNeeded() {
        return phase != Phase.CLOSED && (!segments.isPrepared() || index.isPreparationNeeded());
    }

    /** Makes the next segment and the next file of the index ready. Blocks; one caller at a time. */
    public void prepareNext() throws IOException {
        if (segments.isCollectionNeeded()) {
            segments.collect();
        }
        segments.prepareNext(durablePosition);
        if (index.isPreparationNeeded()) {
            index.prepareNext();
        }
    }

    // -------------------------------------------------------------------------------------------------- forcing

    /** Forces a range, headers of segments first. Blocks; one caller at a time. */
    public void force(FlushRange range) throws IOException {
        if (range.generation() != generation) {
            throw new StripeException(
                    Reason.WRONG_PHASE, "the range up to sequence " + range.toSequence() + " is void since a failure");
        }
        force(range.fromPosition(), range.toPosition());
    }

    private void force(long fromPosition, long toPosition) throws IOException {
        for (Segment segment : segments.live()) {
            if (segment.limit() > fromPosition && segment.base() < toPosition) {
                if (!segment.lease()) {
                    throw new AssertionError(segment + " is retired while position " + fromPosition + " is forced");
                }
                try {
                    if (!segment.isHeaderForced()) {
                        segment.forceHeader();
                    }
                    long from = Math.max(fromPosition, segment.firstPosition());
                    long to = Math.min(toPosition, segment.end());
                    if (from < to) {
                        segment.file().force(from - segment.base(), to - from);
                    }
                } finally {
                    segment.release();
                }
            }
        }
    }

    /** The range is forced: publishes the durable position, unless a failure has overtaken it. Any thread. */
    public void forced(FlushRange range) {
        synchronized (durability) {
            if (range.generation() == generation && range.toPosition() > durablePosition) {
                durablePosition = range.toPosition();
                durableSequence = range.toSequence();
            }
        }
    }

    /**
     * A force failed: everything above the durable position is void, whichever range it was in. Phase becomes REWRITING.
     * Called again while rewriting it starts the rewriting over. The StoreWriter's thread.
     *
     * @param range the range that failed, or null after a failed store; one of before an earlier failure changes nothing
     */
    public void forceFailed(FlushRange range) {
        if (phase == Phase.CLOSED || (range != null && range.generation() != generation)) {
            return;
        }
        synchronized (durability) {
            // In this order: a reader that sees the new generation must not read what is void.
            voidFrom = durablePosition;
            generation++;
        }
        phase = Phase.REWRITING;
        beginRewrite();
        clearUnflushed();
        dropPendingSnapshots();
    }

    private void beginRewrite() {
        if (rewriting != null) {
            rewriting.giveUp();
        }
        rewriting = new FreshRun(segments, options.stripeId(), epoch);
        rewritten.clear();
        nextRewriteSequence = durableSequence + 1;
    }

    private void dropPendingSnapshots() {
        Arrays.fill(owners.pending, null);
    }

    /** The sequence that the next frame to rewrite begins with. The StoreWriter's thread, phase REWRITING. */
    public long nextRewriteSequence() {
        return nextRewriteSequence;
    }

    /** Every frame above the durable position, in order: what origins do not send is taken from here. The StoreWriter's thread. */
    public List<Frame> retainedFrames() {
        dropDurable();
        return List.copyOf(retained);
    }

    /**
     * Writes a frame again, in order of sequence, into fresh segments. The StoreWriter's thread, phase REWRITING.
     *
     * @throws StripeException nothing of this frame is rewritten; with reason {@link Reason#STORE_FAILED} all are to be
     *     rewritten again, else this one is to be tried again
     */
    public void rewrite(Frame frame) throws StripeException {
        checkPhase(Phase.REWRITING, "rewrite");
        if (frame.firstSequence() != nextRewriteSequence) {
            throw new AssertionError(frame + " is rewritten where sequence " + nextRewriteSequence + " is next");
        }
        long position;
        try {
            position = rewriting.placeFor(frame.lengthBytes(), nextRewriteSequence, durablePosition);
        } catch (DiskFullException e) {
            throw new StripeException(Reason.DISK_FULL, "no room to rewrite " + frame + ": " + e.getMessage(), e);
        } catch (IOException e) {
            throw new StripeException(
                    Reason.DEVICE_FAILED, "no segment to rewrite " + frame + ": " + e.getMessage(), e);
        }
        frame.place(position, durablePosition, crc);
        try {
            rewriting.write(frame.image(), 0, frame.lengthBytes());
        } catch (IOException e) {
            forceFailed(null);
            throw new StripeException(Reason.STORE_FAILED, "storing a rewritten " + frame + " failed", e);
        }
        if (rewritten.size() == rewrittenTo.length) {
            rewrittenTo = Arrays.copyOf(rewrittenTo, rewrittenTo.length * 2);
        }
        rewrittenTo[rewritten.size()] = position;
        rewritten.add(frame);
        nextRewriteSequence = frame.lastSequence() + 1;
    }

    /** Whether everything above the durable sequence is rewritten and {@link #finishRewrite()} may run. */
    public boolean isRewriteComplete() {
        return phase == Phase.REWRITING && nextRewriteSequence == nextSequence;
    }

    /**
     * Forces the rewritten frames, then joins them to the log, repoints the index; phase RUNNING. When it throws, the
     * copies are given up and every frame has to be rewritten again. Blocks; no other call of the StoreWriter meanwhile.
     */
    public void finishRewrite() throws IOException {
        checkPhase(Phase.REWRITING, "finishRewrite");
        if (!isRewriteComplete()) {
            throw new AssertionError(
                    "rewritten is up to sequence " + (nextRewriteSequence - 1) + " of " + (nextSequence - 1));
        }
        Segment predecessor = segments.floor(durablePosition);
        try {
            rewriting.begin(nextSequence, durablePosition);
            rewriting.force();
            rewriting.link(
                    predecessor == null ? SegmentHeader.NONE : predecessor.base(),
                    predecessor == null ? SegmentHeader.NONE : durablePosition,
                    durablePosition);
            for (int index = 0; index < rewritten.size(); index++) {
                repoint(rewritten.get(index), rewrittenTo[index]);
            }
        } catch (IOException e) {
            // Whether the link reached the disk is not known. If so it is right: all it stands for was forced before.
            // Whatever comes next gets a higher base and is preferred.
            beginRewrite();
            throw e;
        }
        if (predecessor != null) {
            predecessor.setEnd(durablePosition);
        }
        segments.replaceTail(predecessor, rewriting.segments());
        active = rewriting.last();
        hotBase = rewriting.segments().get(0).base();
        rewriting = null;
        rewritten.clear();
        synchronized (durability) {
            generation++;
            durablePosition = active.end();
            durableSequence = nextSequence - 1;
            voidFrom = Long.MAX_VALUE;
        }
        retained.clear();
        phase = Phase.RUNNING;
    }

    private void repoint(Frame frame, long position) throws IOException {
        byte[] image = frame.image();
        for (int record = 0; record < frame.recordCount(); record++) {
            int at = frame.recordAt(record);
            if (Frame.isMessage(image[at + 4])) {
                int body = at + FrameCodec.RECORD_HEADER_BYTES;
                index.put(
                        frame.queueId(record),
                        LittleEndian.getLong(image, body),
                        position,
                        record,
                        LittleEndian.getInt(image, at),
                        LittleEndian.getInt(image, body + 8));
                if (image[at + 4] == ENTRY) {
                    basesWithEntries.add(segmentBase(position));
                }
            }
        }
    }

    private long segmentBase(long position) {
        for (Segment segment : rewriting.segments()) {
            if (position >= segment.base() && position < segment.limit()) {
                return segment.base();
            }
        }
        throw new AssertionError("position " + position + " lies in no rewritten segment");
    }

    // ---------------------------------------------------------------------------------------------- checkpoints

    /** Marks a possible replay start here and says whose snapshots are wanted. The StoreWriter's thread. */
    public Checkpoint beginCheckpoint() throws StripeException {
        checkPhase(Phase.RUNNING, "beginCheckpoint");
        if (running != null && running.state == Checkpoint.State.FINISHING) {
            throw new StripeException(Reason.WRONG_PHASE, running + " is being finished");
        }
        long neededFrom = neededByQueues();
        settle();
        List<Owner> changed = new ArrayList<>();
        for (int slot = 0; slot < owners.capacity(); slot++) {
            if (owners.isUsed(slot)) {
                owners.beginNumber[slot] = owners.lastNumber[slot];
                owners.beginStateNumber[slot] = owners.lastStateNumber[slot];
                owners.pending[slot] = null;
                OwnerTable.Snapshot snapshot = owners.current[slot];
                boolean isChanged = owners.lastStateNumber[slot] > owners.heldNumber(slot);
                if (owners.isThere(slot)
                        && (isChanged || (snapshot != null && isInTheWay(snapshot.position, neededFrom)))
                        && !stopped.contains(owners.key(slot))) {
                    changed.add(Owner.ofKey(owners.key(slot)));
                }
            }
        }
        running =
                new Checkpoint(this, ++checkpointNumber, generation, active.end(), nextSequence, List.copyOf(changed));
        return running;
    }

    /** Whether a snapshot there keeps a segment that no message needs. */
    private boolean isInTheWay(long position, long neededFrom) {
        Segment segment = segments.find(position);
        return segment != null && segment != active && segment.end() <= neededFrom;
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
            owners.dropLeftOut(last.number, this::drop);
        }
        for (QueueMarks queue : marks.values()) {
            long pinned = lowestPinned.getOrDefault(queue.queueId(), Long.MAX_VALUE);
            queue.settleReleased();
            // What only was released since may be wanted by a start, which would have to build the whole index anew.
            long below = Math.min(Math.min(queue.releasedForGood(), pinned), queue.nextOffset());
            try {
                index.releaseBelow(queue.queueId(), below);
            } catch (IOException e) {
                // Extents that are kept too long cost room, nothing else; the next checkpoint tries again.
                continue;
            }
        }
    }

    /** The lowest address of a message, or of a body, that any queue still needs; 0 if that is not known. */
    private long neededByQueues() {
        long lowest = Long.MAX_VALUE;
        for (QueueMarks queue : marks.values()) {
            lowest = Math.min(lowest, neededFrom(queue, queue.releasedBelow()));
        }
        lowestPinned.clear();
        pins.visit((queueId, offset) -> lowestPinned.merge(queueId, offset, Math::min));
        for (Map.Entry<Integer, Long> pinned : lowestPinned.entrySet()) {
            // The body's queue may be gone, so its marks say nothing.
            lowest = Math.min(lowest, positionOf(pinned.getKey(), pinned.getValue(), 0));
        }
        return lowest;
    }

    /** Where a queue's first needed message lies, or below; a damaged index entry does not free its message. */
    private long neededFrom(QueueMarks queue, long offset) {
        if (offset >= queue.nextOffset()) {
            return Long.MAX_VALUE;
        }
        long position = positionOf(queue.queueId(), offset, queue.neededFrom());
        queue.needFrom(position);
        return position;
    }

    private long positionOf(int queueId, long offset, long orElse) {
        try {
            return index.lookup(queueId, offset, entry) ? entry.position() : orElse;
        } catch (IOException e) {
            return orElse;
        }
    }

    /** Appends the manifest, after the snapshots. The StoreWriter's thread. */
    public void writeManifest(Checkpoint checkpoint) throws StripeException {
        checkPhase(Phase.RUNNING, "writeManifest");
        if (checkpoint != running || checkpoint.isVoid() || checkpoint.state != Checkpoint.State.BEGUN) {
            throw new StripeException(Reason.CHECKPOINT_VOID, checkpoint + " was overtaken");
        }
        boolean isMoved = stopped.isEmpty();
        long neededFrom = neededByQueues();
        for (int slot = 0; slot < owners.capacity(); slot++) {
            if (owners.isThere(slot)) {
                OwnerTable.Snapshot pending = owners.pending[slot];
                OwnerTable.Snapshot snapshot = pending != null && pending.isComplete() ? pending : owners.current[slot];
                owners.listed[slot] = snapshot;
                long held = snapshot == null ? 0 : snapshot.heldNumber;
                isMoved &= held >= owners.beginStateNumber[slot];
                if (snapshot != null) {
                    neededFrom = Math.min(neededFrom, snapshot.position);
                }
            }
        }
        checkpoint.isReplayMoved = isMoved;
        checkpoint.replayPosition = isMoved ? checkpoint.startPosition : replayPosition;
        checkpoint.replaySequence = isMoved ? checkpoint.startSequence : replaySequence;
        checkpoint.keptFromBase = keptFromBase(neededFrom, checkpoint.replayPosition);
        appendManifest(checkpoint, manifest(checkpoint));
        checkpoint.state = Checkpoint.State.MANIFEST_WRITTEN;
    }

    /** Base of the oldest segment to keep: only whole segments at the beginning of the chain go. */
    private long keptFromBase(long neededFrom, long replayFrom) {
        Segment[] chain = segments.live();
        if (replayFrom < 0) {
            return chain[0].base();
        }
        Segment replayed = segments.floor(replayFrom);
        for (Segment segment : chain) {
            if (segment == replayed || segment == active || segment.end() > neededFrom) {
                return segment.base();
            }
        }
        throw new AssertionError("no segment holds the replay start " + replayFrom);
    }

    private ManifestRecord manifest(Checkpoint checkpoint) {
        List<ManifestRecord.SegmentEntry> segmentEntries = new ArrayList<>();
        for (Segment segment : segments.live()) {
            if (segment.base() >= checkpoint.keptFromBase) {
                segmentEntries.add(new ManifestRecord.SegmentEntry(
                        segment.base(),
                        segment.base(),
                        segment == active ? -1 : segment.end(),
                        segment.sizeBytes(),
                        segment.epoch(),
                        segment.firstSequence(),
                        basesWithEntries.contains(segment.base()) ? ManifestRecord.SegmentEntry.HOLDS_ENTRIES : 0));
            } else {
                basesWithEntries.remove(segment.base());
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
                nextSequence,
                segments.addressLimit(),
                logTimeMillis,
                0,
                1,
                segmentEntries,
                ownerEntries);
    }

    private void appendManifest(Checkpoint checkpoint, ManifestRecord manifest) throws StripeException {
        int bodyBytesMax = Math.min(MANIFEST_FRAME_BYTES_MAX, frameBytesMax())
                - FrameCodec.HEADER_BYTES
                - FrameCodec.RECORD_HEADER_BYTES
                - 8;
        boolean isFirst = true;
        for (ManifestRecord part : manifest.split(bodyBytesMax)) {
            Frame frame =
                    Frame.builder(part.bodyBytes() + 64).add(Owner.STRIPE, part).build();
            append(frame, logTimeMillis);
            if (isFirst) {
                checkpoint.manifestPosition = active.end() - frame.lengthBytes();
                checkpoint.manifestFirstSequence = frame.firstSequence();
                isFirst = false;
            }
            checkpoint.setManifestSequence(frame.lastSequence());
        }
    }

    /**
     * Forces the index, writes the slot, then frees segments that nothing needs. Blocks; one caller at a time.
     *
     * @throws StripeException with reason {@link Reason#CHECKPOINT_VOID} if a failure has overtaken it or its manifest is
     *     not durable
     */
    public void finishCheckpoint(Checkpoint checkpoint) throws IOException {
        if (checkpoint.isVoid()
                || checkpoint.state != Checkpoint.State.MANIFEST_WRITTEN
                || durableSequence < checkpoint.manifestSequence()) {
            throw new StripeException(
                    Reason.CHECKPOINT_VOID,
                    checkpoint + " cannot be finished: its manifest ends with sequence " + checkpoint.manifestSequence()
                            + ", durable is " + durableSequence);
        }
        checkpoint.state = Checkpoint.State.FINISHING;
        try {
            finish(checkpoint);
        } finally {
            if (checkpoint.state == Checkpoint.State.FINISHING) {
                checkpoint.state = Checkpoint.State.MANIFEST_WRITTEN;
            }
        }
        segments.collect();
    }

    private void finish(Checkpoint checkpoint) throws IOException {
        long bytes = appendedBytes.get();
        index.force();
        writeSlot(checkpoint);
        boolean isCleaned = segments.live()[0].base() < checkpoint.keptFromBase;
        if (isCleaned) {
            // The older slot may name segments that go now, so it is replaced first.
            writeSlot(checkpoint);
        }
        replayPosition = checkpoint.replayPosition;
        replaySequence = checkpoint.replaySequence;
        manifestPosition = checkpoint.manifestPosition;
        manifestSequence = checkpoint.manifestFirstSequence;
        checkpoint.state = Checkpoint.State.FINISHED;
        appendedBytesAtCheckpoint = bytes;
        if (isCleaned) {
            segments.removeBelow(checkpoint.keptFromBase);
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

    private void writeSlot(long replayAt, long replayFrom, long manifestAt, long manifestFrom, long cleanEnd)
            throws IOException {
        long position;
        long sequence;
        synchronized (durability) {
            position = durablePosition;
            sequence = durableSequence;
        }
        checkpointFile.write(new CheckpointSlot(
                options.stripeId(),
                epoch,
                replayAt,
                replayFrom,
                manifestAt,
                manifestFrom,
                position,
                sequence + 1,
                segments.addressLimit(),
                logTimeMillis,
                cleanEnd));
    }

    /**
     * The owner is gone: nothing of it keeps the log from being cleaned, but for bodies that entries of other queues name.
     * Should a record of it come all the same, its numbers go on and it is there again. A start that replays records of it
     * has to be told again. The StoreWriter's thread.
     */
    public void forget(Owner owner) {
        int slot = owners.find(owner.key());
        if (slot >= 0) {
            owners.leaveOut(slot, checkpointNumber + 1);
        }
        QueueMarks queue = owner.isQueue() ? marks.get(owner.queueId()) : null;
        if (queue != null) {
            queue.releaseAll();
        }
    }

    /** No start meets a record of the owner any more. */
    private void drop(long ownerKey) {
        Owner owner = Owner.ofKey(ownerKey);
        if (owner.isQueue() && !lowestPinned.containsKey(owner.queueId())) {
            marks.remove(owner.queueId());
            try {
                index.release(owner.queueId());
            } catch (IOException e) {
                // Its extents stay taken until the index is built anew: room, nothing else.
                return;
            }
        }
    }

    // -------------------------------------------------------------------------------------------------- reading

    /** Epoch of this start. Any thread. */
    public long epoch() {
        return epoch;
    }

    public int stripeId() {
        return options.stripeId();
    }

    /** Last sequence in the page cache. Any thread. */
    public long writtenSequence() {
        return writtenSequence.get();
    }

    /** Last sequence up to which everything is forced. Any thread. */
    public long durableSequence() {
        return durableSequence;
    }

    /** The newest log time given. Any thread. */
    public long logTimeMillis() {
        return logTimeMillis;
    }

    public Phase phase() {
        return phase;
    }

    /** Changes with every failure and with the end of every rewrite. */
    long generation() {
        return generation;
    }

    /** Bytes that a start would have to replay, about: when to make the next checkpoint. Any thread. */
    public long bytesSinceCheckpoint() {
        return appendedBytes.get() - appendedBytesAtCheckpoint;
    }

    /** Bytes that can be appended behind the active segment when the disk has no more to give. Any thread. */
    public long roomBytes() {
        return segments.roomBytes();
    }

    /** Bytes of all segment files. Any thread. */
    public long storedBytes() {
        return segments.storedBytes();
    }

    /** The largest frame that can be appended, in bytes. Any thread. */
    public int frameBytesMax() {
        return options.segmentBytes() - SegmentHeader.PAGE_BYTES;
    }

    /** The offset that the queue's next message gets; all below are written. Any thread. */
    public long nextOffset(int queueId) {
        QueueMarks queue = marks.get(queueId);
        return queue == null ? 0 : queue.nextOffset();
    }

    /** Nobody has said to need anything below this offset. Any thread. */
    public long releasedBelow(int queueId) {
        QueueMarks queue = marks.get(queueId);
        return queue == null ? 0 : queue.releasedBelow();
    }

    /** A reader of one queue, for one actor. Any thread. */
    public QueueReader newReader(int queueId) {
        return new QueueReader(this, queueMarks(queueId), index, segments);
    }

    /** A walker through the whole log, for one thread that may block. Any thread. */
    public LogWalker newWalker() {
        return new LogWalker(this, segments);
    }

    /** What lies below may be read, if it was written. */
    long readableEnd() {
        return voidFrom;
    }

    long durablePosition() {
        return durablePosition;
    }

    boolean isReadable(long position) {
        return position < voidFrom;
    }

    /** Segments from this base on are in memory. */
    boolean isHot(Segment segment) {
        return segment.base() >= hotBase;
    }

    /** The lowest offset that any group still needs. Any thread. */
    public void releaseBelow(int queueId, long offset) {
        queueMarks(queueId).releaseBelow(offset);
    }

    // -------------------------------------------------------------------------------------------------- closing

    /** Closes without a word about the log's end: as after a crash, but orderly. */
    @Override
    public void close() throws IOException {
        close(false);
    }

    /** Closes; if clean, forces everything and writes a slot with the log's end first. No other call meanwhile or after. */
    public void close(boolean isClean) throws IOException {
        if (phase == Phase.CLOSED) {
            return;
        }
        boolean wasRunning = phase == Phase.RUNNING;
        phase = Phase.CLOSED;
        try {
            if (isClean && wasRunning) {
                force(durablePosition, active.end());
                synchronized (durability) {
                    durablePosition = active.end();
                    durableSequence = nextSequence - 1;
                }
                writeSlot(replayPosition, replaySequence, manifestPosition, manifestSequence, active.end());
            }
        } finally {
            closeFiles();
        }
    }

    private void closeFiles() throws IOException {
        try {
            segments.close();
        } finally {
            try {
                index.close();
            } finally {
                checkpointFile.close();
            }
        }
    }

    @Override
    public String toString() {
        return "stripe " + options.stripeId() + " in " + directory.path();
    }
}
