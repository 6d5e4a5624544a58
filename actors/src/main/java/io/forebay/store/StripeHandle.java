package io.forebay.store;

import akka.actor.typed.ActorRef;
import io.forebay.storage.log.RecoveryReport;
import io.forebay.storage.log.StripeLog;
import java.util.function.Supplier;

/**
 * What an owner of records needs of its stripe. Valid from the end of recovery until the stripe is closed.
 *
 * @param log for its readers and published values only ({@code newReader}, {@code durableSequence}, {@code releaseBelow});
 *     everything that writes belongs to the StoreWriter
 */
public record StripeHandle(
        int stripeId,
        ActorRef<StoreWriter.Command> writer,
        StripeLog log,
        StripeBudget budget,
        LogClock clock,
        RecoveryReport recovery,
        Supplier<StripeHealth> healthNow,
        StripeMeters meters) {
    /** Thread-safe and cheap. */
    public StripeHealth health() {
        return healthNow.get();
    }
}
