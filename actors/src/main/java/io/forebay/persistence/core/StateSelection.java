package io.forebay.persistence.core;

import java.util.Objects;

/** Which states a query is about: those under a tag, or those of an entity type in some slices. */
public final class StateSelection {
    private final String tag;
    private final String entityType;
    private final int minSlice;
    private final int maxSlice;

    private StateSelection(String tag, String entityType, int minSlice, int maxSlice) {
        this.tag = tag;
        this.entityType = entityType;
        this.minSlice = minSlice;
        this.maxSlice = maxSlice;
    }

    /** Those whose tag it is. */
    public static StateSelection ofTag(String tag) {
        return new StateSelection(Objects.requireNonNull(tag, "a tag is missing"), "", 0, EventTable.SLICES - 1);
    }

    /**
     * Those of an entity type, whatever their tags are.
     *
     * @param entityType what stands before the separator of the persistence id, "" for ids without one
     * @param maxSlice itself included
     * @throws IllegalArgumentException if there are no such slices
     */
    public static StateSelection ofSlices(String entityType, int minSlice, int maxSlice) {
        Objects.requireNonNull(entityType, "an entity type is missing");
        if (minSlice < 0 || minSlice > maxSlice || maxSlice >= EventTable.SLICES) {
            throw new IllegalArgumentException("slices " + minSlice + " to " + maxSlice + ": allowed are 0 to "
                    + (EventTable.SLICES - 1) + ", the lower one first");
        }
        return new StateSelection(null, entityType, minSlice, maxSlice);
    }

    /** Null if it is not by tag. */
    public String tagOrNull() {
        return tag;
    }

    public int minSlice() {
        return minSlice;
    }

    public int maxSlice() {
        return maxSlice;
    }

    /** Of a state whose tag fits. */
    boolean holds(String persistenceId) {
        if (tag != null) {
            return true;
        }
        int slice = EventTable.sliceOf(persistenceId);
        return slice >= minSlice
                && slice <= maxSlice
                && EventTable.entityTypeOf(persistenceId).equals(entityType);
    }
}
