package io.forebay.topic.core;

import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.RegistryEvents;
import io.forebay.storage.log.RegistrySnapshot;
import io.forebay.storage.log.SnapshotParts;
import io.forebay.storage.log.SnapshotRecord;
import java.util.List;

/**
 * The registry's state out of its {@linkplain RegistryEvents events}, and what has to become an event of a state that was written in
 * another way. Confined to one thread.
 *
 * <p>A snapshot counts when its last part is there: of one that was not finished nothing is left as soon as something else comes.
 */
public final class RegistryHistory {
    private final RegistryLimits limits;
    private final SnapshotParts parts = new SnapshotParts();
    private RegistryState state;
    private boolean isEmpty = true;
    /** Whether parts of a snapshot may have been before, and are lost. */
    private boolean isBehindGap;

    public RegistryHistory(RegistryLimits limits) {
        this.limits = limits;
        state = new RegistryState(limits);
    }

    /** As it is now; what one of them takes from here on is nothing to the other. A snapshot that is not whole is in neither. */
    public RegistryHistory copy() {
        RegistryHistory copy = new RegistryHistory(limits);
        copy.state = RegistryState.restore(limits, state.snapshot(), -1);
        copy.isEmpty = isEmpty;
        return copy;
    }

    /** Events that would come now are not there any more: what is left of a snapshot that began among them counts for nothing. */
    public void passOver() {
        parts.clear();
        isBehindGap = true;
    }

    /**
     * Takes the next event.
     *
     * @throws CorruptRecordException if it is none, or a snapshot is not what it says
     */
    public void apply(LogRecord event) throws CorruptRecordException {
        if (event instanceof SnapshotRecord part) {
            if (isBehindGap && part.part() > 0) {
                return;
            }
            isBehindGap = false;
            SnapshotParts.Whole whole = parts.addOrNull(part);
            if (whole != null) {
                state = RegistryState.restore(limits, RegistrySnapshot.decode(whole.payload()), -1);
                isEmpty = false;
            }
            return;
        }
        parts.clear();
        isBehindGap = false;
        if (!state.apply(event)) {
            throw new CorruptRecordException("a record of type " + event.type() + " among the registry's events");
        }
        isEmpty = false;
    }

    /** As of the last event; another one when a snapshot has come. */
    public RegistryState state() {
        return state;
    }

    /**
     * What has to be an event before anything else is, so that nothing is lost of what an older version has written as records of the
     * stripe's own, or a repair of the log, which passes over ids there. Idempotent: once these events are stored, all of them, it is
     * nothing, and as long as they are not, the same; whatever of it is stored, and however often.
     *
     * @param records the state that the stripe's own records say
     * @param payloadBytesMax of one event
     * @return in order; to be stored one after the other
     */
    public List<LogRecord> missing(RegistrySnapshot records, int payloadBytesMax) {
        RegistrySnapshot own = state.snapshot();
        RegistrySnapshot all = withIds(isEmpty ? records : own, own, records);
        return all.equals(own) ? List.of() : events(all, payloadBytesMax);
    }

    /** A state as events; they take the place of all that is stored before. */
    public static List<LogRecord> events(RegistrySnapshot snapshot, int payloadBytesMax) {
        return List.copyOf(SnapshotRecord.split(0, 0, 0, snapshot.encode(), payloadBytesMax));
    }

    /** What is left for the stripe's own records to say, when all else is stored as events: which ids are not to be given again. */
    public static RegistrySnapshot remainder(RegistrySnapshot records) {
        return withIds(new RegistrySnapshot(1, 1, 1, List.of(), List.of(), List.of(), List.of()), records, records);
    }

    private static RegistrySnapshot withIds(RegistrySnapshot of, RegistrySnapshot one, RegistrySnapshot other) {
        return new RegistrySnapshot(
                Math.max(one.nextTopicId(), other.nextTopicId()),
                Math.max(one.nextGroupId(), other.nextGroupId()),
                Math.max(one.nextQueueId(), other.nextQueueId()),
                of.topics(),
                of.groups(),
                of.subscriptions(),
                of.histories());
    }
}
