package io.forebay.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import com.typesafe.config.ConfigFactory;
import io.forebay.config.ForebaySettings;
import io.forebay.deadletter.DeadLetterDesk;
import io.forebay.look.LookDesk;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackOutcome;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.Message;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.protocol.SubscriptionProgress;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.Queue;
import io.forebay.queue.QueueReply;
import io.forebay.queue.core.Deduplication;
import io.forebay.queue.core.Policies;
import io.forebay.queue.core.SendKey;
import io.forebay.store.LogClock;
import io.forebay.support.PatientTestKits;
import io.forebay.topic.DirectoryForTests;
import io.forebay.topic.Dispatcher;
import io.forebay.topic.Registry;
import io.forebay.topic.RegistryReply;
import io.forebay.topic.TopicDirectory;
import java.time.InstantSource;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A session between a client and queues that do what the test says. */
class SessionTest {
    private static final int NODE = 5;
    private static final SessionLimits LIMITS = new SessionLimits(
            262_144, 10_000, 100, 1 << 20, 512, 1 << 20, 1000, 3_600_000, 20_000, 32, 1 << 20, 1 << 20, 4, 1000, 2000,
            9000);
    private static ActorTestKit kit;

    private final TopicDirectory directory = new TopicDirectory();
    private final BytesHeld bytesHeld = new BytesHeld(500);
    private final WaitingPops waitingPops = new WaitingPops(3);
    private TestProbe<SessionEvent> client;
    private TestProbe<Queue.Command> queue;
    private TestProbe<GroupQueue.Command> firstGroup;
    private TestProbe<GroupQueue.Command> secondGroup;
    private TestProbe<Dispatcher.Command> dispatcher;
    private TestProbe<Registry.Command> registry;
    private TestProbe<LookDesk.Command> lookDesk;
    private ActorRef<Object> session;
    private volatile LongSupplier nanoTime = System::nanoTime;

    @BeforeAll
    static void startKit() {
        kit = PatientTestKits.create(ConfigFactory.parseString("akka.loglevel = OFF, akka.log-dead-letters = off")
                .withFallback(ConfigFactory.load()));
    }

    @AfterAll
    static void stopKit() {
        kit.shutdownTestKit();
    }

    @BeforeEach
    void open() {
        client = kit.createTestProbe(SessionEvent.class);
        queue = kit.createTestProbe(Queue.Command.class);
        firstGroup = kit.createTestProbe(GroupQueue.Command.class);
        secondGroup = kit.createTestProbe(GroupQueue.Command.class);
        dispatcher = kit.createTestProbe(Dispatcher.Command.class);
        registry = kit.createTestProbe(Registry.Command.class);
        lookDesk = kit.createTestProbe(LookDesk.Command.class);
        DirectoryForTests.putTopic(directory, "t", List.of(queue.getRef()));
        DirectoryForTests.putGroup(directory, "t", "g", dispatcher.getRef());
        DirectoryForTests.putGroupQueue(directory, "t", "g", 1, firstGroup.getRef());
        DirectoryForTests.putGroupQueue(directory, "t", "g", 2, secondGroup.getRef());
        session = kit.spawn(Session.create(
                new Session.Environment(
                        ForebaySettings.from(kit.system().settings().config()),
                        LIMITS,
                        NODE,
                        new LogClock(InstantSource.system(), () -> nanoTime.getAsLong()),
                        directory,
                        registry.getRef(),
                        lookDesk.getRef(),
                        kit.createTestProbe(DeadLetterDesk.Command.class).getRef(),
                        bytesHeld,
                        waitingPops,
                        new RefusalCounts(),
                        ref -> true),
                77,
                "test",
                262_144,
                client.getRef(),
                List.of()));
        client.expectMessageClass(SessionEvent.Opened.class);
    }

    @AfterEach
    void close() {
        kit.stop(session);
    }

    private static ReceiptHandle handle(int queueId, long offset) {
        return new ReceiptHandle(NODE, 0, queueId, 1, offset, 1, 1, 99);
    }

    private static Message keyed(String id, int bodyBytes) {
        return Message.builder("t")
                .id(id)
                .messageGroup("k")
                .body(new byte[bodyBytes])
                .build();
    }

    private static SessionCommand.Send send(long requestId, Message... messages) {
        return new SessionCommand.Send(requestId, "t", -1, List.of(messages), Durability.WRITTEN);
    }

