package io.forebay.protocol;

/**
 * Which message.
 *
 * @param node name of the node that stores it
 * @param queue number of its queue
 */
public record MessagePlace(String node, String topic, int queue, long offset) {
    /** As {@code TOPIC/QUEUE/OFFSET}. */
    @Override
    public String toString() {
        return topic + "/" + queue + "/" + offset;
    }
}
