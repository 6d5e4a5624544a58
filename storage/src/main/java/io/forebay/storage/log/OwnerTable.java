package io.forebay.storage.log;

import java.util.Arrays;
import java.util.function.IntPredicate;

/**
 * What the log keeps about each owner, by {@link Owner#key()}: an open-addressing table of primitive columns, so that an
 * append allocates nothing. A slot number is valid until the next {@link #slot} or
 * {@link #dropLeftOut}. Confined to one thread.
 */
final class OwnerTable {
    private static final long EMPTY = -1;

    private long[] keys = new long[64];
    private int count;

    /** Number of the owner's last record. */
    long[] lastNumber = new long[64];

    /** Number of the last one that changed its state: no snapshot, no manifest. */
    long[] lastStateNumber = new long[64];

    /** {@link #lastNumber} when the running checkpoint began. */
    long[] beginNumber = new long[64];

    /** {@link #lastStateNumber} when the running checkpoint began. */
    long[] beginStateNumber = new long[64];

    /** {@link #lastNumber} at the replay start that counts. */
    long[] replayNumber = new long[64];

    /** The newest snapshot that counts; null without one. */
    Snapshot[] current = new Snapshot[64];

    /** One that was appended since; a failed force takes it back. */
    Snapshot[] pending = new Snapshot[64];

    /** The one that the running checkpoint's manifest lists; it counts when that is finished. */
    Snapshot[] listed = new Snapshot[64];

    /**
     * Number of the first checkpoint that leaves out the owner because it is gone; 0 while it is not. It keeps its numbers
     * until no start can meet the records it had: should more come, they go on from there.
     */
    long[] leftOutFrom = new long[64];

    /** Of a queue; null for others, and for a queue not heard of. */
    QueueMarks[] marks = new QueueMarks[64];

    /** A snapshot in the log. */
    static final class Snapshot {
        final long position;
        final long sequence;
        final long heldSequence;
        final long heldNumber;
        final int parts;
        int partCount = 1;
        /** Of the frame with its last part so far. */
        long lastPosition;

        Snapshot(long position, long sequence, long heldSequence, long heldNumber, int parts) {
            this.position = position;
            this.sequence = sequence;
            this.heldSequence = heldSequence;
            this.heldNumber = heldNumber;
            this.parts = parts;
            this.lastPosition = position;
        }

        boolean isComplete() {
            return partCount == parts;
        }
    }

    OwnerTable() {
        Arrays.fill(keys, EMPTY);
    }

    int count() {
        return count;
    }

    /** Slots run from 0 to here; unused ones have the key -1. */
    int capacity() {
        return keys.length;
    }

    /** Whether there is an owner that checkpoints care for. */
    boolean isThere(int slot) {
        return keys[slot] != EMPTY && leftOutFrom[slot] == 0;
    }

    boolean isUsed(int slot) {
        return keys[slot] != EMPTY;
    }

    long key(int slot) {
        return keys[slot];
    }

    /** The owner's slot; it gets one when it has none. */
    int slot(long key) {
        int mask = keys.length - 1;
        for (int slot = hash(key) & mask; ; slot = (slot + 1) & mask) {
            if (keys[slot] == key) {
                return slot;
            }
            if (keys[slot] == EMPTY) {
                if (count * 2 >= keys.length) {
                    grow();
                    return slot(key);
                }
                keys[slot] = key;
                count++;
                return slot;
            }
        }
    }

    /** The owner's slot or -1. */
    int find(long key) {
        int mask = keys.length - 1;
        for (int slot = hash(key) & mask; ; slot = (slot + 1) & mask) {
            if (keys[slot] == key) {
                return slot;
            }
            if (keys[slot] == EMPTY) {
                return -1;
            }
        }
    }

    private static int hash(long key) {
        long mixed = key * 0x9E37_79B9_7F4A_7C15L;
        return (int) (mixed >>> 32);
    }

    private void grow() {
        rebuild(keys.length * 2, slot -> false);
    }

    /** Checkpoints leave the owner out from that one on. */
    void leaveOut(int slot, long checkpointNumber) {
        leftOutFrom[slot] = checkpointNumber;
        current[slot] = null;
        pending[slot] = null;
        listed[slot] = null;
    }

    /** Forgets the owners that a finished checkpoint left out and that have no record behind its replay start. */
    void dropLeftOut(long checkpointNumber) {
        boolean hasSome = false;
        for (int slot = 0; slot < keys.length; slot++) {
            if (isDropped(slot, checkpointNumber)) {
                hasSome = true;
            }
        }
        if (hasSome) {
            // Rare, so everything is put anew instead of leaving graves.
            rebuild(keys.length, slot -> isDropped(slot, checkpointNumber));
        }
    }

    private boolean isDropped(int slot, long checkpointNumber) {
        return keys[slot] != EMPTY
                && leftOutFrom[slot] != 0
                && leftOutFrom[slot] <= checkpointNumber
                && lastNumber[slot] == beginNumber[slot];
    }

    private void rebuild(int capacity, IntPredicate isLeft) {
        OwnerTable old = new OwnerTable(this);
        boolean[] left = new boolean[old.keys.length];
        for (int slot = 0; slot < left.length; slot++) {
            left[slot] = isLeft.test(slot);
        }
        keys = new long[capacity];
        Arrays.fill(keys, EMPTY);
        count = 0;
        lastNumber = new long[capacity];
        lastStateNumber = new long[capacity];
        beginNumber = new long[capacity];
        beginStateNumber = new long[capacity];
        replayNumber = new long[capacity];
        current = new Snapshot[capacity];
        pending = new Snapshot[capacity];
        listed = new Snapshot[capacity];
        leftOutFrom = new long[capacity];
        marks = new QueueMarks[capacity];
        for (int from = 0; from < old.keys.length; from++) {
            long key = old.keys[from];
            if (key != EMPTY && !left[from]) {
                int to = slot(key);
                lastNumber[to] = old.lastNumber[from];
                lastStateNumber[to] = old.lastStateNumber[from];
                beginNumber[to] = old.beginNumber[from];
                beginStateNumber[to] = old.beginStateNumber[from];
                replayNumber[to] = old.replayNumber[from];
                current[to] = old.current[from];
                pending[to] = old.pending[from];
                listed[to] = old.listed[from];
                leftOutFrom[to] = old.leftOutFrom[from];
                marks[to] = old.marks[from];
            }
        }
    }

    private OwnerTable(OwnerTable other) {
        keys = other.keys;
        lastNumber = other.lastNumber;
        lastStateNumber = other.lastStateNumber;
        beginNumber = other.beginNumber;
        beginStateNumber = other.beginStateNumber;
        replayNumber = other.replayNumber;
        current = other.current;
        pending = other.pending;
        listed = other.listed;
        leftOutFrom = other.leftOutFrom;
        marks = other.marks;
    }

    long heldNumber(int slot) {
        return current[slot] == null ? 0 : current[slot].heldNumber;
    }
}
