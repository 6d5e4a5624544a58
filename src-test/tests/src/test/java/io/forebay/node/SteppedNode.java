package io.forebay.node;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Behavior;
import akka.actor.typed.Props;
import akka.actor.typed.javadsl.Behaviors;
import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.Message;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsDescribed;
import io.forebay.protocol.SettingsScope;
import io.forebay.protocol.wire.WireFrames;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StripeHealth;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SteppedExecutor;
import io.forebay.testkit.sim.SteppedSystem;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.LongFunction;
import java.util.random.RandomGenerator;
import org.slf4j.LoggerFactory;

/**
 * A {@link SteppedSystem} for tests of the node: a whole node without a thread of its own, on a disk in memory, that checks that it
 * starts none, and clients that speak its protocol by hand. One seed brings back one run.
 */
final class SteppedNode {
    private static final boolean IS_TRACED = Boolean.getBoolean("forebay.trace");
    /** Traced or not: whoever logs by Akka's event stream would give others another turn, and one seed would be another run. */
    private static final Config QUIET = ConfigFactory.parseString("akka.loglevel = OFF, akka.stdout-loglevel = OFF")
            .withFallback(SteppedExecutor.CONFIG);

    final MemoryDisk disk;
    final NodeFixture.VirtualTime time;
    private final RandomGenerator random;
    private final SteppedSystem stepped;
    private final ActorSystem<Void> system;
    private final Forebay forebay;
    /** Of somebody who listens. */
    private Throwable failure;

    private Runnable afterEach = () -> {};

    private SteppedNode(MemoryDisk disk, String settings, NodeFixture.VirtualTime time, RandomGenerator random) {
        this.disk = disk;
        this.time = time;
        this.random = random;
        Config config = ConfigFactory.parseString(settings)
                .withFallback(QUIET)
                .withFallback(NodeFixture.SMALL)
                .withFallback(ConfigFactory.load());
        stepped = new SteppedSystem("stepped-node", config, disk, time, random, this::check);
        system = stepped.system();
        forebay = stepped.forebay();
    }

    /**
     * A node that serves.
     *
     * @throws DiskCrashed if the disk was armed to crash and it came to that
     */
    static SteppedNode start(MemoryDisk disk, String settings, NodeFixture.VirtualTime time, RandomGenerator random) {
        SteppedNode node = new SteppedNode(disk, settings, time, random);
        node.stepped.start();
        return node;
    }

    /**
     * Does something with nodes of this kind, on a thread that must start no others: whatever a node does it does in its dispatchers,
     * which are stepped.
     */
    static void alone(Runnable doing) {
        Silence.begin();
        try {
            runAlone(doing);
        } finally {
            Silence.end();
        }
    }

    /** What goes wrong here is meant to: unless it is traced, nobody logs it while there is such a thread. */
    private static final class Silence {
        private static final Map<Logger, Level> LEVELS = new HashMap<>();
        private static int count;

        private static synchronized void begin() {
            if (count++ == 0) {
                for (String name : List.of("io.forebay", "akka")) {
                    Logger logger = (Logger) LoggerFactory.getLogger(name);
                    LEVELS.put(logger, logger.getEffectiveLevel());
                    logger.setLevel(IS_TRACED ? Level.DEBUG : Level.OFF);
                }
            }
        }

        private static synchronized void end() {
            if (--count == 0) {
                LEVELS.forEach(Logger::setLevel);
                LEVELS.clear();
            }
        }
    }

    private static void runAlone(Runnable doing) {
        Throwable[] failure = {null};
        Thread thread = new Thread(new ThreadGroup("stepped"), doing, "stepped");
        thread.setUncaughtExceptionHandler((failed, cause) -> failure[0] = cause);
        thread.start();
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        if (failure[0] instanceof AssertionError error) {
            throw error;
        }
        if (failure[0] != null) {
            throw new AssertionError(failure[0]);
        }
    }

    /** What another thread does is done in no order that this one draws. */
    private static void checkAlone() {
        ThreadGroup group = Thread.currentThread().getThreadGroup();
        if (group.activeCount() > 1) {
            Thread[] all = new Thread[16];
            int count = group.enumerate(all);
            StringBuilder others = new StringBuilder();
            for (Thread thread : Arrays.asList(all).subList(0, count)) {
                if (thread != Thread.currentThread()) {
                    others.append(' ').append(thread).append(Arrays.toString(thread.getStackTrace()));
                }
            }
            throw new AssertionError("the node has started threads:" + others);
        }
    }

    private void check() {
        checkAlone();
        afterEach.run();
        if (failure != null) {
            throw new AssertionError(failure.toString(), failure);
        }
    }

    /** See {@link SteppedSystem#trace}. */
    void trace(Consumer<String> trace) {
        stepped.trace(trace);
    }

    /** Is called after each thing that was done. */
    void afterEach(Runnable newAfterEach) {
        afterEach = newAfterEach;
    }

    /** Forces take their time from now on: they are done when they have come up so often, or when all there is to do is done. */
    void slowForces(int times) {
        stepped.slowForces(times);
    }

    /** Does so many things, or fewer if there are no more, and slow ones take their time. */
    void run(int steps) {
        stepped.run(steps);
    }

    /** Until nothing is left to do before time passes. */
    void runAll() {
        stepped.runAll();
    }

    /** Time passes from one timer to the next, and all there is to do is done in between. */
    void pass(long millis) {
        stepped.pass(millis);
    }

    /** Time passes, and timers go off; what they begin waits to be done. */
    void passOnly(long millis) {
        stepped.passOnly(millis);
    }

    /** The process dies, wherever it is. @return what it leaves */
    MemoryDisk kill() {
        return stepped.kill();
    }

