package io.forebay.queue;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.queue.core.Checkpoint;
import io.forebay.queue.core.PopCommand;
import io.forebay.queue.core.TokenBatch;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.QueueReader;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;

/**
 * What was popped, from its written checkpoint to the session: bodies are read in order, hot ones at once and cold ones
 * elsewhere; what is too much, or nobody waits for any more, or the device does not give, goes back uncounted. Confined to its actor.
 */
final class GroupDeliveries {
    private static final long BODY_BYTES_GUESS = 1024;

    /** A Pop that waits for its checkpoint, and then for its bodies. */
    static final class PopWaiting extends Waiting {
        private final GroupDeliveries deliveries;
        private final Checkpoint checkpoint;
        private final PopCommand pop;
        private final ActorRef<QueueReply> session;
        private final boolean isNew;

        private PopWaiting(
                GroupDeliveries deliveries,
                Durability level,
                Checkpoint checkpoint,
                GroupQueue.Pop request,
                boolean isNew) {
            super(level);
            this.deliveries = deliveries;
            this.checkpoint = checkpoint;
            this.pop = request.pop();
            this.session = request.session();
            this.isNew = isNew;
        }

        @Override
        void recordWritten(long sequence) {
            if (isNew) {
                deliveries.environment.state.written(checkpoint, sequence);
            }
        }

        @Override
        void answer(long sequence) {
            deliveries.unread.addLast(this);
            deliveries.readNext();
        }

        @Override
        void refuse(Refusal refusal) {
            session.tell(new QueueReply.PopRefused(pop.requestId(), refusal));
        }
    }

    private final GroupEnvironment environment;
    private final GroupAppender appender;
    private final DeliveryReader reader;
    private final TokenBatch tokens = new TokenBatch(4);
    /** Whose bodies are being read, or cannot be read yet, in order. */
    private final ArrayDeque<PopWaiting> unread = new ArrayDeque<>();

    private boolean isReading;
    private long averageBodyBytes;

    GroupDeliveries(GroupEnvironment environment, GroupAppender appender) {
        this.environment = environment;
        this.appender = appender;
        reader = new DeliveryReader(environment.identity, environment.stripe);
    }

    boolean isEmpty() {
        return unread.isEmpty();
    }

    /** @param isNew whether the checkpoint's record is this Pop's own, and not one that it repeats */
    PopWaiting waiting(Checkpoint checkpoint, GroupQueue.Pop request, boolean isNew) {
        return new PopWaiting(this, environment.policy().popLevel(), checkpoint, request, isNew);
    }

    /** As many messages as fit a record, and as probably fit the bytes; what is too much all the same is given back. */
    PopCommand bounded(PopCommand pop) {
        long average = averageBodyBytes == 0 ? BODY_BYTES_GUESS : averageBodyBytes;
        long fitting = Math.max(1, pop.maxBytes() / average);
        int count = (int) Math.min(Math.min(pop.maxMessages(), fitting), appender.handlesPerRecordMax());
        return count == pop.maxMessages()
                ? pop
                : new PopCommand(pop.sessionId(), pop.requestId(), count, pop.maxBytes(), pop.invisibleMillis());
    }

    private void readNext() {
        while (!isReading && !unread.isEmpty()) {
            PopWaiting pop = unread.peekFirst();
            DeliveryReader.Job job = reader.job(environment.state, pop.checkpoint, pop.pop.maxBytes());
            if (job.isEmpty()) {
                // Taken back in the meantime: its session is gone, or its deadline is over.
                unread.pollFirst();
                pop.session.tell(new QueueReply.PoppedNothing(pop.pop.requestId()));
                continue;
            }
            if (environment.deliveryTrouble.isFailing()) {
                unread.pollFirst();
                if (pop.isNew) {
                    returnUntouched(reader.handles(job));
                }
                pop.refuse(environment.deliveryTrouble.refusalOrNull());
                continue;
            }
            isReading = true;
            if (environment.isHot(job.lowestOffset())) {
                onOutcome(reader.read(job));
            } else {
                // The job owns what it touches; the actor goes on deciding meanwhile.
                environment.read(() -> reader.read(job), GroupQueue.BodiesRead::new);
            }
        }
    }

    void onRead(GroupQueue.BodiesRead read) {
        if (read.failure() != null) {
            throw new AssertionError(
                    "a cold read of queue " + environment.identity.queueId() + " failed", read.failure());
        }
        onOutcome(read.outcome());
        readNext();
    }

    void readAgain() {
        if (environment.deliveryTrouble.isFailing()) {
            probe();
            return;
        }
        isReading = false;
        readNext();
    }

