package io.forebay.watch;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/**
 * Whether a node's actors still answer: one question at a time, asked when somebody wants to know. They are silent from the first
 * question that was not answered until one is. Thread-safe.
 */
final class Pulse {
    private final Supplier<CompletionStage<Integer>> question;
    private final LongSupplier nanoTime;
    /** Completes when the one that is asked is answered, or given up; null if none is. */
    private CompletableFuture<Void> asked;

    private boolean isSilent;
    private long silentSinceNanos;
    private volatile int latest = -1;

    /**
     * @param question ends, answered or not, in a time
     * @param nanoTime monotonic
     */
    Pulse(Supplier<CompletionStage<Integer>> question, LongSupplier nanoTime) {
        this.question = question;
        this.nanoTime = nanoTime;
    }

    /** Asks, unless a question is under way. @return completes when it has ended; never fails */
    CompletableFuture<Void> beat() {
        CompletableFuture<Void> mine = new CompletableFuture<>();
        synchronized (this) {
            if (asked != null) {
                return asked;
            }
            asked = mine;
            if (!isSilent) {
                isSilent = true;
                silentSinceNanos = nanoTime.getAsLong();
            }
        }
        question.get().whenComplete((answer, failure) -> ended(mine, answer));
        return mine;
    }

    private void ended(CompletableFuture<Void> question, Integer answer) {
        synchronized (this) {
            asked = null;
            if (answer != null) {
                isSilent = false;
                latest = answer;
            }
        }
        question.complete(null);
    }

    /** How long they have owed an answer. */
    synchronized Duration silence() {
        return isSilent ? Duration.ofNanos(nanoTime.getAsLong() - silentSinceNanos) : Duration.ZERO;
    }

    /** The newest answer; -1 before the first. */
    int latest() {
        return latest;
    }
}
