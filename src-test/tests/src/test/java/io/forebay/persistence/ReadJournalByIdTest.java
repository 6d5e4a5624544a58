package io.forebay.persistence;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import akka.persistence.query.EventEnvelope;
import akka.persistence.query.Sequence;
import akka.stream.javadsl.SinkQueueWithCancel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** As Akka's own read journals behave: every event of an id once, in order, and all ids; stored before or later. */
class ReadJournalByIdTest {
    @TempDir
    static Path directory;

    private static QueryFixture app;

    @BeforeAll
    static void start() {
        app = new QueryFixture(directory, "forebay.persistence.query-batch-events = 16");
    }

    @AfterAll
    static void stop() throws Exception {
        app.close();
    }

    private static List<Object> current(String id, long from, long to) throws Exception {
        return events(app.all(app.journal.currentEventsByPersistenceId(id, from, to)));
    }

    private static List<Object> events(List<EventEnvelope> envelopes) {
        return envelopes.stream().map(EventEnvelope::event).toList();
    }

    @Test
    void currentTellsWhatIsStored() throws Exception {
        app.write("a", 1, "a-1", "a-2");
        app.write("a", 3, "a-3");
        assertEquals(List.of("a-1", "a-2", "a-3"), current("a", 0, Long.MAX_VALUE));
        assertEquals(List.of("a-1", "a-2"), current("a", 0, 2));
        assertEquals(List.of("a-2"), current("a", 2, 2));
        assertEquals(List.of("a-3"), current("a", 3, 100));
        assertEquals(List.of(), current("a", 4, Long.MAX_VALUE));
        assertEquals(List.of(), current("a", 3, 2));
        assertEquals(List.of(), current("nobody", 0, Long.MAX_VALUE));
    }

    @Test
    void anEnvelopeSaysWhatWasStored() throws Exception {
        app.write("envelope", 1, "one", "two");
        List<EventEnvelope> envelopes =
                app.all(app.journal.currentEventsByPersistenceId("envelope", 0, Long.MAX_VALUE));
        EventEnvelope second = envelopes.get(1);
        assertEquals("envelope", second.persistenceId());
        assertEquals(2, second.sequenceNr());
        assertEquals("two", second.event());
        assertEquals(1_003, second.timestamp());
        long first = ((Sequence) envelopes.get(0).offset()).value();
        assertEquals(first + 1, ((Sequence) second.offset()).value());
        assertTrue(first > 0);
    }

    @Test
    void currentDoesNotTellWhatComesLater() throws Exception {
        app.write("later", 1, "1", "2");
        SinkQueueWithCancel<EventEnvelope> stream =
                app.run(app.journal.currentEventsByPersistenceId("later", 0, Long.MAX_VALUE));
        assertEquals(List.of("1"), events(QueryFixture.take(stream, 1)));
        app.write("later", 3, "3");
        assertEquals(List.of("2"), events(QueryFixture.take(stream, 1)));
        assertEquals(Optional.empty(), QueryFixture.get(stream.pull()));
    }

    /** More than a batch, more than is listed in one event, from everywhere. */
    @Test
    void manyEventsComeInOrderFromAnyNumber() throws Exception {
        List<Object> all = new ArrayList<>();
        CompletableFuture<?> last = null;
        for (int nr = 1; nr <= 300; nr++) {
            last = app.writeLater("many", nr, List.of(), "e" + nr);
            app.writeLater("among-many", nr, List.of(), "o" + nr);
            all.add("e" + nr);
        }
        QueryFixture.get(last);
        for (int from : new int[] {1, 2, 63, 64, 65, 66, 128, 255, 256, 299, 300}) {
            assertEquals(all.subList(from - 1, 300), current("many", from, Long.MAX_VALUE));
            assertEquals(all.subList(from - 1, Math.min(300, from + 20)), current("many", from, from + 20));
        }
    }

    @Test
    void deletedEventsAreNotTold() throws Exception {
        app.write("deleted", 1, "1", "2", "3");
        app.delete("deleted", 2);
        assertEquals(List.of("3"), current("deleted", 0, Long.MAX_VALUE));
        assertEquals(List.of("3"), current("deleted", 2, 3));
        assertEquals(List.of(), current("deleted", 0, 1));
        SinkQueueWithCancel<EventEnvelope> live =
                app.run(app.journal.eventsByPersistenceId("deleted", 0, Long.MAX_VALUE));
        assertEquals(List.of("3"), events(QueryFixture.take(live, 1)));
        app.delete("deleted", Long.MAX_VALUE);
        assertEquals(List.of(), current("deleted", 0, Long.MAX_VALUE));
        app.write("deleted", 4, "4");
        assertEquals(List.of("4"), events(QueryFixture.take(live, 1)));
        live.cancel();
    }

