package io.forebay.cluster;

import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionEvent;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;

/**
 * What clients of the node were refused since its start, by reason: a request as a whole counts once, else each of its items that
 * was. One for the node, shared by its sessions. Thread-safe.
 */
public final class RefusalCounts {
    private final LongAdder[] counts = new LongAdder[Refusal.Code.values().length];

    public RefusalCounts() {
        for (int i = 0; i < counts.length; i++) {
            counts[i] = new LongAdder();
        }
    }

    /** A client is told this. */
    void count(SessionEvent told) {
        if (told instanceof SessionEvent.Refused refused) {
            count(refused.refusal());
        } else if (told instanceof SessionEvent.SendReply reply) {
            countIn(reply.results());
        } else if (told instanceof SessionEvent.AckReply reply) {
            countIn(reply.results());
        } else if (told instanceof SessionEvent.ChangeReply reply) {
            countIn(reply.results());
        } else if (told instanceof SessionEvent.GiveBackReply reply) {
            countIn(reply.results());
        } else if (told instanceof SessionEvent.SubscriptionEnded ended) {
            count(ended.refusal());
        } else if (told instanceof SessionEvent.OpenRefused refused) {
            count(refused.refusal());
        }
    }

    private void countIn(List<?> results) {
        // By index: an iterator would be garbage for each answer.
        for (int i = 0; i < results.size(); i++) {
            if (results.get(i) instanceof Refusal refusal) {
                count(refusal);
            }
        }
    }

    private void count(Refusal refusal) {
        counts[refusal.code().ordinal()].increment();
    }

    public long count(Refusal.Code code) {
        return counts[code.ordinal()].sum();
    }
}
