package io.forebay.queue.core;

import io.forebay.storage.log.SendWindow;

/**
 * The Sends that a queue remembers: the <em>set</em> of them, so that one which was refused, or never came, is not taken for
 * a duplicate because a later one was stored. A Send is <em>taken</em> when it is decided and becomes <em>written</em> with
 * its offset; it is forgotten when it is older than the window or more have come than the window holds, never before it is
 * written. Sends have numbers in the order in which they were taken. About 70 bytes each; nothing without any. Confined to
 * its actor.
 */
public final class DedupWindow {
    /** The number of no Send. */
    public static final long NONE = -1;

    private static final int CAPACITY_MIN = 64;
    private static final long[] EMPTY = {};

    private SendWindow.Kind kind = SendWindow.Kind.OFF;
    private long windowMillis = Long.MAX_VALUE;
    private int countMax = Integer.MAX_VALUE;

    // Numbers first ≤ writtenEnd ≤ end; the slot of a number is its low bits.
    private long first;
    private long writtenEnd;
    private long end;
    private long[] keyHighs = EMPTY;
    private long[] keyLows = EMPTY;
    private long[] offsets = EMPTY;
    private long[] sequences = EMPTY;
    private long[] logMillis = EMPTY;
    private int[] payloadCrcs = {};
    /** Open addressing: number + 1 of a Send, 0 for nothing. Twice as many as slots. */
    private long[] table = EMPTY;

    /**
     * What is remembered from now on.
     *
     * @return whether it is of another kind than before, so that everything is forgotten
     */
    public boolean configure(SendWindow.Kind newKind, long newWindowMillis, int newCountMax) {
        windowMillis = newWindowMillis;
        countMax = newCountMax;
        boolean isOther = begin(newKind);
        while (end - first > countMax && first < writtenEnd) {
            forgetFirst();
        }
        return isOther;
    }

    private boolean begin(SendWindow.Kind newKind) {
        if (newKind == kind) {
            return false;
        }
        kind = newKind;
        first = end;
        writtenEnd = end;
        release();
        return true;
    }

    public static SendWindow.Kind kindOf(Deduplication deduplication) {
        return switch (deduplication) {
            case OFF -> SendWindow.Kind.OFF;
            case PRODUCER -> SendWindow.Kind.PRODUCER;
            case MESSAGE_ID -> SendWindow.Kind.MESSAGE_ID;
        };
    }

    public SendWindow.Kind kind() {
        return kind;
    }

    /** @return how many are remembered, written or not */
    public int count() {
        return (int) (end - first);
    }

    /** @return log time of the newest that is written, -1 if there is none */
    public long newestMillis() {
        return writtenEnd == first ? -1 : logMillis[slot(writtenEnd - 1)];
    }

    /**
     * Forgets what is too old.
     *
     * @param nowMillis log time
     */
    public void forgetBefore(long nowMillis) {
        long oldest = nowMillis - windowMillis;
        while (first < writtenEnd && logMillis[slot(first)] < oldest) {
            forgetFirst();
        }
        if (first == end && table.length > 0) {
            release();
        }
    }

    /** @return the number of a Send, {@link #NONE} if it is not remembered */
    public long find(long keyHigh, long keyLow) {
        if (first == end) {
            return NONE;
        }
        for (int at = home(keyHigh, keyLow); table[at] != 0; at = at + 1 & table.length - 1) {
            long number = table[at] - 1;
            int slot = slot(number);
            if (keyHighs[slot] == keyHigh && keyLows[slot] == keyLow) {
                return number;
            }
        }
        return NONE;
    }

    /** Remembers a Send that is decided; it becomes the newest. @return its number */
    public long take(long keyHigh, long keyLow) {
        while (end - first >= countMax && first < writtenEnd) {
            forgetFirst();
        }
        if (end - first == keyHighs.length) {
            grow();
        }
        int slot = slot(end);
        keyHighs[slot] = keyHigh;
        keyLows[slot] = keyLow;
        long known = find(keyHigh, keyLow);
        if (known == NONE) {
            insert(end);
        } else {
            // Replayed: it was forgotten before it came again, which nobody noted.
            table[indexOf(known)] = end + 1;
        }
        return end++;
    }

    /** A Send is stored. In the order of their numbers; of one that is forgotten there is nothing to note. */
    public void written(long number, long offset, long sequence, int payloadCrc, long millis) {
        if (number < first) {
            return;
        }
        if (number != writtenEnd) {
            throw new AssertionError("Send " + number + " is written where " + writtenEnd + " is next");
        }
        int slot = slot(number);
        offsets[slot] = offset;
        sequences[slot] = sequence;
        payloadCrcs[slot] = payloadCrc;
        logMillis[slot] = Math.max(millis, newestMillis());
        writtenEnd++;
    }

    /** What was taken will not be written. */
    public void dropTaken() {
        while (end > writtenEnd) {
            end--;
            remove(end);
        }
    }

