package io.forebay.queue.core;

/**
 * Decides how far the queue is told that a group needs its messages no more. Never beyond what is written: an Ack that is decided
 * and not written must not free its message, or a crash would keep neither of them. Now and then only, because each word of it
 * costs the queue a look. Pure; confined to its actor.
 */
public final class FloorReport {
    /** Offsets that may be settled before the queue is told so. */
    private static final long STEP = 1024;

    private long toldFloor;
    /** The floor when nothing was on its way the last time: every Ack below it is written. */
    private long writtenFloor;

    /** @param floor of a group's queue that begins: all of it is written, and the queue is told of it */
    public FloorReport(long floor) {
        toldFloor = floor;
        writtenFloor = floor;
    }

    /**
     * Something was decided.
     *
     * @param isWritten whether nothing that was decided is on its way
     * @return whether the queue is to be told {@link #writtenFloor()}
     */
    public boolean isDue(long floor, boolean isWritten) {
        if (isWritten) {
            writtenFloor = floor;
        }
        return writtenFloor - toldFloor >= STEP;
    }

    /** The queue is told. */
    public void told(long floor) {
        toldFloor = floor;
    }

    /** The group begins at an offset that the queue has kept for it. */
    public void wentBack(long beginsAt) {
        toldFloor = Math.min(toldFloor, beginsAt);
        writtenFloor = Math.min(writtenFloor, beginsAt);
    }

    /** What the queue was told last. */
    public long toldFloor() {
        return toldFloor;
    }

    /** Everything below is settled, and that is written. */
    public long writtenFloor() {
        return writtenFloor;
    }
}
