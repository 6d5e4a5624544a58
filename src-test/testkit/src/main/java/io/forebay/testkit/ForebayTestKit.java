package io.forebay.testkit;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Behavior;
import akka.actor.typed.Props;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.node.Forebay;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.DeadLetterFilter;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Message;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.StoredMessage;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import io.forebay.testkit.sim.SteppedExecutor;
import io.forebay.testkit.sim.SteppedSystem;
import io.forebay.testkit.sim.VirtualTime;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.random.RandomGenerator;

/**
 * A whole node for a unit test: in the JVM of the test, on a disk in memory, without a thread of its own, and with a clock that
 * stands still until the test says otherwise. What an application does with a node in production it does here, with the same {@link
 * ForebayClient}; a deadline of twelve hours, a restart, a power cut or a disk that fails take milliseconds, and one seed brings back
 * one run.
 *
 * <pre>{@code
 * try (ForebayTestKit kit = ForebayTestKit.started()) {
 *     kit.createTopic("orders", 4);
 *     kit.createGroup("billing", "orders");
 *     kit.send("orders", "a coffee");
 *     Delivery first = kit.pop("orders", "billing", 1).get(0);
 *     kit.passTime(Duration.ofSeconds(31));                        // nobody acks it: it comes back
 *     Delivery second = kit.pop("orders", "billing", 1).get(0);
 *     assert second.attempt() == 2;
 *     kit.ack(second);
 *     kit.assertSettled("billing", "orders");
 * }
 * }</pre>
 *
 * <p><b>Nothing happens by itself.</b> The node, the client, and actors and streams of the application in {@link #system()} do what
 * they have to do only within a call of this class: {@link #settle()} until nothing is left to do before time passes, {@link #passTime}
 * for a while, {@link #await} until a stage is done. In which order things are done that could be done at the same time is drawn from
 * the {@link #seed()}.
 *
 * <p><b>A life of the process.</b> Node, client and application's actors are one process: {@link #kill()}, {@link #cutPower()} and {@link
 * #stop()} end all of them, {@link #start()}ing again makes new ones on what is left of the disk. Ask for {@link #client()} and {@link
 * #system()} again then; stages of an earlier life are never done.
 *
 * <p>Confined to the thread of the test. Code of the application that runs on threads of its own may use the client, too, but in no order
 * that a seed brings back.
 */
public final class ForebayTestKit implements AutoCloseable {
    /** How much virtual time {@link #await(CompletionStage)} lets pass at most. */
    public static final Duration AWAIT_MAX = Duration.ofMinutes(1);

    /** Small files, so that a node starts fast; the shares of low-space are those of the default. */
    private static final Config SMALL = ConfigFactory.parseString("""
        akka.loglevel = WARNING
        akka.stdout-loglevel = WARNING
        akka.log-dead-letters = off
        forebay {
          node.name = "test-kit"
          storage { stripes = 1, segment-size = 2 MiB, low-space = 16 MiB }
          store { flush-bytes = 256 KiB, max-unflushed = 16 MiB, checkpoint-bytes = 8 MiB }
          queue { body-max = 1 MiB, batch-bytes-max = 1536 KiB }
          topic.default-queues = 2
          group.pop-bytes-max = 2 MiB
          watch.enabled = off
        }
        """);

    /** What makes it a node without threads; nobody's settings may change it. */
    private static final Config FIXED = ConfigFactory.parseString("""
        akka.actor.provider = local
        akka.coordinated-shutdown { run-by-jvm-shutdown-hook = off, exit-jvm = off, run-by-actor-system-terminate = on }
        """);

    /** In real time, for what other threads have to do; the second one before a stage is given up. */
    private static final long GRACE_MILLIS = 10;

    private static final long LAST_GRACE_MILLIS = 1_000;

    private final long seed;
    private final RandomGenerator random;
    private final Config config;
    private final VirtualTime time;
    private MemoryDisk disk = new MemoryDisk();
    private Duration forceDelay = Duration.ZERO;
    private SteppedSystem life;
    private ForebayClient client;

    /** What a kit is to be like. */
    public static final class Builder {
        private long seed = SeededRun.newSeed();
        private String settings = "";
        private VirtualTime time = new VirtualTime();

