package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.ActorSystem;
import akka.persistence.query.EventEnvelope;
import akka.persistence.query.PersistenceQuery;
import akka.stream.Attributes;
import akka.stream.javadsl.Sink;
import akka.stream.javadsl.SinkQueueWithCancel;
import io.forebay.node.SparseDisk;
import io.forebay.persistence.core.EventDraft;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Many persistence ids with ten events each, one round of all ids after the other. <b>I1</b>: behind a kill, and behind a clean stop,
 * each id is there once, with all its events in order. <b>I2</b>: an id takes the memory that it is said to take. <b>I3</b>: a query of
 * all ids copies none of them. How long it takes to open is printed. A hundredth of a million unless {@code -Dforebay.ids=1000000}.
 */
class ManyPersistenceIdsTest {
    private static final int IDS = Integer.getInteger("forebay.ids", 10_000);
    private static final int EVENTS_EACH = 10;
    private static final int LOOKED_AT = 200;
    private static final int UNANSWERED_MAX = 4096;
    private static final int BYTE_ARRAYS = 4;
    private static final byte[] NOTHING = {};
    /** Several times what it takes, so that only a mistake in kind exceeds it: the events, or a buffer for each. */
    private static final long HEAP_BYTES_PER_ID_MAX = 4 * 1024;
    /** What a stream may hold, a batch of ids among it, however many there are; a list of a million would exceed it. */
    private static final long STREAM_BYTES_MAX = 2 * 1024 * 1024;

    private static final String SETTINGS = """
            forebay.persistence.durability = written
            forebay.storage.segment-size = 64 MiB
            forebay.queue { body-max = 4 MiB, batch-bytes-max = 8 MiB }
            forebay.store { flush-bytes = 16 MiB, max-unflushed = 128 MiB }
            """;

    @TempDir
    Path folder;

    /** An application that has opened its log. */
    private static final class App implements AutoCloseable {
        final ActorSystem<Void> system;
        final ForebayPersistence persistence;
        final ForebayReadJournal journal;
        final long openMillis;

        App(SparseDisk disk) throws Exception {
            long begin = System.nanoTime();
            system = PersistentActorsTest.start(disk, SETTINGS);
            persistence = ForebayPersistence.get(system);
            get(persistence.stripe());
            openMillis = (System.nanoTime() - begin) / 1_000_000;
            journal = PersistenceQuery.get(system)
                    .getReadJournalFor(ForebayReadJournal.class, ForebayReadJournal.IDENTIFIER);
        }

        @Override
        public void close() {
            system.terminate();
            system.getWhenTerminated()
                    .toCompletableFuture()
                    .orTimeout(60, TimeUnit.SECONDS)
                    .join();
        }
    }

    private static String id(int number) {
        return "order|" + number;
    }

    @Test
    void idsAndTheirEventsAreThereAndTakeLittle() throws Exception {
        SparseDisk disk = SparseDisk.at(folder);
        long emptyBytes;
        long writtenBytes;
        long writeMillis;
        try (App app = new App(disk)) {
            emptyBytes = heapBytes();
            long begin = System.nanoTime();
            write(app);
            writeMillis = (System.nanoTime() - begin) / 1_000_000;
            writtenBytes = heapBytes();
            disk.kill();
        }
        disk = SparseDisk.at(folder);
        long killedMillis;
        long streamedBytes;
        try (App app = new App(disk)) {
            killedMillis = app.openMillis;
            streamedBytes = checkAll(app);
        }
        disk = SparseDisk.at(folder);
        long stoppedMillis;
        long openedBytes;
        try (App app = new App(disk)) {
            stoppedMillis = app.openMillis;
            openedBytes = heapBytes();
            checkAll(app);
        }
        System.out.printf(
                "persistence ids: %,d with %d events each, written in %,d ms; heap for each id %,d bytes when written, %,d"
                        + " when opened; a stream of all took %,d bytes; open %,d ms after a kill, %,d ms after a clean stop%n",
                IDS,
                EVENTS_EACH,
                writeMillis,
                (writtenBytes - emptyBytes) / IDS,
                (openedBytes - emptyBytes) / IDS,
                streamedBytes,
                killedMillis,
                stoppedMillis);
        assertThat((writtenBytes - emptyBytes) / IDS).as("I2").isLessThan(HEAP_BYTES_PER_ID_MAX);
        assertThat((openedBytes - emptyBytes) / IDS).as("I2").isLessThan(HEAP_BYTES_PER_ID_MAX);
        assertThat(streamedBytes).as("I3").isLessThan(STREAM_BYTES_MAX);
    }

