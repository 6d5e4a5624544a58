package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.client.ClientSettings;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.config.TopicSettings;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.Message;
import io.forebay.protocol.Names;
import io.forebay.protocol.Quarantine;
import io.forebay.protocol.QueueDescription;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.TopicDescription;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.StrangeSegments;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StripeHealth;
import io.forebay.store.StripePhase;
import io.forebay.testkit.check.Fact;
import io.forebay.testkit.check.Invariant;
import io.forebay.testkit.check.Journal;
import io.forebay.testkit.check.Judge;
import io.forebay.testkit.check.Noted;
import io.forebay.testkit.check.Rules;
import io.forebay.testkit.check.Verdict;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.Fault;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.watch.NodeHealth;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * A whole node, the clients of an application in it, and everything that can go wrong with process, disk and clock. A {@link Judge}
 * holds what the clients were told against what came in the end: I1 nothing acknowledged is missing, I2 nothing is altered, I3 order
 * per key, I4 an acked message does not come back, I5 one valid handle, I6 attempts, I7 nothing before its time, I8 the node serves
 * again. Survived are kills, power cuts, both in the middle of an operation of the disk and of a start, failing forces of files and
 * directories, writes, reads and changes of names, pages that the kernel writes back by itself or drops, slow forces, a full disk, a
 * process that stands still, a wall clock that is set by days while the node runs and between two lives, and damage to what was
 * durable: flipped bytes and zeroed pages of the log, between two lives and under a running node, and any of the index's files; and
 * floods of clients that keep to no rule, which last while all of that goes on: what must hold in them {@link Flood} says. When one is
 * over and the disk is well, everybody is served within {@link #SERVED_AFTER}, and then nothing is held for anybody. Of what
 * is damaged {@link Wounds} knows whom it stops, what it takes along, and what a repair of the log, behind which all is served again,
 * has to say.
 *
 * <p>The clients live in the node's process and go with it; those that outlive it are in {@link KillLoopTest}. {@code
 * -Dforebay.engine} says how many runs, each with a seed of its own that repeats it alone.
 */
@Tag("proof")
class EngineSimulationTest {
    private static final String SETTINGS = """
        forebay {
          # Small enough to be cleaned, and emptied, again and again.
          storage { stripes = 2, segment-size = 64 KiB, low-space = 0 B, index-extent-entries = 64, index-file-size = 64 KiB }
          store { flush-bytes = 64 KiB, checkpoint-bytes = 64 KiB,
            checkpoint-idle-interval = 300 ms, evacuation-share = 100, evacuation-live-percent = 80 }
          # A clock that is days ahead, or a device that does not give what it has, takes nothing away here.
          topic { max-age = 0 s, dead-letter-max-age = 0 s, deduplication-window = 7 d }
          queue { body-max = 16 KiB, batch-bytes-max = 48 KiB, quarantine-after = 7 d }
          group.pop-bytes-max = 64 KiB
          client { send { timeout = 1 h, deduplicated = on }, ack.timeout = 1 h, request-timeout = 10 s }
        }
        """ + Flood.SETTINGS;
    private static final int STRIPES = 2;
    private static final int STEPS_OF_A_RUN = 3_000;
    private static final int STEPS_OF_A_WORLD = 300;
    private static final int CLIENTS = 3;
    private static final int ATTEMPTS_MAX = 4;
    private static final int KEYS = 6;
    private static final int BODY_MAX = 1500;
    /** Now and then so much is sent that segments are filled, and cleaning has something to look for. */
    private static final int BURST_EVERY = 40;

    private static final int BURST = 24;
    private static final int BURST_BODY_MAX = 10_000;
    /** One message of so many cannot be processed. */
    private static final int POISON_EVERY = 13;

    private static final int FLOOD_EVERY = 60;
    /** By virtual time, when the disk is well. */
    private static final Duration SERVED_AFTER = Duration.ofSeconds(10);
    /** Only what a node is tried with is in there. */
    private static final String PROBE = "probe";

    private static final Pattern SEGMENT = Pattern.compile("stripe-(\\d+)/segment-.*");
    private static final Duration INVISIBLE = Duration.ofSeconds(2);
    private static final Rules RULES = Rules.of(Duration.ofSeconds(30), Duration.ofSeconds(30))
            .withGroup(LoadClient.WORKERS, new Rules.Group(ATTEMPTS_MAX, false, Durability.WRITTEN))
            .withGroup(LoadClient.LINES, new Rules.Group(0, true, Durability.WRITTEN))
            .withDeduplicated(LoadClient.KEYED);

    @Test
    void whatWasPromisedHoldsWhateverGoesWrong() {
        boolean isReplay = System.getProperty("forebay.seed") != null;
        int runs = isReplay ? 1 : Integer.getInteger("forebay.engine", 1);
        for (int run = 0; run < runs; run++) {
            live();
        }
    }

    /** See {@link ReplayTest}. */
    static List<String> trace(long seed) {
        return SteppedWorld.traceOf(seed, run -> new World(run, new Flood.Deck()));
    }

