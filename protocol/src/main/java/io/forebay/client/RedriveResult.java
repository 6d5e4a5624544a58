package io.forebay.client;

/**
 * What a redrive did, or would do.
 *
 * @param movedCount letters that went to a topic, as nodes have told; what went just before a node died may be missing
 * @param stayedCount letters that were meant and could not be moved
 */
public record RedriveResult(long movedCount, long stayedCount) {}
