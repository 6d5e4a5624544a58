package io.forebay.node;

import akka.actor.ExtendedActorSystem;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Adapter;
import akka.actor.typed.javadsl.Behaviors;
import akka.remote.RemoteActorRefProvider;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.Message;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsDescribed;
import io.forebay.protocol.SettingsDescription;
import io.forebay.protocol.SettingsScope;
import io.forebay.protocol.wire.WireFrames;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StorageEnvironment;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.Proof;
import io.forebay.testkit.sim.VirtualScheduler;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongFunction;
import scala.jdk.javaapi.FutureConverters;

/** A whole node inside this JVM, on a disk in memory or on files, and clients that speak its protocol by hand. */
final class NodeFixture implements AutoCloseable {
    static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final AtomicLong NUMBERS = new AtomicLong(System.nanoTime());

    /** Small files, so that tests roll and recycle them. */
    static final Config SMALL = ConfigFactory.parseString("""
        akka.actor.provider = local
        akka.loglevel = WARNING
        akka.log-dead-letters = off
        akka.coordinated-shutdown.run-by-jvm-shutdown-hook = off
        akka.coordinated-shutdown.exit-jvm = off
        forebay {
          storage { segment-size = 4 MiB, low-space = 0 B }
          store { flush-bytes = 256 KiB, max-unflushed = 32 MiB, flush-interval = 20 ms }
          queue { body-max = 1 MiB, batch-bytes-max = 2 MiB }
          topic { auto-create = on, default-queues = 2 }
          group.pop-bytes-max = 2 MiB
        }
        """);

    final ActorSystem<Void> system;
    final Forebay forebay;
    final MemoryDisk disk;

    private NodeFixture(Config config, MemoryDisk diskOrNull, StorageEnvironment environmentOrNull) {
        disk = diskOrNull;
        system = ActorSystem.create(
                Behaviors.empty(), "node-test", config.withFallback(SMALL).withFallback(ConfigFactory.load()));
        if (environmentOrNull != null) {
            ForebayStorage.get(system).use(environmentOrNull);
        }
        forebay = Forebay.get(system);
    }

    static NodeFixture inMemory() {
        return inMemory(new MemoryDisk(), "");
    }

    static NodeFixture inMemory(MemoryDisk disk, String settings) {
        return inMemory(disk, settings, InstantSource.system());
    }

    static NodeFixture inMemory(MemoryDisk disk, String settings, InstantSource wall) {
        return new NodeFixture(
                        ConfigFactory.parseString(settings), disk, StorageEnvironment.of(disk, wall, System::nanoTime))
                .started();
    }

    /** A node whose log time and timers stand still until {@link #pass}. */
    static NodeFixture inMemory(MemoryDisk disk, String settings, VirtualTime time) {
        Config config = ConfigFactory.parseString(settings).withFallback(VirtualScheduler.CONFIG);
        return new NodeFixture(config, disk, StorageEnvironment.of(disk, time, time::nanos)).started();
    }

    /** The time of nodes of this kind. */
    static final class VirtualTime extends io.forebay.testkit.sim.VirtualTime {}

    /** Lets time pass, and what is due then begin. Whoever wants to see that it has happened asks for something. */
    void pass(VirtualTime time, long millis) {
        VirtualScheduler.of(Adapter.toClassic(system)).pass(millis, time::pass);
    }

    /** On a disk that the caller keeps, and may kill. */
    static NodeFixture on(StorageDirectory disk, String settings) {
        return new NodeFixture(
                        ConfigFactory.parseString(settings),
                        null,
                        StorageEnvironment.of(disk, InstantSource.system(), System::nanoTime))
                .started();
    }

    /** On real files. */
    static NodeFixture onFiles(java.nio.file.Path directory, String settings) {
        return new NodeFixture(
                        ConfigFactory.parseString("forebay.storage.directory = \"" + directory + "\"")
                                .withFallback(ConfigFactory.parseString(settings)),
                        null,
                        null)
                .started();
    }

