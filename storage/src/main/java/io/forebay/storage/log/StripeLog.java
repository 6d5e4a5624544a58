package io.forebay.storage.log;

import io.forebay.storage.checkpoint.CheckpointFile;
import io.forebay.storage.index.QueueIndex;
import io.forebay.storage.io.DiskFullException;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.log.StripeException.Reason;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.random.RandomGenerator;
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

    private static final long NONE = -1;

    /** What recovery hands over. */
    static final class Opened {
        StorageDirectory directory;
        StripeOptions options;
        LogIdentity identity;
        CheckpointFile checkpointFile;
        QueueIndex index;
        EntryLists entryLists;
        IndexStamp indexStamp;
        SegmentStore segments;
        Segment active;
        OwnerTable owners;
        BodyPins pins;
        Map<Integer, QueueMarks> marks;
        Set<Long> stopped;
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
    private final Map<Integer, QueueMarks> marks;
    private final Set<Long> stopped;
    private final LogState state;
    private final Numbering numbering;
    private final Rewriting rewriting;
    private final Checkpointing checkpointing;
    private final Evacuator evacuator;

    // The StoreWriter's thread, and finishRewrite while that waits.
    private final CRC32C crc = new CRC32C();
    private final Deque<Frame> retained = new ArrayDeque<>();
    private List<Frame> unflushed = new ArrayList<>();
    private long unflushedFrom = NONE;
    private long unflushedBytes;
    private long unflushedRetainedBytes;

    private final AtomicLong writtenSequence = new AtomicLong();
    private final AtomicLong appendedBytes = new AtomicLong();
    private final AppendedBytes writtenBytes = new AppendedBytes();
    private volatile long appendedBytesAtCheckpoint;

    StripeLog(Opened opened) {
        directory = opened.directory;
        options = opened.options;
        report = opened.report;
        checkpointFile = opened.checkpointFile;
        index = opened.index;
        segments = opened.segments;
        marks = new ConcurrentHashMap<>(opened.marks);
        stopped = Set.copyOf(opened.stopped);
        state = new LogState(options, opened.identity, opened.report.epoch());
        state.active = opened.active;
        state.nextSequence = opened.nextSequence;
        state.durablePosition = opened.durablePosition;
        state.durableSequence = opened.nextSequence - 1;
        state.logTimeMillis = opened.report.newestLogTimeMillis();
        state.hotBase = opened.active.base();
        numbering = new Numbering(options.stripeId(), opened.owners, opened.pins, index, marks);
        rewriting = new Rewriting(state, segments, index);
        checkpointing = new Checkpointing(this, state, opened, marks);
        evacuator = new Evacuator(state, segments, index, opened.pins, marks, checkpointing);
        writtenSequence.set(opened.nextSequence - 1);
        appendedBytes.set(opened.replayedBytes);
    }

    /**
     * Opens a stripe or makes it when the directory is empty: finds the newest checkpoint, replays the log from there,
     * copies what was not stated durable, forces a new epoch and begins a fresh segment. Blocks.
     *
     * @param nowMillis the wall clock; the log's own time never goes below the newest time in it
     * @param random for the number that tells a new log from every other one; of 64 good bits
     * @throws CorruptLogException if something durable is damaged and its records cannot be told
     * @throws StripeException if it is of another stripe or log, of a newer format, or the disk is full
     */
    public static StripeLog open(
            StorageDirectory directory,
            StripeOptions options,
            long nowMillis,
            RandomGenerator random,
            RecoverySink sink)
            throws IOException {
        return new Recovery(directory, options, nowMillis, random, sink).run();
    }

    /** The same where nobody mixes up logs: a new one gets a number that follows from {@code nowMillis}. */
    public static StripeLog open(StorageDirectory directory, StripeOptions options, long nowMillis, RecoverySink sink)
            throws IOException {
        return open(directory, options, nowMillis, new SplittableRandom(nowMillis), sink);
    }

    /** What the start found. Any thread. */
    public RecoveryReport report() {
        return report;
    }

    // ------------------------------------------------------------------------------------------------- appending

    /**
     * Gives the frame its sequences, owner numbers and queue offsets, and writes it into the page cache. When it throws,
     * nothing was appended and the frame can be appended later. A segment or room in the index that is not prepared is made
     * here and now. The StoreWriter's thread, phase RUNNING.
     *
     * @param timeMillis the log's clock; if it is below the newest time in the log, that is taken
     * @throws StripeException with reason {@link Reason#STORE_FAILED} the phase is REWRITING from now on
     */
    public void append(Frame frame, long timeMillis) throws StripeException {
        append(frame, timeMillis, true);
    }

    /**
     * The same, but what is not prepared is not made: the frame is refused with {@link Reason#NOT_PREPARED}, and can be
     * appended behind {@link #prepareNext()} on another thread.
     */
    public void appendIfPrepared(Frame frame, long timeMillis) throws StripeException {
        append(frame, timeMillis, false);
    }

    private void append(Frame frame, long timeMillis, boolean isPreparedHere) throws StripeException {
        state.check(Phase.RUNNING, "append");
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
        Segment segment = segmentFor(length, isPreparedHere);
        long position = segment.end();
        numbering.number(frame, position, isPreparedHere);
        if (timeMillis > state.logTimeMillis) {
            state.logTimeMillis = timeMillis;
        }
        frame.seal(state.epoch, state.nextSequence, position, state.durablePosition, state.logTimeMillis, crc);
        try {
            segment.file().write(position - segment.base(), frame.image(), 0, length);
        } catch (IOException e) {
            numbering.takeBack(frame);
            frame.unseal();
            throw storeFailed("a frame", position, segment, e);
        }
        segment.setEnd(position + length);
        if (numbering.hasEntries()) {
            frame.addEntriesTo(segment);
        }
        dropDurable();
        retained.addLast(frame);
        unflushed.add(frame);
        noteUnflushed(position, length, frame.retainedBytes());
        state.nextSequence += frame.recordCount();
        writtenSequence.lazySet(state.nextSequence - 1);
        numbering.publishOffsets();
        writtenBytes.appended(frame);
        if (numbering.hasSnapshots()) {
            numbering.noteSnapshots(frame, position);
        }
    }

    private StripeException storeFailed(String what, long position, Segment segment, IOException cause) {
        forceFailed(null);
        return new StripeException(
                Reason.STORE_FAILED,
                "storing " + what + " at position " + position + " of " + segment + " failed",
                cause);
    }

    private void noteUnflushed(long position, int length, int retainedBytes) {
        if (unflushedFrom == NONE) {
            unflushedFrom = position;
        }
        unflushedBytes += length;
        unflushedRetainedBytes += retainedBytes;
        appendedBytes.lazySet(appendedBytes.getPlain() + length);
    }

    private void checkNotStopped(Frame frame) throws StripeException {
        for (int record = 0; record < frame.recordCount(); record++) {
            if (stopped.contains(Owner.key(frame.queueId(record), frame.groupId(record)))) {
                throw new StripeException(
                        Reason.OWNER_STOPPED,
                        frame.owner(record)
                                + " is stopped: records of it are missing; stop the node and see what can be"
                                + " mended with 'forebay log repair " + directory.path() + "'");
            }
        }
    }

    /** Lets go of frames that are durable by now. */
    private void dropDurable() {
        long durable = state.durableSequence;
        for (Frame oldest = retained.peekFirst();
                oldest != null && oldest.lastSequence() <= durable;
                oldest = retained.peekFirst()) {
            retained.pollFirst();
        }
    }

    /** The active segment, or the next one if the frame does not fit. */
    private Segment segmentFor(int length, boolean isPreparedHere) throws StripeException {
        Segment segment = state.active;
        return length > segment.limit() - segment.end() ? roll(isPreparedHere) : segment;
    }

    private Segment roll(boolean isPreparedHere) throws StripeException {
        Segment old = state.active;
        Segment next = takeSegment(isPreparedHere);
        try {
            next.setOrigin(state.nextSequence, state.epoch);
            next.writeHeader(
                    segments.linkedHeader(next, state.durablePosition, old.base(), old.end(), state.nextSequence));
        } catch (IOException e) {
            segments.giveUp(next);
            forceFailed(null);
            throw new StripeException(Reason.STORE_FAILED, "storing the header of " + next + " failed", e);
        }
        segments.add(next);
        state.hotBase = old.base();
        state.active = next;
        return next;
    }

    private Segment takeSegment(boolean isPreparedHere) throws StripeException {
        if (!isPreparedHere) {
            Segment prepared = segments.takePrepared();
            if (prepared == null) {
                throw new StripeException(
                        Reason.NOT_PREPARED, "no further segment of stripe " + options.stripeId() + " is prepared");
            }
            return prepared;
        }
        try {
            return segments.take(state.durablePosition);
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
        if (unflushedFrom == NONE) {
            return null;
        }
        FlushRange range = new FlushRange(
                unflushedFrom,
                state.active.end(),
                state.nextSequence - 1,
                unflushedBytes,
                unflushedRetainedBytes,
                state.generation,
                unflushed);
        clearUnflushed();
        return range;
    }

    private void clearUnflushed() {
        unflushed = new ArrayList<>();
        unflushedFrom = NONE;
        unflushedBytes = 0;
        unflushedRetainedBytes = 0;
    }

    /** Bytes that wait for {@link #takeUnflushed()}. The StoreWriter's thread. */
    public long unflushedBytes() {
        return unflushedBytes;
    }

    /** Whether the next segment, or room in the index, should be prepared now. Any thread. */
    public boolean isPreparationNeeded() {
        return state.phase != Phase.CLOSED && (!segments.isPrepared() || index.isPreparationNeeded());
    }

    /** Makes the next segment and the next file of the index ready. Blocks; one caller at a time. */
    public void prepareNext() throws IOException {
        if (segments.isCollectionNeeded()) {
            segments.collect();
        }
        segments.prepareNext(state.durablePosition);
        if (index.isPreparationNeeded()) {
            prepareIndex();
        }
    }

    /** What is kept for a log that grows must not keep it from growing. */
    private void prepareIndex() throws IOException {
        try {
            index.prepareNext();
        } catch (DiskFullException e) {
            if (!segments.giveBackSpare()) {
                throw e;
            }
            index.prepareNext();
        }
    }

    // -------------------------------------------------------------------------------------------------- forcing

    /** Forces a range, headers of segments first. Blocks; one caller at a time. */
    public void force(FlushRange range) throws IOException {
        if (range.generation() != state.generation) {
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
        synchronized (state.durability) {
            if (range.generation() == state.generation && range.toPosition() > state.durablePosition) {
                state.durablePosition = range.toPosition();
                state.durableSequence = range.toSequence();
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
        if (state.phase == Phase.CLOSED || (range != null && range.generation() != state.generation)) {
            return;
        }
        synchronized (state.durability) {
            // In this order: a reader that sees the new generation must not read what is void.
            state.voidFrom = state.durablePosition;
            state.generation++;
        }
        state.phase = Phase.REWRITING;
        rewriting.begin();
        clearUnflushed();
        checkpointing.dropPendingSnapshots();
    }

    /** The sequence that the next frame to rewrite begins with. The StoreWriter's thread, phase REWRITING. */
    public long nextRewriteSequence() {
        return rewriting.nextSequence();
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
        try {
            rewriting.rewrite(frame);
        } catch (StripeException e) {
            if (e.reason() == Reason.STORE_FAILED) {
                forceFailed(null);
            }
            throw e;
        }
    }

    /** Whether everything above the durable sequence is rewritten and {@link #finishRewrite()} may run. */
    public boolean isRewriteComplete() {
        return rewriting.isComplete();
    }

    /**
     * Forces the rewritten frames, then joins them to the log, repoints the index; phase RUNNING. When it throws, the
     * copies are given up and every frame has to be rewritten again. Blocks; no other call of the StoreWriter meanwhile.
     */
    public void finishRewrite() throws IOException {
        rewriting.finish();
        retained.clear();
    }

    // ---------------------------------------------------------------------------------- checkpoints and cleaning

    /** Marks a possible replay start here and says whose snapshots are wanted. The StoreWriter's thread. */
    public Checkpoint beginCheckpoint() throws StripeException {
        return checkpointing.begin();
    }

    /** Appends the manifest, after the snapshots; makes a segment for it if none is prepared. The StoreWriter's thread. */
    public void writeManifest(Checkpoint checkpoint) throws StripeException {
        checkpointing.writeManifest(
                checkpoint, true, evacuator::isUnsettledIn, frame -> append(frame, state.logTimeMillis));
    }

    /** The same, but if a segment is needed and not prepared it is refused with {@link Reason#NOT_PREPARED}. */
    public void writeManifestIfPrepared(Checkpoint checkpoint) throws StripeException {
        checkpointing.writeManifest(
                checkpoint,
                segments.isPrepared(),
                evacuator::isUnsettledIn,
                frame -> append(frame, state.logTimeMillis));
    }

    /**
     * Forces the index, writes the slot, then frees segments that nothing needs. Blocks; one caller at a time.
     *
     * @throws StripeException with reason {@link Reason#CHECKPOINT_VOID} if a failure has overtaken it or its manifest is
     *     not durable
     */
    public void finishCheckpoint(Checkpoint checkpoint) throws IOException {
        long bytes = appendedBytes.get();
        checkpointing.finish(checkpoint);
        appendedBytesAtCheckpoint = bytes;
        segments.checkpointed();
        segments.collect();
    }

    /**
     * Lets go of the files of segments that were freed while somebody read them. Blocks; beside all other calls but closing.
     * What fails is tried again by the next call.
     */
    public void collect() throws IOException {
        segments.collect();
    }

    /**
     * The owner is gone: nothing of it keeps the log from being cleaned, but for bodies that entries of other queues name.
     * Should a record of it come all the same, its numbers go on and it is there again. A start that replays records of it
     * has to be told again. The StoreWriter's thread.
     */
    public void forget(Owner owner) {
        checkpointing.forget(owner);
    }

    /**
     * Looks for a segment that is pinned by little, so that moving that forward frees it. Blocks, as do the reads of the
     * evacuation; one caller at a time, and one evacuation at a time.
     *
     * @param livePercentMax how much of a segment may still be needed, in percent of its file
     * @return null if there is none; else to be closed, which the end of the log does, too
     */
    public Evacuation planEvacuation(int livePercentMax) throws IOException {
        return state.phase == Phase.RUNNING ? evacuator.plan(livePercentMax, appendedBytes.get()) : null;
    }

    /**
     * Whether a checkpoint would free a segment that the last one could not free: releases are no records, so they may come
     * when nothing is appended any more. The StoreWriter's thread.
     */
    public boolean isSegmentFreeable() {
        return checkpointing.isSegmentFreeable();
    }

    /**
     * Whether a checkpoint behind which nothing is appended gives space back: it frees a segment, or lets files go that were kept
     * because the log grew. The StoreWriter's thread.
     */
    public boolean isSpaceFreeable() {
        return isSegmentFreeable() || segments.isSpareExcessive();
    }

    /**
     * Whether a segment is kept by nothing but copies that were moved there, and more is released than was known when a plan
     * looked at it. No checkpoint frees it, an evacuation does, however little the log grows. Any thread.
     */
    public boolean isSegmentKeptByCopies() {
        return evacuator.isSegmentKeptByCopies();
    }

    /**
     * Appends copies of records that stay what they are: with their sequences, and without a sequence of the log's own. They
     * count only when {@link Evacuation#finish} has sent readers to them. Should their force fail, they are not written
     * again. The StoreWriter's thread, phase RUNNING.
     *
     * @throws StripeException as {@link #appendIfPrepared} does, or {@link Reason#CHECKPOINT_VOID} if a failure has overtaken
     *     the evacuation
     */
    public void appendMoved(MovedBatch batch, long timeMillis) throws StripeException {
        state.check(Phase.RUNNING, "appendMoved");
        Evacuation evacuation = batch.evacuation;
        if (evacuation.isVoid()) {
            throw new StripeException(Reason.CHECKPOINT_VOID, evacuation + " was overtaken by a failure");
        }
        int length = batch.lengthBytes();
        Segment segment = segmentFor(length, false);
        long position = segment.end();
        if (timeMillis > state.logTimeMillis) {
            state.logTimeMillis = timeMillis;
        }
        batch.seal(state.epoch, state.nextSequence, position, state.durablePosition, state.logTimeMillis, crc);
        try {
            segment.file().write(position - segment.base(), batch.image(), 0, length);
        } catch (IOException e) {
            throw storeFailed("a moved frame", position, segment, e);
        }
        segment.setHoldsMoved();
        if (batch.hasEntries()) {
            batch.addEntriesTo(segment);
        }
        segment.setEnd(position + length);
        noteUnflushed(position, length, length);
        writtenBytes.moved(length);
        evacuation.appended(batch, position);
    }

    // -------------------------------------------------------------------------------------------------- reading

    /** Epoch of this start. Any thread. */
    public long epoch() {
        return state.epoch;
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
        return state.durableSequence;
    }

    /** The newest log time given. Any thread. */
    public long logTimeMillis() {
        return state.logTimeMillis;
    }

    public Phase phase() {
        return state.phase;
    }

    /** Changes with every failure and with the end of every rewrite. */
    long generation() {
        return state.generation;
    }

    /** Bytes that a start would have to replay, about: when to make the next checkpoint. Any thread. */
    public long bytesSinceCheckpoint() {
        return appendedBytes.get() - appendedBytesAtCheckpoint;
    }

    /** What was written since the start, by kind. Any thread. */
    public WrittenBytes writtenBytes() {
        return writtenBytes.get();
    }

    /** Bytes that can be appended behind the active segment when the disk has no more to give. Any thread. */
    public long roomBytes() {
        return segments.roomBytes();
    }

    /**
     * Makes a spare segment if there is none, which is used when the disk has no more to give. Blocks; any thread.
     *
     * @throws IOException if it cannot be made; nothing is lost by that
     */
    public void keepReserve() throws IOException {
        segments.keepReserve();
    }

    /** Bytes of all segment files. Any thread. */
    public long storedBytes() {
        return segments.storedBytes();
    }

    /** Segments that a checkpoint found nothing needed in, since the start. Any thread. */
    public long freedSegmentCount() {
        return segments.freedCount();
    }

    /** Size of new segments. Any thread. */
    public int segmentBytes() {
        return options.segmentBytes();
    }

    /** The largest frame that can be appended, in bytes. Any thread. */
    public int frameBytesMax() {
        return state.frameBytesMax();
    }

    /** The offset that the queue's next message gets; all below are written. Any thread. */
    public long nextOffset(int queueId) {
        QueueMarks queue = marks.get(queueId);
        return queue == null ? 0 : queue.nextOffset();
    }

    /** Everything below this offset is released. Any thread. */
    public long releasedBelow(int queueId) {
        QueueMarks queue = marks.get(queueId);
        return queue == null ? 0 : queue.releasedBelow();
    }

    private QueueMarks queueMarks(int queueId) {
        return marks.computeIfAbsent(queueId, QueueMarks::new);
    }

    /** A reader of one queue, for one actor. Any thread. */
    public QueueReader newReader(int queueId) {
        return new QueueReader(this, queueMarks(queueId), index, segments);
    }

    /**
     * Whether what lay at an address is lost, and a repair has given it up. Reads the segment up to there: for who has found nothing
     * sound in that place. Any thread that may block.
     */
    public boolean isGivenUp(long position) throws IOException {
        Segment segment = segments.find(position);
        if (segment == null || !segment.lease()) {
            return false;
        }
        try {
            return LostFrames.isIn(segment, position);
        } finally {
            segment.release();
        }
    }

    /** A walker through the whole log, for one thread that may block. Any thread. */
    public LogWalker newWalker() {
        return new LogWalker(this, segments);
    }

    /** What lies below may be read, if it was written. */
    long readableEnd() {
        return state.voidFrom;
    }

    long durablePosition() {
        return state.durablePosition;
    }

    boolean isReadable(long position) {
        return position < state.voidFrom;
    }

    /** Segments from this base on are in memory. */
    boolean isHot(Segment segment) {
        return segment.base() >= state.hotBase;
    }

    /**
     * Says that offsets of a reserved queue are not needed any more though lower ones are: what lies there is not moved, keeps
     * nothing from being cleaned, and reads as GONE once it is. When all below an offset are released, {@link #releasedBelow}
     * follows. Any thread.
     *
     * <p>What may be said, and when, so that nothing is lost that is needed: the record by which the owner gives the offsets
     * up is durable, and it is a record of a kind that its snapshots and its replay know. A segment goes only with a checkpoint,
     * and never from the replay start on; there lie all records that the newest snapshots do not hold. So whenever one of these
     * offsets is gone, a start finds either a snapshot that knows it was given up, or the record behind the replay start. (One
     * that is only written lies below the manifest that lets a segment go, and is durable when that is; but what was given up by a
     * record that is not even written would be needed again.)
     *
     * <p>The log keeps this in memory only, about two bytes for an offset that lies alone. After a start nothing but
     * {@link #releasedBelow} is known: the offsets are needed again, what is left of them may be moved, and reading what has gone is an
     * error, until the owner says it again out of its snapshot and replay. Entries of the queue index stay until all
     * below them is released.
     *
     * @param offsets of records that are written
     * @throws IllegalArgumentException if the queue is not reserved: of another queue an entry may still name a body; or if an
     *     offset was not given yet
     */
    public void releaseOffsets(int queueId, OffsetSet offsets) {
        if (!Owner.isReserved(queueId)) {
            throw new IllegalArgumentException(
                    "single offsets are released of reserved queues only, not of queue " + queueId);
        }
        queueMarks(queueId).release(offsets);
    }

    /** Memory that {@link #releaseOffsets} has taken for a queue, in bytes. Any thread. */
    public long releasedOffsetsBytes(int queueId) {
        QueueMarks queue = marks.get(queueId);
        return queue == null ? 0 : queue.releasedAloneBytes();
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
        if (state.phase == Phase.CLOSED) {
            return;
        }
        boolean wasRunning = state.phase == Phase.RUNNING;
        state.phase = Phase.CLOSED;
        try {
            if (isClean && wasRunning) {
                long end = state.active.end();
                force(state.durablePosition, end);
                synchronized (state.durability) {
                    state.durablePosition = end;
                    state.durableSequence = state.nextSequence - 1;
                }
                checkpointing.writeCleanSlot(end);
            }
        } finally {
            closeFiles();
        }
    }

    private void closeFiles() throws IOException {
        evacuator.close();
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
