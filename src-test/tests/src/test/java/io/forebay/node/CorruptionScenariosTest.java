package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Message;
import io.forebay.protocol.Quarantine;
import io.forebay.protocol.QueueDescription;
import io.forebay.protocol.QueueRelease;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SeekPlace;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Reads that fail, and bytes that are damaged, under a running node. I1 what passes loses nothing; I2 nothing altered is delivered;
 * I3 order per key, over what cannot be read for now and over what is passed over; I4 what is quarantined is not acked, and what is
 * acked stays away; I6 an attempt that nobody saw is not counted; I8 other queues go on, and whoever waits is told why. Faults: a
 * read that fails once, some times, for a while, for good; a flipped byte; restarts in between.
 */
@Tag("proof")
class CorruptionScenariosTest {
    private static final long HOUR = 3_600_000;
    /** As in the settings. */
    private static final long PATIENCE = 2_000;

    private static final String SETTINGS =
            "forebay { queue.quarantine-after = 2 s, topic { max-age = 0 s, retention-grace = 1 d } }";
    private static final Map<String, String> PLAIN = Map.of("retry-backoff", "none", "max-attempts", "0");
    private static final Map<String, String> ORDERED =
            Map.of("retry-backoff", "none", "max-attempts", "0", "ordered", "on");
    private static final int ROUNDS = 5;
    private static final int STEPS = 150;

    private record Place(String path, long at) {}

    private interface Scenario {
        void play(World world) throws Exception;
    }

    private static void play(String name, Scenario scenario) {
        SteppedNode.alone(() -> SeededRun.run(name, (random, progress) -> {
            for (int round = 0; round < ROUNDS; round++) {
                progress.at(round);
                World world = new World(random);
                scenario.play(world);
                world.node.gone();
            }
        }));
    }

    /** A node with a topic of two queues, and a client. */
    private static final class World {
        final RandomGenerator random;
        final NodeFixture.VirtualTime time = new NodeFixture.VirtualTime();
        MemoryDisk disk = new MemoryDisk();
        SteppedNode node;
        SteppedNode.Client client;
        private long sessions;

        World(RandomGenerator random) {
            this.random = random;
            start();
            client.createTopic("t", 2, Map.of());
        }

        void start() {
            node = SteppedNode.start(disk, SETTINGS, time, random);
            client = node.open(++sessions);
        }

        /** The node ends, and begins again on the same disk, of which nothing is unreadable. */
        void restart(boolean isKilled) {
            disk = isKilled ? node.kill() : node.stop();
            start();
        }

        // ---- messages

        /** All of it in one frame. */
        void send(int queue, String... texts) {
            sendKeyed(queue, "", texts);
        }

        /** To the key's own queue, if there is a key. */
        void sendKeyed(int queue, String key, String... texts) {
            List<Message> messages = new ArrayList<>();
            for (String text : texts) {
                messages.add(Message.builder("t")
                        .body(text.getBytes(StandardCharsets.US_ASCII))
                        .messageGroup(key)
                        .build());
            }
            List<SendResult> results = client.ask(
                            id -> new SessionCommand.Send(
                                    id, "t", key.isEmpty() ? queue : -1, messages, Durability.WRITTEN),
                            SessionEvent.SendReply.class)
                    .results();
            assertThat(results).allMatch(Receipt.class::isInstance);
        }

        SessionEvent.Reply ask(String group, long waitMillis) {
            return client.ask(
                    id -> new SessionCommand.Pop(id, "t", group, 100, 1 << 20, HOUR, waitMillis),
                    SessionEvent.Reply.class);
        }

        List<Delivery> pop(String group) {
            SessionEvent.Reply reply = ask(group, 0);
            assertThat(reply).isInstanceOf(SessionEvent.Popped.class);
            List<Delivery> deliveries = ((SessionEvent.Popped) reply).deliveries();
            assertThat(deliveries).as("I6").allMatch(delivery -> delivery.attempt() == 1);
            return deliveries;
        }

        /** A Pop that finds nothing that can be read. */
        Refusal refused(String group) {
            SessionEvent.Reply reply = ask(group, 0);
            assertThat(reply).as("I8: told why").isInstanceOf(SessionEvent.Refused.class);
            Refusal refusal = ((SessionEvent.Refused) reply).refusal();
            assertThat(refusal.code()).isEqualTo(Refusal.Code.READ_FAILED);
            assertThat(refusal.isTransient()).isTrue();
            assertThat(refusal.retryAfterMillis()).isPositive();
            return refusal;
        }

