package io.forebay.watch;

import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHealth;
import io.forebay.store.StripePhase;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Says what keeps a node from serving, and how much. Pure: everything it judges by is given.
 *
 * @param reasons what is wrong, the worst first; empty if nothing is
 */
record HealthView(List<Reason> reasons) {
    /** How much a reason takes away; the worst first. */
    enum Effect {
        /** It does not come back by itself: what watches over the process may start it again. */
        NOT_ALIVE,
        /** It does not serve all that it should, and comes back by itself. */
        NOT_READY,
        /** It serves, but not everything, or not as fast as it should. */
        LIMITED
    }

    /** What can be wrong. */
    enum Code {
        NODE_STARTING,
        NODE_STOPPING,
        NODE_FAILED,
        /** The actors do not answer. */
        NODE_SILENT,
        /** Closed by a bug, or by what somebody must look at. */
        STRIPE_CLOSED,
        STRIPE_STOPPING,
        /** A force failed; what it concerned is written again. */
        STRIPE_REWRITING,
        /** The device keeps failing. */
        STRIPE_READ_ONLY,
        /** No room is left, not even for acks. */
        DISK_FULL,
        /** Appends wait. */
        APPENDS_STALLED,
        /** So little room is left that it is kept for those who consume. */
        DISK_LOW,
        /** What is written is not forced. */
        FORCE_SLOW,
        /** Queues, or groups in queues, are not served: their part of the log is damaged. */
        QUEUES_STOPPED,
        /** Queues, or groups in queues, are not served: a bug has ended them. */
        QUEUES_FAILED
    }

    /**
     * One thing that is wrong.
     *
     * @param stripe which stripe is concerned; empty for the node
     * @param text one line for people
     */
    record Reason(Code code, Effect effect, Optional<Integer> stripe, String text) {}

    /**
     * What is known of the node apart from its stripes.
     *
     * @param silence how long its actors have owed an answer; zero if they owe none
     * @param stopped queues that it does not serve
     */
    record Node(NodeView.State state, Optional<String> failure, Duration silence, List<StoppedQueue> stopped) {}

    /** So many queues of a stripe are named, and the others counted. */
    static final int STOPPED_NAMED_MAX = 10;

    /** Actors may be silent for so many times what appends may wait: a long collection of garbage is no reason to be killed. */
    static final int SILENCE_FACTOR = 3;

    /** How long actors may be silent. */
    static Duration silenceLimit(Duration stallLimit) {
        return stallLimit.multipliedBy(SILENCE_FACTOR);
    }

    /** @param stallLimit how long something may wait before that is wrong */
    static HealthView of(Node node, List<StripeHealth> stripes, Duration stallLimit) {
        List<Reason> reasons = new ArrayList<>();
        ofNode(node, stallLimit, reasons);
        if (node.state == NodeView.State.SERVING) {
            stripes.forEach(stripe -> ofStripe(stripe, stallLimit, reasons));
            // Taking the node away because of them would take away the others.
            ofStopped(node.stopped.stream().filter(one -> !one.hasFailed()).toList(), Code.QUEUES_STOPPED, reasons);
            ofStopped(node.stopped.stream().filter(StoppedQueue::hasFailed).toList(), Code.QUEUES_FAILED, reasons);
        }
        reasons.sort((one, other) -> one.effect.compareTo(other.effect));
        return new HealthView(List.copyOf(reasons));
    }

    /** Whether it should be left running. */
    boolean isAlive() {
        return reasons.stream().noneMatch(reason -> reason.effect == Effect.NOT_ALIVE);
    }

    /** Whether everything is served that should be. */
    boolean isReady() {
        return reasons.stream().noneMatch(reason -> reason.effect != Effect.LIMITED);
    }

    private static void ofNode(Node node, Duration stallLimit, List<Reason> reasons) {
        switch (node.state) {
            case STARTING -> add(reasons, Code.NODE_STARTING, Effect.NOT_READY, "the node starts: it reads its log");
            case STOPPING -> add(reasons, Code.NODE_STOPPING, Effect.NOT_READY, "the node stops: it takes nothing new");
            case FAILED ->
                add(
                        reasons,
                        Code.NODE_FAILED,
                        Effect.NOT_ALIVE,
                        "the node could not start: " + node.failure.orElse("its log says why"));
            case SERVING -> {}
        }
        boolean isSilent = node.silence.compareTo(silenceLimit(stallLimit)) > 0;
        if (isSilent && node.state != NodeView.State.STOPPING) {
            add(
                    reasons,
                    Code.NODE_SILENT,
                    Effect.NOT_ALIVE,
                    "the node's actors have not answered for " + seconds(node.silence));
        }
    }

