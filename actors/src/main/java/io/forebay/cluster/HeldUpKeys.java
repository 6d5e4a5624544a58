package io.forebay.cluster;

import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What holds up the keys of topics that could not be made for now: by key, the id of its first message that was refused for that.
 * Until there is a queue that knows it, it is known here what has to come first. Bounded. Pure; confined to its session.
 */
final class HeldUpKeys {
    private final int keysMax;
    private final int topicsMax;
    private final Map<String, Map<String, String>> firstIdsByTopic = new LinkedHashMap<>();

    /**
     * @param keysMax keys of one topic beyond which something is forgotten
     * @param topicsMax topics beyond which something is forgotten
     */
    HeldUpKeys(int keysMax, int topicsMax) {
        this.keysMax = keysMax;
        this.topicsMax = topicsMax;
    }

    /** The first message of a key stays its first one. */
    void holdUp(String topic, Map<String, String> firstIds) {
        if (firstIds.isEmpty()) {
            return;
        }
        Map<String, String> held = firstIdsByTopic.computeIfAbsent(topic, name -> new LinkedHashMap<>());
        firstIds.forEach(held::putIfAbsent);
        // A client that gives up so many without a word has no order left to keep.
        if (held.size() > keysMax) {
            firstIdsByTopic.remove(topic);
        } else if (firstIdsByTopic.size() > topicsMax) {
            firstIdsByTopic.remove(firstIdsByTopic.keySet().iterator().next());
        }
    }

    /** The topic is there: its queues know it from now on. Empty if nothing is held up. */
    Map<String, String> take(String topic) {
        Map<String, String> held = firstIdsByTopic.isEmpty() ? null : firstIdsByTopic.remove(topic);
        return held == null ? Map.of() : held;
    }

    /** These messages are given up. */
    void withdraw(String topic, Collection<String> messageIds) {
        Map<String, String> held = firstIdsByTopic.get(topic);
        if (held == null) {
            return;
        }
        held.values().removeIf(new HashSet<>(messageIds)::contains);
        if (held.isEmpty()) {
            firstIdsByTopic.remove(topic);
        }
    }
}
