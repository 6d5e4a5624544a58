package io.forebay.persistence.core;

import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PersistenceIdRecord;
import io.forebay.storage.log.PersistenceSnapshotRecord;
import io.forebay.storage.log.PersistenceSnapshotsDeletedRecord;
import io.forebay.storage.log.SnapshotsSnapshot;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;

/**
 * The persistence ids of one reserved queue and where their snapshots lie. A snapshot lies in parts, one behind the other, and nothing
 * of the queue between them; it is there with its last part. Decides what is written; {@link #apply} is the one way in which it
 * changes, at run time and at a start. Some 200 bytes for each id, and some 60 for each snapshot.
 *
 * <p>Confined to whoever holds it.
 */
public final class SnapshotTable implements ShardTable {
    private static final byte[] NOTHING = {};

    /** One persistence id. */
    private static final class Id extends IdTable.Entry {
        /** Of ascending sequence numbers. */
        final List<Place> snapshots = new ArrayList<>(2);

        Id(long number, String persistenceId) {
            super(number, persistenceId);
        }
    }

    /**
     * Where a snapshot is.
     *
     * @param number of its persistence id
     * @param firstOffset of its first part; the others follow
     */
    public record Place(long number, long sequenceNr, long timestampMillis, long firstOffset, int parts) {
        /** Whether this is the part of it that lies so far behind the first. */
        public boolean isPart(PersistenceSnapshotRecord record, int part) {
            return record.number() == number
                    && record.sequenceNr() == sequenceNr
                    && record.timestampMillis() == timestampMillis
                    && record.offset() == firstOffset + part
                    && record.part() == part
                    && record.parts() == parts;
        }
    }

    private final IdTable<Id> ids = new IdTable<>(Id::new);

    private long nextOffset;
    /** What is being stored: parts are there, and not the last. Null if there is no such snapshot. */
    private Place begun;

    private int begunParts;
    private OffsetSet.Builder dead = OffsetSet.builder();

    /** As it was when the snapshot was taken. */
    public static SnapshotTable restore(SnapshotsSnapshot snapshot) throws CorruptRecordException {
        SnapshotTable table = new SnapshotTable();
        for (SnapshotsSnapshot.Id id : snapshot.ids()) {
            Id made = table.ids.add(id.persistenceId());
            for (SnapshotsSnapshot.Snapshot stored : id.snapshots()) {
                made.snapshots.add(placeOf(made.number, stored));
            }
        }
        SnapshotsSnapshot.Begun begun = snapshot.begunOrNull();
        if (begun != null) {
            table.begun = placeOf(begun.number(), begun.snapshot());
            table.begunParts = begun.partsThere();
        }
        return table;
    }

    private static Place placeOf(long number, SnapshotsSnapshot.Snapshot stored) {
        return new Place(number, stored.sequenceNr(), stored.timestampMillis(), stored.firstOffset(), stored.parts());
    }

    @Override
    public byte[] snapshot() {
        List<SnapshotsSnapshot.Id> all = new ArrayList<>(ids.count());
        for (Id id : ids.all()) {
            List<SnapshotsSnapshot.Snapshot> snapshots = new ArrayList<>(id.snapshots.size());
            id.snapshots.forEach(place -> snapshots.add(storedAt(place)));
            all.add(new SnapshotsSnapshot.Id(id.persistenceId, snapshots));
        }
        return new SnapshotsSnapshot(
                        begun == null ? null : new SnapshotsSnapshot.Begun(begun.number, storedAt(begun), begunParts),
                        all)
                .encode();
    }

    private static SnapshotsSnapshot.Snapshot storedAt(Place place) {
        return new SnapshotsSnapshot.Snapshot(place.sequenceNr, place.timestampMillis, place.firstOffset, place.parts);
    }

    /** What had been begun by whoever wrote before is not gone on with. */
    @Override
    public void begin(long offset) {
        nextOffset = Math.max(nextOffset, offset);
        begun = null;
        ids.begin();
        // What died before is known by what lives.
        dead = OffsetSet.builder();
        List<Place> alive = new ArrayList<>();
        ids.all().forEach(id -> alive.addAll(id.snapshots));
        alive.sort(Comparator.comparingLong(Place::firstOffset));
        long from = 0;
        for (Place place : alive) {
            addDead(from, place.firstOffset - from);
            from = place.firstOffset + place.parts;
        }
        addDead(from, nextOffset - from);
    }

    @Override
    public void recordsAreMissing() {
        ids.recordsAreMissing();
    }

    @Override
    public boolean mayHaveLostItsName(String persistenceId) {
        return ids.mayHaveLostItsName(persistenceId);
    }

    /**
     * The offsets that have become of no use since the last call, and can be given back as soon as the records that were applied
     * until now are flushed.
     */
    public OffsetSet takeDead() {
        OffsetSet taken = dead.build();
        dead = OffsetSet.builder();
        return taken;
    }

    /** How many ids there are. */
    public int count() {
        return ids.count();
    }

    /** The snapshot with the highest number of those within bounds, null if there is none. */
    public Place newestOrNull(String persistenceId, SnapshotBounds bounds) {
        Id id = ids.findOrNull(persistenceId);
        if (id == null) {
            return null;
        }
        for (int i = id.snapshots.size() - 1; i >= 0; i--) {
            Place place = id.snapshots.get(i);
            if (bounds.match(place.sequenceNr, place.timestampMillis)) {
                return place;
            }
        }
        return null;
    }

