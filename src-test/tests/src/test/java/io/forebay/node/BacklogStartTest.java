package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.QueueDescription;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.storage.log.RecoveryReport;
import io.forebay.store.ForebayStorage;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * A node that is killed with a backlog reads at its start what was written since its last checkpoint, however much is stored.
 * The backlog is simulated: its frames leave holes, and who read them would find no frame there.
 */
class BacklogStartTest {
    private static final int BODY_BYTES = 4096;
    private static final int BATCH_COUNT = 256;
    private static final int SENDS_OUTSTANDING = 4;
    private static final String BACKLOG = "forebay.backlog";

    @TempDir
    Path folder;

    /**
     * @param startMillis from nothing to a node that serves
     * @param frameBytesRead of segments, behind their headers
     * @param otherBytesRead of the index, the checkpoint file and the like
     */
    private record Start(long startMillis, long frameBytesRead, long headerBytesRead, long otherBytesRead) {}

    private static String settings(int segmentMiB, int checkpointMiB) {
        return "forebay.storage.segment-size = " + segmentMiB + " MiB, forebay.store.checkpoint-bytes = "
                + checkpointMiB + " MiB, forebay.topic.max-age = 0 s, forebay.topic.dead-letter-max-age = 0 s";
    }

    @Test
    void whatIsReadDoesNotGrowWithTheBacklog() throws Exception {
        int mebibytes = 4;
        long boundBytes = boundBytes(mebibytes, mebibytes);
        Start little = startAfterKill("little", 32L << 20, mebibytes, mebibytes, false);
        Start much = startAfterKill("much", 16 * boundBytes, mebibytes, mebibytes, false);
        assertThat(little.frameBytesRead).isLessThan(boundBytes);
        assertThat(much.frameBytesRead).isLessThan(boundBytes);
        // A header for each segment, and the heads of the index.
        assertThat(much.headerBytesRead + much.otherBytesRead).isLessThan(boundBytes / 4);
    }

    /** A dead letter says where its message is, which must stay as long as the letter: a start has to know of them all. */
    @Test
    void whatIsReadDoesNotGrowWithTheBacklogBetweenDeadLetters() throws Exception {
        int mebibytes = 4;
        long boundBytes = boundBytes(mebibytes, mebibytes);
        Start start = startAfterKill("dying", 16 * boundBytes, mebibytes, mebibytes, true);
        assertThat(start.frameBytesRead).isLessThan(boundBytes);
        assertThat(start.headerBytesRead + start.otherBytesRead).isLessThan(boundBytes / 4);
    }

    @Test
    @EnabledIfSystemProperty(named = BACKLOG, matches = ".+")
    void startWithTheBacklogThatWasAskedFor() throws Exception {
        long bytes = ConfigFactory.parseString("bytes = " + System.getProperty(BACKLOG))
                .getBytes("bytes");
        Start start = startAfterKill("asked", bytes, 128, 256, Boolean.getBoolean(BACKLOG + ".dying"));
        assertThat(start.frameBytesRead).isLessThan(boundBytes(128, 256));
    }

    /**
     * An interval and a half were written since the last checkpoint began, at most, and the part of it that was not stated
     * durable is read once more, to be copied; then the search for the end of the log: the rest of its segment and the one
     * prepared behind it.
     */
    private static long boundBytes(int segmentMiB, int checkpointMiB) {
        return (3L * checkpointMiB + 4L * segmentMiB) << 20;
    }

