package io.forebay.store;

import io.forebay.storage.log.RecoverySink;

/**
 * Who is given what the stripes recover. Registered before {@link ForebayStorage#open()}; with several each is given every
 * record and picks its own by the owner.
 */
public interface StripeRecovery {
    /**
     * Called once for each stripe, on the thread that recovers it. The sink is called on that thread alone and is not called
     * any more when {@link ForebayStorage#open()} has completed, which happens-after its last call. A record's view is
     * valid during the call only.
     */
    RecoverySink sink(int stripeId);
}
