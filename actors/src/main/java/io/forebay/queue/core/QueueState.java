package io.forebay.queue.core;

import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.Map;

/**
 * What a queue knows besides its messages: up to where they may be delivered, and below which offset no group needs any.
 * Confined to its actor.
 */
public final class QueueState {
    /** Written messages that become readable only with their durability. */
    private record Awaited(long endOffset, long lastSequence) {}

    private final boolean readableWhenDurable;
    private final ArrayDeque<Awaited> awaited = new ArrayDeque<>();
    private final Map<Integer, Long> groupFloors = new HashMap<>();
    private long writtenEnd;
    private long readableEnd;
    private long releaseFloor;

    /**
     * @param firstOffset the lowest offset still stored
     * @param nextOffset the offset the next message gets; all below are readable (recovery has made them durable)
     * @param readableWhenDurable whether messages may be delivered only when they are flushed
     */
    public QueueState(long firstOffset, long nextOffset, boolean readableWhenDurable) {
        if (firstOffset < 0 || nextOffset < firstOffset) {
            throw new IllegalArgumentException("first offset " + firstOffset + ", next offset " + nextOffset);
        }
        this.readableWhenDurable = readableWhenDurable;
        this.releaseFloor = firstOffset;
        this.writtenEnd = nextOffset;
        this.readableEnd = nextOffset;
    }

    /**
     * Messages up to an offset are written. Those that append to the queue may tell in any order: what is known already
     * changes nothing.
     *
     * @param endOffset exclusive; the log gives out offsets in its own order, so that everything below is written
     * @param lastSequence the highest sequence among them
     * @return whether more is readable than before
     */
    public boolean written(long endOffset, long lastSequence) {
        if (endOffset <= writtenEnd) {
            return false;
        }
        writtenEnd = endOffset;
        if (readableWhenDurable) {
            awaited.add(new Awaited(endOffset, lastSequence));
            return false;
        }
        boolean isMore = endOffset > readableEnd;
        readableEnd = endOffset;
        return isMore;
    }

    /**
     * The stripe is durable up to a sequence.
     *
     * @return whether more is readable than before
     */
    public boolean durable(long sequence) {
        boolean isMore = false;
        while (!awaited.isEmpty() && awaited.peekFirst().lastSequence() <= sequence) {
            readableEnd = awaited.removeFirst().endOffset();
            isMore = true;
        }
        return isMore;
    }

    /** @return exclusive; messages below may be delivered */
    public long readableEnd() {
        return readableEnd;
    }

    /** @return exclusive; messages below are written */
    public long writtenEnd() {
        return writtenEnd;
    }

    /** @return whether written messages wait for their durability before they may be delivered */
    public boolean awaitsDurability() {
        return !awaited.isEmpty();
    }

    /**
     * Tells how far a group has settled everything; adds the group if it is new.
     *
     * @return whether {@link #releaseFloor()} has risen
     */
    public boolean groupFloor(int groupId, long floor) {
        Long before = groupFloors.put(groupId, floor);
        // Only the group that held everybody back can change the lowest floor.
        return (before == null || before <= releaseFloor) && raiseReleaseFloor();
    }

    /** @return whether {@link #releaseFloor()} has risen */
    public boolean removeGroup(int groupId) {
        return groupFloors.remove(groupId) != null && raiseReleaseFloor();
    }

    /** @return no group needs a message below this offset; it never falls, and without any group nothing is released */
    public long releaseFloor() {
        return releaseFloor;
    }

    private boolean raiseReleaseFloor() {
        if (groupFloors.isEmpty()) {
            return false;
        }
        long lowest = Long.MAX_VALUE;
        for (long floor : groupFloors.values()) {
            lowest = Math.min(lowest, floor);
        }
        if (lowest <= releaseFloor) {
            return false;
        }
        releaseFloor = lowest;
        return true;
    }
}
