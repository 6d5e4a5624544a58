package io.forebay.protocol;

/**
 * What a seek did, or would do, to a group in one queue.
 *
 * @param node name of the node
 * @param queue number of the queue
 * @param fromOffset the first message that had never been out
 * @param toOffset the first message that goes out now
 * @param skippedCount messages from the oldest that was not settled on that do not come any more; those that were settled between
 *     them are counted, too
 * @param repeatedCount messages that have been out and come again
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
