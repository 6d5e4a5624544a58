package io.forebay.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestInbox;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.queue.Queue;
import io.forebay.queue.QueueReply;
import io.forebay.queue.core.Policies;
import io.forebay.topic.DirectoryForTests;
import io.forebay.topic.Registry;
import io.forebay.topic.RegistryReply;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Invariants: a Send is answered once, with the results in the order of its messages; what is refused here holds up its keys at
 * their queue; nothing that waits for its topic is overtaken.
 */
class SendRequestsTest {
    private static final Refusal NO = Refusal.of(Refusal.Code.OUTCOME_UNKNOWN, "stopped");
    private static final Refusal LATER = Refusal.busy("later", 50);

    private final SessionBench bench = new SessionBench();
    private final UnansweredRequests unanswered = new UnansweredRequests(bench);
    private final SendRequests sends = new SendRequests(bench, unanswered);
    private final TestInbox<Queue.Command> zero = TestInbox.create("zero");
    private final TestInbox<Queue.Command> one = TestInbox.create("one");

    @BeforeEach
    void putTopic() {
        putTopic("t");
    }

    private void putTopic(String name) {
        DirectoryForTests.putTopic(bench.directory, name, List.of(zero.getRef(), one.getRef()));
    }

    private static Message message(String topic, String id) {
        return Message.builder(topic).id(id).body(new byte[10]).build();
    }

    private static Message keyed(String topic, String key, String id) {
        return Message.builder(topic)
                .id(id)
                .messageGroup(key)
                .body(new byte[10])
                .build();
    }

    /** A key of that queue. */
    private static String keyOf(int queue) {
        for (int i = 0; ; i++) {
            if (QueueTurns.queueOfKey("k" + i, 2) == queue) {
                return "k" + i;
            }
        }
    }

    private void send(long requestId, Message... messages) {
        sends.onSend(
                new SessionCommand.Send(requestId, messages[0].topic(), -1, List.of(messages), Durability.WRITTEN));
    }

    private static Queue.Enqueue enqueued(TestInbox<Queue.Command> queue) {
        return (Queue.Enqueue) queue.receiveMessage();
    }

    private static Queue.Refused refused(TestInbox<Queue.Command> queue) {
        return (Queue.Refused) queue.receiveMessage();
    }

    private void withdraw(String topic, String... ids) {
        sends.onWithdraw(new SessionCommand.Withdraw(9, topic, List.of(ids)));
        assertThat(bench.told(SessionEvent.Withdrawn.class).requestId()).isEqualTo(9);
    }

    /** What the queues have been told of since they were last looked at: by key, the id of its message. */
    private Map<String, String> heldUp() {
        Map<String, String> heldUp = new HashMap<>();
        for (TestInbox<Queue.Command> queue : List.of(zero, one)) {
            for (Queue.Command told : queue.getAllReceived()) {
                if (told instanceof Queue.Refused refused) {
                    heldUp.putAll(refused.firstIds());
                }
            }
        }
        return heldUp;
    }

    private static List<String> ids(Queue.Enqueue enqueue) {
        return enqueue.messages().stream().map(Message::id).toList();
    }

    private void answer(Queue.Enqueue enqueue, SendResult... results) {
        sends.onEnqueued(new QueueReply.Enqueued(enqueue.token(), new ArrayList<>(Arrays.asList(results))));
    }

    private long asked() {
        return ((Registry.EnsureTopic) bench.registry.receiveMessage()).token();
    }

    private static Refusal result(String name) {
        return Refusal.of(Refusal.Code.FAILED, name);
    }

    @Test
    void whatHasNoKeyGoesToOneQueueWhole() {
        send(1, message("t", "a"), message("t", "b"));
        TestInbox<Queue.Command> first = zero.hasMessages() ? zero : one;
        Queue.Enqueue enqueue = enqueued(first);
        assertThat(ids(enqueue)).containsExactly("a", "b");
        assertThat(enqueue.sessionId()).isEqualTo(SessionBench.SESSION);
        assertThat(bench.watched).contains(first.getRef());
        assertThat(bench.bytesHeld.bytes()).isEqualTo(2 * 210);
        answer(enqueue, result("a"), result("b"));
        assertThat(bench.told(SessionEvent.SendReply.class).results()).containsExactly(result("a"), result("b"));
        assertThat(bench.bytesHeld.bytes()).isZero();
        answer(enqueue, result("a"), result("b"));
        assertThat(bench.isAnythingTold()).as("answered once").isFalse();
        send(2, message("t", "c"));
        assertThat((first == zero ? one : zero).hasMessages())
                .as("the next queue's turn")
                .isTrue();
    }

