package io.forebay.topic;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.Refusal;
import io.forebay.queue.OwnerLog;
import io.forebay.queue.StoreRefusals;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.Owner;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import io.forebay.topic.core.RegistryState;
import java.util.List;
import java.util.function.Consumer;

/**
 * The registry's side of stripe 0: writes what was decided, lets it have its effect when it is flushed and in the order in
 * which it was decided, then answers who waits for it. Gives snapshots of the state between two frames. Confined to the
 * registry's actor.
 */
final class RegistryJournal {
    private static final int FRAME_BYTES = 64 * 1024;

    private final OwnerLog log;

    /**
     * @param origin where the registry hears the stripe's events, for {@link #onEvent}
     * @param held how far the state goes
     */
    RegistryJournal(StripeHandle stripe, ActorRef<StoreWriter.Event> origin, RegistryState state, OwnerLog.Held held) {
        log = new OwnerLog(
                stripe,
                Owner.STRIPE,
                origin,
                FRAME_BYTES,
                held,
                () -> state.snapshot().encode(),
                () -> {},
                () -> false,
                () -> {});
    }

    /** Why nothing is written any more; null while it is. */
    Refusal closed() {
        return log.closed();
    }

    /** Whether nothing may be decided for now: a snapshot holds written records only. */
    boolean isHoldingBack() {
        return log.isHoldingBack();
    }

    /** Null if there is room; what is reserved is given back by {@link #sendNext}, as far as nothing was committed for it. */
    Refusal reserve(long bytes) {
        StripeBudget.NoRoom noRoom = log.tryReserve(StripeBudget.Tier.EXTENSION, bytes);
        return noRoom == null ? null : StoreRefusals.of(noRoom);
    }

    /** @param publish run when the record is flushed, after whatever was committed before */
    void commit(LogRecord record, Runnable publish) {
        commit(List.of(record), publish);
    }

    /** As {@link #commit(LogRecord, Runnable)}, of records that are in the log all or none. */
    void commit(List<LogRecord> records, Runnable publish) {
        log.add(records, true, firstSequence -> {}, () -> {}, refusal -> {});
        // That whoever waits is told that it is not known changes nothing: once it is flushed, it is so.
        log.whenFlushed(publish);
    }

    /** Answers when everything decided so far is flushed. */
    void await(Runnable whenFlushed, Consumer<Refusal> otherwise) {
        log.awaitFlushed(whenFlushed, otherwise);
    }

    /** Sends what was decided, unless a frame is on its way. */
    void sendNext() {
        log.sendNext();
        log.giveBackUnused();
    }

    void onEvent(StoreWriter.Event event) {
        log.onEvent(event);
    }
}
