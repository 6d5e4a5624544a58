package io.forebay.storage.log;

import java.util.Arrays;

/**
 * Part of the state of a durable-state actor; a deleted state keeps its revision. Counts when all parts are there. Owner:
 * a reserved queue.
 * <pre> byte  0  i64  offset      in its queue; 0 until the append gives it
 * byte  8  i32  tagHash      0
 * byte 12  i64  number      of the persistence id
 * byte 20  i64  revision      from 1
 * byte 28  i64  timestampMillis
 * byte 36  i32  serializerId
 * byte 40  i32  part      0 …
 * byte 44  i32  parts
 * byte 48  u8   deleted      1 if there is no state any more
 * byte 49  text serializerManifest
 *          text tag      empty if there is none
 *          i32 length and bytes: payload </pre>
 * The payload array is not copied and must not be changed.
 */
public record DurableStateRecord(
        long offset,
        long number,
        long revision,
        long timestampMillis,
        int serializerId,
        int part,
        int parts,
        boolean deleted,
        String serializerManifest,
        String tag,
        byte[] payload)
        implements LogRecord {
    public DurableStateRecord {
        Fields.notNegative("offset", offset);
        Fields.positive("number", number);
        Fields.positive("revision", revision);
        Fields.part(part, parts);
        Fields.text("serializerManifest", serializerManifest);
        Fields.text("tag", tag);
    }

    @Override
    public RecordType type() {
        return RecordType.DURABLE_STATE;
    }

    @Override
    public int bodyBytes() {
        return 49 + BodyWriter.textBytes(serializerManifest) + BodyWriter.textBytes(tag) + 4 + payload.length;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .offset(offset)
                .i64(number)
                .i64(revision)
                .i64(timestampMillis)
                .i32(serializerId)
                .i32(part)
                .i32(parts)
                .u8(deleted ? 1 : 0)
                .text(serializerManifest)
                .text(tag)
                .blob(payload);
    }

    static DurableStateRecord decode(BodyReader in) throws CorruptRecordException {
        return new DurableStateRecord(
                in.offset(),
                in.i64(),
                in.i64(),
                in.i64(),
                in.i32(),
                in.i32(),
                in.i32(),
                in.flag(),
                in.text(),
                in.text(),
                in.blob());
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof DurableStateRecord that
                && offset == that.offset
                && number == that.number
                && revision == that.revision
                && timestampMillis == that.timestampMillis
                && serializerId == that.serializerId
                && part == that.part
                && parts == that.parts
                && deleted == that.deleted
                && serializerManifest.equals(that.serializerManifest)
                && tag.equals(that.tag)
                && Arrays.equals(payload, that.payload);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(payload);
    }

    @Override
    public String toString() {
        return "DurableStateRecord[offset=" + offset + ", number=" + number + ", revision=" + revision
                + ", timestampMillis=" + timestampMillis
                + ", serializerId=" + serializerId + ", part=" + part + ", parts=" + parts + ", deleted=" + deleted
                + ", serializerManifest=" + serializerManifest + ", tag=" + tag + ", payloadBytes=" + payload.length
                + "]";
    }
}
