package io.forebay.store;

import io.forebay.storage.log.FlushRange;
import java.io.IOException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.LongSupplier;

/**
 * What happens in a stripe, counted for whoever watches it. The stripe's parts call what is not public; where it is said, on one thread
 * alone. An append costs a look at a field, and a look at the clock if it is the first behind a force. Reading is thread-safe.
 */
public final class StripeMeters {
    /** Told as it happens, on threads of the stripe: must be quick and throw nothing. */
    public interface Listener {
        /** @param frames appends that shared the force */
        void forced(long nanos, int frames, long bytes);

        /** A segment was made or recycled, ahead of need or while appends waited for it. */
        void segmentPrepared(long nanos);

        /** From asking for snapshots to the slot that names them. */
        void checkpointTaken(long nanos);

        /** From the failed force to the end of the rewrite. */
        void rewritten(long nanos);
    }

    /** A force under way; on the thread that forces. */
    final class Force {
        private final FlushRange range;
        private final Object event;
        private final long sinceNanos;

        private Force(FlushRange range) {
            this.range = range;
            event = recorder.beginForce();
            sinceNanos = now();
        }

        /** The range is on the device. @return how long that took, in nanoseconds */
        long done() {
            long nanos = now() - sinceNanos;
            int frames = range.frames().size();
            recorder.endForce(event, stripeId, frames, range.bytes(), false);
            listeners.forEach(listener -> listener.forced(nanos, frames, range.bytes()));
            return nanos;
        }

        void failed() {
            recorder.endForce(event, stripeId, range.frames().size(), range.bytes(), true);
        }
    }

    /** Which message the StoreWriter was at, and since when it is known to be. */
    private record Sight(long number, long nanos) {}

    private static final long NEVER = -1;
    private static final String CAUSE_UNKNOWN = "a step of the writer's";

    private final int stripeId;
    private final LongSupplier nanoTime;
    private final long startNanos;
    private final FlightRecorder recorder = FlightRecorder.ofThisJvm();
    private final CopyOnWriteArrayList<Listener> listeners = new CopyOnWriteArrayList<>();

    private final LongAdder stalls = new LongAdder();
    private final LongAdder stalledNanos = new LongAdder();
    private final LongAdder rewrites = new LongAdder();
    private final LongAdder preparations = new LongAdder();
    private final LongAdder failedPreparations = new LongAdder();
    private final LongAdder failedCheckpoints = new LongAdder();
    private final LongAdder failedEvacuations = new LongAdder();

    // Written by the StoreWriter, in nanoseconds since the start or NEVER.
    private volatile long gatheringSince = NEVER;
    private volatile long forcingSince = NEVER;
    private volatile long stalledSince = NEVER;

    // Messages, the one under way included and not. No clock is read for them: how long one takes is told by whoever
    // looks twice.
    private final AtomicLong begunCount = new AtomicLong();
    private final AtomicLong doneCount = new AtomicLong();
    private volatile Sight lastSight = new Sight(0, 0);

    // Confined to the StoreWriter.
    private String stallCause = CAUSE_UNKNOWN;
    private Object stallEvent;
    private long checkpointSince;
    private long rewritingSince;

    /** @param nanoTime monotonic */
    public StripeMeters(int stripeId, LongSupplier nanoTime) {
        this.stripeId = stripeId;
        this.nanoTime = nanoTime;
        this.startNanos = nanoTime.getAsLong();
    }

    private long now() {
        return nanoTime.getAsLong() - startNanos;
    }

    // ---- for those who watch ----------------------------------------------------------------------------------------

    public void listen(Listener listener) {
        listeners.add(listener);
    }

    public void stopListening(Listener listener) {
        listeners.remove(listener);
    }

    /** How long the oldest of what is appended and not durable has waited for that, in nanoseconds; 0 if there is none. */
    public long unflushedNanos() {
        long forcing = forcingSince;
        return since(forcing != NEVER ? forcing : gatheringSince);
    }

