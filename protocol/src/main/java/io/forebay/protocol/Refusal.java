package io.forebay.protocol;

/**
 * Why a request, or one item of it, was not done. The text names the thing, its value and what is allowed, in one line
 * that can be shown to a user as it is.
 *
 * @param code the reason, for programs
 * @param text the reason, for people: one line, no stack trace
 * @param retryAfterMillis when repeating it may help, in milliseconds from now; 0 when repeating it unchanged does not
 *     help or no time can be named
 */
public record Refusal(Code code, String text, long retryAfterMillis)
        implements SendResult, AckResult, ChangeResult, GiveBackResult {
    /** Texts are cut to this many characters: a refusal must always fit a wire frame. */
    public static final int TEXT_CHARS_MAX = 2000;

    /** Reasons. The numbers are the wire form: documented once, never reused. */
    public enum Code {
        /** A code this version does not know; the text tells. */
        UNRECOGNISED(0),
        /** No such topic, and topics are not created by use. */
        UNKNOWN_TOPIC(1),
        /** No such group, and groups are not created by use. */
        UNKNOWN_GROUP(2),
        /** The name breaks the rule of {@link Names}. */
        ILLEGAL_NAME(3),
        /** A body, a field or a batch is over its limit. */
        TOO_LARGE(4),
        /** Another value is out of its range. */
        ILLEGAL_ARGUMENT(5),
        /** The node has more to write than it may hold: repeat after the time given. Order per key is kept. */
        BUSY(6),
        /** The disk is full, what is left is kept for pops and acks. */
        DISK_FULL(7),
        /** The stripe's device fails; it serves reads and comes back by itself when writing works. */
        READ_ONLY(8),
        /** The node, or the client, is stopping. */
        SHUTTING_DOWN(9),
        /** The node that has this key's queue is away. */
        QUEUE_AWAY(10),
        /** The event was decided but the stripe failed before it was written: it may or may not have happened. Repeat it. */
        OUTCOME_UNKNOWN(11),
        /** A limit of the node or the client on what may be held or open at once. */
        LIMIT(12),
        /** A thing of that name is there already, with other settings. */
        ALREADY_EXISTS(13),
        /** This version does not do that. */
        UNSUPPORTED(14),
        /** The text is not a receipt handle. */
        ILLEGAL_HANDLE(15),
        /** The message has gone out again since, or was given back: the handle is of an earlier attempt. */
        STALE_HANDLE(16),
        /** No delivery with this handle's nonce was ever made. */
        FORGED_HANDLE(17),
        /** The handle was made by another node, or by another data directory. */
        FOREIGN_HANDLE(18),
        /** The handle belongs to another group than the one named. */
        WRONG_GROUP(19),
        /** The stripe or the actor has been closed by a fault; health says more. */
        FAILED(20),
        /** The client gave up waiting. */
        TIMED_OUT(21),
        /** The client has no node that could do it. */
        NO_NODE(22),
        /** The client has been closed. */
        CLOSED(23),
        /** The settings have been changed since the version that was expected. */
        OTHER_VERSION(24),
        /** Keyed messages that were sent before these have not come: they are lost, and have to be repeated first. */
        OUT_OF_ORDER(25),
        /** The device does not give what is stored, for now: nothing was taken. Repeat it; the text names what cannot be read. */
        READ_FAILED(26),
        /**
         * A queue, or the group in it, is not served until somebody has done what the text says; the other queues are. A Pop is
         * refused so when it finds nothing in the others.
         */
        QUEUE_STOPPED(27);

        private static final Code[] BY_NUMBER = new Code[64];

        static {
            for (Code code : values()) {
                BY_NUMBER[code.number] = code;
            }
        }

        private final int number;

        Code(int number) {
            this.number = number;
        }

        /**
         * Whether what was refused so may have been done all the same, or be done yet. With any other code it was not, also if the
         * client has repeated it: what is true of the last copy only it tells as {@code OUTCOME_UNKNOWN}.
         */
        public boolean isOutcomeOpen() {
            return switch (this) {
                case OUTCOME_UNKNOWN, TIMED_OUT, NO_NODE, CLOSED, UNRECOGNISED -> true;
                default -> false;
            };
        }

        /** The stable number on the wire. */
        public int number() {
            return number;
        }

        /** The code with this number, {@link #UNRECOGNISED} for one of a newer version. */
        public static Code of(int number) {
            Code code = number >= 0 && number < BY_NUMBER.length ? BY_NUMBER[number] : null;
            return code == null ? UNRECOGNISED : code;
        }
    }

    public Refusal {
        if (text.length() > TEXT_CHARS_MAX) {
            text = text.substring(0, TEXT_CHARS_MAX);
        }
    }

    /**
     * Whether the same request may succeed later without anyone changing anything: a client that is patient repeats it.
     * (A full disk or a failing device is not among them: whoever sends should hear of it.)
     */
    public boolean isTransient() {
        return switch (code) {
            case BUSY, QUEUE_AWAY, SHUTTING_DOWN, OUTCOME_UNKNOWN, OUT_OF_ORDER, READ_FAILED -> true;
            case LIMIT -> retryAfterMillis > 0;
            default -> false;
        };
    }

    public static Refusal of(Code code, String text) {
        return new Refusal(code, text, 0);
    }

    public static Refusal unknownTopic(String topic) {
        return of(
                Code.UNKNOWN_TOPIC,
                "no topic '" + shown(topic) + "'; create it first, or let the node create topics by use");
    }

    public static Refusal unknownGroup(String group) {
        return of(
                Code.UNKNOWN_GROUP,
                "no group '" + shown(group) + "'; create it first, or let the node create groups by use");
    }

    public static Refusal illegalName(String kind, String name) {
        return of(Code.ILLEGAL_NAME, kind + " name '" + shown(name) + "' is not allowed: " + Names.RULE);
    }

    /** @param retryAfterMillis when to repeat, at least 1 */
    public static Refusal busy(String text, long retryAfterMillis) {
        return new Refusal(Code.BUSY, text, Math.max(1, retryAfterMillis));
    }

    /** "{@code what} is {@code value}, allowed is {@code allowed}". */
    public static Refusal illegalArgument(String what, Object value, String allowed) {
        return of(Code.ILLEGAL_ARGUMENT, what + " is " + shown(String.valueOf(value)) + ", allowed is " + allowed);
    }

    /** "{@code what} has {@code size}, allowed is {@code allowed}". */
    public static Refusal tooLarge(String what, String size, String allowed) {
        return of(Code.TOO_LARGE, what + " has " + size + ", allowed is " + allowed);
    }

    /** This refusal as the exception that a client's completion stage fails with. */
    public ForebayException toException() {
        return new ForebayException(this);
    }

    /** A foreign text as part of a one-line message: control characters replaced, cut to 200 characters. */
    static String shown(String value) {
        if (value == null) {
            return "null";
        }
        String cut = value.length() > 200 ? value.substring(0, 200) + "…" : value;
        StringBuilder shown = null;
        for (int i = 0; i < cut.length(); i++) {
            if (Character.isISOControl(cut.charAt(i))) {
                if (shown == null) {
                    shown = new StringBuilder(cut);
                }
                shown.setCharAt(i, '?');
            }
        }
        return shown == null ? cut : shown.toString();
    }
}
