package io.forebay.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.Done;
import akka.actor.testkit.typed.javadsl.TestProbe;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** A client's subscription, and a node that pushes or does not, as the test says. */
class ClientSubscriptionTest extends ClientSessionHarness {
    private final List<Delivery> handled = new ArrayList<>();
    private final List<CompletableFuture<Done>> working = new ArrayList<>();
    private Control control;

    private CompletionStage<Done> work(Delivery delivery) {
        handled.add(delivery);
        CompletableFuture<Done> done = new CompletableFuture<>();
        working.add(done);
        return done;
    }

    /** Subscribes, and has the node answer. */
    private SessionCommand.Subscribe subscribe(DeliveryMode mode) {
        connect();
        control = client.subscribe(PopRequest.of("orders", "billing", 32), this::work);
        SessionCommand.Subscribe subscribe = next(SessionCommand.Subscribe.class);
        toClient.tell(new SessionEvent.Subscribed(subscribe.requestId(), subscribe.subscriptionId(), mode));
        sync();
        return subscribe;
    }

    private void push(int id, long number, long... offsets) {
        toClient.tell(new SessionEvent.Pushed(
                id,
                number,
                LongStream.of(offsets).mapToObj(ClientSessionHarness::delivery).toList()));
        sync();
    }

    private List<Long> offsets() {
        return handled.stream().map(Delivery::queueOffset).toList();
    }

    private void ackAll(SessionCommand.Ack ack) {
        toClient.tell(
                SessionEvent.AckReply.allAcked(ack.requestId(), ack.handles().size(), Durability.WRITTEN));
        sync();
    }

    @Test
    void whatIsPushedIsHandledAndAckedAndItsCreditsAreGivenAgain() {
        SessionCommand.Subscribe subscribe = subscribe(DeliveryMode.PUSH);
        int prefetch = settings().streamPrefetch();
        assertThat(subscribe.progress().totalCredits()).isEqualTo(prefetch);
        assertThat(subscribe.countMax()).isEqualTo(32);
        assertThat(next(SessionCommand.Credit.class).mode()).isEqualTo(DeliveryMode.PUSH);
        for (int number = 1; number <= prefetch / 2; number++) {
            push(subscribe.subscriptionId(), number, number);
        }
        assertThat(handled).hasSize(prefetch / 2);
        working.forEach(one -> one.complete(Done.done()));
        long acked = 0;
        long credits = 0;
        for (SessionCommand said = nextOrNull(); said != null; said = nextOrNull()) {
            if (said instanceof SessionCommand.Ack ack) {
                acked += ack.handles().size();
                ackAll(ack);
            } else if (said instanceof SessionCommand.Credit credit) {
                credits = credit.progress().totalCredits();
                assertThat(credit.progress().receivedUpTo()).isLessThanOrEqualTo(prefetch / 2);
            }
        }
        assertThat(acked).isEqualTo(prefetch / 2);
        assertThat(credits).isEqualTo(prefetch + prefetch / 2);
    }

    @Test
    void whatIsReceivedIsToldSoonAlsoWithoutDemand() {
        SessionCommand.Subscribe subscribe = subscribe(DeliveryMode.PUSH);
        next(SessionCommand.Credit.class);
        push(subscribe.subscriptionId(), 2, 20);
        expectNothing();
        advance(LIMITS.heartbeatMillis());
        SessionCommand.Credit credit = next(SessionCommand.Credit.class);
        assertThat(credit.progress().receivedUpTo()).isZero();
        assertThat(credit.progress().hasReceived(2)).isTrue();
        for (int number = 3; number < 11; number++) {
            push(subscribe.subscriptionId(), number, number);
        }
        assertThat(next(SessionCommand.Credit.class).progress().receivedCount()).isEqualTo(9);
    }

    @Test
    void whatIsNotHandledIsNackedWithTheReason() {
        SessionCommand.Subscribe subscribe = subscribe(DeliveryMode.PUSH);
        next(SessionCommand.Credit.class);
        push(subscribe.subscriptionId(), 1, 20);
        working.get(0).completeExceptionally(new IllegalStateException("no paper"));
        SessionCommand.ChangeInvisible nack = next(SessionCommand.ChangeInvisible.class);
        assertThat(nack.nack()).isTrue();
        assertThat(nack.reason()).contains("no paper");
        assertThat(nack.millis()).isEqualTo(SessionCommand.ChangeInvisible.BACKOFF);
        toClient.tell(new SessionEvent.ChangeReply(nack.requestId(), List.of(new Changed(1))));
        sync();
    }

