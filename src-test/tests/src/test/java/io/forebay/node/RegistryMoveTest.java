package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.look.core.RegistryNames;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsDescribed;
import io.forebay.protocol.SettingsDescription;
import io.forebay.protocol.SettingsScope;
import io.forebay.storage.log.Checkpoint;
import io.forebay.storage.log.FlushRange;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.LogDumper;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.LogRepair;
import io.forebay.storage.log.LogVerifier;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.NodeEventsSnapshot;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.PersistenceEventRecord;
import io.forebay.storage.log.PersistenceIdRecord;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RecoverySink;
import io.forebay.storage.log.RegistryEvents;
import io.forebay.storage.log.RegistrySnapshot;
import io.forebay.storage.log.SnapshotParts;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.storage.log.StripeLog;
import io.forebay.storage.log.StripeOptions;
import io.forebay.storage.log.TopicRecord;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import io.forebay.topic.core.RegistryLimits;
import io.forebay.topic.core.RegistryState;
import io.forebay.topic.core.StartAt;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * Where the registry's events lie, and how they come there from a directory of an older version, which kept topics and groups as records
 * of the stripe's own. <b>I1</b>: what was defined is served, behind a kill or a power cut at any operation of the move, and behind a
 * repair as far as its events are left. <b>I2</b>: what was deleted is not. No id is given twice. <b>I8</b>: one damaged event
 * keeps the node down until a repair, and no longer. The log does not keep what nobody needs.
 */
class RegistryMoveTest {
    private static final String SETTINGS = "forebay.topic.auto-create = off, forebay.storage.stripes = 1";
    private static final RegistryLimits LIMITS = new RegistryLimits(20, 20, 8, 100, 5);
    private static final long BEGIN_MILLIS = new NodeFixture.VirtualTime().millis();
    private static final int CRASHES = 6;

    private final NodeFixture.VirtualTime time = new NodeFixture.VirtualTime();

