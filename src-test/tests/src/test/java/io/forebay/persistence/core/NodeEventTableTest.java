package io.forebay.persistence.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.NodeEventsSnapshot;
import io.forebay.storage.log.NodeEventsSnapshot.Event;
import io.forebay.storage.log.PersistenceEventRecord;
import io.forebay.storage.log.PersistenceIdRecord;
import io.forebay.testkit.sim.SeededRun;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** <b>I1</b>: what was stored and not deleted is there, whatever was a snapshot and whatever a record. <b>I2</b>: nothing else is. */
class NodeEventTableTest {
    private static final String ID = "actor|node";

    private static Event event(long sequenceNr) {
        return new Event(sequenceNr, "m" + sequenceNr % 3, new byte[] {(byte) sequenceNr});
    }

    private static void write(NodeEventTable table, long... sequenceNrs) {
        List<Event> events = new ArrayList<>();
        for (long sequenceNr : sequenceNrs) {
            events.add(event(sequenceNr));
        }
        table.decideWrite(ID, events, 1).forEach(table::apply);
    }

    private static NodeEventTable restored(NodeEventTable table) throws CorruptRecordException {
        return NodeEventTable.restore(NodeEventsSnapshot.decode(table.snapshot()));
    }

    @Test
    void whatIsNotDeletedIsThereInOrder() {
        SeededRun.run("node-events", (random, progress) -> {
            for (int round = 0; round < 100; round++) {
                NodeEventTable table = new NodeEventTable();
                List<Event> expected = new ArrayList<>();
                long highest = 0;
                for (int step = 0; step < 100; step++) {
                    progress.at(round * 100L + step);
                    switch (random.nextInt(4)) {
                        case 0, 1 -> {
                            List<Event> events = new ArrayList<>();
                            for (int i = random.nextInt(3); i >= 0; i--) {
                                events.add(event(++highest));
                            }
                            List<LogRecord> records = table.decideWrite(ID, events, step);
                            assertThat(table.events())
                                    .as("deciding changes nothing")
                                    .isEqualTo(expected);
                            records.forEach(table::apply);
                            expected.addAll(events);
                        }
                        case 2 -> {
                            long to = random.nextLong(highest + 3);
                            LogRecord deleted = table.decideDelete(to);
                            if (deleted != null) {
                                table.apply(deleted);
                            }
                            expected.removeIf(event -> event.sequenceNr() <= to);
                        }
                        default -> {
                            try {
                                table = restored(table);
                            } catch (CorruptRecordException e) {
                                throw new AssertionError(e);
                            }
                        }
                    }
                    assertThat(table.events()).isEqualTo(expected);
                    assertThat(table.highestSequenceNr()).isEqualTo(highest);
                }
            }
        });
    }

    @Test
    void anIdIsNamedOnceAndNoOtherIsTaken() throws CorruptRecordException {
        NodeEventTable table = new NodeEventTable();
        assertThat(table.isOf("other")).isTrue();
        assertThat(table.decideWrite(ID, List.of(event(1)), 1))
                .hasExactlyElementsOfTypes(PersistenceIdRecord.class, PersistenceEventRecord.class);
        write(table, 1);
        assertThat(table.decideWrite(ID, List.of(event(2)), 1)).hasExactlyElementsOfTypes(PersistenceEventRecord.class);
        for (NodeEventTable each : List.of(table, restored(table))) {
            assertThat(each.isOf(ID)).isTrue();
            assertThat(each.isOf("other")).isFalse();
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> each.decideWrite("other", List.of(event(2)), 1))
                    .withMessageContaining("other")
                    .withMessageContaining(ID);
            assertThatIllegalArgumentException().isThrownBy(() -> each.decideWrite(ID, List.of(event(1)), 1));
            assertThatIllegalStateException()
                    .isThrownBy(() -> each.apply(new PersistenceIdRecord(1, 1, "other", "", 0)));
        }
    }

    /** A repair has given up the name, and some of the events. */
    @Test
    void whatIsLeftIsGoneOnWith() throws CorruptRecordException {
        NodeEventTable whole = new NodeEventTable();
        List<LogRecord> records = new ArrayList<>();
        for (long number = 1; number <= 6; number++) {
            List<LogRecord> next = whole.decideWrite(ID, List.of(event(number)), 1);
            next.forEach(whole::apply);
            records.addAll(next);
        }
        NodeEventTable table = new NodeEventTable();
        table.recordsAreMissing();
        table.apply(records.get(3));
        table.apply(records.get(6));
        table.begin(6);
        assertThat(table.events()).containsExactly(event(3), event(6));
        assertThat(table.isOf(ID)).isTrue();
        table = restored(table);
        table.begin(6);
        write(table, 7);
        assertThat(restored(table).isOf("other")).isFalse();
        assertThat(table.events()).containsExactly(event(3), event(6), event(7));
        table.apply(table.decideDelete(6));
        assertThat(restored(table).events()).containsExactly(event(7));
        assertThat(table.decideDelete(5)).isNull();
    }
}
