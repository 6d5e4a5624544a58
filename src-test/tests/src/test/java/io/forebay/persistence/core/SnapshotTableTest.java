package io.forebay.persistence.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PersistenceIdRecord;
import io.forebay.storage.log.PersistenceSnapshotRecord;
import io.forebay.storage.log.SnapshotsSnapshot;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

/**
 * <b>I1</b>: a snapshot whose last part was stored is found, by every criterion that it meets, until it is replaced or deleted, and
 * behind any start. <b>I2</b>: one of which a part is missing is never found; what is found has the bytes that were saved. Whatever
 * lies in the queue is needed or given back, and nothing is both.
 */
class SnapshotTableTest {
    private static final int PART_BYTES = 8;

    /** What a snapshot store is to hold. */
    private record Saved(long sequenceNr, long timestampMillis, byte[] payload, String manifest, String metadata) {}

    private final Random random = new Random();
    /** What lies at each offset. */
    private final List<PersistenceSnapshotRecord> stored = new ArrayList<>();

    private SnapshotTable table = new SnapshotTable();
    private final Map<String, TreeMap<Long, Saved>> model = new TreeMap<>();
    /** A checkpoint of some time, and what was written since. */
    private byte[] checkpoint = table.snapshot();

    private final List<LogRecord> since = new ArrayList<>();
    private OffsetSet dead = OffsetSet.empty();

    private void write(LogRecord record) {
        if (random.nextInt(20) == 0) {
            checkpoint = table.snapshot();
            since.clear();
        }
        since.add(record);
        table.apply(record);
        if (record instanceof PersistenceSnapshotRecord part) {
            assertThat(part.offset()).isEqualTo(stored.size());
            stored.add(part);
        }
        OffsetSet more = table.takeDead();
        more.forEach(offset -> assertThat(dead.contains(offset)).isFalse());
        dead = dead.union(more);
    }

    private Saved drawn() {
        byte[] payload = new byte[random.nextInt(4) == 0 ? 0 : random.nextInt(5 * PART_BYTES)];
        random.nextBytes(payload);
        return new Saved(
                random.nextInt(12), random.nextInt(6), payload, "manifest" + random.nextInt(3), "m" + random.nextInt());
    }

