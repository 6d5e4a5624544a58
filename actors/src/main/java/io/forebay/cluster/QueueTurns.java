package io.forebay.cluster;

import io.forebay.topic.TopicDirectory;
import java.util.HashMap;
import java.util.Map;

/**
 * Which queue a Send goes to: one of a key always to that key's, any other to the next one in turn that is served. Confined to its
 * session.
 */
final class QueueTurns {
    private final int first;
    /** The number of the queue that was last, by topic. */
    private final Map<String, Integer> last = new HashMap<>();

    /** @param sessionId sessions begin at different queues, so that many small producers spread as well as one large */
    QueueTurns(long sessionId) {
        first = Long.hashCode(sessionId);
    }

    /** The number of a queue that is served, unless none is. */
    int next(TopicDirectory.TopicRoute topic) {
        int queueCount = topic.queues().size();
        Integer before = last.get(topic.name());
        int next = before == null ? Math.floorMod(first, queueCount) : (before + 1) % queueCount;
        for (int tried = 0; tried < queueCount && topic.queues().get(next).queue() == null; tried++) {
            next = (next + 1) % queueCount;
        }
        last.put(topic.name(), next);
        return next;
    }

    /** The queue that all messages of a key go to: FNV-1a of its UTF-16 units, so that it is the same for ever. */
    static int queueOfKey(String messageGroup, int queueCount) {
        int hash = 0x811C9DC5;
        for (int i = 0; i < messageGroup.length(); i++) {
            hash = (hash ^ messageGroup.charAt(i)) * 0x01000193;
        }
        // The low bits of FNV-1a of short texts are not spread well enough alone.
        hash ^= hash >>> 16;
        return Math.floorMod(hash, queueCount);
    }
}
