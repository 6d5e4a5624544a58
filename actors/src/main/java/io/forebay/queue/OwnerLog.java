package io.forebay.queue;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.Refusal;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import java.util.function.Supplier;

/**
 * An actor's side of a stripe, of one whose records are all that there is of its state: a reserved queue's, or the stripe's own. Writes
 * what was decided, in order, one frame out while the next one fills, and tells when it is written or flushed. Gives snapshots of the
 * actor's state between two frames, which is why the actor decides nothing while {@link #isHoldingBack()}. Confined to its actor.
 */
public final class OwnerLog {
    /**
     * How far a state goes.
     *
     * @param sequence of its last record, -1 if it has none
     * @param ownerNumber its owner's own number of that
     */
    public record Held(long sequence, long ownerNumber) {
        public static final Held NOTHING = new Held(-1, 0);
    }

    /** What is told of one decision, once. */
    private static final class Waiting {
        private final boolean wantsFlushed;
        private final LongConsumer written;
        /** Of its first record in its frame. */
        private final int recordIndex;

        private final Runnable done;
        private final Consumer<Refusal> refused;
        private boolean isAnswered;

        Waiting(boolean wantsFlushed, LongConsumer written, int recordIndex, Runnable done, Consumer<Refusal> refused) {
            this.written = written;
            this.recordIndex = recordIndex;
            this.wantsFlushed = wantsFlushed;
            this.done = done;
            this.refused = refused;
        }

        void done() {
            if (!isAnswered) {
                isAnswered = true;
                done.run();
            }
        }

        void refuse(Refusal refusal) {
            if (!isAnswered) {
                isAnswered = true;
                refused.accept(refusal);
            }
        }
    }

    /** What can wait until a sequence is flushed without anybody's asking for it. */
    private record Later(long sequence, Runnable action) {}

    /** Room for a frame's header, and for what a batch that is begun anew takes beside its records. */
    private static final int BATCH_BYTES = 2 * 64;

    private final Owner owner;
    private final StripeHandle stripe;
    private final StripePort port;
    private final Outbox<Waiting> outbox;
    private final Supplier<byte[]> snapshot;
    private final ArrayDeque<Waiting> unanswered = new ArrayDeque<>();
    private final ArrayDeque<StoreWriter.SnapshotRequested> snapshotsWanted = new ArrayDeque<>();
    /** In the order of their sequences. */
    private final ArrayDeque<Later> later = new ArrayDeque<>();

    private final Runnable snapshotGiven;
    private final BooleanSupplier isWatched;
    private final Runnable flushed;
    private long heldSequence;
    private long heldOwnerNumber;
    private Refusal closed;

    /**
     * @param owner a queue, or the stripe
     * @param origin where the actor hears the stripe's events, for {@link #onEvent}
     * @param frameBytes size from which a frame is not filled further
     * @param recovered how far what was recovered goes
     * @param snapshot the state, encoded
     * @param snapshotGiven called when that was given
     * @param isWatched whether somebody wants to hear {@code flushed} of a frame that was written
     * @param flushed called when such a frame, and all before it, is flushed
     */
    public OwnerLog(
            StripeHandle stripe,
            Owner owner,
            ActorRef<StoreWriter.Event> origin,
            int frameBytes,
            Held recovered,
            Supplier<byte[]> snapshot,
            Runnable snapshotGiven,
            BooleanSupplier isWatched,
            Runnable flushed) {
        this.snapshotGiven = snapshotGiven;
        this.isWatched = isWatched;
        this.flushed = flushed;
        this.stripe = stripe;
        this.owner = owner;
        this.snapshot = snapshot;
        heldSequence = recovered.sequence();
        heldOwnerNumber = recovered.ownerNumber();
        port = new StripePort(stripe, owner, origin);
        outbox = new Outbox<>(port, owner, frameBytes);
    }

    /** Why nothing is written any more; null while it is. */
    public Refusal closed() {
        return closed;
    }

    /** Whether nothing may be decided for now. */
    public boolean isHoldingBack() {
        return !snapshotsWanted.isEmpty();
    }