    @Test
    void afterALossItSubscribesAgainAndSaysWhatItHas() {
        SessionCommand.Subscribe first = subscribe(DeliveryMode.PUSH);
        next(SessionCommand.Credit.class);
        push(first.subscriptionId(), 1, 10, 11);
        push(first.subscriptionId(), 3, 30);
        toClient.tell(new SessionEvent.SessionClosed(sessionId, Refusal.of(Refusal.Code.SHUTTING_DOWN, "restarts")));
        TestProbe<SessionCommand> again = kit.createTestProbe(SessionCommand.class);
        session = again;
        open(again, false);
        SessionCommand.Subscribe second = next(SessionCommand.Subscribe.class);
        assertThat(second.subscriptionId()).isEqualTo(first.subscriptionId());
        assertThat(second.progress().receivedUpTo()).isEqualTo(1);
        assertThat(second.progress().receivedCount()).isEqualTo(3);
        assertThat(second.progress().hasReceived(3)).isTrue();
        toClient.tell(new SessionEvent.Subscribed(second.requestId(), second.subscriptionId(), DeliveryMode.PUSH));
        push(first.subscriptionId(), 2, 20);
        assertThat(offsets()).containsExactly(10L, 11L, 30L, 20L);
    }

    @Test
    void ofASecondCopyOnlyWhatIsNewIsGivenBack() {
        SessionCommand.Subscribe subscribe = subscribe(DeliveryMode.PUSH);
        next(SessionCommand.Credit.class);
        push(subscribe.subscriptionId(), 1, 10, 11);
        push(subscribe.subscriptionId(), 1, 11, 12);
        assertThat(offsets()).containsExactly(10L, 11L);
        SessionCommand.GiveBack giveBack = next(SessionCommand.GiveBack.class);
        assertThat(giveBack.handles()).containsExactly(delivery(12).handle());
    }

    @Test
    void whereTheGroupPopsTheClientPopsForItself() {
        SessionCommand.Subscribe subscribe = subscribe(DeliveryMode.POP);
        SessionCommand.Credit credit = next(SessionCommand.Credit.class);
        assertThat(credit.mode()).isEqualTo(DeliveryMode.POP);
        assertThat(credit.progress().openCredits()).isZero();
        SessionCommand.Pop pop = next(SessionCommand.Pop.class);
        assertThat(pop.countMax()).isEqualTo(32);
        SessionCommand.Pop second = next(SessionCommand.Pop.class);
        toClient.tell(new SessionEvent.Popped(pop.requestId(), List.of(delivery(1))));
        SessionCommand.Pop third = next(SessionCommand.Pop.class);
        assertThat(offsets()).containsExactly(1L);

        // It is set to push: the pops are called back, and what they do not bring is credits.
        toClient.tell(new SessionEvent.SubscriptionMode(subscribe.subscriptionId(), DeliveryMode.PUSH));
        sync();
        List<SessionCommand> said =
                List.of(session.receiveMessage(), session.receiveMessage(), session.receiveMessage());
        assertThat(said.stream().filter(SessionCommand.CancelPop.class::isInstance))
                .hasSize(2);
        long prefetch = settings().streamPrefetch();
        assertThat(((SessionCommand.Credit) said.get(2)).progress().totalCredits())
                .isEqualTo(prefetch - 1 - 64);
        toClient.tell(new SessionEvent.Popped(second.requestId(), List.of(delivery(2))));
        toClient.tell(new SessionEvent.Popped(third.requestId(), List.of()));
        sync();
        next(SessionCommand.Credit.class);
        assertThat(next(SessionCommand.Credit.class).progress().totalCredits()).isEqualTo(prefetch - 2);
        assertThat(offsets()).containsExactly(1L, 2L);
    }

