package io.forebay.store;

import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Decides what is written again after a failed force, in which order and when: everything that is not durable, in order of
 * sequence, each frame as soon as its origin has sent it again, is gone, or has been silent for too long. Pure; confined to
 * the StoreWriter.
 *
 * @param <O> an origin
 */
final class RewriteState<O> {
    /** What {@link #next()} returns while an origin is waited for. */
    static final int WAIT = -1;

    /** What {@link #next()} returns when every frame has been handed out. */
    static final int COMPLETE = -2;

    /**
     * @param firstSequence of the frame
     * @param origin null for a frame of the stripe's own, which nobody sends again
     */
    record Entry<O>(long firstSequence, O origin) {}

    private final List<Entry<O>> entries;
    private final int attemptsMax;
    /** Origins that were told and have neither answered nor gone. */
    private final Set<O> awaited = new LinkedHashSet<>();

    private int nextIndex;
    private int failedAttempts;
    /** Between a failed attempt and the next one. */
    private boolean isPaused;

    private boolean isFinishing;

    /**
     * @param entries every frame above the durable position, in order of sequence
     * @param attemptsMax failures one after another after which the stripe turns read-only
     */
    RewriteState(List<Entry<O>> entries, int attemptsMax) {
        this.entries = List.copyOf(entries);
        this.attemptsMax = attemptsMax;
        long before = -1;
        for (Entry<O> entry : entries) {
            if (entry.firstSequence <= before) {
                throw new AssertionError("sequence " + entry.firstSequence + " behind " + before);
            }
            before = entry.firstSequence;
            if (entry.origin != null) {
                awaited.add(entry.origin);
            }
        }
    }

    /** Who has not answered yet; at the beginning: who is to be told. */
    Set<O> awaited() {
        return Set.copyOf(awaited);
    }

    /**
     * An origin has sent its frames again. What it did not send is taken from what the stripe retained.
     *
     * @param firstSequences of the frames it sent
     * @return how many of its frames it did not send; more than 0 if it was restarted in between
     */
    int answered(O origin, Collection<Long> firstSequences) {
        if (!awaited.remove(origin)) {
            return 0;
        }
        int missing = 0;
        for (Entry<O> entry : entries) {
            if (origin.equals(entry.origin) && !firstSequences.contains(entry.firstSequence)) {
                missing++;
            }
        }
        return missing;
    }

    /** An origin has stopped: the stripe writes its frames itself. */
    void gone(O origin) {
        awaited.remove(origin);
    }

    /** The time is over: the stripe writes itself what is missing. */
    void timedOut() {
        awaited.clear();
    }

    /** The index of the frame to write now, or {@link #WAIT} or {@link #COMPLETE}; each is handed out once per attempt. */
    int next() {
        if (isPaused || isFinishing) {
            return WAIT;
        }
        if (nextIndex == entries.size()) {
            return COMPLETE;
        }
        O origin = entries.get(nextIndex).origin;
        return origin != null && awaited.contains(origin) ? WAIT : nextIndex++;
    }

    /** Whether {@link #next()} has come to the end in this attempt. */
    boolean isHandedOut() {
        return nextIndex == entries.size();
    }

    /** Whether all is written in this attempt, and its force may begin. */
    boolean isReadyToFinish() {
        return !isPaused && !isFinishing && isHandedOut();
    }

    /** The copies are being forced, or everybody is being told that they are. */
    void finishing() {
        isFinishing = true;
    }

    /**
     * Writing or forcing the copies failed; the next attempt begins with the first frame, after {@link #again()}. Nobody is asked a second time: the
     * frames are the same ones.
     *
     * @return whether so many attempts failed that the stripe is read-only until the next one succeeds
     */
    boolean failed() {
        nextIndex = 0;
        isPaused = true;
        isFinishing = false;
        failedAttempts++;
        return failedAttempts >= attemptsMax;
    }

    /** Begins the next attempt. */
    void again() {
        isPaused = false;
    }

    int failedAttempts() {
        return failedAttempts;
    }

    int size() {
        return entries.size();
    }
}
