package io.forebay.protocol;

/**
 * A dead letter that went to a topic, or would.
 *
 * @param queue number of its queue in the topic of dead letters
 * @param offset its number there
 * @param messageId of its message
 * @param toTopic the topic
 * @param toQueue number of the queue there
 */
public record RedrivenLetter(int queue, long offset, String messageId, String toTopic, int toQueue) {}
