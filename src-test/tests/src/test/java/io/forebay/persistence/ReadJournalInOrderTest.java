package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.japi.Pair;
import akka.persistence.query.EventEnvelope;
import akka.persistence.query.Offset;
import akka.persistence.query.PersistenceQuery;
import akka.persistence.query.Sequence;
import akka.persistence.query.TimestampOffset;
import akka.stream.javadsl.SinkQueueWithCancel;
import io.forebay.persistence.core.EventTable;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Queries by tag and by slices, as projections ask them. Invariants: I1 nothing is left out, however often the query is begun anew
 * behind an offset; I2 nothing comes twice; I3 the events of an id come in order.
 */
class ReadJournalInOrderTest {
    private static final int SLICES = EventTable.SLICES;

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

    private static void tag(String id, long firstSequenceNr, String tag, String... events) throws Exception {
        QueryFixture.get(app.writeLater(id, firstSequenceNr, List.of(tag), events));
    }

    private static List<EventEnvelope> tagged(String tag, Offset offset) throws Exception {
        return app.all(app.journal.currentEventsByTag(tag, offset));
    }

    private static List<Object> events(List<EventEnvelope> envelopes) {
        return envelopes.stream().map(EventEnvelope::event).toList();
    }

    private static List<akka.persistence.query.typed.EventEnvelope<String>> slices(
            String entityType, int min, int max, Offset offset) throws Exception {
        return app.all(app.journal.currentEventsBySlices(entityType, min, max, offset));
    }

    private static List<String> bodies(List<akka.persistence.query.typed.EventEnvelope<String>> envelopes) {
        return envelopes.stream()
                .map(akka.persistence.query.typed.EventEnvelope::event)
                .toList();
    }

