package io.forebay.storage.log;

import io.forebay.storage.io.StorageDirectory;
import java.io.IOException;
import java.util.List;

/**
 * A stripe's log, its queue index and its checkpoints. Three kinds of callers, each method says which: the StoreWriter's
 * thread (the only writer), blocking threads (one caller per method at a time), any thread.
 *
 * <p>The layout of the files and the rules of recovery are in {@code docs/on-disk-format.md}.
 */
public final class StripeLog implements AutoCloseable {
    private StripeLog() {}

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
        throw new AssertionError("skeleton");
    }

    /** What the start found. Any thread. */
    public RecoveryReport report() {
        throw new AssertionError("skeleton");
    }

    /**
     * Gives the frame its sequences, owner numbers and queue offsets, and writes it into the page cache. When it throws,
     * nothing was appended and the frame can be appended later. The StoreWriter's thread, phase RUNNING.
     *
     * @param logTimeMillis the log's clock; if it is below the newest time in the log, that is taken
     */
    public void append(Frame frame, long logTimeMillis) throws StripeException {
        throw new AssertionError("skeleton");
    }

    /** What was appended since the last call, or null. The StoreWriter's thread. */
    public FlushRange takeUnflushed() {
        throw new AssertionError("skeleton");
    }

    /** Whether bytes wait for {@link #takeUnflushed()}. The StoreWriter's thread. */
    public long unflushedBytes() {
        throw new AssertionError("skeleton");
    }

    /** Whether the next segment should be prepared now. Any thread. */
    public boolean isPreparationNeeded() {
        throw new AssertionError("skeleton");
    }

    /**
     * A force failed: everything above the durable position is void, whichever range it was in. Phase becomes REWRITING.
     * Called again while rewriting it starts the rewriting over. The StoreWriter's thread.
     *
     * @param range the range that failed, or null after a failed store
     */
    public void forceFailed(FlushRange range) {
        throw new AssertionError("skeleton");
    }

    /** The sequence that the next frame to rewrite begins with. The StoreWriter's thread, phase REWRITING. */
    public long nextRewriteSequence() {
        throw new AssertionError("skeleton");
    }

    /** Every frame above the durable position, in order: what origins do not send is taken from here. The StoreWriter's thread. */
    public List<Frame> retainedFrames() {
        throw new AssertionError("skeleton");
    }

    /** Writes a frame again, in order of sequence, into fresh segments. The StoreWriter's thread, phase REWRITING. */
    public void rewrite(Frame frame) throws StripeException {
        throw new AssertionError("skeleton");
    }

    /** Whether everything above the durable sequence is rewritten and {@link #finishRewrite()} may run. */
    public boolean isRewriteComplete() {
        throw new AssertionError("skeleton");
    }

    /** Marks a possible replay start here and says whose snapshots are wanted. The StoreWriter's thread. */
    public Checkpoint beginCheckpoint() throws StripeException {
        throw new AssertionError("skeleton");
    }

    /** Appends the manifest, after the snapshots. The StoreWriter's thread. */
    public void writeManifest(Checkpoint checkpoint) throws StripeException {
        throw new AssertionError("skeleton");
    }

    /** The offset that the queue's next message gets. The StoreWriter's thread, and any thread before the first append. */
    public long nextOffset(int queueId) {
        throw new AssertionError("skeleton");
    }

    /** The owner is gone for good: nothing of it keeps the log from being cleaned. The StoreWriter's thread. */
    public void forget(Owner owner) {
        throw new AssertionError("skeleton");
    }

    /** Makes the next segment ready. Blocks; one caller at a time. */
    public void prepareNext() throws IOException {
        throw new AssertionError("skeleton");
    }

    /** Forces a range, headers of segments first. Blocks; one caller at a time. */
    public void force(FlushRange range) throws IOException {
        throw new AssertionError("skeleton");
    }

    /** The range is forced: publishes the durable position, unless a failure has overtaken it. Any thread. */
    public void forced(FlushRange range) {
        throw new AssertionError("skeleton");
    }

    /**
     * Forces the rewritten frames, then joins them to the log, repoints the index; phase RUNNING. When it throws, the
     * copies are given up and every frame has to be rewritten again. Blocks; no other call of the StoreWriter meanwhile.
     */
    public void finishRewrite() throws IOException {
        throw new AssertionError("skeleton");
    }

    /** Forces the index, writes the slot, then frees segments that nothing needs. Blocks; one caller at a time. */
    public void finishCheckpoint(Checkpoint checkpoint) throws IOException {
        throw new AssertionError("skeleton");
    }

    /** Epoch of this start. Any thread. */
    public long epoch() {
        throw new AssertionError("skeleton");
    }

    public int stripeId() {
        throw new AssertionError("skeleton");
    }

    /** Last sequence in the page cache. Any thread. */
    public long writtenSequence() {
        throw new AssertionError("skeleton");
    }

    /** Last sequence up to which everything is forced. Any thread. */
    public long durableSequence() {
        throw new AssertionError("skeleton");
    }

    /** The newest log time given. Any thread. */
    public long logTimeMillis() {
        throw new AssertionError("skeleton");
    }

    public Phase phase() {
        throw new AssertionError("skeleton");
    }

    /** Bytes appended since the replay start of the newest checkpoint: when to make the next. Any thread. */
    public long bytesSinceCheckpoint() {
        throw new AssertionError("skeleton");
    }

    /** Bytes of all segment files. Any thread. */
    public long storedBytes() {
        throw new AssertionError("skeleton");
    }

    /** The largest frame that can be appended, in bytes. Any thread. */
    public int frameBytesMax() {
        throw new AssertionError("skeleton");
    }

    /** A reader of one queue, for one actor. Any thread. */
    public QueueReader newReader(int queueId) {
        throw new AssertionError("skeleton");
    }

    /** The lowest offset that any group still needs. Any thread. */
    public void releaseBelow(int queueId, long offset) {
        throw new AssertionError("skeleton");
    }

    /** Closes without a word about the log's end: as after a crash, but orderly. */
    @Override
    public void close() throws IOException {
        close(false);
    }

    /** Closes; if clean, forces everything and writes a slot with the log's end first. No other call meanwhile or after. */
    public void close(boolean clean) throws IOException {
        throw new AssertionError("skeleton");
    }
}
