package io.forebay.bench;

import io.forebay.protocol.Message;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;

/**
 * What the messages of a run look like, and what becomes of them; a message is known by its number. Thread-safe.
 *
 * @param dressing what a message carries besides its body, null for nothing
 * @param isWanted whether the group's filter lets it through
 * @param isNackedOnce whether its first delivery is nacked, to come again at once
 * @param keyCount message groups, taken in turn, whose order is checked; 0 for none
 */
record Traffic(Dressing dressing, IntPredicate isWanted, IntPredicate isNackedOnce, int keyCount) {
    /** Adds to a message what its number asks for. */
    interface Dressing {
        void dress(Message.Builder message, int number);
    }

    private static final IntPredicate ALL = number -> true;
    private static final IntPredicate NONE = number -> false;

    /** A body and nothing else, acked at its first delivery. */
    static final Traffic PLAIN = new Traffic(null, ALL, NONE, 0);

    static Traffic dressed(Dressing dressing) {
        return new Traffic(dressing, ALL, NONE, 0);
    }

    static Traffic keyed(int keyCount) {
        String[] keys =
                IntStream.range(0, keyCount).mapToObj(key -> "key-" + key).toArray(String[]::new);
        return new Traffic((message, number) -> message.messageGroup(keys[number % keyCount]), ALL, NONE, keyCount);
    }

    /** Of ten messages the group's filter lets one through, and {@link #isWanted} is that one. */
    static Traffic oneInTen(Dressing dressing) {
        return new Traffic(dressing, Traffic::isTenth, NONE, 0);
    }

    static boolean isTenth(int number) {
        return number % 10 == 0;
    }

    Traffic nackingOneInFive() {
        return new Traffic(dressing, isWanted, number -> number % 5 == 0, keyCount);
    }

    boolean isNacking() {
        return isNackedOnce != NONE;
    }

    Message message(String topic, int number, byte[] body) {
        if (dressing == null) {
            return Message.of(topic, body);
        }
        Message.Builder message = Message.builder(topic).body(body);
        dressing.dress(message, number);
        return message.build();
    }

    int countWanted(int from, int to) {
        int count = 0;
        for (int number = from; number < to; number++) {
            count += isWanted.test(number) ? 1 : 0;
        }
        return count;
    }
}
