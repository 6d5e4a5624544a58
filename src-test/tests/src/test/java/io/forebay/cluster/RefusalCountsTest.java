package io.forebay.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.Refusal.Code;
import io.forebay.protocol.SessionEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Every refusal that a client is told is counted, once, by its reason; nothing else is. */
class RefusalCountsTest {
    private final RefusalCounts counts = new RefusalCounts();

    private long total() {
        return Stream.of(Code.values()).mapToLong(counts::count).sum();
    }

    private static Refusal refusal(Code code) {
        return Refusal.of(code, "because");
    }

    @Test
    void aRequestThatIsRefusedCountsOnce() {
        counts.count(new SessionEvent.Refused(1, refusal(Code.BUSY)));
        counts.count(new SessionEvent.OpenRefused(1, refusal(Code.SHUTTING_DOWN)));
        counts.count(new SessionEvent.SubscriptionEnded(1, refusal(Code.LIMIT)));
        assertThat(counts.count(Code.BUSY)).isEqualTo(1);
        assertThat(counts.count(Code.SHUTTING_DOWN)).isEqualTo(1);
        assertThat(counts.count(Code.LIMIT)).isEqualTo(1);
        assertThat(total()).isEqualTo(3);
    }

    @Test
    void eachItemThatIsRefusedCounts() {
        counts.count(new SessionEvent.SendReply(1, List.of(refusal(Code.TOO_LARGE), refusal(Code.TOO_LARGE))));
        counts.count(new SessionEvent.AckReply(
                2, List.of(AckOutcome.ACKED, refusal(Code.STALE_HANDLE), AckOutcome.ACKED), Durability.WRITTEN));
        counts.count(new SessionEvent.ChangeReply(3, List.of(refusal(Code.FORGED_HANDLE))));
        counts.count(new SessionEvent.GiveBackReply(4, List.of(refusal(Code.WRONG_GROUP))));
        assertThat(counts.count(Code.TOO_LARGE)).isEqualTo(2);
        assertThat(counts.count(Code.STALE_HANDLE)).isEqualTo(1);
        assertThat(counts.count(Code.FORGED_HANDLE)).isEqualTo(1);
        assertThat(counts.count(Code.WRONG_GROUP)).isEqualTo(1);
        assertThat(total()).isEqualTo(5);
    }

    /** The end of a session that was asked for, say. */
    @Test
    void whatIsNoRefusalOfARequestIsNotCounted() {
        counts.count(new SessionEvent.SessionClosed(1, refusal(Code.CLOSED)));
        counts.count(SessionEvent.AckReply.allAcked(1, 1000, Durability.WRITTEN));
        counts.count(new SessionEvent.Popped(1, new ArrayList<>()));
        counts.count(new SessionEvent.Heartbeat(1));
        assertThat(total()).isZero();
    }
}
