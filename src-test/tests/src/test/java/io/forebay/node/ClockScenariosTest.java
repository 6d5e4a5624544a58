package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.QueueDescription;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Clocks that are wrong, and a node that stands still: I7 nothing before its time, and nothing after it either; I5 the handle of a
 * delivery whose time is over is worth nothing once the message is out again; I4, I6. Survived are a wall clock that is set two days
 * on or back while a node runs and between two of its lives, hours that pass while the node does nothing; a process
 * that is stopped for real is in {@link StandstillTest}.
 */
@Tag("proof")
class ClockScenariosTest {
    private static final long MINUTE = 60_000;
    private static final long HOUR = 60 * MINUTE;
    private static final long TWO_DAYS = 48 * HOUR;
    private static final long BACKOFF = 20_000;
    private static final int COUNT = 60;
    /** Age is told in parts of the span. */
    private static final long AGE_SLACK = HOUR / 16;

    /** Nothing but the node's own work passes the time. */
    private static final String SETTINGS = "forebay.session { heartbeat-interval = 5 m, timeout = 1 h }";

    /** A node on virtual time, started again and again, and what is due on it when. */
    private static final class World {
        final NodeFixture.VirtualTime time = new NodeFixture.VirtualTime();
        final RandomGenerator random;
        /** By log time: the messages that go out again then. */
        final TreeMap<Long, Set<String>> due = new TreeMap<>();

        SteppedNode node;
        SteppedNode.Client client;
        private long startedMillis;
        private long startedNanos;
        private long lastSession;

        World(RandomGenerator random) {
            this.random = random;
            start(new MemoryDisk(), 0);
            client.createTopic("t", 1, Map.of("max-age", "4 d"));
            client.createTopic("aged", 1, Map.of("max-age", "1 h"));
            client.createTopic("graced", 1, Map.of("retention-grace", "1 h"));
            client.createGroup("g", "t", Map.of("retry-backoff", "fixed 20 s"));
        }

        /** @param newestMillis log time of the newest record */
        private void start(MemoryDisk disk, long newestMillis) {
            startedMillis = Math.max(time.millis(), newestMillis);
            startedNanos = time.nanos();
            node = SteppedNode.start(disk, SETTINGS, time, random);
            client = node.open(++lastSession);
        }

        /** The newest record is of this very moment. */
        void killAndStart(long wallShiftMillis) {
            client.send("other", NodeFixture.messages("other", 1, "o"), Durability.FLUSHED);
            long newestMillis = now();
            MemoryDisk image = node.kill();
            time.shiftWall(wallShiftMillis);
            start(image, newestMillis);
        }

        long now() {
            return startedMillis + TimeUnit.NANOSECONDS.toMillis(time.nanos() - startedNanos);
        }

        List<Delivery> pop(int countMax, long invisibleMillis) {
            return client.ask(
                            id -> new SessionCommand.Pop(id, "t", "g", countMax, 1 << 20, invisibleMillis, 0),
                            SessionEvent.Popped.class)
                    .deliveries();
        }

        /** Deadlines and delays of retries, from a second to two hours. */
        void fill() {
            client.send("t", NodeFixture.messages("t", COUNT, "m"), Durability.WRITTEN);
            for (int i = 0; i < COUNT; i++) {
                long millis = 1000 + random.nextLong(2 * HOUR);
                Delivery delivery = pop(1, i % 2 == 0 ? millis : HOUR).get(0);
                long dueMillis;
                if (i % 2 == 0) {
                    assertThat(delivery.invisibleUntilMillis()).isEqualTo(now() + millis);
                    dueMillis = delivery.invisibleUntilMillis() + BACKOFF;
                } else {
                    dueMillis = now() + millis;
                    client.ask(
                            id -> new SessionCommand.ChangeInvisible(
                                    id, "g", List.of(delivery.handle()), millis, true, "later"),
                            SessionEvent.ChangeReply.class);
                }
                due.computeIfAbsent(dueMillis, at -> new TreeSet<>()).add(NodeFixture.text(delivery));
            }
        }

        void passUntil(long millis) {
            node.pass(millis - now());
            assertThat(now()).isEqualTo(millis);
        }

        /** Everything comes at its time, to the millisecond; what was due before now comes now. */
        void checkDue(long untilMillis) {
            while (!due.isEmpty() && due.firstKey() <= untilMillis) {
                Map.Entry<Long, Set<String>> next = due.pollFirstEntry();
                if (next.getKey() > now()) {
                    passUntil(next.getKey() - 1);
                    assertThat(pop(COUNT, HOUR))
                            .as("I7: before what is due at %d", next.getKey())
                            .isEmpty();
                    passUntil(next.getKey());
                }
                Set<String> expected = new TreeSet<>(next.getValue());
                while (!due.isEmpty() && due.firstKey() <= now()) {
                    expected.addAll(due.pollFirstEntry().getValue());
                }
                List<Delivery> come = pop(COUNT, HOUR);
                assertThat(texts(come)).as("due at %d", now()).isEqualTo(expected);
                assertThat(come).allMatch(delivery -> delivery.attempt() == 2, "I6");
                assertThat(client.ack("g", come, Durability.WRITTEN).results()).containsOnly(AckOutcome.ACKED);
            }
        }