    private static void live() {
        Flood.Deck floods = new Flood.Deck();
        SteppedWorld.liveInMany(
                "engine",
                STEPS_OF_A_RUN,
                run -> new World(run, floods),
                "kill",
                "power cut",
                "end at an operation",
                "operation that failed",
                "force fails",
                "directory force fails",
                "write fails",
                "name change fails",
                "read fails",
                "disk full",
                "pause",
                "wall clock set",
                "wall clock set while it runs",
                "checkpoint",
                "stripe whose force failed",
                "segment cleaned",
                "evacuation",
                "byte flipped",
                "byte flipped while it runs",
                "page zeroed",
                "index damaged",
                "strange segment",
                "strange segment kept",
                "owner stopped",
                "start refused",
                "queue stopped: Send refused",
                "queue stopped: Pop refused",
                "message quarantined",
                "log repaired",
                "record given up",
                "flood",
                "flood over the end of a life",
                "Send refused: max-unflushed",
                "Send refused: node-bytes-max",
                "Send refused: send-bytes-max",
                "Send refused: body-max",
                "Send refused: batch-bytes-max",
                "Send refused: batch-messages-max",
                "Pop refused: waiting-pops-max",
                "Pop refused: node-pops-max",
                "requests of a session at their limit",
                "in flight at its limit",
                "session without credit",
                "session ended: mailbox-capacity",
                "session ended: takes no answers",
                "session ended: ILLEGAL_ARGUMENT",
                "Session refused: sessions-max",
                "subscription without credit",
                "Subscribe refused: subscriptions-max",
                "Subscribe refused: credits-max",
                "CreateTopic refused: topics-max",
                "CreateTopic refused: queues-max",
                "CreateTopic refused: ILLEGAL_NAME",
                "CreateGroup refused: groups-max",
                "forged handle refused",
                "Ack taken while Sends are refused",
                "normal service after a flood",
                "rest after a flood",
                "tried I1",
                "tried I2",
                "tried I3",
                "tried I4",
                "tried I5",
                "tried I6",
                "tried I7",
                "tried I8");
    }

    private static final class World extends SteppedWorld {
        private final Journal journal = Journal.inMemory(() -> TimeUnit.NANOSECONDS.toMillis(time.nanos()));
        private final List<User> users = new ArrayList<>();
        private long lastNumber;
        private int life;
        /**
         * Stripes of which the kernel has dropped pages whose force had failed, and the newest message of that time. Until they are
         * written again, which a message that was sent later and is FLUSHED proves, a kill may take what was only WRITTEN.
         */
        private final Map<Integer, Long> dropped = new TreeMap<>();
        /**
         * A stripe takes nothing, or did not for a while: then it says of what is on its way that the outcome is unknown, and clients
         * repeat that.
         */
        private boolean isAway;
        /** Of a client. */
        private Throwable failure;

        private Wounds wounds;
        private final StrangeSegments strangers = new StrangeSegments();
        /** Whose records are missing: they are not served until the log is repaired. */
        private final Set<Owner> stopped = new HashSet<>();
        /** Messages that may be quarantined. */
        private final Set<Place> damaged = new HashSet<>();
        /** Those that were damaged, and may have been found to be before they were made whole again. */
        private final Set<Place> mended = new HashSet<>();

        private long refusedPops;
        private long refusedSends;
        /** A start is to find nothing damaged any more. */
        private boolean isToBeWhole;

        private record Place(String topic, int queue, long offset) {
            /** Within a topic. */
            static final Comparator<Place> ORDER =
                    Comparator.comparingInt(Place::queue).thenComparingLong(Place::offset);
        }

        private final Flood flood;
        /** The newest that clients have got. */
        private final ArrayDeque<ReceiptHandle> handles = new ArrayDeque<>();
        /** Clients that were made in this life of the node. */
        private int clients;

        private long lastProbe;

        World(Run run, Flood.Deck floods) {
            super(run);
            flood = new Flood(this, journal, floods, new Neighbours());
        }

        @Override
        void live() {
            start(SETTINGS);
            ForebayClient admin = client();
            await(admin.createTopic(LoadClient.PLAIN, 2, Map.of()));
            await(admin.createTopic(
                    LoadClient.KEYED, 3, new TreeMap<>(Map.of("ordered", "on", "deduplication", "producer"))));
            await(admin.createGroup(
                    LoadClient.WORKERS,
                    LoadClient.PLAIN,
                    new TreeMap<>(
                            Map.of("max-attempts", String.valueOf(ATTEMPTS_MAX), "retry-backoff", "fixed 20 ms"))));
            await(admin.createGroup(
                    LoadClient.LINES,
                    LoadClient.KEYED,
                    new TreeMap<>(Map.of("ordered", "on", "max-attempts", "0", "retry-backoff", "none"))));
            wounds = new Wounds(
                    random,
                    STRIPES,
                    ReceiptHandle.nodeIdOf(
                            Forebay.get(node.system()).settings().node().name()));
            wounds.learnNames(disk);
            if (random.nextBoolean()) {
                // Else it is made for the first letter, whatever a flood has made up.
                await(admin.createTopic(LoadClient.LETTERS, STRIPES, Map.of()));
            }
            await(admin.createTopic(PROBE, STRIPES, Map.of()));
            await(admin.createGroup(PROBE, PROBE, Map.of()));
            SteppedNode.Client operator = open();
            flood.prepare(operator);
            operator.vanish();
            // What is damaged and not known to be is still in flight, beside what goes out instead.
            wounds.spare(disk, Flood.TREASURE);
            watchCleaning();
            connect();
            for (int step = 0; step < STEPS_OF_A_WORLD; step++) {
                countStep();
                try {
                    flood();
                    step();
                    tellAway();
                } catch (DiskCrashed e) {
                    crashed("");
                }
                checkClients();
                Verdict soFar = Judge.judge(journal.noted(), RULES);
                if (!soFar.breaches().isEmpty()) {
                    soFar.prove();
                }
            }
            end();
        }