    private NodeFixture started() {
        forebay.whenReady().toCompletableFuture().join();
        return this;
    }

    /** The process dies: nothing is closed, what was written stays, and nobody hears of it from the node. */
    MemoryDisk kill() {
        // In this order: what the node answers between two of them it would have forgotten, or a dead process would
        // refuse what it was asked, because its disk is gone.
        cutTransport();
        disk.crash();
        MemoryDisk image = disk.killImage();
        terminate();
        Proof.kills.increment();
        return image;
    }

    /** What is on its way out still goes; nothing comes or goes behind it. */
    private void cutTransport() {
        if (((ExtendedActorSystem) Adapter.toClassic(system)).provider() instanceof RemoteActorRefProvider remote) {
            FutureConverters.asJava(remote.transport().shutdown())
                    .toCompletableFuture()
                    .orTimeout(30, TimeUnit.SECONDS)
                    .join();
        }
    }

    /** A clean stop. */
    void stop() {
        terminate();
    }

    private void terminate() {
        system.terminate();
        if (Adapter.toClassic(system).scheduler() instanceof VirtualScheduler timers) {
            // The end waits for nobody longer than its time-outs, whose time has to come.
            for (int i = 0;
                    i < 600 && !system.getWhenTerminated().toCompletableFuture().isDone();
                    i++) {
                timers.pass(100, millis -> {});
                try {
                    system.getWhenTerminated().toCompletableFuture().get(10, TimeUnit.MILLISECONDS);
                } catch (TimeoutException e) {
                    continue;
                } catch (InterruptedException | java.util.concurrent.ExecutionException e) {
                    throw new AssertionError(e);
                }
            }
        }
        try {
            system.getWhenTerminated().toCompletableFuture().get(30, TimeUnit.SECONDS);
        } catch (InterruptedException | java.util.concurrent.ExecutionException | TimeoutException e) {
            throw new AssertionError("the system does not end", e);
        }
    }

    @Override
    public void close() {
        terminate();
    }

    Client open() {
        return open(NUMBERS.incrementAndGet());
    }

    Client open(long sessionId) {
        return new Client(sessionId);
    }

    static InstantSource at(long millis) {
        return () -> Instant.ofEpochMilli(millis);
    }

