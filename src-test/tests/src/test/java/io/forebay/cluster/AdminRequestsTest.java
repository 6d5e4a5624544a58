package io.forebay.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.deadletter.DeadLetterDesk;
import io.forebay.look.LookDesk;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.topic.Registry;
import io.forebay.topic.RegistryReply;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What is asked of the node goes to the desk that answers it, and is answered once. */
class AdminRequestsTest {
    private static final Refusal NO = Refusal.of(Refusal.Code.FAILED, "no");

    private final SessionBench bench = new SessionBench();
    private final UnansweredRequests unanswered = new UnansweredRequests(bench);
    private final AdminRequests administration = new AdminRequests(bench, unanswered, bench.answers.getRef());

    private static RegistryReply.Answer answer(long requestId) {
        return new RegistryReply.Answer(new SessionEvent.Refused(requestId, NO));
    }

    @Test
    void eachGoesToItsDesk() {
        var look = new LookCommand.Purge(1, "t", "g", 0, 5, true);
        var poison = new PoisonCommand.ListParked(2, "g", "t", 10, null);
        var other = new SessionCommand.DescribeTopic(3, "t");
        administration.onRequest(look);
        administration.onRequest(poison);
        administration.onRequest(other);
        bench.lookDesk.expectMessage(new LookDesk.Ask(look, bench.answers.getRef()));
        bench.deadLetterDesk.expectMessage(new DeadLetterDesk.Ask(poison, bench.answers.getRef()));
        bench.registry.expectMessage(new Registry.Administer(other, bench.answers.getRef()));
        assertThat(unanswered.count()).isEqualTo(3);
        administration.onAnswer(answer(2));
        administration.onAnswer(answer(2));
        administration.onAnswer(answer(99));
        assertThat(bench.told(SessionEvent.Refused.class).requestId()).isEqualTo(2);
        assertThat(bench.isAnythingTold()).isFalse();
    }

    @Test
    void whatIsRefusedIsAskedOfNobody() {
        bench.refusal = NO;
        administration.onRequest(new SessionCommand.DescribeTopic(3, "t"));
        assertThat(bench.told(SessionEvent.Refused.class).refusal()).isEqualTo(NO);
        assertThat(bench.registry.hasMessages()).isFalse();
        assertThat(unanswered.count()).isZero();
    }

    @Test
    void anAnswerToAnotherKindOfRequestIsNone() {
        unanswered.add(new UnansweredRequests.Unanswered(1, 0));
        administration.onAnswer(answer(1));
        administration.onTargetGone(bench.registry.getRef(), NO);
        assertThat(bench.isAnythingTold()).isFalse();
    }

    @Test
    void whatADeskTookAlongIsRefusedAndNothingElse() {
        administration.onRequest(new LookCommand.Purge(1, "t", "g", 0, 5, true));
        administration.onRequest(new PoisonCommand.ListParked(2, "g", "t", 10, null));
        administration.onRequest(new SessionCommand.DescribeTopic(3, "t"));
        assertThat(bench.watched)
                .isEqualTo(Set.of(bench.lookDesk.getRef(), bench.deadLetterDesk.getRef(), bench.registry.getRef()));
        administration.onTargetGone(bench.registry.getRef(), NO);
        assertThat(bench.told(SessionEvent.Refused.class).requestId()).isEqualTo(3);
        administration.onTargetGone(bench.lookDesk.getRef(), NO);
        assertThat(bench.told(SessionEvent.Refused.class).requestId()).isEqualTo(1);
        assertThat(bench.isAnythingTold()).isFalse();
        administration.onTargetGone(bench.deadLetterDesk.getRef(), NO);
        assertThat(bench.told(SessionEvent.Refused.class).requestId()).isEqualTo(2);
        assertThat(unanswered.count()).isZero();
    }
}
