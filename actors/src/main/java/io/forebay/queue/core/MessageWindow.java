package io.forebay.queue.core;

import java.util.Arrays;

/**
 * The messages of one group between its floor (the first not settled) and its cursor (the first not looked at): a ring with a
 * status and the story of the last delivery for each, and a bit for those that may go out now. It grows with {@code cursor -
 * floor} and holds nothing while that is empty. Confined to its owner.
 */
final class MessageWindow {
    // What a message is. Zero is what the ring is outside of the window.
    static final byte NONE = 0;
    /** Never out. */
    static final byte PENDING = 1;

    static final byte IN_FLIGHT = 2;
    /** Its deadline is over and its backoff is not. Its last delivery still counts for an Ack or an extension. */
    static final byte EXPIRED_WAITING = 3;
    /** Its deadline is over while the breaker is open: to be taken back uncounted. */
    static final byte EXPIRED_UNCOUNTED = 4;
    /** Its deadline is over; may go out again; its last delivery still counts for an Ack or an extension. */
    static final byte EXPIRED = 5;
    /** Nacked, given back or taken back, and not due yet. */
    static final byte WAITING = 6;
    /** Nacked, given back or taken back, and due; may go out again. */
    static final byte RETURNED = 7;
    /** Its last attempt has failed: to be dead-lettered or parked. */
    static final byte POISON = 8;
    /** Holds its key back until an operator decides. */
    static final byte PARKED = 9;
    /** The filter does not want it; to be settled unseen. */
    static final byte UNWANTED = 10;

    static final byte SETTLED = 11;
    /** Cannot be read: never goes out, is not settled and holds nobody back. */
    static final byte SKIPPED = 12;
    /** {@link #POISON} that somebody is dealing with. */
    static final byte POISON_TAKEN = 13;

    private static final int STATUS_COUNT = 14;
    private static final int CAPACITY_MIN = 64;
    private static final int CAPACITY_MAX = 1 << 30;
    private static final Checkpoint[] NO_CHECKPOINTS = {};

    long floor;
    long cursor;
    /** A message's slot is its offset modulo the capacity, a power of two; -1 while there is none. */
    int mask = -1;

    byte[] statuses = {};
    /** The attempts counted so far, the one in flight included. */
    int[] attempts = {};
    /** In flight, expired: the deadline. Waiting, returned: when it may go out again. Parked: since when. */
    long[] dueMillis = {};
    /** Log time of its first attempt that counts; 0 before, and if not known. */
    long[] firstPoppedMillis = {};
    /** The last delivery of a message that is not settled. */
    Checkpoint[] lastDeliveries = NO_CHECKPOINTS;

    private long[] readyBits = {};
    private int readyCount;
    /** No message below is ready. */
    private long readyFrom;

    private final int[] counts = new int[STATUS_COUNT];

    MessageWindow(long startOffset) {
        floor = startOffset;
        cursor = startOffset;
        readyFrom = startOffset;
    }

    int slot(long offset) {
        return (int) offset & mask;
    }

    boolean contains(long offset) {
        return offset >= floor && offset < cursor;
    }

    /** {@link #NONE} outside of the window. */
    byte status(long offset) {
        return contains(offset) ? statuses[slot(offset)] : NONE;
    }

    int count(byte status) {
        return counts[status];
    }

    /** Not ready any more, whatever it was; see {@link #ready}. */
    void status(long offset, byte status) {
        int slot = slot(offset);
        counts[statuses[slot]]--;
        counts[status]++;
        statuses[slot] = status;
        long bit = 1L << slot;
        if ((readyBits[slot >>> 6] & bit) != 0) {
            readyBits[slot >>> 6] &= ~bit;
            readyCount--;
        }
    }

    /** Moves the cursor up to an offset, exclusive; what it passes gets a status. */
    void extend(long end, byte status) {
        ensure(end);
        counts[status] += (int) (end - cursor);
        while (cursor < end) {
            int slot = slot(cursor++);
            statuses[slot] = status;
            attempts[slot] = 0;
            firstPoppedMillis[slot] = 0;
            lastDeliveries[slot] = null;
        }
    }

