package io.forebay.storage.log;

import java.util.Arrays;

/**
 * Part of a snapshot of a persistent actor; it counts when all parts are there, one behind the other with nothing of the queue
 * between them. Owner: a reserved queue.
 * <pre> byte  0  i64  offset      in its queue; 0 until the append gives it
 * byte  8  i32  tagHash      0
 * byte 12  i64  number      of the persistence id
 * byte 20  i64  sequenceNr
 * byte 28  i64  timestampMillis
 * byte 36  i32  serializerId
 * byte 40  i32  metadataSerializerId      0 without metadata
 * byte 44  i32  part      0 …
 * byte 48  i32  parts
 * byte 52  text serializerManifest
 *          text metadataManifest
 *          i32 length and bytes: metadata      empty without metadata
 *          i32 length and bytes: payload </pre>
 * Manifests and metadata are those of the first part; the others have none.
 * The metadata and payload arrays are not copied and must not be changed.
 */
public record PersistenceSnapshotRecord(
        long offset,
        long number,
        long sequenceNr,
        long timestampMillis,
        int serializerId,
        int metadataSerializerId,
        int part,
        int parts,
        String serializerManifest,
        String metadataManifest,
        byte[] metadata,
        byte[] payload)
        implements LogRecord {
    public PersistenceSnapshotRecord {
        Fields.notNegative("offset", offset);
        Fields.positive("number", number);
        Fields.part(part, parts);
        Fields.text("serializerManifest", serializerManifest);
        Fields.text("metadataManifest", metadataManifest);
    }

    @Override
    public RecordType type() {
        return RecordType.PERSISTENCE_SNAPSHOT;
    }

    @Override
    public int bodyBytes() {
        return 52
                + BodyWriter.textBytes(serializerManifest)
                + BodyWriter.textBytes(metadataManifest)
                + 4
                + metadata.length
                + 4
                + payload.length;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .offset(offset)
                .i64(number)
                .i64(sequenceNr)
                .i64(timestampMillis)
                .i32(serializerId)
                .i32(metadataSerializerId)
                .i32(part)
                .i32(parts)
                .text(serializerManifest)
                .text(metadataManifest)
                .blob(metadata)
                .blob(payload);
    }

    static PersistenceSnapshotRecord decode(BodyReader in) throws CorruptRecordException {
        return new PersistenceSnapshotRecord(
                in.offset(),
                in.i64(),
                in.i64(),
                in.i64(),
                in.i32(),
                in.i32(),
                in.i32(),
                in.i32(),
                in.text(),
                in.text(),
                in.blob(),
                in.blob());
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof PersistenceSnapshotRecord that
                && offset == that.offset
                && number == that.number
                && sequenceNr == that.sequenceNr
                && timestampMillis == that.timestampMillis
                && serializerId == that.serializerId
                && metadataSerializerId == that.metadataSerializerId
                && part == that.part
                && parts == that.parts
                && serializerManifest.equals(that.serializerManifest)
                && metadataManifest.equals(that.metadataManifest)
                && Arrays.equals(metadata, that.metadata)
                && Arrays.equals(payload, that.payload);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(metadata);
    }

    @Override
    public String toString() {
        return "PersistenceSnapshotRecord[offset=" + offset + ", number=" + number + ", sequenceNr=" + sequenceNr
                + ", timestampMillis="
                + timestampMillis + ", serializerId=" + serializerId + ", metadataSerializerId=" + metadataSerializerId
                + ", part=" + part + ", parts=" + parts + ", serializerManifest=" + serializerManifest
                + ", metadataManifest=" + metadataManifest + ", metadataBytes=" + metadata.length + ", payloadBytes="
                + payload.length + "]";
    }
}
