package io.forebay.client;

import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;

/** A request that has no answer yet. Confined to its session. */
abstract class InFlight {
    final long requestId;
    /** When it is repeated although the session seems alive. */
    long resendAtMillis;
    /** How long its answer may take before that, beyond the usual. */
    final long waitMillis;

    InFlight(long requestId, long waitMillis) {
        this.requestId = requestId;
        this.waitMillis = waitMillis;
    }

    /** What to send, the first time and again. */
    abstract SessionCommand.Request command();

    /**
     * After how many milliseconds without an answer it is sent again, although the session seems alive.
     *
     * @param usualMillis what an answer may take
     */
    long patienceMillis(long usualMillis) {
        return waitMillis + usualMillis;
    }

    /** Whether it is repeated before what else is unanswered when the session is open again. */
    boolean goesFirst() {
        return false;
    }

    /** Whether the client's end waits for its answer. */
    boolean isAwaitedAtTheEnd() {
        return true;
    }

    /** Bytes of messages it carries. */
    int bytes() {
        return 0;
    }

    /** Whether nobody waits for its answer any more, so that it need not be repeated over a loss. */
    boolean isPointless() {
        return false;
    }

    /** It is sent again, because its answer seems lost. */
    void repeated() {}

    /** Whether it may be sent again for that; else it is {@link #postponed}. */
    boolean mayBeRepeated() {
        return true;
    }

    /** Its answer seems lost, and it has to wait: whoever has sent it sends it again in its turn. */
    void postponed() {}

    abstract void answered(SessionEvent.Reply reply, long nowMillis);

    /** It will never be answered. */
    abstract void failed(Refusal refusal);
}
