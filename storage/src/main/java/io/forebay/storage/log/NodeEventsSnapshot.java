package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * State of a reserved queue in which one actor of the node itself keeps its events: all of them that are not deleted.
 * <pre> byte  0  u8   kind = 7
 * byte  1  u8   version = 1
 * byte  2  text persistenceId      empty if its name is lost
 *          varint highestSequenceNr · varint deletedTo
 *          i32 count of events, oldest first, each: varint sequenceNr · text manifest · i32 length and bytes: payload </pre>
 *
 * @param highestSequenceNr 0 before the first event; stays when events are deleted
 * @param deletedTo the events up to this number are gone
 */
public record NodeEventsSnapshot(String persistenceId, long highestSequenceNr, long deletedTo, List<Event> events) {
    /** Bytes of the shortest event. */
    private static final int EVENT_BYTES_MIN = 7;

    /** One event. The payload is not copied and must not be changed. */
    public record Event(long sequenceNr, String manifest, byte[] payload) {
        public Event {
            Fields.positive("sequenceNr", sequenceNr);
            Fields.text("manifest", manifest);
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Event that
                    && sequenceNr == that.sequenceNr
                    && manifest.equals(that.manifest)
                    && Arrays.equals(payload, that.payload);
        }

        @Override
        public int hashCode() {
            return Long.hashCode(sequenceNr);
        }

        @Override
        public String toString() {
            return "Event[sequenceNr=" + sequenceNr + ", manifest=" + manifest + ", payloadBytes=" + payload.length
                    + "]";
        }
    }

    public NodeEventsSnapshot {
        Fields.text("persistenceId", persistenceId);
        Fields.notNegative("highestSequenceNr", highestSequenceNr);
        Fields.notNegative("deletedTo", deletedTo);
        events = List.copyOf(events);
        long before = deletedTo;
        for (Event event : events) {
            Fields.check(event.sequenceNr > before, "sequenceNr", event.sequenceNr, "more than " + before);
            before = event.sequenceNr;
        }
        Fields.check(highestSequenceNr >= before, "highestSequenceNr", highestSequenceNr, before + " or more");
    }

    /** The payload of its {@link SnapshotRecord}s. */
    public byte[] encode() {
        long bytes = SnapshotKind.HEADER_BYTES
                + 4L
                + BodyWriter.textBytes(persistenceId)
                + BodyWriter.varintBytes(highestSequenceNr)
                + BodyWriter.varintBytes(deletedTo);
        for (Event event : events) {
            bytes += BodyWriter.varintBytes(event.sequenceNr)
                    + BodyWriter.textBytes(event.manifest)
                    + 4L
                    + event.payload.length;
        }
        byte[] payload = new byte[Math.toIntExact(bytes)];
        BodyWriter out = SnapshotKind.NODE_EVENTS.begin(payload);
        out.text(persistenceId).varint(highestSequenceNr).varint(deletedTo).i32(events.size());
        for (Event event : events) {
            out.varint(event.sequenceNr).text(event.manifest).blob(event.payload);
        }
        SnapshotKind.finished(payload, out);
        return payload;
    }

    public static NodeEventsSnapshot decode(byte[] payload) throws CorruptRecordException {
        BodyReader in = SnapshotKind.NODE_EVENTS.open(payload);
        try {
            String persistenceId = in.text();
            long highestSequenceNr = in.varint();
            long deletedTo = in.varint();
            int count = in.count(EVENT_BYTES_MIN);
            List<Event> events = new ArrayList<>(count);
            for (int index = 0; index < count; index++) {
                events.add(new Event(in.varint(), in.text(), in.blob()));
            }
            in.end();
            return new NodeEventsSnapshot(persistenceId, highestSequenceNr, deletedTo, events);
        } catch (IllegalArgumentException e) {
            throw in.corrupt(e.getMessage());
        }
    }
}
