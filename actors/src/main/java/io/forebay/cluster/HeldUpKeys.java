package io.forebay.cluster;

import java.util.Collection;
import java.util.HashSet;
import java.util.Iterator;
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
    /** Of all topics. */
    private int keyCount;

    /**
     * @param keysMax keys of all topics together beyond which something is forgotten
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
        int countBefore = held.size();
        firstIds.forEach(held::putIfAbsent);
        keyCount += held.size() - countBefore;
        // A client that gives up so many without a word has no order left to keep.
        if (held.size() > keysMax) {
            take(topic);
        }
        while (keyCount > keysMax || firstIdsByTopic.size() > topicsMax) {
            take(oldestBut(topic));
        }
    }

    private String oldestBut(String topic) {
        Iterator<String> topics = firstIdsByTopic.keySet().iterator();
        String oldest = topics.next();
        return oldest.equals(topic) ? topics.next() : oldest;
    }

    /** The topic is there: its queues know it from now on. Empty if nothing is held up. */
    Map<String, String> take(String topic) {
        Map<String, String> held = firstIdsByTopic.isEmpty() ? null : firstIdsByTopic.remove(topic);
        if (held == null) {
            return Map.of();
        }
        keyCount -= held.size();
        return held;
    }

    /** These messages are given up. */
    void withdraw(String topic, Collection<String> messageIds) {
        Map<String, String> held = firstIdsByTopic.get(topic);
        if (held == null) {
            return;
        }
        int countBefore = held.size();
        held.values().removeIf(new HashSet<>(messageIds)::contains);
        keyCount -= countBefore - held.size();
        if (held.isEmpty()) {
            firstIdsByTopic.remove(topic);
        }
    }
}