    /** As what was decided and is not deleted: topics a and b, of which a has two queues and one message, and group g of a. */
    private static MemoryDisk oldDirectory(RandomGenerator random) {
        MemoryDisk disk = new MemoryDisk();
        RegistryState state = new RegistryState(LIMITS);
        int checkpointBehind = random.nextInt(8);
        StripeOptions options = StripeOptions.of(0).withSegmentBytes(4 << 20);
        try (StripeLog log = StripeLog.open(disk.child("stripe-0"), options, BEGIN_MILLIS, new RecoverySink() {
            @Override
            public void snapshot(RecordView part) {}

            @Override
            public void record(RecordView record) {}
        })) {
            for (int step = 0; step < 7; step++) {
                LogRecord record = decide(state, step);
                assertThat(state.replay(record, step + 1)).isTrue();
                append(log, Owner.STRIPE, record);
                if (step == checkpointBehind) {
                    checkpoint(log, state, step + 1);
                }
            }
            append(
                    log,
                    Owner.queue(1),
                    MessageRecord.builder().id("m").body(new byte[9]).build());
            force(log);
            log.close(random.nextBoolean());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return disk.killImage();
    }

    private static LogRecord decide(RegistryState state, int step) {
        return switch (step) {
            case 0 -> state.decideCreateTopic("a", 2, Map.of(), 1, 1).record();
            case 1 -> state.decideCreateTopic("c", 3, Map.of(), 1, 1).record();
            case 2 -> state.decideCreateGroup("g", Map.of(), 1).record();
            case 3 ->
                state.decideSubscribe("a", "g", StartAt.EARLIEST, new long[2], new long[2], Map.of(), 1)
                        .record();
            case 4 -> state.decideDeleteTopic("c", 1).record();
            case 5 -> state.decideCreateTopic("b", 1, Map.of(), 1, 1).record();
            default ->
                state.decideChangeGroup("g", Map.of("max-attempts", "7"), 0, "w", 1)
                        .record();
        };
    }

    private static void append(StripeLog log, Owner owner, LogRecord record) throws IOException {
        log.append(Frame.builder(record.bodyBytes() + 64).add(owner, record).build(), BEGIN_MILLIS);
    }

    private static void force(StripeLog log) throws IOException {
        FlushRange range = log.takeUnflushed();
        log.force(range);
        log.forced(range);
    }

    private static void checkpoint(StripeLog log, RegistryState state, long ownerNumber) throws IOException {
        Checkpoint checkpoint = log.beginCheckpoint();
        append(
                log,
                Owner.STRIPE,
                new SnapshotRecord(
                        state.heldSequence(),
                        ownerNumber,
                        0,
                        0,
                        1,
                        state.snapshot().encode()));
        log.writeManifest(checkpoint);
        force(log);
        log.finishCheckpoint(checkpoint);
    }

    private static void alone(String name, java.util.function.Consumer<RandomGenerator> body) {
        SteppedNode.alone(() -> SeededRun.run(name, (random, progress) -> body.accept(random)));
    }

    private SteppedNode start(MemoryDisk disk, RandomGenerator random) {
        return SteppedNode.start(disk, SETTINGS, time, random);
    }

    private static List<String> topics(SteppedNode.Client client) {
        return client.ask(id -> new SessionCommand.ListTopics(id, "", 100), SessionEvent.NamePage.class)
                .names();
    }

    private static SettingsDescription settings(SteppedNode.Client client, String group) {
        return client.ask(
                        id -> new SettingsCommand.DescribeSettings(id, SettingsScope.GROUP, group, 100),
                        SettingsDescribed.class)
                .settings();
    }

    private static void checkOld(SteppedNode.Client client, boolean isMessageThere) {
        assertThat(topics(client)).contains("a", "b").doesNotContain("c");
        assertThat(client.ask(id -> new SessionCommand.DescribeTopic(id, "a"), SessionEvent.TopicDescribed.class)
                        .topic()
                        .queues())
                .hasSize(2);
        assertThat(settings(client, "g").version()).isEqualTo(2);
        assertThat(settings(client, "g").own()).isEqualTo(Map.of("max-attempts", "7"));
        if (isMessageThere) {
            List<Delivery> delivered = client.popAll("a", "g", 10, 60_000);
            assertThat(delivered).hasSize(1);
            client.ack("g", delivered, Durability.FLUSHED);
        }
    }

    /** What the log tells of a topic. */
    private static TopicRecord topicOf(MemoryDisk disk, String name) {
        RegistryNames names = new RegistryNames();
        visit(disk, (file, position, view) -> names.record(view));
        return names.topic(name);
    }

    private static void visit(MemoryDisk disk, LogVerifier.RecordSink sink) {
        try {
            LogVerifier.verify(disk.child("stripe-0"), sink);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void whatAnOlderVersionHasWrittenIsServedWhereverTheMoveIsBrokenOff() {
        alone("registry move", random -> {
            for (int crash = 0; crash <= CRASHES; crash++) {
                MemoryDisk disk = oldDirectory(random);
                boolean isMessageThere = true;
                boolean isDone = false;
                for (int life = 0; life < 3 && !isDone; life++) {
                    if (life < 2 && crash < CRASHES) {
                        disk.crashAtOperation(disk.operations() + 1 + random.nextInt(60), random);
                    }
                    try {
                        SteppedNode node = start(disk, random);
                        node.pass(2_000);
                        node.open(life + 1).createTopic("d", 2, Map.of());
                        node.pass(random.nextInt(3_000));
                        isDone = true;
                        disk = random.nextBoolean() ? node.kill() : node.cutPower();
                    } catch (DiskCrashed e) {
                        disk = random.nextBoolean() ? disk.killImage() : disk.powerCutImage(random);
                    }
                }
                SteppedNode node = start(disk, random);
                SteppedNode.Client client = node.open(9);
                checkOld(client, isMessageThere);
                client.createTopic("d", 2, Map.of());
                client.createTopic("e", 1, Map.of());
                client.createGroup("g", "e", Map.of());
                assertThat(client.send("e", List.of(message("e")), Durability.FLUSHED))
                        .hasSize(1);
                MemoryDisk left = node.stop();
                assertThat(topicOf(left, "a").queueIds()).containsExactly(1, 2);
                assertThat(topicOf(left, "b").queueIds()).containsExactly(6);
                assertThat(topicOf(left, "d").topicId()).isGreaterThanOrEqualTo(4);
                assertThat(topicOf(left, "d").queueIds()).doesNotContain(1, 2, 3, 4, 5, 6);

                node = start(left, random);
                client = node.open(10);
                checkOld(client, false);
                assertThat(client.popAll("e", "g", 10, 60_000)).hasSize(1);
                // Deleted now, it stays so, although the old records tell of it.
                client.ask(id -> new SessionCommand.DeleteTopic(id, "b"), SessionEvent.Deleted.class);
                left = node.kill();
                node = start(left, random);
                assertThat(topics(node.open(11))).containsExactly("a", "d", "e");
                node.gone();
            }
        });
    }

    private static Message message(String topic) {
        return Message.builder(topic).body(new byte[10]).build();
    }

    /** Else an older version's directory would grow for ever, or not be readable in the end. */
    @Test
    void whatAnOlderVersionHasWrittenIsLetGo() {
        alone("registry let go", random -> {
            MemoryDisk disk = oldDirectory(random);
            String settings = SETTINGS + ", forebay.storage { segment-size = 4 MiB, spare-segments = 1 }\n"
                    + "forebay.store { checkpoint-bytes = 1 MiB }";
            SteppedNode node = SteppedNode.start(disk, settings, time, random);
            SteppedNode.Client client = node.open(1);
            for (int i = 0; i < 300 && hasFirstSegment(disk); i++) {
                client.send(
                        "a",
                        List.of(Message.builder("a").body(new byte[200_000]).build()),
                        Durability.FLUSHED);
                client.ack("g", client.popAll("a", "g", 10, 60_000), Durability.WRITTEN);
                node.pass(200);
            }
            assertThat(hasFirstSegment(disk)).isFalse();
            MemoryDisk left = node.stop();
            RegistrySnapshot[] recorded = {null};
            SnapshotParts parts = new SnapshotParts();
            String[] id = {null};
            List<NodeEventsSnapshot> tables = new ArrayList<>();
            visit(left, (file, position, view) -> {
                if (view.decode() instanceof SnapshotRecord part && view.queueId() == 0) {
                    recorded[0] = RegistrySnapshot.decode(parts.addOrNull(part).payload());
                } else if (view.decode() instanceof SnapshotRecord part && view.queueId() == Owner.REGISTRY_QUEUE) {
                    tables.add(NodeEventsSnapshot.decode(part.payload()));
                } else if (view.decode() instanceof PersistenceIdRecord named) {
                    id[0] = named.persistenceId();
                }
            });
            assertThat(recorded[0])
                    .isEqualTo(new RegistrySnapshot(4, 2, 7, List.of(), List.of(), List.of(), List.of()));
            assertThat(tables.get(tables.size() - 1).persistenceId()).isEqualTo("forebay-registry|" + nodeName(node));
            node = SteppedNode.start(left, settings, time, random);
            checkOld(node.open(2), false);
            node.gone();
        });
    }

    private static String nodeName(SteppedNode node) {
        return Forebay.get(node.system()).settings().node().name();
    }

    private static boolean hasFirstSegment(MemoryDisk disk) {
        return disk.files().contains("stripe-0/segment-0000000000000000.log");
    }

    /** Whatever the application has said of its own events. */
    @Test
    void whatWasAnsweredIsThereBehindAPowerCut() {
        alone("registry power cut", random -> {
            MemoryDisk disk = new MemoryDisk();
            for (int life = 1; life <= 10; life++) {
                SteppedNode node =
                        SteppedNode.start(disk, SETTINGS + ", forebay.persistence.durability = written", time, random);
                SteppedNode.Client client = node.open(life);
                assertThat(topics(client)).hasSize(life - 1);
                node.slowForces(1 + random.nextInt(20));
                client.createTopic("t" + life, 1, Map.of());
                disk = node.cutPower();
            }
        });
    }

    /** What is held in memory, and written with each checkpoint, is not all that ever was. */
    @Test
    void eventsBehindWhichASnapshotCameAreLetGo() {
        alone("registry snapshots", random -> {
            MemoryDisk disk = new MemoryDisk();
            int version = 1;
            for (int life = 0; life < 3; life++) {
                SteppedNode node = start(disk, random);
                SteppedNode.Client client = node.open(life + 1);
                client.createTopic("t", 4, Map.of());
                client.createGroup("g", "t", Map.of());
                int changes = 200 + random.nextInt(100);
                for (int i = 0; i < changes; i++) {
                    client.change(SettingsScope.GROUP, "g", Map.of("max-attempts", String.valueOf(i % 2 + 1)));
                }
                assertThat(settings(client, "g").version()).isGreaterThan(version);
                version = (int) settings(client, "g").version();
                disk = life == 1 ? node.kill() : node.stop();
            }
            long[] bytes = {0};
            long[] highest = {0};
            visit(disk, (file, position, view) -> {
                if (view.decode() instanceof SnapshotRecord part && view.queueId() == Owner.REGISTRY_QUEUE) {
                    NodeEventsSnapshot table = NodeEventsSnapshot.decode(part.payload());
                    bytes[0] = part.payload().length;
                    highest[0] = table.highestSequenceNr();
                }
            });
            assertThat(highest[0]).isGreaterThan(600);
            assertThat(bytes[0]).isBetween(1L, 40_000L);
            SteppedNode node = start(disk, random);
            SteppedNode.Client client = node.open(9);
            assertThat(settings(client, "g").version()).isEqualTo(version);
            assertThat(topics(client)).containsExactly("t");
            node.gone();
        });
    }

    /** At any operation of what is done to the disk: between the parts of a snapshot, before what it replaces is deleted, and behind. */
    @Test
    void aSnapshotThatIsBrokenOffTakesNothingAway() {
        alone("registry snapshots broken off", random -> {
            String tag = " || " + "t".repeat(40);
            MemoryDisk disk = new MemoryDisk();
            SteppedNode node = start(disk, random);
            node.open(1).createGroup("g", "", Map.of());
            disk = node.kill();
            assertThat(dumped(disk)).contains("forebay-registry|", "GroupRecord[groupId=1, name=g");
            long version = 1;
            for (int life = 2; life < 14; life++) {
                disk.crashAtOperation(disk.operations() + 40 + random.nextInt(800), random);
                try {
                    node = start(disk, random);
                    SteppedNode.Client client = node.open(life);
                    assertThat(settings(client, "g").version()).isBetween(version, version + 1);
                    version = settings(client, "g").version();
                    for (int i = 0; i < 300; i++) {
                        client.change(
                                SettingsScope.GROUP,
                                "g",
                                Map.of("filter", "tag: a" + i + tag.repeat(1 + random.nextInt(60))));
                        version++;
                    }
                    disk = node.kill();
                } catch (DiskCrashed e) {
                    disk = random.nextBoolean() ? disk.killImage() : disk.powerCutImage(random);
                }
            }
            node = start(disk, random);
            assertThat(settings(node.open(20), "g").version()).isBetween(version, version + 1);
            int[] snapshots = {0};
            visit(node.kill(), (file, position, view) -> {
                if (view.decode() instanceof PersistenceEventRecord event
                        && RegistryEvents.decode(event.serializerManifest(), event.payload())
                                instanceof SnapshotRecord part
                        && part.part() == part.parts() - 1
                        && part.parts() > 1) {
                    snapshots[0]++;
                }
            });
            assertThat(snapshots[0]).as("snapshots of more than one part").isPositive();
        });
    }

    private static String dumped(MemoryDisk disk) {
        StringBuilder dumped = new StringBuilder();
        try {
            LogDumper.dump(disk.child("stripe-0"), line -> dumped.append(line).append('\n'));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return dumped.toString();
    }

    @Test
    void aDamagedEventKeepsTheNodeDownUntilARepair() {
        alone("registry repair", random -> {
            MemoryDisk disk = new MemoryDisk();
            SteppedNode node = start(disk, random);
            SteppedNode.Client client = node.open(1);
            for (String topic : List.of("a", "lost", "b")) {
                client.createTopic(topic, 2, Map.of());
            }
            client.createGroup("g", "lost", Map.of());
            client.createGroup("g", "b", Map.of());
            client.send("b", List.of(message("b")), Durability.FLUSHED);
            boolean isBehindCheckpoint = random.nextBoolean();
            if (isBehindCheckpoint) {
                disk = node.stop();
                node = start(disk, random);
                client = node.open(2);
                client.createTopic("late", 1, Map.of());
                // At the end of the log it would be taken for what a power cut leaves.
                client.createTopic("later", 1, Map.of());
                client.send("later", List.of(message("later")), Durability.FLUSHED);
            }
            disk = node.kill();
            damage(disk, isBehindCheckpoint ? "late" : "lost");

            checkDown(disk, random);
            disk = repaired(disk.killImage());
            for (int life = 0; life < 3; life++) {
                node = start(disk, random);
                client = node.open(10 + life);
                List<String> expected = new ArrayList<>(List.of("a", "b"));
                if (isBehindCheckpoint) {
                    expected.addAll(List.of("lost", "later"));
                }
                assertThat(topics(client)).containsAll(expected).doesNotContain(isBehindCheckpoint ? "late" : "lost");
                List<Delivery> delivered = client.popAll("b", "g", 10, 1_000);
                assertThat(delivered).hasSize(1);
                client.createTopic("new" + life, 1, Map.of());
                assertThat(client.send("new" + life, List.of(message("new" + life)), Durability.FLUSHED))
                        .hasSize(1);
                node.pass(3_000);
                disk = random.nextBoolean() ? node.kill() : node.stop();
                assertThat(topicOf(disk, "new" + life).topicId()).isGreaterThan(100_000);
                assertThat(topicOf(disk, "new" + life).queueIds()[0]).isBetween(100_001, 200_000);
            }
        });
    }

    /** What holds all events at a checkpoint: there may be an older one, or the events are still in the log. */
    @Test
    void aDamagedTableOfEventsKeepsTheNodeDownUntilARepair() {
        alone("registry table repair", random -> {
            for (boolean areAllDamaged : new boolean[] {false, true}) {
                MemoryDisk disk = new MemoryDisk();
                for (int life = 1; life <= 3; life++) {
                    SteppedNode node = start(disk, random);
                    SteppedNode.Client client = node.open(life);
                    client.createTopic("t" + life, 1, Map.of());
                    client.createGroup("g", "t" + life, Map.of());
                    client.send("t" + life, List.of(message("t" + life)), Durability.FLUSHED);
                    disk = life == 3 ? node.kill() : node.stop();
                }
                List<String> places = new ArrayList<>();
                visit(disk, (file, position, view) -> {
                    if (view.queueId() == Owner.REGISTRY_QUEUE && view.decode() instanceof SnapshotRecord) {
                        places.add(placeOf(file, position));
                    }
                });
                assertThat(places).hasSizeGreaterThan(1);
                for (String place : areAllDamaged ? places : places.subList(places.size() - 1, places.size())) {
                    flip(disk, place);
                }
                checkDown(disk, random);
                disk = repaired(disk.killImage());
                for (int life = 1; life <= 2; life++) {
                    SteppedNode node = start(disk, random);
                    SteppedNode.Client client = node.open(10 + life);
                    assertThat(topics(client)).contains("t3");
                    assertThat(client.popAll("t3", "g", 10, 1_000)).hasSize(1);
                    client.createTopic("new" + life, 1, Map.of());
                    client.createGroup("h", "new" + life, Map.of());
                    node.pass(3_000);
                    disk = random.nextBoolean() ? node.kill() : node.stop();
                    assertThat(topicOf(disk, "new" + life).queueIds()[0]).isNotIn(1, 2, 3);
                }
            }
        });
    }

    private void checkDown(MemoryDisk disk, RandomGenerator random) {
        try {
            start(disk, random);
        } catch (CompletionException e) {
            assertThat(e.getCause())
                    .hasMessageContaining("topics and groups")
                    .hasMessageContaining("forebay log repair");
            return;
        }
        throw new AssertionError("a node without a part of what defines its topics has started");
    }

    private MemoryDisk repaired(MemoryDisk disk) {
        try {
            assertThat(LogRepair.apply(disk.child("stripe-0"), 1, time.millis()).refusalOrNull())
                    .isNull();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return disk;
    }

    /** The frame with the event that defines a topic. */
    private static void damage(MemoryDisk disk, String topic) {
        String[] place = {null};
        visit(disk, (file, position, view) -> {
            if (view.decode() instanceof PersistenceEventRecord event
                    && RegistryEvents.decode(event.serializerManifest(), event.payload()) instanceof TopicRecord defined
                    && defined.name().equals(topic)) {
                place[0] = placeOf(file, position);
            }
        });
        flip(disk, place[0]);
    }

    private static String placeOf(String file, long position) {
        return file + " " + (position - Long.parseLong(file.replaceAll("\\D", ""), 16));
    }

    private static void flip(MemoryDisk disk, String place) {
        String[] fileAndAt = place.split(" ");
        try {
            disk.flip("stripe-0/" + fileAndAt[0], Long.parseLong(fileAndAt[1]) + 60, 4);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