        private Builder() {}

        /** Repeats the run of a seed. Without it each kit has another one, or that of {@code -Dforebay.seed}. */
        public Builder seed(long newSeed) {
            seed = newSeed;
            return this;
        }

        /**
         * Settings of the node, the client and Akka in HOCON. They go before the {@code application.conf} of the test, which counts, too,
         * but for sizes of files and buffers.
         */
        public Builder settings(String hocon) {
            settings = Objects.requireNonNull(hocon);
            return this;
        }

        /** When the wall clock begins; 15 January 2027 if nothing is said. */
        public Builder startingAt(Instant instant) {
            time = new VirtualTime(instant.toEpochMilli());
            return this;
        }

        /** A kit whose node serves. */
        public ForebayTestKit start() {
            ForebayTestKit kit = new ForebayTestKit(this);
            kit.start();
            return kit;
        }
    }

    private ForebayTestKit(Builder builder) {
        seed = builder.seed;
        random = SeededRun.randomOf(seed);
        time = builder.time;
        Config wanted = FIXED.withFallback(ConfigFactory.parseString(builder.settings))
                .withFallback(SMALL)
                .withFallback(ConfigFactory.load())
                .resolve();
        config = SteppedExecutor.replacing(wanted).withFallback(wanted).resolve();
    }

    /** What a kit is to be like, before it is started. */
    public static Builder builder() {
        return new Builder();
    }

    /** A kit with a node that serves and is empty. */
    public static ForebayTestKit started() {
        return builder().start();
    }

    /** What brings this run back: {@link Builder#seed}. */
    public long seed() {
        return seed;
    }

    // ---------------------------------------------------------------- the life of the process

    /**
     * Starts a node on what the last one has left; it serves when this returns. Does nothing if one runs.
     *
     * @throws CompletionException if it cannot start; its cause is what a node in production would say
     */
    public void start() {
        if (life != null) {
            return;
        }
        SteppedSystem next = new SteppedSystem("forebay-test-kit", config, disk, time, random, () -> {});
        life = next;
        drive(next::start);
        next.delayForces(forceDelay);
    }

    /** The process dies at once, as by {@code kill -9}: what was written stays. {@link #start()} begins the next life. */
    public void kill() {
        disk = running().kill();
        life = null;
        client = null;
    }

    /**
     * The power goes: of what was written and not flushed some of it stays, drawn from the seed, sector by sector. {@link #start()} begins
     * the next life.
     */
    public void cutPower() {
        disk = running().cutPower();
        life = null;
        client = null;
    }

    /** The process ends in order: what is under way is answered, a checkpoint written. {@link #start()} begins the next life. */
    public void stop() {
        SteppedSystem ending = running();
        drive(() -> {
            disk = ending.stop();
            ending.gone();
        });
        life = null;
        client = null;
    }

    /** Whether a node runs. */
    public boolean isRunning() {
        return life != null;
    }

    /** The kit is not used any more. Takes no time; idempotent. */
    @Override
    public void close() {
        if (life != null) {
            kill();
        }
    }

    private SteppedSystem running() {
        if (life == null) {
            throw new IllegalStateException("no node runs: start() one");
        }
        return life;
    }

    /** A disk that was armed to crash takes the process along. */
    private void drive(Runnable driving) {
        try {
            driving.run();
        } catch (DiskCrashed e) {
            if (life != null) {
                life.gone();
            }
            disk = disk.killImage();
            life = null;
            client = null;
            throw e;
        }
    }

    // ---------------------------------------------------------------- what runs

    /** The client of this life of the process, connected to its node. */
    public ForebayClient client() {
        if (client == null) {
            client = newClient();
        }
        return client;
    }

    /** Another client: a consumer of its own, that can be closed without the others. */
    public ForebayClient newClient() {
        SteppedSystem current = running();
        return ForebayClient.connect(
                current.system(), Target.node(current.forebay().entry()));
    }

    /** The actor system of this life. Its dispatchers have no threads, and its scheduler has the time of the kit. */
    public ActorSystem<Void> system() {
        return running().system();
    }

    /** The node, for code of the application that wants one. */
    public Forebay node() {
        return running().forebay();
    }

