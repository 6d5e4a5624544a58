package io.forebay.queue.core;

/**
 * A message whose last attempt has failed.
 *
 * @param attempts that counted
 * @param firstPoppedMillis log time of the first of them, 0 if not known
 * @param lastPoppedMillis log time of the last of them, 0 if not known
 * @param reason why the last one failed
 */
public record Poison(long queueOffset, int attempts, long firstPoppedMillis, long lastPoppedMillis, String reason) {}
