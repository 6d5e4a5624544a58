package io.forebay.store;

import akka.actor.typed.ActorRef;
import io.forebay.storage.log.FlushRange;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.StripeException;
import io.forebay.storage.log.StripeLog;
import io.forebay.store.StoreWriter.Event;
import io.forebay.store.StoreWriter.Rewrite;
import io.forebay.store.StripeBudget.Reason;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * Writes again what a failed force leaves uncertain: everything that is not durable, in the order that {@link RewriteState}
 * decides. Between {@link #begin} and {@link #told} nothing else is appended, and no other call works on the log while the copies
 * are forced. An attempt that fails starts over; after some of them the stripe is read-only until one succeeds. The Flusher tells
 * the origins. Confined to the StoreWriter.
 */
final class Rewriting {
    /** Time is over for those who have not sent their frames again. */
    enum RewriteTimedOut implements StoreWriter.Internal {
        INSTANCE
    }

    /** The next attempt. */
    enum RewriteAgain implements StoreWriter.Internal {
        INSTANCE
    }

    /** @param failure null if the copies are forced */
    record RewriteFinished(Throwable failure) implements StoreWriter.Internal {}

    private final StoreWriter.Parts parts;
    private final StripeLog log;
    private final StripeStatus status;
    private final WriterTools tools;
    private final Availability availability;
    private final Unflushed unflushed;
    private final ActorRef<Flusher.Message> flusher;
    private final ActorRef<Event> ownOrigin;
    /** Null while nothing has to be written again. */
    private RewriteState<ActorRef<Event>> rewrite;

    private List<Frame> frames = List.of();
    private final Backoff backoff;

    /** @param ownOrigin of the stripe's own frames, which nobody is asked for */
    Rewriting(
            StoreWriter.Parts parts,
            WriterTools tools,
            Availability availability,
            Unflushed unflushed,
            ActorRef<Flusher.Message> flusher,
            ActorRef<Event> ownOrigin) {
        this.parts = parts;
        this.log = parts.log();
        this.status = parts.status();
        this.tools = tools;
        this.availability = availability;
        this.unflushed = unflushed;
        this.flusher = flusher;
        this.ownOrigin = ownOrigin;
        this.backoff = new Backoff(parts.config().retryBackoff(), parts.config().retryBackoffMax());
    }

    boolean isUnderWay() {
        return rewrite != null;
    }

    /**
     * Makes what is not durable unreadable and has its origins asked for it. No range may be at the Flusher.
     *
     * @param range whose force failed; null if it was a store
     */
    void begin(FlushRange range) {
        log.forceFailed(range);
        status.meters().rewriteBegins();
        frames = List.copyOf(log.retainedFrames());
        rewrite = new RewriteState<>(
                unflushed.entriesOf(frames, ownOrigin), parts.config().rewriteAttemptsMax());
        rewrite.awaited().forEach(tools::watch);
        flusher.tell(new Flusher.TellFailed(log.durableSequence(), rewrite.awaited(), unflushed.takeWaiters()));
        tools.startTimer(
                RewriteTimedOut.INSTANCE,
                RewriteTimedOut.INSTANCE,
                parts.config().rewriteTimeout());
    }

    /** Writes what can be written now. */
    void further() {
        while (true) {
            int index = rewrite.next();
            if (index == RewriteState.WAIT) {
                return;
            }
            if (index == RewriteState.COMPLETE) {
                finishIfComplete();
                return;
            }
            try {
                log.rewrite(frames.get(index));
            } catch (StripeException e) {
                failed(e);
                return;
            }
        }
    }

    /** Forces the copies if all are written and nothing else works on the log: what ends comes by here again. */
    void finishIfComplete() {
        if (rewrite.isReadyToFinish() && !tools.isAnyCallRunning()) {
            if (!log.isRewriteComplete()) {
                throw new AssertionError(
                        "stripe " + parts.stripeId() + ": more is to be written again than was retained");
            }
            rewrite.finishing();
            tools.offload(log::finishRewrite, RewriteFinished::new);
        }
    }

    private void failed(IOException cause) {
        status.flushFailed(cause.getMessage());
        boolean isReadOnly = rewrite.failed();
        log.forceFailed(null);
        if (isReadOnly) {
            status.phase(StripePhase.READ_ONLY);
            availability.failing(StripeFailures.isDiskFull(cause) ? Reason.DISK_FULL : Reason.READ_ONLY, cause);
            tools.startTimer(RewriteAgain.INSTANCE, RewriteAgain.INSTANCE, backoff.next());
        } else {
            tools.logger().warn("stripe {}: rewriting failed, starts over: {}", parts.stripeId(), cause.getMessage());
            tools.tellSelf(RewriteAgain.INSTANCE);
        }
    }

    // --- what happens meanwhile ---

    void onRewrite(Rewrite again) {
        List<Long> sequences = new ArrayList<>(again.frames().size());
        for (Frame frame : again.frames()) {
            sequences.add(frame.firstSequence());
        }
        int missing = rewrite.answered(again.origin(), sequences);
        if (missing > 0) {
            tools.logger()
                    .info("stripe {}: {} sent all but {} frames again", parts.stripeId(), again.origin(), missing);
        }
        further();
    }

    /** An origin has stopped. */
    void gone(ActorRef<Event> origin) {
        rewrite.gone(origin);
        further();
    }

    void onRewriteTimedOut() {
        if (!rewrite.awaited().isEmpty()) {
            tools.logger()
                    .warn(
                            "stripe {}: writes again itself what these did not send: {}",
                            parts.stripeId(),
                            rewrite.awaited());
            rewrite.timedOut();
        }
        further();
    }

    void onRewriteAgain() {
        rewrite.again();
        further();
    }

    void onRewriteFinished(RewriteFinished finished) {
        if (finished.failure != null) {
            failed(StripeFailures.environment(parts.stripeId(), finished.failure));
            return;
        }
        long durable = log.durableSequence();
        tools.logger().info("stripe {}: written again and durable up to sequence {}", parts.stripeId(), durable);
        backoff.reset();
        flusher.tell(new Flusher.TellRewritten(durable));
    }

    /** Everybody has been told: what waits may be appended, and the room of what was written again is free. */
    void told() {
        rewrite = null;
        frames = List.of();
        tools.cancelTimer(RewriteTimedOut.INSTANCE);
        parts.budget().release(unflushed.rewritten());
        status.meters().rewritten();
    }
}