        /** Pops until there is nothing, in patience. */
        List<Delivery> popAll(String group) {
            List<Delivery> all = new ArrayList<>();
            for (int i = 0; i < 1_000; i++) {
                SessionEvent.Reply reply = ask(group, 0);
                if (reply instanceof SessionEvent.Popped popped) {
                    if (popped.deliveries().isEmpty()) {
                        return all;
                    }
                    all.addAll(popped.deliveries());
                } else {
                    Refusal refusal = ((SessionEvent.Refused) reply).refusal();
                    assertThat(refusal.code()).isEqualTo(Refusal.Code.READ_FAILED);
                    node.pass(refusal.retryAfterMillis());
                }
            }
            throw new AssertionError("I8: refused for ever");
        }

        void ack(String group, List<Delivery> deliveries) {
            assertThat(client.ack(group, deliveries, Durability.WRITTEN).results())
                    .containsOnly(AckOutcome.ACKED);
        }

        GroupDescription describe(String group) {
            return client.describe(group, "t");
        }

        QueueDescription queue(int number) {
            return client.ask(id -> new SessionCommand.DescribeTopic(id, "t"), SessionEvent.TopicDescribed.class)
                    .topic()
                    .queues()
                    .get(number);
        }

        void assertQuarantined(int queue, long count) {
            assertThat(queue(queue).quarantined()).as("queue %d", queue).isEqualTo(count);
        }

        /** @return messages of queue 0 that are quarantined no more */
        long release(long offset, boolean isDryRun) {
            QueueRelease done = client.ask(
                            id -> new LookCommand.Release(id, "t", 0, offset, isDryRun), LookReply.Released.class)
                    .queues()
                    .get(0);
            assertThat(done.refusal()).isNull();
            return done.releasedCount();
        }

        // ---- faults

