package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Part of an owner's state, so that replay need not begin at its first record. It holds every record of the owner up
 * to {@code heldSequence}, which is not its own. A snapshot counts when all its parts are there.
 * <pre> byte  0  i64  heldSequence       the owner's records up to this sequence are in it
 * byte  8  i64  heldOwnerNumber    the owner's own number of the last of them
 * byte 16  i64  nextOffset         of a queue; 0 for other owners
 * byte 24  i32  part               0 …
 * byte 28  i32  parts
 * byte 32  i32  payloadBytes, then the payload: a {@link QueueSnapshot}, {@link GroupSnapshot} or
 *          {@link RegistrySnapshot}, cut anywhere </pre>
 * The payload array is not copied and must not be changed.
 */
public record SnapshotRecord(
        long heldSequence, long heldOwnerNumber, long nextOffset, int part, int parts, byte[] payload)
        implements LogRecord {
    /** Bytes of a body besides its payload. */
    public static final int FIXED_BYTES = 36;

    public SnapshotRecord {
        Fields.notNegative("nextOffset", nextOffset);
        Fields.part(part, parts);
    }

    /** Cuts a payload into parts of at most {@code payloadBytesMax}; an empty one makes one part. */
    public static List<SnapshotRecord> split(
            long heldSequence, long heldOwnerNumber, long nextOffset, byte[] payload, int payloadBytesMax) {
        Fields.positive("payloadBytesMax", payloadBytesMax);
        int parts = Math.max(1, (int) (((long) payload.length + payloadBytesMax - 1) / payloadBytesMax));
        if (parts == 1) {
            return List.of(new SnapshotRecord(heldSequence, heldOwnerNumber, nextOffset, 0, 1, payload));
        }
        List<SnapshotRecord> records = new ArrayList<>(parts);
        for (int part = 0; part < parts; part++) {
            int from = part * payloadBytesMax;
            int to = (int) Math.min((long) from + payloadBytesMax, payload.length);
            records.add(new SnapshotRecord(
                    heldSequence, heldOwnerNumber, nextOffset, part, parts, Arrays.copyOfRange(payload, from, to)));
        }
        return records;
    }

    /**
     * The payload of all parts of one snapshot, given in order.
     *
     * @throws CorruptRecordException if parts are missing, out of order or of different snapshots
     */
    public static byte[] join(List<SnapshotRecord> records) throws CorruptRecordException {
        if (records.isEmpty()) {
            throw new CorruptRecordException("SNAPSHOT: no part is there");
        }
        SnapshotRecord first = records.get(0);
        if (first.parts != records.size()) {
            throw new CorruptRecordException("SNAPSHOT: " + records.size() + " of " + first.parts + " parts are there");
        }
        long bytes = 0;
        for (int part = 0; part < records.size(); part++) {
            SnapshotRecord record = records.get(part);
            if (record.part != part
                    || record.parts != first.parts
                    || record.heldSequence != first.heldSequence
                    || record.heldOwnerNumber != first.heldOwnerNumber) {
                throw new CorruptRecordException("SNAPSHOT: " + record + " is not part " + part + " behind " + first);
            }
            bytes += record.payload.length;
        }
        if (bytes > Integer.MAX_VALUE - 8) {
            throw new CorruptRecordException("SNAPSHOT: parts of " + bytes + " bytes together");
        }
        if (records.size() == 1) {
            return first.payload;
        }
        byte[] payload = new byte[(int) bytes];
        int at = 0;
        for (SnapshotRecord record : records) {
            System.arraycopy(record.payload, 0, payload, at, record.payload.length);
            at += record.payload.length;
        }
        return payload;
    }

    @Override
    public RecordType type() {
        return RecordType.SNAPSHOT;
    }

    @Override
    public int bodyBytes() {
        return FIXED_BYTES + payload.length;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .i64(heldSequence)
                .i64(heldOwnerNumber)
                .i64(nextOffset)
                .i32(part)
                .i32(parts)
                .blob(payload);
    }

    static SnapshotRecord decode(BodyReader in) throws CorruptRecordException {
        return new SnapshotRecord(in.i64(), in.i64(), in.i64(), in.i32(), in.i32(), in.blob());
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof SnapshotRecord that
                && heldSequence == that.heldSequence
                && heldOwnerNumber == that.heldOwnerNumber
                && nextOffset == that.nextOffset
                && part == that.part
                && parts == that.parts
                && Arrays.equals(payload, that.payload);
    }

    @Override
    public int hashCode() {
        return Long.hashCode(heldSequence) * 31 + part;
    }

    @Override
    public String toString() {
        return "SnapshotRecord[heldSequence=" + heldSequence + ", heldOwnerNumber=" + heldOwnerNumber + ", nextOffset="
                + nextOffset + ", part=" + part + "/" + parts + ", payloadBytes=" + payload.length + "]";
    }
}