    private static void add(List<Reason> reasons, Code code, Effect effect, String text) {
        reasons.add(new Reason(code, effect, Optional.empty(), text));
    }

    private static void ofStopped(List<StoppedQueue> stopped, Code code, List<Reason> reasons) {
        Map<Integer, List<String>> byStripe = new TreeMap<>();
        stopped.forEach(one -> byStripe.computeIfAbsent(one.stripeId(), id -> new ArrayList<>())
                .add(one.text()));
        byStripe.forEach((stripe, texts) -> {
            int others = texts.size() - STOPPED_NAMED_MAX;
            String named = String.join("; ", others > 0 ? texts.subList(0, STOPPED_NAMED_MAX) : texts);
            reasons.add(new Reason(
                    code,
                    Effect.LIMITED,
                    Optional.of(stripe),
                    others > 0 ? named + "; and " + others + " more" : named));
        });
    }

    private static void ofStripe(StripeHealth stripe, Duration stallLimit, List<Reason> reasons) {
        Reason keptFromServing = keptFromServing(stripe);
        if (keptFromServing != null) {
            reasons.add(keptFromServing);
        } else if (stripe.diskRefuses().contains(StripeBudget.Tier.ACK)) {
            reasons.add(reason(
                    stripe,
                    Code.DISK_FULL,
                    Effect.NOT_READY,
                    stripe.freeDiskBytes() + " bytes of disk are free: nothing is taken, acks included"));
        } else if (!stripe.diskRefuses().isEmpty()) {
            reasons.add(reason(
                    stripe,
                    Code.DISK_LOW,
                    Effect.LIMITED,
                    stripe.freeDiskBytes() + " bytes of disk are free: refused is " + stripe.diskRefuses()));
        }
        if (keptFromServing == null && stripe.appendWait().compareTo(stallLimit) > 0) {
            reasons.add(reason(
                    stripe,
                    Code.APPENDS_STALLED,
                    Effect.NOT_READY,
                    "appends have waited for " + seconds(stripe.appendWait()) + latest(stripe)));
        }
        if (stripe.unflushedAge().compareTo(stallLimit) > 0) {
            reasons.add(reason(
                    stripe,
                    Code.FORCE_SLOW,
                    Effect.LIMITED,
                    "what is written has not been forced for " + seconds(stripe.unflushedAge())
                            + ": nothing is answered FLUSHED" + latest(stripe)));
        }
    }

    /** Null if it serves. */
    private static Reason keptFromServing(StripeHealth stripe) {
        StripePhase phase = stripe.phase();
        StripeBudget.Reason why =
                stripe.unavailable().map(StripeBudget.Unavailability::reason).orElse(null);
        if (phase == StripePhase.CLOSED || why == StripeBudget.Reason.CLOSED) {
            return reason(stripe, Code.STRIPE_CLOSED, Effect.NOT_ALIVE, "the stripe is closed" + why(stripe));
        }
        if (phase == StripePhase.CLOSING || why == StripeBudget.Reason.SHUTTING_DOWN) {
            return reason(stripe, Code.STRIPE_STOPPING, Effect.NOT_READY, "the stripe stops");
        }
        if (why == StripeBudget.Reason.DISK_FULL) {
            return reason(stripe, Code.DISK_FULL, Effect.NOT_READY, "the disk is full: nothing is taken" + why(stripe));
        }
        if (phase == StripePhase.READ_ONLY || why != null) {
            return reason(
                    stripe,
                    Code.STRIPE_READ_ONLY,
                    Effect.NOT_READY,
                    "the device fails: nothing is taken, what is stored is read" + why(stripe));
        }
        if (phase == StripePhase.REWRITING) {
            return reason(
                    stripe,
                    Code.STRIPE_REWRITING,
                    Effect.NOT_READY,
                    "a force failed: what was not durable is written again, appends wait" + latest(stripe));
        }
        return phase == StripePhase.RUNNING
                ? null
                : reason(stripe, Code.NODE_STARTING, Effect.NOT_READY, "the stripe reads its log");
    }

    private static Reason reason(StripeHealth stripe, Code code, Effect effect, String text) {
        return new Reason(code, effect, Optional.of(stripe.stripeId()), text);
    }

    private static String why(StripeHealth stripe) {
        return stripe.unavailable()
                .map(unavailable -> "; " + unavailable.detail())
                .orElseGet(() -> latest(stripe));
    }

    private static String latest(StripeHealth stripe) {
        return stripe.lastFailure()
                .map(failure -> "; the latest failure: " + failure)
                .orElse("");
    }

    private static String seconds(Duration duration) {
        return duration.toMillis() / 1000 + "." + duration.toMillis() % 1000 / 100 + " s";
    }
}
