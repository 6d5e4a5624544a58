package io.forebay.persistence.core;

import io.forebay.persistence.core.EventIds.Id;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.EventsSnapshot;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PersistenceEventRecord;
import io.forebay.storage.log.PersistenceEventsDeletedRecord;
import io.forebay.storage.log.PersistenceIdRecord;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * The persistence ids of one reserved queue: the highest number of each, what of it is deleted, and where its newest event lies.
 * Decides what is written; {@link #apply} is the one way in which it changes, at run time and at a start. Some 150 bytes for each
 * id; what helps to find older events is kept of the ids used last.
 *
 * <p>Confined to whoever holds it.
 */
public final class EventTable implements ShardTable {
    /** Akka's slices: of a persistence id it is the one its hash code falls into. */
    public static final int SLICES = 1024;

    private static final char ENTITY_TYPE_END = '|';
    private static final byte[] NOTHING = {};
    private static final int RANGES_LATELY_MIN = 64;

    /**
     * Where the events of a persistence id are.
     *
     * @param highestSequenceNr 0 if nothing was ever stored
     * @param deletedTo the events up to this number are gone
     * @param lastOffset of the newest event, -1 if there is none
     * @param newestOffsets of the newest events, as far as that is in memory, perhaps of none: ascending, the last one that of {@code
     *     highestSequenceNr}, and their numbers have no gap. Only a help, and so no part of what makes two places the same. Not
     *     copied, and must not be changed
     */
    public record Place(long number, long highestSequenceNr, long deletedTo, long lastOffset, long[] newestOffsets) {
        /** Of an id that nothing is stored of. */
        public static final Place NOWHERE = new Place(0, 0, 0, -1);

        /** One of which nothing more is in memory. */
        public Place(long number, long highestSequenceNr, long deletedTo, long lastOffset) {
            this(number, highestSequenceNr, deletedTo, lastOffset, OffsetTrail.NO_OFFSETS);
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Place that
                    && number == that.number
                    && highestSequenceNr == that.highestSequenceNr
                    && deletedTo == that.deletedTo
                    && lastOffset == that.lastOffset;
        }

        @Override
        public int hashCode() {
            return Long.hashCode(number * 31 + highestSequenceNr);
        }
    }

    private final Map<String, Id> byName = new HashMap<>();
    private final EventIds byNumber = new EventIds();
    /** Those with a trail, by their numbers. */
    private final Map<Long, Id> trailed;

    private boolean mayMissRecords;
    private int lostNames;
    /** Of this start; empty from {@link #begin} on. */
    private final List<Gap> gaps = new ArrayList<>();

    /** What this start was told to be lost. */
    private OffsetSet lostLately = OffsetSet.empty();

    /** Ids whose newest event lies below may have lost later ones, of which nothing tells; 0 if none may. */
    private long suspectBelow;

    private String losses;
    private long nextOffset;
    /** What nobody needs any more, above what the log knows to be released altogether, and what is in {@link #releasedLately}. */
    private OffsetSet released = OffsetSet.empty();

    /** What came to it: merged when it is no longer small beside it, so that many small deletions are not as many copies of all. */
    private OffsetSet.Builder releasedLately = OffsetSet.builder();

    private int rangesLately;
    private long releasedBelow;

    /**
     * Between two events of an id some are missing.
     *
     * @param afterOffset of the event before them, -1 if there is none
     * @param toOffset of the newest of them
     * @param count of them at most: numbers that were never stored count as well
     */
    private record Gap(Id id, long afterOffset, long toOffset, long count) {}

    private static final int LOSSES_NAMED_MAX = 20;

    /** @param trailsMax ids of which the newest offsets are kept */
    public EventTable(int trailsMax) {
        trailed = new LinkedHashMap<>(16, 0.75f, true) {
            @Override
            protected boolean removeEldestEntry(Map.Entry<Long, Id> eldest) {
                if (size() <= trailsMax) {
                    return false;
                }
                eldest.getValue().trail = null;
                return true;
            }
        };
    }

    /** As it was when the snapshot was taken. */
    public static EventTable restore(int trailsMax, EventsSnapshot snapshot) throws CorruptRecordException {
        EventTable table = new EventTable(trailsMax);
        for (EventsSnapshot.Id id : snapshot.ids()) {
            Id made = table.add(id.persistenceId());
            made.highestSequenceNr = id.highestSequenceNr();
            made.deletedTo = id.deletedTo();
            made.lastOffset = id.lastOffset();
            made.releasedTo = id.releasedTo();
        }
        table.released = snapshot.released();
        table.byNumber.lost(snapshot.lost());
        table.suspectBelow = snapshot.suspectBelow();
        return table;
    }

    @Override
    public byte[] snapshot() {
        List<EventsSnapshot.Id> ids = new ArrayList<>(byNumber.count());
        for (int number = 1; number <= byNumber.count(); number++) {
            Id id = byNumber.get(number);
            ids.add(new EventsSnapshot.Id(
                    id.persistenceId, id.highestSequenceNr, id.deletedTo, id.releasedTo, id.lastOffset));
        }
        OffsetSet lost = byNumber.lost().from(releasedBelow);
        return new EventsSnapshot(ids, released(), lost, suspectBelow).encode();
    }

    @Override
    public void begin(long offset) {
        nextOffset = Math.max(nextOffset, offset);
        mayMissRecords = false;
        if (!lostLately.isEmpty()) {
            sumUpLosses();
        }
        gaps.clear();
        lostLately = OffsetSet.empty();
    }

    /**
     * An event that is lost is missed where a later one of its id is there. If more are lost than are missed, some were the newest of
     * their ids, or all that there was of one: nothing tells of which.
     */
    private void sumUpLosses() {
        long missed = 0;
        Set<String> names = new TreeSet<>();
        for (Gap gap : gaps) {
            missed += Math.min(
                    gap.count,
                    lostLately.from(gap.afterOffset + 1).count()
                            - lostLately.from(gap.toOffset + 1).count());
            if (!LostNames.isOne(gap.id.persistenceId)) {
                names.add(gap.id.persistenceId);
            }
        }
        losses = "a repair of the log has given up " + lostLately.count() + " offsets, " + lostLately;
        if (!names.isEmpty()) {
            losses += "; persistence ids that have lost events: "
                    + names.stream().limit(LOSSES_NAMED_MAX).collect(Collectors.joining(", "))
                    + (names.size() > LOSSES_NAMED_MAX ? ", and " + (names.size() - LOSSES_NAMED_MAX) + " more" : "");
        }
        if (missed < lostLately.count()) {
            suspectBelow = Math.max(suspectBelow, lostLately.last() + 1);
            losses += "; " + (lostLately.count() - missed)
                    + " of these events, if they were given, are missed by no later"
                    + " event, so they may have been the newest of persistence ids that have written nothing since, or"
                    + " all that there was of one";
        }
    }

    /** What this start has found to be lost, for people; null if nothing. */
    public String lossesOrNull() {
        return losses;
    }

    @Override
    public void recordsAreMissing() {
        mayMissRecords = true;
        fill(1);
    }

    @Override
    public void offsetsAreLost(long firstOffset, long count) {
        OffsetSet offsets = OffsetSet.range(firstOffset, count);
        lostLately = lostLately.union(offsets);
        byNumber.lost(byNumber.lost().union(offsets));
    }

    private void fill(long count) {
        while (mayMissRecords && byNumber.count() < count) {
            add(LostNames.of(byNumber.count() + 1));
        }
    }

    @Override
    public boolean mayHaveLostItsName(String persistenceId) {
        return (lostNames > 0 || suspectBelow > 0) && !byName.containsKey(persistenceId);
    }

    /** Whether newer events of this id than those that are known may be lost, and nothing tells. */
    public boolean mayHaveLostItsNewest(String persistenceId) {
        Id id = suspectBelow == 0 ? null : byName.get(persistenceId);
        return id != null && id.lastOffset < suspectBelow;
    }

    /** How many ids there are; their numbers are 1 to this. */
    public int count() {
        return byNumber.count();
    }

    /** Its ids by their numbers, for whichever thread. */
    public EventIds ids() {
        return byNumber;
    }

    /** Where the events of an id are, {@link Place#NOWHERE} if it is not known. */
    public Place place(String persistenceId) {
        Id id = byName.get(persistenceId);
        return id == null
                ? Place.NOWHERE
                : new Place(
                        id.number,
                        id.highestSequenceNr,
                        id.deletedTo,
                        id.lastOffset,
                        id.trail == null ? OffsetTrail.NO_OFFSETS : id.trail.offsets());
    }

    /** Of {@link #place}. */
    public long highestSequenceNr(String persistenceId) {
        Id id = byName.get(persistenceId);
        return id == null ? 0 : id.highestSequenceNr;
    }

    // ---- deciding -------------------------------------------------------------------------------------------------

    /**
     * What has to be in the log, in one frame and in this order, for these events to be stored. Changes nothing: the records take
     * effect when they are {@linkplain #apply applied}, and nothing else may be decided before.
     *
     * @param events at least one, of ascending numbers
     * @param nowMillis of a persistence id that is new, and of events without a time of their own
     * @throws IllegalArgumentException if a number has been used, says the message; then nothing may be stored
     */
    public List<LogRecord> decideWrite(String persistenceId, List<EventDraft> events, long nowMillis) {
        List<LogRecord> records = new ArrayList<>(events.size() + 1);
        Id id = byName.get(persistenceId);
        long number = id == null ? byNumber.count() + 1 : id.number;
        long highest = id == null ? 0 : id.highestSequenceNr;
        long previous = id == null ? -1 : id.lastOffset;
        boolean isNext = events.get(0).sequenceNr() == highest + 1;
        byte[] earlier = id == null || id.trail == null || !isNext ? NOTHING : id.trail.list();
        if (id == null) {
            records.add(new PersistenceIdRecord(
                    number, nowMillis, persistenceId, entityTypeOf(persistenceId), sliceOf(persistenceId)));
        }
        long offset = nextOffset;
        for (EventDraft event : events) {
            if (event.sequenceNr() <= highest) {
                throw new IllegalArgumentException(
                        "event " + event.sequenceNr() + " of persistence id '" + persistenceId + "': number " + highest
                                + " is stored already; is the same id written to from two places?");
            }
            records.add(new PersistenceEventRecord(
                    offset,
                    event.serializerId(),
                    number,
                    event.sequenceNr(),
                    event.timestampMillis() == 0 ? nowMillis : event.timestampMillis(),
                    previous,
                    event.metadataSerializerId(),
                    event.writerUuid(),
                    event.adapterManifest(),
                    event.serializerManifest(),
                    event.metadataManifest(),
                    event.tags(),
                    event.metadata(),
                    earlier,
                    event.payload()));
            highest = event.sequenceNr();
            previous = offset++;
            // Of more events in one write the second names the first, and no list.
            earlier = NOTHING;
        }
        return records;
    }

    /**
     * As {@link #decideWrite}: what has to be in the log for the events up to a number to be gone.
     *
     * @return null if they are, or there are none
     */
    public PersistenceEventsDeletedRecord decideDelete(String persistenceId, long toSequenceNr) {
        Id id = byName.get(persistenceId);
        if (id == null || Math.min(toSequenceNr, id.highestSequenceNr) <= id.deletedTo) {
            return null;
        }
        return new PersistenceEventsDeletedRecord(
                id.number, Math.min(toSequenceNr, id.highestSequenceNr), id.highestSequenceNr);
    }

    // ---- changing -------------------------------------------------------------------------------------------------

    @Override
    public void apply(LogRecord record) {
        if (record instanceof PersistenceEventRecord event) {
            fill(event.number());
            Id id = byNumber.get(event.number());
            if (event.sequenceNr() <= id.highestSequenceNr) {
                throw new IllegalStateException("event " + event.sequenceNr() + " of persistence id '"
                        + id.persistenceId + "' behind event " + id.highestSequenceNr);
            }
            if (event.previousOffset() != id.lastOffset) {
                gaps.add(new Gap(
                        id, id.lastOffset, event.previousOffset(), event.sequenceNr() - id.highestSequenceNr - 1));
            }
            if (event.sequenceNr() != id.highestSequenceNr + 1) {
                id.trail = null; // what it lists would be taken for what it is not
            }
            id.highestSequenceNr = event.sequenceNr();
            id.lastOffset = event.offset();
            trailOf(id).add(event.offset());
            nextOffset = event.offset() + 1;
        } else if (record instanceof PersistenceEventsDeletedRecord deleted) {
            fill(deleted.number());
            Id id = byNumber.get(deleted.number());
            id.deletedTo = Math.max(id.deletedTo, deleted.toSequenceNr());
            if (deleted.highestSequenceNr() > id.highestSequenceNr) {
                // Events are lost, and a repair has given them up.
                gaps.add(new Gap(
                        id,
                        id.lastOffset,
                        OffsetSet.OFFSET_MAX - 1,
                        deleted.highestSequenceNr() - id.highestSequenceNr));
                id.highestSequenceNr = deleted.highestSequenceNr();
                id.trail = null;
            }
        } else if (record instanceof PersistenceIdRecord named) {
            fill(named.number() - 1);
            if (named.number() != byNumber.count() + 1) {
                throw new IllegalStateException("persistence id '" + named.persistenceId() + "' has the number "
                        + named.number() + " behind " + byNumber.count());
            }
            add(named.persistenceId());
        } else {
            throw new IllegalStateException("a record of type " + record.type() + " in a queue of events");
        }
    }

    private Id add(String persistenceId) {
        Id id = new Id(byNumber.count() + 1, persistenceId);
        if (byName.putIfAbsent(persistenceId, id) != null) {
            throw new IllegalStateException("persistence id '" + persistenceId + "' has two numbers");
        }
        byNumber.add(id);
        lostNames += LostNames.isOne(persistenceId) ? 1 : 0;
        return id;
    }

    private OffsetTrail trailOf(Id id) {
        if (id.trail == null) {
            id.trail = new OffsetTrail();
            trailed.put(id.number, id);
        } else {
            trailed.get(id.number); // used last
        }
        return id.trail;
    }

    // ---- giving space back ----------------------------------------------------------------------------------------

    /**
     * Deleted events whose offsets are not released.
     *
     * @param place of the id, as if nothing were deleted, to look for them from
     */
    public record Deletion(Place place, long fromSequenceNr, long toSequenceNr) {}

    /**
     * Of one id, null if there is nothing of it to release.
     *
     * @param lastOffset of the newest event that is written, to look for them from
     * @param flushedTo the deletion up to this number is flushed; one that goes further may not be
     */
    public Deletion deletion(String persistenceId, long lastOffset, long flushedTo) {
        Id id = byName.get(persistenceId);
        return id == null ? null : deletion(id, lastOffset, flushedTo);
    }

    private static Deletion deletion(Id id, long lastOffset, long flushedTo) {
        long toSequenceNr = Math.min(id.deletedTo, flushedTo);
        return id.releasedTo >= toSequenceNr
                ? null
                : new Deletion(
                        new Place(id.number, id.highestSequenceNr, 0, lastOffset), id.releasedTo + 1, toSequenceNr);
    }

    /** Whether what was looked for has been released meanwhile, with what was deleted later. */
    public boolean isReleased(Deletion deletion) {
        return byNumber.get(deletion.place.number).releasedTo >= deletion.toSequenceNr;
    }

    /** Of all ids: what was left to do at the last stop; all deletions are flushed. */
    public List<Deletion> deletions() {
        List<Deletion> all = new ArrayList<>();
        for (int number = 1; number <= byNumber.count(); number++) {
            Id id = byNumber.get(number);
            Deletion deletion = deletion(id, id.lastOffset, Long.MAX_VALUE);
            if (deletion != null) {
                all.add(deletion);
            }
        }
        return all;
    }

    /**
     * The deleted events have been looked for; the deletion is flushed.
     *
     * @param found their offsets, as far as they are still stored
     * @param releasedBelow what the log knows to be released altogether
     */
    public void released(Deletion deletion, OffsetSet found, long releasedBelow) {
        Id id = byNumber.get(deletion.place.number);
        id.releasedTo = Math.max(id.releasedTo, deletion.toSequenceNr);
        this.releasedBelow = releasedBelow;
        releasedLately.addAll(found);
        rangesLately += found.rangeCount();
        if (rangesLately > RANGES_LATELY_MIN + released.rangeCount() / 2) {
            mergeReleased();
        }
    }

    private void mergeReleased() {
        released = released.union(releasedLately.build()).from(releasedBelow);
        releasedLately = OffsetSet.builder();
        rangesLately = 0;
    }

    /** The offsets that nobody needs, as far as they are known and above what is released altogether. */
    public OffsetSet released() {
        mergeReleased();
        return released;
    }

    // ---- names ----------------------------------------------------------------------------------------------------

    /** As Akka has it: {@code abs(hashCode % 1024)}. */
    public static int sliceOf(String persistenceId) {
        return Math.abs(persistenceId.hashCode() % SLICES);
    }

    /** What stands before the separator {@code |}, "" if there is none. */
    public static String entityTypeOf(String persistenceId) {
        int end = persistenceId.indexOf(ENTITY_TYPE_END);
        return end < 0 ? "" : persistenceId.substring(0, end);
    }
}
