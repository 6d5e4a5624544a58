package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.ConfigFactory;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.storage.io.FileStorageDirectory;
import io.forebay.storage.log.LogVerifier;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.RecordType;
import io.forebay.testkit.sim.Proof;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * Real disks that have no room, or fail, under a node in another process. I1 nothing acknowledged is missing: each receipt is looked for by queue
 * and offset in what is delivered, and by sequence and checksum in the log. I2 nothing is altered. I4 what was acked does not come again.
 * I8 the process lives, refuses with the reason, and serves again by itself when there is room; on a full disk it can be killed and
 * started again. It mounts file systems, so {@link PrivateMountsTest} runs it in a process of its own; {@code -Dforebay.mounts=true} runs it
 * here. What may not be mounted is left out, with the reason in the output.
 */
@EnabledIf("isWanted")
@EnabledOnOs(OS.LINUX)
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class MountedDisksTest {
    private static final String TOPIC = "t";
    private static final String WORKERS = "workers";
    /** Acks nothing, so that all that is stored stays. */
    private static final String AUDIT = "audit";
    /** The same, for what a power cut has left. */
    private static final String AUDIT_AGAIN = "audit-again";

    private static final int BATCH = 64;
    private static final int BODY_BYTES = 4000;
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    /** Longer than a Pop of what is there takes on a machine that is busy with something else. */
    private static final Duration SILENCE = Duration.ofSeconds(10);

    private static final Map<String, String> SETTINGS = Map.ofEntries(
            Map.entry("forebay.storage.segment-size", "1 MiB"),
            Map.entry("forebay.storage.index-extent-entries", "256"),
            Map.entry("forebay.storage.index-file-size", "64 KiB"),
            Map.entry("forebay.queue.body-max", "16 KiB"),
            Map.entry("forebay.queue.batch-bytes-max", "256 KiB"),
            Map.entry("forebay.store.checkpoint-bytes", "4 MiB"),
            Map.entry("forebay.store.checkpoint-idle-interval", "100 ms"),
            Map.entry("forebay.store.retry-backoff", "50 ms"),
            Map.entry("forebay.store.retry-backoff-max", "200 ms"),
            Map.entry("forebay.store.rewrite-timeout", "500 ms"));

    static boolean isWanted() {
        return Boolean.getBoolean("forebay.mounts");
    }

    @TempDir
    Path directory;

    /** By message id. A message that had to be repeated may be stored twice; its receipt names the place that was promised. */
    private final Map<String, Receipt> receipts = new HashMap<>();

    private final Set<String> acked = new HashSet<>();
    private final Set<Refusal> refusals = new HashSet<>();
    private int number;
    private ForkedNode node;
    private ActorSystem<Void> system;
    private ForebayClient client;

    @AfterEach
    void stop() throws Exception {
        if (system != null) {
            client.detach(); // The node may be gone: nobody is told.
            system.terminate();
            get(system.getWhenTerminated());
        }
    }

    private static <T> T get(CompletionStage<T> stage) {
        return stage.toCompletableFuture()
                .orTimeout(PATIENCE.toSeconds(), TimeUnit.SECONDS)
                .join();
    }

    // ---- the node and its client ------------------------------------------------------------------------------------

    private Path log() {
        return directory.resolve("node.log");
    }

    private void start(Path data, String lowSpace) throws Exception {
        Map<String, String> settings = new HashMap<>(SETTINGS);
        settings.put("forebay.storage.low-space", lowSpace);
        node = ForkedNode.start(data, 0, settings, List.of(), log());
        system = ActorSystem.create(
                Behaviors.empty(),
                "mounted-disks-test",
                ConfigFactory.parseString("""
                    akka.actor.provider = remote
                    akka.remote.warn-about-direct-use = off
                    akka.remote.artery.canonical { hostname = 127.0.0.1, port = 0 }
                    akka.loglevel = OFF
                    akka.log-dead-letters = off
                    akka.coordinated-shutdown.run-by-jvm-shutdown-hook = off
                    forebay.client.lookup { retry-min = 50 ms, retry-max = 200 ms }
                    forebay.client.request-timeout = 5 s
                    """).withFallback(ConfigFactory.load()));
        client = ForebayClient.connect(system, Target.contact(node.address()));
    }

    private void createAll() {
        get(client.createTopic(TOPIC, 2, Map.of()));
        get(client.createGroup(WORKERS, TOPIC, Map.of()));
        get(client.createGroup(AUDIT, TOPIC, Map.of()));
        get(client.createGroup(AUDIT_AGAIN, TOPIC, Map.of()));
    }

    /** kill -9, and another process with the same data. */
    private void killAndStart(Path data, String lowSpace) throws Exception {
        checkAlive();
        node.kill();
        stop();
        start(data, lowSpace);
    }

    /** I8 */
    private void checkAlive() throws IOException {
        assertThat(node.isAlive()).as("I8: the process lives").isTrue();
        assertThat(Files.readString(log()))
                .as("what the node says")
                .doesNotContain("InternalError")
                .doesNotContain("AssertionError");
    }

    /** The body that a message with this id has. */
    private static byte[] body(String id) {
        byte[] body = new byte[BODY_BYTES];
        new Random(id.hashCode()).nextBytes(body);
        return body;
    }

    // ---- what is sent and acked -------------------------------------------------------------------------------------

    /**
     * Sends one batch, every second message FLUSHED.
     *
     * @return how many are stored
     */
    private int send() {
        Map<String, CompletableFuture<Receipt>> answers = new HashMap<>();
        for (int i = 0; i < BATCH; i++) {
            String id = "m" + number++;
            Durability level = number % 2 == 0 ? Durability.FLUSHED : Durability.WRITTEN;
            Message message = Message.builder(TOPIC).id(id).body(body(id)).build();
            answers.put(id, client.send(message, level).toCompletableFuture());
        }
        int before = receipts.size();
        answers.forEach((id, answer) -> {
            try {
                receipts.put(id, get(answer));
            } catch (CompletionException e) {
                assertThat(e).hasCauseInstanceOf(ForebayException.class);
                refusals.add(((ForebayException) e.getCause()).refusal());
            }
        });
        return receipts.size() - before;
    }

    private void sendUntilRefused() {
        refusals.clear();
        while (refusals.isEmpty()) {
            send();
        }
    }

    /** I8: nobody does anything but wait. */
    private void awaitTaken() {
        Awaitility.await("room again").atMost(PATIENCE).until(() -> send() == BATCH);
    }

    private List<Delivery> pop(String group, int count) {
        List<Delivery> out = new ArrayList<>();
        long lastNanos = System.nanoTime();
        while (out.size() < count) {
            List<Delivery> some = get(client.pop(PopRequest.of(TOPIC, group, Math.min(256, count - out.size()))
                    .withInvisible(Duration.ofHours(1))
                    .withExtend(false)
                    .withWaitMax(Duration.ofMillis(300))));
            if (!some.isEmpty()) {
                lastNanos = System.nanoTime();
            } else if (isAllOut(group) || System.nanoTime() - lastNanos > SILENCE.toNanos()) {
                return out;
            }
            out.addAll(some);
        }
        return out;
    }

    /** Whether nothing came because there is nothing, and not because it took long. */
    private boolean isAllOut(String group) {
        return get(client.describeGroup(group, TOPIC)).stream().allMatch(part -> part.depth() == part.inFlight());
    }

    private void ack(List<Delivery> deliveries) {
        for (int from = 0; from < deliveries.size(); from += BATCH) {
            List<Delivery> some = deliveries.subList(from, Math.min(deliveries.size(), from + BATCH));
            assertThat(get(client.ackBatch(
                            WORKERS, some.stream().map(Delivery::handle).toList(), Durability.FLUSHED)))
                    .as("I8: acks on a full disk")
                    .allMatch(result -> result == AckOutcome.ACKED);
            some.forEach(delivery -> acked.add(delivery.message().id()));
        }
    }

    // ---- the judgement ----------------------------------------------------------------------------------------------

    private static String place(int queue, long offset) {
        return queue + ":" + offset;
    }

    /**
     * What was promised is delivered, to one group from the beginning, and to the workers what they have not acked.
     *
     * @param audit a group that has had nothing yet
     * @param level what has come since leaves nothing but this
     */
    private void judgeDeliveries(String audit, Durability level) {
        Map<String, String> found = new HashMap<>();
        for (Delivery delivery : pop(audit, Integer.MAX_VALUE)) {
            String id = delivery.message().id();
            assertThat(delivery.body()).as("I2: %s", id).isEqualTo(body(id));
            found.put(place(delivery.queue(), delivery.queueOffset()), id);
        }
        receipts.forEach((id, receipt) -> {
            if (!receipt.level().covers(level)) {
                return;
            }
            Proof.messagesAcknowledged.increment();
            String there = found.get(place(receipt.queue(), receipt.queueOffset()));
            if (!id.equals(there)) {
                Proof.lost.increment();
            }
            assertThat(there).as("I1: %s", receipt).isEqualTo(id);
        });
        Set<String> again = new HashSet<>();
        pop(WORKERS, Integer.MAX_VALUE).forEach(delivery -> again.add(place(delivery.queue(), delivery.queueOffset())));
        acked.forEach(id -> {
            Receipt receipt = receipts.get(id);
            assertThat(again).as("I4: %s was acked", id).doesNotContain(place(receipt.queue(), receipt.queueOffset()));
        });
    }

    /** Without a node: the record of each receipt of that level. */
    private void judgeLog(Path data, Durability level) throws IOException {
        Map<Long, String> found = new HashMap<>();
        LogVerifier.Report report = LogVerifier.verify(
                FileStorageDirectory.at(data.resolve("stripe-0").toString()), (segment, position, record) -> {
                    if (record.type() == RecordType.MESSAGE) {
                        MessageRecord message = (MessageRecord) record.decode();
                        found.put(
                                record.sequence(),
                                message.id() + " " + record.queueOffset() + " " + Message.crcOf(message.body()));
                    }
                });
        assertThat(report.problems()).isEmpty();
        receipts.forEach((id, receipt) -> {
            if (receipt.level().covers(level)) {
                assertThat(found.get(receipt.sequence()))
                        .as("I1: %s, of %s", receipt, report)
                        .isEqualTo(id + " " + receipt.queueOffset() + " " + receipt.payloadCrc());
            }
        });
    }

    // ---- no room ----------------------------------------------------------------------------------------------------

    private static void awaitReserve(Path data) {
        Awaitility.await("a segment in reserve").atMost(PATIENCE).until(() -> {
            try (Stream<Path> files = Files.list(data.resolve("stripe-0"))) {
                return files.anyMatch(file -> file.getFileName().toString().startsWith("spare-"));
            }
        });
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aFullDiskStopsSendsAndNothingElse() throws Exception {
        try (SmallMounts mounts = new SmallMounts(Files.createDirectory(directory.resolve("mounts")))) {
            Path disk = mounts.memory("disk", 32 << 20);
            Path data = disk.resolve("data");
            String lowSpace = "8 MiB";
            start(data, lowSpace);
            try {
                createAll();
                awaitReserve(data);
                Path early = Files.write(disk.resolve("early"), new byte[6 << 20]);
                sendUntilRefused();
                assertThat(refusals)
                        .as("I8: the reason")
                        .allMatch(refusal -> refusal.code() == Refusal.Code.DISK_FULL)
                        .allMatch(refusal -> refusal.text().contains("bytes of disk are free"));
                List<Delivery> out = pop(WORKERS, 40 * BATCH);
                assertThat(out).as("deliveries on a low disk").hasSize(40 * BATCH);
                Path others = SmallMounts.fill(disk);
                ack(out.subList(0, out.size() / 2));
                assertThat(send()).as("stored on a full disk").isZero();
                killAndStart(data, lowSpace);
                assertThat(send()).as("stored on a full disk").isZero();
                ack(out.subList(out.size() / 2, out.size()));
                checkAlive();
                Files.delete(others);
                Files.delete(early);
                awaitTaken();
                checkAlive();
                judgeDeliveries(AUDIT, Durability.WRITTEN);
                node.kill();
                judgeLog(data, Durability.WRITTEN);
            } finally {
                node.close();
            }
        }
    }

    // ---- a device that fails ----------------------------------------------------------------------------------------

    /**
     * The device has promised more than it has: the blocks of files that were made ahead of use are gone, and no force of what is written
     * there succeeds.
     *
     * @return whose deletion brings the room back
     */
    private Path runOut(Path disk, Path image) throws Exception {
        node.suspend(); // Nobody writes into what is being taken.
        SmallMounts.sync(disk);
        SmallMounts.takeZeros(image);
        Path others = SmallMounts.fill(image.getParent());
        node.resume();
        return others;
    }

    /** What an earlier copy may have stored is not called refused, but the reason is named. */
    private static boolean saysThatNothingIsTaken(Refusal refusal) {
        return switch (refusal.code()) {
            case DISK_FULL, READ_ONLY -> true;
            case OUTCOME_UNKNOWN ->
                refusal.text().contains("DISK_FULL") || refusal.text().contains("READ_ONLY");
            default -> false;
        };
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aDeviceThatCannotForceIsNeverBelieved() throws Exception {
        try (SmallMounts mounts = new SmallMounts(Files.createDirectory(directory.resolve("mounts")))) {
            Path image = SmallMounts.ext4Image(mounts.memory("device", 48 << 20).resolve("image"), 64);
            Path disk = mounts.ext4("disk", image);
            SmallMounts.turnJournal(disk);
            Path data = disk.resolve("data");
            String lowSpace = "4 MiB";
            start(data, lowSpace);
            try {
                createAll();
                awaitReserve(data);
                for (int i = 0; i < 16; i++) {
                    assertThat(send()).isEqualTo(BATCH);
                }
                ack(pop(WORKERS, 4 * BATCH));
                Path others = runOut(disk, image);
                sendUntilRefused();
                assertThat(refusals)
                        .as("I8: the reason")
                        .allMatch(MountedDisksTest::saysThatNothingIsTaken)
                        .allMatch(refusal -> refusal.text().contains("No space left"));
                assertThat(Files.readString(log())).as("what the node says").contains("cannot force");
                node.suspend();
                Path first = SmallMounts.copy(image, directory.resolve("first-image"));
                judgeLog(mounts.ext4("first", first).resolve("data"), Durability.FLUSHED);
                node.resume();
                Files.delete(others);
                awaitTaken();
                checkAlive();
                judgeDeliveries(AUDIT, Durability.WRITTEN);
                node.kill();
                Path second = SmallMounts.copy(image, directory.resolve("second-image"));
                Path cut = mounts.ext4("second", second).resolve("data");
                judgeLog(cut, Durability.FLUSHED);
                Proof.images.add(2);
                stop();
                start(cut, lowSpace);
                awaitTaken();
                judgeDeliveries(AUDIT_AGAIN, Durability.FLUSHED);
                checkAlive();
            } finally {
                node.close();
            }
        }
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aDeviceThatFailsIsNeverBelieved() throws Exception {
        try (SmallMounts mounts = new SmallMounts(Files.createDirectory(directory.resolve("mounts")))) {
            Path below = SmallMounts.ext4Image(mounts.memory("memory", 80 << 20).resolve("image"), 96);
            Path image = SmallMounts.ext4ImageWithoutJournal(
                    mounts.ext4("below", below).resolve("image"), 48);
            Path data = mounts.ext4("disk", image).resolve("data");
            String lowSpace = "4 MiB";
            start(data, lowSpace);
            try {
                createAll();
                awaitReserve(data);
                for (int i = 0; i < 8; i++) {
                    assertThat(send()).isEqualTo(BATCH);
                }
                ack(pop(WORKERS, 2 * BATCH));
                SmallMounts.breakDevice(image);
                sendUntilRefused();
                assertThat(refusals)
                        .as("I8: the reason")
                        .allMatch(MountedDisksTest::saysThatNothingIsTaken)
                        .allMatch(refusal -> refusal.text().contains("Input/output error"));
                assertThat(Files.readString(log())).as("what the node says").contains("cannot force");
                SmallMounts.mendDevice(image);
                awaitTaken();
                checkAlive();
                judgeDeliveries(AUDIT, Durability.WRITTEN);
                node.kill();
                judgeLog(data, Durability.WRITTEN);
                Path cut = SmallMounts.copy(image, directory.resolve("image-after-a-power-cut"));
                judgeLog(mounts.ext4("cut", cut).resolve("data"), Durability.FLUSHED);
                Proof.images.increment();
                stop();
                start(data, lowSpace);
                awaitTaken();
                judgeDeliveries(AUDIT_AGAIN, Durability.WRITTEN);
                checkAlive();
            } finally {
                node.close();
            }
        }
    }
}
