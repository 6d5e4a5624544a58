package io.forebay.persistence;

import io.forebay.persistence.core.StateTable;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.DurableStateRecord;
import io.forebay.storage.log.QueueReader;
import io.forebay.store.StripeHandle;
import java.io.Serial;
import java.util.ArrayList;
import java.util.List;

/** Reads the parts of stored states. Waits for the device. */
final class StateReader {
    /** The stripe cannot be read for now, or the device did not give something: it may be tried again. */
    static final class NotNowException extends Exception {
        @Serial
        private static final long serialVersionUID = 1;

        NotNowException(String message) {
            super(message);
        }
    }

    /** A state is stored and cannot be read; the message says which, where and why. */
    static final class UnreadableStateException extends Exception {
        @Serial
        private static final long serialVersionUID = 1;

        UnreadableStateException(String message) {
            super(message);
        }
    }

    private StateReader() {}

    /**
     * All parts of a revision of a state.
     *
     * @param place of at least one part
     * @return null if it is not stored any more: another revision is
     * @throws NotNowException if it may be tried again
     * @throws UnreadableStateException if it is damaged
     */
    static List<DurableStateRecord> readOrNull(StripeHandle stripe, String persistenceId, StateTable.Place place)
            throws NotNowException, UnreadableStateException {
        QueueReader reader = stripe.log().newReader(ShardKind.STATES.queueId(ShardKind.shardOf(persistenceId)));
        List<DurableStateRecord> parts = new ArrayList<>(place.parts());
        while (parts.size() < place.parts()) {
            QueueReader.Result result = reader.read(
                    place.firstOffset() + parts.size(),
                    place.parts() - parts.size(),
                    Long.MAX_VALUE,
                    (offset, record, body) -> {
                        if (!(record.decode() instanceof DurableStateRecord part)
                                || part.number() != place.number()
                                || part.revision() != place.revision()
                                || part.part() != parts.size()
                                || part.parts() != place.parts()) {
                            throw new CorruptRecordException("it is another record: " + record);
                        }
                        parts.add(part);
                    });
            switch (result.status()) {
                case READ -> {
                    if (result.count() == 0) {
                        throw new UnreadableStateException(
                                text(persistenceId, place, result) + " cannot be read: it is not stored");
                    }
                }
                case GONE -> {
                    return null;
                }
                case NOT_READABLE ->
                    throw new NotNowException(text(persistenceId, place, result)
                            + " cannot be read: the stripe makes a failed force good, or is closed");
                case FAILED ->
                    throw new NotNowException(text(persistenceId, place, result) + " cannot be read: "
                            + result.problem().text());
                case QUARANTINED ->
                    throw new UnreadableStateException(text(persistenceId, place, result) + " cannot be read: "
                            + result.problem().text());
            }
        }
        return parts;
    }

    private static String text(String persistenceId, StateTable.Place place, QueueReader.Result result) {
        return "revision " + place.revision() + " of the state of persistence id '" + persistenceId + "', part "
                + (result.nextOffset() - place.firstOffset()) + " of " + place.parts() + ", at offset "
                + result.nextOffset();
    }
}
