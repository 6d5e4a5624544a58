package io.forebay.storage.log;

import java.util.Arrays;
import java.util.List;

/**
 * One event of a persistent actor; the events of an atomic write share a frame. Owner: a reserved queue.
 * <pre> byte  0  i64  offset      in its queue; 0 until the append gives it
 * byte  8  i32  tagHash      0
 * byte 12  i32  serializerId
 * byte 16  i64  number      of the persistence id
 * byte 24  i64  sequenceNr      of the event, from 1
 * byte 32  i64  timestampMillis
 * byte 40  i64  previousOffset      of the event of this persistence id before it; −1 if there is none or it is not needed
 * byte 48  i32  metadataSerializerId      0 without metadata
 * byte 52  text writerUuid
 *          text adapterManifest
 *          text serializerManifest
 *          text metadataManifest
 *          u16 count, then texts: tags
 *          i32 length and bytes: metadata      empty without metadata
 *          i32 length and bytes: earlier      offsets of more events before it; empty in most
 *          i32 length and bytes: payload </pre>
 * The metadata, earlier and payload arrays are not copied and must not be changed.
 */
public record PersistenceEventRecord(
        long offset,
        int serializerId,
        long number,
        long sequenceNr,
        long timestampMillis,
        long previousOffset,
        int metadataSerializerId,
        String writerUuid,
        String adapterManifest,
        String serializerManifest,
        String metadataManifest,
        List<String> tags,
        byte[] metadata,
        byte[] earlier,
        byte[] payload)
        implements LogRecord {
    public PersistenceEventRecord {
        Fields.notNegative("offset", offset);
        Fields.positive("number", number);
        Fields.positive("sequenceNr", sequenceNr);
        Fields.check(previousOffset >= -1, "previousOffset", previousOffset, "-1 or more");
        Fields.text("writerUuid", writerUuid);
        Fields.text("adapterManifest", adapterManifest);
        Fields.text("serializerManifest", serializerManifest);
        Fields.text("metadataManifest", metadataManifest);
        tags = Fields.copy("tags", tags);
    }

    @Override
    public RecordType type() {
        return RecordType.PERSISTENCE_EVENT;
    }

    @Override
    public int bodyBytes() {
        return 52
                + BodyWriter.textBytes(writerUuid)
                + BodyWriter.textBytes(adapterManifest)
                + BodyWriter.textBytes(serializerManifest)
                + BodyWriter.textBytes(metadataManifest)
                + BodyWriter.textsBytes(tags)
                + 4
                + metadata.length
                + 4
                + earlier.length
                + 4
                + payload.length;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .offset(offset)
                .i32(serializerId)
                .i64(number)
                .i64(sequenceNr)
                .i64(timestampMillis)
                .i64(previousOffset)
                .i32(metadataSerializerId)
                .text(writerUuid)
                .text(adapterManifest)
                .text(serializerManifest)
                .text(metadataManifest)
                .texts(tags)
                .blob(metadata)
                .blob(earlier)
                .blob(payload);
    }

    static PersistenceEventRecord decode(BodyReader in) throws CorruptRecordException {
        return new PersistenceEventRecord(
                in.offset(),
                in.i32(),
                in.i64(),
                in.i64(),
                in.i64(),
                in.i64(),
                in.i32(),
                in.text(),
                in.text(),
                in.text(),
                in.text(),
                in.texts(),
                in.blob(),
                in.blob(),
                in.blob());
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof PersistenceEventRecord that
                && offset == that.offset
                && number == that.number
                && sequenceNr == that.sequenceNr
                && timestampMillis == that.timestampMillis
                && previousOffset == that.previousOffset
                && serializerId == that.serializerId
                && metadataSerializerId == that.metadataSerializerId
                && writerUuid.equals(that.writerUuid)
                && adapterManifest.equals(that.adapterManifest)
                && serializerManifest.equals(that.serializerManifest)
                && metadataManifest.equals(that.metadataManifest)
                && tags.equals(that.tags)
                && Arrays.equals(metadata, that.metadata)
                && Arrays.equals(earlier, that.earlier)
                && Arrays.equals(payload, that.payload);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(metadata);
    }

    @Override
    public String toString() {
        return "PersistenceEventRecord[offset=" + offset + ", number=" + number + ", sequenceNr=" + sequenceNr
                + ", timestampMillis="
                + timestampMillis + ", previousOffset=" + previousOffset + ", serializerId=" + serializerId
                + ", metadataSerializerId=" + metadataSerializerId
                + ", writerUuid=" + writerUuid + ", adapterManifest=" + adapterManifest + ", serializerManifest="
                + serializerManifest + ", metadataManifest=" + metadataManifest + ", tags=" + tags + ", metadataBytes="
                + metadata.length + ", earlierBytes=" + earlier.length + ", payloadBytes=" + payload.length + "]";
    }
}
