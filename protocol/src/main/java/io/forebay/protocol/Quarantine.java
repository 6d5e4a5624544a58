package io.forebay.protocol;

/**
 * Messages of a queue that cannot be read: passed over, never delivered, never called acked.
 *
 * @param firstOffset the first of them
 * @param count how many, one behind the other
 * @param cause what is wrong
 * @param segment file of the log that holds them, "" if not known
 * @param position byte address of their frame in the log when that was noted, -1 if not known
 * @param notedMillis log time when it was noted
 * @param reason for people
 */
public record Quarantine(
        long firstOffset, long count, Cause cause, String segment, long position, long notedMillis, String reason) {

    /** What is wrong. The numbers are the wire form, never reused. */
    public enum Cause {
        /** Of a newer version, or not known any more. */
        UNKNOWN(0, "unknown"),
        /** The frame fails its checks. */
        BAD_FRAME(1, "bad frame"),
        /** The segment, or the index entry, that would lead to it is not there. */
        MISSING_SEGMENT(2, "missing segment"),
        /** The device did not give the bytes for longer than {@code forebay.queue.quarantine-after}. */
        READ_ERROR(3, "read error");

        private final int number;
        private final String text;

        Cause(int number, String text) {
            this.number = number;
            this.text = text;
        }

        /** The stable number on the wire. */
        public int number() {
            return number;
        }

        /** For people. */
        public String text() {
            return text;
        }

        /** The cause with this number, {@link #UNKNOWN} for one of a newer version. */
        public static Cause of(int number) {
            for (Cause cause : values()) {
                if (cause.number == number) {
                    return cause;
                }
            }
            return UNKNOWN;
        }
    }
}
