package io.forebay.queue;

import io.forebay.storage.log.Frame;
import java.lang.ref.WeakReference;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * An actor's frames that are written and may have to be written again. The log holds every frame until it is durable, and whoever has
 * to write one again is asked before that; so here they are only remembered: an actor that falls silent would otherwise keep its last
 * ones until it writes again, and many such actors more than the stripe's budget bounds. Confined to its actor.
 */
final class RetainedFrames {
    private static final class Retained extends WeakReference<Frame> {
        private final long lastSequence;

        Retained(Frame frame) {
            super(frame);
            lastSequence = frame.lastSequence();
        }
    }

    private final ArrayDeque<Retained> frames = new ArrayDeque<>();

    /** The newest one. */
    void add(Frame frame) {
        frames.addLast(new Retained(frame));
    }

    /** Everything up to this sequence is durable. */
    void releaseUpTo(long durableSequence) {
        while (!frames.isEmpty() && frames.peekFirst().lastSequence <= durableSequence) {
            frames.pollFirst();
        }
    }

    /** Those that end above a sequence, in order; what is durable after all may be missing. */
    List<Frame> above(long sequence) {
        List<Frame> above = new ArrayList<>(frames.size());
        for (Retained retained : frames) {
            Frame frame = retained.lastSequence > sequence ? retained.get() : null;
            if (frame != null) {
                above.add(frame);
            }
        }
        return List.copyOf(above);
    }
}
