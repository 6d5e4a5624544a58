package io.forebay.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import com.typesafe.config.ConfigFactory;
import io.forebay.config.ForebaySettings;
import io.forebay.look.LookDesk;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.Queue;
import io.forebay.queue.QueueReply;
import io.forebay.store.LogClock;
import io.forebay.topic.DirectoryForTests;
import io.forebay.topic.Dispatcher;
import io.forebay.topic.Registry;
import io.forebay.topic.TopicDirectory;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A session between a client and queues that do what the test says. */
class SessionTest {
    private static final int NODE = 5;
    private static final SessionLimits LIMITS = new SessionLimits(
            262_144, 10_000, 100, 1 << 20, 512, 1 << 20, 1000, 3_600_000, 20_000, 32, 1 << 20, 1 << 20, 2000, 9000);
    private static ActorTestKit kit;

    private final TopicDirectory directory = new TopicDirectory();
    private final BytesHeld bytesHeld = new BytesHeld(500);
    private TestProbe<SessionEvent> client;
    private TestProbe<Queue.Command> queue;
    private TestProbe<GroupQueue.Command> firstGroup;
    private TestProbe<GroupQueue.Command> secondGroup;
    private TestProbe<Dispatcher.Command> dispatcher;
    private TestProbe<Registry.Command> registry;
    private ActorRef<Object> session;

    @BeforeAll
    static void startKit() {
        kit = ActorTestKit.create(ConfigFactory.parseString("akka.loglevel = OFF, akka.log-dead-letters = off")
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
        DirectoryForTests.putTopic(directory, "t", List.of(queue.getRef()));
        DirectoryForTests.putGroup(directory, "t", "g", dispatcher.getRef());
        DirectoryForTests.putGroupQueue(directory, "t", "g", 1, firstGroup.getRef());
        DirectoryForTests.putGroupQueue(directory, "t", "g", 2, secondGroup.getRef());
        session = kit.spawn(Session.create(
                new Session.Environment(
                        ForebaySettings.from(kit.system().settings().config()),
                        LIMITS,
                        NODE,
                        new LogClock(InstantSource.system(), System::nanoTime),
                        directory,
                        registry.getRef(),
                        kit.createTestProbe(LookDesk.Command.class).getRef(),
                        bytesHeld,
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
}
