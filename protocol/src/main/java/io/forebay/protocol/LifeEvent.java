package io.forebay.protocol;

/**
 * One thing that happened to a message.
 *
 * @param sequence of the record in the stripe that says so, or that it follows from
 * @param atMillis when, by the node's log time
 * @param isDurable whether that record is flushed
 * @param group whose doing it was; "" for the queue's own
 * @param attempt delivery attempt, 0 where there is none
 * @param sessionId of the consumer, 0 where there is none
 * @param untilMillis new deadline, or when it may come again; 0 where there is none
 * @param detail for people, "" for none
 */
public record LifeEvent(
        Kind kind,
        long sequence,
        long atMillis,
        boolean isDurable,
        String group,
        int attempt,
        long sessionId,
        long untilMillis,
        String detail) {
    /** What happened. The numbers are the wire form: never reused. */
    public enum Kind {
        /** A kind this version does not know; the detail tells. */
        OTHER(0, "noted"),
        SENT(1, "sent"),
        /** An entry that names its body: in this queue, or in another one. */
        ENTERED(2, "entered"),
        POPPED(3, "popped"),
        EXTENDED(4, "extended"),
        NACKED(5, "nacked"),
        GIVEN_BACK(6, "given back"),
        CONSUMER_GONE(7, "consumer gone"),
        ACKED(8, "acked"),
        DEAD_LETTERED(9, "dead-lettered"),
        PARKED(10, "parked"),
        UNPARKED(11, "unparked"),
        FILTERED(12, "filtered"),
        PURGED(13, "purged"),
        /** The group was sent to this message or to one before it: it comes, maybe again. */
        SEEK(14, "seek"),
        QUARANTINED(15, "quarantined"),
        /** Derived: the deadline passed; no record says so. */
        EXPIRED(16, "expired"),
        /**
         * A snapshot's word, where the records before it are not stored any more: settled if there is no attempt, else in flight if
         * there is a session, else waiting.
         */
        STATED(17, "stated"),
        /** The group was sent behind this message, or begins there. */
        PASSED_OVER(18, "passed over"),
        /** A group that gets this message begins. */
        BEGAN(19, "group began"),
        /** It was a dead letter: of the letter, that it went back; of the message that came back, where from. */
        REDRIVEN(20, "redriven"),
        /** It may be read again: somebody has taken it out of quarantine. */
        RELEASED(21, "released");

        private static final Kind[] BY_CODE = new Kind[64];

        static {
            for (Kind kind : values()) {
                BY_CODE[kind.code] = kind;
            }
        }

        private final int code;
        private final String text;

        Kind(int code, String text) {
            this.code = code;
            this.text = text;
        }

        public int code() {
            return code;
        }

        /** For people. */
        public String text() {
            return text;
        }

        public static Kind of(int code) {
            Kind kind = code >= 0 && code < BY_CODE.length ? BY_CODE[code] : null;
            return kind == null ? OTHER : kind;
        }
    }
}