    @Test
    void anAckWhoseSecondQueueStopsWithoutAWordIsAnsweredForBoth() {
        session.tell(new SessionCommand.Ack(1, "g", List.of(handle(1, 10), handle(2, 20)), Durability.WRITTEN));
        GroupQueue.Ack first = firstGroup.expectMessageClass(GroupQueue.Ack.class);
        secondGroup.expectMessageClass(GroupQueue.Ack.class);
        first.replyTo().tell(new QueueReply.Acked(first.token(), null, first.level()));
        secondGroup.stop();
        SessionEvent.AckReply reply = client.expectMessageClass(SessionEvent.AckReply.class);
        assertThat(reply.results().get(0)).isEqualTo(AckOutcome.ACKED);
        assertThat(((Refusal) reply.results().get(1)).code()).isEqualTo(Refusal.Code.OUTCOME_UNKNOWN);
    }

    @Test
    void aSendToAQueueThatIsGoneIsAnswered() {
        queue.stop();
        session.tell(send(1, keyed("a", 10)));
        SessionEvent.SendReply reply = client.expectMessageClass(SessionEvent.SendReply.class);
        assertThat(((Refusal) reply.results().get(0)).code()).isEqualTo(Refusal.Code.OUTCOME_UNKNOWN);
        assertThat(bytesHeld.bytes()).isZero();
    }

    @Test
    void aPopWhoseDispatcherIsGoneIsAnswered() {
        session.tell(new SessionCommand.Pop(1, "t", "g", 1, 1000, 60_000, 10_000));
        dispatcher.expectMessageClass(Dispatcher.Pop.class);
        dispatcher.stop();
        SessionEvent.Refused refused = client.expectMessageClass(SessionEvent.Refused.class);
        assertThat(refused.refusal().code()).isEqualTo(Refusal.Code.QUEUE_AWAY);
    }

    /** Each Pop counts from its begin to its answer, whichever that is, or to the end of its session. */
    @Test
    void popsThatWaitAreBoundedOverAllSessions() {
        assertThat(waitingPops.tryBegin()).isTrue(); // another session's
        session.tell(new SessionCommand.Pop(1, "t", "g", 1, 1000, 60_000, 10_000));
        session.tell(new SessionCommand.Pop(2, "t", "g", 1, 1000, 60_000, 10_000));
        session.tell(new SessionCommand.Pop(3, "t", "g", 1, 1000, 60_000, 10_000));
        SessionEvent.Refused refused = client.expectMessageClass(SessionEvent.Refused.class);
        assertThat(refused.requestId()).isEqualTo(3);
        assertThat(refused.refusal().code()).isEqualTo(Refusal.Code.LIMIT);
        assertThat(refused.refusal().text()).contains("forebay.session.node-pops-max");
        ActorRef<QueueReply> replyTo =
                dispatcher.expectMessageClass(Dispatcher.Pop.class).session();
        replyTo.tell(new QueueReply.PoppedNothing(1));
        client.expectMessageClass(SessionEvent.Popped.class);
        replyTo.tell(new QueueReply.PoppedNothing(1)); // a second copy of the answer
        session.tell(new SessionCommand.Pop(4, "t", "g", 1, 1000, 60_000, 10_000));
        dispatcher.expectMessageClass(Dispatcher.Pop.class);
        assertThat(dispatcher.expectMessageClass(Dispatcher.Pop.class).pop().requestId())
                .isEqualTo(4);
        assertThat(waitingPops.count()).isEqualTo(3);
        kit.stop(session);
        assertThat(waitingPops.count()).as("the other session's").isEqualTo(1);
    }

    @Test
    void whoWaitsForARegistryThatIsGoneIsAnswered() {
        session.tell(new SessionCommand.ListTopics(1, "", 10));
        registry.expectMessageClass(Registry.Administer.class);
        registry.stop();
        assertThat(client.expectMessageClass(SessionEvent.Refused.class).requestId())
                .isEqualTo(1);
        session.tell(new SessionCommand.Pop(2, "t", "unknown", 1, 1000, 60_000, 10_000));
        assertThat(client.expectMessageClass(SessionEvent.Refused.class).requestId())
                .isEqualTo(2);
    }

    @Test
    void whatWasAskedOfADeskThatIsGoneIsRefused() {
        session.tell(new LookCommand.Purge(1, "t", "g", 0, 5, true));
        lookDesk.expectMessageClass(LookDesk.Ask.class);
        session.tell(new SessionCommand.DescribeTopic(2, "t"));
        registry.expectMessageClass(Registry.Administer.class);
        lookDesk.stop();
        SessionEvent.Refused refused = client.expectMessageClass(SessionEvent.Refused.class);
        assertThat(refused.requestId()).isEqualTo(1);
        assertThat(refused.refusal().code()).isEqualTo(Refusal.Code.FAILED);
        session.tell(new LookCommand.Purge(3, "t", "g", 0, 5, true));
        assertThat(client.expectMessageClass(SessionEvent.Refused.class).requestId())
                .as("it is not waited for for ever")
                .isEqualTo(3);
    }