    // ---- deciding -------------------------------------------------------------------------------------------------

    /**
     * What has to be in the log, in one frame and in this order, for a part of a snapshot to be stored; with the last part the
     * snapshot is there, in place of another one of its number. Changes nothing: the records take effect when they are {@linkplain
     * #apply applied}, and nothing else may be decided before.
     *
     * @param part 0 first; the others behind it, with nothing else between them
     * @param partBytesMax of payload in each part
     * @param nowMillis of a persistence id that is new
     * @throws IllegalArgumentException if the snapshot cannot be stored as it is, says the message
     */
    public List<LogRecord> decidePart(SnapshotDraft draft, int part, int partBytesMax, long nowMillis) {
        List<LogRecord> records = new ArrayList<>(2);
        Id id = ids.findOrNull(draft.persistenceId());
        if (id == null) {
            records.add(ids.decideNext(draft.persistenceId(), nowMillis));
        }
        if (draft.sequenceNr() < 0) {
            throw new IllegalArgumentException("a snapshot of persistence id '" + draft.persistenceId()
                    + "' has the sequence number " + draft.sequenceNr());
        }
        if (part > 0 && (begun == null || begunParts != part)) {
            throw new AssertionError(
                    "part " + part + " of " + draft.sequenceNr() + " behind " + begunParts + " of " + begun);
        }
        int from = part * partBytesMax;
        boolean isFirst = part == 0;
        records.add(new PersistenceSnapshotRecord(
                nextOffset,
                id == null ? ids.count() + 1 : id.number,
                draft.sequenceNr(),
                draft.timestampMillis(),
                draft.serializerId(),
                isFirst ? draft.metadataSerializerId() : 0,
                part,
                draft.parts(partBytesMax),
                isFirst ? draft.serializerManifest() : "",
                isFirst ? draft.metadataManifest() : "",
                isFirst ? draft.metadata() : NOTHING,
                Arrays.copyOfRange(
                        draft.payload(), from, (int) Math.min((long) from + partBytesMax, draft.payload().length))));
        return records;
    }

    /**
     * As {@link #decidePart}: what has to be in the log for the snapshots within bounds to be gone.
     *
     * @return null if there are none
     */
    public LogRecord decideDelete(String persistenceId, SnapshotBounds bounds) {
        if (newestOrNull(persistenceId, bounds) == null) {
            return null;
        }
        return new PersistenceSnapshotsDeletedRecord(
                ids.findOrNull(persistenceId).number,
                bounds.fromSequenceNr(),
                bounds.toSequenceNr(),
                bounds.fromTimestampMillis(),
                bounds.toTimestampMillis());
    }

    // ---- changing -------------------------------------------------------------------------------------------------

    @Override
    public void apply(LogRecord record) {
        if (record instanceof PersistenceSnapshotRecord part) {
            apply(part);
            return;
        }
        giveUpBegun();
        if (record instanceof PersistenceSnapshotsDeletedRecord deleted) {
            delete(
                    ids.ofNumber(deleted.number()),
                    new SnapshotBounds(
                            deleted.fromSequenceNr(),
                            deleted.toSequenceNr(),
                            deleted.fromTimestampMillis(),
                            deleted.toTimestampMillis()));
        } else if (record instanceof PersistenceIdRecord named) {
            ids.apply(named);
        } else {
            throw new IllegalStateException("a record of type " + record.type() + " in a queue of snapshots");
        }
    }

    private void apply(PersistenceSnapshotRecord part) {
        Id id = ids.ofNumber(part.number());
        nextOffset = part.offset() + 1;
        if (part.part() == 0) {
            giveUpBegun();
            begun = new Place(part.number(), part.sequenceNr(), part.timestampMillis(), part.offset(), part.parts());
            begunParts = 0;
        } else if (begun == null || !begun.isPart(part, begunParts)) {
            // Those before it are lost, and it was repaired. That the snapshot was there is known by its last
            // part: no older one is to be taken for it. What else is dead is found by begin().
            begun = null;
            if (part.part() == part.parts() - 1) {
                put(
                        id,
                        new Place(
                                part.number(),
                                part.sequenceNr(),
                                part.timestampMillis(),
                                part.offset() - part.part(),
                                part.parts()));
            }
            return;
        }
        begunParts++;
        if (begunParts == begun.parts) {
            put(id, begun);
            begun = null;
        }
    }

    private void put(Id id, Place stored) {
        int at = id.snapshots.size();
        while (at > 0 && id.snapshots.get(at - 1).sequenceNr >= stored.sequenceNr) {
            at--;
        }
        if (at < id.snapshots.size() && id.snapshots.get(at).sequenceNr == stored.sequenceNr) {
            addDead(id.snapshots.set(at, stored));
        } else {
            id.snapshots.add(at, stored);
        }
    }

    private void delete(Id id, SnapshotBounds bounds) {
        for (Iterator<Place> i = id.snapshots.iterator(); i.hasNext(); ) {
            Place place = i.next();
            if (bounds.match(place.sequenceNr, place.timestampMillis)) {
                addDead(place);
                i.remove();
            }
        }
    }

    private void giveUpBegun() {
        if (begun != null) {
            addDead(begun.firstOffset, begunParts);
            begun = null;
        }
    }

    private void addDead(Place place) {
        addDead(place.firstOffset, place.parts);
    }

    private void addDead(long first, long count) {
        if (count > 0) {
            dead.addRange(first, count);
        }
    }
}
