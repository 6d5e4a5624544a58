package io.forebay.store;

import akka.actor.typed.ActorRef;
import io.forebay.storage.log.FlushRange;
import io.forebay.storage.log.StripeLog;
import io.forebay.store.StoreWriter.AwaitDurable;
import java.time.Duration;

/**
 * Hands what was appended to the Flusher, one range at a time: at once if somebody waits for it, else by bytes and by time, as
 * {@link Unflushed} decides. Who is told that something is durable is told it by the Flusher. Confined to the StoreWriter.
 */
final class Flushing {
    /** What gathers has gathered for long enough. */
    enum FlushDue implements StoreWriter.Internal {
        INSTANCE
    }

    private final StripeLog log;
    private final StripeMeters meters;
    private final Duration flushInterval;
    private final WriterTools tools;
    private final AppendGate gate;
    private final Unflushed unflushed;
    private final ActorRef<Flusher.Message> flusher;
    private boolean isTimerSet;

    Flushing(
            StoreWriter.Parts parts,
            WriterTools tools,
            AppendGate gate,
            Unflushed unflushed,
            ActorRef<Flusher.Message> flusher) {
        this.log = parts.log();
        this.meters = parts.status().meters();
        this.flushInterval = parts.config().flushInterval();
        this.tools = tools;
        this.gate = gate;
        this.unflushed = unflushed;
        this.flusher = flusher;
    }

    /** Nothing behind a failed store is forced: it is written again. */
    void flushIfDue() {
        if (gate.hasStoreFailed()) {
            return;
        }
        if (unflushed.isDue()) {
            flush();
        } else if (unflushed.isDueLater() && !isTimerSet) {
            isTimerSet = true;
            tools.startTimer(FlushDue.INSTANCE, FlushDue.INSTANCE, flushInterval);
        }
    }

    /** Hands over what there is; no range may be at the Flusher. */
    void flush() {
        FlushRange range = log.takeUnflushed();
        if (range == null) {
            unflushed.nothingToTake();
        } else {
            flusher.tell(unflushed.take(range));
            meters.rangeTaken();
        }
    }

    void onFlushDue() {
        isTimerSet = false;
        unflushed.wantForce();
    }

    /** It came while everything is written again, which forces it, too. */
    void onFlushDueRewriting() {
        isTimerSet = false;
    }

    boolean isAtFlusher() {
        return unflushed.isAtFlusher();
    }

    /** The Flusher has ended with the range. @return up to where everything is durable */
    long backFromFlusher(boolean isFailed) {
        long durable = log.durableSequence();
        meters.rangeBack(unflushed.backFromFlusher(durable, isFailed));
        return durable;
    }

    /** @return whether a force may be due for it */
    boolean await(AwaitDurable await) {
        if (await.sequence() <= log.durableSequence() || unflushed.isAtFlusher(await.sequence())) {
            awaitAtFlusher(await);
            return false;
        }
        unflushed.await(await.origin());
        return true;
    }

    /** Also when it is durable already: who is told anything about durability is told it by the Flusher. */
    void awaitAtFlusher(AwaitDurable await) {
        flusher.tell(new Flusher.Await(await.sequence(), await.origin()));
    }
}
