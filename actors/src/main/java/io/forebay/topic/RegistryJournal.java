package io.forebay.topic;

import io.forebay.protocol.Refusal;
import io.forebay.queue.FrameSize;
import io.forebay.queue.StoreRefusals;
import io.forebay.queue.StripePort;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import io.forebay.topic.core.RegistryState;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * The registry's side of stripe 0: writes what was decided, lets it have its effect when it is flushed and in the order in
 * which it was decided, then answers who waits for it. Gives snapshots of the state between two frames. Confined to the
 * registry's actor.
 */
final class RegistryJournal {
    /** What happens when everything decided before is flushed, or cannot be. */
    private static final class Waiting {
        private final Runnable whenFlushed;
        private final Consumer<Refusal> otherwise;
        private boolean isAnswered;

        Waiting(Runnable whenFlushed, Consumer<Refusal> otherwise) {
            this.whenFlushed = whenFlushed;
            this.otherwise = otherwise;
        }

        void accept() {
            if (!isAnswered) {
                isAnswered = true;
                whenFlushed.run();
            }
        }

        void refuse(Refusal refusal) {
            if (!isAnswered) {
                isAnswered = true;
                otherwise.accept(refusal);
            }
        }
    }

    private final StripeHandle stripe;
    private final StripePort port;
    private final RegistryState state;
    /** Records that were committed together stay together. */
    private List<List<LogRecord>> gathering = new ArrayList<>();

    private List<Waiting> gatheringWaiting = new ArrayList<>();
    private List<Waiting> sentWaiting = new ArrayList<>();
    private final ArrayDeque<Waiting> unanswered = new ArrayDeque<>();
    private final ArrayDeque<StoreWriter.SnapshotRequested> snapshotsWanted = new ArrayDeque<>();
    private Refusal closed;
    private long heldOwnerNumber;

    /**
     * @param port of the stripe's own records
     * @param heldOwnerNumber the own number of the last record in the state
     */
    RegistryJournal(StripePort port, RegistryState state, long heldOwnerNumber) {
        this.stripe = port.stripe();
        this.port = port;
        this.state = state;
        this.heldOwnerNumber = heldOwnerNumber;
    }

    /** Why nothing is written any more; null while it is. */
    Refusal closed() {
        return closed;
    }

    /** Whether nothing may be decided for now: a snapshot holds written records only. */
    boolean isHoldingBack() {
        return !snapshotsWanted.isEmpty();
    }

    /** Null if there is room; what is reserved is given back by whatever is sent next. */
    Refusal reserve(long bytes) {
        return port.account().tryReserve(bytes, StripeBudget.Tier.EXTENSION)
                ? null
                : StoreRefusals.of(stripe.budget().refusal(StripeBudget.Tier.EXTENSION));
    }

    /** @param publish run when the record is flushed, after whatever was committed before */
    void commit(LogRecord record, Runnable publish) {
        commit(List.of(record), publish);
    }

    /** As {@link #commit(LogRecord, Runnable)}, of records that are in the log all or none. */
    void commit(List<LogRecord> records, Runnable publish) {
        gathering.add(records);
        gatheringWaiting.add(new Waiting(publish, refusal -> {}));
    }

    /** Answers when everything decided so far is flushed. */
    void await(Runnable whenFlushed, Consumer<Refusal> otherwise) {
        Waiting waiting = new Waiting(whenFlushed, otherwise);
        if (!gathering.isEmpty()) {
            gatheringWaiting.add(waiting);
            unanswered.addLast(waiting);
        } else if (port.isBusy()) {
            sentWaiting.add(waiting);
            unanswered.addLast(waiting);
        } else if (port.hasParked()) {
            unanswered.addLast(waiting);
            port.whenDurable(port.lastSequence(), waiting::accept);
        } else {
            waiting.accept();
        }
    }