    /**
     * How long the first of the appends that wait has waited, in nanoseconds; 0 if none waits. If the StoreWriter hangs at a message, because
     * a call to the device does, all do: then it counts from when that was seen first, here.
     */
    public long stalledNanosNow() {
        return Math.max(since(stalledSince), hangingNanos());
    }

    private long hangingNanos() {
        long number = begunCount.get();
        if (doneCount.get() >= number) {
            return 0;
        }
        Sight sight = lastSight;
        if (sight.number != number) {
            lastSight = new Sight(number, now());
            return 0;
        }
        return Math.max(0, now() - sight.nanos);
    }

    private long since(long then) {
        return then == NEVER ? 0 : Math.max(0, now() - then);
    }

    /** Times in which appends had to wait, of any length, that are over. */
    public long stallCount() {
        return stalls.sum();
    }

    /** How long they were together, in nanoseconds. */
    public long stalledNanosTotal() {
        return stalledNanos.sum();
    }

    /** Rewrites that began behind a failed force, or a failed store. */
    public long rewriteCount() {
        return rewrites.sum();
    }

    public long preparationCount() {
        return preparations.sum();
    }

    public long failedPreparationCount() {
        return failedPreparations.sum();
    }

    public long failedCheckpointCount() {
        return failedCheckpoints.sum();
    }

    public long failedEvacuationCount() {
        return failedEvacuations.sum();
    }

    // ---- appends; on the StoreWriter's thread
    // -------------------------------------------------------------------------

    void messageBegins() {
        begunCount.lazySet(begunCount.getPlain() + 1);
    }

    void messageDone() {
        doneCount.lazySet(begunCount.getPlain());
    }

    void appended() {
        if (gatheringSince == NEVER) {
            gatheringSince = now();
        }
    }

    /** What gathered goes to the Flusher. */
    void rangeTaken() {
        long gathering = gatheringSince;
        forcingSince = gathering == NEVER ? now() : gathering;
        gatheringSince = NEVER;
    }

    /** @param isDurable whether all of it is; else it waits on, as the oldest of what gathers */
    void rangeBack(boolean isDurable) {
        if (!isDurable) {
            gatheringSince = forcingSince;
        }
        forcingSince = NEVER;
    }

    /** What the next stall is put down to, or the one under way from now on. */
    void blame(String cause) {
        stallCause = cause;
    }

    /** An append has to wait. */
    void stalled() {
        if (stalledSince == NEVER) {
            stallEvent = recorder.beginStall();
            stalledSince = now();
        }
    }

    /** No append waits any more. */
    void goesOn() {
        long since = stalledSince;
        if (since != NEVER) {
            stalledNanos.add(now() - since);
            stalls.increment();
            stalledSince = NEVER;
            recorder.endStall(stallEvent, stripeId, stallCause);
            stallEvent = null;
            stallCause = CAUSE_UNKNOWN;
        }
    }

    // ---- what works behind ------------------------------------------------------------------------------------------

    /** On the thread that forces. */
    Force force(FlushRange range) {
        return new Force(range);
    }

    /** Has a segment prepared, on the thread for that. */
    void prepare(BlockingCalls.Call preparation) throws IOException {
        long since = now();
        try {
            preparation.run();
        } catch (IOException e) {
            failedPreparations.increment();
            throw e;
        }
        long nanos = now() - since;
        preparations.increment();
        listeners.forEach(listener -> listener.segmentPrepared(nanos));
    }

    /** On the StoreWriter's thread, as is what follows. */
    void rewriteBegins() {
        rewrites.increment();
        rewritingSince = now();
    }

    /** Everything that was not durable is. */
    void rewritten() {
        gatheringSince = NEVER;
        forcingSince = NEVER;
        long nanos = now() - rewritingSince;
        listeners.forEach(listener -> listener.rewritten(nanos));
    }

    void checkpointBegins() {
        checkpointSince = now();
    }

    void checkpointTaken() {
        long nanos = now() - checkpointSince;
        listeners.forEach(listener -> listener.checkpointTaken(nanos));
    }

    void checkpointFailed() {
        failedCheckpoints.increment();
    }

    void evacuationFailed() {
        failedEvacuations.increment();
    }
}
