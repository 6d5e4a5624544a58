package io.forebay.store;

import akka.actor.typed.ActorRef;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.StripeException;
import io.forebay.storage.log.StripeLog;
import io.forebay.store.StoreWriter.Append;
import io.forebay.store.StoreWriter.Command;
import io.forebay.store.StoreWriter.Event;
import io.forebay.store.StoreWriter.Forget;
import io.forebay.store.StoreWriter.Refused;
import io.forebay.store.StoreWriter.Rejected;
import io.forebay.store.StoreWriter.Snapshot;
import io.forebay.store.StoreWriter.Written;
import java.util.ArrayDeque;
import java.util.Set;

/**
 * Appends in order of arrival what comes for the log, and keeps what cannot be appended now. Invariant: nothing passes what
 * waits, so the frames of one origin are written as it sent them, and what concerns an owner comes behind its appends. What waits
 * has its room in the budget already, so the line is as bounded as that is. Confined to the StoreWriter.
 */
final class AppendLine {
    private final StripeLog log;
    private final StripeBudget budget;
    private final StripeMeters meters;
    private final LogClock clock;
    private final AppendGate gate;
    private final Registrations<Owner, ActorRef<Event>> registrations;
    private final Unflushed unflushed;
    private final Checkpointing checkpoints;
    private final Cleaning cleaning;
    /** {@link Append}, {@link Snapshot}, {@link Forget}. */
    private final ArrayDeque<Command> waiting = new ArrayDeque<>();

    AppendLine(
            StoreWriter.Parts parts,
            AppendGate gate,
            Registrations<Owner, ActorRef<Event>> registrations,
            Unflushed unflushed,
            Checkpointing checkpoints,
            Cleaning cleaning) {
        this.log = parts.log();
        this.budget = parts.budget();
        this.meters = parts.status().meters();
        this.clock = parts.clock();
        this.gate = gate;
        this.registrations = registrations;
        this.unflushed = unflushed;
        this.checkpoints = checkpoints;
        this.cleaning = cleaning;
    }

    boolean isEmpty() {
        return waiting.isEmpty();
    }

    /** Whether what comes now can be tried at once. */
    boolean canAppend() {
        return waiting.isEmpty() && gate.isOpen();
    }

    // --- what comes ---

    /** The origin is told {@link Written} or {@link Rejected} when it is. */
    void append(Append append) {
        if (canAppend() && tryAppend(append)) {
            return;
        }
        add(append);
    }

    void snapshot(Snapshot snapshot) {
        Snapshot rest = canAppend() ? checkpoints.appendSnapshot(snapshot) : snapshot;
        if (rest != null) {
            add(rest);
        }
    }

    void forget(Forget forget) {
        if (waiting.isEmpty()) {
            forgetNow(forget);
        } else {
            waiting.add(forget); // behind the appends of that owner
        }
    }

    /** Nothing can be appended for now, whatever the log says. */
    void add(Command command) {
        waiting.add(command);
        meters.stalled();
    }

    // --- what waits ---

    /** Appends what waited, as far as that goes. */
    void appendWaiting() {
        while (!waiting.isEmpty() && gate.isOpen()) {
            Command first = waiting.peek();
            if (first instanceof Append append) {
                if (!tryAppend(append)) {
                    return;
                }
            } else if (first instanceof Snapshot snapshot) {
                Snapshot rest = checkpoints.appendSnapshot(snapshot);
                if (rest != null) {
                    waiting.remove();
                    waiting.addFirst(rest);
                    return;
                }
            } else if (first instanceof Forget forget) {
                forgetNow(forget);
            } else {
                throw new AssertionError(first);
            }
            waiting.remove();
        }
        if (waiting.isEmpty()) {
            meters.goesOn();
        }
    }

    /** Nothing is appended any more. */
    void rejectWaiting(String because) {
        for (Command command : waiting) {
            if (command instanceof Append append) {
                reject(append, Refused.CLOSED, because);
            }
        }
        waiting.clear();
        meters.goesOn();
    }

    /** Adds everybody whose frames wait. */
    void addOriginsTo(Set<ActorRef<Event>> all) {
        for (Command command : waiting) {
            if (command instanceof Append append) {
                all.add(append.origin());
            }
        }
    }

    // --- one at a time ---

    /** @return false if it has to be tried again later */
    private boolean tryAppend(Append append) {
        Frame frame = append.frame();
        try {
            log.appendIfPrepared(frame, clock.millis());
        } catch (StripeException e) {
            Refused refused = gate.refusedBecause(e);
            if (refused == null) {
                return false;
            }
            reject(append, refused, e.getMessage());
            return true;
        }
        gate.appended();
        unflushed.appended(append);
        checkpoints.appended(frame.lengthBytes());
        cleaning.appended(frame.lengthBytes());
        append.origin().tell(new Written(append.tag(), frame));
        return true;
    }

    /** Gives its room back. */
    void reject(Append append, Refused refused, String detail) {
        budget.release(append.frame().retainedBytes());
        append.origin().tell(new Rejected(append.tag(), append.frame(), refused, detail));
    }

    private void forgetNow(Forget forget) {
        registrations.forget(forget.owner());
        log.forget(forget.owner());
        checkpoints.gone(forget.owner());
        checkpoints.writeManifestIfGathered();
    }
}