    /** An actor of the application, in this life of the process. It does something when the kit is told to. */
    public <T> ActorRef<T> spawn(Behavior<T> behavior, String name) {
        return running().system().systemActorOf(behavior, name, Props.empty());
    }

    // ---------------------------------------------------------------- doing, and time

    /** Does all there is to do before time passes. */
    public void settle() {
        drive(running()::runAll);
    }

    /** Time passes from one timer to the next, and all there is to do is done before, in between and after. */
    public void passTime(Duration duration) {
        if (life == null) {
            time.pass(duration.toMillis());
        } else {
            drive(() -> running().pass(duration.toMillis()));
        }
    }

    /** The wall clock. */
    public Instant now() {
        return time.instant();
    }

    /** The wall clock, and the time of the node's log, of the kit; for code of the application that has its clock injected. */
    public VirtualTime time() {
        return time;
    }

    /** Somebody sets the wall clock, forward or back. A node that runs goes by its monotonic clock and does not see it. */
    public void shiftWallClock(Duration by) {
        time.shiftWall(by.toMillis());
    }

    /** As {@link #await(CompletionStage, Duration)}, at most {@link #AWAIT_MAX}. */
    public <T> T await(CompletionStage<T> stage) {
        return await(stage, AWAIT_MAX);
    }

    /**
     * Does what there is to do until a stage is done. Only when nothing is left to do, time passes, from one timer to the next: a Pop that
     * waits for 20 seconds for a message takes 20 seconds of virtual time and comes back empty. Whoever wants to see that no time is
     * needed calls {@link #settle()} and looks whether the stage is done.
     *
     * @param timeMax how much virtual time may pass
     * @return what the stage was completed with
     * @throws RuntimeException what it failed with, {@link ForebayException} above all; a {@link CompletionException} around what is not
     *     unchecked
     * @throws AssertionError if it is not done by then
     */
    public <T> T await(CompletionStage<T> stage, Duration timeMax) {
        CompletableFuture<T> future = stage.toCompletableFuture();
        SteppedSystem current = running();
        drive(() -> run(current, future, timeMax.toMillis()));
        if (!future.isDone()) {
            throw new AssertionError("nothing is left to do, " + timeMax.toSeconds()
                    + " s of virtual time have passed, and the" + " stage is not done: " + stage);
        }
        return resultOf(future);
    }

    private static void run(SteppedSystem current, CompletableFuture<?> future, long millisMax) {
        long left = millisMax;
        boolean isGraceLeft = true;
        while (!future.isDone()) {
            if (current.runOne()) {
                continue;
            }
            if (isGraceLeft || left == 0) {
                // Other threads may have something to do with it; what they then tell is done first.
                waitReally(future, left == 0 ? LAST_GRACE_MILLIS : GRACE_MILLIS);
                isGraceLeft = false;
                if (current.isIdle() && left == 0) {
                    return;
                }
            } else {
                left -= current.step(left);
            }
        }
    }

