package io.forebay.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorRefResolver;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.config.ForebaySettings;
import io.forebay.deadletter.DeadLetterDesk;
import io.forebay.look.LookDesk;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackOutcome;
import io.forebay.protocol.Message;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.protocol.wire.MalformedWireException;
import io.forebay.protocol.wire.WireCutter;
import io.forebay.protocol.wire.WireJoiner;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.QueueReply;
import io.forebay.store.LogClock;
import io.forebay.support.PatientTestKits;
import io.forebay.topic.DirectoryForTests;
import io.forebay.topic.Dispatcher;
import io.forebay.topic.Registry;
import io.forebay.topic.TopicDirectory;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What a session holds for a client in another actor system that takes nothing, or says nothing: bounded for each and for the node,
 * given back when there is no room, and counted out when the session ends.
 */
class RemoteLineTest {
    private static final int MIB = 1 << 20;
    private static final long NODE_BYTES_MAX = 8 * MIB;
    private static final Config CONFIG = ConfigFactory.parseString("""
        akka.actor.provider = remote
        akka.remote.artery.canonical.hostname = 127.0.0.1
        akka.remote.artery.canonical.port = 0
        akka.loglevel = ERROR
        forebay.session { heartbeat-interval = 100 ms, timeout = 10 s }
        """).withFallback(ConfigFactory.load());

    private static final int REQUESTS_MAX = 32;

    private static SessionLimits limits(long timeoutMillis) {
        return new SessionLimits(
                262_144,
                4 * MIB,
                100,
                4 * MIB,
                512,
                4 * MIB,
                1000,
                3_600_000,
                20_000,
                REQUESTS_MAX,
                4 * MIB,
                MIB,
                4,
                1000,
                100,
                timeoutMillis);
    }

    private static ActorTestKit node;
    private static ActorTestKit other;

    private final BytesHeld bytesHeld = new BytesHeld(NODE_BYTES_MAX);
    private final AtomicLong nanosAhead = new AtomicLong();
    private TestProbe<SessionEvent> client;
    private TestProbe<Dispatcher.Command> dispatcher;
    private TestProbe<GroupQueue.Command> group;
    private ActorRef<Object> session;

    @BeforeAll
    static void startKits() {
        node = PatientTestKits.create("node", CONFIG);
        other = PatientTestKits.create("other", CONFIG);
    }

    @AfterAll
    static void stopKits() {
        other.shutdownTestKit();
        node.shutdownTestKit();
    }

    @BeforeEach
    void open() {
        open(10_000);
    }

    private void open(long timeoutMillis) {
        client = other.createTestProbe(SessionEvent.class);
        dispatcher = node.createTestProbe(Dispatcher.Command.class);
        group = node.createTestProbe(GroupQueue.Command.class);
        ActorRef<SessionEvent> remote = ActorRefResolver.get(node.system())
                .resolveActorRef(ActorRefResolver.get(other.system()).toSerializationFormat(client.getRef()));
        TopicDirectory directory = new TopicDirectory();
        DirectoryForTests.putGroup(directory, "t", "g", dispatcher.getRef());
        session = node.spawn(Session.create(
                new Session.Environment(
                        ForebaySettings.from(CONFIG),
                        limits(timeoutMillis),
                        5,
                        new LogClock(InstantSource.system(), () -> System.nanoTime() + nanosAhead.get()),
                        directory,
                        node.createTestProbe(Registry.Command.class).getRef(),
                        node.createTestProbe(LookDesk.Command.class).getRef(),
                        node.createTestProbe(DeadLetterDesk.Command.class).getRef(),
                        bytesHeld,
                        new WaitingPops(1000),
                        new RefusalCounts(),
                        ref -> false),
                77,
                "test",
                262_144,
                remote,
                List.of()));
        client.expectMessageClass(SessionEvent.Opened.class);
    }

    @AfterEach
    void close() {
        node.stop(session);
        assertThat(bytesHeld.bytes()).as("held for nobody").isZero();
    }

    private ActorRef<QueueReply> pop(long requestId) {
        session.tell(new SessionCommand.Pop(requestId, "t", "g", 1, 4 * MIB, 60_000, 10_000));
        return dispatcher.expectMessageClass(Dispatcher.Pop.class).session();
    }

    private QueueReply.Delivered delivered(long requestId, int bytes) {
        Delivery delivery = new Delivery(
                Message.builder("t").id("m" + requestId).body(new byte[bytes]).build(),
                "g",
                0,
                requestId,
                1,
                new ReceiptHandle(5, 0, 1, 1, requestId, 1, 1, 99),
                System.currentTimeMillis() + 60_000,
                0);
        return new QueueReply.Delivered(requestId, List.of(delivery), bytes, group.getRef());
    }

