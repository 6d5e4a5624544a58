package io.forebay.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.cluster.UnansweredRequests.Unanswered;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionEvent;
import org.junit.jupiter.api.Test;

/** Invariant: the bytes that the session and the node count are those of what is not answered. */
class UnansweredRequestsTest {
    private static final int BYTES_MAX = SessionBench.LIMITS.bytesInFlightMax();

    private final SessionBench bench = new SessionBench();
    private final UnansweredRequests unanswered = new UnansweredRequests(bench);

    private Unanswered add(long requestId, long bytes) {
        assertThat(unanswered.reserve(bytes)).isNull();
        Unanswered one = new Unanswered(requestId, bytes);
        unanswered.add(one);
        return one;
    }

    private static SessionEvent.Reply reply(long requestId) {
        return new SessionEvent.PopCancelled(requestId, true);
    }

    @Test
    void whatIsAnsweredIsForgottenAndGivesItsBytesBack() {
        Unanswered one = add(1, 100);
        Unanswered two = add(2, 0);
        assertThat(unanswered.count()).isEqualTo(2);
        assertThat(unanswered.isPending(1)).isTrue();
        assertThat(unanswered.isPending(3)).isFalse();
        assertThat(unanswered.get(1)).isSameAs(one);
        assertThat(unanswered.all(Unanswered.class)).containsExactlyInAnyOrder(one, two);
        assertThat(bench.bytesHeld.bytes()).isEqualTo(100);
        unanswered.answer(one, reply(1));
        assertThat(bench.told(SessionEvent.PopCancelled.class).requestId()).isEqualTo(1);
        assertThat(bench.bytesHeld.bytes()).isZero();
        assertThat(unanswered.isPending(1)).isFalse();
        unanswered.refuse(two, Refusal.of(Refusal.Code.FAILED, "no"));
        assertThat(bench.told(SessionEvent.Refused.class).requestId()).isEqualTo(2);
        assertThat(unanswered.count()).isZero();
    }

    @Test
    void aSessionHasItsLimitButOneRequestHasRoomWhateverItsSize() {
        Unanswered large = add(1, BYTES_MAX + 1);
        Refusal refusal = unanswered.reserve(1);
        assertThat(refusal.code()).isEqualTo(Refusal.Code.LIMIT);
        assertThat(refusal.retryAfterMillis()).isPositive();
        assertThat(bench.bytesHeld.bytes()).isEqualTo(BYTES_MAX + 1);
        unanswered.answer(large, reply(1));
        add(2, BYTES_MAX);
        assertThat(unanswered.reserve(1)).isNotNull();
    }

    @Test
    void theNodeHasItsLimitForAllSessions() {
        assertThat(bench.bytesHeld.tryReserve(bench.bytesHeld.bytesMax() - 10)).isTrue();
        Refusal refusal = unanswered.reserve(11);
        assertThat(refusal.code()).isEqualTo(Refusal.Code.BUSY);
        assertThat(refusal.retryAfterMillis()).isPositive();
        add(1, 10);
    }

    @Test
    void atTheEndNothingIsHeldAnyMore() {
        add(1, 100);
        add(2, 200);
        unanswered.onEnd();
        assertThat(bench.bytesHeld.bytes()).isZero();
        assertThat(unanswered.count()).isZero();
        assertThat(bench.isAnythingTold()).isFalse();
        add(3, BYTES_MAX);
    }
}
