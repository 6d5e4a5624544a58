package io.forebay.watch;

import io.forebay.cluster.RefusalCounts;
import io.forebay.persistence.ShardFault;
import io.forebay.queue.GroupQueue;
import io.forebay.store.StripeHandle;
import io.forebay.topic.TopicDirectory.GroupQueueRoute;
import io.forebay.topic.TopicDirectory.QueueRoute;
import io.forebay.topic.TopicDirectory.Unserved;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;

/** A node as it is watched. Thread-safe; nothing of it waits. */
public interface NodeView {
    /** Where a node is in its life. */
    enum State {
        /** It opens its stripes: recovery reads their logs. */
        STARTING,
        SERVING,
        /** It takes nothing new, and ends. */
        STOPPING,
        /** It could not start. */
        FAILED
    }

    String name();

    State state();

    /** Why it could not start. */
    Optional<String> failure();

    /** Empty until they are recovered. */
    List<StripeHandle> stripes();

    /** Every group in every queue that is served. */
    void visitGroupQueues(Consumer<GroupQueueRoute> visitor);

    /** Every queue. */
    void visitQueues(Consumer<QueueRoute> visitor);

    /** Every queue, and group in a queue, that is there and is not served. */
    void visitUnserved(Consumer<Unserved> visitor);

    /** Every queue of Akka Persistence that is not served though its stripe is. */
    void visitShardFaults(Consumer<ShardFault> visitor);

    RefusalCounts refusals();

    /** Bytes of Sends that wait for their answers. */
    long bytesHeld();

    /** How many sessions are open. Fails if nobody has answered in time. */
    CompletionStage<Integer> countSessions();

    /** How a group stands in a queue; its oldest message has been looked at. Empty if that cannot be had. */
    CompletionStage<Optional<GroupQueue.Described>> describe(int queueId, int groupId);

    /** Log time, in milliseconds since 1970. */
    long nowMillis();
}