    public boolean isWritten(long number) {
        return number < writtenEnd;
    }

    /** Of a Send that is written, as the others. */
    public long offset(long number) {
        return offsets[slot(number)];
    }

    public long sequence(long number) {
        return sequences[slot(number)];
    }

    public int payloadCrc(long number) {
        return payloadCrcs[slot(number)];
    }

    // ---- snapshot and replay --------------------------------------------------------------------------------------

    /** What is written of it. */
    public SendWindow toSnapshot() {
        if (kind == SendWindow.Kind.OFF) {
            return SendWindow.NONE;
        }
        SendWindow.Builder builder = new SendWindow.Builder(kind, (int) (writtenEnd - first));
        for (long number = first; number < writtenEnd; number++) {
            int slot = slot(number);
            if (find(keyHighs[slot], keyLows[slot]) == number) {
                builder.add(
                        keyHighs[slot],
                        keyLows[slot],
                        offsets[slot],
                        sequences[slot],
                        logMillis[slot],
                        payloadCrcs[slot]);
            }
        }
        return builder.build();
    }

    /** As it was, without limits until it is configured. */
    public void restore(SendWindow snapshot) {
        begin(snapshot.kind());
        for (int i = 0; i < snapshot.count(); i++) {
            long number = take(snapshot.keyHigh(i), snapshot.keyLow(i));
            written(number, snapshot.offset(i), snapshot.sequence(i), snapshot.payloadCrc(i), snapshot.logMillis(i));
        }
    }

    /** The queue's record of what it remembers from there on. */
    public void replay(SendWindow.Kind newKind) {
        begin(newKind);
    }

    /** A message in the log. */
    public void replay(SendKey key, long offset, long sequence, int payloadCrc, long millis) {
        written(take(key.high(), key.low()), offset, sequence, payloadCrc, millis);
    }

    // ---- the table ------------------------------------------------------------------------------------------------

    private int slot(long number) {
        return (int) number & keyHighs.length - 1;
    }

    private int home(long keyHigh, long keyLow) {
        long mixed = (keyHigh * 0x9E3779B97F4A7C15L ^ keyLow) * 0xBF58476D1CE4E5B9L;
        return (int) (mixed >>> 32) & table.length - 1;
    }

    /** Where a Send stands; -1 if another one with its key took its place. */
    private int indexOf(long number) {
        int slot = slot(number);
        for (int at = home(keyHighs[slot], keyLows[slot]); table[at] != 0; at = at + 1 & table.length - 1) {
            if (table[at] == number + 1) {
                return at;
            }
        }
        return -1;
    }

    private void insert(long number) {
        int slot = slot(number);
        int at = home(keyHighs[slot], keyLows[slot]);
        while (table[at] != 0) {
            at = at + 1 & table.length - 1;
        }
        table[at] = number + 1;
    }

    private void forgetFirst() {
        remove(first);
        first++;
    }

    /** Takes it out, and moves up what stands behind it only because its place was taken. */
    private void remove(long number) {
        int hole = indexOf(number);
        if (hole < 0) {
            return;
        }
        int mask = table.length - 1;
        for (int at = hole + 1 & mask; table[at] != 0; at = at + 1 & mask) {
            int slot = slot(table[at] - 1);
            int distance = at - home(keyHighs[slot], keyLows[slot]) & mask;
            if (distance >= (at - hole & mask)) {
                table[hole] = table[at];
                hole = at;
            }
        }
        table[hole] = 0;
    }

    private void grow() {
        int capacity = Math.max(CAPACITY_MIN, 2 * keyHighs.length);
        keyHighs = moved(keyHighs, capacity);
        keyLows = moved(keyLows, capacity);
        offsets = moved(offsets, capacity);
        sequences = moved(sequences, capacity);
        logMillis = moved(logMillis, capacity);
        int[] crcs = new int[capacity];
        for (long number = first; number < end; number++) {
            crcs[(int) number & capacity - 1] = payloadCrcs[(int) number & payloadCrcs.length - 1];
        }
        payloadCrcs = crcs;
        long[] old = table;
        table = new long[2 * capacity];
        for (long entry : old) {
            if (entry != 0) {
                insert(entry - 1);
            }
        }
    }

    private long[] moved(long[] from, int capacity) {
        long[] to = new long[capacity];
        for (long number = first; number < end; number++) {
            to[(int) number & capacity - 1] = from[(int) number & from.length - 1];
        }
        return to;
    }

    private void release() {
        keyHighs = EMPTY;
        keyLows = EMPTY;
        offsets = EMPTY;
        sequences = EMPTY;
        logMillis = EMPTY;
        payloadCrcs = new int[0];
        table = EMPTY;
    }

    @Override
    public String toString() {
        return "DedupWindow[kind=" + kind + ", count=" + count() + ", taken=" + (end - writtenEnd) + "]";
    }
}
