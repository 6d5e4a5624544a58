package io.forebay.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.Done;
import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.GiveBackOutcome;
import io.forebay.protocol.GiveBackResult;
import io.forebay.protocol.Message;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.Test;

/** The client against a session that does what the test says, on a clock that the test moves. */
class ClientSessionTest extends ClientSessionHarness {
    // ---------------------------------------------------------------- sending

    @Test
    void whatIsSentBeforeANodeIsFoundWaitsForIt() {
        connect(settings());
        CompletionStage<Receipt> receipt = client.send(message("a"), Durability.FLUSHED);
        open(session, false);
        SessionCommand.Send send = next(SessionCommand.Send.class);
        assertThat(send.topic()).isEqualTo("orders");
        assertThat(send.queue()).isEqualTo(-1);
        assertThat(send.durability()).isEqualTo(Durability.FLUSHED);
        stored(send);
        assertThat(join(receipt)).isEqualTo(receipt(send.requestId()));
        assertThat(client.pendingBytes()).isZero();
    }

    @Test
    void messagesGatherWhileTheWindowIsFull() {
        connect();
        List<SessionCommand.Send> underWay = new ArrayList<>();
        for (int i = 0; i < settings().sendPipeline(); i++) {
            client.send(message("first" + i));
            underWay.add(next(SessionCommand.Send.class));
        }
        List<CompletionStage<Receipt>> gathered = new ArrayList<>();
        for (int i = 0; i < 250; i++) {
            gathered.add(client.send(message("m" + i)));
        }
        expectNothing();
        stored(underWay.get(2));
        SessionCommand.Send batch = next(SessionCommand.Send.class);
        assertThat(batch.messages()).hasSize(LIMITS.batchCountMax());
        assertThat(idsOf(batch)).startsWith("m0", "m1", "m2");
        expectNothing();
        stored(underWay.get(0));
        assertThat(next(SessionCommand.Send.class).messages()).hasSize(100);
        stored(underWay.get(1));
        assertThat(next(SessionCommand.Send.class).messages()).hasSize(50);
        stored(batch);
        assertThat(join(gathered.get(0))).isEqualTo(receipt(batch.requestId()));
    }

    @Test
    void aBatchHasOneDurability() {
        connect(settings());
        client.send(message("a"), Durability.FLUSHED);
        client.send(message("b"), Durability.WRITTEN);
        client.send(message("c"), Durability.WRITTEN);
        client.send(message("d"), Durability.FLUSHED);
        sync();
        open(session, false);
        assertThat(idsOf(next(SessionCommand.Send.class))).containsExactly("a");
        assertThat(idsOf(next(SessionCommand.Send.class))).containsExactly("b", "c");
        assertThat(idsOf(next(SessionCommand.Send.class))).containsExactly("d");
    }

    @Test
    void idAndBornTimeAreGivenOnce() {
        connect();
        client.sendBatch(List.of(Message.of("orders", new byte[1]), Message.of("orders", new byte[1])));
        SessionCommand.Send send = next(SessionCommand.Send.class);
        assertThat(send.messages()).hasSize(2).allSatisfy(message -> {
            assertThat(message.id()).isNotEmpty();
            assertThat(message.bornMillis()).isGreaterThan(1_790_000_000_000L);
        });
        assertThat(idsOf(send)).doesNotHaveDuplicates();
    }

