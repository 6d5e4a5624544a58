package io.forebay.client;

/**
 * What a redrive did, or would do.
 *
 * @param movedCount letters that went to a topic; without a limit, those that went just before a node died may be missing
 * @param stayedCount letters that were meant and could not be moved
 */
public record RedriveResult(long movedCount, long stayedCount) {}
