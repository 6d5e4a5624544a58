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
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Message;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.QueueReply;
import io.forebay.store.LogClock;
import io.forebay.support.PatientTestKits;
import io.forebay.topic.DirectoryForTests;
import io.forebay.topic.Dispatcher;
import io.forebay.topic.Registry;
import io.forebay.topic.TopicDirectory;
import java.time.InstantSource;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A session whose client is in another actor system. */
class RemoteSessionTest {
    private static final Config CONFIG = ConfigFactory.parseString("""
        akka.actor.provider = remote
        akka.remote.artery.canonical.hostname = 127.0.0.1
        akka.remote.artery.canonical.port = 0
        akka.loglevel = ERROR
        forebay.session { heartbeat-interval = 100 ms, timeout = 500 ms }
        """).withFallback(ConfigFactory.load());

    private static final SessionLimits LIMITS = new SessionLimits(
            262_144, 4 << 20, 100, 4 << 20, 512, 4 << 20, 1000, 3_600_000, 20_000, 32, 4 << 20, 1 << 20, 4, 1000, 100,
            500);

    @Test
    void whenChunksAreNotAcknowledgedTheClientIsAskedToAttachAgain() {
        ActorTestKit node = PatientTestKits.create("node", CONFIG);
        ActorTestKit other = PatientTestKits.create("other", CONFIG);
        try {
            TestProbe<SessionEvent> client = other.createTestProbe(SessionEvent.class);
            ActorRef<SessionEvent> remote = ActorRefResolver.get(node.system())
                    .resolveActorRef(ActorRefResolver.get(other.system()).toSerializationFormat(client.getRef()));
            TestProbe<Dispatcher.Command> dispatcher = node.createTestProbe(Dispatcher.Command.class);
            TopicDirectory directory = new TopicDirectory();
            DirectoryForTests.putGroup(directory, "t", "g", dispatcher.getRef());
            ActorRef<Object> session = node.spawn(Session.create(
                    new Session.Environment(
                            ForebaySettings.from(CONFIG),
                            LIMITS,
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
        } finally {
            other.shutdownTestKit();
            node.shutdownTestKit();
        }
    }
}