    @Test
    void theResultsComeInTheOrderOfTheMessagesWhicheverQueueAnswersFirst() {
        send(
                1,
                keyed("t", keyOf(0), "a"),
                keyed("t", keyOf(1), "b"),
                keyed("other", keyOf(0), "c"),
                keyed("t", keyOf(0), "d"));
        Queue.Enqueue atZero = enqueued(zero);
        Queue.Enqueue atOne = enqueued(one);
        assertThat(ids(atZero)).containsExactly("a", "d");
        assertThat(ids(atOne)).containsExactly("b");
        answer(atOne, result("b"));
        assertThat(bench.isAnythingTold()).isFalse();
        answer(atZero, result("a"), result("d"));
        List<SendResult> results = bench.told(SessionEvent.SendReply.class).results();
        assertThat(results).hasSize(4);
        assertThat(results.get(0)).isEqualTo(result("a"));
        assertThat(results.get(1)).isEqualTo(result("b"));
        assertThat(((Refusal) results.get(2)).code()).as("of another topic").isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
        assertThat(results.get(3)).isEqualTo(result("d"));
    }

    @Test
    void whatAQueueTookAlongIsAnsweredForIt() {
        send(1, keyed("t", keyOf(0), "a"), keyed("t", keyOf(1), "b"));
        answer(enqueued(zero), result("a"));
        sends.onTargetGone(zero.getRef(), NO);
        assertThat(bench.isAnythingTold()).isFalse();
        sends.onTargetGone(one.getRef(), NO);
        assertThat(bench.told(SessionEvent.SendReply.class).results()).containsExactly(result("a"), NO);
        sends.onEnd();
        one.receiveMessage();
        assertThat(zero.hasMessages()).as("nobody is there to be told").isFalse();
        assertThat(one.hasMessages()).isFalse();
    }

    @Test
    void aQueueThatIsNotServedIsRefusedAndTheOthersAreTold() {
        DirectoryForTests.putTopic(bench.directory, "t", Arrays.asList(null, one.getRef()));
        send(1, keyed("t", keyOf(0), "a"), keyed("t", keyOf(1), "b"));
        answer(enqueued(one), result("b"));
        List<SendResult> results = bench.told(SessionEvent.SendReply.class).results();
        assertThat(((Refusal) results.get(0)).code()).isEqualTo(Refusal.Code.FAILED);
        assertThat(results.get(1)).isEqualTo(result("b"));
    }

    @Test
    void whatIsRefusedHereHoldsUpItsKeysAtTheirQueues() {
        bench.refusal = LATER;
        send(1, keyed("t", keyOf(0), "a"), keyed("t", keyOf(0), "b"), keyed("t", keyOf(1), "c"), message("t", "d"));
        assertThat(bench.told(SessionEvent.Refused.class).requestId()).isEqualTo(1);
        assertThat(refused(zero).firstIds()).isEqualTo(Map.of(keyOf(0), "a"));
        assertThat(refused(one).firstIds()).isEqualTo(Map.of(keyOf(1), "c"));
        sends.onWithdraw(new SessionCommand.Withdraw(9, "t", List.of("a")));
        assertThat(bench.told(SessionEvent.Withdrawn.class).requestId()).isEqualTo(9);
        assertThat(zero.receiveMessage()).isEqualTo(new Queue.Withdraw(SessionBench.SESSION, List.of("a")));
        sends.onEnd();
        assertThat(zero.getAllReceived()).contains(new Queue.SessionEnded(SessionBench.SESSION));
    }

