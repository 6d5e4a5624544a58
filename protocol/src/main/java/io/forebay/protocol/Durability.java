package io.forebay.protocol;

/** What an answer promises about the bytes it speaks of. Ordered: a later constant promises everything an earlier one does. */
public enum Durability {
    /** In the operating system's page cache: survives {@code kill -9} of the node. */
    WRITTEN(1),
    /** Forced to the device: survives a power cut. */
    FLUSHED(2);

    private final int code;

    Durability(int code) {
        this.code = code;
    }

    /** The stable number of this level on the wire and in text; never reused. */
    public int code() {
        return code;
    }

    /** Whether what is promised by {@code asked} holds at this level. */
    public boolean covers(Durability asked) {
        return code >= asked.code;
    }
}
