package io.forebay.watch;

import io.forebay.storage.log.Owner;
import io.forebay.store.StripeHandle;
import io.forebay.topic.TopicDirectory.Fault;
import io.forebay.topic.TopicDirectory.Unserved;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * A queue, or a group in one, that a node does not serve.
 *
 * @param hasFailed whether a new start serves it again; else it is for a repair of the log
 * @param text one line for people
 */
record StoppedQueue(int stripeId, boolean hasFailed, String text) {

    /** All of them, in the order of their topics' names, then those that no topic has. A group in a queue that is stopped itself is not told apart. */
    static List<StoppedQueue> of(NodeView node) {
        List<Unserved> unserved = new ArrayList<>();
        node.visitUnserved(unserved::add);
        unserved.sort(Comparator.comparing(Unserved::topic)
                .thenComparingInt(Unserved::queue)
                .thenComparing(Unserved::group));
        List<StoppedQueue> all = new ArrayList<>();
        Set<Owner> named = new HashSet<>();
        for (Unserved one : unserved) {
            all.add(new StoppedQueue(one.stripeId(), one.fault() == Fault.ACTOR_FAILED, one.text()));
            named.add(one.owner());
        }
        node.visitShardFaults(fault -> {
            all.add(new StoppedQueue(fault.stripeId(), fault.hasFailed(), fault.text()));
            named.add(fault.owner());
        });
        for (StripeHandle stripe : node.stripes()) {
            for (Owner owner : stripe.recovery().stoppedOwners()) {
                if (!named.contains(owner) && !named.contains(Owner.queue(owner.queueId()))) {
                    all.add(new StoppedQueue(stripe.stripeId(), false, text(stripe.stripeId(), owner)));
                }
            }
        }
        return all;
    }

    /** Of one that no topic has. */
    private static String text(int stripeId, Owner owner) {
        if (owner.queueId() == Owner.REGISTRY_QUEUE) {
            return "topics and groups are not served: records of what defines them are missing in stripe " + stripeId
                    + "; stop the node and see what can be mended with 'forebay log repair'";
        }
        String what = Owner.isReserved(owner.queueId())
                ? "a part of what Akka Persistence has stored is not served"
                : "what was deleted keeps the log from being cleaned";
        return what + ": records of " + owner + " are missing in stripe " + stripeId
                + "; stop the node and see what can be mended with 'forebay log repair'";
    }
}