    @Test
    void aSessionThatFailsHoldsNoBytesAnyMore() {
        session.tell(send(1, keyed("a", 10)));
        queue.expectMessageClass(Queue.Enqueue.class);
        assertThat(bytesHeld.bytes()).isPositive();
        kit.stop(session);
        assertThat(bytesHeld.bytes()).isZero();
        client.expectMessageClass(SessionEvent.SessionClosed.class);
    }

    @Test
    void whatASessionRefusesItselfHoldsUpItsKeyAtTheQueue() {
        session.tell(send(1, keyed("filling", 200)));
        Queue.Enqueue filling = queue.expectMessageClass(Queue.Enqueue.class);
        session.tell(send(2, keyed("k1", 200)));
        assertThat(client.expectMessageClass(SessionEvent.Refused.class)
                        .refusal()
                        .code())
                .isEqualTo(Refusal.Code.BUSY);
        filling.replyTo()
                .tell(new QueueReply.Enqueued(filling.token(), List.of(Refusal.busy("for the test's sake", 1))));
        client.expectMessageClass(SessionEvent.SendReply.class);
        session.tell(send(3, keyed("k2", 200)));
        assertThat(queue.receiveMessage()).isEqualTo(new Queue.Refused(77, Map.of("k", "k1")));
        queue.expectMessageClass(Queue.Enqueue.class);
    }

    private static SessionCommand.Send sendTo(String topic, long requestId, String id) {
        Message message = Message.builder(topic).id(id).messageGroup("k").build();
        return new SessionCommand.Send(requestId, topic, -1, List.of(message), Durability.WRITTEN);
    }

    @Test
    void whatIsRefusedWhileItsTopicIsBeingMadeIsNotOvertaken() {
        session.tell(sendTo("new", 1, "k1"));
        Registry.EnsureTopic first = registry.expectMessageClass(Registry.EnsureTopic.class);
        session.tell(sendTo("new", 2, "k2"));
        session.tell(sendTo("new", 3, "k3"));
        first.replyTo().tell(new RegistryReply.Ensured(first.token(), Refusal.busy("for the test's sake", 1)));
        for (int i = 0; i < 3; i++) {
            client.expectMessageClass(SessionEvent.Refused.class);
        }
        session.tell(new SessionCommand.Withdraw(98, "new", List.of("k0")));
        client.expectMessage(new SessionEvent.Withdrawn(98));
        session.tell(sendTo("new", 4, "k4"));
        Registry.EnsureTopic second = registry.expectMessageClass(Registry.EnsureTopic.class);
        second.replyTo().tell(new RegistryReply.Ensured(second.token(), Refusal.busy("for the test's sake", 1)));
        client.expectMessageClass(SessionEvent.Refused.class);
        // Another session has made it meanwhile.
        DirectoryForTests.putTopic(directory, "new", List.of(queue.getRef()));
        session.tell(sendTo("new", 5, "k5"));
        assertThat(queue.receiveMessage()).isEqualTo(new Queue.Refused(77, Map.of("k", "k1")));
        queue.expectMessageClass(Queue.Enqueue.class);
        session.tell(sendTo("new", 6, "k1"));
        queue.expectMessageClass(Queue.Enqueue.class);
    }

    @Test
    void whatIsWithdrawnHoldsNothingUp() {
        session.tell(sendTo("new", 1, "k1"));
        Registry.EnsureTopic ensure = registry.expectMessageClass(Registry.EnsureTopic.class);
        ensure.replyTo().tell(new RegistryReply.Ensured(ensure.token(), Refusal.busy("for the test's sake", 1)));
        client.expectMessageClass(SessionEvent.Refused.class);
        session.tell(new SessionCommand.Withdraw(99, "new", List.of("k1")));
        client.expectMessage(new SessionEvent.Withdrawn(99));
        session.tell(sendTo("new", 2, "k2"));
        Registry.EnsureTopic again = registry.expectMessageClass(Registry.EnsureTopic.class);
        DirectoryForTests.putTopic(directory, "new", List.of(queue.getRef()));
        again.replyTo().tell(new RegistryReply.Ensured(again.token(), null));
        queue.expectMessageClass(Queue.Enqueue.class);
    }