    /** @param isDying whether there is a dead letter in every segment */
    private Start startAfterKill(String name, long backlogBytes, int segmentMiB, int checkpointMiB, boolean isDying)
            throws Exception {
        String settings = settings(segmentMiB, checkpointMiB);
        SparseDisk disk = SparseDisk.at(folder.resolve(name));
        long sent;
        int letters = 0;
        try (NodeFixture node = NodeFixture.on(disk, settings)) {
            NodeFixture.Client client = node.open();
            client.createTopic("backlog", 1, Map.of());
            client.createGroup("g", "backlog", Map.of());
            client.createTopic("dying", 1, Map.of());
            client.createGroup("mortal", "dying", Map.of("max-attempts", "1", "retry-backoff", "none"));
            disk.dropLarge(true);
            sent = 0;
            for (long left = backlogBytes; left > 0; left -= (long) segmentMiB << 20) {
                sent += send(client, Math.min(left, (long) segmentMiB << 20));
                if (isDying) {
                    die(client);
                    letters++;
                }
            }
            disk.dropLarge(false);
            // The first one may have begun before. While one is due nothing is sent, so that slow ones make no
            // difference.
            for (int round = 0; round < 2; round++) {
                long wanted = checkpoints(node) + 1;
                sent += send(client, (long) checkpointMiB << 20);
                Awaitility.await().until(() -> checkpoints(node) >= wanted);
            }
            sent += send(client, (long) checkpointMiB << 19);
            disk.kill();
        }
        disk = SparseDisk.at(folder.resolve(name));
        long begin = System.nanoTime();
        try (NodeFixture node = NodeFixture.on(disk, settings)) {
            Start start = new Start(
                    (System.nanoTime() - begin) / 1_000_000,
                    disk.frameBytesRead(),
                    disk.headerBytesRead(),
                    disk.otherBytesRead());
            System.out.printf(
                    "backlog of %,d MiB in %,d messages, %,d dead letters, checkpoint each %d MiB: %s%n",
                    backlogBytes >> 20, sent, letters, checkpointMiB, start);
            RecoveryReport report =
                    ForebayStorage.get(node.system).stripes().get(0).recovery();
            assertThat(report.findings()).isEmpty();
            assertThat(report.stoppedOwners()).isEmpty();
            NodeFixture.Client client = node.open();
            client.tell(new SessionCommand.DescribeTopic(client.nextId(), "backlog"));
            QueueDescription queue = client.expect(SessionEvent.TopicDescribed.class)
                    .topic()
                    .queues()
                    .get(0);
            assertThat(queue.depth()).isEqualTo(sent);
            if (isDying) {
                assertThat(client.popAll("%DLQ%mortal", "undertaker", letters, 60_000))
                        .as("I1: letters, and their bodies")
                        .allMatch(letter -> NodeFixture.text(letter).equals("m0"));
            }
            client.send("after", 3, "m");
            List<Delivery> deliveries = client.popAll("after", "g2", 3, 60_000);
            client.ack("g2", NodeFixture.handles(deliveries));
            disk.kill();
            return start;
        }
    }

    private static void die(NodeFixture.Client client) {
        client.send("dying", 1, "m");
        List<Delivery> one = client.popAll("dying", "mortal", 1, 60_000);
        client.nack("mortal", NodeFixture.handles(one), 0, "no");
        Awaitility.await().until(() -> client.describe("mortal", "dying").depth() == 0);
    }

    private static long checkpoints(NodeFixture node) {
        return ForebayStorage.get(node.system).health().get(0).checkpointCount();
    }

    /** Sends that many bytes of bodies, and says how many messages were stored. */
    private static long send(NodeFixture.Client client, long bytes) {
        byte[] body = new byte[BODY_BYTES];
        List<Message> batch = Stream.generate(() -> Message.of("backlog", body))
                .limit(BATCH_COUNT)
                .toList();
        long stored = 0;
        int outstanding = 0;
        while (stored * BODY_BYTES < bytes || outstanding > 0) {
            if (outstanding < SENDS_OUTSTANDING && (stored + (long) outstanding * BATCH_COUNT) * BODY_BYTES < bytes) {
                client.tell(new SessionCommand.Send(client.nextId(), "backlog", 0, batch, Durability.WRITTEN));
                outstanding++;
            } else {
                stored += client.expect(SessionEvent.SendReply.class).results().stream()
                        .filter(Receipt.class::isInstance)
                        .count();
                outstanding--;
            }
        }
        return stored;
    }
}