        void checkNothingIsLeft() {
            assertThat(due).isEmpty();
            node.pass(TWO_DAYS);
            assertThat(pop(COUNT, HOUR)).as("I4").isEmpty();
        }

        /** Messages that nobody reads, and messages that everybody has settled. */
        long storeForAnHour() {
            client.send("aged", NodeFixture.messages("aged", 10, "a"), Durability.WRITTEN);
            client.send("graced", NodeFixture.messages("graced", 10, "g"), Durability.WRITTEN);
            client.ack("g", client.popAll("graced", "g", 10, HOUR), Durability.WRITTEN);
            return now();
        }

        void checkKept(boolean isKept, String... topics) {
            for (String topic : topics) {
                QueueDescription queue = client.ask(
                                id -> new SessionCommand.DescribeTopic(id, topic), SessionEvent.TopicDescribed.class)
                        .topic()
                        .queues()
                        .get(0);
                assertThat(queue.firstOffset())
                        .as("first offset of '%s'", topic)
                        .isEqualTo(isKept ? 0 : 10);
            }
        }

        /**
         * In a life that began since they were stored. How long ago something was settled only a checkpoint says: a life without one
         * begins to count anew.
         */
        void checkKeptForAnHour(long storedMillis) {
            checkDue(storedMillis + HOUR - MINUTE);
            passUntil(storedMillis + HOUR - MINUTE);
            checkKept(true, "aged", "graced");
            checkDue(storedMillis + HOUR + AGE_SLACK);
            passUntil(storedMillis + HOUR + AGE_SLACK);
            checkKept(false, "aged");
            checkDue(startedMillis + HOUR + AGE_SLACK);
            passUntil(startedMillis + HOUR + AGE_SLACK);
            checkKept(false, "graced");
        }
    }

    private static Set<String> texts(List<Delivery> deliveries) {
        return deliveries.stream().map(NodeFixture::text).collect(Collectors.toCollection(TreeSet::new));
    }

    private static void inAWorld(String name, java.util.function.Consumer<World> body) {
        SteppedNode.alone(() -> SeededRun.run(name, (random, progress) -> body.accept(new World(random))));
    }

    @Test
    void aWallClockThatIsSetWhileTheNodeRunsMovesNothing() {
        for (long shift : new long[] {TWO_DAYS, -TWO_DAYS}) {
            inAWorld("wall clock set by " + shift, world -> {
                world.fill();
                long stored = world.storeForAnHour();
                world.time.shiftWall(shift);
                world.checkDue(stored + HOUR - MINUTE);
                world.passUntil(stored + HOUR - MINUTE);
                world.checkKept(true, "aged", "graced");
                world.time.shiftWall(-2 * shift);
                world.checkDue(stored + HOUR + AGE_SLACK);
                world.passUntil(stored + HOUR + AGE_SLACK);
                world.checkKept(false, "aged", "graced");
                world.time.shiftWall(shift);
                world.checkDue(Long.MAX_VALUE);
                world.checkNothingIsLeft();
            });
        }
    }

    @Test
    void aLongPollLastsAsLongWhateverTheWallClockIsSetTo() {
        for (long shift : new long[] {TWO_DAYS, -TWO_DAYS}) {
            inAWorld("long poll and wall clock set by " + shift, world -> {
                SteppedNode.Client waiter = world.node.open(1000);
                waiter.tell(new SessionCommand.Pop(waiter.nextId(), "t", "g", 1, 1000, HOUR, MINUTE));
                world.node.runAll();
                world.time.shiftWall(shift);
                world.node.pass(MINUTE - 1);
                assertThat(waiter.events).as("I7").isEmpty();
                world.node.pass(1);
                assertThat(waiter.expect(SessionEvent.Popped.class).deliveries())
                        .isEmpty();
            });
        }
    }

    @Test
    void whatWasWrittenWhileTheWallClockWasWrongIsDueAtItsTimeInTheNextLifeToo() {
        for (long shift : new long[] {TWO_DAYS, -TWO_DAYS}) {
            inAWorld("wall clock wrong by " + shift + " for a while", world -> {
                world.time.shiftWall(shift);
                world.fill();
                long stored = world.storeForAnHour();
                world.checkDue(stored + 10 * MINUTE);
                world.killAndStart(-shift);
                world.checkKeptForAnHour(stored);
                world.checkDue(Long.MAX_VALUE);
                world.checkNothingIsLeft();
            });
        }
    }

    @Test
    void aWallClockThatIsTwoDaysBehindAtTheNextStartMovesNothing() {
        inAWorld("wall clock set back between two lives", world -> {
            world.fill();
            long stored = world.storeForAnHour();
            world.checkDue(stored + 10 * MINUTE);
            world.killAndStart(-TWO_DAYS);
            world.checkDue(stored + 20 * MINUTE);
            world.killAndStart(0);
            world.checkKeptForAnHour(stored);
            world.checkDue(Long.MAX_VALUE);
            world.checkNothingIsLeft();
        });
    }