    static List<Message> messages(String topic, int count, String prefix) {
        List<Message> messages = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            messages.add(Message.of(topic, (prefix + i).getBytes(StandardCharsets.UTF_8)));
        }
        return messages;
    }

    static String text(Delivery delivery) {
        return new String(delivery.body(), StandardCharsets.UTF_8);
    }

    static List<ReceiptHandle> handles(List<Delivery> deliveries) {
        return deliveries.stream().map(Delivery::handle).toList();
    }

    /** A client's end of one session. */
    final class Client {
        final long sessionId;
        final TestProbe<SessionEvent> probe;
        final SessionEvent.Opened opened;
        private final ActorRef<SessionCommand> session;
        private long lastRequestId;

        private Client(long sessionId) {
            this.sessionId = sessionId;
            probe = TestProbe.create(system);
            opened = ask();
            session = opened.session();
        }

        private SessionEvent.Opened ask() {
            forebay.entry()
                    .tell(new NodeProtocol.OpenSession(
                            NodeProtocol.VERSION, sessionId, "test", WireFrames.FRAME_BYTES_DEFAULT, probe.getRef()));
            return expect(SessionEvent.Opened.class);
        }

        /** As if no answer had come. @return the session that is answered */
        ActorRef<SessionCommand> askAgain() {
            return ask().session();
        }

        long nextId() {
            return ++lastRequestId;
        }

        void tell(SessionCommand command) {
            session.tell(command);
        }

        <T extends SessionEvent> T expect(Class<T> type) {
            return probe.expectMessageClass(type, PATIENCE);
        }

        List<SendResult> trySend(String topic, List<Message> messages, Durability level) {
            tell(new SessionCommand.Send(nextId(), topic, -1, messages, level));
            return expect(SessionEvent.SendReply.class).results();
        }

        List<Receipt> send(String topic, int count, String prefix) {
            return trySend(topic, messages(topic, count, prefix), Durability.WRITTEN).stream()
                    .map(Receipt.class::cast)
                    .toList();
        }

        List<Receipt> sendTo(int queue, String topic, int count, String prefix) {
            tell(new SessionCommand.Send(nextId(), topic, queue, messages(topic, count, prefix), Durability.WRITTEN));
            return expect(SessionEvent.SendReply.class).results().stream()
                    .map(Receipt.class::cast)
                    .toList();
        }

        List<Delivery> pop(String topic, String group, int countMax, long invisibleMillis, long waitMillis) {
            tell(new SessionCommand.Pop(nextId(), topic, group, countMax, 1 << 20, invisibleMillis, waitMillis));
            return expect(SessionEvent.Popped.class).deliveries();
        }

        /** Pops until that many have come. */
        List<Delivery> popAll(String topic, String group, int count, long invisibleMillis) {
            List<Delivery> all = new ArrayList<>();
            while (all.size() < count) {
                List<Delivery> some = pop(topic, group, count - all.size(), invisibleMillis, PATIENCE.toMillis());
                if (some.isEmpty()) {
                    throw new AssertionError(all.size() + " of " + count + " messages came");
                }
                all.addAll(some);
            }
            return all;
        }

        List<AckResult> ack(String group, List<ReceiptHandle> handles) {
            return ack(group, handles, Durability.WRITTEN);
        }

        List<AckResult> ack(String group, List<ReceiptHandle> handles, Durability level) {
            tell(new SessionCommand.Ack(nextId(), group, handles, level));
            return expect(SessionEvent.AckReply.class).results();
        }

        List<ChangeResult> extend(String group, List<ReceiptHandle> handles, long millis) {
            tell(new SessionCommand.ChangeInvisible(nextId(), group, handles, millis, false, ""));
            return expect(SessionEvent.ChangeReply.class).results();
        }

        /** @param delayMillis {@link SessionCommand.ChangeInvisible#BACKOFF} for the group's own schedule */
        List<ChangeResult> nack(String group, List<ReceiptHandle> handles, long delayMillis, String reason) {
            tell(new SessionCommand.ChangeInvisible(nextId(), group, handles, delayMillis, true, reason));
            return expect(SessionEvent.ChangeReply.class).results();
        }

        void createTopic(String topic, int queues, Map<String, String> settings) {
            tell(new SessionCommand.CreateTopic(nextId(), topic, queues, settings));
            expect(SessionEvent.TopicCreated.class);
        }

        void createGroup(String group, String topic, Map<String, String> settings) {
            tell(new SessionCommand.CreateGroup(nextId(), group, topic, settings));
            expect(SessionEvent.GroupCreated.class);
        }

        SettingsDescription change(SettingsScope scope, String name, Map<String, String> changes) {
            tell(new SettingsCommand.ChangeSettings(nextId(), scope, name, changes, 0, "test"));
            return expect(SettingsDescribed.class).settings();
        }

        /** Asks, and expects an answer of that kind. */
        <T extends SessionEvent> T ask(LongFunction<? extends SessionCommand.Request> request, Class<T> answer) {
            tell(request.apply(nextId()));
            return expect(answer);
        }

        Refusal refused(LongFunction<? extends SessionCommand.Request> request) {
            return ask(request, SessionEvent.Refused.class).refusal();
        }

        /** Asks every queue of the group, behind everything that was told to it before. */
        GroupDescription describe(String group, String topic) {
            tell(new SessionCommand.DescribeGroup(nextId(), group, topic));
            return expect(SessionEvent.GroupDescribed.class).topics().get(0);
        }

        /** The client process is gone: nothing is said any more. */
        void vanish() {
            probe.stop();
        }
    }
}