    @Test
    void whenPushingEndsTheCreditsAreTakenBackAndTheClientPops() {
        SessionCommand.Subscribe subscribe = subscribe(DeliveryMode.PUSH);
        next(SessionCommand.Credit.class);
        push(subscribe.subscriptionId(), 1, 1);
        toClient.tell(new SessionEvent.SubscriptionMode(subscribe.subscriptionId(), DeliveryMode.POP));
        SessionCommand.Credit credit = next(SessionCommand.Credit.class);
        assertThat(credit.mode()).isEqualTo(DeliveryMode.POP);
        assertThat(credit.progress().openCredits()).isZero();
        assertThat(next(SessionCommand.Pop.class).countMax()).isEqualTo(32);
        next(SessionCommand.Pop.class);
    }

    @Test
    void aRefusalThatPassesIsTriedAgainOneForGoodEndsIt() {
        SessionCommand.Subscribe subscribe = subscribe(DeliveryMode.PUSH);
        next(SessionCommand.Credit.class);
        toClient.tell(new SessionEvent.SubscriptionEnded(
                subscribe.subscriptionId(), new Refusal(Refusal.Code.QUEUE_AWAY, "the group has stopped", 100)));
        expectNothing();
        advance(100);
        SessionCommand.Subscribe again = next(SessionCommand.Subscribe.class);
        toClient.tell(new SessionEvent.Refused(again.requestId(), Refusal.unknownGroup("billing")));
        sync();
        assertThatThrownBy(() -> join(control.isShutdown()))
                .isInstanceOf(ForebayException.class)
                .hasMessageContaining("billing");
    }

    @Test
    void stoppingWaitsForWhatIsUnderWay() {
        SessionCommand.Subscribe subscribe = subscribe(DeliveryMode.PUSH);
        next(SessionCommand.Credit.class);
        push(subscribe.subscriptionId(), 1, 1);
        CompletionStage<Done> stopped = control.stop();
        SessionCommand.Unsubscribe unsubscribe = next(SessionCommand.Unsubscribe.class);
        assertThat(unsubscribe.progress().receivedCount()).isEqualTo(1);
        push(subscribe.subscriptionId(), 2, 2);
        toClient.tell(new SessionEvent.Unsubscribed(unsubscribe.requestId(), subscribe.subscriptionId()));
        sync();
        // Later than allowed: nobody knows it any more.
        push(subscribe.subscriptionId(), 3, 3);
        assertThat(next(SessionCommand.GiveBack.class).handles())
                .containsExactly(delivery(3).handle());
        assertThat(offsets()).containsExactly(1L, 2L);
        assertThat(stopped.toCompletableFuture()).isNotDone();
        working.forEach(one -> one.complete(Done.done()));
        sync();
        SessionCommand.Ack ack = next(SessionCommand.Ack.class);
        toClient.tell(new SessionEvent.AckReply(ack.requestId(), List.of(AckOutcome.ACKED), Durability.WRITTEN));
        ackAll(next(SessionCommand.Ack.class));
        join(stopped);
    }

    @Test
    void stoppingWhileTheNodeIsAwayEndsAtOnce() {
        subscribe(DeliveryMode.PUSH);
        toClient.tell(new SessionEvent.SessionClosed(sessionId, Refusal.of(Refusal.Code.SHUTTING_DOWN, "restarts")));
        sync();
        join(control.shutdown());
    }

    @Test
    void aClientThatIsClosedEndsItsSubscriptions() {
        subscribe(DeliveryMode.PUSH);
        client.close();
        sync();
        assertThatThrownBy(() -> join(control.isShutdown()))
                .isInstanceOf(ForebayException.class)
                .hasMessageContaining("closed");
        assertThatThrownBy(() -> join(client.subscribe(PopRequest.of("orders", "billing", 1), this::work)
                        .isShutdown()))
                .isInstanceOf(ForebayException.class)
                .hasMessageContaining("closed");
    }

    @Test
    void pushedDeliveriesAreExtendedLikePoppedOnes() {
        SessionCommand.Subscribe subscribe = subscribe(DeliveryMode.PUSH);
        next(SessionCommand.Credit.class);
        toClient.tell(new SessionEvent.Pushed(
                subscribe.subscriptionId(), 1, List.of(delivery(1, 4_000), delivery(2, 4_000))));
        advance(3_000);
        SessionCommand next = nextOrNull();
        while (!(next instanceof SessionCommand.ChangeInvisible)) {
            assertThat(next).isNotNull();
            next = nextOrNull();
        }
        assertThat(((SessionCommand.ChangeInvisible) next).handles()).hasSize(2);
    }
}