        private void checkClients() {
            if (failure != null) {
                throw new AssertionError("a client has failed", failure);
            }
        }

        private ForebayClient client() {
            clients++;
            return ForebayClient.connect(
                    node.system(), Target.node(node.entry()), ClientSettings.of(node.system()), notice -> {});
        }

        private void connect() {
            life++;
            users.clear();
            isAway = false;
            flood.up();
            node.afterEach(() -> {
                isAway |= !node.isServing();
                flood.check();
            });
            for (int i = 0; i < CLIENTS; i++) {
                users.add(new User("user-" + i + "-" + life, client()));
            }
        }

        /** What is answered from now on may have been repeated. */
        private void noteAway() {
            if (isAway) {
                journal.note(new Fact.Fault(Fact.Fault.Kind.LINE));
            }
        }

        private void tellAway() {
            noteAway();
            boolean wasAway = isAway;
            isAway = !node.isServing();
            if (wasAway || isAway) {
                journal.note(new Fact.Remark(isAway ? node.health() : "all stripes serve"));
            }
        }

        @Override
        void note(String what) {
            super.note(what);
            journal.note(new Fact.Remark(what));
        }

        private <T> T await(CompletionStage<T> stage) {
            CompletableFuture<T> future = stage.toCompletableFuture();
            node.runAll();
            for (int i = 0; i < 10_000 && !future.isDone(); i++) {
                node.pass(20);
            }
            assertThat(future.isDone())
                    .as("I8: an answer comes, %s", node.health())
                    .isTrue();
            return future.join();
        }

        // ---- steps ------------------------------------------------------------------------------------------------

        private void step() {
            int dice = random.nextInt(100);
            User user = users.get(random.nextInt(CLIENTS));
            if (dice < 35) {
                progress.note("send");
                boolean isBurst = random.nextInt(BURST_EVERY) == 0;
                for (int i = isBurst ? BURST : random.nextInt(5); i >= 0; i--) {
                    user.send(isBurst ? BURST_BODY_MAX : BODY_MAX);
                }
            } else if (dice < 65) {
                progress.note("pop");
                user.pop();
            } else if (dice < 80) {
                progress.note("time");
                node.pass(random.nextInt(8) == 0 ? random.nextInt(3_000) : random.nextInt(50));
            } else if (dice < 97) {
                fault(random.nextInt(21));
            } else {
                node.runAll();
            }
            node.run(random.nextInt(150));
        }

        private void fault(int which) {
            switch (which) {
                case 0, 1 -> {
                    note("force fails");
                    disk.failNextForces(1 + random.nextInt(3));
                }
                case 2 -> {
                    note("directory force fails");
                    disk.failNextDirectoryForces(1);
                }
                case 3 -> {
                    note("write fails");
                    disk.failNextWrites(1);
                }
                case 4 -> {
                    note("name change fails");
                    disk.failNextNameChanges(1);
                }
                case 5 -> {
                    note("disk full");
                    disk.fullAfter(random.nextInt(300_000));
                }
                case 6, 7, 8 -> disk.roomAgain();
                case 9 -> node.slowForces(1 + random.nextInt(300));
                case 10 -> {
                    // The process stands still; its monotonic clock does not.
                    note("pause");
                    long millis = random.nextInt(5) == 0 ? TimeUnit.HOURS.toMillis(3) : random.nextInt(10_000);
                    time.pass(millis);
                    if (millis >= INVISIBLE.toMillis()) {
                        // What was popped, and is not read yet, is due again before anybody has seen it.
                        journal.note(new Fact.PopFailed("nobody", LoadClient.PLAIN, LoadClient.WORKERS));
                        journal.note(new Fact.PopFailed("nobody", LoadClient.KEYED, LoadClient.LINES));
                    }
                }
                case 11 -> {
                    note("crash is armed");
                    disk.crashAtOperation(disk.operations() + 1 + random.nextInt(200), random);
                }
                case 12 -> {
                    note("kill");
                    down(Fact.Fault.Kind.KILL, node.kill());
                }
                case 13 -> {
                    note("power cut");
                    down(Fact.Fault.Kind.POWER_CUT, node.cutPower());
                }
                case 14 -> {
                    note("read fails");
                    Operation read = random.nextBoolean() ? Operation.READ : Operation.READ_COLD;
                    disk.arm(Fault.of(read)
                            .on(path -> path.contains("/segment-"))
                            .from(1 + random.nextInt(4))
                            .times(1 + random.nextInt(4)));
                }
                case 15 -> disk.writeBackSome(random);
                case 16 -> dropPages(disk);
                case 17 -> {
                    note("wall clock set while it runs");
                    time.shiftWall(days());
                }
                case 18 -> {
                    String done = wounds.strike(disk, true);
                    if (done != null) {
                        note(done);
                        noteDamage(wounds.diagnose(disk), false);
                    }
                }
                default -> node.slowForces(1);
            }
        }