    @Test
    void aTagFindsItsEventsInTheOrderTheyWereWritten() throws Exception {
        tag("t-1", 1, "green", "apple");
        tag("t-2", 1, "red", "cherry");
        tag("t-1", 2, "green", "pear");
        QueryFixture.get(app.writeLater("t-3", 1, List.of("green", "red"), "melon"));
        app.write("t-3", 2, "none");
        List<EventEnvelope> green = tagged("green", Offset.noOffset());
        assertThat(events(green)).containsExactly("apple", "pear", "melon");
        assertThat(events(tagged("red", Offset.noOffset()))).containsExactly("cherry", "melon");
        assertThat(tagged("gre", Offset.noOffset())).isEmpty();
        assertThat(green.get(1).persistenceId()).isEqualTo("t-1");
        assertThat(green.get(1).sequenceNr()).isEqualTo(2);
        for (int at = 0; at < 3; at++) {
            assertThat(tagged("green", green.get(at).offset())).isEqualTo(green.subList(at + 1, 3));
        }
        assertThatThrownBy(() -> tagged("green", Offset.timestamp(Instant.now())))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aLiveQueryOfATagIsWokenByWrites() throws Exception {
        tag("l-1", 1, "live", "1");
        SinkQueueWithCancel<EventEnvelope> live = app.run(app.journal.eventsByTag("live", Offset.noOffset()));
        assertThat(events(QueryFixture.take(live, 1))).containsExactly("1");
        CompletionStage<Optional<EventEnvelope>> pull = live.pull();
        app.write("l-1", 2, "untagged");
        tag("l-2", 1, "live", "2", "3");
        assertThat(QueryFixture.get(pull).orElseThrow().event()).isEqualTo("2");
        assertThat(events(QueryFixture.take(live, 1))).containsExactly("3");
        live.cancel();
    }

    @Test
    void aCurrentQueryDoesNotTellWhatComesLater() throws Exception {
        tag("c-1", 1, "current", "1", "2");
        SinkQueueWithCancel<EventEnvelope> stream =
                app.run(app.journal.currentEventsByTag("current", Offset.noOffset()));
        assertThat(events(QueryFixture.take(stream, 1))).containsExactly("1");
        tag("c-1", 3, "current", "3");
        assertThat(events(QueryFixture.take(stream, 1))).containsExactly("2");
        assertThat(QueryFixture.get(stream.pull())).isEmpty();
    }

    @Test
    void deletedEventsAreLeftOut() throws Exception {
        tag("d|1", 1, "deleted", "1", "2", "3");
        tag("d|2", 1, "deleted", "4");
        app.delete("d|1", 2);
        assertThat(events(tagged("deleted", Offset.noOffset()))).containsExactly("3", "4");
        assertThat(bodies(slices("d", 0, SLICES - 1, Offset.noOffset()))).containsExactly("3", "4");
        app.delete("d|1", Long.MAX_VALUE);
        assertThat(events(tagged("deleted", Offset.noOffset()))).containsExactly("4");
    }

    @Test
    void slicesAreOfOneEntityTypeAndInTheirRange() throws Exception {
        Set<String> all = new HashSet<>();
        for (int id = 0; id < 40; id++) {
            app.write("Cart|" + id, 1, "cart" + id);
            app.write("Carton|" + id, 1, "carton" + id);
            all.add("cart" + id);
        }
        List<Pair<Integer, Integer>> ranges = app.journal.sliceRanges(4);
        assertThat(ranges).hasSize(4);
        List<String> found = new ArrayList<>();
        for (Pair<Integer, Integer> range : ranges) {
            for (var envelope : slices("Cart", range.first(), range.second(), Offset.noOffset())) {
                assertThat(envelope.entityType()).isEqualTo("Cart");
                assertThat(envelope.slice())
                        .isBetween(range.first(), range.second())
                        .isEqualTo(app.journal.sliceForPersistenceId(envelope.persistenceId()));
                found.add(envelope.event());
            }
        }
        assertThat(found).hasSize(40);
        assertThat(new HashSet<>(found)).isEqualTo(all);
        int slice = app.journal.sliceForPersistenceId("Cart|7");
        assertThat(bodies(slices("Cart", slice, slice, Offset.noOffset()))).contains("cart7");
        assertThatThrownBy(() -> slices("Cart", 0, SLICES, Offset.noOffset()))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> slices("Cart", 2, 1, Offset.noOffset())).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> slices("Cart", 0, 1, Offset.sequence(1))).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void oneEventAndItsTimeAreFoundByItsNumber() throws Exception {
        QueryFixture.get(app.writeLater("One|1", 1, List.of("t"), "first", "second"));
        var second = slices("One", 0, SLICES - 1, Offset.noOffset()).get(1);
        assertThat(second.getTags()).containsExactly("t");
        assertThat(second.timestamp()).isEqualTo(1_003);
        TimestampOffset offset = (TimestampOffset) second.offset();
        assertThat(QueryFixture.get(app.journal.timestampOf("One|1", 2))).contains(offset.timestamp());
        var loaded = QueryFixture.get(app.journal.<String>loadEnvelope("One|1", 2));
        assertThat(loaded.event()).isEqualTo("second");
        assertThat(((TimestampOffset) loaded.offset()).timestamp()).isEqualTo(offset.timestamp());
        assertThat(QueryFixture.get(app.journal.timestampOf("One|1", 3))).isEmpty();
        assertThatThrownBy(() -> QueryFixture.get(app.journal.<String>loadEnvelope("One|1", 3)))
                .isInstanceOf(ExecutionException.class)
                .hasCauseInstanceOf(NoSuchElementException.class);
        app.delete("One|1", 1);
        assertThat(QueryFixture.get(app.journal.timestampOf("One|1", 1))).isEmpty();
    }

    /** What projections look for: by what it can do. */
    @Test
    void theScalaJournalDoesTheSame() throws Exception {
        tag("Scala|1", 1, "scala", "1");
        ForebayScalaReadJournal journal = (ForebayScalaReadJournal)
                PersistenceQuery.get(app.system).readJournalFor(ForebayReadJournal.IDENTIFIER);
        assertThat(journal)
                .isInstanceOf(akka.persistence.query.typed.scaladsl.EventsBySliceQuery.class)
                .isInstanceOf(akka.persistence.query.typed.scaladsl.EventTimestampQuery.class)
                .isInstanceOf(akka.persistence.query.typed.scaladsl.LoadEventQuery.class);
        assertThat(events(app.all(
                        journal.currentEventsByTag("scala", Offset.noOffset()).asJava())))
                .containsExactly("1");
        assertThat(bodies(app.all(journal.<String>currentEventsBySlices("Scala", 0, SLICES - 1, Offset.noOffset())
                        .asJava())))
                .containsExactly("1");
        assertThat(journal.sliceRanges(16).size()).isEqualTo(16);
    }