    @Test
    void busyIsRepeatedLaterInTheFirstOrder() {
        connect(settings());
        List<CompletionStage<Receipt>> receipts = new ArrayList<>();
        client.send(keyed("k1", "k"), Durability.WRITTEN);
        client.send(keyed("k2", "k"), Durability.FLUSHED);
        receipts.add(client.send(keyed("k3", "k"), Durability.WRITTEN));
        sync();
        open(session, false);
        List<SessionCommand.Send> sends = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            sends.add(next(SessionCommand.Send.class));
        }
        receipts.add(client.send(keyed("k4", "k"), Durability.WRITTEN));
        SessionCommand.Send fourth = next(SessionCommand.Send.class);
        receipts.add(client.send(keyed("k5", "k"), Durability.WRITTEN));
        expectNothing();
        // The answers come in any order; nothing is repeated before all are there and the time is over.
        answer(sends.get(2), message -> busy(200));
        answer(sends.get(0), message -> busy(200));
        expectNothing();
        answer(fourth, message -> busy(200));
        answer(sends.get(1), message -> busy(300));
        advance(250);
        expectNothing();
        advance(100);
        List<String> order = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            SessionCommand.Send again = next(SessionCommand.Send.class);
            order.addAll(idsOf(again));
            assertThat(sends.stream()
                                    .map(SessionCommand.Send::requestId)
                                    .toList()
                                    .contains(again.requestId())
                            || again.requestId() == fourth.requestId())
                    .as("a whole batch keeps its request id")
                    .isTrue();
            stored(again);
        }
        assertThat(order).containsExactly("k1", "k2", "k3", "k4");
        SessionCommand.Send fifth = next(SessionCommand.Send.class);
        assertThat(idsOf(fifth)).containsExactly("k5");
        stored(fifth);
        receipts.forEach(ClientSessionTest::join);
    }

    @Test
    void onlyWhatWasRefusedIsRepeated() {
        connect();
        CompletionStage<List<SendResult>> results = client.sendBatch(List.of(message("a"), message("b"), message("c")));
        SessionCommand.Send send = next(SessionCommand.Send.class);
        answer(send, message -> message.id().equals("b") ? busy(100) : receipt(1));
        advance(100);
        SessionCommand.Send again = next(SessionCommand.Send.class);
        assertThat(idsOf(again)).containsExactly("b");
        assertThat(again.requestId()).isNotEqualTo(send.requestId());
        answer(again, message -> receipt(2));
        assertThat(join(results)).containsExactly(receipt(1), receipt(2), receipt(1));
        assertThat(client.pendingBytes()).isZero();
    }

    @Test
    void aRefusalForGoodFailsTheStageAndFreesItsKey() {
        connect();
        CompletionStage<Receipt> full = client.send(keyed("a", "k"));
        SessionCommand.Send send = next(SessionCommand.Send.class);
        answer(send, message -> Refusal.of(Refusal.Code.DISK_FULL, "the disk is full"));
        assertThatThrownBy(() -> join(full))
                .isInstanceOf(ForebayException.class)
                .hasMessageContaining("disk is full");
        withdrawn("a");
        CompletionStage<Receipt> unknown = client.send(message("b"));
        toClient.tell(
                new SessionEvent.Refused(next(SessionCommand.Send.class).requestId(), Refusal.unknownTopic("orders")));
        assertThatThrownBy(() -> join(unknown)).hasMessageContaining("no topic 'orders'");
    }

    @Test
    void whatStaysBusyIsGivenUpAndWithdrawn() {
        connect();
        CompletionStage<Receipt> receipt = client.send(keyed("a", "k"));
        long until = clock.get() + settings().sendTimeout().toMillis() + 1000;
        while (clock.get() < until && !receipt.toCompletableFuture().isDone()) {
            SessionCommand next = nextOrNull();
            if (next instanceof SessionCommand.Send send) {
                answer(send, message -> busy(5000));
            } else if (next instanceof SessionCommand.Heartbeat beat) {
                toClient.tell(new SessionEvent.Heartbeat(beat.number()));
            }
            advance(next == null ? 500 : 50);
        }
        assertThatThrownBy(() -> join(receipt))
                .isInstanceOfSatisfying(
                        ForebayException.class,
                        failure -> assertThat(failure.code()).isIn(Refusal.Code.TIMED_OUT, Refusal.Code.BUSY));
        SessionCommand last = session.receiveMessage();
        while (!(last instanceof SessionCommand.Withdraw)) {
            last = session.receiveMessage();
        }
        long requestId = ((SessionCommand.Withdraw) last).requestId();
        assertThat(last).isEqualTo(new SessionCommand.Withdraw(requestId, "orders", List.of("a")));
    }

    /** Expects that these messages of one Send are given up, and answers as a node does. */
    private SessionCommand.Withdraw withdrawn(String... ids) {
        SessionCommand.Withdraw withdraw = next(SessionCommand.Withdraw.class);
        assertThat(withdraw.topic()).isEqualTo("orders");
        assertThat(withdraw.messageIds()).containsExactly(ids);
        toClient.tell(new SessionEvent.Withdrawn(withdraw.requestId()));
        sync();
        return withdraw;
    }

    /** Has a node refuse a keyed message for good. */
    private void refuseForGood(String id) {
        CompletionStage<Receipt> refused = client.send(keyed(id, "k"));
        answer(next(SessionCommand.Send.class), message -> Refusal.of(Refusal.Code.DISK_FULL, "the disk is full"));
        assertThatThrownBy(() -> join(refused)).isInstanceOf(ForebayException.class);
    }

    @Test
    void thatAMessageIsGivenUpIsSaidUntilTheNodeHasHeardIt() {
        connect();
        refuseForGood("a");
        SessionCommand.Withdraw lost = next(SessionCommand.Withdraw.class);
        advance(LIMITS.heartbeatMillis() + 1000);
        answerHeartbeats();
        assertThat(withdrawn("a")).isEqualTo(lost);
        for (int i = 0; i < 20; i++) {
            advance(2000);
            answerHeartbeats();
        }
        expectNothingButHeartbeats();
    }

    /** Else one that is sent before a lost Withdraw is repeated could be refused, and the one behind it be taken. */
    @Test
    void untilTheNodeHasHeardThatAMessageIsGivenUpNothingOfItsTopicGoes() {
        connect();
        refuseForGood("a");
        SessionCommand.Withdraw withdraw = next(SessionCommand.Withdraw.class);
        client.send(keyed("b", "k"));
        client.send(keyed("c", "k"));
        expectNothing();
        client.send(Message.builder("invoices").id("x").body(new byte[1]).build());
        assertThat(idsOf(next(SessionCommand.Send.class))).containsExactly("x");
        toClient.tell(new SessionEvent.Withdrawn(withdraw.requestId()));
        sync();
        assertThat(idsOf(next(SessionCommand.Send.class))).containsExactly("b", "c");
    }

    /** I3: the second was refused because it came behind the first, which is given up; the third must not overtake it. */
    @Test
    void whatFollowsWaitsForWhatWasSentBehindAMessageThatIsGivenUp() {
        connect();
        client.send(keyed("a", "k"));
        client.send(keyed("b", "k"));
        SessionCommand.Send first = next(SessionCommand.Send.class);
        SessionCommand.Send second = next(SessionCommand.Send.class);
        answer(first, message -> Refusal.of(Refusal.Code.DISK_FULL, "the disk is full"));
        withdrawn("a");
        client.send(keyed("c", "k"));
        expectNothing();
        answer(second, message -> busy(100));
        advance(150);
        SessionCommand.Send again = next(SessionCommand.Send.class);
        assertThat(idsOf(again)).containsExactly("b");
        expectNothing();
        stored(again);
        assertThat(idsOf(next(SessionCommand.Send.class))).containsExactly("c");
    }

    @Test
    void afterALossWhatIsGivenUpIsSaidBeforeAnythingIsRepeated() {
        connect();
        CompletionStage<Receipt> refused = client.send(keyed("k1", "k"));
        SessionCommand.Send first = next(SessionCommand.Send.class);
        client.send(keyed("k2", "k"));
        SessionCommand.Send second = next(SessionCommand.Send.class);
        answer(first, message -> Refusal.of(Refusal.Code.DISK_FULL, "the disk is full"));
        assertThatThrownBy(() -> join(refused)).isInstanceOf(ForebayException.class);
        SessionCommand.Withdraw lost = next(SessionCommand.Withdraw.class);
        lose();
        open(session, true);
        assertThat(withdrawn("k1")).isEqualTo(lost);
        assertThat(next(SessionCommand.Send.class)).isEqualTo(after(second, SessionCommand.Send.FIRST));
        expectNothing();
    }

    @Test
    void whatIsGivenUpWithTheAnswerLostIsSaidWhenTheSessionIsOpenAgain() {
        connect();
        CompletionStage<Receipt> receipt = client.send(keyed("k1", "k"));
        next(SessionCommand.Send.class);
        lose();
        advance(settings().sendTimeout().toMillis() + 1000);
        assertThatThrownBy(() -> join(receipt)).isInstanceOf(ForebayException.class);
        client.send(keyed("k2", "k"));
        open(session, true);
        withdrawn("k1");
        assertThat(idsOf(next(SessionCommand.Send.class))).containsExactly("k2");
    }

    // ---------------------------------------------------------------- a line that loses Sends

    /** Sends these, each by itself, and takes them from the line. */
    private List<SessionCommand.Send> sendEach(String... ids) {
        List<SessionCommand.Send> sends = new ArrayList<>();
        for (String id : ids) {
            client.send(keyed(id, "k"));
            sends.add(next(SessionCommand.Send.class));
        }
        return sends;
    }

    /** As a node does that has not seen what comes before. */
    private void refuseOutOfOrder(SessionCommand.Send send) {
        toClient.tell(new SessionEvent.Refused(
                send.requestId(), new Refusal(Refusal.Code.OUT_OF_ORDER, "what comes before is lost", 1)));
        sync();
    }

    private static SessionCommand.Send after(SessionCommand.Send send, long after) {
        return new SessionCommand.Send(
                send.requestId(), send.topic(), send.queue(), send.messages(), send.durability(), after);
    }

    @Test
    void aSendSaysWhichOneComesBefore() {
        connect();
        List<SessionCommand.Send> sends = sendEach("k1", "k2", "k3");
        client.send(message("u"));
        assertThat(next(SessionCommand.Send.class).after()).isEqualTo(SessionCommand.Send.UNORDERED);
        assertThat(sends)
                .extracting(SessionCommand.Send::after)
                .containsExactly(
                        SessionCommand.Send.FIRST,
                        sends.get(0).requestId(),
                        sends.get(1).requestId());
        stored(sends.get(0));
        stored(sends.get(1));
        stored(sends.get(2));
        assertThat(sendEach("k4").get(0).after()).as("all before are answered").isEqualTo(SessionCommand.Send.FIRST);
    }

    /** I3, and at once: no time passes. */
    @Test
    void aLostSendIsRepeatedBeforeWhatWasSentBehindIt() {
        connect();
        List<SessionCommand.Send> sends = sendEach("k1", "k2", "k3");
        client.send(keyed("k4", "k"));
        SessionCommand.Send fourth = next(SessionCommand.Send.class);
        client.send(keyed("k5", "k"));
        refuseOutOfOrder(sends.get(1));
        for (SessionCommand.Send send : List.of(sends.get(0), sends.get(1), sends.get(2), fourth)) {
            SessionCommand.Send again = next(SessionCommand.Send.class);
            assertThat(again).isEqualTo(after(send, SessionCommand.Send.FIRST));
            expectNothing();
            if (send == sends.get(0)) {
                refuseOutOfOrder(sends.get(2)); // comes late: it is known by now
                expectNothing();
            }
            stored(again);
            if (send != sends.get(1)) { // the only one whose answer is known
                withdrawn(idsOf(send).toArray(String[]::new));
            }
        }
        assertThat(idsOf(next(SessionCommand.Send.class))).containsExactly("k5");
    }

    /** Whether it has come, too, is not known: its answer may be on its way, or lost. */
    @Test
    void whatIsOlderThanALostSendIsNotWaitedFor() {
        connect();
        List<SessionCommand.Send> sends = sendEach("k1", "k2", "k3");
        refuseOutOfOrder(sends.get(2));
        SessionCommand.Send second = next(SessionCommand.Send.class);
        assertThat(second).isEqualTo(sends.get(1));
        expectNothing();
        refuseOutOfOrder(second);
        SessionCommand.Send first = next(SessionCommand.Send.class);
        assertThat(first).isEqualTo(sends.get(0));
        expectNothing();
        stored(first);
        withdrawn("k1");
        assertThat(next(SessionCommand.Send.class)).isEqualTo(after(second, SessionCommand.Send.FIRST));
    }

    @Test
    void aLostSendThatIsLostOnceMoreIsRepeatedSoon() {
        connect();
        List<SessionCommand.Send> sends = sendEach("k1", "k2");
        refuseOutOfOrder(sends.get(1));
        assertThat(next(SessionCommand.Send.class)).isEqualTo(sends.get(0));
        advance(LIMITS.heartbeatMillis() + 1000);
        answerHeartbeats();
        assertThat(next(SessionCommand.Send.class)).isEqualTo(sends.get(0));
    }

    @Test
    void aLostSendThatIsGivenUpHoldsUpNothing() {
        connect();
        CompletionStage<Receipt> lost = client.send(keyed("k1", "k"));
        next(SessionCommand.Send.class);
        pass(settings().sendTimeout().toMillis() / 2 - 5000);
        client.send(keyed("k2", "k"));
        SessionCommand.Send second = next(SessionCommand.Send.class);
        pass(6000);
        next(SessionCommand.Send.class); // the first one again, and lost again
        pass(settings().sendTimeout().toMillis() / 2);
        assertThatThrownBy(() -> join(lost)).isInstanceOf(ForebayException.class);
        withdrawn("k1");
        assertThat(next(SessionCommand.Send.class)).isEqualTo(after(second, SessionCommand.Send.FIRST));
    }

    /** I3: the node may have forgotten what it refused by then, when that was given up meanwhile. */
    @Test
    void whatSeemsLostIsNotRepeatedBeforeSomethingOlderThatWasRefused() {
        connect();
        List<SessionCommand.Send> sends = sendEach("k1", "k2");
        answer(sends.get(0), message -> busy(200));
        pass(settings().requestTimeout().toMillis() + 2000);
        SessionCommand.Send first = next(SessionCommand.Send.class);
        assertThat(idsOf(first)).containsExactly("k1");
        expectNothingButHeartbeats();
        stored(first);
        assertThat(next(SessionCommand.Send.class)).isEqualTo(after(sends.get(1), SessionCommand.Send.FIRST));
    }

    /** I8: the copy behind the one that was stored may be refused, and its key be held up for what nobody repeats. */
    @Test
    void whatIsStoredWithACopyOnItsWayIsWithdrawn() {
        connect();
        SessionCommand.Send first = sendEach("k1").get(0);
        pass(settings().requestTimeout().toMillis() + 2000);
        assertThat(next(SessionCommand.Send.class)).isEqualTo(first);
        stored(first);
        client.send(keyed("k2", "k"));
        withdrawn("k1");
        assertThat(idsOf(next(SessionCommand.Send.class))).containsExactly("k2");
        expectNothing();
    }

    /** The same when it was repeated because its session was lost. */
    @Test
    void whatIsStoredInASessionThatIsBackWithACopyOnItsWayIsWithdrawn() {
        connect();
        SessionCommand.Send first = sendEach("k1").get(0);
        lose();
        open(session, true);
        assertThat(next(SessionCommand.Send.class)).isEqualTo(first);
        stored(first);
        withdrawn("k1");
        expectNothing();
    }

    /**
     * I3: the node may have refused all of them, the second only for the first; when that is taken and the second lost once more,
     * anything sent behind it would overtake it.
     */
    @Test
    void whatWasUnderWayAtALossIsRepeatedOneByOneBeforeAnythingNew() {
        connect();
        List<SessionCommand.Send> sends = sendEach("k1", "k2", "k3");
        client.send(keyed("k4", "k"));
        sends.add(next(SessionCommand.Send.class));
        client.send(keyed("k5", "k"));
        lose();
        open(session, true);
        repeatedOneByOne(sends);
        assertThat(idsOf(next(SessionCommand.Send.class))).containsExactly("k5");
        expectNothingButHeartbeats();
    }

    /** Expects each of these alone on the line, and stores it. */
    private void repeatedOneByOne(List<SessionCommand.Send> sends) {
        for (SessionCommand.Send send : sends) {
            assertThat(next(SessionCommand.Send.class)).isEqualTo(after(send, SessionCommand.Send.FIRST));
            expectNothingButHeartbeats();
            stored(send);
            withdrawn(idsOf(send).toArray(String[]::new));
            pass(2000);
        }
    }

    /** I3: as above, of Sends whose answers seem lost in a session that lives. */
    @Test
    void whatIsLateIsRepeatedOneByOneBeforeAnythingNew() {
        connect();
        List<SessionCommand.Send> sends = sendEach("k1", "k2");
        pass(settings().requestTimeout().toMillis() + 2000);
        client.send(keyed("k3", "k"));
        repeatedOneByOne(sends);
        assertThat(idsOf(next(SessionCommand.Send.class))).containsExactly("k3");
        expectNothingButHeartbeats();
    }

    /** On a slow disk the first answers are the ones that come. */
    @Test
    void theAnswersOfWhatIsLateAreTakenWhenTheyCome() {
        connect();
        List<SessionCommand.Send> sends = new ArrayList<>();
        List<CompletionStage<Receipt>> receipts = new ArrayList<>();
        for (String id : List.of("k1", "k2", "k3")) {
            receipts.add(client.send(keyed(id, "k")));
            sends.add(next(SessionCommand.Send.class));
        }
        pass(settings().requestTimeout().toMillis() + 2000);
        assertThat(next(SessionCommand.Send.class)).isEqualTo(sends.get(0));
        stored(sends.get(2));
        stored(sends.get(1));
        stored(sends.get(0));
        receipts.forEach(ClientSessionTest::join);
        withdrawn("k1");
        expectNothingButHeartbeats();
    }

    /** I3: what the node refused only for a message that is given up has forgotten that it has to go in order. */
    @Test
    void afterALossWhatWasSentBehindAMessageThatIsGivenUpIsRepeatedOneByOne() {
        connect();
        List<SessionCommand.Send> sends = sendEach("k1", "k2", "k3");
        answer(sends.get(0), message -> Refusal.of(Refusal.Code.DISK_FULL, "the disk is full"));
        withdrawn("k1");
        lose();
        open(session, true);
        repeatedOneByOne(sends.subList(1, 3));
        expectNothingButHeartbeats();
    }

    /** I8: the answer taken for the last copy's may be an earlier one's, and the last copy be refused. */
    @Test
    void whatIsStoredAfterOneOfItsCopiesWasRefusedIsWithdrawn() {
        connect();
        SessionCommand.Send first = sendEach("k1").get(0);
        pass(settings().requestTimeout().toMillis() + 2000);
        assertThat(next(SessionCommand.Send.class)).isEqualTo(first);
        answer(first, message -> busy(100)); // of the first copy; the second one is stored
        advance(150);
        assertThat(next(SessionCommand.Send.class)).isEqualTo(first);
        stored(first); // of the second copy; the third one is refused
        withdrawn("k1");
        expectNothingButHeartbeats();
    }

    /** I8: a node has taken the first one, its answer is lost; it has refused the second one and waits for it, and knows no order. */
    @Test
    void whatIsYoungerIsFreedWhenWhatMayBeStoredIsRefusedOnceMore() {
        connect();
        List<SessionCommand.Send> sends = sendEach("k1", "k2", "k3");
        answer(sends.get(1), message -> busy(200));
        lose();
        open(session, true);
        advance(300);
        assertThat(next(SessionCommand.Send.class)).isEqualTo(sends.get(0));
        freesYounger(sends);
    }

    /** I8: the same when the node does not know whether it was stored. */
    @Test
    void whatIsYoungerIsFreedWhenWhatHasNoKnownOutcomeIsRefused() {
        connect();
        List<SessionCommand.Send> sends = sendEach("k1", "k2", "k3");
        answer(sends.get(0), message -> Refusal.of(Refusal.Code.OUTCOME_UNKNOWN, "the disk fails"));
        answer(sends.get(1), message -> busy(200));
        answer(sends.get(2), message -> busy(1));
        pass(2000);
        assertThat(next(SessionCommand.Send.class)).isEqualTo(sends.get(0));
        freesYounger(sends);
    }

    /** I8: the same when the node has taken some of what is younger, and the rest of it waits for its turn. */
    @Test
    void theRestOfWhatIsYoungerIsFreedToo() {
        connect();
        List<SessionCommand.Send> sends = sendEach("k1");
        client.sendBatch(List.of(keyed("k2", "k"), keyed("l1", "l")));
        answer(next(SessionCommand.Send.class), message -> message.id().equals("l1") ? receipt(7) : busy(200));
        lose();
        open(session, true);
        advance(300);
        assertThat(next(SessionCommand.Send.class)).isEqualTo(sends.get(0));
        answer(sends.get(0), message -> busy(1));
        withdrawn("k2");
        advance(100);
        assertThat(next(SessionCommand.Send.class)).isEqualTo(sends.get(0));
        answer(sends.get(0), message -> receipt(1));
        withdrawn("k1");
        assertThat(idsOf(next(SessionCommand.Send.class))).containsExactly("k2");
    }

    /** The first one is under way again: it is refused twice, and said to be what comes first once. */
    private void freesYounger(List<SessionCommand.Send> sends) {
        answer(sends.get(0), message -> busy(1));
        withdrawn("k2", "k3");
        advance(100);
        assertThat(next(SessionCommand.Send.class)).isEqualTo(sends.get(0));
        answer(sends.get(0), message -> busy(1));
        advance(100);
        assertThat(next(SessionCommand.Send.class)).isEqualTo(sends.get(0));
        stored(sends.get(0));
    }

    /** I8: a node that has forgotten what had come says that it is lost; its answer may be on its way. */
    @Test
    void whatWasCalledLostIsWithdrawnWhenItIsStored() {
        connect();
        List<SessionCommand.Send> sends = sendEach("k1", "k2");
        refuseOutOfOrder(sends.get(1));
        assertThat(next(SessionCommand.Send.class)).isEqualTo(sends.get(0));
        stored(sends.get(0));
        withdrawn("k1");
        assertThat(next(SessionCommand.Send.class)).isEqualTo(after(sends.get(1), SessionCommand.Send.FIRST));
        stored(sends.get(1));
        expectNothingButHeartbeats();
    }

    @Test
    void whatHasNoKeyWaitsForNothingThatHasOne() {
        connect();
        answer(sendEach("k1").get(0), message -> busy(5000));
        client.send(keyed("k2", "k"));
        client.send(message("u"));
        assertThat(idsOf(next(SessionCommand.Send.class))).containsExactly("u");
        advance(5050);
        answer(next(SessionCommand.Send.class), message -> Refusal.of(Refusal.Code.DISK_FULL, "the disk is full"));
        next(SessionCommand.Withdraw.class);
        client.send(message("v"));
        assertThat(idsOf(next(SessionCommand.Send.class))).containsExactly("v");
        expectNothing();
    }

    @Test
    void moreThanMayBePendingIsRefusedAtOnce() {
        connect(new Changes(settings()).pendingBytes(2000));
        CompletionStage<Receipt> first = client.send(message("a"));
        List<CompletionStage<Receipt>> more = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            more.add(client.send(message("m" + i)));
        }
        assertThat(first.toCompletableFuture()).isNotDone();
        assertThatThrownBy(() -> join(more.get(49)))
                .isInstanceOfSatisfying(
                        ForebayException.class,
                        failure -> assertThat(failure.code()).isEqualTo(Refusal.Code.LIMIT))
                .hasMessageContaining("forebay.client.send.pending-bytes-max = 2000");
        assertThat(client.pendingBytes()).isLessThanOrEqualTo(2000);
    }

    @Test
    void aBodyOverTheNodesLimitIsRefusedWithoutBeingSent() {
        connect();
        CompletionStage<Receipt> large = client.send(Message.of("orders", new byte[10_001]));
        CompletionStage<Receipt> small = client.send(message("b"));
        SessionCommand.Send send = next(SessionCommand.Send.class);
        assertThat(idsOf(send)).containsExactly("b");
        stored(send);
        join(small);
        assertThatThrownBy(() -> join(large)).hasMessageContaining("10001 bytes, allowed is at most 10000");
    }

    // ---------------------------------------------------------------- losing the session

    @Test
    void afterALossEverythingUnansweredIsRepeatedWithItsIds() {
        connect();
        CompletionStage<Receipt> receipt = client.send(message("a"));
        SessionCommand.Send send = next(SessionCommand.Send.class);
        CompletionStage<List<Delivery>> popped = client.pop(PopRequest.of("orders", "billing", 5));
        SessionCommand.Pop pop = next(SessionCommand.Pop.class);
        CompletionStage<AckOutcome> acked = client.ack(delivery(7));
        SessionCommand.Ack ack = next(SessionCommand.Ack.class);
        TestProbe<SessionCommand> before = session;
        before.stop();
        session = kit.createTestProbe(SessionCommand.class);
        open(session, true);
        assertThat(next(SessionCommand.Send.class)).isEqualTo(send);
        assertThat(next(SessionCommand.Pop.class).requestId()).isEqualTo(pop.requestId());
        assertThat(next(SessionCommand.Ack.class)).isEqualTo(ack);
        stored(send);
        toClient.tell(new SessionEvent.Popped(pop.requestId(), List.of(delivery(8))));
        toClient.tell(SessionEvent.AckReply.allAcked(ack.requestId(), 1, Durability.WRITTEN));
        join(receipt);
        assertThat(join(popped)).containsExactly(delivery(8));
        assertThat(join(acked)).isEqualTo(AckOutcome.ACKED);
        assertThat(notices.stream().map(ClientNotice::getClass).toList())
                .isEqualTo(
                        List.of(ClientNotice.Connected.class, ClientNotice.Lost.class, ClientNotice.Connected.class));
    }

    @Test
    void afterALossWhatWasSentBehindARefusedMessageStaysBehindIt() {
        connect();
        client.send(keyed("k1", "k"));
        client.send(keyed("k2", "k"));
        SessionCommand.Send first = next(SessionCommand.Send.class);
        SessionCommand.Send second = next(SessionCommand.Send.class);
        answer(first, message -> busy(200));
        lose();
        open(session, false);
        advance(250);
        SessionCommand.Send again = next(SessionCommand.Send.class);
        assertThat(idsOf(again)).containsExactly("k1");
        expectNothing();
        stored(again);
        assertThat(next(SessionCommand.Send.class)).isEqualTo(after(second, SessionCommand.Send.FIRST));
    }

    @Test
    void whatIsGivenUpDuringALossIsWithdrawnWhenTheSessionIsResumed() {
        connect();
        CompletionStage<Receipt> refused = client.send(keyed("k1", "k"));
        answer(next(SessionCommand.Send.class), message -> busy(200));
        lose();
        advance(settings().sendTimeout().toMillis() + 1000);
        assertThatThrownBy(() -> join(refused)).isInstanceOf(ForebayException.class);
        open(session, true);
        withdrawn("k1");
    }

    /** The node may have refused what was under way, and then holds up its key until it hears that nobody repeats it. */
    @Test
    void whatIsGivenUpOfWhatWasUnderWayAtALossIsWithdrawn() {
        connect();
        client.send(keyed("k1", "k"));
        CompletionStage<Receipt> behind = client.send(keyed("l1", "l"));
        SessionCommand.Send first = next(SessionCommand.Send.class);
        next(SessionCommand.Send.class);
        answer(first, message -> busy(200));
        lose();
        open(session, true);
        lose();
        advance(settings().sendTimeout().toMillis() + 1000);
        assertThatThrownBy(() -> join(behind)).isInstanceOf(ForebayException.class);
        open(session, true);
        withdrawn("k1", "l1");
    }

    /** As above, with a message that nobody waited for any more before the loss. */
    @Test
    void whatWasGivenUpWhileUnderWayIsWithdrawnWithTheRestOfItsSend() {
        connect();
        List<SessionCommand.Send> before = new ArrayList<>();
        for (int i = 0; i < settings().sendPipeline(); i++) {
            client.send(keyed("m" + i, "m"));
            before.add(next(SessionCommand.Send.class));
        }
        long start = clock.get();
        CompletionStage<Receipt> given = client.send(keyed("k1", "k"));
        pass(5000);
        CompletionStage<Receipt> rest = client.send(keyed("l1", "l"));
        stored(before.get(0));
        assertThat(idsOf(next(SessionCommand.Send.class))).containsExactly("k1", "l1");
        before.subList(1, before.size()).forEach(this::stored);
        client.send(keyed("refused", "r"));
        answer(next(SessionCommand.Send.class), message -> busy(120_000));
        pass(start + settings().sendTimeout().toMillis() + 2000 - clock.get());
        assertThatThrownBy(() -> join(given)).isInstanceOf(ForebayException.class);
        assertThat(rest.toCompletableFuture()).isNotDone();
        lose();
        open(session, true);
        pass(6000);
        assertThatThrownBy(() -> join(rest)).isInstanceOf(ForebayException.class);
        assertThat(next(SessionCommand.Withdraw.class).messageIds()).containsExactlyInAnyOrder("k1", "l1", "refused");
    }

    /** Lets time pass while the node says no more than that it lives. */
    private void pass(long millis) {
        for (long passed = 0; passed < millis; passed += 1000) {
            advance(1000);
            answerHeartbeats();
        }
    }

    @Test
    void aLostAnswerThatNobodyWaitsForTakesUpNoRoom() {
        connect();
        List<CompletionStage<Receipt>> lost = new ArrayList<>();
        for (int i = 0; i < settings().sendPipeline(); i++) {
            lost.add(client.send(keyed("m" + i, "k")));
        }
        long until = clock.get() + 2 * settings().sendTimeout().toMillis();
        while (clock.get() < until) {
            advance(2000);
            toClient.tell(new SessionEvent.Heartbeat(0));
            for (SessionCommand said = nextOrNull(); said != null; said = nextOrNull()) {
                if (said instanceof SessionCommand.Withdraw withdraw) {
                    toClient.tell(new SessionEvent.Withdrawn(withdraw.requestId()));
                }
            }
        }
        lost.forEach(receipt -> assertThatThrownBy(() -> join(receipt)).isInstanceOf(ForebayException.class));
        CompletionStage<Receipt> later = client.send(keyed("later", "k"));
        SessionCommand next = session.receiveMessage();
        while (!(next instanceof SessionCommand.Send send && idsOf(send).contains("later"))) {
            next = session.receiveMessage();
        }
        stored((SessionCommand.Send) next);
        join(later);
    }

    @Test
    void anAckThatCameDuringALossIsRepeatedWhenItIsRefused() {
        connect();
        lose();
        CompletionStage<AckOutcome> expired = client.ack(delivery(1));
        advance(settings().ackTimeout().toMillis() + 1000);
        assertThatThrownBy(() -> join(expired)).isInstanceOf(ForebayException.class);
        CompletionStage<AckOutcome> acked = client.ack(delivery(2));
        open(session, true);
        SessionCommand.Ack ack = next(SessionCommand.Ack.class);
        toClient.tell(new SessionEvent.AckReply(ack.requestId(), List.of(busy(100)), Durability.WRITTEN));
        sync();
        advance(200);
        SessionCommand.Ack again = next(SessionCommand.Ack.class);
        toClient.tell(SessionEvent.AckReply.allAcked(again.requestId(), 1, Durability.WRITTEN));
        assertThat(join(acked)).isEqualTo(AckOutcome.ACKED);
    }

    private void lose() {
        TestProbe<SessionCommand> before = session;
        before.stop();
        session = kit.createTestProbe(SessionCommand.class);
        session.awaitAssert(() -> assertThat(notices).last().isInstanceOf(ClientNotice.Lost.class));
    }

    /** I2: what is only late is not lost, and what is repeated may be stored twice. */
    @Test
    void whoeverAskedTwiceAndIsAnsweredTwiceRepeatsNothing() {
        connect(settings());
        advance(settings().retryMin().toMillis() + 100);
        NodeProtocol.OpenSession first = entry.expectMessageClass(NodeProtocol.OpenSession.class);
        assertThat(entry.expectMessageClass(NodeProtocol.OpenSession.class)).isEqualTo(first);
        toClient = first.client();
        toClient.tell(new SessionEvent.Opened(session.getRef(), first.sessionId(), "node-1", LIMITS, false));
        sync();
        List<SessionCommand.Send> sends = sendEach("k1", "k2");
        CompletionStage<Receipt> unkeyed = client.send(message("a"));
        SessionCommand.Send third = next(SessionCommand.Send.class);
        client.pop(PopRequest.of("orders", "billing", 1));
        next(SessionCommand.Pop.class);
        toClient.tell(new SessionEvent.Opened(session.getRef(), first.sessionId(), "node-1", LIMITS, true));
        expectNothingButHeartbeats();
        stored(third);
        assertThat(join(unkeyed)).isEqualTo(receipt(third.requestId()));
        sends.forEach(this::stored);
        assertThat(notices).hasSize(1).first().isInstanceOf(ClientNotice.Connected.class);
    }

    @Test
    void whoeverIsAnsweredOnceMoreWhileItClosesSaysSoOnce() {
        connect();
        client.close();
        next(SessionCommand.Close.class);
        toClient.tell(new SessionEvent.Opened(session.getRef(), sessionId, "node-1", LIMITS, true));
        session.expectNoMessage(Duration.ofMillis(20));
    }

    /** Another session is another one whatever it was asked for: the one before has ended, and its end was not heard of. */
    @Test
    void whatWasUnderWayInASessionThatHasBeenReplacedIsRepeated() {
        connect();
        client.send(message("a"));
        SessionCommand.Send send = next(SessionCommand.Send.class);
        session = kit.createTestProbe(SessionCommand.class);
        toClient.tell(new SessionEvent.Opened(session.getRef(), sessionId, "node-1", LIMITS, false));
        sync();
        assertThat(session.receiveMessage()).isEqualTo(send);
    }

    @Test
    void aSessionThatWasLostBeginsAnewBeforeAnythingIsRepeated() {
        connect();
        client.send(message("a"));
        SessionCommand.Send send = next(SessionCommand.Send.class);
        toClient.tell(new SessionEvent.SessionClosed(sessionId, Refusal.of(Refusal.Code.TIMED_OUT, "no chunk came")));
        open(session, true);
        assertThat(session.receiveMessage()).isEqualTo(new SessionCommand.BeginAnew());
        assertThat(session.receiveMessage()).isEqualTo(send);
        expectNothing();
    }

    @Test
    void aNodeThatIsNotHeardOfIsLostAndLookedForAgain() {
        connect();
        for (int i = 1; i <= 3; i++) {
            advance(2000);
            SessionCommand.Heartbeat beat = session.expectMessageClass(SessionCommand.Heartbeat.class);
            assertThat(beat.number()).isEqualTo(i);
            toClient.tell(new SessionEvent.Heartbeat(beat.number()));
        }
        entry.expectNoMessage(Duration.ofMillis(20));
        advance(9100);
        open(session, false);
        assertThat(notices.stream().map(ClientNotice::text).toList())
                .anySatisfy(
                        text -> assertThat(text).contains("lost node node-1").contains("not heard of"));
    }

    @Test
    void aPauseOfThisProcessIsNoLoss() {
        connect();
        clock.addAndGet(60_000);
        ring();
        sync();
        assertThat(session.expectMessageClass(SessionCommand.Heartbeat.class)).isNotNull();
        entry.expectNoMessage(Duration.ofMillis(20));
    }

    @Test
    void noAnswerIsToldOnceWithWhatWasTried() {
        connect(settings());
        entry.expectMessageClass(NodeProtocol.OpenSession.class);
        advance(3000);
        assertThat(notices).hasSize(1);
        assertThat(notices.peek().text())
                .contains(entry.getRef().path().toString())
                .contains("for 3.0 s");
        advance(3000);
        assertThat(notices).hasSize(1);
        assertThat(entry.receiveSeveralMessages(2)).hasSize(2);
        CompletionStage<Receipt> receipt = client.send(message("a"));
        advance(settings().sendTimeout().toMillis() + 1000);
        assertThatThrownBy(() -> join(receipt))
                .isInstanceOfSatisfying(
                        ForebayException.class,
                        failure -> assertThat(failure.code()).isEqualTo(Refusal.Code.NO_NODE));
    }

    @Test
    void aNodeThatWillNeverOpenASessionFailsWhatWaits() {
        connect(settings());
        CompletionStage<Receipt> receipt = client.send(message("a"));
        NodeProtocol.OpenSession open = entry.expectMessageClass(NodeProtocol.OpenSession.class);
        sync();
        open.client()
                .tell(new SessionEvent.OpenRefused(
                        open.sessionId(),
                        Refusal.of(Refusal.Code.UNSUPPORTED, "protocol version 1 is not spoken here")));
        assertThatThrownBy(() -> join(receipt)).hasMessageContaining("version 1 is not spoken");
        assertThatThrownBy(() -> join(client.whenConnected())).hasMessageContaining("version 1 is not spoken");
    }

    @Test
    void anAnswerThatNeverComesIsAskedForAgain() {
        connect();
        client.send(message("a"));
        SessionCommand.Send send = next(SessionCommand.Send.class);
        for (int i = 0; i < 16; i++) {
            advance(2000);
            toClient.tell(new SessionEvent.Heartbeat(0));
        }
        assertThat(next(SessionCommand.Send.class)).isEqualTo(send);
    }

    @Test
    void whatTheNodeClosesIsOpenedAgain() {
        connect();
        toClient.tell(new SessionEvent.SessionClosed(
                sessionId, Refusal.of(Refusal.Code.SHUTTING_DOWN, "the node is stopping")));
        session = kit.createTestProbe(SessionCommand.class);
        open(session, false);
        assertThat(notices.stream().map(ClientNotice::text).toList())
                .anySatisfy(text -> assertThat(text).contains("the node is stopping"));
    }

    // ---------------------------------------------------------------- popping and settling

    @Test
    void aWaitLongerThanTheNodesIsAskedAgain() {
        connect();
        CompletionStage<List<Delivery>> popped =
                client.pop(PopRequest.of("orders", "billing", 5).withWaitMax(Duration.ofSeconds(50)));
        SessionCommand.Pop first = next(SessionCommand.Pop.class);
        assertThat(first.waitMillis()).isEqualTo(20_000);
        assertThat(first.invisibleMillis()).isEqualTo(30_000);
        for (int i = 0; i < 4; i++) {
            advance(5000);
            toClient.tell(new SessionEvent.Heartbeat(0));
        }
        toClient.tell(new SessionEvent.Popped(first.requestId(), List.of()));
        SessionCommand.Pop second = next(SessionCommand.Pop.class);
        assertThat(second.requestId()).isNotEqualTo(first.requestId());
        toClient.tell(new SessionEvent.Popped(second.requestId(), List.of(delivery(1))));
        assertThat(join(popped)).hasSize(1);
    }

    @Test
    void acksGatherAndAreSettledEachByItself() {
        connect();
        List<SessionCommand.Ack> underWay = new ArrayList<>();
        for (int i = 0; i < settings().ackPipeline(); i++) {
            client.ack(delivery(1000 + i));
            underWay.add(next(SessionCommand.Ack.class));
        }
        CompletionStage<AckOutcome> acked = client.ack(delivery(1));
        CompletionStage<AckOutcome> stale = client.ack(delivery(2));
        CompletionStage<AckOutcome> settled = client.ack(delivery(3));
        expectNothing();
        toClient.tell(SessionEvent.AckReply.allAcked(underWay.get(0).requestId(), 1, Durability.WRITTEN));
        SessionCommand.Ack batch = next(SessionCommand.Ack.class);
        assertThat(batch.handles())
                .containsExactly(
                        delivery(1).handle(), delivery(2).handle(), delivery(3).handle());
        toClient.tell(new SessionEvent.AckReply(
                batch.requestId(),
                List.of(
                        AckOutcome.ACKED,
                        Refusal.of(Refusal.Code.STALE_HANDLE, "it went out again"),
                        AckOutcome.ALREADY_SETTLED),
                Durability.WRITTEN));
        assertThat(join(acked)).isEqualTo(AckOutcome.ACKED);
        assertThatThrownBy(() -> join(stale)).hasMessageContaining("went out again");
        assertThat(join(settled)).isEqualTo(AckOutcome.ALREADY_SETTLED);
    }

    @Test
    void whatIsHeldIsExtendedAtHalfItsTimeUntilItIsSettled() {
        connect();
        pop(5, 3, 10_000);
        advance(4900);
        answerHeartbeats();
        advance(200);
        SessionCommand.ChangeInvisible extension = next(SessionCommand.ChangeInvisible.class);
        assertThat(extension.handles()).hasSize(3);
        assertThat(extension.nack()).isFalse();
        assertThat(extension.millis()).isEqualTo(10_000);
        toClient.tell(new SessionEvent.ChangeReply(
                extension.requestId(),
                List.of(
                        new io.forebay.protocol.Changed(1),
                        Refusal.of(Refusal.Code.STALE_HANDLE, "gone"),
                        new io.forebay.protocol.Changed(1))));
        client.ack(delivery(5));
        next(SessionCommand.Ack.class);
        advance(4900);
        answerHeartbeats();
        advance(200);
        SessionCommand.ChangeInvisible second = next(SessionCommand.ChangeInvisible.class);
        assertThat(second.handles()).containsExactly(delivery(7).handle());
    }

    @Test
    void whatIsDueSoonAfterOneAnotherIsExtendedInOneRequest() {
        connect();
        pop(10, 2, 10_000);
        advance(600);
        pop(20, 2, 10_000);
        advance(600);
        pop(30, 1, 10_000);
        for (int round = 0; round < 3; round++) {
            advance(2500);
            answerHeartbeats();
            advance(round == 0 ? 1300 : 2500);
            answerHeartbeats();
            SessionCommand.ChangeInvisible extension = next(SessionCommand.ChangeInvisible.class);
            assertThat(extension.handles().stream().map(ReceiptHandle::queueOffset))
                    .containsExactly(10L, 11L, 20L, 21L, 30L);
            toClient.tell(new SessionEvent.ChangeReply(
                    extension.requestId(), Collections.nCopies(5, new io.forebay.protocol.Changed(1))));
            expectNothingButHeartbeats();
        }
    }

    @Test
    void nothingIsExtendedBeyondMaxHold() {
        connect(new Changes(settings()).maxHold(Duration.ofSeconds(12)));
        open(session, false);
        pop(1, 1, 10_000);
        advance(5050);
        assertThat(next(SessionCommand.ChangeInvisible.class).millis()).isBetween(6900L, 7000L);
        answerHeartbeats();
        advance(5050);
        assertThat(next(SessionCommand.ChangeInvisible.class).millis()).isBetween(1800L, 2000L);
        for (int i = 0; i < 5; i++) {
            answerHeartbeats();
            advance(5000);
        }
        expectNothingButHeartbeats();
    }

    @Test
    void whoExtendsByHandIsLeftAlone() {
        connect();
        pop(1, 1, 10_000);
        client.extend("billing", delivery(1).handle(), Duration.ofHours(1));
        assertThat(next(SessionCommand.ChangeInvisible.class).millis()).isEqualTo(3_600_000);
        advance(5050);
        expectNothingButHeartbeats();
    }

    /** Pops {@code count} deliveries from that offset on. */
    private void pop(long offset, int count, long invisibleMillis) {
        CompletionStage<List<Delivery>> popped = client.pop(PopRequest.of("orders", "billing", count));
        SessionCommand.Pop pop = next(SessionCommand.Pop.class);
        List<Delivery> deliveries = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            deliveries.add(delivery(offset + i, invisibleMillis));
        }
        toClient.tell(new SessionEvent.Popped(pop.requestId(), deliveries));
        assertThat(join(popped)).hasSize(count);
    }

    private void answerHeartbeats() {
        toClient.tell(new SessionEvent.Heartbeat(0));
        sync();
    }

    @Test
    void nackAndGiveBackSayWhatTheyAre() {
        connect();
        pop(1, 3, 30_000);
        CompletionStage<?> nacked = client.nack(delivery(1), Duration.ofSeconds(3), "broke");
        SessionCommand.ChangeInvisible nack = next(SessionCommand.ChangeInvisible.class);
        assertThat(List.of(nack.nack(), nack.millis(), nack.reason(), nack.group()))
                .isEqualTo(List.of(true, 3000L, "broke", "billing"));
        toClient.tell(new SessionEvent.ChangeReply(nack.requestId(), List.of(new io.forebay.protocol.Changed(5))));
        assertThat(join(nacked)).isEqualTo(new io.forebay.protocol.Changed(5));
        CompletionStage<?> givenBack = client.giveBack(
                "billing", List.of(delivery(2).handle(), delivery(3).handle()));
        SessionCommand.GiveBack giveBack = next(SessionCommand.GiveBack.class);
        toClient.tell(new SessionEvent.GiveBackReply(
                giveBack.requestId(), Collections.nCopies(2, GiveBackOutcome.GIVEN_BACK)));
        assertThat(join(givenBack)).isEqualTo(List.of(GiveBackOutcome.GIVEN_BACK, GiveBackOutcome.GIVEN_BACK));
    }

    // ---------------------------------------------------------------- refused, but not for sure

    private static final Refusal UNKNOWN = Refusal.of(Refusal.Code.OUTCOME_UNKNOWN, "the stripe takes nothing");
    private static final Refusal READ_ONLY = Refusal.of(Refusal.Code.READ_ONLY, "the device fails");
    private static final Refusal STALE = Refusal.of(Refusal.Code.STALE_HANDLE, "it went out again");

    private void answerAck(SessionCommand.Ack ack, AckResult... results) {
        toClient.tell(new SessionEvent.AckReply(ack.requestId(), List.of(results), Durability.WRITTEN));
        sync();
    }

    private static void assertRefused(CompletionStage<?> stage, Refusal refusal) {
        assertThatThrownBy(() -> join(stage))
                .isInstanceOfSatisfying(
                        ForebayException.class,
                        failure -> assertThat(failure.refusal()).isEqualTo(refusal));
    }

    /** It failed, and the application hears that it may have happened, and what was said last. */
    private static void assertOutcomeOpen(CompletionStage<?> stage, Refusal last) {
        assertThatThrownBy(() -> join(stage))
                .isInstanceOfSatisfying(
                        ForebayException.class,
                        failure -> assertThat(failure.code()).isEqualTo(Refusal.Code.OUTCOME_UNKNOWN))
                .hasMessageContaining(last.code() + ": " + last.text());
    }

    /** I4: whoever is told that nothing was settled expects the message to come again, and it does not. */
    @Test
    void anAckIsNotSaidToBeRefusedWhenAnEarlierCopyMayHaveSettledIt() {
        connect();
        CompletionStage<AckOutcome> acked = client.ack(delivery(1));
        answerAck(next(SessionCommand.Ack.class), UNKNOWN);
        advance(150);
        answerAck(next(SessionCommand.Ack.class), busy(100)); // which is not forgotten for that
        advance(150);
        answerAck(next(SessionCommand.Ack.class), READ_ONLY);
        assertOutcomeOpen(acked, READ_ONLY);
    }

    @Test
    void onlyTheAckOfUnknownOutcomeIsNotSaidToBeRefused() {
        connect();
        CompletionStage<List<AckResult>> results = client.ackBatch(
                "billing",
                List.of(
                        delivery(1).handle(),
                        delivery(2).handle(),
                        delivery(3).handle(),
                        delivery(4).handle()),
                null);
        answerAck(next(SessionCommand.Ack.class), READ_ONLY, UNKNOWN, busy(50), UNKNOWN);
        advance(150);
        SessionCommand.Ack again = next(SessionCommand.Ack.class);
        assertThat(again.handles().stream().map(ReceiptHandle::queueOffset)).containsExactly(2L, 3L, 4L);
        answerAck(again, READ_ONLY, READ_ONLY, AckOutcome.ALREADY_SETTLED);
        assertThat(join(results)).element(0).isEqualTo(READ_ONLY);
        assertThat(((Refusal) join(results).get(1)).code()).isEqualTo(Refusal.Code.OUTCOME_UNKNOWN);
        assertThat(join(results)).element(2).isEqualTo(READ_ONLY);
        assertThat(join(results)).element(3).isEqualTo(AckOutcome.ALREADY_SETTLED);
    }

    /** I4: also when it is the line, or the node, that has taken the answer away. */
    @Test
    void anAckWhoseAnswerWasLostIsNotSaidToBeRefused() {
        connect();
        CompletionStage<AckOutcome> lost = client.ack(delivery(1));
        SessionCommand.Ack ack = next(SessionCommand.Ack.class);
        lose();
        open(session, false);
        assertThat(next(SessionCommand.Ack.class)).isEqualTo(ack);
        CompletionStage<AckOutcome> refused = client.ack(delivery(2));
        answerAck(next(SessionCommand.Ack.class), READ_ONLY);
        assertRefused(refused, READ_ONLY);
        toClient.tell(new SessionEvent.Refused(ack.requestId(), READ_ONLY));
        assertOutcomeOpen(lost, READ_ONLY);
    }

    /** I4: the answer that is taken may be the first copy's, and the second one be carried out after it. */
    @Test
    void anAckThatWasLateIsNotSaidToBeRefused() {
        connect();
        CompletionStage<AckOutcome> late = client.ack(delivery(1));
        SessionCommand.Ack ack = next(SessionCommand.Ack.class);
        pass(settings().requestTimeout().toMillis() + 1000);
        assertThat(next(SessionCommand.Ack.class)).isEqualTo(ack);
        answerAck(ack, READ_ONLY);
        assertOutcomeOpen(late, READ_ONLY);
    }

    private void answerSettling(SessionCommand.Request request, Refusal refusal) {
        long id = request.requestId();
        if (request instanceof SessionCommand.Ack) {
            toClient.tell(new SessionEvent.AckReply(id, List.of(refusal), Durability.WRITTEN));
        } else if (request instanceof SessionCommand.ChangeInvisible) {
            toClient.tell(new SessionEvent.ChangeReply(id, List.of(refusal)));
        } else if (request instanceof SessionCommand.GiveBack) {
            toClient.tell(new SessionEvent.GiveBackReply(id, List.of(refusal)));
        } else {
            throw new AssertionError(request);
        }
    }

    /** What is settled is answered so, whichever handle asks; what was nacked or given back has a stale handle for just that. */
    @Test
    void aStaleHandleIsToldToWhomeverItTellsTheWholeTruth() {
        connect();
        CompletionStage<?> acked = client.ack(delivery(1));
        CompletionStage<?> extended = client.extend("billing", delivery(2).handle(), Duration.ofSeconds(30));
        CompletionStage<?> nacked = client.nack(delivery(3), Duration.ofSeconds(3), "broke");
        CompletionStage<List<GiveBackResult>> givenBack =
                client.giveBack("billing", List.of(delivery(4).handle()));
        for (Refusal answer : List.of(UNKNOWN, STALE)) {
            for (int i = 0; i < 4; i++) {
                answerSettling(next(SessionCommand.Request.class), answer);
            }
            advance(150);
        }
        assertRefused(acked, STALE);
        assertRefused(extended, STALE);
        assertOutcomeOpen(nacked, STALE);
        assertThat(((Refusal) join(givenBack).get(0)).code()).isEqualTo(Refusal.Code.OUTCOME_UNKNOWN);
    }

    /** I1, I2: whoever is told that it was not stored sends it again, and it is there twice. */
    @Test
    void aSendIsNotSaidToBeRefusedWhenAnEarlierCopyMayBeStored() {
        connect();
        CompletionStage<List<SendResult>> results = client.sendBatch(List.of(message("a"), message("b"), message("c")));
        answer(next(SessionCommand.Send.class), message -> message.id().equals("b") ? UNKNOWN : busy(50));
        advance(150);
        answer(next(SessionCommand.Send.class), message -> busy(50));
        advance(150);
        answer(next(SessionCommand.Send.class), message -> message.id().equals("c") ? receipt(3) : READ_ONLY);
        assertThat(join(results)).element(0).isEqualTo(READ_ONLY);
        assertThat(((Refusal) join(results).get(1)).code()).isEqualTo(Refusal.Code.OUTCOME_UNKNOWN);
        assertThat(join(results)).element(2).isEqualTo(receipt(3));
    }

    /** I1, I2: the node may have stored them and died before it said so. */
    @Test
    void aSendWhoseAnswerWasLostIsNotSaidToBeRefused() {
        connect();
        CompletionStage<Receipt> unkeyed = client.send(message("u"));
        next(SessionCommand.Send.class);
        CompletionStage<Receipt> keyed = client.send(keyed("k", "k"));
        next(SessionCommand.Send.class);
        lose();
        open(session, false);
        for (int i = 0; i < 2; i++) {
            answer(next(SessionCommand.Send.class), message -> READ_ONLY);
        }
        assertOutcomeOpen(unkeyed, READ_ONLY);
        assertOutcomeOpen(keyed, READ_ONLY);
        withdrawn("k");
    }

    /** I1, I2: one node may have stored what another one refuses. */
    @Test
    void aSendThatGoesToAnotherNodeIsNotSaidToBeRefused() {
        connect();
        TestProbe<NodeProtocol.Request> otherEntry = kit.createTestProbe(NodeProtocol.Request.class);
        TestProbe<SessionCommand> other = kit.createTestProbe(SessionCommand.class);
        client.addLink(ClientSession.Place.of(otherEntry.getRef(), kit.system(), "advice"));
        NodeProtocol.OpenSession open = otherEntry.expectMessageClass(NodeProtocol.OpenSession.class);
        open.client().tell(new SessionEvent.Opened(other.getRef(), open.sessionId(), "node-2", LIMITS, false));
        List<CompletionStage<Receipt>> receipts = List.of(client.send(message("a")), client.send(message("b")));
        next(other, SessionCommand.Send.class);
        int lost = idsOf(next(SessionCommand.Send.class)).get(0).equals("a") ? 0 : 1;
        lose();
        for (long passed = 0; passed < settings().noAnswerAfter().toMillis() + 1000; passed += 500) {
            open.client().tell(new SessionEvent.Heartbeat(0));
            advance(500);
        }
        SessionCommand.Send rerouted = next(other, SessionCommand.Send.class);
        open.client().tell(new SessionEvent.SendReply(rerouted.requestId(), List.of(READ_ONLY)));
        assertOutcomeOpen(receipts.get(lost), READ_ONLY);
    }

    /** What never went to a node is not done, whatever ends the session; of what was under way nobody knows. */
    @Test
    void whatWasUnderWayIsNotSaidToBeRefusedByANodeThatOpensNoSessionAnyMore() {
        connect();
        CompletionStage<Receipt> sent = client.send(message("a"));
        next(SessionCommand.Send.class);
        CompletionStage<AckOutcome> acked = client.ack(delivery(1));
        next(SessionCommand.Ack.class);
        lose();
        CompletionStage<Receipt> waiting = client.send(message("b"));
        CompletionStage<AckOutcome> unsaid = client.ack(delivery(2));
        sync();
        NodeProtocol.OpenSession open = entry.expectMessageClass(NodeProtocol.OpenSession.class);
        Refusal refusal = Refusal.of(Refusal.Code.UNSUPPORTED, "protocol version 1 is not spoken here");
        open.client().tell(new SessionEvent.OpenRefused(open.sessionId(), refusal));
        assertOutcomeOpen(sent, refusal);
        assertOutcomeOpen(acked, refusal);
        assertRefused(waiting, refusal);
        assertRefused(unsaid, refusal);
    }

    @Test
    void waitingPopsLeaveRoomForAcks() {
        connect();
        for (int i = 0; i < 40; i++) {
            client.pop(PopRequest.of("orders", "billing", 1));
        }
        for (int i = 0; i < LIMITS.requestsInFlightMax() / 2; i++) {
            next(SessionCommand.Pop.class);
        }
        expectNothing();
        client.ack(delivery(1));
        next(SessionCommand.Ack.class);
    }

    // ---------------------------------------------------------------- the end

    @Test
    void closeWaitsForAnswersGivesBackAndEnds() {
        connect();
        pop(1, 2, 30_000);
        CompletionStage<Receipt> receipt = client.send(message("a"));
        SessionCommand.Send send = next(SessionCommand.Send.class);
        CompletionStage<List<Delivery>> waiting = client.pop(PopRequest.of("orders", "billing", 1));
        SessionCommand.Pop pop = next(SessionCommand.Pop.class);
        CompletionStage<Done> closed = client.close();
        SessionCommand.CancelPop cancel = next(SessionCommand.CancelPop.class);
        assertThat(cancel.popRequestId()).isEqualTo(pop.requestId());
        toClient.tell(new SessionEvent.Popped(pop.requestId(), List.of()));
        toClient.tell(new SessionEvent.PopCancelled(cancel.requestId(), true));
        assertThat(join(waiting)).isEmpty();
        session.expectNoMessage(Duration.ofMillis(20));
        stored(send);
        join(receipt);
        next(SessionCommand.Close.class);
        assertThat(closed.toCompletableFuture()).isNotDone();
        toClient.tell(new SessionEvent.SessionClosed(sessionId, Refusal.of(Refusal.Code.CLOSED, "as asked")));
        assertThat(join(closed)).isEqualTo(Done.done());
        assertThat(client.close()).isSameAs(closed);
        assertThatThrownBy(() -> join(client.send(message("b"))))
                .isInstanceOfSatisfying(
                        ForebayException.class,
                        failure -> assertThat(failure.code()).isEqualTo(Refusal.Code.CLOSED));
        assertThat(client.pendingBytes()).isZero();
    }

    @Test
    void detachSaysSo() {
        connect();
        pop(1, 2, 30_000);
        CompletionStage<Done> closed = client.detach();
        next(SessionCommand.Detach.class);
        toClient.tell(new SessionEvent.SessionClosed(sessionId, Refusal.of(Refusal.Code.CLOSED, "as asked")));
        join(closed);
    }

    @Test
    void closeEndsWithoutANode() {
        connect(settings());
        CompletionStage<Receipt> receipt = client.send(message("a"));
        sync();
        CompletionStage<Done> closed = client.close();
        // No sync(): the session ends within this time.
        for (long passed = 0; passed <= settings().closeTimeout().toMillis(); passed += 500) {
            clock.addAndGet(500);
            ring();
        }
        assertThatThrownBy(() -> join(receipt)).isInstanceOf(ForebayException.class);
        join(closed);
    }

    /** What one node did not answer has gone to another one: closing waits for nobody's answer. */
    @Test
    void closeDoesNotWaitForANodeThatIsGoneAndOwesNothing() {
        connect();
        TestProbe<NodeProtocol.Request> otherEntry = kit.createTestProbe(NodeProtocol.Request.class);
        TestProbe<SessionCommand> other = kit.createTestProbe(SessionCommand.class);
        client.addLink(ClientSession.Place.of(otherEntry.getRef(), kit.system(), "advice"));
        NodeProtocol.OpenSession open = otherEntry.expectMessageClass(NodeProtocol.OpenSession.class);
        open.client().tell(new SessionEvent.Opened(other.getRef(), open.sessionId(), "node-2", LIMITS, false));
        sync();
        List<CompletionStage<Receipt>> receipts = List.of(client.send(message("a")), client.send(message("b")));
        SessionCommand.Send lost = next(SessionCommand.Send.class);
        SessionCommand.Send answered = next(other, SessionCommand.Send.class);
        open.client().tell(new SessionEvent.SendReply(answered.requestId(), List.of(receipt(0))));
        session.stop();
        kit.createTestProbe().expectTerminated(session.getRef());
        advance(settings().noAnswerAfter().toMillis() + 1000);
        SessionCommand.Send moved = next(other, SessionCommand.Send.class);
        assertThat(idsOf(moved)).isEqualTo(idsOf(lost));
        open.client().tell(new SessionEvent.SendReply(moved.requestId(), List.of(receipt(1))));
        receipts.forEach(ClientSessionTest::join);
        CompletionStage<Done> closed = client.close();
        next(other, SessionCommand.Close.class);
        open.client()
                .tell(new SessionEvent.SessionClosed(open.sessionId(), Refusal.of(Refusal.Code.CLOSED, "as asked")));
        long waitedMillis = settings().closeTimeout().toMillis() / 4;
        for (long passed = 0; passed < waitedMillis; passed += 500) {
            clock.addAndGet(500);
            ring();
        }
        join(closed);
        assertThat(client.pendingBytes()).isZero();
    }

    /** With its session the node forgets what it holds up. */
    @Test
    void closeDoesNotWaitUntilANodeThatIsGoneHasHeardWhatIsGivenUp() {
        connect();
        refuseForGood("a");
        next(SessionCommand.Withdraw.class);
        lose();
        CompletionStage<Done> closed = client.close();
        for (long passed = 0; passed < settings().closeTimeout().toMillis() / 4; passed += 500) {
            clock.addAndGet(500);
            ring();
        }
        join(closed);
    }

    @Test
    void aNodeThatIsFoundWhileTheClientClosesIsNotKept() {
        connect();
        CompletionStage<Done> closed = client.close();
        ActorRef<ClientSession.Message> late =
                client.addLink(ClientSession.Place.of(entry.getRef(), kit.system(), "advice"));
        session.expectTerminated(late);
        next(SessionCommand.Close.class);
        toClient.tell(
                new SessionEvent.SessionClosed(sessionId, Refusal.of(Refusal.Code.CLOSED, "as the client asked")));
        join(closed);
    }

    @Test
    void theActorSystemsEndLeavesNobodyWaiting() {
        ActorTestKit shared = kit;
        startKit();
        try {
            start();
            connect();
            CompletionStage<Receipt> receipt = client.send(message("a"));
            next(SessionCommand.Send.class);
            kit.system().terminate();
            join(kit.system().getWhenTerminated());
            assertThatThrownBy(() -> join(receipt))
                    .isInstanceOfSatisfying(
                            ForebayException.class,
                            failure -> assertThat(failure.code().isOutcomeOpen())
                                    .as("it may have been stored")
                                    .isTrue());
            assertThatThrownBy(() -> join(client.send(message("b")))).isInstanceOf(ForebayException.class);
            assertThat(client.pendingBytes()).isZero();
        } finally {
            kit = shared;
        }
    }

    /** Settings that differ. */
    private record Changes(ClientSettings of) {
        ClientSettings pendingBytes(long bytes) {
            return with(bytes, of.maxHold());
        }

        ClientSettings maxHold(Duration value) {
            return with(of.sendPendingBytesMax(), value);
        }

        private ClientSettings with(long pendingBytes, Duration maxHold) {
            return new ClientSettings(
                    of.name(),
                    of.bornHost(),
                    of.noAnswerAfter(),
                    of.retryMin(),
                    of.retryMax(),
                    of.requestTimeout(),
                    of.sendBatchCountMax(),
                    of.sendBatchBytesMax(),
                    of.sendPipeline(),
                    pendingBytes,
                    of.sendTimeout(),
                    of.sendDeduplicated(),
                    of.ackBatchCountMax(),
                    of.ackPipeline(),
                    of.ackTimeout(),
                    of.adminTimeout(),
                    of.popInvisible(),
                    of.popWait(),
                    maxHold,
                    of.closeTimeout(),
                    of.streamPrefetch(),
                    of.streamParallelism());
        }
    }
}
