package io.forebay.protocol;

/**
 * How subscribed consumers of a group get their messages. A setting of the group; it may change while consumers are
 * subscribed. Explicit Pops are answered either way.
 */
public enum DeliveryMode {
    /** The client pops for its subscriptions. */
    POP(1),
    /** The node pushes to them, as their credits allow. */
    PUSH(2);

    private final int code;

    DeliveryMode(int code) {
        this.code = code;
    }

    /** The stable number on the wire. */
    public int code() {
        return code;
    }
}
