package io.forebay.persistence.core;

import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.DurableStateRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PersistenceIdRecord;
import io.forebay.storage.log.StatesSnapshot;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongConsumer;

/**
 * The persistence ids of one reserved queue with the revision of the state of each, its tag, and where its parts lie. Decides what is
 * written; {@link #apply} is the one way in which it changes, at run time and at a start; the sequences follow. Some 250 bytes for
 * each id.
 *
 * <p>A state counts when its last part is there. Parts follow each other in the queue: nothing else comes between. A state of
 * which the beginning alone was stored is forgotten when another one begins, and at a start. Confined to whoever holds it.
 */
public final class StateTable implements ShardTable {
    /** One persistence id. */
    private static final class Id extends IdTable.Entry {
        long revision;
        boolean isDeleted;
        String tag = "";
        long firstOffset;
        int parts;
        /** Of the record of the last part, -1 while it is not known. */
        long sequence = -1;

        Id(long number, String persistenceId) {
            super(number, persistenceId);
        }

        Place place() {
            return new Place(number, revision, isDeleted, firstOffset, parts);
        }
    }

    /** The newest change of each id under a tag, by its sequence. */
    private static final class Tagged {
        final String tag;
        final TreeMap<Long, Id> bySequence = new TreeMap<>();

        Tagged(String tag) {
            this.tag = tag;
        }
    }

    private static final int LOOKED_AT_FACTOR = 64;

    /** A state of which not all parts are there. */
    private record Begun(Id id, long revision, long firstOffset, int parts, int found) {}

    /**
     * Where the state of a persistence id is.
     *
     * @param revision 0 if there never was one
     * @param isDeleted whether its last revision is that there is none
     * @param parts that follow each other from the first offset on; 0 without a revision
     */
    public record Place(long number, long revision, boolean isDeleted, long firstOffset, int parts) {
        /** Of an id of which there never was a state. */
        public static final Place NOWHERE = new Place(0, 0, false, 0, 0);
    }

    /**
     * The newest change of a state.
     *
     * @param sequence of the record that completed it
     */
    public record Change(String persistenceId, long sequence, Place place) {}

    /**
     * Changes in the order of their sequences.
     *
     * @param toSequence there are no others up to this one
     */
    public record Changes(List<Change> changes, long toSequence) {}

    private final IdTable<Id> ids = new IdTable<>(Id::new);
    private final Map<String, Tagged> byTag = new HashMap<>();

    private Begun begun;
    private boolean mayMissRecords;
    private long nextOffset;
    private OffsetSet.Builder dead = OffsetSet.builder();

    /** As it was when the snapshot was taken. */
    public static StateTable restore(StatesSnapshot snapshot) throws CorruptRecordException {
        StateTable table = new StateTable();
        for (StatesSnapshot.Id id : snapshot.ids()) {
            Id made = table.ids.add(id.persistenceId());
            if (id.revision() > 0) {
                made.revision = id.revision();
                made.isDeleted = id.isDeleted();
                made.tag = id.tag();
                made.firstOffset = id.firstOffset();
                made.parts = id.parts();
                table.list(made, id.sequence());
            }
        }
        StatesSnapshot.Begun begun = snapshot.begun();
        if (begun != null) {
            table.begun = new Begun(
                    table.ids.ofNumber(begun.number()),
                    begun.revision(),
                    begun.firstOffset(),
                    begun.parts(),
                    begun.found());
        }
        return table;
    }

    /** {@inheritDoc} The sequences of all that was applied are known. */
    @Override
    public byte[] snapshot() {
        List<StatesSnapshot.Id> all = new ArrayList<>(ids.count());
        for (Id id : ids.all()) {
            all.add(
                    id.revision == 0
                            ? StatesSnapshot.Id.of(id.persistenceId)
                            : new StatesSnapshot.Id(
                                    id.persistenceId,
                                    id.revision,
                                    id.isDeleted,
                                    id.tag,
                                    id.firstOffset,
                                    id.parts,
                                    id.sequence));
        }
        return new StatesSnapshot(
                        all,
                        begun == null
                                ? null
                                : new StatesSnapshot.Begun(
                                        begun.id.number, begun.revision, begun.firstOffset, begun.parts, begun.found))
                .encode();
    }

    /** {@inheritDoc} Whatever no state needs of what lies before is {@linkplain #takeDead dead} now. */
    @Override
    public void begin(long offset) {
        nextOffset = Math.max(nextOffset, offset);
        mayMissRecords = false;
        ids.begin();
        begun = null;
        OffsetSet.Builder needed = OffsetSet.builder();
        for (Id id : ids.all()) {
            needed.addRange(id.firstOffset, id.parts);
        }
        dead = OffsetSet.builder().addAll(OffsetSet.range(0, nextOffset).minus(needed.build()));
    }

    @Override
    public void recordsAreMissing() {
        mayMissRecords = true;
        ids.recordsAreMissing();
    }

    @Override
    public boolean mayHaveLostItsName(String persistenceId) {
        return ids.mayHaveLostItsName(persistenceId);
    }