    private static SnapshotDraft draft(String id, Saved saved) {
        return new SnapshotDraft(
                id,
                saved.sequenceNr,
                saved.timestampMillis,
                7,
                saved.manifest,
                saved.payload,
                8,
                "of metadata",
                saved.metadata.getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }

    /** @return whether the last part was among them */
    private boolean save(String id, Saved saved, int partsMax) {
        SnapshotDraft draft = draft(id, saved);
        int parts = draft.parts(PART_BYTES);
        for (int part = 0; part < Math.min(parts, partsMax); part++) {
            table.decidePart(draft, part, PART_BYTES, 5).forEach(this::write);
        }
        return parts <= partsMax;
    }

    private SnapshotBounds bounds() {
        if (random.nextInt(3) == 0) {
            long sequenceNr = random.nextInt(12);
            return random.nextBoolean()
                    ? SnapshotBounds.ofSequenceNr(sequenceNr)
                    : SnapshotBounds.of(sequenceNr, random.nextInt(6));
        }
        return new SnapshotBounds(
                random.nextInt(6), random.nextInt(14), random.nextInt(3), random.nextBoolean() ? Long.MAX_VALUE : 4);
    }

    private static boolean isMeant(Saved saved, SnapshotBounds bounds) {
        return saved.sequenceNr >= bounds.fromSequenceNr()
                && saved.sequenceNr <= bounds.toSequenceNr()
                && saved.timestampMillis >= bounds.fromTimestampMillis()
                && saved.timestampMillis <= bounds.toTimestampMillis();
    }

    private void step() {
        String id = "id-" + random.nextInt(4);
        TreeMap<Long, Saved> known = model.computeIfAbsent(id, key -> new TreeMap<>());
        switch (random.nextInt(8)) {
            case 0 -> {
                SnapshotBounds bounds = bounds();
                LogRecord record = table.decideDelete(id, bounds);
                boolean isAny = known.values().removeIf(saved -> isMeant(saved, bounds));
                assertThat(record != null).isEqualTo(isAny);
                if (record != null) {
                    write(record);
                }
            }
            case 1 -> {
                Saved saved = drawn();
                if (save(id, saved, random.nextInt(3))) {
                    known.put(saved.sequenceNr, saved);
                }
            }
            case 2 -> restart();
            default -> {
                Saved saved = drawn();
                assertThat(save(id, saved, Integer.MAX_VALUE)).isTrue();
                known.put(saved.sequenceNr, saved);
            }
        }
    }

    /** From the checkpoint and what lies behind it. */
    private void restart() {
        SnapshotTable restored = restored(checkpoint);
        since.forEach(restored::apply);
        assertThat(restored.snapshot()).isEqualTo(table.snapshot());
        table = restored;
        table.begin(stored.size());
        OffsetSet deadNow = table.takeDead();
        assertThat(deadNow.minus(dead).isEmpty() || deadNow.last() < stored.size())
                .isTrue();
        assertThat(dead.minus(deadNow)).isEqualTo(OffsetSet.empty());
        // What was begun is dead now.
        dead = deadNow;
        checkpoint = table.snapshot();
        since.clear();
    }

    private static SnapshotTable restored(byte[] snapshot) {
        try {
            return SnapshotTable.restore(SnapshotsSnapshot.decode(snapshot));
        } catch (CorruptRecordException e) {
            throw new AssertionError(e);
        }
    }

    private void check() {
        for (Map.Entry<String, TreeMap<Long, Saved>> each : model.entrySet()) {
            for (int i = 0; i < 8; i++) {
                SnapshotBounds bounds = bounds();
                Saved wanted = each.getValue().descendingMap().values().stream()
                        .filter(saved -> isMeant(saved, bounds))
                        .findFirst()
                        .orElse(null);
                SnapshotTable.Place place = table.newestOrNull(each.getKey(), bounds);
                assertThat(place == null).as("%s %s", each, bounds).isEqualTo(wanted == null);
                if (place != null) {
                    checkBytes(place, wanted);
                }
            }
        }
        assertThat(table.newestOrNull("unknown", bounds())).isNull();
    }

    private void checkBytes(SnapshotTable.Place place, Saved wanted) {
        ByteArrayOutputStream payload = new ByteArrayOutputStream();
        for (int part = 0; part < place.parts(); part++) {
            PersistenceSnapshotRecord record = stored.get((int) place.firstOffset() + part);
            assertThat(dead.contains(record.offset())).isFalse();
            assertThat(place.isPart(record, part)).isTrue();
            assertThat(record.payload().length).isLessThanOrEqualTo(PART_BYTES);
            payload.writeBytes(record.payload());
        }
        PersistenceSnapshotRecord first = stored.get((int) place.firstOffset());
        assertThat(new Saved(
                        place.sequenceNr(),
                        place.timestampMillis(),
                        wanted.payload,
                        first.serializerManifest(),
                        new String(first.metadata(), java.nio.charset.StandardCharsets.UTF_8)))
                .isEqualTo(wanted);
        assertThat(payload.toByteArray()).isEqualTo(wanted.payload);
    }

    @Property(tries = 150)
    void aSnapshotIsThereWithItsLastPartUntilItIsReplacedOrDeleted(@ForAll long seed) {
        random.setSeed(seed);
        stored.clear();
        since.clear();
        model.clear();
        table = new SnapshotTable();
        checkpoint = table.snapshot();
        dead = OffsetSet.empty();
        for (int step = 0; step < 150; step++) {
            step();
            check();
        }
        restart();
        check();
        long alive = 0;
        for (String id : model.keySet()) {
            for (Saved saved : model.get(id).values()) {
                alive += draft(id, saved).parts(PART_BYTES);
            }
        }
        assertThat(dead.count() + alive).isEqualTo(stored.size());
    }

    @Test
    void aSnapshotOfWhichPartsAreLostIsNotTakenForAnOlderOne() {
        Saved saved = new Saved(3, 4, new byte[3 * PART_BYTES], "", "");
        SnapshotBounds any = new SnapshotBounds(0, 9, Long.MIN_VALUE, Long.MAX_VALUE);
        save("one", new Saved(2, 4, new byte[1], "", ""), 1);
        save("one", saved, 1);
        PersistenceSnapshotRecord first = stored.get(1);
        // A repair has lost the second part.
        table.recordsAreMissing();
        table.apply(new PersistenceSnapshotRecord(
                3, first.number(), 3, 4, 7, 0, 2, 3, "", "", new byte[0], new byte[PART_BYTES]));
        SnapshotTable.Place damaged = new SnapshotTable.Place(1, 3, 4, 1, 3);
        assertThat(table.newestOrNull("one", any)).isEqualTo(damaged);
        table.begin(4);
        assertThat(table.newestOrNull("one", any)).isEqualTo(damaged);
        assertThat(table.takeDead()).isEqualTo(OffsetSet.empty());
        stored.add(null);
        stored.add(null);
        save("one", saved, 3);
        assertThat(table.newestOrNull("one", any)).isEqualTo(new SnapshotTable.Place(1, 3, 4, 4, 3));
        assertThat(dead).isEqualTo(OffsetSet.of(1, 2, 3));
    }

    @Test
    void idsWhoseNamesAreLostKeepTheirNumbers() {
        save("one", new Saved(2, 4, new byte[1], "", ""), 1);
        // A repair has lost the names of the numbers 2 and 3.
        assertThatThrownBy(() -> table.apply(new PersistenceIdRecord(4, 0, "four", "", 0)))
                .isInstanceOf(IllegalStateException.class);
        assertThat(table.mayHaveLostItsName("two")).isFalse();
        table.recordsAreMissing();
        table.apply(new PersistenceIdRecord(4, 0, "four", "", 0));
        table.apply(new PersistenceSnapshotRecord(2, 2, 3, 4, 7, 0, 0, 1, "", "", new byte[0], new byte[PART_BYTES]));
        table.begin(3);
        assertThat(table.mayHaveLostItsName("two")).isTrue();
        assertThat(table.mayHaveLostItsName("four")).isFalse();
        assertThat(table.count()).isEqualTo(4);
        table = restored(table.snapshot());
        assertThat(table.mayHaveLostItsName("two")).isTrue();
        assertThat(table.mayHaveLostItsName("one")).isFalse();
        assertThatThrownBy(() -> table.apply(new PersistenceIdRecord(6, 0, "six", "", 0)))
                .as("nothing is missing any more")
                .isInstanceOf(IllegalStateException.class);
    }

    @Test
    void recordsThatContradictEachOtherAreNotTaken() {
        assertThatThrownBy(() -> table.apply(
                        new PersistenceSnapshotRecord(0, 1, 3, 4, 7, 0, 0, 1, "", "", new byte[0], new byte[0])))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("no name");
        table.apply(new PersistenceIdRecord(1, 0, "one", "", 0));
        assertThatThrownBy(() -> table.apply(new PersistenceIdRecord(3, 0, "other", "", 0)))
                .isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> table.apply(new PersistenceIdRecord(2, 0, "one", "", 0)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("two numbers");
        assertThatThrownBy(() -> table.decidePart(draft("one", new Saved(-1, 0, new byte[0], "", "")), 0, 8, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("-1");
    }

    /** Whatever byte of a stored state is another one: it is refused, or it is a state. */
    @Test
    void aDamagedStateEndsInNothingWorse() {
        random.setSeed(5);
        for (int step = 0; step < 40; step++) {
            save("id-" + random.nextInt(4), drawn(), 2);
        }
        save("begun", new Saved(3, 4, new byte[3 * PART_BYTES], "", ""), 2);
        byte[] whole = table.snapshot();
        for (int at = 0; at < whole.length; at++) {
            for (int mask : new int[] {1, 0x80, 0xFF}) {
                byte[] damaged = whole.clone();
                damaged[at] ^= (byte) mask;
                try {
                    SnapshotTable.restore(SnapshotsSnapshot.decode(damaged)).snapshot();
                } catch (CorruptRecordException | IllegalStateException e) {
                    assertThat(e.getMessage()).isNotEmpty();
                }
            }
            byte[] shorter = java.util.Arrays.copyOf(whole, at);
            assertThatThrownBy(() -> SnapshotsSnapshot.decode(shorter)).isInstanceOf(CorruptRecordException.class);
        }
    }
}
