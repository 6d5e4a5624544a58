package io.forebay.client;

import static org.assertj.core.api.Assertions.assertThat;

import akka.Done;
import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import com.typesafe.config.ConfigFactory;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Message;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.support.PatientTestKits;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;

/**
 * A client and, in place of a node, probes that answer what the test says; its clock goes as the test says, too. Everything
 * runs in the thread of whoever tells something.
 */
abstract class ClientSessionHarness {
    static final SessionLimits LIMITS = new SessionLimits(
            262_144, 10_000, 100, 1 << 20, 512, 1 << 20, 1000, 3_600_000, 20_000, 32, 1 << 20, 1 << 20, 4, 1000, 2000,
            9000);

    /**
     * The client works in the thread of whoever tells it something, so what follows from that has happened when telling
     * returns; so do the probes, which then hold what they were told, and so does the guardian, in whose thread a new actor's
     * constructor runs: were that another one, the client would ask for a session before it takes messages, and what a test
     * tells it then would be dealt with at some time. And the end of a test does not wait until its client has closed.
     */
    static final String CONFIG = """
        akka.actor.internal-dispatcher.type = akka.testkit.CallingThreadDispatcherConfigurator
        akka.actor.default-dispatcher.type = akka.testkit.CallingThreadDispatcherConfigurator
        forebay.client.dispatcher.type = akka.testkit.CallingThreadDispatcherConfigurator
        forebay.client.callback-dispatcher.type = akka.testkit.CallingThreadDispatcherConfigurator
        akka.coordinated-shutdown.run-by-actor-system-terminate = off
        """;

    final AtomicLong clock = new AtomicLong(1_000_000);
    /** Of all tests: names of actors are made of them. */
    static final AtomicLong RANDOMS = new AtomicLong();

    final ConcurrentLinkedQueue<ClientNotice> notices = new ConcurrentLinkedQueue<>();
    static ActorTestKit kit;
    final Map<ActorRef<ClientSession.Message>, Long> alarms = new ConcurrentHashMap<>();
    TestProbe<NodeProtocol.Request> entry;
    TestProbe<SessionCommand> session;
    ForebayClient client;
    ActorRef<SessionEvent> toClient;
    long sessionId;

    @BeforeAll
    static void startKit() {
        kit = PatientTestKits.create(ConfigFactory.parseString(CONFIG).withFallback(ConfigFactory.load()));
    }

    @AfterAll
    static void stopKit() {
        kit.shutdownTestKit();
    }

    @BeforeEach
    void start() {
        entry = kit.createTestProbe(NodeProtocol.Request.class);
        session = kit.createTestProbe(SessionCommand.class);
    }

    ClientSettings settings() {
        return ClientSettings.of(kit.system());
    }

    void connect() {
        connect(settings());
        open(session, false);
    }

    void connect(ClientSettings settings) {
        client = ForebayClient.connect(
                kit.system(),
                Target.node(entry.getRef()),
                settings,
                new ClientEnvironment(
                        clock::get,
                        () -> 1_790_000_000_000L + clock.get(),
                        RANDOMS::incrementAndGet,
                        (timers, self, delayMillis) -> alarms.put(self, clock.get() + delayMillis)),
                notices::add);
        client.whenConnected().exceptionally(failure -> Done.done());
    }

    void open(TestProbe<SessionCommand> node, boolean isResumed) {
        NodeProtocol.OpenSession open = entry.expectMessageClass(NodeProtocol.OpenSession.class);
        toClient = open.client();
        assertThat(sessionId == 0 || sessionId == open.sessionId()).isTrue();
        sessionId = open.sessionId();
        toClient.tell(new SessionEvent.Opened(node.getRef(), sessionId, "node-1", LIMITS, isResumed));
        sync();
    }

    /** Until the session has taken everything that was said to it, and callbacks have run. */
    void sync() {
        join(client.release(new Object()));
    }

    /** Moves the clock in small steps and rings whoever set an alarm. */
    void advance(long millis) {
        for (long passed = 0; passed < millis; passed += 50) {
            clock.addAndGet(50);
            ring();
            sync();
        }
    }

    void ring() {
        alarms.forEach((self, at) -> {
            if (at <= clock.get() && alarms.remove(self, at)) {
                self.tell(ClientSession.Tick.INSTANCE);
            }
        });
    }

    static <T> T join(CompletionStage<T> stage) {
        try {
            return stage.toCompletableFuture().orTimeout(10, TimeUnit.SECONDS).join();
        } catch (CompletionException failure) {
            if (failure.getCause() instanceof ForebayException refused) {
                throw refused;
            }
            throw failure;
        }
    }

    static Message message(String id) {
        return Message.builder("orders").id(id).body(new byte[10]).build();
    }

    static Message keyed(String id, String key) {
        return Message.builder("orders").id(id).messageGroup(key).build();
    }

    static List<String> idsOf(SessionCommand.Send send) {
        return send.messages().stream().map(Message::id).toList();
    }

    static Receipt receipt(long offset) {
        return new Receipt(Durability.FLUSHED, "node-1", 0, offset, "orders", 0, offset, 0);
    }

    void stored(SessionCommand.Send send) {
        answer(send, message -> receipt(send.requestId()));
    }

    void answer(SessionCommand.Send send, Function<Message, SendResult> result) {
        List<SendResult> results = new ArrayList<>();
        send.messages().forEach(message -> results.add(result.apply(message)));
        toClient.tell(new SessionEvent.SendReply(send.requestId(), results));
        sync();
    }

    static Delivery delivery(long offset) {
        return delivery(offset, 30_000);
    }

    static Delivery delivery(long offset, long invisibleMillis) {
        ReceiptHandle handle = new ReceiptHandle(ReceiptHandle.nodeIdOf("node-1"), 0, 1, 1, offset, 1, 1, 99);
        return new Delivery(
                message("m" + offset), "billing", 0, offset, 1, handle, 5_000_000 + invisibleMillis, 5_000_000);
    }

    static Refusal busy(long retryAfterMillis) {
        return Refusal.busy("too much", retryAfterMillis);
    }

    /** The next command that the node has to do something for: no heartbeat, not what a session that was lost begins with. */
    <C extends SessionCommand> C next(Class<C> type) {
        return next(session, type);
    }

    static <C extends SessionCommand> C next(TestProbe<SessionCommand> node, Class<C> type) {
        SessionCommand next = node.receiveMessage();
        while (!type.isInstance(next)
                && (next instanceof SessionCommand.Heartbeat || next instanceof SessionCommand.BeginAnew)) {
            next = node.receiveMessage();
        }
        return type.cast(next);
    }

    /** What has been sent and not been looked at, or null. */
    SessionCommand nextOrNull() {
        sync();
        try {
            return session.receiveMessage(Duration.ofMillis(20));
        } catch (AssertionError nothing) {
            return null;
        }
    }

    void expectNothingButHeartbeats() {
        for (SessionCommand next = nextOrNull(); next != null; next = nextOrNull()) {
            assertThat(next).isInstanceOf(SessionCommand.Heartbeat.class);
        }
    }

    void expectNothing() {
        sync();
        session.expectNoMessage(Duration.ofMillis(20));
    }
}
