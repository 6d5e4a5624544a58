package io.forebay.queue;

import akka.actor.typed.ActorRef;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.Owner;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import java.util.ArrayDeque;

/**
 * An actor's side of its stripe: sends frames to the StoreWriter, one at a time, keeps those that are not durable in case
 * they have to be sent again, and parks what may only be told when a sequence is durable.
 *
 * <p>The actor gathers what arrives while {@link #isBusy()} and sends it as its next frame; that is all the batching there
 * is, and it adds no delay. Confined to its actor.
 */
public final class StripePort {

    private static final long NOTHING = -1;

    /** What is told when the records up to a sequence are durable. */
    private record Parked(long sequence, Runnable whenDurable) {}

    private final StripeHandle stripe;
    private final ActorRef<StoreWriter.Event> origin;
    private final StripeBudget.Account account;
    private final RetainedFrames retained = new RetainedFrames();
    private final ArrayDeque<Parked> parked = new ArrayDeque<>();
    private boolean isBusy;
    private boolean isRewriting;
    private boolean isAvailable = true;
    private long tag;
    private long lastSequence = NOTHING;

    /**
     * Registers this actor with the StoreWriter, before anything else is sent there: who is not registered is not told when the
     * stripe takes nothing already.
     *
     * @param owner whose snapshots this actor is asked for
     * @param origin where this actor hears the stripe's events; the StoreWriter watches it
     */
    public StripePort(StripeHandle stripe, Owner owner, ActorRef<StoreWriter.Event> origin) {
        this.stripe = stripe;
        this.origin = origin;
        this.account = stripe.budget().open();
        stripe.writer().tell(new StoreWriter.Register(owner, origin, account));
    }

    public StripeHandle stripe() {
        return stripe;
    }

    public StripeBudget.Account account() {
        return account;
    }

    /** Whether a frame is on its way: what comes now is gathered for the next. */
    public boolean isBusy() {
        return isBusy;
    }

    /** Whether a failed force is being made good: nothing is told at WRITTEN, and bodies may be unreadable for now. */
    public boolean isRewriting() {
        return isRewriting;
    }

    /** Whether appends are answered promptly, as far as is known. */
    public boolean isAvailable() {
        return isAvailable;
    }

    /** Highest sequence of this actor's written records since it started, -1 before the first. */
    public long lastSequence() {
        return lastSequence;
    }

    /** Sends a frame; only when not busy. */
    public void append(Frame frame, boolean wantsDurable) {
        if (isBusy) throw new AssertionError("a second append beside number " + tag);
        isBusy = true;
        account.spend(frame);
        stripe.writer().tell(new StoreWriter.Append(frame, origin, wantsDurable, ++tag));
    }

    /** The frame sent last is written. Returns the sequence of its last record. */
    public long onWritten(StoreWriter.Written written) {
        if (!isBusy || written.tag() != tag)
            throw new AssertionError("written " + written.tag() + ", waiting for " + tag);
        isBusy = false;
        Frame frame = written.frame();
        lastSequence = frame.lastSequence();
        releaseDurable();
        retained.add(frame);
        return lastSequence;
    }

    /** The frame sent last is refused for good: the stripe closes. */
    public void onRejected(StoreWriter.Rejected rejected) {
        if (rejected.tag() == tag) isBusy = false;
    }

    /** Sends what is not durable again, whole and in order. */
    public void onFlushFailed(StoreWriter.FlushFailed failed) {
        isRewriting = true;
        stripe.writer().tell(new StoreWriter.Rewrite(retained.above(failed.aboveSequence()), origin));
    }

    public void onRewritten(StoreWriter.Rewritten rewritten) {
        isRewriting = false;
        durable(rewritten.durableSequence());
    }

    public void onUnavailable() {
        isAvailable = false;
    }

    public void onAvailable() {
        isAvailable = true;
    }

    public void onDurable(StoreWriter.Durable durable) {
        durable(durable.upToSequence());
    }

    /**
     * Runs the action when everything up to the sequence is durable: now, if it is. Actions run in the order of their
     * sequences, which have to come in order. Somebody must have asked for {@code Durable} with that sequence's append.
     */
    public void whenDurable(long sequence, Runnable action) {
        if (parked.isEmpty() && sequence <= stripe.log().durableSequence()) {
            action.run();
            return;
        }
        parked.addLast(new Parked(sequence, action));
    }

    /** As {@link #whenDurable} for what was appended without wanting it. */
    public void awaitDurable(long sequence, Runnable action) {
        requestDurable(sequence);
        whenDurable(sequence, action);
    }

    /** Asks for {@code Durable} when the sequence, of whomever, is durable; nothing if it is. */
    public void requestDurable(long sequence) {
        if (sequence > stripe.log().durableSequence()) {
            stripe.writer().tell(new StoreWriter.AwaitDurable(sequence, origin));
        }
    }

    /** Whether somebody waits for what is written already to be durable. */
    public boolean hasParked() {
        return !parked.isEmpty();
    }

    /** What was parked behind another and was durable already asked for nothing: so go by what is durable, not by what was told. */
    private void durable(long toldUpTo) {
        long upTo = Math.max(toldUpTo, stripe.log().durableSequence());
        while (!parked.isEmpty() && parked.peekFirst().sequence <= upTo) {
            parked.pollFirst().whenDurable.run();
        }
        releaseDurable();
    }

    private void releaseDurable() {
        retained.releaseUpTo(stripe.log().durableSequence());
    }
}
