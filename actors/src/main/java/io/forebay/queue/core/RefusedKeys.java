package io.forebay.queue.core;

import io.forebay.protocol.Message;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Which keyed messages were refused: what a session sends behind one of them with its key would overtake it, so it is refused
 * too until the first one is sent again, is withdrawn, or the session has ended. Confined to its actor.
 */
public final class RefusedKeys {
    /** Keys of one session that are remembered as refused; beyond, the oldest is forgotten. */
    private static final int KEYS_MAX = 1 << 16;

    private final Map<Long, Map<String, String>> firstIds = new HashMap<>();

    /** The messages of one request, in order: what is sent again in it lets pass what comes behind it. */
    public static final class Pass {
        private final Map<String, String> keys;
        private List<String> repeated = List.of();

        private Pass(Map<String, String> keys) {
            this.keys = keys;
        }

        /** @return the id of the message that has to be sent before this one; null if it may pass */
        public String firstBefore(Message message) {
            String firstId = message.isKeyed() ? keys.get(message.messageGroup()) : null;
            if (firstId == null || repeated.contains(message.messageGroup())) {
                return null;
            }
            if (!firstId.equals(message.id())) {
                return firstId;
            }
            if (repeated.isEmpty()) {
                repeated = new ArrayList<>();
            }
            repeated.add(message.messageGroup());
            return null;
        }
    }

    /** @return null if nothing of the session was refused */
    public Pass pass(long sessionId) {
        Map<String, String> keys = firstIds.isEmpty() ? null : firstIds.get(sessionId);
        return keys == null ? null : new Pass(keys);
    }

    /** A keyed message is refused; the first one of its key is what has to come again. */
    public void refused(long sessionId, Message message) {
        if (message.isKeyed()) {
            refused(sessionId, message.messageGroup(), message.id());
        }
    }

    public void refused(long sessionId, String key, String id) {
        Map<String, String> keys = firstIds.computeIfAbsent(sessionId, absent -> new LinkedHashMap<>());
        keys.putIfAbsent(key, id);
        if (keys.size() > KEYS_MAX) {
            // A client that gives up so many without a word has no order left to keep.
            keys.remove(keys.keySet().iterator().next());
        }
    }

    /** A message is taken. */
    public void taken(long sessionId, Message message) {
        Map<String, String> keys = firstIds.isEmpty() || !message.isKeyed() ? null : firstIds.get(sessionId);
        if (keys != null && keys.remove(message.messageGroup(), message.id()) && keys.isEmpty()) {
            firstIds.remove(sessionId);
        }
    }

    /** The session gives these messages up. */
    public void withdrawn(long sessionId, List<String> messageIds) {
        Map<String, String> keys = firstIds.get(sessionId);
        if (keys != null && keys.values().removeAll(messageIds) && keys.isEmpty()) {
            firstIds.remove(sessionId);
        }
    }

    public void sessionEnded(long sessionId) {
        firstIds.remove(sessionId);
    }
}
