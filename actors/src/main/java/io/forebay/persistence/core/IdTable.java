package io.forebay.persistence.core;

import io.forebay.storage.log.PersistenceIdRecord;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The persistence ids of one reserved queue. Each has a number: the first one 1, and so on without a gap. What is known of an id
 * beside that is its table's. Confined to that table.
 *
 * @param <E> what is kept of an id
 */
final class IdTable<E extends IdTable.Entry> {
    /** One persistence id. */
    static class Entry {
        final long number;
        final String persistenceId;

        Entry(long number, String persistenceId) {
            this.number = number;
            this.persistenceId = persistenceId;
        }
    }

    /** Makes entries of which nothing else is known yet. */
    interface Maker<E> {
        E make(long number, String persistenceId);
    }

    private final Maker<E> maker;
    private final Map<String, E> byName = new HashMap<>();
    /** Those of the number 1 first. */
    private final List<E> byNumber = new ArrayList<>();

    private boolean mayMissRecords;
    private int lostNames;

    IdTable(Maker<E> maker) {
        this.maker = maker;
    }

    /** How many there are; their numbers are 1 to this. */
    int count() {
        return byNumber.size();
    }

    /** In the order of their numbers; not a copy. */
    List<E> all() {
        return Collections.unmodifiableList(byNumber);
    }

    E findOrNull(String persistenceId) {
        return byName.get(persistenceId);
    }

    /** As {@link ShardTable#recordsAreMissing}. */
    void recordsAreMissing() {
        mayMissRecords = true;
        fill(1);
    }

    /** Records are missing no longer. */
    void begin() {
        mayMissRecords = false;
    }

    private void fill(long count) {
        while (mayMissRecords && byNumber.size() < count) {
            add(LostNames.of(byNumber.size() + 1));
        }
    }

    /** As {@link ShardTable#mayHaveLostItsName}. */
    boolean mayHaveLostItsName(String persistenceId) {
        return lostNames > 0 && !byName.containsKey(persistenceId);
    }

    /** @throws IllegalStateException if no id has that number */
    E ofNumber(long number) {
        fill(number);
        if (number > byNumber.size()) {
            throw new IllegalStateException("persistence id number " + number + " has no name");
        }
        return byNumber.get((int) number - 1);
    }

    /** The record that gives an id, which is not known, the next number. */
    PersistenceIdRecord decideNext(String persistenceId, long nowMillis) {
        return new PersistenceIdRecord(
                byNumber.size() + 1,
                nowMillis,
                persistenceId,
                EventTable.entityTypeOf(persistenceId),
                EventTable.sliceOf(persistenceId));
    }

    /** @throws IllegalStateException if the record contradicts what is known */
    void apply(PersistenceIdRecord named) {
        fill(named.number() - 1);
        if (named.number() != byNumber.size() + 1) {
            throw new IllegalStateException("persistence id '" + named.persistenceId() + "' has the number "
                    + named.number() + " behind " + byNumber.size());
        }
        add(named.persistenceId());
    }

    /**
     * Gives an id the next number.
     *
     * @throws IllegalStateException if it has one
     */
    E add(String persistenceId) {
        E made = maker.make(byNumber.size() + 1, persistenceId);
        if (byName.putIfAbsent(persistenceId, made) != null) {
            throw new IllegalStateException("persistence id '" + persistenceId + "' has two numbers");
        }
        byNumber.add(made);
        lostNames += LostNames.isOne(persistenceId) ? 1 : 0;
        return made;
    }
}
