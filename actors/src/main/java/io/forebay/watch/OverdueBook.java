package io.forebay.watch;

import io.forebay.store.StripeHealth;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What of a node has waited for longer than it may. Each look is held against the one before, so that what begins is told
 * once, and so is its end, however often somebody looks. It begins when health gives it for a reason. It is over when nothing
 * waits for so long any more: not when health has come to give another reason for that, nor when it says nothing because the
 * node stops. Pure: everything it judges by is given. Confined to its caller.
 */
final class OverdueBook {
    /** @param stripe which stripe is concerned; empty for the node */
    record Subject(Overdue what, Optional<Integer> stripe) {}

    /** What has changed since the look before. */
    sealed interface Change {
        Subject subject();
    }

    /**
     * It waits for too long.
     *
     * @param waited until now
     * @param detail one line for people
     */
    record Begun(Subject subject, Duration waited, String detail) implements Change {}

    /**
     * It does not any more.
     *
     * @param lasted from when it began to wait until now; it was over at some time since the look before
     */
    record Ended(Subject subject, Duration lasted) implements Change {}

    /**
     * What one look has found.
     *
     * @param pause until the next look: then nothing waits for too long meanwhile that was not seen
     */
    record Look(List<Change> changes, Duration pause) {}

    private record Wait(Subject subject, Duration waited, Duration limit) {
        boolean isTooLong() {
            return waited.compareTo(limit) > 0;
        }
    }

    /** What waits for too long is looked at so many times in the time that it may wait. */
    private static final int LOOKS_PER_LIMIT = 10;
    /** What has waited for just as long as it may does so for too long by then. */
    private static final Duration MOMENT = Duration.ofMillis(1);

    private final Duration stallLimit;
    /** When what has begun, and has not ended, began to wait; in nanoseconds of a clock that may wrap. */
    private final Map<Subject, Long> begun = new HashMap<>();

    /** @param stallLimit how long something may wait */
    OverdueBook(Duration stallLimit) {
        this.stallLimit = stallLimit;
    }

    /** How often it is looked while something waits for too long. */
    static Duration shortPause(Duration stallLimit) {
        return stallLimit.dividedBy(LOOKS_PER_LIMIT);
    }

    /** @param nowNanos of a monotonic clock */
    Look look(HealthView.Node node, List<StripeHealth> stripes, long nowNanos) {
        HealthView health = HealthView.of(node, stripes, stallLimit);
        List<Change> changes = new ArrayList<>();
        Duration pause = stallLimit;
        for (Wait wait : waits(node, stripes)) {
            change(wait, health, nowNanos).ifPresent(changes::add);
            Duration next = wait.isTooLong()
                    ? shortPause(stallLimit)
                    : wait.limit.minus(wait.waited).plus(MOMENT);
            pause = next.compareTo(pause) < 0 ? next : pause;
        }
        return new Look(changes, pause);
    }

    private List<Wait> waits(HealthView.Node node, List<StripeHealth> stripes) {
        List<Wait> waits = new ArrayList<>(1 + 2 * stripes.size());
        waits.add(new Wait(
                new Subject(Overdue.NODE_SILENT, Optional.empty()),
                node.silence(),
                HealthView.silenceLimit(stallLimit)));
        for (StripeHealth stripe : stripes) {
            Optional<Integer> id = Optional.of(stripe.stripeId());
            waits.add(new Wait(new Subject(Overdue.APPENDS_STALLED, id), stripe.appendWait(), stallLimit));
            waits.add(new Wait(new Subject(Overdue.FORCE_SLOW, id), stripe.unflushedAge(), stallLimit));
        }
        return waits;
    }

    private Optional<Change> change(Wait wait, HealthView health, long nowNanos) {
        Subject subject = wait.subject;
        Long since = begun.get(subject);
        if (since != null) {
            if (wait.isTooLong()) {
                return Optional.empty();
            }
            begun.remove(subject);
            return Optional.of(new Ended(subject, Duration.ofNanos(nowNanos - since)));
        }
        return health.reasons().stream()
                .filter(reason ->
                        reason.code() == subject.what.code() && reason.stripe().equals(subject.stripe))
                .findFirst()
                .map(reason -> {
                    begun.put(subject, nowNanos - wait.waited.toNanos());
                    return new Begun(subject, wait.waited, reason.text());
                });
    }
}
