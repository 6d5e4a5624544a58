package io.forebay.store;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Scheduler;
import akka.actor.typed.javadsl.AskPattern;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Function;

/**
 * Asks an actor, and goes on with its answer in a dispatcher of the node's. A stage of {@link AskPattern}'s own hands whatever follows it
 * to Java's common pool, which is the application's, and on a machine with two processors a new thread for each. Thread-safe.
 */
public final class Asker {
    private final Scheduler scheduler;
    private final Executor executor;

    /** @param executor where answers are gone on with */
    public Asker(ActorSystem<?> system, Executor executor) {
        this.scheduler = system.scheduler();
        this.executor = executor;
    }

    /**
     * @param question is given whom to answer
     * @return fails, because of a {@link java.util.concurrent.TimeoutException}, when there was no answer in time. What follows it runs in
     *     the executor, or, if it has completed already, in the thread that adds it
     */
    public <Q, A> CompletableFuture<A> ask(
            ActorRef<Q> target, Function<ActorRef<A>, ? extends Q> question, Duration timeout) {
        return AskPattern.<Q, A>ask(target, question::apply, timeout, scheduler)
                .whenCompleteAsync((answer, failure) -> {}, executor)
                .toCompletableFuture();
    }
}
