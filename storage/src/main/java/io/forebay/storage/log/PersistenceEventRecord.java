package io.forebay.storage.log;

import java.util.Arrays;
import java.util.List;

/**
 * One event of a persistent actor; the events of an atomic write share a frame. Owner: the stripe.
 * <pre> byte  0  i64  number      of the persistence id
 * byte  8  i64  sequenceNr      of the event, from 1
 * byte 16  i64  timestampMillis
 * byte 24  i32  serializerId
 * byte 28  i32  metadataSerializerId      0 without metadata
 * byte 32  text writerUuid
 *          text adapterManifest
 *          text serializerManifest
 *          text metadataManifest
 *          u16 count, then texts: tags
 *          i32 length and bytes: metadata      empty without metadata
 *          i32 length and bytes: payload </pre>
 * The metadata and payload arrays are not copied and must not be changed.
 */
public record PersistenceEventRecord(
        long number,
        long sequenceNr,
        long timestampMillis,
        int serializerId,
        int metadataSerializerId,
        String writerUuid,
        String adapterManifest,
        String serializerManifest,
        String metadataManifest,
        List<String> tags,
        byte[] metadata,
        byte[] payload)
        implements LogRecord {
    public PersistenceEventRecord {
        Fields.positive("number", number);
        Fields.positive("sequenceNr", sequenceNr);
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
        return 32
                + BodyWriter.textBytes(writerUuid)
                + BodyWriter.textBytes(adapterManifest)
                + BodyWriter.textBytes(serializerManifest)
                + BodyWriter.textBytes(metadataManifest)
                + BodyWriter.textsBytes(tags)
                + 4
                + metadata.length
                + 4
                + payload.length;
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .i64(number)
                .i64(sequenceNr)
                .i64(timestampMillis)
                .i32(serializerId)
                .i32(metadataSerializerId)
                .text(writerUuid)
                .text(adapterManifest)
                .text(serializerManifest)
                .text(metadataManifest)
                .texts(tags)
                .blob(metadata)
                .blob(payload);
    }

    static PersistenceEventRecord decode(BodyReader in) throws CorruptRecordException {
        return new PersistenceEventRecord(
                in.i64(),
                in.i64(),
                in.i64(),
                in.i32(),
                in.i32(),
                in.text(),
                in.text(),
                in.text(),
                in.text(),
                in.texts(),
                in.blob(),
                in.blob());
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof PersistenceEventRecord that
                && number == that.number
                && sequenceNr == that.sequenceNr
                && timestampMillis == that.timestampMillis
                && serializerId == that.serializerId
                && metadataSerializerId == that.metadataSerializerId
                && writerUuid.equals(that.writerUuid)
                && adapterManifest.equals(that.adapterManifest)
                && serializerManifest.equals(that.serializerManifest)
                && metadataManifest.equals(that.metadataManifest)
                && tags.equals(that.tags)
                && Arrays.equals(metadata, that.metadata)
                && Arrays.equals(payload, that.payload);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(metadata);
    }

    @Override
    public String toString() {
        return "PersistenceEventRecord[number=" + number + ", sequenceNr=" + sequenceNr + ", timestampMillis="
                + timestampMillis + ", serializerId=" + serializerId + ", metadataSerializerId=" + metadataSerializerId
                + ", writerUuid=" + writerUuid + ", adapterManifest=" + adapterManifest + ", serializerManifest="
                + serializerManifest + ", metadataManifest=" + metadataManifest + ", tags=" + tags + ", metadataBytes="
                + metadata.length + ", payloadBytes=" + payload.length + "]";
    }
}
