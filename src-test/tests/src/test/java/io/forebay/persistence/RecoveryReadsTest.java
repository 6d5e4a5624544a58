package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.ActorSystem;
import io.forebay.persistence.core.EventDraft;
import io.forebay.persistence.core.EventTable;
import io.forebay.testkit.faults.MemoryDisk;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/**
 * <b>I2</b>: what is replayed is what was stored, in order, wherever it is found. What that costs is counted: no record is read twice,
 * but for those that are too much to be kept until it is their turn.
 */
class RecoveryReadsTest {
    private static final int IDS = 5;

    private final MemoryDisk disk = new MemoryDisk();
    private final List<String> ids = new ArrayList<>();
    private ActorSystem<Void> system;
    private ForebayPersistence persistence;

    /** Of one queue, so that they lie between one another. */
    RecoveryReadsTest() {
        for (int i = 0; ids.size() < IDS; i++) {
            if (ShardKind.shardOf("id-" + i) == 7) {
                ids.add("id-" + i);
            }
        }
    }

    private void start(String... settings) {
        system = PersistentActorsTest.start(disk, String.join("\n", settings));
        persistence = ForebayPersistence.get(system);
    }

    private static <T> T got(CompletableFuture<T> asked) throws Exception {
        return asked.get(60, TimeUnit.SECONDS);
    }

    /** One event after the other of each id in turn. */
    private void write(long fromSequenceNr, long toSequenceNr, int bytes) throws Exception {
        List<CompletableFuture<Void>> all = new ArrayList<>();
        for (long number = fromSequenceNr; number <= toSequenceNr; number++) {
            for (String id : ids) {
                CompletableFuture<Void> written = new CompletableFuture<>();
                EventDraft event = EventDraft.of(number, 0, 20, "", new byte[bytes], "writer-" + id, "", List.of());
                persistence.request(ShardKind.EVENTS, id, new EventShard.Write(id, List.of(event), written));
                all.add(written);
            }
        }
        for (CompletableFuture<Void> one : all) {
            got(one);
        }
    }

    private EventTable.Place place(String id) throws Exception {
        CompletableFuture<EventTable.Place> place = new CompletableFuture<>();
        persistence.request(ShardKind.EVENTS, id, new EventShard.Locate(id, place));
        return got(place);
    }

    /** Returns how many records were read for it. */
    private long replay(long fromSequenceNr, long toSequenceNr) throws Exception {
        String id = ids.get(2);
        List<Long> numbers = new ArrayList<>();
        StoredEvents events = new StoredEvents(
                got(persistence.stripe().toCompletableFuture()),
                ShardKind.EVENTS.queueId(7),
                id,
                place(id),
                fromSequenceNr,
                toSequenceNr,
                Long.MAX_VALUE);
        events.handOut(stored -> numbers.add(stored.event().sequenceNr()));
        assertThat(numbers)
                .containsExactlyElementsOf(LongStream.rangeClosed(fromSequenceNr, toSequenceNr)
                        .boxed()
                        .toList());
        return events.recordsRead();
    }

    @Test
    void noRecordIsReadTwice() throws Exception {
        start();
        write(1, 10, 50);
        assertThat(place(ids.get(2)).newestOffsets()).hasSize(10);
        assertThat(replay(1, 10)).as("it is in memory where they are").isEqualTo(10);
        assertThat(replay(4, 7)).isEqualTo(4);
        PersistentActorsTest.stop(system);

        start();
        assertThat(place(ids.get(2)).newestOffsets()).as("behind a clean stop").isEmpty();
        assertThat(replay(1, 10)).isEqualTo(10);
        assertThat(replay(4, 10)).isEqualTo(7);
        write(11, 200, 50);
        assertThat(place(ids.get(2)).newestOffsets()).as("some are in memory").hasSizeBetween(1, 63);
        assertThat(replay(1, 200)).isEqualTo(200);
        PersistentActorsTest.stop(system);

        start();
        assertThat(replay(1, 200)).isEqualTo(200);
        assertThat(replay(100, 200)).isEqualTo(101);
        PersistentActorsTest.stop(system);
    }

    /** Segments that are read cold, ahead or backwards, near the last read or far from it. */
    @Test
    void whereverItBeginsItFindsTheSame() throws Exception {
        String small = """
            forebay.storage { segment-size = 1 MiB, spare-segments = 1 }
            forebay.store { flush-bytes = 64 KiB, max-unflushed = 2 MiB }
            forebay.queue { body-max = 128 KiB, batch-bytes-max = 256 KiB }
            forebay.group.pop-bytes-max = 256 KiB
            """;
        start(small);
        write(1, 500, 1_500);
        PersistentActorsTest.stop(system);

        start(small);
        Random random = new Random(1);
        for (int round = 0; round < 40; round++) {
            long from = 1 + random.nextInt(500);
            replay(from, Math.min(500, from + random.nextInt(round % 2 == 0 ? 10 : 400)));
        }
        PersistentActorsTest.stop(system);
    }

    /** What is met on the way back is kept as long as it is not much, the oldest of it. */
    @Test
    void whatIsTooMuchToBeKeptIsReadAgain() throws Exception {
        start();
        write(1, 20, 100_000);
        PersistentActorsTest.stop(system);

        start();
        assertThat(replay(1, 20)).isEqualTo(20 + 20 - 10);
        write(21, 21, 100_000);
        assertThat(replay(1, 21)).isEqualTo(21 + 21 - 10);
        PersistentActorsTest.stop(system);
    }
}
