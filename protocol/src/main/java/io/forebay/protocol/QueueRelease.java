package io.forebay.protocol;

/**
 * What a release from quarantine did, or would do, to one queue.
 *
 * @param node name of the node
 * @param queue number of the queue
 * @param releasedCount messages that are not quarantined any more
 * @param refusal why nothing was done; null if it was
 */
public record QueueRelease(String node, int queue, long releasedCount, Refusal refusal) {}
