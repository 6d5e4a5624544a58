package io.forebay.protocol;

/**
 * One attempt to deliver one message to one group.
 *
 * @param message the message as it was sent
 * @param group the group it was popped for
 * @param queue number of the queue within the topic
 * @param queueOffset the message's number within its queue
 * @param attempt number of this delivery within the group, from 1
 * @param handle what to settle, move or give it back with
 * @param invisibleUntilMillis deadline in log time of the node; until then nobody else in the group gets the message
 * @param poppedMillis log time of the node when it was popped; the difference to the deadline is what was granted
 */
public record Delivery(
        Message message,
        String group,
        int queue,
        long queueOffset,
        int attempt,
        ReceiptHandle handle,
        long invisibleUntilMillis,
        long poppedMillis) {
    public String topic() {
        return message.topic();
    }

    public byte[] body() {
        return message.body();
    }
}
