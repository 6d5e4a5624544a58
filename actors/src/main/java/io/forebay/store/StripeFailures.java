package io.forebay.store;

import io.forebay.storage.io.DiskFullException;
import io.forebay.storage.log.StripeException;
import java.io.IOException;

/** Tells what goes wrong around a stripe from what goes wrong in it. Thread-safe. */
final class StripeFailures {
    private StripeFailures() {}

    /**
     * The failure of the environment that ended a call, to be dealt with.
     *
     * @throws AssertionError if it is anything else, which is a bug
     */
    static IOException environment(int stripeId, Throwable failure) {
        if (failure instanceof IOException cause) {
            return cause;
        }
        throw new AssertionError("stripe " + stripeId + ": " + failure, failure);
    }

    /** Whether there is no room, as opposed to a device that fails. */
    static boolean isDiskFull(IOException cause) {
        return cause instanceof DiskFullException
                || (cause instanceof StripeException refused && refused.reason() == StripeException.Reason.DISK_FULL);
    }
}
