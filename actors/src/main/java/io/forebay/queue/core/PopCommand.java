package io.forebay.queue.core;

/**
 * One Pop as a queue sees it.
 *
 * @param sessionId the consumer's session: what it holds comes back when it is gone
 * @param requestId the Pop's number within its session; a repeated one gets the same deliveries while they are in flight
 * @param maxMessages at most so many messages; 0: nothing but the same deliveries again
 * @param maxBytes at most so many record bytes, but always one message
 * @param invisibleMillis how long the messages stay invisible
 */
public record PopCommand(long sessionId, long requestId, int maxMessages, long maxBytes, long invisibleMillis) {
    public PopCommand {
        if (maxMessages < 0) {
            throw new IllegalArgumentException("maxMessages is " + maxMessages);
        }
        if (maxBytes < 0) {
            throw new IllegalArgumentException("maxBytes is " + maxBytes);
        }
        if (invisibleMillis < 0) {
            throw new IllegalArgumentException("invisibleMillis is " + invisibleMillis);
        }
    }
}
