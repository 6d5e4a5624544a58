package io.forebay.client;

import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/**
 * The requests of one session that have no answer, in the order in which they were first sent: whether one more may go, and which
 * are sent again. Confined to its session.
 */
final class UnansweredRequests {
    private final NodeLine line;
    private final long requestTimeoutMillis;
    private final Runnable roomAgain;
    private final TreeMap<Long, InFlight> byId = new TreeMap<>();
    private long lastId;
    private long bytes;
    /** Whether someone was told to wait for room. */
    private boolean isStarved;

    /**
     * @param requestTimeoutMillis how long an answer usually may take
     * @param roomAgain called when one more may go after that was denied
     */
    UnansweredRequests(NodeLine line, long requestTimeoutMillis, Runnable roomAgain) {
        this.line = line;
        this.requestTimeoutMillis = requestTimeoutMillis;
        this.roomAgain = roomAgain;
    }

    long nextId() {
        return ++lastId;
    }

    boolean isEmpty() {
        return byId.isEmpty();
    }

    /** Whether the client's end has to wait for one of them. */
    boolean isAnyAwaitedAtTheEnd() {
        return byId.values().stream().anyMatch(InFlight::isAwaitedAtTheEnd);
    }

    /** Whether one more may go; {@code bytesMore} of messages with it. Never while there is no session. */
    boolean mayStart(int bytesMore) {
        boolean mayStart = line.isOpen()
                && byId.size() < line.limits().requestsInFlightMax()
                && (bytesMore == 0
                        || bytes == 0
                        || (bytes + bytesMore <= line.limits().bytesInFlightMax() && !line.isCongested()));
        isStarved |= !mayStart;
        return mayStart;
    }

    void start(InFlight request, long nowMillis) {
        byId.put(request.requestId, request);
        bytes += request.bytes();
        send(request, nowMillis);
    }

    private void send(InFlight request, long nowMillis) {
        request.resendAtMillis = nowMillis + request.patienceMillis(requestTimeoutMillis);
        line.tell(request.command(), nowMillis);
    }

    private void repeat(InFlight request, long nowMillis) {
        request.repeated();
        send(request, nowMillis);
    }

    /** @return whether it was there */
    boolean drop(InFlight request) {
        if (byId.remove(request.requestId) == null) {
            return false;
        }
        bytes -= request.bytes();
        if (isStarved) {
            isStarved = false;
            roomAgain.run();
        }
        return true;
    }

    void answered(SessionEvent.Reply reply, long nowMillis) {
        InFlight request = byId.get(reply.requestId());
        if (request != null) { // else: the answer to a copy, after the first one's
            drop(request);
            request.answered(reply, nowMillis);
        }
    }

    /** The session is open again: in their first order, with their first ids. */
    void repeatAll(long nowMillis) {
        List<InFlight> all = List.copyOf(byId.values()); // what fails may start another one
        for (InFlight request : all) {
            if (request.isPointless()) {
                drop(request);
                request.failed(Refusal.of(Refusal.Code.NO_NODE, "the node was lost"));
            } else if (request.goesFirst()) {
                repeat(request, nowMillis);
            }
        }
        for (InFlight request : all) {
            if (!request.goesFirst() && byId.containsKey(request.requestId)) {
                repeat(request, nowMillis);
            }
        }
    }

    /**
     * Repeats those whose answer seems lost.
     *
     * @param reason what those fail with for whose answer nobody waits
     */
    void repeatLate(long nowMillis, Refusal reason) {
        List<InFlight> late = new ArrayList<>();
        List<InFlight> pointless = new ArrayList<>();
        for (InFlight request : byId.values()) {
            if (!line.isOpen() || request.resendAtMillis <= nowMillis) {
                (request.isPointless() ? pointless : late).add(request);
            }
        }
        // They must neither take up room for ever, nor must closing wait for them.
        for (InFlight request : pointless) {
            drop(request);
            request.failed(reason);
        }
        for (InFlight request : late) {
            if (!line.isOpen() || !byId.containsKey(request.requestId)) {
                continue;
            }
            if (request.mayBeRepeated()) {
                repeat(request, nowMillis);
            } else {
                request.postponed();
            }
        }
    }

    /** None will be answered. */
    void failAll(Refusal reason) {
        List<InFlight> all = new ArrayList<>(byId.values());
        byId.clear();
        bytes = 0;
        all.forEach(request -> request.failed(reason));
    }
}
