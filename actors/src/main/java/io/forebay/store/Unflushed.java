package io.forebay.store;

import akka.actor.typed.ActorRef;
import io.forebay.storage.log.FlushRange;
import io.forebay.storage.log.Frame;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What is appended and not known to be durable: what gathers for the next range, and the range at the Flusher, of which there
 * is one at most. Decides when the next one is due. The log holds the frames; here stands whose they are. Pure; confined to the
 * StoreWriter.
 */
final class Unflushed {
    private final long flushBytes;
    private List<StoreWriter.Append> gathered = new ArrayList<>();
    /** Who waits for FLUSHED of what gathers. */
    private Set<ActorRef<StoreWriter.Event>> waiters = new HashSet<>();

    private long gatheredBytes;
    private boolean isForceWanted;
    private Flusher.Flush atFlusher;
    private List<StoreWriter.Append> appendsAtFlusher = List.of();

    /** @param flushBytes memory of frames from which on a range is due even if nobody waits */
    Unflushed(long flushBytes) {
        this.flushBytes = flushBytes;
    }

    /** The frame is appended behind all others. */
    void appended(StoreWriter.Append append) {
        gathered.add(append);
        gatheredBytes += append.frame().retainedBytes();
        if (append.wantsDurable()) {
            await(append.origin());
        }
    }

    /** Copies were appended that nobody would write again. */
    void appendedMoved(long bytes) {
        gatheredBytes += bytes;
    }

    /** Somebody waits for what gathers. */
    void await(ActorRef<StoreWriter.Event> origin) {
        waiters.add(origin);
        isForceWanted = true;
    }

    /** What gathers is to be forced as soon as the Flusher is free. */
    void wantForce() {
        isForceWanted = true;
    }

    boolean isDue() {
        return atFlusher == null && (isForceWanted || gatheredBytes >= flushBytes);
    }

    /** Whether something gathers that will be due by time. */
    boolean isDueLater() {
        return atFlusher == null && gatheredBytes > 0;
    }

    /**
     * What gathered goes to the Flusher.
     *
     * @param range all that was appended since the last one
     */
    Flusher.Flush take(FlushRange range) {
        if (atFlusher != null) {
            throw new AssertionError("a second range for the Flusher: " + range + " beside " + atFlusher.range());
        }
        atFlusher = new Flusher.Flush(range, gatheredBytes, waiters);
        appendsAtFlusher = gathered;
        startOver();
        return atFlusher;
    }

    /** There was nothing to force. */
    void nothingToTake() {
        isForceWanted = false;
    }

    boolean isAtFlusher() {
        return atFlusher != null;
    }

    /** Whether the range at the Flusher covers the sequence. */
    boolean isAtFlusher(long sequence) {
        return atFlusher != null && sequence <= atFlusher.range().toSequence();
    }

    /**
     * The Flusher is free. A range that did not become durable is, with what gathered behind it, what is to be written again.
     *
     * @param isFailed whether its force failed: then its bytes are still taken, also if all in it were copies
     * @return whether it became durable
     */
    boolean backFromFlusher(long durableSequence, boolean isFailed) {
        if (atFlusher == null) {
            throw new AssertionError("nothing was at the Flusher");
        }
        boolean isDurable = !isFailed && atFlusher.range().toSequence() <= durableSequence;
        if (!isDurable) {
            appendsAtFlusher.addAll(gathered);
            gathered = appendsAtFlusher;
            gatheredBytes += atFlusher.frameBytes();
        }
        atFlusher = null;
        appendsAtFlusher = List.of();
        return isDurable;
    }

    /**
     * Whose the frames are that a failure has to have written again; when nothing is at the Flusher.
     *
     * @param retained all frames above the durable position, in order of sequence; those that are not known here, and those of
     *     {@code own}, are the stripe's
     */
    List<RewriteState.Entry<ActorRef<StoreWriter.Event>>> entriesOf(
            List<Frame> retained, ActorRef<StoreWriter.Event> own) {
        List<RewriteState.Entry<ActorRef<StoreWriter.Event>>> entries = new ArrayList<>(retained.size());
        int knownCount = 0;
        for (Frame frame : retained) {
            ActorRef<StoreWriter.Event> origin = null;
            if (knownCount < gathered.size() && gathered.get(knownCount).frame() == frame) {
                origin = gathered.get(knownCount++).origin();
            }
            entries.add(new RewriteState.Entry<>(frame.firstSequence(), own.equals(origin) ? null : origin));
        }
        if (knownCount < gathered.size()) {
            throw new AssertionError("the log does not retain the frame of sequence "
                    + gathered.get(knownCount).frame().firstSequence());
        }
        return entries;
    }

    /** Who waits for what gathers; they are somebody else's to tell from now on. */
    Set<ActorRef<StoreWriter.Event>> takeWaiters() {
        var taken = waiters;
        waiters = new HashSet<>();
        return taken;
    }

    /** All of it became durable by being written again. @return memory of its frames */
    long rewritten() {
        long bytes = gatheredBytes;
        startOver();
        return bytes;
    }

    private void startOver() {
        gathered = new ArrayList<>();
        gatheredBytes = 0;
        isForceWanted = false;
        waiters = new HashSet<>();
    }

    /** Adds everybody with a frame here, or waiting. */
    void addOriginsTo(Set<ActorRef<StoreWriter.Event>> all) {
        appendsAtFlusher.forEach(append -> all.add(append.origin()));
        gathered.forEach(append -> all.add(append.origin()));
        all.addAll(waiters);
        if (atFlusher != null) {
            all.addAll(atFlusher.waiters());
        }
    }
}