    /** Four writers at once, a live stream of each kind, begun anew in between. */
    @Test
    void beginningAnewAnywhereLosesAndRepeatsNothing() throws Exception {
        int writers = 4;
        int each = 150;
        List<Thread> threads = new ArrayList<>();
        List<CompletableFuture<Void>> stored = java.util.Collections.synchronizedList(new ArrayList<>());
        for (int writer = 0; writer < writers; writer++) {
            int of = writer;
            threads.add(new Thread(() -> {
                for (int nr = 1; nr <= each; nr++) {
                    for (int id = 0; id < 3; id++) {
                        stored.add(app.writeLater(
                                "Many|" + of + "-" + id,
                                nr,
                                nr % 3 == 0 ? List.of() : List.of("many", "odd" + nr % 2),
                                of + "-" + id + "-" + nr));
                    }
                }
            }));
        }
        threads.forEach(Thread::start);
        List<EventEnvelope> byTag = new ArrayList<>();
        List<akka.persistence.query.typed.EventEnvelope<String>> bySlices = new ArrayList<>();
        while (byTag.size() < writers * 3 * each / 3 * 2) {
            Offset behind = byTag.isEmpty()
                    ? Offset.noOffset()
                    : byTag.get(byTag.size() - 1).offset();
            SinkQueueWithCancel<EventEnvelope> live = app.run(app.journal.eventsByTag("many", behind));
            byTag.addAll(QueryFixture.take(live, 120));
            live.cancel();
        }
        while (bySlices.size() < writers * 3 * each) {
            Offset behind = bySlices.isEmpty()
                    ? Offset.noOffset()
                    : bySlices.get(bySlices.size() - 1).offset();
            var live = app.run(app.journal.<String>eventsBySlices("Many", 0, SLICES - 1, behind));
            bySlices.addAll(QueryFixture.take(live, 180));
            live.cancel();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        QueryFixture.get(CompletableFuture.allOf(stored.toArray(CompletableFuture[]::new)));
        List<EventEnvelope> allByTag = tagged("many", Offset.noOffset());
        assertThat(byTag).isEqualTo(allByTag);
        assertThat(byTag)
                .extracting(envelope -> ((Sequence) envelope.offset()).value())
                .isSorted()
                .doesNotHaveDuplicates();
        assertThat(bodies(bySlices)).isEqualTo(bodies(slices("Many", 0, SLICES - 1, Offset.noOffset())));
        Map<String, Long> highest = new HashMap<>();
        for (var envelope : bySlices) {
            assertThat(envelope.sequenceNr()).isEqualTo(highest.getOrDefault(envelope.persistenceId(), 0L) + 1);
            assertThat(envelope.event()).isEqualTo(envelope.persistenceId().substring(5) + "-" + envelope.sequenceNr());
            highest.put(envelope.persistenceId(), envelope.sequenceNr());
        }
        assertThat(highest.values()).hasSize(writers * 3).containsOnly((long) each);
        List<String> all = bodies(bySlices);
        for (int at = 0; at < all.size(); at += 97) {
            assertThat(bodies(slices("Many", 0, SLICES - 1, bySlices.get(at).offset())))
                    .as("behind %s", at)
                    .isEqualTo(all.subList(at + 1, all.size()));
        }
        for (int at = 0; at < byTag.size(); at += 97) {
            assertThat(tagged("many", byTag.get(at).offset())).isEqualTo(byTag.subList(at + 1, byTag.size()));
        }
    }

    @Test
    void offsetsHoldOverAnotherStart(@TempDir Path own) throws Exception {
        Offset tagOffset;
        Offset sliceOffset;
        try (QueryFixture first = new QueryFixture(own, "forebay.persistence.durability = written")) {
            QueryFixture.get(first.writeLater("X|1", 1, List.of("t"), "1", "2"));
            QueryFixture.get(first.writeLater("X|2", 1, List.of("t"), "3"));
            tagOffset = first.all(first.journal.currentEventsByTag("t", Offset.noOffset()))
                    .get(1)
                    .offset();
            sliceOffset = first.all(first.journal.<String>currentEventsBySlices("X", 0, SLICES - 1, Offset.noOffset()))
                    .get(1)
                    .offset();
        }
        try (QueryFixture second = new QueryFixture(own, "")) {
            QueryFixture.get(second.writeLater("X|1", 3, List.of("t"), "4"));
            assertThat(events(second.all(second.journal.currentEventsByTag("t", tagOffset))))
                    .containsExactly("3", "4");
            assertThat(bodies(
                            second.all(second.journal.<String>currentEventsBySlices("X", 0, SLICES - 1, sliceOffset))))
                    .containsExactly("3", "4");
            assertThat(second.listeners()).isZero();
        }
    }
}