    private void onOutcome(DeliveryReader.Outcome outcome) {
        isReading = false;
        PopWaiting pop = unread.pollFirst();
        if (pop == null) {
            // Refused meanwhile: the stripe is closed.
            return;
        }
        outcome.unreadable().forEach(environment::unreadable);
        if (outcome.isRewriting()) {
            unread.addFirst(pop);
            isReading = true;
            environment.timers.startSingleTimer(GroupQueue.ReadAgain.INSTANCE, GroupEnvironment.READ_RETRY);
            return;
        }
        Unreadable failed = outcome.failedOrNull();
        if (failed != null) {
            onFailed(failed);
            if (!pop.isNew) {
                // The first copy may have been answered: what it got is not taken from whoever has it.
                pop.refuse(environment.deliveryTrouble.refusalOf(failed));
                return;
            }
        }
        List<Delivery> deliveries = outcome.deliveries();
        if (!outcome.tooMany().isEmpty()) {
            returnUntouched(outcome.tooMany());
        }
        if (deliveries.isEmpty() && failed != null) {
            pop.refuse(environment.deliveryTrouble.refusalOf(failed));
            return;
        }
        if (deliveries.isEmpty()) {
            pop.session.tell(new QueueReply.PoppedNothing(pop.pop.requestId()));
            return;
        }
        averageBodyBytes = Math.max(1, (3 * averageBodyBytes + outcome.bodyBytes() / deliveries.size()) / 4);
        pop.session.tell(new QueueReply.Delivered(
                pop.pop.requestId(), deliveries, outcome.bodyBytes(), environment.context.getSelf()));
    }

    // ---- what the device does not give ------------------------------------------------------------------------------

    /** Nothing goes out until it can be read, or has been passed over: what was popped keeps its order. */
    private void onFailed(Unreadable failed) {
        Duration delay = environment.deliveryTrouble.failed(failed);
        if (delay != null) {
            environment.timers.startSingleTimer(GroupQueue.ReadAgain.INSTANCE, delay);
        }
    }

    /** Elsewhere, hot or not: what failed once may hang the next time. */
    private void probe() {
        long offset = environment.deliveryTrouble.offset();
        environment.read(
                () -> reader.probe(offset), (result, failure) -> new GroupQueue.Probed(offset, result, failure));
    }

    void onProbed(GroupQueue.Probed probed) {
        if (probed.failure() != null) {
            throw new AssertionError("a read of queue " + environment.identity.queueId() + " failed", probed.failure());
        }
        ReadTrouble trouble = environment.deliveryTrouble;
        if (!trouble.isFailing() || trouble.offset() != probed.offset()) {
            return; // the stripe is closed
        }
        QueueReader.Result result = probed.result();
        if (!environment.state.isUnsettled(probed.offset())) {
            trouble.passed(); // purged, or passed over because of what another group has met
        } else if (result.status() == QueueReader.Status.FAILED) {
            onFailed(Unreadable.of(result));
        } else if (result.status() == QueueReader.Status.NOT_READABLE) {
            environment.timers.startSingleTimer(GroupQueue.ReadAgain.INSTANCE, GroupEnvironment.READ_RETRY);
        } else {
            // Whatever else is wrong with it the next Pop meets.
            trouble.passed();
        }
    }

    /** What nobody has seen goes back uncounted. */
    private void returnUntouched(List<ReceiptHandle> handles) {
        tokens.clear();
        for (ReceiptHandle handle : handles) {
            tokens.add(handle.queueOffset(), handle.epoch(), handle.checkpointSequence(), handle.nonce());
        }
        giveBack();
    }

    /** A frame is written: what of it was refused with an unknown outcome before nobody has seen, so it goes back uncounted. */
    void returnUnheard(List<GroupAppender.Part> written) {
        for (GroupAppender.Part part : written) {
            if (part.lastRecord() >= 0
                    && part.waiting() instanceof PopWaiting pop
                    && pop.isRefused()
                    && !isAskedAgain(pop, written)) {
                Checkpoint checkpoint = pop.checkpoint;
                tokens.clear();
                environment.state.visitInFlight(
                        checkpoint,
                        (offset, attempt, deadline) ->
                                tokens.add(offset, checkpoint.epoch(), checkpoint.sequence(), checkpoint.nonce()));
                giveBack();
            }
        }
    }

    private static boolean isAskedAgain(PopWaiting refused, List<GroupAppender.Part> parts) {
        for (GroupAppender.Part part : parts) {
            if (part.waiting() instanceof PopWaiting pop && !pop.isRefused() && pop.checkpoint == refused.checkpoint) {
                return true;
            }
        }
        return false;
    }

    private void giveBack() {
        GivenBackRecord record = environment.state.decideGiveBack(tokens, environment.now());
        if (record != null) {
            environment.state.apply(record);
            appender.append(record);
        }
    }

    /** What is written and out, but not read: its deadline rules. */
    void refuseUnread(Refusal refusal) {
        unread.forEach(pop -> pop.refuse(refusal));
        unread.clear();
        environment.deliveryTrouble.passed();
    }
}