    /** Sends what was decided, unless a frame is on its way. */
    void sendNext() {
        if (port.isBusy() || gathering.isEmpty()) {
            // Whatever was reserved and not used up by a decision is not needed.
            if (gathering.isEmpty()) {
                port.account().giveBack(port.account().reservedBytes());
            }
            return;
        }
        Frame.Builder builder = Frame.builder(1024);
        int added = 0;
        for (List<LogRecord> together : gathering) {
            long bytes = together.stream().mapToLong(FrameSize::ofRecord).sum();
            if (added > 0 && builder.bytes() + bytes > stripe.log().frameBytesMax()) {
                break;
            }
            together.forEach(record -> builder.add(Owner.STRIPE, record));
            added++;
        }
        Frame frame = builder.build();
        sentWaiting = gatheringWaiting;
        gatheringWaiting = new ArrayList<>();
        if (added < gathering.size()) {
            // What does not fit goes with the next frame; the answers wait for the last one.
            gathering = new ArrayList<>(gathering.subList(added, gathering.size()));
            gatheringWaiting = sentWaiting;
            sentWaiting = new ArrayList<>();
        } else {
            gathering = new ArrayList<>();
        }
        port.append(frame, true);
        if (gathering.isEmpty()) {
            port.account().giveBack(port.account().reservedBytes());
        }
    }

    void onEvent(StoreWriter.Event event) {
        if (event instanceof StoreWriter.Written written) {
            onWritten(written);
        } else if (event instanceof StoreWriter.Durable durable) {
            port.onDurable(durable);
        } else if (event instanceof StoreWriter.FlushFailed failed) {
            port.onFlushFailed(failed);
        } else if (event instanceof StoreWriter.Rewritten rewritten) {
            port.onRewritten(rewritten);
        } else if (event instanceof StoreWriter.SnapshotRequested requested) {
            snapshotsWanted.addLast(requested);
        } else if (event instanceof StoreWriter.Unavailable unavailable) {
            port.onUnavailable();
            refuseUnanswered(StoreRefusals.outcomeUnknown(unavailable.detail()));
        } else if (event instanceof StoreWriter.Available) {
            port.onAvailable();
        } else if (event instanceof StoreWriter.Rejected rejected) {
            port.onRejected(rejected);
            closed = StoreRefusals.of(rejected);
            refuseUnanswered(closed);
            snapshotsWanted.clear();
        } else {
            throw new AssertionError(event);
        }
        answerSnapshots();
        while (!unanswered.isEmpty() && unanswered.peekFirst().isAnswered) {
            unanswered.pollFirst();
        }
    }

    private void onWritten(StoreWriter.Written written) {
        long lastSequence = port.onWritten(written);
        Frame frame = written.frame();
        state.written(lastSequence);
        heldOwnerNumber = frame.ownerNumber(frame.recordCount() - 1);
        List<Waiting> waiting = sentWaiting;
        sentWaiting = new ArrayList<>();
        port.whenDurable(lastSequence, () -> waiting.forEach(Waiting::accept));
        sendNext();
    }

    private void answerSnapshots() {
        if (snapshotsWanted.isEmpty() || port.isBusy()) {
            return;
        }
        sendNext();
        if (port.isBusy()) {
            return;
        }
        while (!snapshotsWanted.isEmpty()) {
            List<Frame> frames = new ArrayList<>();
            if (state.heldSequence() >= 0) {
                byte[] payload = state.snapshot().encode();
                for (SnapshotRecord part : SnapshotRecord.split(
                        state.heldSequence(),
                        heldOwnerNumber,
                        0,
                        payload,
                        stripe.log().frameBytesMax() / 2)) {
                    frames.add(Frame.builder(part.payload().length + 128)
                            .add(Owner.STRIPE, part)
                            .build());
                }
            }
            stripe.writer()
                    .tell(new StoreWriter.Snapshot(snapshotsWanted.pollFirst().checkpointId(), Owner.STRIPE, frames));
        }
    }

    private void refuseUnanswered(Refusal refusal) {
        unanswered.forEach(waiting -> waiting.refuse(refusal));
        unanswered.clear();
    }
}
