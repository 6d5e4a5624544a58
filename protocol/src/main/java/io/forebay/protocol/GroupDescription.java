package io.forebay.protocol;

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
        long settingsVersion) {}
