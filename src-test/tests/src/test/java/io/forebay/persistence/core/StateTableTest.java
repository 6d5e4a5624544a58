package io.forebay.persistence.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.DurableStateRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PersistenceIdRecord;
import io.forebay.storage.log.StatesSnapshot;
import io.forebay.testkit.sim.SeededRun;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongConsumer;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * Which durable states there are. Invariants: a revision counts when its last part is there, and is the one behind the last; what is
 * found of an id is its newest revision, a deletion is one; a change is found under the newest tag by its sequence, once; an offset
 * is called dead once, and never while a state needs it; all of that holds after a start from a snapshot, too.
 */
class StateTableTest {
    private static final int PART_BYTES = 10;

    private static StateDraft draft(int bytes) {
        byte[] payload = new byte[bytes];
        Arrays.fill(payload, (byte) bytes);
        return new StateDraft(7, "m", payload);
    }

    private static void applyAll(StateTable table, List<LogRecord> records, long firstSequence) {
        long sequence = firstSequence;
        for (LogRecord record : records) {
            table.apply(record);
            LongConsumer taker = table.sequenceTaker(record);
            if (taker != null) {
                taker.accept(sequence);
            }
            sequence++;
        }
    }

    private static StateTable again(StateTable table) throws CorruptRecordException {
        return StateTable.restore(StatesSnapshot.decode(table.snapshot()));
    }

    @Test
    void theNextRevisionAloneIsTaken() {
        StateTable table = new StateTable();
        for (long revision : new long[] {-1, 0, 2}) {
            assertThatThrownBy(() -> table.decideUpsert("a", revision, draft(1), "", PART_BYTES, 5))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("'a'")
                    .hasMessageContaining("revision " + revision)
                    .hasMessageContaining("has to be 1");
        }
        applyAll(table, table.decideUpsert("a", 1, draft(1), "", PART_BYTES, 5), 0);
        assertThatThrownBy(() -> table.decideUpsert("a", 1, draft(1), "", PART_BYTES, 5))
                .hasMessageContaining("has to be 2");
        assertThatThrownBy(() -> table.decideDelete("a", 3, 5)).hasMessageContaining("has to be 2");
        assertThat(table.place("a").revision()).isOne();
        assertThat(table.place("b")).isEqualTo(StateTable.Place.NOWHERE);
    }

    @Test
    void aDeletionKeepsRevisionAndTag() {
        StateTable table = new StateTable();
        applyAll(table, table.decideUpsert("a", 1, draft(1), "red", PART_BYTES, 5), 0);
        applyAll(table, table.decideDelete("a", 2, 6), 9);
        assertThat(table.place("a").revision()).isEqualTo(2);
        assertThat(table.place("a").isDeleted()).isTrue();
        assertThat(table.decideDelete("a", 7)).as("it is gone").isEmpty();
        assertThat(table.decideDelete("b", 7)).as("it never was").isEmpty();
        assertThat(table.changes(StateSelection.ofTag("red"), -1, 9, 9).changes())
                .singleElement()
                .satisfies(change -> assertThat(change.sequence()).isEqualTo(9))
                .satisfies(change -> assertThat(change.place().isDeleted()).isTrue());
        applyAll(table, table.decideUpsert("a", 3, draft(1), "blue", PART_BYTES, 8), 10);
        assertThat(table.place("a").isDeleted()).isFalse();
        assertThat(table.changes(StateSelection.ofTag("red"), -1, 99, 9).changes())
                .isEmpty();
        assertThat(table.persistenceIds()).containsExactly("a");
    }

    @Test
    void aStateThatWasNeverThereCanBeDeleted() {
        StateTable table = new StateTable();
        applyAll(table, table.decideDelete("a", 1, 6), 0);
        assertThat(table.place("a").revision()).isOne();
        assertThat(table.place("a").isDeleted()).isTrue();
    }