    /** It cannot be told from a node that was away for so long. */
    @Test
    void aWallClockThatIsTwoDaysAheadAtTheNextStartHasEverythingDueAndGrantsNothingMoreThanBefore() {
        inAWorld("wall clock set on between two lives", world -> {
            world.fill();
            world.storeForAnHour();
            world.killAndStart(TWO_DAYS);
            world.checkDue(world.now());
            assertThat(world.due).as("all of it was due within two days").isEmpty();
            // What nobody has settled and is older than max-age by that clock goes, too.
            world.node.pass(MINUTE);
            world.checkKept(false, "aged");
            // What is granted from now on is kept, also when the wall clock is right again.
            world.fill();
            world.killAndStart(-TWO_DAYS);
            world.checkDue(Long.MAX_VALUE);
            world.checkNothingIsLeft();
        });
    }

    // ---- hours ------------------------------------------------------------------------------------------------------

    /** Pops one after the other, one long poll at a time, and lets each message go until its third attempt. */
    private static final class Consumer {
        private static final int ATTEMPTS = 3;

        final World world;
        final Map<String, Integer> attempts = new HashMap<>();
        final Map<String, Long> dueMillis = new HashMap<>();
        final boolean isPunctual;
        long lastPoppedMillis;
        int acked;
        private final SteppedNode.Client client;

        Consumer(World world, boolean isPunctual) {
            this.world = world;
            this.isPunctual = isPunctual;
            client = world.node.open(1000);
            client.listen(this::onEvent);
        }

        void begin() {
            long invisible = 10 + world.random.nextLong(12 * HOUR - 10);
            client.tell(new SessionCommand.Pop(client.nextId(), "t", "g", 1, 1000, invisible, 5 * MINUTE));
        }

        private void onEvent(SessionEvent event) {
            if (event instanceof SessionEvent.Popped popped) {
                popped.deliveries().forEach(this::take);
                begin();
            } else if (event instanceof SessionEvent.AckReply reply) {
                assertThat(reply.results()).containsOnly(AckOutcome.ACKED);
                acked++;
            } else {
                throw new AssertionError(event);
            }
        }

        private void take(Delivery delivery) {
            String text = NodeFixture.text(delivery);
            int attempt = attempts.merge(text, 1, Integer::sum);
            assertThat(delivery.attempt()).as("I6: %s", text).isEqualTo(attempt);
            assertThat(delivery.poppedMillis()).as("in order").isGreaterThanOrEqualTo(lastPoppedMillis);
            lastPoppedMillis = delivery.poppedMillis();
            if (attempt > 1) {
                assertThat(delivery.poppedMillis())
                        .as("I7: %s, attempt %d", text, attempt)
                        .isGreaterThanOrEqualTo(dueMillis.get(text));
                if (isPunctual) {
                    assertThat(delivery.poppedMillis()).as(text).isEqualTo(dueMillis.get(text));
                }
            }
            dueMillis.put(text, delivery.invisibleUntilMillis() + BACKOFF);
            if (attempt == ATTEMPTS) {
                client.tell(
                        new SessionCommand.Ack(client.nextId(), "g", List.of(delivery.handle()), Durability.WRITTEN));
            }
        }
    }

    @Test
    void deadlinesUpToTwelveHoursComeInOrderAndToTheMillisecond() {
        inAWorld("hours of deadlines", world -> {
            world.client.send("t", NodeFixture.messages("t", COUNT, "m"), Durability.WRITTEN);
            Consumer consumer = new Consumer(world, true);
            consumer.begin();
            for (int hour = 0; hour < 26 && consumer.acked < COUNT; hour++) {
                world.node.pass(HOUR);
            }
            assertThat(consumer.acked).as("I1").isEqualTo(COUNT);
        });
    }

    /** The clocks go on while nothing is done: a machine that was suspended. */
    @Test
    void aNodeThatSleepsForHoursHasWhatIsOverdueAtOnceAndNothingElse() {
        inAWorld("hours asleep", world -> {
            world.client.send("t", NodeFixture.messages("t", COUNT, "m"), Durability.WRITTEN);
            Consumer consumer = new Consumer(world, false);
            consumer.begin();
            world.node.runAll();
            for (int nap = 0; nap < 100 && consumer.acked < COUNT; nap++) {
                world.node.passOnly(world.random.nextLong(6 * HOUR));
                Map<String, Long> dueBefore = new HashMap<>(consumer.dueMillis);
                Map<String, Integer> attemptsBefore = new HashMap<>(consumer.attempts);
                world.node.runAll();
                // The backoff of what has expired unseen may be over as well, or begin only now.
                world.node.pass(1);
                dueBefore.forEach((text, due) -> {
                    if (attemptsBefore.get(text) < Consumer.ATTEMPTS && due <= world.now() - 1) {
                        assertThat(consumer.attempts.get(text))
                                .as("overdue since %d at %d: %s", due, world.now(), text)
                                .isGreaterThan(attemptsBefore.get(text));
                    }
                });
            }
            assertThat(consumer.acked).as("I1").isEqualTo(COUNT);
        });
    }
}
