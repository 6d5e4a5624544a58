package io.forebay.protocol;

/**
 * A message as it lies in its queue.
 *
 * @param queue number of the queue
 * @param offset its number there
 * @param sequence of its record in the stripe
 * @param storedMillis when it was stored, by the node's log time
 * @param message its properties hold what its entry added
 */
public record StoredMessage(int queue, long offset, long sequence, long storedMillis, Message message) {}
