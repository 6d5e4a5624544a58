package io.forebay.protocol;

/**
 * A key of an ordered group that waits for an operator: its first message has failed too often, the later ones wait behind it.
 *
 * @param node name of the node that has it
 * @param queue number of the key's queue
 * @param messageGroup the key
 * @param blockedOffset the message that failed
 * @param attempts that it had
 * @param parkedMillis when it failed for the last time, by the node's log time
 * @param reason why
 * @param waitingCount messages of the key that wait behind it, as far as the group has looked ahead
 */
public record ParkedKey(
        String node,
        String topic,
        int queue,
        String messageGroup,
        long blockedOffset,
        int attempts,
        long parkedMillis,
        String reason,
        int waitingCount) {}
