package io.forebay.persistence.core;

import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.NodeEventsSnapshot;
import io.forebay.storage.log.NodeEventsSnapshot.Event;
import io.forebay.storage.log.PersistenceEventRecord;
import io.forebay.storage.log.PersistenceEventsDeletedRecord;
import io.forebay.storage.log.PersistenceIdRecord;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * The events of the one actor of the node that a reserved queue is for. Unlike those of an application they are all held in memory, and
 * in the queue's snapshots, until they are deleted: a start has them when the log is open, and nobody reads them from where they lie.
 *
 * <p>Where a repair has given up some of them, the others are gone on with. Confined to whoever holds it.
 */
public final class NodeEventTable implements ShardTable {
    /** The only one there is. */
    private static final long NUMBER = 1;

    /** The payload needs no serializer: who stores it knows its manifests. */
    private static final int SERIALIZER_ID = 0;

    /** Empty while no record has named it. */
    private String persistenceId = "";

    private final ArrayDeque<Event> events = new ArrayDeque<>();
    private long highestSequenceNr;
    private long deletedTo;
    private long nextOffset;
    /** Of the newest event; -1 without one. */
    private long lastOffset = -1;

    /** As it was when the snapshot was taken. */
    public static NodeEventTable restore(NodeEventsSnapshot snapshot) {
        NodeEventTable table = new NodeEventTable();
        table.persistenceId = snapshot.persistenceId();
        table.highestSequenceNr = snapshot.highestSequenceNr();
        table.deletedTo = snapshot.deletedTo();
        table.events.addAll(snapshot.events());
        return table;
    }

    @Override
    public byte[] snapshot() {
        return new NodeEventsSnapshot(persistenceId, highestSequenceNr, deletedTo, List.copyOf(events)).encode();
    }

    @Override
    public void begin(long offset) {
        nextOffset = Math.max(nextOffset, offset);
    }

    @Override
    public void recordsAreMissing() {}

    @Override
    public boolean mayHaveLostItsName(String id) {
        return false;
    }

    @Override
    public boolean mayBeginAnew() {
        return true;
    }

    /** Whether the events are that id's, or may be: of nobody else's anything is known. */
    public boolean isOf(String id) {
        return persistenceId.isEmpty() || persistenceId.equals(id);
    }

    /** 0 if nothing was ever stored. */
    public long highestSequenceNr() {
        return highestSequenceNr;
    }

    /** Those up to this number are gone. */
    public long deletedTo() {
        return deletedTo;
    }

    /** All that are there, oldest first. */
    public List<Event> events() {
        return List.copyOf(events);
    }

    /**
     * What has to be in the log, in one frame and in this order, for these events to be stored. Changes nothing.
     *
     * @param drafts at least one, of ascending numbers
     * @throws IllegalArgumentException if the id is another one, or a number has been used; then nothing may be stored
     */
    public List<LogRecord> decideWrite(String id, List<Event> drafts, long nowMillis) {
        if (!isOf(id)) {
            throw new IllegalArgumentException(
                    "events of '" + id + "' where those of '" + persistenceId + "' are: the node has another name");
        }
        List<LogRecord> records = new ArrayList<>(drafts.size() + 1);
        if (persistenceId.isEmpty()) {
            records.add(new PersistenceIdRecord(
                    NUMBER, nowMillis, id, EventTable.entityTypeOf(id), EventTable.sliceOf(id)));
        }
        long highest = highestSequenceNr;
        long offset = nextOffset;
        long previous = lastOffset;
        for (Event draft : drafts) {
            if (draft.sequenceNr() <= highest) {
                throw new IllegalArgumentException(
                        "event " + draft.sequenceNr() + " of '" + id + "': number " + highest + " is stored already");
            }
            records.add(new PersistenceEventRecord(
                    offset,
                    SERIALIZER_ID,
                    NUMBER,
                    draft.sequenceNr(),
                    nowMillis,
                    previous,
                    0,
                    "",
                    "",
                    draft.manifest(),
                    "",
                    List.of(),
                    new byte[0],
                    new byte[0],
                    draft.payload()));
            highest = draft.sequenceNr();
            previous = offset++;
        }
        return records;
    }

    /** As {@link #decideWrite}, for the events up to a number to be gone; null if they are. */
    public PersistenceEventsDeletedRecord decideDelete(long toSequenceNr) {
        long to = Math.min(toSequenceNr, highestSequenceNr);
        return to <= deletedTo ? null : new PersistenceEventsDeletedRecord(NUMBER, to, highestSequenceNr);
    }

    @Override
    public void apply(LogRecord record) {
        if (record instanceof PersistenceEventRecord event) {
            if (event.number() != NUMBER || event.sequenceNr() <= highestSequenceNr) {
                throw new IllegalStateException("event " + event.sequenceNr() + " of persistence id number "
                        + event.number() + " behind event " + highestSequenceNr + " of number " + NUMBER);
            }
            events.addLast(new Event(event.sequenceNr(), event.serializerManifest(), event.payload()));
            highestSequenceNr = event.sequenceNr();
            lastOffset = event.offset();
            nextOffset = event.offset() + 1;
        } else if (record instanceof PersistenceEventsDeletedRecord deleted) {
            deletedTo = Math.max(deletedTo, deleted.toSequenceNr());
            highestSequenceNr = Math.max(highestSequenceNr, deleted.highestSequenceNr());
            while (!events.isEmpty() && events.peekFirst().sequenceNr() <= deletedTo) {
                events.pollFirst();
            }
        } else if (record instanceof PersistenceIdRecord named) {
            if (named.number() != NUMBER || !isOf(named.persistenceId())) {
                throw new IllegalStateException("persistence id '" + named.persistenceId() + "' has the number "
                        + named.number() + " in the queue of '" + persistenceId + "'");
            }
            persistenceId = named.persistenceId();
        } else {
            throw new IllegalStateException("a record of type " + record.type() + " in a queue of the node's events");
        }
    }
}