    /** Where the state of an id is, {@link Place#NOWHERE} if the id is not known. */
    public Place place(String persistenceId) {
        Id id = ids.findOrNull(persistenceId);
        return id == null || id.revision == 0 ? Place.NOWHERE : id.place();
    }

    /** All ids that have, or had, a state; in no order. */
    public String[] persistenceIds() {
        String[] all = new String[ids.count()];
        int count = 0;
        for (Id id : ids.all()) {
            if (id.revision > 0 && !LostNames.isOne(id.persistenceId)) {
                all[count++] = id.persistenceId;
            }
        }
        return Arrays.copyOf(all, count);
    }

    /**
     * The newest change of each id that is wanted, of those whose sequence is known.
     *
     * @param afterSequence -1 for all
     * @param countMax at least 1; not many more than some times as many states are looked at
     */
    public Changes changes(StateSelection wanted, long afterSequence, long toSequence, int countMax) {
        if (afterSequence >= toSequence) {
            return new Changes(List.of(), toSequence);
        }
        if (wanted.tagOrNull() != null) {
            Tagged tagged = byTag.get(wanted.tagOrNull());
            return tagged == null
                    ? new Changes(List.of(), toSequence)
                    : changes(tagged, wanted, afterSequence, toSequence, countMax);
        }
        List<Change> all = new ArrayList<>();
        long wholeTo = toSequence;
        for (Tagged tagged : byTag.values()) {
            Changes some = changes(tagged, wanted, afterSequence, wholeTo, countMax);
            all.addAll(some.changes);
            // Behind where one of them was cut nothing is whole.
            wholeTo = some.toSequence;
        }
        long to = wholeTo;
        all.removeIf(change -> change.sequence > to);
        all.sort(Comparator.comparingLong(Change::sequence));
        return all.size() <= countMax
                ? new Changes(all, to)
                : new Changes(
                        List.copyOf(all.subList(0, countMax)),
                        all.get(countMax - 1).sequence());
    }

    private static Changes changes(
            Tagged tagged, StateSelection wanted, long afterSequence, long toSequence, int countMax) {
        List<Change> changes = new ArrayList<>();
        int lookedAt = 0;
        for (Id id :
                tagged.bySequence.subMap(afterSequence, false, toSequence, true).values()) {
            if (!LostNames.isOne(id.persistenceId) && wanted.holds(id.persistenceId)) {
                if (changes.size() == countMax) {
                    return new Changes(changes, changes.get(countMax - 1).sequence());
                }
                changes.add(new Change(id.persistenceId, id.sequence, id.place()));
            }
            if (++lookedAt == LOOKED_AT_FACTOR * countMax) {
                return new Changes(changes, id.sequence);
            }
        }
        return new Changes(changes, toSequence);
    }

    /**
     * What nobody needs any more when all that was applied so far is durable: what was replaced or deleted, and beginnings that
     * came to nothing. Each is told once.
     */
    public OffsetSet takeDead() {
        OffsetSet taken = dead.build();
        dead = OffsetSet.builder();
        return taken;
    }

    // ---- deciding -------------------------------------------------------------------------------------------------

    /**
     * What has to be in the log, in this order and nothing between, for a state to be stored. Changes nothing: the records take
     * effect when they are {@linkplain #apply applied}, and nothing else may be decided before.
     *
     * @param revision one more than the one that is stored
     * @param tag "" for none
     * @param partBytesMax size of a part
     * @throws IllegalArgumentException if it is another revision, says the message; then nothing may be stored
     */
    public List<LogRecord> decideUpsert(
            String persistenceId, long revision, StateDraft draft, String tag, int partBytesMax, long nowMillis) {
        checkNext("stored as", persistenceId, revision);
        List<LogRecord> records = new ArrayList<>();
        long number = decideNumber(persistenceId, nowMillis, records);
        byte[] payload = draft.payload();
        int parts = Math.max(1, (int) (((long) payload.length + partBytesMax - 1) / partBytesMax));
        for (int part = 0; part < parts; part++) {
            int from = part * partBytesMax;
            byte[] bytes = parts == 1
                    ? payload
                    : Arrays.copyOfRange(payload, from, (int) Math.min(payload.length, (long) from + partBytesMax));
            records.add(new DurableStateRecord(
                    nextOffset + part,
                    number,
                    revision,
                    nowMillis,
                    draft.serializerId(),
                    part,
                    parts,
                    false,
                    draft.serializerManifest(),
                    tag,
                    bytes));
        }
        return records;
    }

    /**
     * As {@link #decideUpsert}: for a state to be gone. The revision stays, and so does the tag, under which the deletion is a
     * change.
     */
    public List<LogRecord> decideDelete(String persistenceId, long revision, long nowMillis) {
        checkNext("deleted by", persistenceId, revision);
        List<LogRecord> records = new ArrayList<>();
        long number = decideNumber(persistenceId, nowMillis, records);
        Id id = ids.findOrNull(persistenceId);
        records.add(new DurableStateRecord(
                nextOffset, number, revision, nowMillis, 0, 0, 1, true, "", id == null ? "" : id.tag, new byte[0]));
        return records;
    }