    @Test
    void whatIsRefusedForGoodOrAtTheEndHoldsUpNothing() {
        sends.onSend(new SessionCommand.Send(1, "b ad", -1, List.of(keyed("t", "k", "a")), Durability.WRITTEN));
        assertThat(bench.told(SessionEvent.Refused.class).requestId()).isEqualTo(1);
        bench.refusal = LATER;
        bench.isEnding = true;
        send(2, keyed("t", "k", "a"));
        assertThat(zero.hasMessages() || one.hasMessages() || bench.registry.hasMessages())
                .isFalse();
    }

    @Test
    void whatWaitsForItsTopicIsNotOvertaken() {
        send(1, keyed("new", keyOf(0), "a"));
        long token = asked();
        bench.refusal = LATER;
        send(2, keyed("new", keyOf(0), "b"));
        bench.refusal = null;
        putTopic("new");
        send(3, keyed("new", keyOf(0), "c"));
        assertThat(bench.registry.hasMessages()).as("asked once").isFalse();
        assertThat(zero.hasMessages()).isFalse();
        assertThat(sends.onEnsured(new RegistryReply.Ensured(token + 100, null)))
                .isFalse();
        assertThat(sends.onEnsured(new RegistryReply.Ensured(token, null))).isTrue();
        assertThat(ids(enqueued(zero))).containsExactly("a");
        assertThat(refused(zero).firstIds()).isEqualTo(Map.of(keyOf(0), "b"));
        assertThat(ids(enqueued(zero))).containsExactly("c");
    }

    @Test
    void aTopicThatCannotBeMadeForNowHoldsUpWhatWaitedUntilItIsThere() {
        send(1, keyed("new", keyOf(0), "a"));
        send(2, keyed("new", keyOf(0), "b"), keyed("new", keyOf(1), "c"));
        sends.onEnsured(new RegistryReply.Ensured(asked(), LATER));
        assertThat(bench.told(SessionEvent.Refused.class).requestId()).isEqualTo(1);
        assertThat(bench.told(SessionEvent.Refused.class).requestId()).isEqualTo(2);
        sends.onWithdraw(new SessionCommand.Withdraw(9, "new", List.of("c")));
        putTopic("new");
        send(3, keyed("new", keyOf(0), "d"));
        assertThat(refused(zero).firstIds()).isEqualTo(Map.of(keyOf(0), "a"));
        assertThat(ids(enqueued(zero))).containsExactly("d");
        assertThat(one.hasMessages()).isFalse();
    }

    @Test
    void whatIsGivenUpWhileItsTopicIsBeingMadeHoldsNothingUp() {
        send(1, message("new", "a"));
        long token = asked();
        bench.refusal = LATER;
        send(2, keyed("new", keyOf(0), "b"), keyed("new", keyOf(1), "c"));
        bench.refusal = null;
        sends.onWithdraw(new SessionCommand.Withdraw(9, "new", List.of("b")));
        putTopic("new");
        sends.onEnsured(new RegistryReply.Ensured(token, null));
        assertThat(heldUp()).isEqualTo(Map.of(keyOf(1), "c"));
    }

    /** Nobody sends it again, so nothing would ever free its key. */
    @Test
    void whatWasTakenAndGivenUpHoldsNothingUpWhenItsTopicCannotBeMadeForNow() {
        send(1, keyed("new", keyOf(0), "a"), keyed("new", keyOf(0), "b"), keyed("new", keyOf(1), "c"));
        withdraw("new", "a");
        sends.onEnsured(new RegistryReply.Ensured(asked(), LATER));
        putTopic("new");
        send(2, keyed("new", keyOf(0), "d"));
        assertThat(heldUp()).isEqualTo(Map.of(keyOf(0), "b", keyOf(1), "c"));
    }

    @Test
    void whatWasTakenAndGivenUpHoldsNothingUpWhenItsTopicTakesNoMore() {
        send(1, IntStream.range(0, 50).mapToObj(i -> message("new", "m" + i)).toArray(Message[]::new));
        send(2, keyed("new", keyOf(0), "a"), keyed("new", keyOf(1), "c"));
        withdraw("new", "a");
        DirectoryForTests.putTopic(
                bench.directory,
                "new",
                List.of(zero.getRef(), one.getRef()),
                Policies.topic(fields -> fields.ratePerSecond = 1));
        sends.onEnsured(new RegistryReply.Ensured(asked(), null));
        assertThat(bench.told(SessionEvent.Refused.class).requestId()).isEqualTo(2);
        assertThat(heldUp()).isEqualTo(Map.of(keyOf(1), "c"));
    }

