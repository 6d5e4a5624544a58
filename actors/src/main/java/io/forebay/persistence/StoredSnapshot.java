package io.forebay.persistence;

import io.forebay.persistence.core.SnapshotTable;
import io.forebay.persistence.core.UnreadableSnapshotException;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.PersistenceSnapshotRecord;
import io.forebay.storage.log.QueueReader;
import io.forebay.store.StripeHandle;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads the parts of one snapshot, in as many goes as it takes: what cannot be read for now is gone on with later. Used by one
 * thread at a time; waits for the device.
 */
final class StoredSnapshot {
    private final QueueReader reader;
    private final String persistenceId;
    private final SnapshotTable.Place place;
    private final List<PersistenceSnapshotRecord> parts = new ArrayList<>();

    StoredSnapshot(StripeHandle stripe, int queueId, String persistenceId, SnapshotTable.Place place) {
        reader = stripe.log().newReader(queueId);
        this.persistenceId = persistenceId;
        this.place = place;
    }

    /**
     * Reads what has not been read.
     *
     * @return all of it as one part; null if it is not stored any more, because it was deleted or replaced
     * @throws NotNowException if there is more, for a later call
     * @throws UnreadableSnapshotException if a part of it is damaged or missing
     */
    PersistenceSnapshotRecord readOrNull() throws NotNowException, UnreadableSnapshotException {
        while (parts.size() < place.parts()) {
            QueueReader.Result result = reader.read(
                    place.firstOffset() + parts.size(),
                    place.parts() - parts.size(),
                    Long.MAX_VALUE,
                    (offset, record, body) -> {
                        if (!(record.decode() instanceof PersistenceSnapshotRecord part)
                                || !place.isPart(part, parts.size())) {
                            throw new CorruptRecordException("another record lies there: " + record);
                        }
                        parts.add(part);
                    });
            switch (result.status()) {
                case READ -> {
                    if (result.count() == 0) {
                        throw new UnreadableSnapshotException(text("it is not stored"));
                    }
                }
                case GONE -> {
                    return null;
                }
                case NOT_READABLE ->
                    throw new NotNowException(text("the stripe makes a failed force good, or is closed"));
                case FAILED -> throw new NotNowException(text(result.problem().text()));
                case QUARANTINED ->
                    throw new UnreadableSnapshotException(text(result.problem().text()));
            }
        }
        return joined();
    }

    private String text(String reason) {
        return "snapshot " + place.sequenceNr() + " of persistence id '" + persistenceId + "' cannot be read: part "
                + (parts.size() + 1) + " of " + place.parts() + ", at offset " + (place.firstOffset() + parts.size())
                + " of queue " + reader.queueId() + ": " + reason;
    }

    private PersistenceSnapshotRecord joined() throws UnreadableSnapshotException {
        PersistenceSnapshotRecord first = parts.get(0);
        if (parts.size() == 1) {
            return first;
        }
        long bytes = 0;
        for (PersistenceSnapshotRecord part : parts) {
            bytes += part.payload().length;
        }
        if (bytes > Integer.MAX_VALUE - 8) {
            throw new UnreadableSnapshotException("snapshot " + place.sequenceNr() + " of persistence id '"
                    + persistenceId + "' cannot be read: it has " + bytes + " bytes");
        }
        byte[] payload = new byte[(int) bytes];
        int at = 0;
        for (PersistenceSnapshotRecord part : parts) {
            System.arraycopy(part.payload(), 0, payload, at, part.payload().length);
            at += part.payload().length;
        }
        parts.clear();
        return new PersistenceSnapshotRecord(
                first.offset(),
                first.number(),
                first.sequenceNr(),
                first.timestampMillis(),
                first.serializerId(),
                first.metadataSerializerId(),
                0,
                1,
                first.serializerManifest(),
                first.metadataManifest(),
                first.metadata(),
                payload);
    }
}
