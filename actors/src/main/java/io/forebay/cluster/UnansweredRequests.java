package io.forebay.cluster;

import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionEvent;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The requests of a session that are not answered, but for its Pops, and the bytes of messages that they hold of what the session
 * and the node may hold. Each is answered once and gives its bytes back then; a repetition of one that is here is not a new one.
 * Confined to its session.
 */
final class UnansweredRequests {
    /** One of them; what is gathered for its answer is known to whoever adds it. */
    static class Unanswered {
        final long requestId;
        /** Bytes that are reserved for it. */
        final long bytes;

        Unanswered(long requestId, long bytes) {
            this.requestId = requestId;
            this.bytes = bytes;
        }
    }

    private final SessionParts session;
    private final BytesHeld bytesHeld;
    private final long bytesMax;
    private final Map<Long, Unanswered> unanswered = new HashMap<>();
    private long bytes;

    UnansweredRequests(SessionParts session) {
        this.session = session;
        this.bytesHeld = session.environment().bytesHeld();
        this.bytesMax = session.environment().limits().bytesInFlightMax();
    }

    boolean isPending(long requestId) {
        return unanswered.containsKey(requestId);
    }

    /** Null if there is none. */
    Unanswered get(long requestId) {
        return unanswered.get(requestId);
    }

    int count() {
        return unanswered.size();
    }

    /** Reserves the bytes, for the request that is added next, if it returns null. One request has room whatever its size. */
    Refusal reserve(long wantedBytes) {
        if (bytes > 0 && bytes + wantedBytes > bytesMax) {
            return new Refusal(
                    Refusal.Code.LIMIT,
                    "Sends of " + (bytes + wantedBytes) + " bytes are not answered, allowed are " + bytesMax
                            + " for each session (forebay.session.send-bytes-max)",
                    Session.CONGESTED_RETRY_MILLIS);
        }
        if (!bytesHeld.tryReserve(wantedBytes)) {
            return bytesHeld.refusal(Session.CONGESTED_RETRY_MILLIS);
        }
        return null;
    }

    /** Its bytes, if it has any, are reserved. */
    void add(Unanswered one) {
        bytes += one.bytes;
        unanswered.put(one.requestId, one);
    }

    void answer(Unanswered one, SessionEvent.Reply reply) {
        unanswered.remove(one.requestId);
        if (one.bytes > 0) {
            bytes -= one.bytes;
            bytesHeld.release(one.bytes);
        }
        session.tell(reply);
    }

    void refuse(Unanswered one, Refusal refusal) {
        answer(one, new SessionEvent.Refused(one.requestId, refusal));
    }

    /** Those of one kind. */
    <T extends Unanswered> List<T> all(Class<T> kind) {
        List<T> found = new ArrayList<>();
        for (Unanswered one : unanswered.values()) {
            if (kind.isInstance(one)) {
                found.add(kind.cast(one));
            }
        }
        return found;
    }

    /** The session ends: nothing is answered any more. */
    void onEnd() {
        unanswered.values().forEach(one -> bytesHeld.release(one.bytes));
        unanswered.clear();
        bytes = 0;
    }
}