    @Test
    void aTopicTakesNoMoreThanItsRateAndKeepsTheOrderOfItsKeys() {
        long now = System.nanoTime();
        nanoTime = () -> now; // else it may be a second later before the second one is taken
        DirectoryForTests.putTopic(
                directory, "slow", List.of(queue.getRef()), Policies.topic(fields -> fields.ratePerSecond = 1));
        session.tell(sendTo("slow", 1, "k1"));
        session.tell(sendTo("slow", 2, "k2"));
        queue.expectMessageClass(Queue.Enqueue.class);
        assertThat(queue.receiveMessage()).isEqualTo(new Queue.Refused(77, Map.of("k", "k2")));
        Refusal refusal = client.expectMessageClass(SessionEvent.Refused.class).refusal();
        assertThat(refusal.code()).isEqualTo(Refusal.Code.BUSY);
        assertThat(refusal.text()).contains("slow").contains("1 messages a second");
        assertThat(refusal.retryAfterMillis()).isBetween(1L, 1_000L);
    }

    @Test
    void aRepeatedSendMeetsItsFirstCopyWhicheverSessionItComesThrough() {
        List<TestProbe<Queue.Command>> queues = Stream.generate(() -> kit.createTestProbe(Queue.Command.class))
                .limit(4)
                .toList();
        DirectoryForTests.putTopic(
                directory,
                "once",
                queues.stream().map(TestProbe::getRef).toList(),
                Policies.topic(fields -> fields.deduplication = Deduplication.PRODUCER));
        Set<Integer> used = new HashSet<>();
        for (int request = 1; request <= 20; request++) {
            int block = request % 10;
            List<Message> messages = List.of(
                    Message.builder("once").producer(9, 64L * block).build(),
                    Message.builder("once").producer(9, 64L * block + 63).build());
            int number = SendKey.queueOf(Deduplication.PRODUCER, messages.get(0), 4);
            used.add(number);
            assertEnqueued(queues.get(number), new SessionCommand.Send(request, "once", -1, messages, null));
            assertEnqueued(queues.get(2), new SessionCommand.Send(100 + request, "once", 2, messages, null));
        }
        assertThat(used).hasSizeGreaterThan(1);
    }

    private void assertEnqueued(TestProbe<Queue.Command> at, SessionCommand.Send send) {
        session.tell(send);
        Queue.Enqueue enqueue = at.expectMessageClass(Queue.Enqueue.class);
        assertThat(enqueue.messages()).isEqualTo(send.messages());
        enqueue.replyTo()
                .tell(new QueueReply.Enqueued(
                        enqueue.token(), Collections.nCopies(2, Refusal.busy("for the test's sake", 1))));
        client.expectMessageClass(SessionEvent.SendReply.class);
    }

    @Test
    void aPopAskedForAgainGoesToTheQueueThatAnsweredIt() {
        session.tell(new SessionCommand.Pop(1, "t", "g", 1, 1000, 60_000, 10_000));
        Dispatcher.Pop first = dispatcher.expectMessageClass(Dispatcher.Pop.class);
        assertThat(first.servedBy()).isEqualTo(Dispatcher.NO_QUEUE);
        Delivery delivery = new Delivery(keyed("a", 1), "g", 1, 10, 1, handle(2, 10), 60_000, 0);
        first.session().tell(new QueueReply.Delivered(1, List.of(delivery), 1, secondGroup.getRef()));
        client.expectMessageClass(SessionEvent.Popped.class);
        session.tell(new SessionCommand.Pop(1, "t", "g", 1, 1000, 60_000, 10_000));
        assertThat(dispatcher.expectMessageClass(Dispatcher.Pop.class).servedBy())
                .isEqualTo(2);
    }

    @Test
    void aClosingSessionDoesNotWaitForAHolderThatIsGone() {
        session.tell(new QueueReply.Delivered(9, List.of(), 0, firstGroup.getRef()));
        session.tell(new SessionCommand.Close());
        firstGroup.expectMessageClass(GroupQueue.GiveBack.class);
        firstGroup.expectMessageClass(GroupQueue.SessionClosed.class);
        firstGroup.stop();
        client.expectMessageClass(SessionEvent.SessionClosed.class);
    }

    private Delivery delivery(int queueId, long offset) {
        return new Delivery(
                keyed("a", 1), "g", 1, offset, 1, handle(queueId, offset), System.currentTimeMillis() + 60_000, 0);
    }