    /** Most that records which are added together may {@linkplain #bytesOf take}: more would hold everybody up, waiting to be alone. */
    public long bytesMax() {
        return Math.min(
                outbox.frameBytesMax() - BATCH_BYTES, stripe.budget().unflushedBytesMax(StripeBudget.Tier.SEND));
    }

    /** Why these are not taken, whatever room there is; null if they may be. */
    public Refusal tooLargeOrNull(List<LogRecord> together) {
        return tooLargeOrNull(together, bytesOf(together));
    }

    /** The same of records that {@linkplain #bytesOf take} so much. */
    public Refusal tooLargeOrNull(List<LogRecord> together, long bytes) {
        if (bytes <= bytesMax()) {
            return null;
        }
        return Refusal.tooLarge(
                "an atomic write of " + together.size() + " records",
                bytes + " bytes",
                "at most " + bytesMax() + ", which "
                        + (bytesMax() < outbox.frameBytesMax() - BATCH_BYTES
                                ? "forebay.store.max-unflushed and send-high-water-percent give"
                                : "forebay.storage.segment-size gives"));
    }

    /** What these take, and have to be reserved for. */
    public static long bytesOf(List<LogRecord> together) {
        long bytes = BATCH_BYTES;
        for (LogRecord record : together) {
            bytes += FrameSize.ofRecord(record);
        }
        return bytes;
    }

    /** Null if there is room, which is taken by {@link #add}; or given back by {@link #giveBackUnused}. */
    public StripeBudget.NoRoom tryReserve(StripeBudget.Tier tier, long bytes) {
        return port.account().tryReserve(bytes, tier) ? null : stripe.budget().refusal(tier);
    }

    /** Gives back what was reserved, and that nothing was added for. */
    public void giveBackUnused() {
        outbox.giveBackSurplus();
    }

    /** As {@link StripeBudget.Account#awaitTurn}. */
    public void awaitTurn(StripeBudget.Tier tier, long bytes, Runnable wakeUp) {
        port.account().awaitTurn(bytes, tier, wakeUp);
    }

    /** As {@link StripeBudget.Account#endTurn}. */
    public void endTurn() {
        port.account().endTurn();
    }

    /**
     * Adds records that are in the log all or none; room for {@link #bytesOf} them is reserved.
     *
     * @param wantsFlushed whether it is done when they are flushed, or as soon as they are written
     * @param written told the sequence of the first, when they are written; before it is done
     * @param refused told why it is not done, or not known to be
     */
    public void add(
            List<LogRecord> together,
            boolean wantsFlushed,
            LongConsumer written,
            Runnable done,
            Consumer<Refusal> refused) {
        add(together, bytesOf(together), wantsFlushed, written, done, refused);
    }

    /**
     * The same of records for which so much is reserved.
     *
     * @param reserved what they {@linkplain #bytesOf take}
     */
    public void add(
            List<LogRecord> together,
            long reserved,
            boolean wantsFlushed,
            LongConsumer written,
            Runnable done,
            Consumer<Refusal> refused) {
        long bytes = reserved - BATCH_BYTES;
        Outbox.Batch<Waiting> batch = outbox.batchFor(bytes);
        int recordIndex = batch.recordCount();
        long left = reserved;
        for (LogRecord record : together) {
            left -= outbox.add(batch, record, FrameSize.ofRecord(record), true);
        }
        port.account().giveBack(left);
        if (wantsFlushed) {
            batch.wantDurable();
        }
        wait(batch, new Waiting(wantsFlushed, written, recordIndex, done, refused));
    }

    private void wait(Outbox.Batch<Waiting> batch, Waiting waiting) {
        batch.parts.add(waiting);
        unanswered.addLast(waiting);
    }

    /** Done when everything added so far, and whatever was there at the start, is flushed. */
    public void awaitFlushed(Runnable done, Consumer<Refusal> refused) {
        Outbox.Batch<Waiting> newest = outbox.newest();
        Waiting waiting = new Waiting(true, sequence -> {}, 0, done, refused);
        if (newest != null) {
            wait(newest, waiting);
        } else {
            port.awaitDurable(port.lastSequence(), waiting::done);
            if (!waiting.isAnswered) {
                unanswered.addLast(waiting);
            }
        }
    }

