package io.forebay.store;

import akka.Done;
import akka.actor.typed.ActorRef;
import io.forebay.storage.log.StripeLog;
import io.forebay.store.StoreWriter.Stop;
import io.forebay.store.StripeBudget.Reason;

/**
 * How a stripe ends, as {@link StopState} decides: asked for, it takes nothing new but what was decided; then nothing at all; then
 * the log is closed, as soon as nothing works on it, after a force of what is unflushed if the end is clean. A bug leads to the
 * same end, but such a stripe stays to say so until it is asked to stop. Confined to the StoreWriter.
 */
final class StripeEnd {
    /** What {@link Stop} allows is over. */
    enum StopTimedOut implements StoreWriter.Internal {
        INSTANCE
    }

    /** @param failure null if it is closed as it should be */
    record LogClosed(Throwable failure) implements StoreWriter.Internal {}

    private final int stripeId;
    private final StripeLog log;
    private final StripeStatus status;
    private final WriterTools tools;
    private final Availability availability;
    private final Flushing flushing;
    private final Cleaning cleaning;
    private final AppendLine line;
    private final ActorRef<Flusher.Message> flusher;
    private final StopState<ActorRef<Done>> stop = new StopState<>();
    private boolean isFlusherEnded;

    StripeEnd(
            StoreWriter.Parts parts,
            WriterTools tools,
            Availability availability,
            Flushing flushing,
            Cleaning cleaning,
            AppendLine line,
            ActorRef<Flusher.Message> flusher) {
        this.stripeId = parts.stripeId();
        this.log = parts.log();
        this.status = parts.status();
        this.tools = tools;
        this.availability = availability;
        this.flushing = flushing;
        this.cleaning = cleaning;
        this.line = line;
        this.flusher = flusher;
    }

    // --- draining ---

    /** @param isRewriting whether something is written again, which goes on */
    void ask(Stop asked, boolean isRewriting) {
        if (stop.ask(asked.replyTo())) {
            availability.stopping();
            if (!isRewriting) {
                status.phase(StripePhase.CLOSING);
            }
            tools.startTimer(StopTimedOut.INSTANCE, StopTimedOut.INSTANCE, asked.within());
        }
    }

    boolean isAsked() {
        return stop.isAsked();
    }

    /** Whether there should be a last checkpoint; once. */
    boolean takeLastCheckpoint() {
        return stop.takeLastCheckpoint();
    }

    /** What is not forced by now is left to recovery. */
    void timeOver() {
        stop.timeOver();
    }

    boolean isTimeOver() {
        return stop.isTimeOver();
    }

    // --- closing ---

    /** Nothing is taken any more. {@link #close()} follows. */
    void beginClosing(boolean clean) {
        stop.close("stripe " + stripeId + " stops", clean);
        status.phase(StripePhase.CLOSING);
        availability.unavailable(Reason.SHUTTING_DOWN, stop.because());
        line.rejectWaiting(stop.because());
    }

    /** Nothing is taken any more, and nothing that is here is believed. {@link #close()} follows. */
    void beginClosingByBug(Throwable bug) {
        tools.logger().error("stripe " + stripeId + " is closed by a bug", bug);
        status.failed("closed by a bug: " + bug);
        status.phase(StripePhase.CLOSED);
        stop.notClean();
        if (stop.close("stripe " + stripeId + " is closed by a bug: " + bug, false)) {
            availability.unavailable(Reason.CLOSED, stop.because());
            line.rejectWaiting(stop.because());
        }
    }

    boolean isClosing() {
        return stop.isClosing();
    }

    /** Null while the stripe serves. */
    String because() {
        return stop.because();
    }

    /** The Flusher is free again. {@link #close()} follows. */
    void backFromFlusher(boolean isForced) {
        flushing.backFromFlusher(!isForced);
        if (!isForced) {
            stop.notClean();
        }
    }

    /** Closes the log as soon as nothing works on it; on a clean stop what is unflushed is forced first. */
    void close() {
        if (stop.isLogClosing() || (flushing.isAtFlusher() && !isFlusherEnded) || tools.isAnyCallRunning()) {
            return;
        }
        if (stop.isClean() && !isFlusherEnded) {
            flushing.flush();
            if (flushing.isAtFlusher()) {
                return;
            }
        }
        cleaning.endEvacuation();
        stop.logClosing();
        boolean clean = stop.isClean();
        tools.offload(() -> log.close(clean), LogClosed::new);
    }

    // --- closed ---

    void onLogClosed(LogClosed closed) {
        stop.logClosed();
        status.phase(StripePhase.CLOSED);
        if (closed.failure != null) {
            status.failed("close: " + closed.failure);
            tools.logger().warn("stripe {}: was not closed clean: {}", stripeId, closed.failure.toString());
        }
        if (!isFlusherEnded) {
            flusher.tell(Flusher.Finish.INSTANCE);
        }
    }

    /** @return false if it ended before its time, which is a bug */
    boolean onFlusherEnded() {
        isFlusherEnded = true;
        return stop.isLogClosed();
    }

    /** One more wants to be told, when nothing is taken any more. */
    void askClosing(Stop asked) {
        stop.ask(asked.replyTo());
    }

    /** @return whether nothing is left to do or to say, and those who asked for it have been told */
    boolean tellIfOver() {
        if (!stop.isLogClosed() || !isFlusherEnded || !stop.isAsked()) {
            return false;
        }
        stop.replies().forEach(replyTo -> replyTo.tell(Done.getInstance()));
        return true;
    }

    /** The actor ends without having been asked. @return whether the log is to be closed yet, by whoever calls this */
    boolean endAbruptly() {
        if (stop.isLogClosing()) {
            return false;
        }
        stop.logClosing();
        return true;
    }
}