        /** Two days back to two days on. */
        private long days() {
            return TimeUnit.DAYS.toMillis(random.nextInt(5) - 2);
        }

        /** The kernel needs the memory. */
        private void dropPages(MemoryDisk of) {
            for (String path : of.evictCleanPages()) {
                Matcher stripe = SEGMENT.matcher(path);
                if (stripe.matches()) {
                    note("pages dropped");
                    dropped.put(Integer.valueOf(stripe.group(1)), lastNumber);
                }
            }
        }

        private void flushed(Message message, Receipt receipt) {
            long number = numberOf(message.id());
            dropped.computeIfPresent(receipt.stripe(), (stripe, newest) -> number > newest ? null : newest);
        }

        /** The armed crash has come. */
        private void crashed(String where) {
            saw("end at an operation", 1);
            if (random.nextBoolean()) {
                note("crash at an operation" + where);
                down(Fact.Fault.Kind.KILL, disk.killImage());
            } else {
                note("power cut at an operation" + where);
                down(Fact.Fault.Kind.POWER_CUT, disk.powerCutImage(random));
            }
        }

        private void down(Fact.Fault.Kind kind, MemoryDisk image) {
            sawStripes();
            node.gone();
            flood.down();
            clients = 0;
            users.forEach(User::leave);
            saw("operation that failed", disk.faults());
            if (kind == Fact.Fault.Kind.KILL && random.nextInt(4) == 0) {
                dropPages(image);
            }
            image.roomAgain();
            List<Wounds.Diagnosis> diagnoses = hurt(image);
            // What is left then is what a power cut leaves, see docs/guarantees.md, "A failed force and a kill".
            journal.note(new Fact.Fault(dropped.isEmpty() ? kind : Fact.Fault.Kind.POWER_CUT));
            dropped.clear();
            stopped.clear();
            if (!diagnoses.isEmpty() && (isToBeWhole || random.nextInt(4) == 0)) {
                diagnoses = repair(image, diagnoses);
            }
            if (random.nextInt(4) == 0) {
                note("wall clock set");
                time.shiftWall(days());
            }
            if (random.nextInt(8) == 0) {
                copyASegment(image);
            }
            disk = image;
            if (random.nextInt(4) == 0) {
                disk.crashAtOperation(1 + random.nextInt(60), random);
            }
            try {
                startAgain(diagnoses);
            } catch (DiskCrashed e) {
                crashed(" of a start");
                return;
            }
            watchCleaning();
            checkStrangers();
            journal.note(new Fact.Serving());
            connect();
            if (!stopped.isEmpty()) {
                try {
                    askTheStopped();
                } catch (DiskCrashed e) {
                    crashed(" while it is asked");
                }
            }
        }

        /** I8: it serves all but those whose records are missing, or says where its log is damaged; then that is repaired. */
        private void startAgain(List<Wounds.Diagnosis> diagnoses) {
            List<Wounds.Diagnosis> refusing =
                    diagnoses.stream().filter(Wounds.Diagnosis::isRefused).toList();
            try {
                start(SETTINGS);
            } catch (CompletionException e) {
                note("start refused");
                String why = String.valueOf(e.getCause().getMessage());
                if (refusing.stream().noneMatch(one -> one.isNamedBy(why))) {
                    throw new AssertionError("I8: refused for " + why + ", damaged are " + diagnoses, e);
                }
                journal.note(new Fact.NotServing(why));
                MemoryDisk left = disk.killImage();
                disk.crash();
                // The other stripe may have started, and have let go of what was damaged.
                List<Wounds.Diagnosis> now = wounds.diagnose(left);
                noteDamage(now, true);
                repair(left, now);
                disk = left;
                startAgain(List.of());
                return;
            }
            assertThat(refusing).as("I8: it should have refused to start").isEmpty();
            diagnoses.forEach(diagnosis -> stopped.addAll(diagnosis.owners()));
            saw("owner stopped", stopped.size());
            assertThat(ForebayStorage.get(node.system()).stripes().stream()
                            .flatMap(stripe -> stripe.recovery().stoppedOwners().stream()))
                    .as("I8: those are stopped whose records are missing, %s", diagnoses)
                    .containsExactlyInAnyOrderElementsOf(stopped);
            List<String> told = NodeHealth.stopped(Forebay.get(node.system()).view());
            for (Owner owner : stopped) {
                assertThat(told)
                        .as("I8: health names %s", owner)
                        .anyMatch(line -> line.startsWith(wounds.notServed(owner))
                                || line.startsWith(wounds.notServed(Owner.queue(owner.queueId()))));
            }
            assertThat(told.size()).as("I8: health names %s", told).isLessThanOrEqualTo(stopped.size());
        }

