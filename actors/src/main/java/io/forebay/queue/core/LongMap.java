package io.forebay.queue.core;

import java.util.Arrays;
import java.util.function.Consumer;

/**
 * Open-addressing map from a primitive long to an object: no boxing where sessions and requests are looked up for every
 * Pop. Confined to its owner.
 */
final class LongMap<V> {
    private static final int CAPACITY_MIN = 8;

    private long[] keys = new long[CAPACITY_MIN];
    private Object[] values = new Object[CAPACITY_MIN];
    private int size;

    int size() {
        return size;
    }

    V get(long key) {
        int mask = keys.length - 1;
        for (int i = slot(key, mask); values[i] != null; i = (i + 1) & mask) {
            if (keys[i] == key) {
                return valueAt(i);
            }
        }
        return null;
    }

    /** @return the value that was there before, or null */
    V put(long key, V value) {
        if (size * 2 >= keys.length) {
            grow();
        }
        int mask = keys.length - 1;
        int i = slot(key, mask);
        while (values[i] != null) {
            if (keys[i] == key) {
                V before = valueAt(i);
                values[i] = value;
                return before;
            }
            i = (i + 1) & mask;
        }
        keys[i] = key;
        values[i] = value;
        size++;
        return null;
    }

    V remove(long key) {
        int mask = keys.length - 1;
        int i = slot(key, mask);
        while (values[i] != null && keys[i] != key) {
            i = (i + 1) & mask;
        }
        V removed = valueAt(i);
        if (removed == null) {
            return null;
        }
        size--;
        // Close the gap, so that lookups may stop at the first empty slot and no tombstones gather.
        int gap = i;
        for (int next = (i + 1) & mask; values[next] != null; next = (next + 1) & mask) {
            int home = slot(keys[next], mask);
            if (((next - home) & mask) >= ((next - gap) & mask)) {
                keys[gap] = keys[next];
                values[gap] = values[next];
                gap = next;
            }
        }
        values[gap] = null;
        return removed;
    }

    /** The map must not be changed by the consumer. */
    void forEach(Consumer<V> consumer) {
        for (int i = 0; i < values.length; i++) {
            if (values[i] != null) {
                consumer.accept(valueAt(i));
            }
        }
    }

    void clear() {
        Arrays.fill(values, null);
        size = 0;
    }

    private void grow() {
        long[] oldKeys = keys;
        Object[] oldValues = values;
        keys = new long[oldKeys.length * 2];
        values = new Object[oldValues.length * 2];
        int mask = keys.length - 1;
        for (int old = 0; old < oldKeys.length; old++) {
            if (oldValues[old] != null) {
                int i = slot(oldKeys[old], mask);
                while (values[i] != null) {
                    i = (i + 1) & mask;
                }
                keys[i] = oldKeys[old];
                values[i] = oldValues[old];
            }
        }
    }

    @SuppressWarnings("unchecked")
    private V valueAt(int i) {
        return (V) values[i];
    }

    private static int slot(long key, int mask) {
        long mixed = key * 0x9E3779B97F4A7C15L;
        return (int) (mixed >>> 32) & mask;
    }
}
