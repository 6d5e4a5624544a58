package io.forebay.cluster;

import io.forebay.protocol.Message;
import io.forebay.protocol.SessionCommand;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The Sends of a session whose topics are being made, by topic, in the order in which a queue would have heard of them: those
 * that were taken; between them the keys of those that were refused, and what was given up. How many are taken others bound;
 * the rest is bounded by them and here. Pure; confined to its session.
 */
final class DeferredSends {
    /** A Send that was taken, or what happened until the next one was. */
    static final class Deferred {
        /** Null if it is none. */
        final SessionCommand.Send send;
        /** Null if it is none. */
        final SendRequests.Waiting waiting;
        /** What was refused here: by key, the id of its first message. */
        private final Map<String, String> refusedKeys = new LinkedHashMap<>();
        /** Messages of the Send that were given up since; if it is none: of Sends before it, behind what was refused. */
        private final Set<String> givenUp = new HashSet<>();

        private Deferred(SessionCommand.Send send, SendRequests.Waiting waiting) {
            this.send = send;
            this.waiting = waiting;
        }

        /** What has to come first now, or if the Send is refused: by key, the id of its first message that is not given up. */
        Map<String, String> firstIds() {
            return send == null ? refusedKeys : firstIdsOf(send, givenUp);
        }

        /** Ids of keyed messages that were taken and will not be sent again. */
        Set<String> givenUp() {
            return givenUp;
        }

        /** @return how many keys are free now */
        private int withdrawRefused(Set<String> messageIds) {
            int countBefore = refusedKeys.size();
            refusedKeys.values().removeIf(messageIds::contains);
            return countBefore - refusedKeys.size();
        }

        private void withdrawTaken(Set<String> messageIds, Set<String> found) {
            for (Message message : send.messages()) {
                String id = message.id();
                if (message.isKeyed() && id != null && messageIds.contains(id) && givenUp.add(id)) {
                    found.add(id);
                }
            }
        }
    }

    private final int refusedKeysMax;
    private final Map<String, ArrayDeque<Deferred>> byTopic = new HashMap<>();
    /** Of all topics. */
    private int refusedKeyCount;

    /** @param refusedKeysMax refused keys of all topics together beyond which what was refused last is forgotten */
    DeferredSends(int refusedKeysMax) {
        this.refusedKeysMax = refusedKeysMax;
    }

    /** Whether the topic is being made. */
    boolean isBeingMade(String topic) {
        return !byTopic.isEmpty() && byTopic.containsKey(topic);
    }

    /** @return whether it is the first of its topic */
    boolean add(SessionCommand.Send send, SendRequests.Waiting waiting) {
        boolean isFirst = !isBeingMade(send.topic());
        byTopic.computeIfAbsent(send.topic(), topic -> new ArrayDeque<>()).addLast(new Deferred(send, waiting));
        return isFirst;
    }

    /**
     * Something is refused behind what waits.
     *
     * @param firstIds by key, the id of its first message
     */
    void addRefused(String topic, Map<String, String> firstIds) {
        ArrayDeque<Deferred> line = byTopic.get(topic);
        Deferred last = line.peekLast();
        if (last.send != null || !last.givenUp.isEmpty()) {
            last = new Deferred(null, null);
            line.addLast(last);
        }
        Map<String, String> keys = last.refusedKeys;
        int countBefore = keys.size();
        firstIds.forEach(keys::putIfAbsent);
        refusedKeyCount += keys.size() - countBefore;
        if (refusedKeyCount > refusedKeysMax) {
            // A client that has so many refused and neither repeats them nor gives them up has no order left to keep.
            refusedKeyCount -= keys.size();
            keys.clear();
        }
    }

    /**
     * These messages are given up. Nobody sends them again, so they must hold nothing up; but those of a Send that was taken
     * may yet be refused by its queue, which has to hear then, in its turn, that they are given up.
     */
    void withdraw(String topic, Collection<String> messageIds) {
        ArrayDeque<Deferred> line = byTopic.get(topic);
        if (line == null) {
            return;
        }
        Set<String> ids = new HashSet<>(messageIds);
        Set<String> found = new HashSet<>();
        for (Deferred deferred : line) {
            if (deferred.send == null) {
                refusedKeyCount -= deferred.withdrawRefused(ids);
            } else {
                deferred.withdrawTaken(ids, found);
            }
        }
        if (found.isEmpty()) {
            return;
        }
        if (line.peekLast().send != null) {
            line.addLast(new Deferred(null, null));
        }
        line.peekLast().givenUp.addAll(found);
    }

    /** The topic is there, or cannot be made. In order. */
    Collection<Deferred> take(String topic) {
        ArrayDeque<Deferred> line = byTopic.remove(topic);
        if (line == null) {
            return List.of();
        }
        line.forEach(deferred -> refusedKeyCount -= deferred.refusedKeys.size());
        return line;
    }

    /**
     * By key, the id of its first message.
     *
     * @param givenUp ids of those that will not be sent again
     */
    static Map<String, String> firstIdsOf(SessionCommand.Send send, Set<String> givenUp) {
        Map<String, String> firstIds = new LinkedHashMap<>();
        for (Message message : send.messages()) {
            if (message.isKeyed() && message.id() != null && !givenUp.contains(message.id())) {
                firstIds.putIfAbsent(message.messageGroup(), message.id());
            }
        }
        return firstIds;
    }
}
