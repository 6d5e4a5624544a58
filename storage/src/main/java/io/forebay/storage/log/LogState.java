package io.forebay.storage.log;

import io.forebay.storage.log.StripeException.Reason;

/** What the parts of a running log share. Fields that are not volatile belong to the StoreWriter's thread. */
final class LogState {
    final StripeOptions options;
    final LogIdentity identity;
    /** Of this start. */
    final long epoch;

    /** Held for the few steps that change what is durable, so that a late success cannot overtake a failure. */
    final Object durability = new Object();

    volatile Phase phase = Phase.RUNNING;
    /** Changes with every failure and with the end of every rewrite. */
    volatile long generation;

    volatile long durablePosition;
    volatile long durableSequence;
    /** Nothing from here on may be read. */
    volatile long voidFrom = Long.MAX_VALUE;

    /** The newest log time given. */
    volatile long logTimeMillis;
    /** Segments from this base on are in memory. */
    volatile long hotBase;

    Segment active;
    long nextSequence;

    LogState(StripeOptions options, LogIdentity identity, long epoch) {
        this.options = options;
        this.identity = identity;
        this.epoch = epoch;
    }

    void check(Phase wanted, String call) throws StripeException {
        Phase now = phase;
        if (now != wanted) {
            throw new StripeException(
                    now == Phase.CLOSED ? Reason.CLOSED : Reason.WRONG_PHASE,
                    call + " wants the phase " + wanted + ", stripe " + options.stripeId() + " is " + now);
        }
    }

    /** The largest frame that can be appended, in bytes; its only record could still be moved. */
    int frameBytesMax() {
        return options.segmentBytes() - SegmentHeader.PAGE_BYTES - FrameCodec.MOVED_BYTES;
    }
}
