package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.List;

/**
 * State of a reserved queue of events: its persistence ids, in the order of their numbers, which begin at 1 and have no gap.
 * <pre> byte  0  u8   kind = 4
 * byte  1  u8   version = 2
 * byte  2  i32 count of ids, each: text persistenceId · varint highestSequenceNr · varint deletedTo · varint releasedTo ·
 *              varint 1 + offset of the newest event, 0 if it has none
 *          offsets that are released, ranges as in {@link OffsetSetCodec}
 *          from here on not in version 1:
 *          offsets of records that are lost, and that a repair of the log has given up, ranges as before
 *          varint suspectBelow: ids whose newest event lies below this offset may have lost later ones, 0 if none may </pre>
 */
public record EventsSnapshot(List<Id> ids, OffsetSet released, OffsetSet lost, long suspectBelow) {
    /** Bytes of the shortest one. */
    private static final int ID_BYTES_MIN = 6;

    /**
     * One persistence id.
     *
     * @param highestSequenceNr 0 before the first event; stays when events are deleted
     * @param deletedTo the events up to this number are gone
     * @param releasedTo the offsets of the deleted events up to this number are among the released ones, or not stored any more
     * @param lastOffset of its newest event in the queue, -1 if it has none
     */
    public record Id(String persistenceId, long highestSequenceNr, long deletedTo, long releasedTo, long lastOffset) {
        public Id {
            Fields.text("persistenceId", persistenceId);
            Fields.notNegative("highestSequenceNr", highestSequenceNr);
            Fields.notNegative("deletedTo", deletedTo);
            Fields.notNegative("releasedTo", releasedTo);
            Fields.notNegative("lastOffset + 1", lastOffset + 1);
        }
    }

    /** The list is not copied: it may be long, and must not be changed. */
    public EventsSnapshot {}

    /** The payload of its {@link SnapshotRecord}s. */
    public byte[] encode() {
        long bytes = SnapshotKind.HEADER_BYTES
                + 4L
                + OffsetSetCodec.encodedBytes(released)
                + OffsetSetCodec.encodedBytes(lost)
                + BodyWriter.varintBytes(suspectBelow);
        for (Id id : ids) {
            bytes += BodyWriter.textBytes(id.persistenceId)
                    + BodyWriter.varintBytes(id.highestSequenceNr)
                    + BodyWriter.varintBytes(id.deletedTo)
                    + BodyWriter.varintBytes(id.releasedTo)
                    + BodyWriter.varintBytes(id.lastOffset + 1);
        }
        byte[] payload = new byte[Math.toIntExact(bytes)];
        BodyWriter out = SnapshotKind.PERSISTENCE_EVENTS.begin(payload);
        out.i32(ids.size());
        for (Id id : ids) {
            out.text(id.persistenceId)
                    .varint(id.highestSequenceNr)
                    .varint(id.deletedTo)
                    .varint(id.releasedTo)
                    .varint(id.lastOffset + 1);
        }
        out.offsets(released).offsets(lost).varint(suspectBelow);
        SnapshotKind.finished(payload, out);
        return payload;
    }

    public static EventsSnapshot decode(byte[] payload) throws CorruptRecordException {
        BodyReader in = SnapshotKind.PERSISTENCE_EVENTS.open(payload);
        int count = in.count(ID_BYTES_MIN);
        List<Id> ids = new ArrayList<>(count);
        try {
            for (int index = 0; index < count; index++) {
                ids.add(new Id(in.text(), in.varint(), in.varint(), in.varint(), in.varint() - 1));
            }
        } catch (IllegalArgumentException e) {
            throw in.corrupt(e.getMessage());
        }
        OffsetSet released = in.offsets();
        boolean isFirstVersion = SnapshotKind.versionOf(payload) < 2;
        OffsetSet lost = isFirstVersion ? OffsetSet.empty() : in.offsets();
        long suspectBelow = isFirstVersion ? 0 : in.varint();
        in.end();
        return new EventsSnapshot(ids, released, lost, suspectBelow);
    }
}
