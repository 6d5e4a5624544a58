package io.forebay.storage.log;

import io.forebay.storage.index.QueueIndex;
import io.forebay.storage.io.DiskFullException;
import io.forebay.storage.io.LittleEndian;
import io.forebay.storage.log.StripeException.Reason;
import java.io.IOException;
import java.util.Arrays;
import java.util.Map;

/** Gives the records of a frame their numbers, offsets and index entries. The StoreWriter's thread. */
final class Numbering {
    private static final byte ENTRY = (byte) RecordType.ENTRY.number();
    private static final byte SNAPSHOT = (byte) RecordType.SNAPSHOT.number();
    private static final byte MANIFEST = (byte) RecordType.MANIFEST.number();

    private final int stripeId;
    private final OwnerTable owners;
    private final BodyPins pins;
    private final QueueIndex index;
    private final Map<Integer, QueueMarks> marks;
    private QueueMarks[] touched = new QueueMarks[4];
    private boolean hasSnapshots;
    private boolean hasEntries;

    Numbering(int stripeId, OwnerTable owners, BodyPins pins, QueueIndex index, Map<Integer, QueueMarks> marks) {
        this.stripeId = stripeId;
        this.owners = owners;
        this.pins = pins;
        this.index = index;
        this.marks = marks;
    }

    /** Whether the frame numbered last holds snapshots. */
    boolean hasSnapshots() {
        return hasSnapshots;
    }

    /** Whether the frame numbered last holds entries. */
    boolean hasEntries() {
        return hasEntries;
    }

    /**
     * Gives numbers, offsets and index entries to all records, or none.
     *
     * @param isFileMade whether a file of the index may be made here if need be; else that is refused with
     *     {@link Reason#NOT_PREPARED}
     */
    void number(Frame frame, long position, boolean isFileMade) throws StripeException {
        byte[] image = frame.image();
        int count = frame.recordCount();
        int done = 0;
        int touchedCount = 0;
        hasSnapshots = false;
        hasEntries = false;
        long key = -1;
        int slot = -1;
        try {
            for (; done < count; done++) {
                int at = frame.recordAt(done);
                int queueId = LittleEndian.getInt(image, at + 8);
                long recordKey = Owner.key(queueId, LittleEndian.getInt(image, at + 12));
                if (recordKey != key) {
                    key = recordKey;
                    slot = owners.slot(key);
                    owners.leftOutFrom[slot] = 0;
                }
                byte type = image[at + 4];
                if (Frame.hasOffset(type)) {
                    QueueMarks queue = owners.marks[slot];
                    if (queue == null) {
                        queue = marks.computeIfAbsent(queueId, QueueMarks::new);
                        owners.marks[slot] = queue;
                    }
                    if (touchedCount == 0 || touched[touchedCount - 1] != queue) {
                        if (touchedCount == touched.length) {
                            touched = Arrays.copyOf(touched, touchedCount * 2);
                        }
                        touched[touchedCount++] = queue;
                    }
                    giveOffset(frame, done, queue, position, isFileMade);
                    hasEntries |= type == ENTRY;
                }
                LittleEndian.putLong(image, at + 16, ++owners.lastNumber[slot]);
                if (type == SNAPSHOT) {
                    hasSnapshots = true;
                } else if (type != MANIFEST) {
                    owners.lastStateNumber[slot] = owners.lastNumber[slot];
                }
            }
        } catch (StripeException e) {
            takeBack(frame, done);
            throw e;
        } catch (IOException e) {
            takeBack(frame, done);
            throw new StripeException(
                    e instanceof DiskFullException ? Reason.DISK_FULL : Reason.DEVICE_FAILED,
                    "no room in the queue index of stripe " + stripeId + ": " + e.getMessage(),
                    e);
        }
        if (touchedCount < touched.length) {
            touched[touchedCount] = null;
        }
    }

    private void giveOffset(Frame frame, int record, QueueMarks queue, long position, boolean isFileMade)
            throws IOException {
        byte[] image = frame.image();
        int at = frame.recordAt(record);
        int body = at + FrameCodec.RECORD_HEADER_BYTES;
        long offset = queue.giveOffset();
        LittleEndian.putLong(image, body, offset);
        int bytes = LittleEndian.getInt(image, at);
        int tagHash = LittleEndian.getInt(image, body + 8);
        boolean isPut = false;
        try {
            if (isFileMade) {
                index.put(queue.queueId(), offset, position, record, bytes, tagHash);
            } else if (!index.putIfPrepared(queue.queueId(), offset, position, record, bytes, tagHash)) {
                throw new StripeException(
                        Reason.NOT_PREPARED, "no room is prepared in the queue index of stripe " + stripeId);
            }
            isPut = true;
        } finally {
            if (!isPut) {
                queue.takeBackOffset();
            }
        }
        if (image[at + 4] == ENTRY) {
            // A pin too many, of an append that fails in the end, is dropped when its offset is released.
            pins.add(queue, offset, LittleEndian.getInt(image, body + 12), LittleEndian.getLong(image, body + 16));
        }
    }

    /** The frame is not appended after all. */
    void takeBack(Frame frame) {
        takeBack(frame, frame.recordCount());
    }

    private void takeBack(Frame frame, int count) {
        for (int record = count - 1; record >= 0; record--) {
            int slot = owners.slot(Owner.key(frame.queueId(record), frame.groupId(record)));
            long number = --owners.lastNumber[slot];
            // At worst an owner counts as changed that is not.
            owners.lastStateNumber[slot] = Math.min(owners.lastStateNumber[slot], number);
            if (Frame.hasOffset(frame.image()[frame.recordAt(record) + 4])) {
                owners.marks[slot].takeBackOffset();
            }
        }
        touched[0] = null;
    }

    /** What the frame numbered last holds is written: its offsets can be read. */
    void publishOffsets() {
        for (QueueMarks queue : touched) {
            if (queue == null) {
                return;
            }
            queue.publish();
        }
    }

    /** Takes down the snapshots of an appended frame. */
    void noteSnapshots(Frame frame, long position) {
        byte[] image = frame.image();
        for (int record = 0; record < frame.recordCount(); record++) {
            int at = frame.recordAt(record);
            if (image[at + 4] == SNAPSHOT) {
                int body = at + FrameCodec.RECORD_HEADER_BYTES;
                int slot = owners.slot(Owner.key(frame.queueId(record), frame.groupId(record)));
                int part = LittleEndian.getInt(image, body + 24);
                int parts = LittleEndian.getInt(image, body + 28);
                long held = LittleEndian.getLong(image, body + 8);
                OwnerTable.Snapshot pending = owners.pending[slot];
                if (held > owners.lastStateNumber[slot]) {
                    // It claims records that do not exist: not counting it keeps the log, counting it could lose some.
                    owners.pending[slot] = null;
                } else if (part == 0) {
                    owners.pending[slot] = new OwnerTable.Snapshot(
                            position, frame.firstSequence() + record, LittleEndian.getLong(image, body), held, parts);
                } else if (pending != null && pending.partCount == part && pending.heldNumber == held) {
                    pending.partCount++;
                    pending.lastPosition = position;
                } else {
                    owners.pending[slot] = null;
                }
            }
        }
    }
}