        /** Whoever wants what is stopped gets what else there is, and then hears why there is no more. */
        private void askTheStopped() {
            for (Owner owner : stopped) {
                Wounds.QueueName queue = wounds.queue(owner.queueId());
                if (queue == null) {
                    continue;
                }
                String topic = queue.topic();
                String group = topic.equals(LoadClient.PLAIN) ? LoadClient.WORKERS : LoadClient.LINES;
                boolean isAsked = owner.isQueue() || group.equals(wounds.group(owner.groupId()));
                long before = refusedPops;
                for (int i = 0; isAsked && i < 50 && refusedPops == before; i++) {
                    users.get(0).pop(topic, group);
                    node.pass(20);
                }
                before = refusedSends;
                for (int i = 0; owner.isQueue() && i < 50 && refusedSends == before; i++) {
                    users.get(0).send(BODY_MAX);
                    node.pass(20);
                }
            }
        }

        // ---- floods -----------------------------------------------------------------------------------------------

        private void flood() {
            if (!flood.isThere()) {
                if (random.nextInt(FLOOD_EVERY) == 0) {
                    flood.begin();
                }
            } else if (flood.act() && random.nextBoolean() && stopped.isEmpty()) {
                disk.heal();
                disk.crashAtOperation(Long.MAX_VALUE);
                node.slowForces(1);
                checkService();
                checkRest();
            }
        }

        /** I8: whoever wants something of a node that is well again gets it soon, also if he has just come. */
        private void checkService() {
            node.awaitServing();
            long untilNanos = time.nanos() + SERVED_AFTER.toNanos();
            for (ForebayClient client : List.of(users.get(0).client, client())) {
                for (int i = 0; i < STRIPES; i++) {
                    String id = "probe-" + ++lastProbe;
                    Message message = Message.builder(PROBE).id(id).build();
                    soon(untilNanos, client.send(message, Durability.FLUSHED));
                    // A power cut may have taken acks of earlier ones.
                    Set<String> came = new HashSet<>();
                    while (!came.contains(id)) {
                        PopRequest request = PopRequest.of(PROBE, PROBE, 10).withWaitMax(Duration.ofSeconds(1));
                        for (Delivery delivery : soon(untilNanos, client.pop(request))) {
                            came.add(delivery.message().id());
                            soon(untilNanos, client.ack(delivery));
                        }
                        assertThat(time.nanos())
                                .as("I8: what was just sent comes, after %s", came)
                                .isLessThan(untilNanos);
                    }
                }
            }
            saw("normal service after a flood", 1);
        }

        private <T> T soon(long untilNanos, CompletionStage<T> stage) {
            CompletableFuture<T> future = stage.toCompletableFuture();
            node.runAll();
            while (!future.isDone() && time.nanos() < untilNanos) {
                node.pass(20);
            }
            assertThat(future.isDone())
                    .as("I8: an answer comes soon after a flood, %s", node.health())
                    .isTrue();
            return future.join();
        }

        /** When nobody wants anything the node holds nothing for anybody. */
        private void checkRest() {
            long untilNanos = time.nanos() + SERVED_AFTER.toNanos();
            List<String> unrest = List.of("");
            while (!unrest.isEmpty()) {
                assertThat(time.nanos())
                        .as("I8: nothing is left of a flood: %s, %s", unrest, node.health())
                        .isLessThan(untilNanos);
                node.pass(20);
                flood.checkAnswered();
                unrest = flood.unrest();
                CompletableFuture<Integer> sessions =
                        Forebay.get(node.system()).countSessions().toCompletableFuture();
                node.runAll();
                if (sessions.join() != clients) {
                    unrest.add(sessions.join() + " sessions are open, and " + clients + " clients are there");
                }
            }
            saw("rest after a flood", 1);
        }

        /** What the flood sees of the clients of the application. */
        private final class Neighbours implements Flood.Neighbours {
            @Override
            public Message message(boolean isKeyed, byte[] body) {
                Message.Builder builder = isKeyed
                        ? Message.builder(LoadClient.KEYED).messageGroup("key-" + random.nextInt(KEYS))
                        : Message.builder(LoadClient.PLAIN);
                return builder.id("m" + ++lastNumber).body(body).build();
            }

            @Override
            public void stored(Message message, Receipt receipt) {
                check(!isStopped(receipt.topic(), receipt.queue()), "stored in a queue that is stopped: " + receipt);
                if (receipt.level() == Durability.FLUSHED) {
                    flushed(message, receipt);
                }
            }

