package io.forebay.node;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.ConfigFactory;
import io.forebay.client.ClientSettings;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Message;
import io.forebay.protocol.Refusal;
import io.forebay.testkit.check.Fact;
import io.forebay.testkit.check.Journal;
import io.forebay.testkit.check.Rules;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;

/**
 * A client under load, which does all that consumers do: it sends to two topics at both levels, pops, acks, nacks, gives back, extends,
 * and forgets. What it sees goes into a journal. It runs until it is closed; how much it sends is told by {@link #send}.
 *
 * <p>{@value #PLAIN} has messages without keys; some of them nobody can process. {@value #KEYED} has a few keys that all clients share,
 * recognises what is repeated, and is read by an ordered group.
 */
final class LoadClient implements AutoCloseable {
    static final String PLAIN = "plain";
    static final String KEYED = "keyed";
    /** Reads the plain topic. */
    static final String WORKERS = "workers";
    /** Reads the keyed topic, in order. */
    static final String LINES = "lines";

    static final String LETTERS = "%DLQ%" + WORKERS;

    private static final int ATTEMPTS_MAX = 4;
    private static final int QUEUES = 4;
    private static final int KEYS = 32;
    private static final int BODY_MAX = 1500;
    private static final int UNANSWERED_MAX = 128;
    private static final int POP_MAX = 24;
    private static final int POPS = 2;
    /** One message of so many cannot be processed. */
    private static final int POISON_EVERY = 97;

    private static final Duration INVISIBLE = Duration.ofSeconds(1);

    private final String name;
    private final Journal journal;
    private final ActorSystem<Void> system;
    private final ForebayClient client;
    private final JournaledConsumer consumer;
    private final Semaphore toSend = new Semaphore(0);
    private final Semaphore room = new Semaphore(UNANSWERED_MAX);
    private final AtomicLong asked = new AtomicLong();
    private final AtomicLong answered = new AtomicLong();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private volatile boolean isClosed;

    /** @param address of the node, as its ready line says it; the node may be away */
    LoadClient(String name, String address, Journal journal) {
        this.name = name;
        this.journal = journal;
        system = ActorSystem.create(
                Behaviors.empty(), name, ConfigFactory.parseString("""
                    akka.actor.provider = remote
                    akka.remote.warn-about-direct-use = off
                    akka.remote.artery.canonical { hostname = 127.0.0.1, port = 0 }
                    akka.remote.artery.advanced.outbound-restart-backoff = 100 ms
                    akka.loglevel = OFF
                    akka.log-dead-letters = off
                    akka.coordinated-shutdown.run-by-jvm-shutdown-hook = off
                    # Asked for a session more often than it can answer a node answers each, and nothing may come of that.
                    forebay.client.lookup { retry-min = 50 ms, retry-max = 200 ms }
                    forebay.client.send { timeout = 120 s, deduplicated = on }
                    forebay.client.ack.timeout = 120 s
                    """).withFallback(ConfigFactory.load()));
        client = ForebayClient.connect(system, Target.contact(address), ClientSettings.of(system), notice -> {});
        consumer = new JournaledConsumer(
                client,
                journal,
                INVISIBLE.plusSeconds(1),
                ThreadLocalRandom::current,
                () -> isClosed,
                () -> {},
                this::fail);
    }

    /** Begins to consume, and to send what it is told to. */
    void start() {
        Thread producer = new Thread(this::produce, name + "-producer");
        producer.setDaemon(true);
        producer.start();
        for (int count = 0; count < POPS; count++) {
            pop(PLAIN, WORKERS);
            pop(KEYED, LINES);
        }
    }

    /** What the judge has to know of {@link #create}. */
    static Rules rules(Duration serveWithin, Duration goneAfter) {
        return Rules.of(serveWithin, goneAfter)
                .withGroup(WORKERS, new Rules.Group(ATTEMPTS_MAX, false, Durability.WRITTEN))
                .withGroup(LINES, new Rules.Group(0, true, Durability.WRITTEN))
                .withDeduplicated(KEYED);
    }

