package io.forebay.queue.core;

/**
 * In an ordered group, the messages of each key that are not settled, in order of offset: only the first of a line may be
 * out; a parked one is not settled, so what is behind it waits. A key is known by a hash of 64 bits: two keys with the same one would wait for each
 * other, which keeps every order. Messages without a key stand in no line. Memory follows the window. Confined to its owner.
 */
final class KeyLines {
    static final long NO_KEY = 0;
    private static final long NO_OFFSET = -1;

    /** One key with messages in the window. */
    static final class Line {
        final long keyHash;
        private long head;
        private long tail;
        private int count;

        private Line(long keyHash, long offset) {
            this.keyHash = keyHash;
            head = offset;
            tail = offset;
        }

        /** Messages of this key that are not settled, as far as they have been looked at. */
        int count() {
            return count;
        }
    }

    private final MessageWindow window;
    private final LongMap<Line> byHash = new LongMap<>();
    private int mask = -1;
    private Line[] lines = {};
    /** How far it is to the next one of the line; kept for those that are settled, so that a line can be walked over them. */
    private int[] distances = {};

    KeyLines(MessageWindow window) {
        this.window = window;
    }

    int lineCount() {
        return byHash.size();
    }

    /** Puts a message at the end of its key's line; messages come in order of offset. The window has it already. */
    void add(long offset, long keyHash) {
        ensure();
        int slot = (int) offset & mask;
        distances[slot] = 0;
        if (keyHash == NO_KEY) {
            lines[slot] = null;
            return;
        }
        Line line = byHash.get(keyHash);
        if (line == null) {
            line = new Line(keyHash, offset);
            byHash.put(keyHash, line);
        } else {
            distances[(int) line.tail & mask] = (int) (offset - line.tail);
            line.tail = offset;
        }
        line.count++;
        lines[slot] = line;
    }

    /** The line of a message that was added and is not settled; null if it has no key. */
    Line line(long offset) {
        ensure();
        return lines[(int) offset & mask];
    }

    /** Whether no earlier message of its key holds it back. */
    boolean isFree(long offset) {
        Line line = line(offset);
        return line == null || line.head == offset;
    }

    /**
     * A message that was added is settled, or is not to be waited for any more.
     *
     * @return who is first of the line now; -1 if that has not changed, or nobody is left
     */
    long remove(long offset) {
        ensure();
        int slot = (int) offset & mask;
        Line line = lines[slot];
        if (line == null) {
            return NO_OFFSET;
        }
        lines[slot] = null;
        if (--line.count == 0) {
            byHash.remove(line.keyHash);
            return NO_OFFSET;
        }
        if (line.head != offset) {
            return NO_OFFSET;
        }
        long next = offset;
        do {
            next += distances[(int) next & mask];
        } while (lines[(int) next & mask] != line);
        line.head = next;
        return next;
    }

    private void ensure() {
        int capacity = window.capacity();
        if (capacity == mask + 1) {
            return;
        }
        Line[] oldLines = lines;
        int[] oldDistances = distances;
        int oldMask = mask;
        mask = capacity - 1;
        lines = new Line[capacity];
        distances = new int[capacity];
        if (oldMask < 0 || byHash.size() == 0) {
            return;
        }
        long end = Math.min(window.cursor, window.floor + oldMask + 1);
        for (long offset = window.floor; offset < end; offset++) {
            lines[(int) offset & mask] = oldLines[(int) offset & oldMask];
            distances[(int) offset & mask] = oldDistances[(int) offset & oldMask];
        }
    }
}