    /** Each of them fits a frame. */
    @Test
    void whatAClientDoesNotTakeGoesBackBeforeItFillsTheNode() throws MalformedWireException {
        int count = 30;
        List<ActorRef<QueueReply>> answers = new ArrayList<>();
        for (int id = 1; id <= count; id++) {
            answers.add(pop(id));
        }
        for (int id = 1; id <= count; id++) {
            answers.get(id - 1).tell(delivered(id, 200_000));
        }
        int back = 0;
        while (back < count - 12) {
            GroupQueue.GiveBack giveBack = group.expectMessageClass(GroupQueue.GiveBack.class);
            giveBack.replyTo().tell(new QueueReply.GivenBack(giveBack.token(), List.of(GiveBackOutcome.GIVEN_BACK)));
            back++;
        }
        assertThat(bytesHeld.bytes()).isBetween((long) MIB, 3L * MIB);
        // It takes everything after all.
        WireJoiner<SessionEvent> joiner = new WireJoiner<>(SessionEvent.class, 8 * MIB);
        int popped = 0;
        int refused = 0;
        while (popped + refused < count) {
            SessionEvent event = client.receiveMessage();
            if (event instanceof Chunk chunk) {
                session.tell(new ChunkAck(chunk.streamId(), chunk.index()));
                event = joiner.accept(chunk);
            }
            if (event instanceof SessionEvent.Refused one) {
                assertThat(one.refusal().code()).isEqualTo(Refusal.Code.BUSY);
                refused++;
            } else if (event instanceof SessionEvent.Popped) {
                popped++;
            }
        }
        assertThat(popped).isBetween(5, 12);
        assertThat(refused).isGreaterThanOrEqualTo(back);
    }

    @Test
    void aClientThatGoesOnAskingAndTakesNothingIsCutOff() {
        pop(1).tell(delivered(1, 4 * MIB));
        for (int id = 2; id < 2 + 2 * REQUESTS_MAX; id++) {
            session.tell(new SessionCommand.Pop(id, "t", "g", 1, 4 * MIB, 60_000, 10_000));
        }
        SessionEvent event;
        do {
            event = client.receiveMessage();
        } while (event instanceof Chunk);
        assertThat(event).isInstanceOf(SessionEvent.SessionClosed.class);
        assertThat(((SessionEvent.SessionClosed) event).reason().code()).isEqualTo(Refusal.Code.LIMIT);
    }

    private void askOften(int firstId) {
        for (int id = firstId; id < firstId + 2 * REQUESTS_MAX; id++) {
            session.tell(new SessionCommand.Pop(id, "t", "g", 1, 4 * MIB, 60_000, 10_000));
        }
    }

    @Test
    void whenTheNodeHoldsEnoughWhoeverTakesNothingIsCutOffSooner() {
        bytesHeld.hold(NODE_BYTES_MAX);
        try {
            // What it is refused it takes.
            askOften(100);
            for (int i = 0; i < 2 * REQUESTS_MAX; i++) {
                client.expectMessageClass(SessionEvent.Refused.class);
            }
            bytesHeld.hold(-NODE_BYTES_MAX);
            pop(1).tell(delivered(1, MIB / 2)); // as much as may well be on its way to a client
            assertThat(client.receiveMessage()).isInstanceOf(Chunk.class);
            bytesHeld.hold(NODE_BYTES_MAX);
            askOften(200);
            SessionEvent event;
            do {
                event = client.receiveMessage();
            } while (!(event instanceof SessionEvent.SessionClosed));
            assertThat(((SessionEvent.SessionClosed) event).reason().code()).isEqualTo(Refusal.Code.LIMIT);
        } finally {
            bytesHeld.hold(-NODE_BYTES_MAX);
        }
    }

    @Test
    void aCommandInPiecesIsRefusedWhenTheNodeHoldsEnough() {
        List<SessionCommand> chunks = new ArrayList<>();
        WireCutter.ofCommands(262_144, 8 * MIB)
                .offer(
                        new SessionCommand.Send(
                                9, "t", -1, List.of(Message.of("t", new byte[2 * MIB])), Durability.WRITTEN),
                        chunks::add);
        session.tell(chunks.get(0));
        client.expectMessageClass(ChunkAck.class);
        Awaitility.await().until(() -> bytesHeld.bytes() > 200_000);
        bytesHeld.hold(NODE_BYTES_MAX);
        session.tell(chunks.get(1));
        client.expectMessageClass(ChunkAck.class);
        SessionEvent.Refused refused = client.expectMessageClass(SessionEvent.Refused.class);
        assertThat(refused.requestId()).isEqualTo(9);
        assertThat(refused.refusal().code()).isEqualTo(Refusal.Code.BUSY);
        assertThat(bytesHeld.bytes()).isEqualTo(NODE_BYTES_MAX);
        session.tell(chunks.get(2));
        client.expectMessageClass(ChunkAck.class);
        assertThat(bytesHeld.bytes()).as("the rest of it is nothing").isEqualTo(NODE_BYTES_MAX);
        bytesHeld.release(NODE_BYTES_MAX);
    }

    @Test
    void aCommandWhoseRestDoesNotComeIsGivenUp() {
        close();
        open(2_000);
        session.tell(new Chunk(1, 0, 2 * MIB, new byte[200_000]));
        client.expectMessageClass(ChunkAck.class);
        AtomicLong heartbeats = new AtomicLong();
        Awaitility.await("it is given up").until(() -> {
            session.tell(new SessionCommand.Heartbeat(heartbeats.incrementAndGet()));
            return bytesHeld.bytes() == 0;
        });
        for (long number = 1; number <= heartbeats.get(); number++) {
            assertThat(client.expectMessageClass(SessionEvent.Heartbeat.class).number())
                    .as("the session goes on")
                    .isEqualTo(number);
        }
    }

    /** It cannot tell who was silent meanwhile. */
    @Test
    void aNodeThatStoodStillBlamesNoClientForIt() {
        nanosAhead.set(TimeUnit.HOURS.toNanos(1));
        // It looks five times whether the client lives.
        client.expectNoMessage(Duration.ofMillis(500));
        session.tell(new SessionCommand.Heartbeat(1));
        client.expectMessageClass(SessionEvent.Heartbeat.class);
    }
}
