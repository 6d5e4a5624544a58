package io.forebay.storage.log;

/** How much of a segment is still needed, as far as that was looked at. What is needed of a segment only gets less. */
final class SegmentUse {
    static final int UNKNOWN = -1;

    /** At most this share of the file is needed. */
    int livePermille = UNKNOWN;

    /** When that was looked at: bytes appended until then. */
    long lookedAtBytes = -1;

    /** What was known then, null if it was not looked at; the StoreWriter reads it, too. */
    volatile Evacuator.Known known;

    /** Something in it cannot be read or found, so it stays; the StoreWriter reads it, too. */
    volatile boolean isOdd;
}
