package io.forebay.deadletter;

import io.forebay.protocol.Refusal;

/** A message's place on this node, and a page's end: clients get its text and may make up others. */
record Place(String topic, int queue, long offset) {
    /** @return null if the text is none of ours */
    static Place parseOrNull(String text) {
        int second = text.lastIndexOf('/');
        int first = second < 1 ? -1 : text.lastIndexOf('/', second - 1);
        if (first < 1) {
            return null;
        }
        try {
            Place place = new Place(
                    text.substring(0, first),
                    Integer.parseInt(text.substring(first + 1, second)),
                    Long.parseLong(text.substring(second + 1)));
            return place.queue < 0 || place.offset < 0 ? null : place;
        } catch (NumberFormatException e) {
            return null;
        }
    }

    boolean isBehind(Place other) {
        int order = topic.compareTo(other.topic);
        order = order != 0 ? order : Integer.compare(queue, other.queue);
        return order > 0 || (order == 0 && offset > other.offset);
    }

    /** A queue's refusal, which says which one it is of. */
    Refusal refused(Refusal refusal) {
        return new Refusal(
                refusal.code(),
                "queue " + queue + " of topic " + topic + ": " + refusal.text(),
                refusal.retryAfterMillis());
    }

    @Override
    public String toString() {
        return topic + "/" + queue + "/" + offset;
    }
}