    private static void waitReally(CompletableFuture<?> future, long millis) {
        try {
            future.get(millis, TimeUnit.MILLISECONDS);
        } catch (TimeoutException | ExecutionException | RuntimeException e) {
            // The caller looks what has become of it.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }

    private static <T> T resultOf(CompletableFuture<T> future) {
        try {
            return future.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            if (e.getCause() instanceof Error cause) {
                throw cause;
            }
            throw e;
        }
    }

    // ---------------------------------------------------------------- shortcuts over client()

    public void createTopic(String topic, int queues) {
        createTopic(topic, queues, Map.of());
    }

    /** @param settings of the topic's own, as {@link ForebayClient#createTopic} takes them */
    public void createTopic(String topic, int queues, Map<String, String> settings) {
        await(client().createTopic(topic, queues, new TreeMap<>(settings)));
    }

    public void createGroup(String group, String topic) {
        createGroup(group, topic, Map.of());
    }

    /** @param settings of the group's own, as {@link ForebayClient#createGroup} takes them */
    public void createGroup(String group, String topic, Map<String, String> settings) {
        await(client().createGroup(group, topic, new TreeMap<>(settings)));
    }

    /** Sends a text, in UTF-8, and has it answered. */
    public Receipt send(String topic, String text) {
        return send(Message.of(topic, text.getBytes(StandardCharsets.UTF_8)));
    }

    /** Sends a message, and has it answered. */
    public Receipt send(Message message) {
        return await(client().send(message));
    }

    /**
     * Pops what is there when all is done that is under way, of all queues, with as many Pops as it takes; may be empty. Unlike what {@link PopRequest#of} asks for, the
     * client does not extend the deadline: when the invisible duration has passed the message comes back.
     */
    public List<Delivery> pop(String topic, String group, int countMax) {
        // A Send is answered before every group has heard of it.
        settle();
        List<Delivery> all = new ArrayList<>();
        PopRequest request =
                PopRequest.of(topic, group, countMax).withWaitMax(Duration.ZERO).withExtend(false);
        while (all.size() < countMax) {
            List<Delivery> some = await(client().pop(request.withCountMax(countMax - all.size())));
            if (some.isEmpty()) {
                return all;
            }
            all.addAll(some);
        }
        return all;
    }

    public AckOutcome ack(Delivery delivery) {
        return await(client().ack(delivery));
    }

    /** The message comes again by the group's schedule of retries. */
    public ChangeResult nack(Delivery delivery, String reason) {
        return await(client().nack(delivery, reason));
    }

    // ---------------------------------------------------------------- looking

    /** Where a group stands in a topic when all is done that is under way. */
    public GroupDescription group(String group, String topic) {
        settle();
        return await(client().describeGroup(group, topic)).get(0);
    }

    /** Messages of the topic that the group has not settled, those in flight included. */
    public long depth(String group, String topic) {
        return group(group, topic).depth();
    }

    /** Messages of the topic that are out at a consumer of the group. */
    public long inFlight(String group, String topic) {
        return group(group, topic).inFlight();
    }

    /** Dead letters of a group, of all topics, oldest first in each queue; why is in their properties ({@code dead-letter.*}). */
    public List<StoredMessage> deadLetters(String group) {
        settle();
        List<StoredMessage> letters = new ArrayList<>();
        String cursor = "";
        do {
            LookReply.MessagePage page =
                    await(client().deadLetters(group, DeadLetterFilter.ALL, PoisonCommand.PAGE_COUNT_MAX, cursor));
            letters.addAll(page.messages());
            cursor = page.cursor();
        } while (!cursor.isEmpty());
        return letters;
    }

    /**
     * The group has settled every message of the topic, and none of them as a dead letter.
     *
     * @throws AssertionError which says what is left
     */
    public void assertSettled(String group, String topic) {
        GroupDescription now = group(group, topic);
        List<StoredMessage> letters = now.depth() == 0 && now.deadLettered() == 0 ? List.of() : deadLetters(group);
        if (now.depth() != 0 || !letters.isEmpty()) {
            throw new AssertionError("group " + group + " has not settled topic " + topic + ": depth " + now.depth()
                    + ", of which in flight " + now.inFlight() + ", waiting for redelivery " + now.waitingRedelivery()
                    + "; dead letters of the group: " + letters.size() + " (seed " + seed + ")");
        }
    }

    // ---------------------------------------------------------------- what goes wrong

    /** The disk, for faults that have no switch here. It is another one in each life of the process. */
    public MemoryDisk disk() {
        return disk;
    }

    /** So many forces fail from now on, 0 for no more. What is FLUSHED is answered when it has been written elsewhere. */
    public void failForces(int count) {
        disk.failNextForces(count);
    }

    /** From now on whatever blocks on the disk, forces above all, takes so long, in virtual time; zero for no time. */
    public void delayForces(Duration delay) {
        forceDelay = delay;
        if (life != null) {
            life.delayForces(delay);
        }
    }

    /**
     * Somebody else has filled the disk. As in production it is noticed when the next file is needed: what is ready takes some more
     * megabytes, then Sends are refused, and later Pops; acks go on from what is kept back.
     */
    public void fillDisk() {
        limitDisk(0);
    }

    /** @param usableBytes how much room is left */
    public void limitDisk(long usableBytes) {
        disk.fullAfter(usableBytes);
    }

    /** There is room again. */
    public void freeDisk() {
        disk.roomAgain();
    }
}