        /** Where the body is, in the newest file that has it. */
        Place place(String text) {
            Place found = null;
            try {
                for (String path : disk.files()) {
                    if (path.contains("segment-")) {
                        int at = new String(disk.content(path), StandardCharsets.ISO_8859_1).lastIndexOf(text);
                        found = at < 0 ? found : new Place(path, at);
                    }
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            assertThat(found).as(text).isNotNull();
            return found;
        }

        Place fail(String text) {
            Place place = place(text);
            disk.failReads(place.path, place.at, 1);
            return place;
        }

        void heal(Place place) {
            disk.failReads(place.path, 0, 0);
        }

        /** @return how many of these reads are still to fail */
        int[] failTimes(String text, int times) {
            Place place = place(text);
            int[] left = {times};
            disk.observe((operation, path, at, length) -> {
                boolean isRead = operation == Operation.READ || operation == Operation.READ_COLD;
                if (isRead && path.equals(place.path) && at <= place.at && place.at < at + length && left[0] > 0) {
                    left[0]--;
                    throw new IOException("Too many open files");
                }
            });
            return left;
        }
    }

    private static List<String> texts(List<Delivery> deliveries) {
        return deliveries.stream().map(NodeFixture::text).toList();
    }

    // ---- what passes ----------------------------------------------------------------------------------------------

    @Test
    void readsThatFailAFewTimesCostNothingButTime() {
        play("reads that fail a few times", world -> {
            world.client.createGroup("g", "t", PLAIN);
            for (int i = 0; i < 3; i++) {
                world.send(0, "alpha" + i);
                world.send(1, "beta" + i);
            }
            int[] left = world.failTimes("alpha0", 1 + world.random.nextInt(3));
            List<Delivery> got = world.popAll("g");
            assertThat(left[0]).as("they failed").isZero();
            assertThat(texts(got))
                    .as("I1")
                    .containsExactlyInAnyOrder("alpha0", "alpha1", "alpha2", "beta0", "beta1", "beta2");
            assertThat(texts(got).stream().filter(text -> text.startsWith("alpha")))
                    .as("I3")
                    .isSorted();
            assertThat(got).as("I6").allMatch(delivery -> delivery.attempt() == 1);
            world.ack("g", got);
            GroupDescription group = world.describe("g");
            assertThat(group.depth()).isZero();
            assertThat(group.redelivered()).as("I6").isZero();
            world.assertQuarantined(0, 0);
        });
    }

    @Test
    void whileReadsFailWhatCanBeReadGoesOutAndTheRestKeepsItsPlace() {
        play("reads that fail for a while", world -> {
            world.client.createGroup("g", "t", PLAIN);
            for (int i = 0; i < 3; i++) {
                world.send(0, "alpha" + i);
            }
            Place bad = world.fail("alpha1");
            List<Delivery> first = world.pop("g");
            assertThat(texts(first)).containsExactly("alpha0");
            assertThat(world.refused("g").text())
                    .contains("topic t queue 0 group g", "offset 1", "segment-", "position ", "Input/output error");
            world.send(1, "beta");
            List<Delivery> other = world.pop("g");
            assertThat(texts(other)).as("I8: other queues go on").containsExactly("beta");
            GroupDescription during = world.describe("g");
            assertThat(during.inFlight()).as("what nobody saw is not out").isEqualTo(2);
            assertThat(during.depth()).isEqualTo(4);
            world.node.pass(PATIENCE / 2);
            world.refused("g");
            // Who waits is not sent away, and gets it when it is there.
            world.client.tell(new SessionCommand.Pop(world.client.nextId(), "t", "g", 100, 1 << 20, HOUR, 15_000));
            world.node.pass(PATIENCE / 10);
            assertThat(world.client.events).isEmpty();
            world.heal(bad);
            world.node.pass(1_000);
            List<Delivery> rest = world.client.expect(SessionEvent.Popped.class).deliveries();
            assertThat(texts(rest)).as("I1, I3").containsExactly("alpha1", "alpha2");
            assertThat(rest).as("I6").allMatch(delivery -> delivery.attempt() == 1);
            world.ack("g", first);
            world.ack("g", other);
            world.ack("g", rest);
            assertThat(world.pop("g")).as("I4").isEmpty();
            assertThat(world.describe("g").depth()).isZero();
            world.assertQuarantined(0, 0);
        });
    }

    @Test
    void aPopThatIsRepeatedWhileReadsFailTakesNothingFromWhoeverHasIt() {
        play("a repeated Pop while reads fail", world -> {
            world.client.createGroup("g", "t", PLAIN);
            world.send(0, "alpha");
            SessionCommand.Pop pop = new SessionCommand.Pop(world.client.nextId(), "t", "g", 1, 1 << 20, HOUR, 0);
            world.client.tell(pop);
            List<Delivery> first =
                    world.client.expect(SessionEvent.Popped.class).deliveries();
            world.send(0, "beta");
            world.ack("g", world.pop("g")); // what the reader had at hand it has no more
            Place bad = world.fail("alpha");
            world.client.tell(pop);
            assertThat(world.client.expect(SessionEvent.Refused.class).refusal().code())
                    .isEqualTo(Refusal.Code.READ_FAILED);
            world.heal(bad);
            world.node.pass(1_000);
            world.client.tell(pop);
            List<Delivery> again =
                    world.client.expect(SessionEvent.Popped.class).deliveries();
            assertThat(again.get(0).handle()).as("I5").isEqualTo(first.get(0).handle());
            world.ack("g", first);
            assertThat(world.describe("g").depth()).isZero();
        });
    }

    @Test
    void keysKeepTheirOrderWhileReadsFail() {
        play("an ordered group while reads fail", world -> {
            world.client.createGroup("g", "t", ORDERED);
            world.sendKeyed(0, "red", "alpha0");
            world.sendKeyed(0, "red", "alpha1");
            boolean isScanned = world.random.nextBoolean();
            if (!isScanned) {
                world.disk = world.node.stop(); // it is looked at again, from the device
            }
            Place bad = world.fail("alpha0");
            if (!isScanned) {
                world.start();
            }
            assertThat(world.refused("g").text()).contains("offset 0");
            world.node.pass(PATIENCE / 2);
            world.refused("g");
            world.heal(bad);
            world.node.pass(1_000);
            List<Delivery> first = world.pop("g");
            assertThat(texts(first)).as("I3").containsExactly("alpha0");
            world.ack("g", first);
            List<Delivery> second = world.pop("g");
            assertThat(texts(second)).containsExactly("alpha1");
            world.ack("g", second);
            assertThat(world.describe("g").redelivered()).isZero();
            world.assertQuarantined(0, 0);
            world.assertQuarantined(1, 0);
        });
    }

    @Test
    void poisonThatCannotBeReadForNowBecomesADeadLetterLater() {
        play("poison while reads fail", world -> {
            world.client.createGroup("g", "t", Map.of("retry-backoff", "none", "max-attempts", "1"));
            world.send(0, "alpha");
            List<Delivery> last = world.pop("g");
            Place bad = world.fail("alpha");
            world.client.ask(
                    id -> new SessionCommand.ChangeInvisible(id, "g", NodeFixture.handles(last), 0, true, "no"),
                    SessionEvent.ChangeReply.class);
            world.node.pass(PATIENCE / 2);
            assertThat(world.describe("g").deadLettered()).isZero();
            assertThat(world.describe("g").depth()).as("I1").isOne();
            world.heal(bad);
            world.node.pass(PATIENCE);
            assertThat(world.describe("g").deadLettered()).as("I6").isOne();
            assertThat(world.describe("g").depth()).isZero();
            world.assertQuarantined(0, 0);
        });
    }

    // ---- what does not pass ---------------------------------------------------------------------------------------

    @Test
    void whatTheDeviceDoesNotGiveForTooLongIsPassedOverForGood() {
        play("reads that fail for good", world -> {
            world.client.createGroup("g", "t", PLAIN);
            world.client.createGroup("other", "t", PLAIN);
            world.send(0, "alpha0");
            world.send(0, "alpha1", "alpha2", "alpha3");
            world.send(0, "alpha4");
            Place bad = world.fail("alpha1");
            List<Delivery> first = world.pop("g");
            assertThat(texts(first)).containsExactly("alpha0");
            world.node.pass(PATIENCE - 1);
            world.assertQuarantined(0, 0);
            world.node.pass(PATIENCE / 2);
            List<Delivery> rest = world.popAll("g");
            assertThat(texts(rest)).as("the frame, and nothing else").containsExactly("alpha4");
            world.assertQuarantined(0, 3);
            world.ack("g", first);
            world.ack("g", rest);
            assertThat(world.describe("g").depth()).isZero();
            assertThat(texts(world.popAll("other"))).containsExactly("alpha0", "alpha4");
            world.heal(bad);
            world.restart(world.random.nextBoolean());
            world.assertQuarantined(0, 3);
            assertThat(world.pop("g")).isEmpty();
            assertThat(world.describe("g").depth()).isZero();
            world.send(0, "alpha5");
            assertThat(texts(world.popAll("g"))).as("I8").containsExactly("alpha5");
        });
    }

    @Test
    void poisonThatTheDeviceDoesNotGiveForTooLongIsPassedOver() {
        play("poison that cannot be read for good", world -> {
            world.client.createGroup("g", "t", Map.of("retry-backoff", "none", "max-attempts", "1"));
            world.send(0, "alpha0");
            world.send(0, "alpha1");
            List<Delivery> last = world.pop("g");
            world.fail("alpha0");
            world.client.ask(
                    id -> new SessionCommand.ChangeInvisible(id, "g", NodeFixture.handles(last), 0, true, "no"),
                    SessionEvent.ChangeReply.class);
            world.node.pass(2 * PATIENCE);
            assertThat(world.describe("g").deadLettered()).as("the other one").isOne();
            assertThat(world.describe("g").depth()).isZero();
            world.assertQuarantined(0, 1);
        });
    }

    @Test
    void aDamagedMessageIsNeitherDeliveredNorAckedAndNothingElseIsHeldUp() throws Exception {
        play("a flipped byte", world -> {
            world.client.createGroup("before", "t", PLAIN);
            world.client.createGroup("after", "t", PLAIN);
            for (int i = 0; i < 3; i++) {
                world.send(0, "alpha" + i);
            }
            world.send(1, "beta");
            List<Delivery> sound = world.popAll("before");
            assertThat(sound).hasSize(4);
            Place bad = world.place("alpha1");
            world.disk.flip(bad.path, bad.at + world.random.nextInt(6), 1 << world.random.nextInt(8));
            assertThat(texts(world.popAll("after"))).as("I2, I8").containsExactlyInAnyOrder("alpha0", "alpha2", "beta");
            world.assertQuarantined(0, 1);
            world.assertQuarantined(1, 0);
            // It was out already: nobody may believe that it is settled.
            List<Object> results = new ArrayList<>(
                    world.client.ack("before", sound, Durability.WRITTEN).results());
            for (int i = 0; i < sound.size(); i++) {
                boolean isBad = NodeFixture.text(sound.get(i)).equals("alpha1");
                assertThat(results.get(i) instanceof Refusal refusal && refusal.code() == Refusal.Code.STALE_HANDLE)
                        .as("I4: %s", results.get(i))
                        .isEqualTo(isBad);
            }
            assertThat(world.describe("before").depth()).isZero();
            assertThat(world.describe("after").depth()).as("out").isEqualTo(3);
            world.restart(false);
            world.assertQuarantined(0, 1);
            assertThat(world.pop("before")).isEmpty();
            assertThat(world.describe("before").depth()).isZero();
            assertThat(world.describe("after").depth()).isEqualTo(3);
        });
    }

    @Test
    void aKeyGoesOnBehindADamagedMessage() throws Exception {
        play("a flipped byte in an ordered group", world -> {
            world.client.createGroup("g", "t", ORDERED);
            for (int i = 0; i < 4; i++) {
                world.sendKeyed(0, "red", "alpha" + i);
            }
            boolean isScanned = world.random.nextBoolean();
            if (!isScanned) {
                world.disk = world.node.stop();
            }
            Place bad = world.place("alpha1");
            world.disk.flip(bad.path, bad.at, 1);
            if (!isScanned) {
                world.start();
            }
            List<String> got = new ArrayList<>();
            for (int i = 0; i < 10; i++) {
                List<Delivery> one = world.popAll("g");
                assertThat(one.size()).as("I3").isLessThan(2);
                got.addAll(texts(one));
                if (!one.isEmpty()) {
                    world.ack("g", one);
                }
            }
            assertThat(got).as("I2, I3").containsExactly("alpha0", "alpha2", "alpha3");
            assertThat(world.queue(0).quarantined() + world.queue(1).quarantined())
                    .isOne();
            assertThat(world.describe("g").depth()).isZero();
        });
    }

    @Test
    void whatIsReleasedIsReadByWhoeverComesToIt() {
        play("a release", world -> {
            world.client.createGroup("g", "t", PLAIN);
            world.send(0, "alpha0");
            world.send(0, "alpha1");
            Place bad = world.fail("alpha0");
            world.refused("g");
            world.node.pass(2 * PATIENCE);
            assertThat(texts(world.popAll("g"))).containsExactly("alpha1");
            Quarantine told = world.queue(0).quarantines().get(0);
            assertThat(told.firstOffset()).isZero();
            assertThat(told.count()).isOne();
            assertThat(told.cause()).isEqualTo(Quarantine.Cause.READ_ERROR);
            assertThat(bad.path).endsWith(told.segment());
            assertThat(told.position()).isBetween(1L, bad.at);
            assertThat(told.reason()).contains("Input/output error");
            world.heal(bad);
            assertThat(world.release(0, true)).isOne();
            world.assertQuarantined(0, 1);
            assertThat(world.release(0, false)).isOne();
            world.assertQuarantined(0, 0);
            assertThat(world.queue(0).quarantines()).isEmpty();
            assertThat(world.release(-1, false)).as("idempotent").isZero();
            assertThat(world.pop("g")).as("it has passed it over").isEmpty();
            if (world.random.nextBoolean()) {
                world.restart(true);
                world.assertQuarantined(0, 0);
            }
            world.client.createGroup("late", "t", Map.of("start", "earliest"));
            assertThat(texts(world.popAll("late"))).as("I1").containsExactly("alpha0", "alpha1");
            world.client.ask(
                    id -> new LookCommand.Seek(id, "g", "t", 0, SeekPlace.offset(0), false), LookReply.Seeked.class);
            List<Delivery> again = world.popAll("g");
            assertThat(texts(again)).as("I1").containsExactly("alpha0", "alpha1");
            world.ack("g", again);
            assertThat(world.describe("g").depth()).isZero();
        });
    }

    @Test
    void whatIsDamagedAllTheSameIsQuarantinedAgain() {
        play("a release of what is damaged", world -> {
            world.client.createGroup("g", "t", PLAIN);
            world.send(0, "alpha0");
            world.send(0, "alpha1");
            Place bad = world.place("alpha0");
            world.disk.flip(bad.path, bad.at, 1);
            assertThat(texts(world.popAll("g"))).containsExactly("alpha1");
            assertThat(world.queue(0).quarantines().get(0).cause()).isEqualTo(Quarantine.Cause.BAD_FRAME);
            assertThat(world.queue(0).quarantines().get(0).reason()).contains("checksum");
            assertThat(world.release(-1, false)).isOne();
            world.client.createGroup("late", "t", Map.of("start", "earliest"));
            assertThat(texts(world.popAll("late"))).as("I2").containsExactly("alpha1");
            world.assertQuarantined(0, 1);
        });
    }

    // ---- all of it ------------------------------------------------------------------------------------------------

    /** Whatever fails, if only for a while, everybody gets everything once, in order, at the first attempt. */
    @Test
    void failuresThatPassLoseAndRepeatNothing() {
        SteppedNode.alone(() -> SeededRun.run("failures that pass", (random, progress) -> {
            World world = new World(random);
            List<String> groups = List.of("plain", "ordered");
            world.client.createGroup("plain", "t", PLAIN);
            world.client.createGroup("ordered", "t", ORDERED);
            Map<String, List<Long>> offsets = new HashMap<>();
            Map<String, List<String>> got = new TreeMap<>();
            groups.forEach(group -> got.put(group, new ArrayList<>()));
            List<String> sent = new ArrayList<>();
            Place bad = null;
            long badMillis = 0;
            long steps = SeededRun.steps(STEPS);
            int refusals = 0;
            for (long step = 0; step < steps; step++) {
                progress.at(step);
                int what = random.nextInt(100);
                if (what < 30) {
                    String text = String.format("text%06d", sent.size());
                    progress.note("send " + text);
                    world.sendKeyed(random.nextInt(2), random.nextBoolean() ? "" : "key" + random.nextInt(3), text);
                    sent.add(text);
                } else if (what < 70) {
                    String group = groups.get(random.nextInt(2));
                    progress.note("pop by " + group);
                    SessionEvent.Reply reply = world.ask(group, random.nextInt(2) * 100L);
                    if (reply instanceof SessionEvent.Popped popped) {
                        took(world, group, popped.deliveries(), offsets, got);
                    } else {
                        refusals++;
                    }
                    badMillis += 100;
                } else if (what < 85 && bad == null && !sent.isEmpty()) {
                    String text = sent.get(sent.size() - 1 - random.nextInt(Math.min(4, sent.size())));
                    progress.note("fail " + text);
                    bad = world.fail(text);
                    badMillis = 0;
                } else if (what < 97) {
                    progress.note("pass");
                    long millis = random.nextInt(300);
                    world.node.pass(millis);
                    badMillis += millis;
                } else {
                    boolean isKilled = random.nextBoolean();
                    progress.note(isKilled ? "kill" : "stop");
                    world.restart(isKilled);
                    bad = null;
                }
                if (bad != null && badMillis > PATIENCE / 2) {
                    world.heal(bad);
                    bad = null;
                    world.node.pass(1_100); // it is found out
                }
            }
            if (bad != null) {
                world.heal(bad);
            }
            world.node.pass(1_100);
            for (String group : groups) {
                for (int i = 0; i < 100; i++) {
                    took(world, group, world.popAll(group), offsets, got);
                }
                assertThat(got.get(group)).as("I1, I4: %s", group).containsExactlyInAnyOrderElementsOf(sent);
                assertThat(world.describe(group).depth()).isZero();
                assertThat(world.describe(group).redelivered()).as("I6").isZero();
            }
            world.assertQuarantined(0, 0);
            world.assertQuarantined(1, 0);
            System.out.println(
                    "failures that pass: " + sent.size() + " messages, " + refusals + " Pops were refused meanwhile");
            world.node.gone();
        }));
    }

    private static void took(
            World world,
            String group,
            List<Delivery> deliveries,
            Map<String, List<Long>> offsets,
            Map<String, List<String>> got) {
        for (Delivery delivery : deliveries) {
            assertThat(delivery.attempt()).as("I6: %s", delivery).isOne();
            // One group gives a queue in order, the other one each key.
            String key = group.equals("plain") ? "all" : delivery.message().messageGroup();
            List<Long> before = offsets.computeIfAbsent(group + delivery.queue() + key, name -> new ArrayList<>());
            assertThat(before).as("I4").doesNotContain(delivery.queueOffset());
            if (!key.isEmpty() && !before.isEmpty()) {
                assertThat(delivery.queueOffset()).as("I3").isGreaterThan(before.get(before.size() - 1));
            }
            before.add(delivery.queueOffset());
            got.get(group).add(NodeFixture.text(delivery));
        }
        if (!deliveries.isEmpty()) {
            world.ack(group, deliveries);
        }
    }
}
