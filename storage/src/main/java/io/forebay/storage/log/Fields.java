package io.forebay.storage.log;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Checks of record components, used before a write and, through the same constructors, after a read. */
final class Fields {
    static final int TEXT_BYTES_MAX = 0xFFFF;
    static final int COUNT_MAX = 0xFFFF;

    private Fields() {}

    static void check(boolean holds, String name, Object value, String allowed) {
        if (!holds) {
            throw new IllegalArgumentException(name + " is " + value + ", allowed: " + allowed);
        }
    }

    static void notNegative(String name, long value) {
        if (value < 0) {
            throw new IllegalArgumentException(name + " is " + value + ", allowed: 0 or more");
        }
    }

    static void positive(String name, long value) {
        if (value <= 0) {
            throw new IllegalArgumentException(name + " is " + value + ", allowed: 1 or more");
        }
    }

    static void part(int part, int parts) {
        check(parts >= 1, "parts", parts, "1 or more");
        check(part >= 0 && part < parts, "part", part, "0 to " + (parts - 1));
    }

    static void text(String name, String value) {
        if (value == null) {
            throw new IllegalArgumentException(name + " is missing");
        }
        if (value.length() > TEXT_BYTES_MAX / 3 && Utf8.bytes(value) > TEXT_BYTES_MAX) {
            throw new IllegalArgumentException(
                    name + " takes " + Utf8.bytes(value) + " bytes, allowed: at most " + TEXT_BYTES_MAX);
        }
    }

    static void optionalText(String name, String value) {
        if (value != null) {
            text(name, value);
        }
    }

    static void texts(String name, Map<String, String> values) {
        check(values.size() <= COUNT_MAX, name + " count", values.size(), "at most " + COUNT_MAX);
        for (Map.Entry<String, String> entry : values.entrySet()) {
            text(name + " key", entry.getKey());
            if (entry.getValue() == null) {
                throw new IllegalArgumentException(name + " value of " + entry.getKey() + " is missing");
            }
        }
    }

    /** A checked copy that keeps the order, so that encoding the same record twice gives the same bytes. */
    static Map<String, String> copy(String name, Map<String, String> values) {
        texts(name, values);
        return values.isEmpty() ? Map.of() : Collections.unmodifiableMap(new LinkedHashMap<>(values));
    }

    static List<String> copy(String name, List<String> values) {
        check(values.size() <= COUNT_MAX, name + " count", values.size(), "at most " + COUNT_MAX);
        for (String value : values) {
            text(name, value);
        }
        return List.copyOf(values);
    }

    static void offsets(OffsetSet offsets) {
        if (offsets.isEmpty()) {
            throw new IllegalArgumentException("offsets are empty, allowed: one or more");
        }
    }
}
