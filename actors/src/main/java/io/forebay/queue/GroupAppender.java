package io.forebay.queue;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Refusal;
import io.forebay.queue.core.GroupQueueState;
import io.forebay.storage.log.DeadLetteredRecord;
import io.forebay.storage.log.EntryRecord;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.KeyUnparkedRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.SeekRecord;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * A group's records on their way into its stripe, and who waits for them. Everything decided while a frame is out goes into
 * the next one together; nobody is told anything before its record is written. Confined to its actor.
 */
final class GroupAppender {
    static final int FIXED_RECORD_BYTES = 160;
    static final int BYTES_PER_HANDLE = 16;

    /** One {@link Waiting} in a batch, and the index of its last record there; -1: it waits for the batch as a whole. */
    record Part(Waiting waiting, int lastRecord) {}

    /** A message for another queue, which is told when it is written. Nobody else waits for it. */
    private static final class Companion extends Waiting {
        final ActorRef<Queue.Command> queue;

        Companion(ActorRef<Queue.Command> queue) {
            super(Durability.WRITTEN);
            this.queue = queue;
        }

        @Override
        void answer(long sequence) {
            // Told by the batch, which knows the offset.
        }

        @Override
        void refuse(Refusal refusal) {
            // Nobody asked.
        }
    }

    private final StripeHandle stripe;
    private final Owner owner;
    private final GroupQueueState state;
    private final StripePort port;
    private final Outbox<Part> outbox;
    private final int handlesPerRecordMax;
    /** Where the group began in this queue: to be its first record. */
    private final long beginning;
    /** What is not answered, in order of arrival; answered ones leave when they come to the front. */
    private final ArrayDeque<Waiting> unanswered = new ArrayDeque<>();

    private boolean hasBegun;
    private long heldOwnerNumber;

    /** @param heldOwnerNumber own number of the last record that is in the state, 0 for none */
    GroupAppender(
            GroupQueue.Identity identity,
            StripeHandle stripe,
            GroupQueueState state,
            long heldOwnerNumber,
            ActorRef<StoreWriter.Event> origin) {
        this.stripe = stripe;
        this.state = state;
        this.heldOwnerNumber = heldOwnerNumber;
        owner = Owner.group(identity.queueId(), identity.groupId());
        beginning = state.floor();
        port = new StripePort(stripe, owner, origin);
        outbox = new Outbox<>(port, owner, identity.frameBytes());
        handlesPerRecordMax = (outbox.frameBytesMax() - FrameSize.FRAME_BYTES - FIXED_RECORD_BYTES) / BYTES_PER_HANDLE;
    }

    Owner owner() {
        return owner;
    }

    StripePort port() {
        return port;
    }

    int handlesPerRecordMax() {
        return handlesPerRecordMax;
    }

    /** Whether everything decided is written. */
    boolean isEmpty() {
        return outbox.isEmpty();
    }

    boolean isEverythingAnswered() {
        while (!unanswered.isEmpty() && unanswered.peekFirst().isAnswered()) {
            unanswered.pollFirst();
        }
        return unanswered.isEmpty();
    }

    /** Somebody whose record comes later has to be told if it does not. */
    void awaits(Waiting waiting) {
        unanswered.addLast(waiting);
    }

    void sendNext() {
        outbox.sendNext();
    }

    // ---- room -----------------------------------------------------------------------------------------------------

    boolean tryReserve(long bytes, StripeBudget.Tier tier) {
        return port.account().tryReserve(bytes, tier);
    }

    void giveBack(long bytes) {
        port.account().giveBack(Math.max(0, bytes));
    }

    /** Returns what was reserved for records of so many handles, -1 if there is no room. */
    long reserveHandles(int handleCount, StripeBudget.Tier tier) {
        long records = 1 + handleCount / handlesPerRecordMax;
        long bytes = records * (FrameSize.FRAME_BYTES + FIXED_RECORD_BYTES) + (long) BYTES_PER_HANDLE * handleCount;
        return tryReserve(bytes, tier) ? bytes : -1;
    }

    Refusal refusal(StripeBudget.Tier tier) {
        return StoreRefusals.of(stripe.budget().refusal(tier));
    }

    // ---- records --------------------------------------------------------------------------------------------------

    /** Returns how much of the reservation the records take. */
    long appendAll(List<? extends LogRecord> records, Waiting waiting) {
        if (records.isEmpty()) {
            waitForWritten(waiting, false);
            return 0;
        }
        long taken = 0;
        int last = records.size() - 1;
        for (int i = 0; i < last; i++) {
            taken += append(records.get(i), null, true);
        }
        return taken + append(records.get(last), waiting, true);
    }

    /** A record that nobody waits for and no room was reserved for: it cannot be put off. */
    void append(LogRecord record) {
        append(record, null, false);
    }

    /** Returns how much of a reservation it takes. */
    long append(LogRecord record, Waiting waitingOrNull, boolean isReserved) {
        begin();
        long bytes = FrameSize.ofRecord(record);
        Outbox.Batch<Part> batch = outbox.batchFor(bytes, bytes);
        if (waitingOrNull != null) {
            batch.parts.add(new Part(waitingOrNull, batch.recordCount()));
            unanswered.addLast(waitingOrNull);
            if (waitingOrNull.level() == Durability.FLUSHED) {
                batch.wantDurable();
            }
        }
        return outbox.add(batch, record, bytes, isReserved);
    }

