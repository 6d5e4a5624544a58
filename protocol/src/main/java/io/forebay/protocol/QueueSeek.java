package io.forebay.protocol;

/**
 * What a seek did, or would do, to a group in one queue.
 *
 * @param node name of the node
 * @param queue number of the queue
 * @param fromOffset the first message that had never been out
 * @param toOffset the first message that goes out now
 * @param skippedCount messages that were not settled and do not come any more
 * @param repeatedCount messages that were settled, or are out, and come again
 * @param isClamped whether the place that was asked for lies outside what is stored
 * @param refusal why nothing was done; null if it was
 */
public record QueueSeek(
        String node,
        int queue,
        long fromOffset,
        long toOffset,
        long skippedCount,
        long repeatedCount,
        boolean isClamped,
        Refusal refusal) {}
