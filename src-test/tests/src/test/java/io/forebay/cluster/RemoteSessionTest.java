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
import io.forebay.protocol.Message;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.protocol.wire.WireJoiner;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.QueueReply;
import io.forebay.store.LogClock;
import io.forebay.support.PatientTestKits;
import io.forebay.topic.DirectoryForTests;
import io.forebay.topic.Dispatcher;
import io.forebay.topic.Registry;
import io.forebay.topic.TopicDirectory;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** A session whose client is in another actor system. */
class RemoteSessionTest {
    private static final Config CONFIG = ConfigFactory.parseString("""
        akka.actor.provider = remote
        akka.remote.artery.canonical.hostname = 127.0.0.1
        akka.remote.artery.canonical.port = 0
        akka.loglevel = ERROR
        forebay.session { heartbeat-interval = 100 ms, timeout = 500 ms }
        """).withFallback(ConfigFactory.load());

    private static SessionLimits limits(long timeoutMillis) {
        return new SessionLimits(
                262_144,
                4 << 20,
                100,
                4 << 20,
                512,
                4 << 20,
                1000,
                3_600_000,
                20_000,
                32,
                4 << 20,
                1 << 20,
                4,
                1000,
                100,
                timeoutMillis);
    }

    private ActorTestKit node;
    private TestProbe<SessionEvent> client;
    /** The client, as the node sees it. */
    private ActorRef<SessionEvent> remote;

    private ActorTestKit other;
    private ActorRef<Object> session;

    @BeforeEach
    void start() {
        node = PatientTestKits.create("node", CONFIG);
        other = PatientTestKits.create("other", CONFIG);
        client = other.createTestProbe(SessionEvent.class);
        remote = ActorRefResolver.get(node.system())
                .resolveActorRef(ActorRefResolver.get(other.system()).toSerializationFormat(client.getRef()));
    }

    @AfterEach
    void stop() {
        other.shutdownTestKit();
        node.shutdownTestKit();
    }

    /** Opens a session and has it deliver more than may be on its way at once. */
    private void deliverMuch(SessionLimits limits) {
        TestProbe<Dispatcher.Command> dispatcher = node.createTestProbe(Dispatcher.Command.class);
        TopicDirectory directory = new TopicDirectory();
        DirectoryForTests.putGroup(directory, "t", "g", dispatcher.getRef());
        session = node.spawn(Session.create(
                new Session.Environment(
                        ForebaySettings.from(CONFIG),
                        limits,
                        5,
                        new LogClock(InstantSource.system(), System::nanoTime),
                        directory,
                        node.createTestProbe(Registry.Command.class).getRef(),
                        node.createTestProbe(LookDesk.Command.class).getRef(),
                        node.createTestProbe(DeadLetterDesk.Command.class).getRef(),
                        new BytesHeld(1 << 30),
                        new WaitingPops(1000),
                        new RefusalCounts(),
                        ref -> false),
                77,
                "test",
                262_144,
                remote,
                List.of()));
        client.expectMessageClass(SessionEvent.Opened.class);
        session.tell(new SessionCommand.Pop(1, "t", "g", 1, 4 << 20, 60_000, 10_000));
        Dispatcher.Pop pop = dispatcher.expectMessageClass(Dispatcher.Pop.class);
        Message large = Message.builder("t").id("m").body(new byte[3 << 20]).build();
        pop.session()
                .tell(new QueueReply.Delivered(
                        1,
                        List.of(new Delivery(
                                large, "g", 0, 10, 1, new ReceiptHandle(5, 0, 1, 1, 10, 1, 1, 99), 60_000, 0)),
                        3 << 20,
                        node.createTestProbe(GroupQueue.Command.class).getRef()));
    }

    /** The time is one in which a busy machine, too, takes what this client says: one that is not heard is gone. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void whenChunksAreNotAcknowledgedTheClientIsAskedToAttachAgain() {
        deliverMuch(limits(2_000));
        SessionEvent event = client.receiveMessage();
        int chunkCount = 0;
        for (int heartbeat = 1; event instanceof Chunk || event instanceof SessionEvent.Heartbeat; heartbeat++) {
            chunkCount += event instanceof Chunk ? 1 : 0;
            session.tell(new SessionCommand.Heartbeat(heartbeat));
            event = client.receiveMessage();
        }
        assertThat(event).isInstanceOf(SessionEvent.SessionClosed.class);
        session.tell(new Session.Attach(remote, 262_144, "test"));
        do {
            event = client.receiveMessage();
        } while (event instanceof SessionEvent.Heartbeat);
        assertThat(((SessionEvent.Opened) event).isResumed()).isTrue();
        assertThat(chunkCount).isPositive();
    }

    /** Takes chunks, and whatever is said to the client beside them, until the node has answered a heartbeat. */
    private List<Chunk> chunks() {
        session.tell(new SessionCommand.Heartbeat(7));
        List<Chunk> chunks = new ArrayList<>();
        for (SessionEvent event = client.receiveMessage();
                !(event instanceof SessionEvent.Heartbeat);
                event = client.receiveMessage()) {
            if (event instanceof Chunk chunk) {
                chunks.add(chunk);
            }
        }
        return chunks;
    }

    private void ack(Chunk chunk) {
        session.tell(new ChunkAck(chunk.streamId(), chunk.index()));
    }

    @Test
    void whoeverAsksForItsSessionAgainIsToldTheRestOfWhatItIsBeingTold() throws Exception {
        deliverMuch(limits(60_000));
        List<Chunk> first = chunks();
        session.tell(new Session.Attach(remote, 262_144, "test"));
        assertThat(chunks()).isEmpty();
        WireJoiner<SessionEvent> joiner = new WireJoiner<>(SessionEvent.class, 4 << 20);
        SessionEvent joined = null;
        for (List<Chunk> some = first; !some.isEmpty(); some = chunks()) {
            for (Chunk chunk : some) {
                joined = joiner.accept(chunk);
                ack(chunk);
            }
        }
        assertThat(joined)
                .isInstanceOfSatisfying(
                        SessionEvent.Popped.class,
                        popped -> assertThat(popped.deliveries().get(0).body()).hasSize(3 << 20));
    }

    @Test
    void whoeverBeginsAnewIsToldNothingOfWhatHadBegunBefore() {
        deliverMuch(limits(60_000));
        List<Chunk> first = chunks();
        assertThat(first).isNotEmpty();
        session.tell(new SessionCommand.BeginAnew());
        ack(first.get(first.size() - 1));
        assertThat(chunks()).isEmpty();
    }
}
