package io.forebay.protocol;

import java.util.List;
import java.util.Map;

/**
 * Where a group stands in one topic on one node, over all its queues.
 *
 * @param group its name
 * @param topic the topic
 * @param node name of the node
 * @param depth messages that are not settled, those in flight included
 * @param inFlight messages that are out at a consumer
 * @param waitingRedelivery messages that came back and wait to go out again
 * @param redelivered deliveries so far that were not first attempts, since the node's start
 * @param deadLettered messages moved to the dead letters, since the node's start
 * @param oldestAgeMillis age of the oldest message that is not settled, 0 if there is none
 * @param sessions sessions that have a Pop waiting or hold a delivery
 * @param settings those of the group's own, as they were given
 * @param settingsVersion 1 when it was created, one more with each change of settings
 * @param parkedKeys keys that wait for an operator, see {@link PoisonCommand}
 * @param filtered messages that the group's filter passed over, since the node's start
 * @param purged messages settled unseen, since the node's start: too old or too many for the topic, purged, or dropped by an
 *     operator
 * @param waitingPops Pops that wait for a message
 * @param isPaused whether nothing goes out because the group is paused
 * @param isBreakerOpen whether deliveries are slowed down because too many attempts fail
 * @param blocked queues that wait for their oldest message, at most {@link #BLOCKED_COUNT_MAX}
 */
public record GroupDescription(
        String group,
        String topic,
        String node,
        long depth,
        long inFlight,
        long waitingRedelivery,
        long redelivered,
        long deadLettered,
        long oldestAgeMillis,
        int sessions,
        Map<String, String> settings,
        long settingsVersion,
        int parkedKeys,
        long filtered,
        long purged,
        int waitingPops,
        boolean isPaused,
        boolean isBreakerOpen,
        List<BlockedQueue> blocked) {
    /** Most queues that {@link #blocked} names. */
    public static final int BLOCKED_COUNT_MAX = 20;
}
