package io.forebay.store;

import akka.actor.typed.ActorRef;
import io.forebay.store.StripeBudget.Reason;
import java.io.IOException;
import java.util.Set;
import java.util.function.Supplier;
import org.slf4j.Logger;

/**
 * Whether a stripe takes appends, and that its budget and everybody concerned have been told. Who sends its first frame while it takes
 * none is told when it registers, which every origin does before ({@code StripePort} does it for all). Confined to the StoreWriter.
 */
final class Availability {
    private final int stripeId;
    private final StripeBudget budget;
    private final StripeStatus status;
    private final Supplier<Logger> log;
    private final Supplier<Set<ActorRef<StoreWriter.Event>>> concerned;
    private StoreWriter.Unavailable announced;
    private boolean isStopping;

    /** @param concerned who is told */
    Availability(
            int stripeId,
            StripeBudget budget,
            StripeStatus status,
            Supplier<Logger> log,
            Supplier<Set<ActorRef<StoreWriter.Event>>> concerned) {
        this.stripeId = stripeId;
        this.budget = budget;
        this.status = status;
        this.log = log;
        this.concerned = concerned;
    }

    /** What everybody was told last; null while the stripe is available. */
    StoreWriter.Unavailable announced() {
        return announced;
    }

    /** Something in the environment fails; it will be tried again. */
    void failing(Reason reason, IOException cause) {
        if (announced == null) {
            log.get().error("stripe {}: takes nothing for now ({}): {}", stripeId, reason, cause.getMessage());
        }
        unavailable(reason, "stripe " + stripeId + ": " + cause.getMessage());
    }

    /** The same reason is told once. */
    void unavailable(Reason reason, String detail) {
        budget.unavailable(reason, detail);
        if (announced == null || announced.reason() != reason) {
            announced = new StoreWriter.Unavailable(reason, detail);
            status.unavailable(reason, detail);
            StoreWriter.Event event = announced;
            concerned.get().forEach(origin -> origin.tell(event));
        }
    }

    /** Appends go through; nothing happens if nobody was told otherwise. */
    void available() {
        if (announced == null) {
            return;
        }
        announced = null;
        if (isStopping) {
            stopping();
        } else {
            budget.available();
        }
        log.get().info("stripe {}: takes appends again", stripeId);
        status.available();
        var available = new StoreWriter.Available();
        concerned.get().forEach(origin -> origin.tell(available));
    }

    /** Nothing more can be reserved; what was decided before is still appended. */
    void stopping() {
        isStopping = true;
        budget.unavailable(Reason.SHUTTING_DOWN, "stripe " + stripeId + " stops");
    }
}
