package io.forebay.config;

import java.time.Duration;

/** Range checks of settings, and how sizes and durations are shown: in the largest unit that gives a whole number. */
final class Checks {
    static final long KIB = 1024;
    static final long MIB = 1024 * KIB;
    static final long GIB = 1024 * MIB;
    static final long TIB = 1024 * GIB;

    private Checks() {}

    /** @throws SettingsException unless {@code holds} */
    static void check(boolean holds, String key, Object value, String allowed) {
        if (!holds) throw new SettingsException(key, String.valueOf(value), allowed);
    }

    static void checkCount(String key, long value, long least, long most) {
        check(value >= least && value <= most, key, value, "from " + least + " to " + most);
    }

    static void checkBytes(String key, long value, long least, long most) {
        check(value >= least && value <= most, key, bytes(value), "from " + bytes(least) + " to " + bytes(most));
    }

    static void checkDuration(String key, Duration value, Duration least, Duration most) {
        check(
                value.compareTo(least) >= 0 && value.compareTo(most) <= 0,
                key,
                duration(value),
                "from " + duration(least) + " to " + duration(most));
    }

    static void checkText(String key, String value) {
        check(!value.isBlank(), key, '"' + value + '"', "a text that is not blank");
    }

    static String bytes(long bytes) {
        if (bytes != 0 && bytes % TIB == 0) return bytes / TIB + " TiB";
        if (bytes != 0 && bytes % GIB == 0) return bytes / GIB + " GiB";
        if (bytes != 0 && bytes % MIB == 0) return bytes / MIB + " MiB";
        if (bytes != 0 && bytes % KIB == 0) return bytes / KIB + " KiB";
        return bytes + " B";
    }

    static String duration(Duration duration) {
        if (duration.isZero()) return "0 s";
        long seconds = duration.toSeconds();
        int nanos = duration.getNano();
        if (nanos == 0) {
            if (seconds % 86_400 == 0) return seconds / 86_400 + " d";
            if (seconds % 3_600 == 0) return seconds / 3_600 + " h";
            if (seconds % 60 == 0) return seconds == 60 ? "1 minute" : seconds / 60 + " minutes";
            return seconds + " s";
        }
        if (nanos % 1_000_000 == 0) return duration.toMillis() + " ms";
        return nanos % 1_000 == 0 ? duration.toNanos() / 1_000 + " us" : duration.toNanos() + " ns";
    }
}
