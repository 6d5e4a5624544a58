package io.forebay.storage.log;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * One segment on its way out: what is still needed of it is copied forward. {@link StripeLog#planEvacuation} chooses it;
 * then {@link #read} and {@link StripeLog#appendMoved} in turn until nothing is left, {@link #finish} once it
 * {@link #isDurable}, and {@link #close} in any case. A checkpoint that is made behind that frees the segment. Whatever fails
 * in between leaves copies that nobody needs, and nothing else. Each method is for one thread at a time.
 */
public final class Evacuation implements AutoCloseable {
    private final Evacuator evacuator;
    final Segment source;
    final long generation;
    final Evacuator.Use use;
    /** Where to read on: the frame, and the record in it. */
    long at;

    int ordinal;

    private final List<MovedBatch> appended = new ArrayList<>();
    private final List<Long> positions = new ArrayList<>();
    /** Behind the last copy. */
    private long copiesEnd;

    private long bytes;
    private boolean isRead;
    private volatile boolean isFinished;
    private volatile boolean isClosed;

    Evacuation(Evacuator evacuator, Segment source, long generation, Evacuator.Use use) {
        this.evacuator = evacuator;
        this.source = source;
        this.generation = generation;
        this.use = use;
        this.at = source.firstPosition();
    }

    /**
     * The next records to move, or null if there are no more. Blocks.
     *
     * @param bytesMax about what the batch may have; one record may have more
     * @throws IOException if the segment has to stay, because something in it cannot be read
     */
    public MovedBatch read(int bytesMax) throws IOException {
        MovedBatch batch = evacuator.read(this, bytesMax);
        isRead = batch == null;
        return batch;
    }

    /** A batch is in the log. The StoreWriter's thread. */
    void appended(MovedBatch batch, long position) {
        bytes += batch.lengthBytes();
        batch.dropImage();
        appended.add(batch);
        positions.add(position);
        copiesEnd = position + batch.lengthBytes();
    }

    /** Whether a failed force has made it worthless. */
    public boolean isVoid() {
        return evacuator.generation() != generation;
    }

    /** Whether everything is copied and durable, so that it can be finished. */
    public boolean isDurable() {
        return isRead && evacuator.durablePosition() >= copiesEnd;
    }

    /** Bytes that were copied. */
    public long bytes() {
        return bytes;
    }

    /** Sends readers to the copies, one record after the other. Blocks; beside the StoreWriter. */
    public void finish() throws IOException {
        if (!isRead || isClosed) {
            throw new AssertionError(this + " is finished before it is read to its end, or twice");
        }
        evacuator.repoint(this, appended, positions);
        isFinished = true;
    }

    /**
     * Whether copies in the segment may be just about to be named by the index, so that a crash can leave an entry that names
     * neither place. The StoreWriter's thread.
     */
    boolean isUnsettledIn(Segment segment) {
        if (isFinished || isClosed) {
            return false;
        }
        for (long position : positions) {
            if (position >= segment.base() && position < segment.limit()) {
                return true;
            }
        }
        return false;
    }

    /** Lets go of the segment. Any thread. */
    @Override
    public void close() {
        if (!isClosed) {
            isClosed = true;
            source.release();
        }
    }

    @Override
    public String toString() {
        return "evacuation of " + source;
    }
}