    /** The power goes. @return what is left */
    MemoryDisk cutPower() {
        return stepped.cutPower();
    }

    /** A disk that is gone already leaves the rest behind, too. */
    void gone() {
        stepped.gone();
    }

    /** A clean stop. @return what it leaves */
    MemoryDisk stop() {
        return stepped.stop();
    }

    ActorSystem<Void> system() {
        return system;
    }

    ActorRef<NodeProtocol.Request> entry() {
        return forebay.entry();
    }

    /**
     * Until every stripe takes records again; to be called when the disk is well. A force that failed just before may have left a
     * stripe that refuses everything until its next try.
     */
    void awaitServing() {
        for (int i = 0; i == 0 || !isServing(); i++) {
            if (i == 1_000) {
                throw new AssertionError("I8: the disk is well, the stripes are not: " + health());
            }
            pass(50);
        }
    }

    /** Whether every stripe takes records. */
    boolean isServing() {
        return ForebayStorage.get(system).health().stream().allMatch(StripeHealth::isServing);
    }

    /** How the stripes are, for the message of a failure. */
    String health() {
        return stripes().toString();
    }

    List<StripeHealth> stripes() {
        return ForebayStorage.get(system).health();
    }

    Client open(long sessionId) {
        return new Client(sessionId);
    }

    /** A client's end of one session. */
    final class Client {
        final long sessionId;
        /** What has come and was not looked at. */
        final ArrayDeque<SessionEvent> events = new ArrayDeque<>();

        private final ActorRef<Object> end;
        private final ActorRef<SessionCommand> session;
        private Consumer<SessionEvent> listener = events::addLast;
        private long lastRequestId;

        private enum Stop {
            INSTANCE
        }

        private Client(long sessionId) {
            this.sessionId = sessionId;
            end = system.systemActorOf(receiver(), "client-" + sessionId + "-" + random.nextLong(), Props.empty());
            forebay.entry()
                    .tell(new NodeProtocol.OpenSession(
                            NodeProtocol.VERSION, sessionId, "test", WireFrames.FRAME_BYTES_DEFAULT, end.narrow()));
            session = expect(SessionEvent.Opened.class).session();
        }

        private Behavior<Object> receiver() {
            return Behaviors.receiveMessage(message -> {
                if (message instanceof SessionEvent event) {
                    try {
                        listener.accept(event);
                    } catch (AssertionError | RuntimeException e) {
                        failure = failure == null ? e : failure;
                    }
                    return Behaviors.same();
                }
                return Behaviors.stopped();
            });
        }

        /** From now on events are told as they arrive, while the node does its work. */
        void listen(Consumer<SessionEvent> newListener) {
            listener = newListener;
        }

        long nextId() {
            return ++lastRequestId;
        }

        /** Begins to count behind this; a session that is opened again must not use a request's id twice. */
        void idsFrom(long lastId) {
            lastRequestId = lastId;
        }

        void tell(SessionCommand command) {
            session.tell(command);
        }

        /** The client is gone without a word. */
        void vanish() {
            end.tell(Stop.INSTANCE);
        }

        /** The next event, when all is done. */
        <T extends SessionEvent> T expect(Class<T> type) {
            runAll();
            SessionEvent event = events.pollFirst();
            if (!type.isInstance(event)) {
                throw new AssertionError("expected " + type.getSimpleName() + ", got " + event);
            }
            return type.cast(event);
        }

        /** Asks, and waits for the answer as long as it takes. */
        <T extends SessionEvent> T ask(LongFunction<? extends SessionCommand.Request> request, Class<T> answer) {
            tell(request.apply(nextId()));
            runAll();
            for (int i = 0; i < 1000 && events.isEmpty(); i++) {
                pass(100);
            }
            return expect(answer);
        }

        List<SendResult> send(String topic, List<Message> messages, Durability level) {
            return ask(id -> new SessionCommand.Send(id, topic, -1, messages, level), SessionEvent.SendReply.class)
                    .results();
        }

        List<Delivery> pop(String topic, String group, int countMax, long invisibleMillis) {
            return ask(
                            id -> new SessionCommand.Pop(id, topic, group, countMax, 1 << 20, invisibleMillis, 100),
                            SessionEvent.Popped.class)
                    .deliveries();
        }

        /** Pops until nothing comes. */
        List<Delivery> popAll(String topic, String group, int countMax, long invisibleMillis) {
            List<Delivery> all = new ArrayList<>();
            for (List<Delivery> some = pop(topic, group, countMax, invisibleMillis);
                    !some.isEmpty();
                    some = pop(topic, group, countMax, invisibleMillis)) {
                all.addAll(some);
            }
            return all;
        }

        SessionEvent.AckReply ack(String group, List<Delivery> deliveries, Durability level) {
            return ask(
                    id -> new SessionCommand.Ack(id, group, NodeFixture.handles(deliveries), level),
                    SessionEvent.AckReply.class);
        }

        void createTopic(String topic, int queues, Map<String, String> settings) {
            ask(id -> new SessionCommand.CreateTopic(id, topic, queues, settings), SessionEvent.TopicCreated.class);
        }

        void createGroup(String group, String topic, Map<String, String> settings) {
            ask(id -> new SessionCommand.CreateGroup(id, group, topic, settings), SessionEvent.GroupCreated.class);
        }

        void change(SettingsScope scope, String name, Map<String, String> changes) {
            ask(id -> new SettingsCommand.ChangeSettings(id, scope, name, changes, 0, "test"), SettingsDescribed.class);
        }

        GroupDescription describe(String group, String topic) {
            return ask(id -> new SessionCommand.DescribeGroup(id, group, topic), SessionEvent.GroupDescribed.class)
                    .topics()
                    .get(0);
        }
    }
}
