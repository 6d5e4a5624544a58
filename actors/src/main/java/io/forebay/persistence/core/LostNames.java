package io.forebay.persistence.core;

/**
 * What stands for a persistence id whose name is lost: the record that gave it its number was given up by a repair of the log, and
 * others name the number. No application has such an id.
 */
public final class LostNames {
    private static final String MARK = "\0lost-";

    private LostNames() {}

    static String of(long number) {
        return MARK + number;
    }

    /** Whether this is no name, but stands for one. */
    public static boolean isOne(String persistenceId) {
        return persistenceId.startsWith(MARK);
    }
}