    /** Does it when everything added so far is flushed: that is not hastened, and noticed with one of the stripe's later events. */
    public void onceFlushed(Runnable action) {
        Outbox.Batch<Waiting> newest = outbox.newest();
        if (newest == null) {
            later.addLast(new Later(port.lastSequence(), action));
        } else {
            // Among those that wait, so that it gets to know the sequence; it is told of no refusal.
            newest.parts.add(new Waiting(
                    false,
                    sequence -> {},
                    0,
                    () -> later.addLast(new Later(port.lastSequence(), action)),
                    refusal -> {}));
        }
    }

    /** Runs when everything added so far is flushed, however long that takes; never if that does not come to pass. */
    public void whenFlushed(Runnable action) {
        Outbox.Batch<Waiting> newest = outbox.newest();
        if (newest != null) {
            newest.parts.add(new Waiting(true, sequence -> {}, 0, action, refusal -> {}));
        } else {
            port.awaitDurable(port.lastSequence(), action);
        }
    }

    /** How many wait for what was added before to be written or flushed. */
    public int unansweredCount() {
        return unanswered.size();
    }

    /** Sends what was added, unless a frame is out. */
    public void sendNext() {
        if (closed == null) {
            outbox.sendNext();
        }
    }

    public void onEvent(StoreWriter.Event event) {
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
            outbox.clear();
            snapshotsWanted.clear();
            close(StoreRefusals.of(rejected));
        } else {
            throw new AssertionError(event);
        }
        while (!later.isEmpty() && later.peekFirst().sequence <= stripe.log().durableSequence()) {
            later.pollFirst().action.run();
        }
        answerSnapshots();
        while (!unanswered.isEmpty() && unanswered.peekFirst().isAnswered) {
            unanswered.pollFirst();
        }
    }

    /** Nothing is written from now on; what is on its way may be, or not. */
    public void close(Refusal reason) {
        closed = reason;
        refuseUnanswered(StoreRefusals.outcomeUnknown(reason.text()));
    }

    private void onWritten(StoreWriter.Written written) {
        long lastSequence = port.onWritten(written);
        Frame frame = written.frame();
        heldSequence = lastSequence;
        heldOwnerNumber = frame.ownerNumber(frame.recordCount() - 1);
        Outbox.Batch<Waiting> batch = outbox.written();
        for (Waiting waiting : batch.parts) {
            waiting.written.accept(frame.firstSequence() + waiting.recordIndex);
        }
        sendNext();
        for (Waiting waiting : batch.parts) {
            if (!waiting.wantsFlushed && !port.isRewriting()) {
                waiting.done();
            } else if (batch.wantsDurable()) {
                port.whenDurable(lastSequence, waiting::done);
            } else {
                port.awaitDurable(lastSequence, waiting::done);
            }
        }
        if (isWatched.getAsBoolean()) {
            if (batch.wantsDurable()) {
                port.whenDurable(lastSequence, flushed);
            } else {
                port.awaitDurable(lastSequence, flushed);
            }
        }
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
            if (heldSequence >= 0) {
                for (SnapshotRecord part : SnapshotRecord.split(
                        heldSequence,
                        heldOwnerNumber,
                        stripe.log().nextOffset(owner.queueId()),
                        snapshot.get(),
                        outbox.frameBytesMax() / 2)) {
                    frames.add(Frame.builder((int) FrameSize.ofRecord(part))
                            .add(owner, part)
                            .build());
                }
            }
            stripe.writer()
                    .tell(new StoreWriter.Snapshot(snapshotsWanted.pollFirst().checkpointId(), owner, frames));
            if (!frames.isEmpty()) {
                snapshotGiven.run();
            }
        }
    }

    private void refuseUnanswered(Refusal refusal) {
        unanswered.forEach(waiting -> waiting.refuse(refusal));
        unanswered.clear();
    }
}
