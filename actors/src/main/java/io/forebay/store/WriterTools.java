package io.forebay.store;

import akka.actor.typed.ActorRef;
import java.time.Duration;
import java.util.function.Function;
import org.slf4j.Logger;

/** What the parts of a StoreWriter need of the actor they belong to. Holds nothing of theirs. Confined to it. */
interface WriterTools {
    Logger logger();

    /** Has the actor told the message once, after the delay. A later call with an equal key takes the place of an earlier one. */
    void startTimer(Object key, StoreWriter.Message message, Duration delay);

    void cancelTimer(Object key);

    /** Behind what the actor has in its mailbox. */
    void tellSelf(StoreWriter.Message message);

    /**
     * Runs what blocks on a thread for that.
     *
     * @param ended makes what the actor is told at the end of what the call threw, or of null
     */
    void offload(BlockingCalls.Call call, Function<Throwable, StoreWriter.Message> ended);

    /** Whether anything that was offloaded is still at work. Of what has just ended the actor may not have been told yet. */
    boolean isAnyCallRunning();

    /** Has the actor hear of the end of another one. Idempotent. */
    void watch(ActorRef<?> target);
}