    @Test
    void whatNobodyWantsIsGivenBackAgainWhenItsQueueIsBusy() {
        session.tell(new QueueReply.Delivered(9, List.of(delivery(1, 5), delivery(1, 6)), 2, firstGroup.getRef()));
        GroupQueue.GiveBack first = firstGroup.expectMessageClass(GroupQueue.GiveBack.class);
        first.replyTo()
                .tell(new QueueReply.GivenBack(
                        first.token(), List.of(GiveBackOutcome.GIVEN_BACK, Refusal.busy("for now", 1))));
        GroupQueue.GiveBack second = firstGroup.expectMessageClass(GroupQueue.GiveBack.class);
        assertThat(second.handles()).containsExactly(handle(1, 6));
        second.replyTo().tell(new QueueReply.GivenBack(second.token(), List.of(GiveBackOutcome.GIVEN_BACK)));
        firstGroup.expectNoMessage();
    }

    private Dispatcher.Pop subscribe(long credits) {
        session.tell(new SessionCommand.Subscribe(1, 3, "t", "g", 10, 1000, 0, SubscriptionProgress.begin(credits)));
        Dispatcher.Subscribe subscribe = dispatcher.expectMessageClass(Dispatcher.Subscribe.class);
        subscribe.session().tell(new QueueReply.DeliveredBy(3, DeliveryMode.PUSH));
        client.expectMessageClass(SessionEvent.Subscribed.class);
        return dispatcher.expectMessageClass(Dispatcher.Pop.class);
    }

    @Test
    void aSubscriptionAsksAgainAfterARefusalThatPasses() {
        Dispatcher.Pop pop = subscribe(1);
        assertThat(pop.pop().maxMessages()).isEqualTo(1);
        pop.session().tell(new QueueReply.PopRefused(pop.pop().requestId(), Refusal.busy("for now", 1)));
        Dispatcher.Pop again = dispatcher.expectMessageClass(Dispatcher.Pop.class);
        assertThat(again.pop().requestId()).isEqualTo(pop.pop().requestId());
        pop.session()
                .tell(new QueueReply.PopRefused(pop.pop().requestId(), Refusal.of(Refusal.Code.DISK_FULL, "for good")));
        assertThat(client.expectMessageClass(SessionEvent.SubscriptionEnded.class)
                        .refusal()
                        .text())
                .isEqualTo("for good");
        dispatcher.expectMessageClass(Dispatcher.Unsubscribe.class);
    }

    @Test
    void whatComesForASubscriptionThatHasEndedIsGivenBack() {
        Dispatcher.Pop pop = subscribe(1);
        session.tell(new SessionCommand.Unsubscribe(2, 3, SubscriptionProgress.begin(1)));
        dispatcher.expectMessage(new Dispatcher.EndWait(77, pop.pop().requestId()));
        client.expectMessageClass(SessionEvent.Unsubscribed.class);
        pop.session()
                .tell(new QueueReply.Delivered(pop.pop().requestId(), List.of(delivery(1, 5)), 1, firstGroup.getRef()));
        firstGroup.expectMessageClass(GroupQueue.GiveBack.class);
        assertThat(bytesHeld.bytes()).isZero();
    }

    @Test
    void nothingNewIsAskedForWhileTheClientHasNotTakenWhatTheNodeHolds() {
        Dispatcher.Pop pop = subscribe(20);
        dispatcher.expectMessageClass(Dispatcher.Pop.class);
        pop.session()
                .tell(new QueueReply.Delivered(
                        pop.pop().requestId(), List.of(delivery(1, 5)), 500, firstGroup.getRef()));
        SessionEvent.Pushed pushed = client.expectMessageClass(SessionEvent.Pushed.class);
        assertThat(bytesHeld.bytes()).isEqualTo(500);
        dispatcher.expectNoMessage();
        session.tell(new SessionCommand.Credit(
                3, SubscriptionProgress.begin(20).received(pushed.pushNumber(), 1), DeliveryMode.PUSH));
        dispatcher.expectMessageClass(Dispatcher.Pop.class);
        assertThat(bytesHeld.bytes()).isZero();
    }

    @Test
    void aCreditForASubscriptionThatIsNotKnownIsToldSo() {
        session.tell(new SessionCommand.Credit(8, SubscriptionProgress.begin(20), DeliveryMode.PUSH));
        assertThat(client.expectMessageClass(SessionEvent.SubscriptionEnded.class)
                        .subscriptionId())
                .isEqualTo(8);
    }
}