    @Test
    void partsOfDifferentStatesDoNotMix() {
        StateTable table = new StateTable();
        List<LogRecord> first = table.decideUpsert("a", 1, draft(25), "", PART_BYTES, 5);
        assertThat(first).hasSize(4);
        table.apply(first.get(0));
        table.apply(first.get(1));
        assertThatThrownBy(() -> table.apply(first.get(3)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("part 2 of 3");
        List<LogRecord> other = table.decideUpsert("b", 1, draft(25), "", PART_BYTES, 5);
        applyAll(table, other, 3);
        assertThatThrownBy(() -> table.apply(first.get(2))).isInstanceOf(IllegalStateException.class);
        assertThat(table.place("a").revision()).isZero();
        assertThat(table.place("b")).isEqualTo(new StateTable.Place(2, 1, false, 1, 3));
        assertThat(table.takeDead()).isEqualTo(OffsetSet.of(0));
    }

    /** A repair has lost records. What is left of each state says what it is; a state without its first parts is not there. */
    @Test
    void whatIsLostHidesNothingElse() throws CorruptRecordException {
        StateTable log = new StateTable();
        List<LogRecord> all = new ArrayList<>();
        for (String id : List.of("a", "b", "c")) {
            for (long revision = 1; revision <= 3; revision++) {
                List<LogRecord> records = log.decideUpsert(id, revision, draft(3 * PART_BYTES), "red", PART_BYTES, 5);
                applyAll(log, records, all.size());
                all.addAll(records);
            }
        }
        // The second revision of a, all but the last part of the third of b, and the name of c with its first revision.
        List<Integer> lost = List.of(4, 5, 6, 17, 18, 20, 21, 22, 23);
        assertThat(all.get(20)).isInstanceOf(PersistenceIdRecord.class);
        assertThatThrownBy(() -> replay(new StateTable(), all, lost, false)).isInstanceOf(IllegalStateException.class);
        StateTable table = new StateTable();
        replay(table, all, lost, true);
        table.begin(27);
        for (StateTable found : List.of(table, again(table))) {
            found.begin(27);
            assertThat(found.place("a")).isEqualTo(log.place("a"));
            assertThat(found.place("b"))
                    .as("its first parts are asked for, and are not there")
                    .isEqualTo(log.place("b"));
            assertThat(found.mayHaveLostItsName("c")).isTrue();
            assertThat(found.mayHaveLostItsName("a")).isFalse();
            assertThat(found.persistenceIds()).containsExactly("a", "b");
            assertThat(found.changes(StateSelection.ofTag("red"), -1, 999, 9).changes())
                    .extracting(StateTable.Change::persistenceId)
                    .containsExactly("a", "b");
            assertThat(found.takeDead())
                    .as("all but three times three parts, one of them of an id without a name")
                    .isEqualTo(OffsetSet.builder()
                            .addRange(0, 6)
                            .addRange(9, 6)
                            .addRange(18, 6)
                            .build());
            applyAll(found, found.decideUpsert("a", 4, draft(1), "red", PART_BYTES, 5), 1_000);
            assertThat(found.place("a").revision()).isEqualTo(4);
        }
        StateTable strict = again(table);
        strict.begin(27);
        List<LogRecord> next = strict.decideUpsert("a", 5, draft(3 * PART_BYTES), "", PART_BYTES, 5);
        assertThatThrownBy(() -> strict.apply(next.get(1)))
                .as("nothing is missing any more")
                .isInstanceOf(IllegalStateException.class);
    }

    private static void replay(StateTable table, List<LogRecord> log, List<Integer> lost, boolean isRepaired) {
        for (int sequence = 0; sequence < log.size(); sequence++) {
            if (!lost.contains(sequence)) {
                applyAll(table, List.of(log.get(sequence)), sequence);
            } else if (isRepaired) {
                table.recordsAreMissing();
            }
        }
    }

    @Test
    void aPageOfChangesEndsWhereItIsCut() {
        StateTable table = new StateTable();
        for (int id = 0; id < 5; id++) {
            applyAll(table, table.decideUpsert("id" + id, 1, draft(1), "t", PART_BYTES, 5), id * 10L);
        }
        // The state's record is the second: the first one names the id.
        StateTable.Changes page = table.changes(StateSelection.ofTag("t"), 1, 100, 2);
        assertThat(page.changes()).extracting(StateTable.Change::sequence).containsExactly(11L, 21L);
        assertThat(page.toSequence()).isEqualTo(21);
        StateTable.Changes rest = table.changes(StateSelection.ofTag("t"), 21, 40, 2);
        assertThat(rest.changes()).extracting(StateTable.Change::sequence).containsExactly(31L);
        assertThat(rest.toSequence()).as("there is no other up to here").isEqualTo(40);
        assertThat(table.changes(StateSelection.ofTag("t"), 41, 40, 2).changes())
                .isEmpty();
        assertThat(table.changes(StateSelection.ofTag("other"), -1, 40, 2).changes())
                .isEmpty();
    }

    /** What is looked at for nothing is bounded, too. */
    @Test
    void aPageOfSlicesEndsWhereEnoughWasLookedAt() {
        StateTable table = new StateTable();
        for (int id = 0; id < 200; id++) {
            applyAll(
                    table,
                    table.decideUpsert((id < 199 ? "Other|" : "Cart|") + id, 1, draft(1), "t" + id % 2, PART_BYTES, 5),
                    id * 10L);
        }
        StateSelection carts = StateSelection.ofSlices("Cart", 0, EventTable.SLICES - 1);
        long after = -1;
        int pages = 0;
        List<String> found = new ArrayList<>();
        while (after < 5_000) {
            StateTable.Changes page = table.changes(carts, after, 5_000, 1);
            assertThat(page.toSequence()).isGreaterThan(after);
            page.changes().forEach(change -> found.add(change.persistenceId()));
            after = page.toSequence();
            pages++;
        }
        assertThat(found).containsExactly("Cart|199");
        assertThat(pages).isBetween(2, 5);
        assertThatThrownBy(() -> StateSelection.ofSlices("Cart", 5, 4)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> StateSelection.ofSlices("Cart", 0, 1024)).isInstanceOf(IllegalArgumentException.class);
    }

    // ---- against a model --------------------------------------------------------------------------------------------

    @Test
    void randomHistoriesAreHeldAsAModelHoldsThem() {
        SeededRun.run("StateTableTest", (random, progress) -> {
            long steps = SeededRun.steps(12_000);
            Life life = new Life(random);
            for (long step = 1; step <= steps; step++) {
                progress.at(step);
                if (step % 3_000 == 0) {
                    life = new Life(random);
                }
                progress.note(life.step());
                life.check();
            }
        });
    }

    /** What a queue holds, in the plainest form. */
    private static final class Life {
        private record State(long revision, boolean isDeleted, String tag, long firstOffset, int parts, long sequence) {
            State at(long newSequence) {
                return new State(revision, isDeleted, tag, firstOffset, parts, newSequence);
            }
        }

        private record Unsequenced(LongConsumer taker, String persistenceId, long revision) {}

        private final RandomGenerator random;
        private final Map<String, State> model = new HashMap<>();
        /** Written, and nobody was told yet; null is of somebody else. */
        private final ArrayDeque<Unsequenced> unsequenced = new ArrayDeque<>();

        private final Set<Long> dead = new HashSet<>();
        private StateTable table = new StateTable();
        private long nextOffset;
        private long nextSequence;

        /** Offsets of a beginning that nobody has replaced yet. */
        private final Set<Long> begun = new HashSet<>();

        Life(RandomGenerator random) {
            this.random = random;
        }

        String step() throws CorruptRecordException {
            String persistenceId = "id-" + random.nextInt(6);
            State state = model.getOrDefault(persistenceId, new State(0, true, "", 0, 0, -1));
            switch (random.nextInt(10)) {
                case 0, 1, 2, 3 -> {
                    String tag = random.nextInt(3) == 0 ? "" : "tag" + random.nextInt(2);
                    int bytes = random.nextInt(4) == 0 ? 0 : random.nextInt(45);
                    List<LogRecord> records =
                            table.decideUpsert(persistenceId, state.revision + 1, draft(bytes), tag, PART_BYTES, 1);
                    int parts = Math.max(1, (bytes + PART_BYTES - 1) / PART_BYTES);
                    int count = random.nextInt(4) == 0 ? random.nextInt(records.size()) + 1 : records.size();
                    apply(records.subList(0, count), persistenceId, tag, false, parts);
                    return "upsert " + persistenceId + ", " + count + " of " + records.size();
                }
                case 4 -> {
                    apply(table.decideDelete(persistenceId, state.revision + 1, 1), persistenceId, state.tag, true, 1);
                    return "delete " + persistenceId;
                }
                case 5 -> {
                    List<LogRecord> records = table.decideDelete(persistenceId, 1);
                    assertThat(records.isEmpty()).isEqualTo(state.isDeleted);
                    apply(records, persistenceId, state.tag, true, 1);
                    return "delete whatever " + persistenceId;
                }
                case 6 -> {
                    long wrong = random.nextInt(8);
                    if (wrong != state.revision + 1) {
                        assertThatThrownBy(() -> table.decideUpsert(persistenceId, wrong, draft(1), "", 9, 1))
                                .isInstanceOf(IllegalArgumentException.class);
                        assertThatThrownBy(() -> table.decideDelete(persistenceId, wrong, 1))
                                .isInstanceOf(IllegalArgumentException.class);
                    }
                    return "refuse " + persistenceId;
                }
                case 7, 8 -> {
                    tellSequences(random.nextInt(unsequenced.size() + 1));
                    return "sequences";
                }
                default -> {
                    tellSequences(unsequenced.size());
                    List<LogRecord> behind =
                            table.decideUpsert(persistenceId, state.revision + 1, draft(15), "tag0", PART_BYTES, 1);
                    table = again(table);
                    if (random.nextBoolean()) {
                        apply(behind, persistenceId, "tag0", false, 2);
                        return "snapshot, and replay of " + persistenceId;
                    }
                    // A start: what is dead is told anew, all of it.
                    table.begin(nextOffset);
                    begun.clear();
                    dead.clear();
                    return "start";
                }
            }
        }

        private void apply(List<LogRecord> records, String persistenceId, String tag, boolean isDeletion, int parts) {
            for (LogRecord record : records) {
                table.apply(record);
                LongConsumer taker = table.sequenceTaker(record);
                if (!(record instanceof DurableStateRecord part)) {
                    assertThat(taker).isNull();
                    unsequenced.add(new Unsequenced(null, "", 0));
                    continue;
                }
                assertThat(part.offset()).isEqualTo(nextOffset++);
                begun.add(part.offset());
                if (part.part() == 0) {
                    begun.removeIf(offset -> offset < part.offset());
                }
                if (part.part() == parts - 1) {
                    begun.clear();
                    model.put(
                            persistenceId, new State(part.revision(), isDeletion, tag, nextOffset - parts, parts, -1));
                    unsequenced.add(new Unsequenced(taker, persistenceId, part.revision()));
                } else {
                    assertThat(taker).isNull();
                    unsequenced.add(new Unsequenced(null, "", 0));
                }
            }
        }

        private void tellSequences(int count) {
            for (int index = 0; index < count; index++) {
                Unsequenced next = unsequenced.removeFirst();
                long sequence = nextSequence++;
                if (random.nextInt(3) == 0) {
                    nextSequence += random.nextInt(5); // of other queues
                }
                if (next.taker != null) {
                    next.taker.accept(sequence);
                    model.computeIfPresent(
                            next.persistenceId,
                            (id, state) -> state.revision == next.revision ? state.at(sequence) : state);
                }
            }
        }

        void check() {
            for (int id = 0; id < 6; id++) {
                String persistenceId = "id-" + id;
                State state = model.get(persistenceId);
                StateTable.Place place = table.place(persistenceId);
                if (state == null) {
                    assertThat(place).isEqualTo(StateTable.Place.NOWHERE);
                } else {
                    assertThat(place)
                            .isEqualTo(new StateTable.Place(
                                    place.number(), state.revision, state.isDeleted, state.firstOffset, state.parts));
                }
            }
            assertThat(table.persistenceIds()).containsExactlyInAnyOrderElementsOf(model.keySet());
            checkChanges();
            checkDead();
        }

        private void checkChanges() {
            String tag = random.nextBoolean() ? "" : "tag" + random.nextInt(2);
            long after = random.nextInt(3) == 0 ? -1 : random.nextLong(nextSequence + 1) - 1;
            long to = random.nextLong(nextSequence + 1);
            int slice = random.nextInt(EventTable.SLICES);
            StateSelection wanted = random.nextBoolean()
                    ? StateSelection.ofTag(tag)
                    : StateSelection.ofSlices("", slice, slice + random.nextInt(EventTable.SLICES - slice));
            List<Map.Entry<String, State>> expected = model.entrySet().stream()
                    .filter(entry -> wanted.tagOrNull() == null
                            ? EventTable.sliceOf(entry.getKey()) >= wanted.minSlice()
                                    && EventTable.sliceOf(entry.getKey()) <= wanted.maxSlice()
                            : entry.getValue().tag.equals(tag))
                    .filter(entry -> entry.getValue().sequence > after
                            && entry.getValue().sequence >= 0
                            && entry.getValue().sequence <= to)
                    .sorted(Comparator.comparingLong(entry -> entry.getValue().sequence))
                    .toList();
            int max = 1 + random.nextInt(4);
            StateTable.Changes changes = table.changes(wanted, after, to, max);
            assertThat(changes.changes())
                    .extracting(StateTable.Change::persistenceId)
                    .isEqualTo(
                            expected.stream().limit(max).map(Map.Entry::getKey).toList());
            assertThat(changes.toSequence())
                    .isEqualTo(
                            expected.size() <= max ? to : expected.get(max - 1).getValue().sequence);
        }

        private void checkDead() {
            table.takeDead()
                    .forEach(offset -> assertThat(dead.add(offset))
                            .as("offset " + offset + " is dead once")
                            .isTrue());
            Set<Long> expected = new HashSet<>();
            for (long offset = 0; offset < nextOffset; offset++) {
                expected.add(offset);
            }
            expected.removeAll(begun);
            for (State state : model.values()) {
                for (int part = 0; part < state.parts; part++) {
                    expected.remove(state.firstOffset + part);
                }
            }
            if (dead.size() != expected.size() || !dead.equals(expected)) {
                assertThat(new ArrayList<>(dead)).containsExactlyInAnyOrderElementsOf(expected);
            }
        }
    }
}
