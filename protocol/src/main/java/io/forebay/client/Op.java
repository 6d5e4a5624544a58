package io.forebay.client;

import io.forebay.protocol.Refusal;
import java.util.concurrent.CompletableFuture;

/**
 * What a caller asked for and waits for: the completion stage and the element of an {@link OpQueue} in one object, because
 * there is one for every message.
 *
 * @param <T> what the stage completes with
 */
abstract class Op<T> extends CompletableFuture<T> {
    /** The next one in the queue it is in; written by whoever adds that one, read by the session. */
    volatile Op<?> next;

    /** When the session gives up on it, by its own clock; confined to the session. */
    long deadlineMillis;
    /** Whether its outcome has been decided; confined to the session. */
    boolean isDecided;

    /** No session will ever take it. Called where stages are completed. */
    void refuse(Refusal reason) {
        completeExceptionally(reason.toException());
    }
}
