package io.forebay.client;

import io.forebay.protocol.Message;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * The Sends of a session by topic: those with keys, whose order is kept, and those without, which wait for none of them. Confined to
 * their session.
 */
final class SendLanes {
    private final Lanes<String, SendLane> keyed = new Lanes<>(false);
    private final Lanes<String, SendLane> unkeyed = new Lanes<>(false);
    private final Function<String, SendLane> keyedMaker;
    private final Function<String, SendLane> unkeyedMaker;

    /** @param maker makes a lane for a topic; whether it is for messages with keys */
    SendLanes(BiFunction<String, Boolean, SendLane> maker) {
        keyedMaker = topic -> maker.apply(topic, true);
        unkeyedMaker = topic -> maker.apply(topic, false);
    }

    SendLane of(Message message) {
        return message.isKeyed() ? keyed.of(message.topic(), keyedMaker) : unkeyed.of(message.topic(), unkeyedMaker);
    }

    void forEach(Consumer<SendLane> action) {
        keyed.all().forEach(action);
        unkeyed.all().forEach(action);
    }

    void forEachUnkeyed(Consumer<SendLane> action) {
        unkeyed.all().forEach(action);
    }

    boolean allMatch(Predicate<SendLane> condition) {
        return keyed.all().stream().allMatch(condition)
                && unkeyed.all().stream().allMatch(condition);
    }

    boolean isEmpty() {
        return keyed.isEmpty() && unkeyed.isEmpty();
    }

    void listAll() {
        keyed.listAll();
        unkeyed.listAll();
    }

    void pump(long nowMillis) {
        keyed.pump(nowMillis);
        unkeyed.pump(nowMillis);
    }

    void removeIdle() {
        keyed.removeIdle();
        unkeyed.removeIdle();
    }
}