    /** Makes the topics and the groups; before any load. */
    static void create(ForebayClient client) throws Exception {
        client.createTopic(PLAIN, QUEUES, Map.of()).toCompletableFuture().get(60, TimeUnit.SECONDS);
        client.createTopic(KEYED, QUEUES, Map.of("ordered", "on", "deduplication", "producer"))
                .toCompletableFuture()
                .get(60, TimeUnit.SECONDS);
        client.createGroup(
                        WORKERS,
                        PLAIN,
                        Map.of("max-attempts", String.valueOf(ATTEMPTS_MAX), "retry-backoff", "fixed 20 ms"))
                .toCompletableFuture()
                .get(60, TimeUnit.SECONDS);
        client.createGroup(LINES, KEYED, Map.of("ordered", "on", "max-attempts", "0", "retry-backoff", "none"))
                .toCompletableFuture()
                .get(60, TimeUnit.SECONDS);
    }

    ForebayClient client() {
        return client;
    }

    /** That many messages more. */
    void send(int count) {
        asked.addAndGet(count);
        toSend.release(count);
    }

    /** Messages that were sent and answered, whichever way. */
    long answered() {
        check();
        return answered.get();
    }

    /** Whether everything that was to be sent is answered. */
    boolean isQuiet() {
        check();
        return answered.get() == asked.get();
    }

    private void check() {
        if (failure.get() != null) {
            throw new AssertionError("client " + name + " has failed", failure.get());
        }
    }

    private void fail(Throwable cause) {
        failure.compareAndSet(null, cause);
    }

    // ---- sending ----------------------------------------------------------------------------------------------------

    private void produce() {
        try {
            client.whenConnected().toCompletableFuture().join();
            for (long number = 1; ; number++) {
                toSend.acquire();
                room.acquire();
                send(message(number), number);
            }
        } catch (InterruptedException e) {
            fail(e);
        }
    }

    private Message message(long number) {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        byte[] body = new byte[random.nextInt(BODY_MAX)];
        random.nextBytes(body);
        Message.Builder builder = random.nextBoolean()
                ? Message.builder(PLAIN)
                : Message.builder(KEYED).messageGroup("key-" + random.nextInt(KEYS));
        return builder.id(name + "-" + number).body(body).build();
    }

    private void send(Message message, long number) {
        Durability level = ThreadLocalRandom.current().nextBoolean() ? Durability.WRITTEN : Durability.FLUSHED;
        journal.note(Fact.Sending.of(message, name, number));
        client.send(message, level).whenComplete((receipt, refused) -> {
            if (isClosed) {
                return;
            }
            journal.note(
                    refused == null
                            ? new Fact.Stored(message.id(), level, receipt)
                            : new Fact.NotStored(message.id(), codeOf(refused)));
            room.release();
            answered.incrementAndGet();
        });
    }

    private Refusal.Code codeOf(Throwable refused) {
        if (refused instanceof ForebayException exception) {
            return exception.code();
        }
        fail(refused);
        return Refusal.Code.UNRECOGNISED;
    }

    // ---- popping ----------------------------------------------------------------------------------------------------

    private void pop(String topic, String group) {
        PopRequest request = PopRequest.of(topic, group, POP_MAX)
                .withInvisible(INVISIBLE)
                .withWaitMax(Duration.ofSeconds(2))
                .withExtend(false);
        client.pop(request).whenComplete((deliveries, refused) -> {
            if (isClosed) {
                return;
            }
            if (refused != null) {
                codeOf(refused);
                journal.note(new Fact.PopFailed(name, topic, group));
            } else {
                deliveries.forEach(delivery -> journal.note(Fact.Popped.of(name, delivery)));
                consumer.take(group, deliveries, delivery -> dice(group, delivery));
            }
            pop(topic, group);
        });
    }

    private static int dice(String group, Delivery delivery) {
        boolean isPoison =
                group.equals(WORKERS) && Math.floorMod(delivery.message().id().hashCode(), POISON_EVERY) == 0;
        return isPoison ? JournaledConsumer.POISON : ThreadLocalRandom.current().nextInt(200);
    }

    /** Leaves at once; what it holds comes back when it is due. Nothing is noted from now on. */
    @Override
    public void close() {
        isClosed = true;
        client.detach();
        system.terminate();
        system.getWhenTerminated()
                .toCompletableFuture()
                .orTimeout(60, TimeUnit.SECONDS)
                .join();
    }
}