    /**
     * Its queue may refuse it, too. But what was sent behind it before it was given up must not be let pass: a message between
     * them, refused for it, would be overtaken.
     */
    @Test
    void thatWhatWasTakenIsGivenUpIsToldInItsPlace() {
        send(1, keyed("new", keyOf(0), "a"), keyed("new", keyOf(0), "b"));
        send(2, keyed("new", keyOf(0), "c"));
        withdraw("new", "a", "unknown");
        send(3, keyed("new", keyOf(0), "a"));
        withdraw("new", "unknown");
        putTopic("new");
        sends.onEnsured(new RegistryReply.Ensured(asked(), null));
        assertThat(ids(enqueued(zero))).containsExactly("a", "b");
        assertThat(ids(enqueued(zero))).containsExactly("c");
        assertThat(zero.receiveMessage()).isEqualTo(new Queue.Withdraw(SessionBench.SESSION, List.of("a")));
        assertThat(ids(enqueued(zero))).containsExactly("a");
        assertThat(zero.hasMessages() || one.hasMessages()).isFalse();
    }

    @Test
    void whatIsSentAgainAfterItWasGivenUpHoldsUpItsKey() {
        send(1, keyed("new", keyOf(0), "a"));
        withdraw("new", "a");
        send(2, keyed("new", keyOf(0), "a"));
        sends.onEnsured(new RegistryReply.Ensured(asked(), LATER));
        putTopic("new");
        send(3, keyed("new", keyOf(0), "b"));
        assertThat(heldUp()).isEqualTo(Map.of(keyOf(0), "a"));
    }

    @Test
    void whatIsRefusedMakesNoTopic() {
        bench.refusal = LATER;
        send(1, keyed("new", keyOf(0), "a"), keyed("new", keyOf(1), "c"));
        send(2, keyed("new", keyOf(0), "b"));
        assertThat(bench.registry.hasMessages()).isFalse();
        assertThat(bench.told(SessionEvent.Refused.class).requestId()).isEqualTo(1);
        assertThat(bench.told(SessionEvent.Refused.class).requestId()).isEqualTo(2);
        withdraw("new", "c");
        bench.refusal = null;
        send(3, keyed("new", keyOf(0), "d"));
        putTopic("new");
        sends.onEnsured(new RegistryReply.Ensured(asked(), null));
        assertThat(refused(zero).firstIds()).isEqualTo(Map.of(keyOf(0), "a"));
        assertThat(ids(enqueued(zero))).containsExactly("d");
        assertThat(zero.hasMessages() || one.hasMessages()).isFalse();
    }

    @Test
    void whatIsRefusedWhileItsTopicIsBeingMadeIsToldInItsPlace() {
        send(1, keyed("new", keyOf(0), "a"));
        bench.refusal = LATER;
        send(2, keyed("new", keyOf(0), "b"));
        send(3, keyed("new", keyOf(0), "c"), keyed("new", keyOf(1), "d"));
        bench.refusal = null;
        send(4, keyed("new", keyOf(0), "e"));
        bench.refusal = LATER;
        send(5, keyed("new", keyOf(0), "f"));
        putTopic("new");
        sends.onEnsured(new RegistryReply.Ensured(asked(), null));
        assertThat(ids(enqueued(zero))).containsExactly("a");
        assertThat(refused(zero).firstIds()).as("all of them at once").isEqualTo(Map.of(keyOf(0), "b"));
        assertThat(ids(enqueued(zero))).containsExactly("e");
        assertThat(refused(zero).firstIds()).isEqualTo(Map.of(keyOf(0), "f"));
        assertThat(refused(one).firstIds()).isEqualTo(Map.of(keyOf(1), "d"));
        assertThat(zero.hasMessages() || one.hasMessages()).isFalse();
    }