    /** As {@link #decideDelete}, whatever the revision is; nothing if there is no state. */
    public List<LogRecord> decideDelete(String persistenceId, long nowMillis) {
        Place place = place(persistenceId);
        return place.revision() == 0 || place.isDeleted()
                ? List.of()
                : decideDelete(persistenceId, place.revision() + 1, nowMillis);
    }

    private void checkNext(String what, String persistenceId, long revision) {
        long stored = place(persistenceId).revision();
        if (revision != stored + 1) {
            throw new IllegalArgumentException("the state of persistence id '" + persistenceId + "' cannot be " + what
                    + " revision " + revision + ": revision " + stored + " is stored, so it has to be " + (stored + 1)
                    + "; is the same id written to from two places?");
        }
    }

    private long decideNumber(String persistenceId, long nowMillis, List<LogRecord> records) {
        Id id = ids.findOrNull(persistenceId);
        if (id != null) {
            return id.number;
        }
        PersistenceIdRecord named = ids.decideNext(persistenceId, nowMillis);
        records.add(named);
        return named.number();
    }

    // ---- changing -------------------------------------------------------------------------------------------------

    @Override
    public void apply(LogRecord record) {
        if (record instanceof DurableStateRecord part) {
            apply(part);
        } else if (record instanceof PersistenceIdRecord named) {
            ids.apply(named);
        } else {
            throw new IllegalStateException("a record of type " + record.type() + " in a queue of durable states");
        }
    }

    private void apply(DurableStateRecord part) {
        Id id = ids.ofNumber(part.number());
        if (part.revision() != id.revision + 1 && !(mayMissRecords && part.revision() > id.revision)) {
            throw new IllegalStateException("revision " + part.revision() + " of the state of persistence id '"
                    + id.persistenceId + "' behind revision " + id.revision);
        }
        long firstOffset = part.offset() - part.part();
        if (part.part() == 0) {
            forgetBegun();
        } else if (begun == null
                || begun.id != id
                || begun.revision != part.revision()
                || begun.parts != part.parts()
                || begun.found != part.part()
                || begun.firstOffset + begun.found != part.offset()) {
            if (mayMissRecords) {
                applyWithoutOthers(id, part);
                return;
            }
            throw new IllegalStateException("part " + part.part() + " of " + part.parts() + " of revision "
                    + part.revision() + " of the state of persistence id '" + id.persistenceId + "', at offset "
                    + part.offset() + ", behind " + begun);
        }
        nextOffset = part.offset() + 1;
        if (part.part() < part.parts() - 1) {
            begun = new Begun(id, part.revision(), firstOffset, part.parts(), part.part() + 1);
            return;
        }
        begun = null;
        replace(id, part);
    }

    /**
     * Parts before it are lost. That the state was there is known by its last part: no older one is to be taken for it. What is dead
     * is found by {@link #begin}.
     */
    private void applyWithoutOthers(Id id, DurableStateRecord part) {
        begun = null;
        nextOffset = part.offset() + 1;
        if (part.part() == part.parts() - 1) {
            replace(id, part);
        }
    }

    /** With its last part. */
    private void replace(Id id, DurableStateRecord part) {
        if (id.revision > 0) {
            dead.addRange(id.firstOffset, id.parts);
            unlist(id);
        }
        id.revision = part.revision();
        id.isDeleted = part.deleted();
        id.tag = part.tag();
        id.firstOffset = part.offset() - part.part();
        id.parts = part.parts();
    }

    /** {@inheritDoc} From then on a {@linkplain #changes change} is found by it. */
    @Override
    public LongConsumer sequenceTaker(LogRecord record) {
        if (!(record instanceof DurableStateRecord part) || part.part() < part.parts() - 1) {
            return null;
        }
        Id id = ids.ofNumber(part.number());
        long revision = part.revision();
        return sequence -> {
            if (id.revision == revision) {
                list(id, sequence);
            }
        };
    }

    private void list(Id id, long sequence) {
        Tagged tagged = byTag.computeIfAbsent(id.tag, Tagged::new);
        if (id.sequence >= 0 || tagged.bySequence.put(sequence, id) != null) {
            throw new IllegalStateException("sequence " + sequence + " of persistence id '" + id.persistenceId
                    + "' is another one's, or its second");
        }
        id.tag = tagged.tag; // one string for all
        id.sequence = sequence;
    }

    private void unlist(Id id) {
        if (id.sequence >= 0) {
            Tagged tagged = byTag.get(id.tag);
            tagged.bySequence.remove(id.sequence);
            if (tagged.bySequence.isEmpty()) {
                byTag.remove(id.tag);
            }
            id.sequence = -1;
        }
    }

    private void forgetBegun() {
        if (begun != null) {
            dead.addRange(begun.firstOffset, begun.found);
            begun = null;
        }
    }
}
