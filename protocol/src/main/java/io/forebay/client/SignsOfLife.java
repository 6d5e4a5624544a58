package io.forebay.client;

import io.forebay.protocol.SessionLimits;

/**
 * What the silence of a node means for the session with it: when to send a heartbeat, when to ask the node whether it still
 * knows the session, and when the session is lost.
 *
 * <p>A node that says nothing may be gone, may stand still, or may have been started again. In the last case nothing is left
 * there that could answer, so it is asked as soon as two answers are missing, and says that it does not know the session. To
 * ask changes nothing: a node that has only stood still knows the session and goes on with it. To open the session again
 * instead would have both ends begin anew without need, and a Send whose answer crosses with its repetition be stored twice.
 *
 * <p>Times are milliseconds of the client's clock and come in as values. Confined to its session.
 */
final class SignsOfLife {
    /** What is to be done. */
    enum Verdict {
        ALIVE,
        /** Ask the node, with the number {@link #askNumber}. */
        ASK,
        LOST
    }

    private long heartbeatMillis;
    private long timeoutMillis;
    private boolean isWatched;

    private long heardMillis;
    private long lookedMillis;
    private long heartbeatAtMillis;
    private long heartbeats;
    private long askAtMillis;
    private long asks;
    /** Those up to here were asked before the session was opened. */
    private long asksBefore;

    /**
     * The session has been opened, perhaps again.
     *
     * @param watched whether something else tells that the session has ended: then nobody is asked
     */
    void opened(SessionLimits limits, boolean watched, long nowMillis) {
        heartbeatMillis = limits.heartbeatMillis();
        timeoutMillis = limits.sessionTimeoutMillis();
        isWatched = watched;
        heardMillis = nowMillis;
        lookedMillis = nowMillis;
        heartbeatAtMillis = nowMillis + heartbeatMillis;
        askAtMillis = nowMillis;
        asksBefore = asks;
    }

    /** The session has said something. */
    void heard(long nowMillis) {
        heardMillis = nowMillis;
    }

    /** For how long nothing has been heard. */
    long silentMillis(long nowMillis) {
        return nowMillis - heardMillis;
    }

    /** To be called at {@link #nextMillis}, and at any other time. */
    Verdict look(long nowMillis) {
        long passedMillis = nowMillis - lookedMillis;
        lookedMillis = nowMillis;
        // If this process stood still, what was said to it meanwhile may yet lie in the mailbox.
        if (passedMillis > timeoutMillis / 2) {
            heardMillis = Math.max(heardMillis, nowMillis - timeoutMillis / 2);
        }
        if (passedMillis > 2 * heartbeatMillis) {
            askAtMillis = nowMillis + heartbeatMillis;
        }
        if (silentMillis(nowMillis) >= timeoutMillis) {
            return Verdict.LOST;
        }
        if (isWatched || nowMillis < askDueMillis()) {
            return Verdict.ALIVE;
        }
        askAtMillis = nowMillis + heartbeatMillis;
        asks++;
        return Verdict.ASK;
    }

    /** The number of the last question. */
    long askNumber() {
        return asks;
    }

    /** Whether a question with that number was about the session that is open. */
    boolean hasAsked(long number) {
        return number > asksBefore && number <= asks;
    }

    /** @return the number of the heartbeat to send now; 0 if it is too early */
    long takeHeartbeat(long nowMillis) {
        if (nowMillis < heartbeatAtMillis) {
            return 0;
        }
        heartbeatAtMillis = nowMillis + heartbeatMillis;
        return ++heartbeats;
    }

    /** When there is something to do, if nothing is heard until then. */
    long nextMillis() {
        long next = Math.min(heartbeatAtMillis, heardMillis + timeoutMillis);
        return isWatched ? next : Math.min(next, askDueMillis());
    }

    /** Half an interval after the second answer that is missing was to be expected. */
    private long askDueMillis() {
        return Math.max(heardMillis + heartbeatMillis * 5 / 2, askAtMillis);
    }
}
