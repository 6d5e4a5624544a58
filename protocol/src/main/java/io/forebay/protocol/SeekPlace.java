package io.forebay.protocol;

/**
 * Where a group is to go on.
 *
 * @param value the offset, or milliseconds since 1970 of log time; 0 for the others
 */
public record SeekPlace(Kind kind, long value) {
    /** What the value is. The numbers are the wire form: never reused. */
    public enum Kind {
        /** The oldest message that is stored. */
        EARLIEST(1),
        /** Behind the newest: only what comes from now on. */
        LATEST(2),
        /** That message of the queue. */
        OFFSET(3),
        /** The first message that was stored at that time or later. */
        TIME(4);

        private final int code;

        Kind(int code) {
            this.code = code;
        }

        public int code() {
            return code;
        }

        /** Null for a code that is not known. */
        public static Kind of(int code) {
            for (Kind kind : values()) {
                if (kind.code == code) {
                    return kind;
                }
            }
            return null;
        }
    }

    public static final SeekPlace EARLIEST_STORED = new SeekPlace(Kind.EARLIEST, 0);
    public static final SeekPlace LATEST_STORED = new SeekPlace(Kind.LATEST, 0);

    public static SeekPlace offset(long offset) {
        return new SeekPlace(Kind.OFFSET, offset);
    }

    /** @param millis since 1970 */
    public static SeekPlace time(long millis) {
        return new SeekPlace(Kind.TIME, millis);
    }
}
