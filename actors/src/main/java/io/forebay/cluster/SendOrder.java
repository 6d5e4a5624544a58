package io.forebay.cluster;

import io.forebay.protocol.SessionCommand;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Which of a session's keyed Sends have come, over a line that may lose some: one that was sent behind a lost one is told apart by
 * what it says it comes after. By topic the newest that has come is enough: it was let in only because the one before had come,
 * and so on. What is forgotten, of topics that were not sent to for long, is taken for lost, and sent again if it is not answered.
 * Pure; confined to its session.
 */
final class SendOrder {
    private static final int FIRST_CAPACITY = 16;

    private static final class Newest {
        private long requestId;
    }

    private final LinkedHashMap<String, Newest> byTopic;

    /** @param topicsMax topics of which something is remembered */
    SendOrder(int topicsMax) {
        byTopic = new LinkedHashMap<>(FIRST_CAPACITY, 0.75f, true) {
            private static final long serialVersionUID = 1;

            @Override
            protected boolean removeEldestEntry(Map.Entry<String, Newest> eldest) {
                return size() > topicsMax;
            }
        };
    }

    /** @return whether what it comes after has come; then it has come, too */
    boolean comes(SessionCommand.Send send) {
        if (send.after() == SessionCommand.Send.UNORDERED) {
            return true;
        }
        Newest newest = byTopic.get(send.topic());
        if (newest == null) {
            if (send.after() != SessionCommand.Send.FIRST) {
                return false;
            }
            newest = new Newest();
            byTopic.put(send.topic(), newest);
        }
        if (send.after() > newest.requestId) {
            return false;
        }
        newest.requestId = Math.max(newest.requestId, send.requestId());
        return true;
    }
}