            @Override
            public void delivered(Delivery delivery) {
                check(!isStopped(delivery.handle()), "delivered by somebody who is stopped: " + delivery);
            }

            @Override
            public ReceiptHandle someHandle() {
                return handles.isEmpty() ? null : List.copyOf(handles).get(random.nextInt(handles.size()));
            }

            @Override
            public String groupOf(ReceiptHandle handle) {
                return wounds.group(handle.groupId());
            }

            @Override
            public void failed(Throwable cause) {
                failure = failure == null ? cause : failure;
            }
        }

        // ---- damage -----------------------------------------------------------------------------------------------

        /** Somebody puts a file where it does not belong. */
        private void copyASegment(MemoryDisk image) {
            int to = random.nextInt(STRIPES);
            try {
                String done = strangers.put(image, random, (to + 1) % STRIPES, to);
                if (done != null) {
                    note("strange segment");
                    progress.note(done);
                }
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }

        /** The node has started. */
        private void checkStrangers() {
            try {
                saw("strange segment kept", strangers.check(disk, true));
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }

        /** @return what is damaged on that disk now */
        private List<Wounds.Diagnosis> hurt(MemoryDisk image) {
            // What nothing states to be durable any more is made whole.
            List<Wounds.Diagnosis> before = wounds.diagnose(image);
            String done = isDraining || random.nextInt(3) == 0 ? null : wounds.strike(image, false);
            if (done != null) {
                note(done);
            }
            if (random.nextInt(3) == 0) {
                String index = wounds.strikeIndex(image);
                if (index != null) {
                    note(index);
                }
            }
            List<Wounds.Diagnosis> diagnoses = done == null ? before : wounds.diagnose(image);
            noteDamage(diagnoses, true);
            return diagnoses;
        }

        private List<Wounds.Diagnosis> repair(MemoryDisk image, List<Wounds.Diagnosis> diagnoses) {
            note("log repaired");
            saw("record given up", wounds.repair(image, diagnoses, time.millis()));
            wounds.takePassedOver().forEach(journal::note);
            return List.of();
        }

        /** @param isStarted whether somebody starts with it, to whom it cannot be in any memory any more */
        private void noteDamage(List<Wounds.Diagnosis> diagnoses, boolean isStarted) {
            for (Wounds.Diagnosis diagnosis : diagnoses) {
                for (Fact.Damaged fact : wounds.facts(diagnosis, isStarted)) {
                    journal.note(fact);
                    if (fact.what() == Fact.Damaged.What.MESSAGE || fact.what() == Fact.Damaged.What.DOUBTFUL_MESSAGE) {
                        damaged.add(new Place(fact.topic(), fact.queue(), fact.queueOffset()));
                    }
                }
            }
            for (Fact.Damaged fact : wounds.takeMended()) {
                journal.note(fact);
                Place place = new Place(fact.topic(), fact.queue(), fact.queueOffset());
                damaged.remove(place);
                mended.add(place);
            }
        }

        private boolean isStopped(String topic, int queue) {
            return stopped.stream()
                    .anyMatch(owner -> owner.isQueue()
                            && new Wounds.QueueName(topic, queue).equals(wounds.queue(owner.queueId())));
        }

        private boolean isStopped(ReceiptHandle handle) {
            return stopped.contains(Owner.queue(handle.queueId()))
                    || stopped.contains(Owner.group(handle.queueId(), handle.groupId()));
        }

        /** Whether something is stopped in that topic, that the group wants if one is given. */
        private boolean isStoppedIn(String topic, String groupOrNull) {
            return stopped.stream().anyMatch(owner -> {
                Wounds.QueueName queue = wounds.queue(owner.queueId());
                boolean isOf =
                        owner.isQueue() || groupOrNull != null && groupOrNull.equals(wounds.group(owner.groupId()));
                return isOf && queue != null && queue.topic().equals(topic);
            });
        }

        /** To be called where a client is told something. */
        private void check(boolean holds, String text) {
            if (!holds && failure == null) {
                failure = new AssertionError(text + ", stopped are " + stopped);
            }
        }

        /** Each message that is quarantined was damaged, and of those that were damaged and never came each is. */
        private void checkQuarantined() {
            for (String topic : List.of(LoadClient.PLAIN, LoadClient.KEYED)) {
                Set<Place> quarantined = new HashSet<>();
                int namedCount = 0;
                for (TopicDescription description : await(client().describeTopic(topic))) {
                    for (QueueDescription queue : description.queues()) {
                        namedCount += queue.quarantines().size();
                        for (Quarantine one : queue.quarantines()) {
                            for (long at = 0; at < one.count(); at++) {
                                quarantined.add(new Place(topic, queue.number(), one.firstOffset() + at));
                            }
                        }
                    }
                }
                saw("message quarantined", quarantined.size());
                Set<Place> came = new HashSet<>();
                Set<Place> promised = new HashSet<>();
                for (Noted noted : journal.noted()) {
                    if (noted.fact() instanceof Fact.Popped popped) {
                        came.add(new Place(popped.topic(), popped.queue(), popped.queueOffset()));
                    } else if (noted.fact() instanceof Fact.Stored stored
                            && stored.receipt().level().covers(Durability.FLUSHED)) {
                        Receipt receipt = stored.receipt();
                        promised.add(new Place(receipt.topic(), receipt.queue(), receipt.queueOffset()));
                    }
                }
                // As many are named as may be, in order: of those behind them nothing can be told.
                Place last = namedCount < TopicDescription.QUARANTINES_MAX
                        ? new Place(topic, Integer.MAX_VALUE, 0)
                        : quarantined.stream().max(Place.ORDER).orElseThrow();
                // A repair may have passed over offsets that were never given.
                assertThat(damaged)
                        .as("I1: of what was promised only what is damaged is quarantined, %s", wounds)
                        .containsAll(quarantined.stream()
                                .filter(place -> promised.contains(place) && !mended.contains(place))
                                .toList());
                assertThat(quarantined)
                        .as("I8: what was damaged and never came is named, %s", wounds)
                        .containsAll(damaged.stream()
                                .filter(place ->
                                        place.topic.equals(topic) && promised.contains(place) && !came.contains(place))
                                .filter(place -> Place.ORDER.compare(place, last) <= 0)
                                .toList());
            }
        }

        /** Counts the segments that go while the stripe runs. */
        private void watchCleaning() {
            disk.observe((operation, path, at, length) -> {
                boolean isGoing = operation == Operation.DELETE || operation == Operation.RENAME;
                Matcher stripe = SEGMENT.matcher(path);
                if (isGoing
                        && stripe.matches()
                        && node.stripes().get(Integer.parseInt(stripe.group(1))).phase() == StripePhase.RUNNING) {
                    saw("segment cleaned", 1);
                }
            });
        }

        private void sawStripes() {
            for (StripeHealth stripe : node.stripes()) {
                saw("checkpoint", stripe.checkpointCount());
                saw("stripe whose force failed", stripe.flushFailureCount());
                saw("evacuation", stripe.evacuationCount());
            }
        }

        // ---- the end ----------------------------------------------------------------------------------------------

        private void end() {
            isDraining = true;
            progress.note("the end");
            if (flood.isThere()) {
                flood.end();
            }
            isToBeWhole = !stopped.isEmpty() || random.nextBoolean();
            if (isToBeWhole && wounds.areThere()) {
                note("kill");
                down(Fact.Fault.Kind.KILL, node.kill());
            }
            saw("operation that failed", disk.faults());
            disk.heal();
            disk.crashAtOperation(Long.MAX_VALUE);
            node.slowForces(1);
            User last = users.get(0);
            for (int i = 0; i < 3_000 && !isDone(last.client); i++) {
                users.forEach(User::pop);
                node.pass(200);
                tellAway();
                checkClients();
            }
            assertThat(isDone(last.client))
                    .as("I8: everything comes to an end, %s", node.health())
                    .isTrue();
            if (stopped.isEmpty()) {
                checkService();
                checkRest();
            }
            makeRoomForNames();
            ForebayClient undertaker = client();
            PopRequest request =
                    PopRequest.of(LoadClient.LETTERS, "undertakers", 100).withWaitMax(Duration.ZERO);
            if (await(undertaker.listTopics()).contains(LoadClient.LETTERS)) {
                await(undertaker.createGroup("undertakers", LoadClient.LETTERS, Map.of("start", "earliest")));
                for (List<Delivery> some = await(undertaker.pop(request));
                        !some.isEmpty();
                        some = await(undertaker.pop(request))) {
                    some.forEach(letter -> journal.note(JournaledConsumer.letter(letter)));
                    await(undertaker.ackBatch(
                            "undertakers", some.stream().map(Delivery::handle).toList(), Durability.WRITTEN));
                }
            }
            sawStripes();
            checkStrangers();
            checkQuarantined();
            journal.note(new Fact.Drained(LoadClient.PLAIN, LoadClient.WORKERS));
            journal.note(new Fact.Drained(LoadClient.KEYED, LoadClient.LINES));
            Verdict verdict = Judge.judge(journal.noted(), RULES);
            verdict.prove();
            for (Invariant invariant : Invariant.values()) {
                saw("tried " + invariant.name(), verdict.triedOn(invariant));
            }
        }

        /**
         * I8: there are no more names than may be. The operator deletes what floods have made up: what is at its limit is not any more.
         */
        private void makeRoomForNames() {
            ForebayClient operator = client();
            List<String> topics = await(operator.listTopics());
            List<String> groups = await(operator.listGroups(""));
            TopicSettings limits = Forebay.get(node.system()).settings().topic();
            assertThat(topics)
                    .as("I8: topics")
                    .filteredOn(topic -> !Names.isDeadLetterTopic(topic))
                    .hasSizeLessThanOrEqualTo(limits.topicsMax());
            Set<String> places = new TreeSet<>(groups);
            topics.stream()
                    .filter(Names::isDeadLetterTopic)
                    .forEach(topic -> places.add(topic.substring(Names.DEAD_LETTERS.length())));
            assertThat(places)
                    .as("I8: groups, those of which only dead letters are there included")
                    .hasSizeLessThanOrEqualTo(limits.groupsMax());
            for (String topic : topics) {
                if (topic.contains(Flood.MADE_PREFIX)) {
                    await(operator.deleteTopic(topic));
                }
            }
            for (String group : groups) {
                if (group.startsWith(Flood.MADE_PREFIX)) {
                    await(operator.deleteGroup(group));
                }
            }
        }

        private boolean isDone(ForebayClient client) {
            return users.stream().allMatch(user -> user.unanswered == 0)
                    && depth(client, LoadClient.WORKERS, LoadClient.PLAIN) == 0
                    && depth(client, LoadClient.LINES, LoadClient.KEYED) == 0;
        }

        private long depth(ForebayClient client, String group, String topic) {
            return await(client.describeGroup(group, topic)).stream()
                    .mapToLong(GroupDescription::depth)
                    .sum();
        }

        private static long numberOf(String messageId) {
            return Long.parseLong(messageId.substring(1));
        }

        // ---- one client, in one life of the process ---------------------------------------------------------------

        private final class User {
            private final String name;
            private final ForebayClient client;
            private final JournaledConsumer consumer;
            private boolean isGone;
            private int unanswered;

            User(String name, ForebayClient client) {
                this.name = name;
                this.client = client;
                consumer = new JournaledConsumer(
                        client,
                        journal,
                        INVISIBLE.plusSeconds(1),
                        () -> random,
                        () -> isGone,
                        World.this::noteAway,
                        cause -> failure = cause);
            }

            void leave() {
                isGone = true;
            }

            void send(int bodyMax) {
                byte[] body = new byte[random.nextInt(bodyMax)];
                random.nextBytes(body);
                Message.Builder builder = random.nextBoolean()
                        ? Message.builder(LoadClient.PLAIN)
                        : Message.builder(LoadClient.KEYED).messageGroup("key-" + random.nextInt(KEYS));
                long number = ++lastNumber;
                Message message = builder.id("m" + number).body(body).build();
                Durability level = random.nextBoolean() ? Durability.WRITTEN : Durability.FLUSHED;
                journal.note(Fact.Sending.of(message, name, number));
                unanswered++;
                client.send(message, level).whenComplete((receipt, refused) -> {
                    if (isGone) {
                        return;
                    }
                    unanswered--;
                    noteAway();
                    if (refused instanceof ForebayException exception
                            && exception.code() == Refusal.Code.QUEUE_STOPPED) {
                        saw("queue stopped: Send refused", 1);
                        refusedSends++;
                        check(isStoppedIn(message.topic(), null), "refused with QUEUE_STOPPED: " + message);
                    }
                    check(
                            refused != null || !isStopped(receipt.topic(), receipt.queue()),
                            "stored in a queue that is stopped: " + receipt);
                    if (refused == null && receipt.level() == Durability.FLUSHED) {
                        flushed(message, receipt);
                    }
                    journal.note(
                            refused == null
                                    ? new Fact.Stored(message.id(), level, receipt)
                                    : new Fact.NotStored(message.id(), ((ForebayException) refused).code()));
                });
            }

            void pop() {
                boolean isPlain = random.nextBoolean();
                pop(isPlain ? LoadClient.PLAIN : LoadClient.KEYED, isPlain ? LoadClient.WORKERS : LoadClient.LINES);
            }

            void pop(String topic, String group) {
                PopRequest request = PopRequest.of(topic, group, 1 + random.nextInt(8))
                        .withInvisible(INVISIBLE)
                        .withWaitMax(Duration.ofMillis(random.nextInt(500)))
                        .withExtend(false);
                client.pop(request).whenComplete((deliveries, refused) -> {
                    if (isGone) {
                        return;
                    }
                    noteAway();
                    if (refused instanceof ForebayException exception
                            && exception.code() == Refusal.Code.QUEUE_STOPPED) {
                        saw("queue stopped: Pop refused", 1);
                        refusedPops++;
                        check(isStoppedIn(topic, group), "refused with QUEUE_STOPPED: a Pop of " + topic);
                    }
                    if (refused != null) {
                        journal.note(new Fact.PopFailed(name, topic, group));
                        return;
                    }
                    deliveries.forEach(delivery ->
                            check(!isStopped(delivery.handle()), "delivered by somebody who is stopped: " + delivery));
                    for (Delivery delivery : deliveries) {
                        journal.note(Fact.Popped.of(name, delivery));
                        handles.addLast(delivery.handle());
                        if (handles.size() > 20) {
                            handles.removeFirst();
                        }
                    }
                    consumer.take(group, deliveries, delivery -> dice(group, delivery));
                });
            }

            private int dice(String group, Delivery delivery) {
                if (group.equals(LoadClient.WORKERS)
                        && numberOf(delivery.message().id()) % POISON_EVERY == 0) {
                    return JournaledConsumer.POISON;
                }
                return isDraining ? JournaledConsumer.ACK : random.nextInt(20);
            }
        }
    }
}
