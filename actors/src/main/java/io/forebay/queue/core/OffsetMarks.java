package io.forebay.queue.core;

import io.forebay.storage.log.QueueSnapshot;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * When a queue's messages were written and how many bytes they are, at some offsets: of each mark it is known that what lies
 * below its offset was written at its time or before, and all else not before. The last mark is the end of what was
 * written, exactly. Of the others as many are kept as divide time and bytes into some hundred parts; what falls between two
 * marks is as young as the later one, so that age and size are never overrated by more than that. Confined to its actor.
 */
public final class OffsetMarks {
    /** More are never kept. */
    static final int COUNT_MAX = 1_000;
    /** Parts that time, and bytes, are divided into when there are too many. */
    private static final int PARTS = 200;
    /** Parts in a snapshot, which every queue writes again and again. */
    private static final int SNAPSHOT_PARTS = 50;

    private static final int COUNT_MIN = 8;
    private static final long[] NONE = {};

    /** Offsets that a time may lie at: the first message that was not written before it is one of them. */
    public record Range(long low, long high) {}

    private long[] offsets = NONE;
    private long[] millis = NONE;
    private long[] bytes = NONE;
    private int first;
    private int end;
    /** Marks that are not further apart are not kept apart. */
    private long stepMillis;

    private long stepBytes;

    /**
     * Messages up to an offset are written.
     *
     * @param endOffset exclusive; below what is known already only the bytes count
     * @param logMillis when the last of them was
     * @param addedBytes that they take in the log
     */
    public void add(long endOffset, long logMillis, long addedBytes) {
        long total = totalBytes() + addedBytes;
        if (endOffset <= endOffset()) {
            bytes[end - 1] = total;
            return;
        }
        long time = Math.max(logMillis, lastMillis());
        if (end == first) {
            makeRoom();
            millis[end++] = time; // nothing lies below offset 0, and no byte
        }
        if (end - first >= 2 && !isFar(end - 2, time, total)) {
            end--;
        } else {
            makeRoom();
        }
        offsets[end] = endOffset;
        millis[end] = time;
        bytes[end++] = total;
    }

    /** Whether a mark there would be too far from that one to do without those between. */
    private boolean isFar(int from, long time, long total) {
        return time - millis[from] > stepMillis || total - bytes[from] > stepBytes;
    }

    private void makeRoom() {
        if (end - first >= COUNT_MAX) {
            setSteps(PARTS);
            thin();
        }
        if (end == offsets.length) {
            int count = end - first;
            int capacity = first >= count && count > 0 ? offsets.length : Math.max(COUNT_MIN, 2 * count);
            offsets = moved(offsets, capacity);
            millis = moved(millis, capacity);
            bytes = moved(bytes, capacity);
            end = count;
            first = 0;
        }
    }

    private long[] moved(long[] from, int capacity) {
        long[] to = capacity == from.length ? from : new long[capacity];
        System.arraycopy(from, first, to, 0, end - first);
        return to;
    }

    private void setSteps(int parts) {
        stepMillis = (millis[end - 1] - millis[first]) / parts;
        stepBytes = (bytes[end - 1] - bytes[first]) / parts;
    }

    private void thin() {
        int kept = first + 1;
        for (int i = first + 1; i < end; i++) {
            if (i == end - 1 || isFar(kept - 1, millis[i + 1], bytes[i + 1])) {
                offsets[kept] = offsets[i];
                millis[kept] = millis[i];
                bytes[kept++] = bytes[i];
            }
        }
        end = kept;
    }

    /** Nothing is stored below this offset any more. */
    public void dropBelow(long offset) {
        int kept = first;
        // The last mark that lies below stays: it says how many bytes are gone.
        while (kept < end - 1 && offsets[kept + 1] <= offset) {
            kept++;
        }
        if (kept == first) {
            return;
        }
        first = kept;
        if (end - first < PARTS / 2 && (stepMillis > 0 || stepBytes > 0)) {
            setSteps(PARTS);
        }
    }

    /** @return how many there are */
    public int count() {
        return end - first;
    }

    /** @return up to which offset it is known, exclusive */
    public long endOffset() {
        return end == first ? 0 : offsets[end - 1];
    }

    /** @return log time of the newest message, 0 if there is none */
    public long lastMillis() {
        return end == first ? 0 : millis[end - 1];
    }

    /** @return bytes of all messages that were ever counted */
    public long totalBytes() {
        return end == first ? 0 : bytes[end - 1];
    }

    /** @return bytes of what is stored, or somewhat more */
    public long storedBytes() {
        return end == first ? 0 : bytes[end - 1] - bytes[first];
    }

    /** @return the highest offset of which is known that all below was written by then; -1 if there is none */
    public long writtenBy(long logMillis) {
        int found = firstAbove(logMillis) - 1;
        return found < first ? -1 : offsets[found];
    }

    /** @return the highest offset of which is known that at least so many bytes are not below it; -1 if there is none */
    public long behind(long bytesKept) {
        int low = first;
        int high = end;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (totalBytes() - bytes[middle] >= bytesKept) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low == first ? -1 : offsets[low - 1];
    }

    /** @return when the message at an offset was written, or later; -1 if there is none */
    public long millisAt(long offset) {
        for (int i = first; i < end; i++) {
            if (offsets[i] > offset) {
                return millis[i];
            }
        }
        return -1;
    }

    /**
     * Where the first message lies that was written at a time or later.
     *
     * @param firstOffset lowest offset that is stored
     */
    public Range at(long logMillis, long firstOffset) {
        int found = firstAbove(logMillis - 1);
        long low = found == first ? 0 : offsets[found - 1];
        long high = found == end ? endOffset() : offsets[found];
        return new Range(Math.max(firstOffset, low), Math.max(firstOffset, high));
    }

    /** The first mark that is later. */
    private int firstAbove(long logMillis) {
        int low = first;
        int high = end;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (millis[middle] <= logMillis) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }

    /** For a snapshot: fewer of them, the first and the last among them. */
    public List<QueueSnapshot.Mark> toSnapshot() {
        OffsetMarks copy = new OffsetMarks();
        if (end > first) {
            copy.offsets = Arrays.copyOfRange(offsets, first, end);
            copy.millis = Arrays.copyOfRange(millis, first, end);
            copy.bytes = Arrays.copyOfRange(bytes, first, end);
            copy.end = end - first;
            copy.setSteps(SNAPSHOT_PARTS);
            copy.thin();
        }
        List<QueueSnapshot.Mark> marks = new ArrayList<>(copy.end);
        for (int i = 0; i < copy.end; i++) {
            marks.add(new QueueSnapshot.Mark(copy.offsets[i], copy.millis[i], copy.bytes[i]));
        }
        return marks;
    }

    public static OffsetMarks restore(List<QueueSnapshot.Mark> marks) {
        OffsetMarks restored = new OffsetMarks();
        int count = Math.min(marks.size(), COUNT_MAX);
        restored.offsets = new long[count];
        restored.millis = new long[count];
        restored.bytes = new long[count];
        for (QueueSnapshot.Mark mark : marks.subList(marks.size() - count, marks.size())) {
            restored.offsets[restored.end] = mark.offset();
            restored.millis[restored.end] = mark.logMillis();
            restored.bytes[restored.end++] = mark.bytes();
        }
        if (count > 0) {
            restored.setSteps(PARTS);
        }
        return restored;
    }
}
