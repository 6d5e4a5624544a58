package io.forebay.persistence.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.EventsSnapshot;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PersistenceEventRecord;
import io.forebay.storage.log.PersistenceIdRecord;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

/**
 * <b>I1</b>: from the newest event of an id every older one is found, whatever was written between, however little is kept in
 * memory, and behind any restart. <b>I2</b>: a number is stored once. A table that was restored and replayed decides as the first.
 */
class EventTableTest {
    private static final int TRAILS = 3;

    /** The log of one queue: what lies at each offset. */
    private final List<PersistenceEventRecord> stored = new ArrayList<>();

    private int reads;

    private static EventDraft event(long sequenceNr) {
        return EventDraft.of(sequenceNr, 0, 1, "", new byte[] {(byte) sequenceNr}, "writer", "", List.of());
    }

    private static List<EventDraft> events(long from, int count) {
        List<EventDraft> events = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            events.add(event(from + i));
        }
        return events;
    }

    private void write(EventTable table, String id, List<EventDraft> events) {
        for (LogRecord record : table.decideWrite(id, events, 5)) {
            table.apply(record);
            if (record instanceof PersistenceEventRecord event) {
                assertThat(event.offset()).isEqualTo(stored.size());
                stored.add(event);
            }
        }
    }

    private List<Long> found(EventTable table, String id, long from) throws UnreadableEventException {
        EventTable.Place place = table.place(id);
        List<Long> numbers = new ArrayList<>();
        for (long offset : EventWalk.offsets(place, from, Long.MAX_VALUE, at -> {
            reads++;
            return stored.get((int) at);
        })) {
            PersistenceEventRecord event = stored.get((int) offset);
            assertThat(event.number()).isEqualTo(place.number());
            numbers.add(event.sequenceNr());
        }
        return numbers;
    }

    private static EventTable restarted(EventTable table) {
        try {
            EventTable restored = EventTable.restore(TRAILS, EventsSnapshot.decode(table.snapshot()));
            return restored;
        } catch (CorruptRecordException e) {
            throw new AssertionError(e);
        }
    }

    @Property(tries = 200)
    void everyEventIsFoundFromTheNewestOne(@ForAll long seed, @ForAll @IntRange(min = 1, max = 12) int idCount)
            throws UnreadableEventException {
        stored.clear();
        Random random = new Random(seed);
        Map<String, Long> highest = new TreeMap<>();
        Map<String, List<Long>> numbers = new TreeMap<>();
        EventTable table = new EventTable(TRAILS);
        for (int step = 0; step < 300; step++) {
            String id = "id-" + (random.nextInt(4) > 0 ? 0 : random.nextInt(idCount));
            int count = random.nextInt(10) == 0 ? 1 + random.nextInt(150) : 1;
            // Akka counts an event that is rejected, and goes on behind it.
            long next = highest.getOrDefault(id, 0L) + (random.nextInt(50) == 0 ? 3 : 1);
            write(table, id, events(next, count));
            for (long number = next; number < next + count; number++) {
                numbers.computeIfAbsent(id, absent -> new ArrayList<>()).add(number);
            }
            highest.put(id, next + count - 1);
            if (random.nextInt(100) == 0) {
                long nextOffset = stored.size();
                table = restarted(table);
                table.begin(nextOffset);
            }
        }
        assertThat(table.count()).isEqualTo(highest.size());
        for (Map.Entry<String, Long> each : highest.entrySet()) {
            long from = 1 + random.nextInt(each.getValue().intValue());
            List<Long> all = numbers.get(each.getKey());
            List<Long> wanted = all.stream().filter(number -> number >= from).toList();
            assertThat(found(table, each.getKey(), from)).isEqualTo(wanted);
            assertThat(found(table, each.getKey(), 1)).isEqualTo(all);
        }
    }

    @Test
    void olderEventsAreFoundWithFewReads() throws UnreadableEventException {
        EventTable table = new EventTable(TRAILS);
        for (int number = 1; number <= 6_400; number++) {
            write(table, "one", List.of(event(number)));
            write(table, "other", List.of(event(number)));
        }
        reads = 0;
        assertThat(found(table, "one", 1)).hasSize(6_400);
        assertThat(reads).isLessThan(6_400 / OffsetTrail.BLOCK_EVENTS + 2 * OffsetTrail.BLOCK_EVENTS);
        reads = 0;
        assertThat(found(table, "one", 6_390)).hasSize(11);
        assertThat(reads).isLessThan(12);
    }

    @Test
    void whatIsInMemoryIsNotReadFor() throws UnreadableEventException {
        EventTable table = new EventTable(TRAILS);
        for (int number = 1; number <= 10; number++) {
            write(table, "one", List.of(event(number)));
            write(table, "other", List.of(event(number)));
        }
        for (int from = 1; from <= 10; from++) {
            assertThat(found(table, "one", from)).hasSize(11 - from);
        }
        assertThat(reads).isZero();
        assertThat(found(restarted(table), "one", 3)).hasSize(8);
        assertThat(reads).isEqualTo(8);
        // 64 are in memory, then the newest alone, which lists the others.
        for (int number = 11; number <= 66; number++) {
            write(table, "one", List.of(event(number)));
            reads = 0;
            assertThat(found(table, "one", 1)).hasSize(number);
            assertThat(reads).isEqualTo(number <= 64 ? 0 : 2);
        }
    }

    /** A deletion names a number of which the event is lost: what is in memory is not taken for it. */
    @Test
    void eventsThatADeletionAloneNamesAreNotConfusedWithOthers() throws UnreadableEventException {
        EventTable log = new EventTable(TRAILS);
        write(log, "one", events(1, 6));
        LogRecord deletion = log.decideDelete("one", 4);
        EventTable table = new EventTable(TRAILS);
        table.apply(new PersistenceIdRecord(1, 0, "one", "", 0));
        stored.subList(0, 3).forEach(table::apply);
        table.recordsAreMissing();
        table.apply(deletion);
        table.begin(6);
        assertThat(table.place("one").highestSequenceNr()).isEqualTo(6);
        assertThat(found(table, "one", 5)).as("they are lost").isEmpty();
        assertThat(found(table, "one", 2)).containsExactly(2L, 3L);
    }

    @Test
    void aNumberThatIsStoredIsNotStoredAgain() {
        EventTable table = new EventTable(TRAILS);
        write(table, "one", events(1, 3));
        assertThatThrownBy(() -> table.decideWrite("one", events(3, 1), 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("event 3 of persistence id 'one'")
                .hasMessageContaining("two places");
        assertThatThrownBy(() -> table.decideWrite("one", List.of(event(5), event(4)), 0))
                .isInstanceOf(IllegalArgumentException.class);
        assertThat(table.place("one").highestSequenceNr()).isEqualTo(3);
    }

    @Test
    void theHighestNumberStaysWhenEventsAreDeleted() {
        EventTable table = new EventTable(TRAILS);
        write(table, "one", events(1, 5));
        table.apply(table.decideDelete("one", Long.MAX_VALUE));
        assertThat(table.place("one")).isEqualTo(new EventTable.Place(1, 5, 5, 4));
        assertThat(table.decideDelete("one", 5)).isNull();
        assertThat(table.decideDelete("unknown", 5)).isNull();
        assertThat(restarted(table).place("one")).isEqualTo(table.place("one"));
        assertThatThrownBy(() -> table.decideWrite("one", events(5, 1), 0))
                .isInstanceOf(IllegalArgumentException.class);
    }

    /** What is given back is what was deleted, all of it, and nothing else; it is known behind a restart. */
    @Test
    void whatWasDeletedIsFoundToBeGivenBack() throws UnreadableEventException {
        EventTable table = new EventTable(TRAILS);
        for (int number = 1; number <= 300; number++) {
            write(table, "one", List.of(event(number)));
            write(table, "other", List.of(event(number)));
        }
        table.apply(table.decideDelete("one", 100));
        assertThat(deletion(table, "other", 300)).isNull();
        assertThat(deletion(table, "one", 60).toSequenceNr()).isEqualTo(60);
        assertThat(table.deletions()).containsExactly(deletion(table, "one", 300));
        release(table, deletion(table, "one", 300));
        assertThat(table.released().count()).isEqualTo(100);
        table.released().forEach(offset -> {
            assertThat(stored.get((int) offset).number()).isEqualTo(1);
            assertThat(stored.get((int) offset).sequenceNr()).isLessThanOrEqualTo(100);
        });
        table = restarted(table);
        assertThat(table.released().count()).isEqualTo(100);
        assertThat(table.deletions()).isEmpty();
        table.apply(table.decideDelete("one", 300));
        EventTable.Deletion rest = deletion(table, "one", 300);
        assertThat(rest.fromSequenceNr()).isEqualTo(101);
        release(table, rest);
        assertThat(table.released().count()).isEqualTo(300);
    }

    private static EventTable.Deletion deletion(EventTable table, String id, long flushedTo) {
        return table.deletion(id, table.place(id).lastOffset(), flushedTo);
    }

    private void release(EventTable table, EventTable.Deletion deletion) throws UnreadableEventException {
        long[] offsets = EventWalk.offsets(
                deletion.place(), deletion.fromSequenceNr(), deletion.toSequenceNr(), at -> stored.get((int) at));
        table.released(deletion, OffsetSet.of(offsets), 0);
    }

    /** A repair has lost records of a queue: ids that have none among them are as before, the others are not taken for new ones. */
    @Test
    void whatIsLostHidesNothingElse() throws UnreadableEventException {
        EventTable log = new EventTable(TRAILS);
        List<LogRecord> all = new ArrayList<>();
        for (int number = 1; number <= 3; number++) {
            for (String id : List.of("a", "b", "c", "d")) {
                List<LogRecord> records = log.decideWrite(id, events(number, 1), 5);
                records.forEach(log::apply);
                all.addAll(records);
            }
        }
        all.forEach(record -> {
            if (record instanceof PersistenceEventRecord event) {
                stored.add(event);
            }
        });
        assertThat(all.get(2)).isInstanceOf(PersistenceIdRecord.class);
        EventTable table = new EventTable(TRAILS);
        for (int i = 0; i < all.size(); i++) {
            if (i == 2 || i == 3) {
                // The name of b and its first event.
                table.recordsAreMissing();
            } else {
                table.apply(all.get(i));
            }
        }
        table.begin(stored.size());
        for (EventTable found : List.of(table, restarted(table))) {
            for (String id : List.of("a", "c", "d")) {
                assertThat(found.place(id)).isEqualTo(log.place(id));
                assertThat(found(found, id, 1)).containsExactly(1L, 2L, 3L);
                assertThat(found.mayHaveLostItsName(id)).isFalse();
            }
            assertThat(found.count()).isEqualTo(4);
            assertThat(LostNames.isOne(found.ids().persistenceId(2))).isTrue();
            assertThat(found.mayHaveLostItsName("b")).isTrue();
            found.begin(stored.size());
            assertThatThrownBy(() -> found.apply(new PersistenceIdRecord(9, 0, "nine", "", 0)))
                    .as("nothing is missing any more")
                    .isInstanceOf(IllegalStateException.class);
        }
        EventTable nothingLeft = new EventTable(TRAILS);
        nothingLeft.recordsAreMissing();
        assertThat(nothingLeft.mayHaveLostItsName("a"))
                .as("there was a record, so there was an id")
                .isTrue();
    }

    /** As many copies of all that was released would take some hundred times as long. */
    @Test
    void manySmallDeletionsAreTakenOneByOne() {
        EventTable table = new EventTable(TRAILS);
        write(table, "one", events(1, 1));
        int count = 200_000;
        assertTimeoutPreemptively(Duration.ofSeconds(10), () -> {
            for (int i = 1; i <= count; i++) {
                EventTable.Deletion deletion =
                        new EventTable.Deletion(new EventTable.Place(1, count, 0, 2L * count), i, i);
                table.released(deletion, OffsetSet.of(2L * i), 2L * 10);
            }
        });
        assertThat(table.released().count()).isEqualTo(count - 9);
        assertThat(table.released().first()).isEqualTo(20);
        assertThat(restarted(table).released()).isEqualTo(table.released());
    }

    @Test
    void replayLeadsToTheSameTable() {
        EventTable table = new EventTable(TRAILS);
        List<LogRecord> log = new ArrayList<>();
        Random random = new Random(1);
        Map<String, Long> highest = new HashMap<>();
        for (int step = 0; step < 500; step++) {
            String id = "id-" + random.nextInt(7);
            long next = highest.getOrDefault(id, 0L) + 1;
            List<LogRecord> records = random.nextInt(10) == 0 && next > 1
                    ? java.util.Optional.<LogRecord>ofNullable(table.decideDelete(id, random.nextInt((int) next)))
                            .map(List::of)
                            .orElse(List.of())
                    : table.decideWrite(id, events(next, 1), 0);
            records.forEach(table::apply);
            log.addAll(records);
            highest.put(id, table.place(id).highestSequenceNr());
        }
        EventTable replayed = new EventTable(TRAILS);
        log.forEach(replayed::apply);
        assertThat(replayed.snapshot()).isEqualTo(table.snapshot());
    }

    @Test
    void recordsThatContradictEachOtherAreNotTaken() {
        EventTable table = new EventTable(TRAILS);
        List<LogRecord> first = table.decideWrite("one", events(1, 1), 0);
        assertThatThrownBy(() -> table.apply(first.get(1)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("no name");
        first.forEach(table::apply);
        assertThatThrownBy(() -> table.apply(first.get(1)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("event 1");
        assertThatThrownBy(() -> table.apply(new PersistenceIdRecord(3, 0, "other", "", 0)))
                .isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> table.apply(new PersistenceIdRecord(2, 0, "one", "", 0)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("two numbers");
    }

    @Test
    void slicesAndEntityTypesAreAkkas() {
        for (String id : List.of("Cart|a", "Cart|b", "plain", "", "x|y|z")) {
            assertThat(EventTable.sliceOf(id)).isEqualTo(Math.abs(id.hashCode() % 1024));
        }
        assertThat(EventTable.entityTypeOf("Cart|a")).isEqualTo("Cart");
        assertThat(EventTable.entityTypeOf("plain")).isEmpty();
    }
}