    /** Moves the floor over what is settled or cannot be read. */
    void advanceFloor() {
        while (floor < cursor) {
            int slot = slot(floor);
            byte status = statuses[slot];
            if (status != SETTLED && status != SKIPPED) {
                break;
            }
            counts[status]--;
            statuses[slot] = NONE;
            floor++;
        }
    }

    /** Empties it, to go on at an offset. */
    void restart(long offset) {
        Arrays.fill(statuses, NONE);
        Arrays.fill(lastDeliveries, null);
        Arrays.fill(readyBits, 0);
        Arrays.fill(counts, 0);
        readyCount = 0;
        readyFrom = offset;
        floor = offset;
        cursor = offset;
    }

    // ---- what may go out ----------------------------------------------------------------------------------------

    int readyCount() {
        return readyCount;
    }

    void ready(long offset) {
        int slot = slot(offset);
        long bit = 1L << slot;
        if ((readyBits[slot >>> 6] & bit) == 0) {
            readyBits[slot >>> 6] |= bit;
            readyFrom = readyCount++ == 0 ? offset : Math.min(readyFrom, offset);
        }
    }

    boolean isReady(long offset) {
        int slot = slot(offset);
        return (readyBits[slot >>> 6] & 1L << slot) != 0;
    }

    void clearReady() {
        Arrays.fill(readyBits, 0);
        readyCount = 0;
    }

    /** @return the first ready message, or -1 */
    long firstReady() {
        if (readyCount == 0) {
            return -1;
        }
        long ready = nextReady(readyFrom);
        if (ready >= 0) {
            readyFrom = ready;
        }
        return ready;
    }

    /** @return the first ready message at or above an offset, or -1 */
    long nextReady(long from) {
        long offset = Math.max(from, floor);
        while (offset < cursor) {
            int slot = slot(offset);
            long bits = readyBits[slot >>> 6] >>> slot;
            if (bits != 0) {
                long found = offset + Long.numberOfTrailingZeros(bits);
                // The rest of the word may already be the ring's beginning.
                return found < cursor ? found : -1;
            }
            offset = (offset | 63) + 1;
        }
        return -1;
    }

    // ---- ring ---------------------------------------------------------------------------------------------------

    int capacity() {
        return mask + 1;
    }

    /** Gives back the memory of a window that is empty. */
    void trim() {
        if (floor == cursor) {
            allocate(0);
        }
    }

    private void allocate(int capacity) {
        mask = capacity - 1;
        statuses = new byte[capacity];
        attempts = new int[capacity];
        dueMillis = new long[capacity];
        firstPoppedMillis = new long[capacity];
        lastDeliveries = capacity == 0 ? NO_CHECKPOINTS : new Checkpoint[capacity];
        readyBits = new long[capacity >>> 6];
    }

    /** Makes room for messages up to an offset, exclusive. */
    private void ensure(long end) {
        long count = end - floor;
        if (count <= mask + 1) {
            return;
        }
        if (count > CAPACITY_MAX) {
            throw new IllegalStateException("a window of " + count + " messages from " + floor
                    + " on; records of this group's queue are missing");
        }
        byte[] oldStatuses = statuses;
        int[] oldAttempts = attempts;
        long[] oldDueMillis = dueMillis;
        long[] oldFirstPoppedMillis = firstPoppedMillis;
        Checkpoint[] oldLastDeliveries = lastDeliveries;
        long[] oldReadyBits = readyBits;
        int oldMask = mask;
        allocate(Math.max(CAPACITY_MIN, Integer.highestOneBit((int) count - 1) << 1));
        for (long offset = floor; offset < cursor; offset++) {
            int from = (int) offset & oldMask;
            int to = slot(offset);
            statuses[to] = oldStatuses[from];
            attempts[to] = oldAttempts[from];
            dueMillis[to] = oldDueMillis[from];
            firstPoppedMillis[to] = oldFirstPoppedMillis[from];
            lastDeliveries[to] = oldLastDeliveries[from];
            if ((oldReadyBits[from >>> 6] & 1L << from) != 0) {
                readyBits[to >>> 6] |= 1L << to;
            }
        }
    }
}