    @Test
    void liveTellsWhatComesAndEndsBehindTheLast() throws Exception {
        SinkQueueWithCancel<EventEnvelope> live = app.run(app.journal.eventsByPersistenceId("live", 2, 5));
        CompletionStage<Optional<EventEnvelope>> pull = live.pull();
        app.write("live", 1, "1");
        app.write("other", 1, "other");
        assertFalse(pull.toCompletableFuture().isDone());
        app.write("live", 2, "2");
        assertEquals("2", QueryFixture.get(pull).orElseThrow().event());
        app.write("live", 3, "3", "4", "5", "6");
        assertEquals(List.of("3", "4", "5"), events(QueryFixture.take(live, 3)));
        assertEquals(Optional.empty(), QueryFixture.get(live.pull()));
    }

    @Test
    void liveTellsEveryEventOnceWhileOthersWrite() throws Exception {
        int count = 500;
        SinkQueueWithCancel<EventEnvelope> live = app.run(app.journal.eventsByPersistenceId("busy", 1, count));
        Thread writer = new Thread(() -> {
            for (int nr = 1; nr <= count; nr++) {
                app.writeLater("busy", nr, List.of(), "e" + nr);
                app.writeLater("busy-too", nr, List.of(), "o" + nr);
            }
        });
        writer.start();
        List<EventEnvelope> told = QueryFixture.take(live, count);
        writer.join();
        for (int nr = 1; nr <= count; nr++) {
            assertEquals("e" + nr, told.get(nr - 1).event());
        }
        assertEquals(Optional.empty(), QueryFixture.get(live.pull()));
    }

    @Test
    void idsAreToldOnceEach() throws Exception {
        SinkQueueWithCancel<String> live = app.run(app.journal.persistenceIds());
        Set<String> written = new HashSet<>();
        CompletableFuture<?> last = null;
        for (int i = 0; i < 3_000; i++) {
            last = app.writeLater("ids|" + i, 1, List.of(), "e");
            written.add("ids|" + i);
        }
        QueryFixture.get(last);
        Set<String> told = new HashSet<>();
        while (!told.containsAll(written)) {
            assertTrue(told.add(QueryFixture.take(live, 1).get(0)));
        }
        live.cancel();
        List<String> current = app.all(app.journal.currentPersistenceIds());
        assertTrue(current.containsAll(written));
        assertEquals(current.size(), Set.copyOf(current).size());
    }

    /** The persisting actors are content with WRITTEN, and nothing flushes by itself within a minute. */
    @Test
    void aLiveQueryHasWhatIsWrittenFlushedUntilItIsCancelled(@TempDir Path own) throws Exception {
        try (QueryFixture other = new QueryFixture(own, """
                forebay.persistence.durability = written
                forebay.store.flush-interval = 1 minute
                """)) {
            SinkQueueWithCancel<String> ids = other.run(other.journal.persistenceIds());
            SinkQueueWithCancel<EventEnvelope> events =
                    other.run(other.journal.eventsByPersistenceId("x", 0, Long.MAX_VALUE));
            CompletionStage<Optional<EventEnvelope>> pulled = events.pull();
            other.write("x", 1, "1");
            assertEquals(List.of("x"), QueryFixture.take(ids, 1));
            assertEquals("1", QueryFixture.get(pulled).orElseThrow().event());
            assertEquals(17, other.listeners());
            ids.cancel();
            events.cancel();
            long deadline = System.nanoTime() + 20_000_000_000L;
            while (other.listeners() > 0) {
                assertTrue(System.nanoTime() < deadline, "still listening");
                Thread.onSpinWait();
            }
        }
    }

    @Test
    void anotherStartTellsTheSame(@TempDir Path own) throws Exception {
        List<EventEnvelope> before;
        try (QueryFixture first = new QueryFixture(own, "forebay.persistence.durability = written")) {
            first.write("x", 1, "1", "2", "3");
            first.write("y", 1, "1");
            first.delete("x", 1);
            before = first.all(first.journal.currentEventsByPersistenceId("x", 0, Long.MAX_VALUE));
        }
        try (QueryFixture second = new QueryFixture(own, "")) {
            assertEquals(before, second.all(second.journal.currentEventsByPersistenceId("x", 0, Long.MAX_VALUE)));
            assertEquals(Set.of("x", "y"), Set.copyOf(second.all(second.journal.currentPersistenceIds())));
            second.write("x", 4, "4");
            List<EventEnvelope> after = second.all(second.journal.currentEventsByPersistenceId("x", 0, Long.MAX_VALUE));
            assertEquals(before, after.subList(0, 2));
            assertTrue(((Sequence) after.get(2).offset())
                            .compareTo((Sequence) before.get(1).offset())
                    > 0);
        }
    }
}
