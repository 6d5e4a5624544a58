package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.List;

/** Puts the parts of snapshots together, which come one behind the other. Confined to one thread. */
public final class SnapshotParts {
    /**
     * A snapshot of which every part is there.
     *
     * @param heldSequence the owner's records up to this sequence are in it
     * @param heldOwnerNumber the owner's own number of the last of them
     * @param payload an owner's state, encoded
     */
    public record Whole(long heldSequence, long heldOwnerNumber, byte[] payload) {}

    private final List<SnapshotRecord> parts = new ArrayList<>();

    /**
     * Takes the next part; the first one of a snapshot lets go of one that is not whole.
     *
     * @return null while there are more to come
     * @throws CorruptRecordException if it is none, or not the next one
     */
    public Whole addOrNull(RecordView view) throws CorruptRecordException {
        if (!(view.decode() instanceof SnapshotRecord part)) {
            throw new CorruptRecordException("a snapshot of type " + view.type());
        }
        return addOrNull(part);
    }

    /** The same of one that is decoded. */
    public Whole addOrNull(SnapshotRecord part) throws CorruptRecordException {
        if (part.part() == 0) {
            parts.clear();
        }
        parts.add(part);
        if (part.part() < part.parts() - 1) {
            return null;
        }
        List<SnapshotRecord> all = List.copyOf(parts);
        parts.clear();
        return new Whole(part.heldSequence(), part.heldOwnerNumber(), SnapshotRecord.join(all));
    }

    /** Lets go of a snapshot that is not whole. */
    public void clear() {
        parts.clear();
    }
}
