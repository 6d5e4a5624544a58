package io.forebay.protocol;

/** What becomes of the message that a parked key waits behind. */
public enum UnparkHow {
    /** It goes out again, its attempts counted anew. */
    RETRY(1),
    /** It is settled unseen: nobody gets it any more. */
    DROP(2),
    /** It becomes a dead letter. */
    DEAD_LETTER(3);

    private final int code;

    UnparkHow(int code) {
        this.code = code;
    }

    /** The stable number on the wire. */
    public int code() {
        return code;
    }

    /** @return null for a number that this version does not know */
    public static UnparkHow of(int code) {
        for (UnparkHow how : values()) {
            if (how.code == code) {
                return how;
            }
        }
        return null;
    }
}