    private static void write(App app) throws Exception {
        Semaphore free = new Semaphore(UNANSWERED_MAX);
        AtomicReference<Throwable> failed = new AtomicReference<>();
        for (int sequenceNr = 1; sequenceNr <= EVENTS_EACH; sequenceNr++) {
            for (int number = 0; number < IDS; number++) {
                free.acquire();
                CompletableFuture<Void> stored = new CompletableFuture<>();
                stored.whenComplete((done, failure) -> {
                    failed.compareAndSet(null, failure);
                    free.release();
                });
                List<EventDraft> event = List.of(draft(number, sequenceNr));
                app.persistence.request(ShardKind.EVENTS, id(number), new EventShard.Write(id(number), event, stored));
            }
        }
        free.acquire(UNANSWERED_MAX);
        assertThat(failed).hasValue(null);
    }

    private static EventDraft draft(int number, int sequenceNr) {
        return new EventDraft(
                sequenceNr, 1_000, BYTE_ARRAYS, "", event(number, sequenceNr), "writer", "", List.of(), 0, "", NOTHING);
    }

    private static byte[] event(int number, int sequenceNr) {
        return ByteBuffer.allocate(40).putInt(number).putInt(sequenceNr).array();
    }

    /** Returns what a stream of all ids holds when it is half done. */
    private static long checkAll(App app) throws Exception {
        long beforeBytes = heapBytes();
        BitSet found = new BitSet(IDS);
        SinkQueueWithCancel<String> stream = app.journal
                .currentPersistenceIds()
                .runWith(Sink.<String>queue().withAttributes(Attributes.inputBuffer(1, 1)), app.system);
        long heldBytes = 0;
        for (Optional<String> id = get(stream.pull()); id.isPresent(); id = get(stream.pull())) {
            int number = Integer.parseInt(id.get().substring(id.get().indexOf('|') + 1));
            assertThat(found.get(number)).as("I1: %s is told twice", id.get()).isFalse();
            found.set(number);
            if (found.cardinality() == IDS / 2) {
                heldBytes = heapBytes() - beforeBytes;
            }
        }
        assertThat(found.cardinality()).as("I1").isEqualTo(IDS);
        for (int i = 0; i < LOOKED_AT; i++) {
            int number = (int) ((long) i * IDS / LOOKED_AT);
            List<EventEnvelope> events = get(app.journal
                    .currentEventsByPersistenceId(id(number), 0, Long.MAX_VALUE)
                    .runWith(Sink.seq(), app.system));
            List<byte[]> wanted = new ArrayList<>();
            for (int sequenceNr = 1; sequenceNr <= EVENTS_EACH; sequenceNr++) {
                wanted.add(event(number, sequenceNr));
            }
            assertThat(events.stream().map(event -> (byte[]) event.event()).toList())
                    .as("I1: %s", id(number))
                    .usingElementComparator(java.util.Arrays::compare)
                    .isEqualTo(wanted);
        }
        return heldBytes;
    }

    private static long heapBytes() {
        System.gc();
        System.gc();
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }

    private static <T> T get(CompletionStage<T> stage) throws Exception {
        return stage.toCompletableFuture().get(300, TimeUnit.SECONDS);
    }
}
