package io.forebay.client;

import java.util.ArrayDeque;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;

/**
 * The lanes of one kind, by what is common to everything in one. Confined to their session.
 *
 * @param <K> what is common
 */
final class Lanes<K, L extends Lane> {
    private final Map<K, L> byKey = new HashMap<>();
    private final ArrayDeque<Lane> toPump = new ArrayDeque<>();
    private final boolean isBrief;
    /** Where the last one went: as a rule the next one goes there, too. Null if not known. */
    private L last;

    private K lastKey;

    /** @param isBrief whether a lane goes as soon as it has nothing to do; else when {@link #removeIdle} is called */
    Lanes(boolean isBrief) {
        this.isBrief = isBrief;
    }

    /** @param maker makes it if it is not there yet */
    L of(K key, Function<K, L> maker) {
        if (last == null || !key.equals(lastKey)) {
            last = byKey.get(key);
            lastKey = key;
            if (last == null) {
                last = maker.apply(key);
                add(key, last);
            }
        }
        return last;
    }

    void add(K key, L lane) {
        lane.joins(toPump);
        byKey.put(key, lane);
    }

    /** Null if there is none. */
    L get(K key) {
        return byKey.get(key);
    }

    Collection<L> all() {
        return byKey.values();
    }

    boolean isEmpty() {
        return byKey.isEmpty();
    }

    void listAll() {
        byKey.values().forEach(Lane::list);
    }

    /** Those that are listed by now. */
    void pump(long nowMillis) {
        for (int i = toPump.size(); i > 0; i--) {
            Lane lane = toPump.removeFirst();
            lane.pumpListed(nowMillis);
            if (isBrief && lane.isIdle()) {
                byKey.remove(lane.key(), lane); // by now its key may have a newer one
                last = last == lane ? null : last;
            }
        }
    }

    void removeIdle() {
        byKey.values().removeIf(Lane::isIdle);
        last = null;
    }
}
