package io.forebay.client;

import akka.Done;
import java.util.concurrent.CompletionStage;

/**
 * Stops a source of deliveries. Thread-safe; each method may be called again and together with the others. Its stages complete where the
 * source runs: of a stream in the stream's own dispatcher, else, and behind {@link #drainAndShutdown}, on {@code
 * forebay.client.callback-dispatcher}, or in the thread that completes what it was given.
 */
public interface Control {
    /** Stops popping. What was popped is still emitted; then the source completes. Done when it has. */
    CompletionStage<Done> stop();

    /** Stops popping, gives back at once what was popped and not emitted, and completes the source. Done when it has. */
    CompletionStage<Done> shutdown();

    /** Done when the source has ended, for whatever reason. */
    CompletionStage<Done> isShutdown();

    /**
     * The orderly end: stops popping, lets the stream finish what is in flight, waits until it has ended and its acks are
     * answered, then gives back what was emitted but never settled. The client stays open.
     *
     * @param streamCompletion what the stream's sink materialized
     * @return the stream's own outcome, when all that is done
     */
    <T> CompletionStage<T> drainAndShutdown(CompletionStage<T> streamCompletion);
}
