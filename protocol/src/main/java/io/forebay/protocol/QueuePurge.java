package io.forebay.protocol;

/**
 * What a purge did, or would do, to one queue.
 *
 * @param node name of the node
 * @param queue number of the queue
 * @param belowOffset what lies below is gone: for everyone, or for the group
 * @param droppedCount messages that are gone: of the queue, or not settled by the group
 * @param isClamped whether the offset that was asked for lies outside what is stored
 * @param refusal why nothing was done; null if it was
 */
public record QueuePurge(
        String node, int queue, long belowOffset, long droppedCount, boolean isClamped, Refusal refusal) {}