    /** Bytes to reserve for {@link #appendDeadLetter}. */
    static long deadLetterBytes(EntryRecord entry, DeadLetteredRecord record, KeyUnparkedRecord unparkedOrNull) {
        return FrameSize.FRAME_BYTES
                + FrameSize.ofRecord(entry)
                + FrameSize.ofRecord(record)
                + (unparkedOrNull == null ? 0 : FrameSize.ofRecord(unparkedOrNull));
    }

    /**
     * The entry in the dead-letter queue and the settlement are one frame: both are there or neither is. Returns how much of
     * the reservation they take.
     */
    long appendDeadLetter(
            GroupQueue.DeadLetterQueue letters,
            EntryRecord entry,
            DeadLetteredRecord record,
            KeyUnparkedRecord unparkedOrNull) {
        List<LogRecord> own = unparkedOrNull == null ? List.of(record) : List.of(record, unparkedOrNull);
        return appendWith(letters.queueId(), letters.queue(), entry, own);
    }

    /**
     * A message in another queue of the stripe and what it means for the group are one frame: both are there or neither is.
     * Returns how much of a reservation they take.
     *
     * @param message to be the queue's, which is told when it is written
     * @param own at least one
     */
    long appendWith(int queueId, ActorRef<Queue.Command> queue, LogRecord message, List<LogRecord> own) {
        begin();
        long bytes = FrameSize.ofRecord(message);
        for (LogRecord record : own) {
            bytes += FrameSize.ofRecord(record);
        }
        Outbox.Batch<Part> batch = outbox.batchFor(bytes, bytes);
        batch.parts.add(new Part(new Companion(queue), batch.recordCount()));
        long taken = outbox.add(batch, Owner.queue(queueId), message, FrameSize.ofRecord(message), true);
        // The group's own records last: what it holds in a snapshot is told by the last record of its frames.
        for (LogRecord record : own) {
            taken += outbox.add(batch, record, FrameSize.ofRecord(record), true);
        }
        return taken;
    }

    /**
     * Before its first record the group says where it begins: what it takes first may be anything, when it looks at messages
     * before it takes them.
     */
    private void begin() {
        if (heldOwnerNumber == 0 && !hasBegun) {
            hasBegun = true;
            SeekRecord record = new SeekRecord(beginning, stripe.clock().millis(), SeekRecord.BEGINNING);
            long bytes = FrameSize.ofRecord(record);
            outbox.add(outbox.batchFor(bytes, bytes), record, bytes, false);
        }
    }

    /**
     * The answer needs no record of its own, but those of others before it must be written.
     *
     * @param isWritten whether what it speaks of is written already
     */
    void waitForWritten(Waiting waiting, boolean isWritten) {
        if (!isWritten && !outbox.isEmpty()) {
            outbox.newest().parts.add(new Part(waiting, -1));
            unanswered.addLast(waiting);
            return;
        }
        long sequence = state.heldSequence();
        boolean isDurableWanted = waiting.level() == Durability.FLUSHED || port.isRewriting();
        if (isDurableWanted && sequence > stripe.log().durableSequence()) {
            unanswered.addLast(waiting);
            port.awaitDurable(sequence, () -> waiting.answerOnce(sequence));
        } else {
            waiting.answerOnce(sequence);
        }
    }

    // ---- what the stripe says ---------------------------------------------------------------------------------------

    /** Answers whom it concerns. Returns the parts of the frame. */
    List<Part> onWritten(StoreWriter.Written written) {
        Outbox.Batch<Part> batch = outbox.written();
        long lastSequence = port.onWritten(written);
        Frame frame = written.frame();
        heldOwnerNumber = frame.ownerNumber(frame.recordCount() - 1);
        // The next frame goes first: bodies are read and answers made while it is written.
        outbox.sendNext();
        long firstSequence = frame.firstSequence();
        for (Part part : batch.parts) {
            Waiting waiting = part.waiting;
            if (waiting instanceof Companion companion) {
                companion.queue.tell(new Queue.Appended(
                        frame.queueOffset(part.lastRecord) + 1,
                        firstSequence + part.lastRecord,
                        frame.ownerNumber(part.lastRecord)));
                continue;
            }
            long sequence = part.lastRecord < 0 ? lastSequence : firstSequence + part.lastRecord;
            if (part.lastRecord >= 0) {
                waiting.recordWritten(sequence);
            }
            if (waiting.level() == Durability.FLUSHED) {
                if (batch.wantsDurable()) {
                    port.whenDurable(sequence, () -> waiting.answerOnce(sequence));
                } else {
                    port.awaitDurable(sequence, () -> waiting.answerOnce(sequence));
                }
            } else {
                waiting.answerOnce(sequence);
            }
        }
        state.written(lastSequence);
        return batch.parts;
    }

    /** With nothing on its way: what the state holds, in frames for a checkpoint; empty if it holds no record. */
    List<Frame> snapshotFrames() {
        if (state.heldSequence() < 0) {
            return List.of();
        }
        List<Frame> frames = new ArrayList<>();
        byte[] payload = state.snapshot().encode();
        for (SnapshotRecord part :
                SnapshotRecord.split(state.heldSequence(), heldOwnerNumber, 0, payload, outbox.frameBytesMax() / 2)) {
            frames.add(
                    Frame.builder(part.payload().length + 128).add(owner, part).build());
        }
        return frames;
    }

    /** The stripe is closed: nothing on its way was appended, and nothing more will be. */
    void onRejected(StoreWriter.Rejected rejected) {
        port.onRejected(rejected);
        outbox.clear();
    }

    void refuseUnanswered(Refusal refusal) {
        for (Waiting waiting : unanswered) {
            waiting.refuseOnce(refusal);
        }
        unanswered.clear();
    }
}