    @Test
    void whatIsRefusedWhileItsTopicIsBeingMadeIsBounded() {
        send(1, keyed("new", keyOf(0), "a"));
        bench.refusal = LATER;
        for (int i = 0; i < 17; i++) {
            int first = i << 12;
            send(
                    2,
                    IntStream.range(first, first + (1 << 12))
                            .mapToObj(k -> keyed("new", "key" + k, "m" + k))
                            .toArray(Message[]::new));
        }
        putTopic("new");
        sends.onEnsured(new RegistryReply.Ensured(asked(), null));
        assertThat(heldUp().size()).isLessThanOrEqualTo(1 << 16);
    }

    @Test
    void aTopicThatMayNotBeMadeIsRefused() {
        send(1, message("new", "a"));
        sends.onEnsured(new RegistryReply.Ensured(asked(), null));
        assertThat(bench.told(SessionEvent.Refused.class).refusal().code()).isEqualTo(Refusal.Code.UNKNOWN_TOPIC);
        send(2, message("new", "a"));
        asked();
        sends.onRegistryGone(NO);
        assertThat(bench.told(SessionEvent.Refused.class).refusal()).isEqualTo(NO);
        assertThat(unanswered.count()).isZero();
        assertThat(bench.bytesHeld.bytes()).isZero();
    }

    private void send(long requestId, long after, Message message) {
        sends.onSend(
                new SessionCommand.Send(requestId, message.topic(), -1, List.of(message), Durability.WRITTEN, after));
    }

    private void assertOutOfOrder(long requestId) {
        SessionEvent.Refused refused = bench.told(SessionEvent.Refused.class);
        assertThat(refused.requestId()).isEqualTo(requestId);
        assertThat(refused.refusal().code()).isEqualTo(Refusal.Code.OUT_OF_ORDER);
        assertThat(refused.refusal().isTransient()).isTrue();
    }

    /** I3: over a line that loses Sends. */
    @Test
    void whatWasSentBehindALostSendIsRefusedUntilThatHasCome() {
        send(2, 1, keyed("t", keyOf(0), "b"));
        assertOutOfOrder(2);
        send(3, 2, keyed("t", keyOf(0), "c"));
        assertOutOfOrder(3);
        send(4, message("t", "no key"));
        assertThat(zero.getAllReceived().size() + one.getAllReceived().size()).isEqualTo(1);
        send(1, SessionCommand.Send.FIRST, keyed("t", keyOf(0), "a"));
        send(3, 2, keyed("t", keyOf(0), "c"));
        assertOutOfOrder(3);
        send(2, 1, keyed("t", keyOf(0), "b"));
        send(3, 2, keyed("t", keyOf(0), "c"));
        assertThat(ids(enqueued(zero))).containsExactly("a");
        assertThat(ids(enqueued(zero))).containsExactly("b");
        assertThat(ids(enqueued(zero))).containsExactly("c");
        assertThat(bench.isAnythingTold()).isFalse();
    }

    /** What holds up its keys has come: those behind it are refused by key. */
    @Test
    void whatWasRefusedHereHasCome() {
        bench.refusal = LATER;
        send(1, SessionCommand.Send.FIRST, keyed("t", keyOf(0), "a"));
        bench.refusal = null;
        assertThat(bench.told(SessionEvent.Refused.class).refusal()).isEqualTo(LATER);
        send(2, 1, keyed("t", keyOf(0), "b"));
        assertThat(refused(zero).firstIds()).isEqualTo(Map.of(keyOf(0), "a"));
        assertThat(ids(enqueued(zero))).containsExactly("b");
    }

    @Test
    void aSendOfNothingIsAnswered() {
        sends.onSend(new SessionCommand.Send(1, "t", -1, List.of(), Durability.WRITTEN));
        assertThat(bench.told(SessionEvent.SendReply.class).results()).isEmpty();
        sends.onSend(new SessionCommand.Send(2, "t", 2, List.of(message("t", "a")), Durability.WRITTEN));
        assertThat(bench.told(SessionEvent.Refused.class).refusal().code()).isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
        sends.onSend(new SessionCommand.Send(3, "t", 1, List.of(message("t", "a")), Durability.WRITTEN));
        assertThat(ids(enqueued(one))).containsExactly("a");
    }
}
