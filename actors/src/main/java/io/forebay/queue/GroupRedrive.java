package io.forebay.queue;

import io.forebay.protocol.Durability;
import io.forebay.protocol.Refusal;
import io.forebay.queue.core.GroupQueueState;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.RedriveReceivedRecord;
import io.forebay.storage.log.RedrivenRecord;
import io.forebay.store.StripeBudget;
import java.util.ArrayList;
import java.util.List;

/**
 * Moves dead letters back to queues, for the node's own group in a dead-letter queue. Within a stripe the entry in the queue and the
 * letter's settlement are one frame. Between stripes the queue's side goes first and remembers the letter, in one frame with its
 * message: sent again after a crash it is not stored again. Confined to its actor.
 */
final class GroupRedrive {
    private final GroupEnvironment environment;
    private final GroupAppender appender;
    private final GroupQueueState state;
    private final int queueId;

    GroupRedrive(GroupEnvironment environment, GroupAppender appender) {
        this.environment = environment;
        this.appender = appender;
        state = environment.state;
        queueId = environment.identity.queueId();
    }

    void unsettled(GroupQueue.ListUnsettled list) {
        long end = Math.min(list.endOffset(), environment.readableEnd());
        long[] offsets = state.unsettled(list.fromOffset(), end, list.countMax());
        long next =
                offsets.length == list.countMax() ? offsets[offsets.length - 1] + 1 : Math.max(list.fromOffset(), end);
        list.replyTo().tell(new GroupQueue.UnsettledOffsets(queueId, offsets, next, state.floor()));
    }

    void received(GroupQueue.ListReceived list) {
        list.replyTo().tell(new GroupQueue.ReceivedOffsets(queueId, state.receivedFrom(list.fromQueueId())));
    }

    void redrive(GroupQueue.Redrive redrive) {
        // What is decided here is decided for all before the first is applied: one that fails must not stop half-way.
        long reserved = GroupAppender.FIXED_RECORD_BYTES;
        for (GroupQueue.Redriven letter : redrive.letters()) {
            reserved += bytes(letter.entryOrNull(), new RedrivenRecord(letter.offset(), letter.toQueueId()));
        }
        if (!appender.tryReserve(reserved, StripeBudget.Tier.SEND)) {
            redrive.refusedTo().tell(new GroupQueue.OperatorRefused(queueId, appender.refusal(StripeBudget.Tier.SEND)));
            return;
        }
        long left = reserved;
        List<Long> moved = new ArrayList<>();
        long[] tooFar = {-1};
        Waiting waiting = new Waiting.Told(
                Durability.FLUSHED,
                () -> redrive.replyTo()
                        .tell(new GroupQueue.RedriveDone(queueId, toArray(moved), tooFar[0], state.floor())),
                refusal -> redrive.refusedTo().tell(new GroupQueue.OperatorRefused(queueId, refusal)));
        for (GroupQueue.Redriven letter : redrive.letters()) {
            RedrivenRecord record = state.decideRedrive(letter.offset(), letter.toQueueId(), environment.readableEnd());
            if (record == null) {
                if (tooFar[0] < 0 && state.isTooFarAhead(letter.offset())) {
                    tooFar[0] = letter.offset();
                }
                continue;
            }
            state.apply(record);
            moved.add(letter.offset());
            left -= letter.entryOrNull() == null
                    ? appender.append(record, null, true)
                    : appender.appendWith(letter.toQueueId(), letter.to(), letter.entryOrNull(), List.of(record));
        }
        appender.waitForWritten(waiting, false);
        appender.giveBack(left);
    }

    void receive(GroupQueue.ReceiveLetters receive) {
        long reserved = GroupAppender.FIXED_RECORD_BYTES;
        for (GroupQueue.Received letter : receive.letters()) {
            reserved += bytes(
                    letter.message(),
                    new RedriveReceivedRecord(receive.fromQueueId(), letter.fromOffset(), 0, letter.toQueueId()));
        }
        if (!appender.tryReserve(reserved, StripeBudget.Tier.SEND)) {
            receive.refusedTo().tell(new GroupQueue.OperatorRefused(queueId, appender.refusal(StripeBudget.Tier.SEND)));
            return;
        }
        long left = reserved;
        Waiting waiting = new Waiting.Told(
                Durability.FLUSHED,
                () -> receive.replyTo().tell(new GroupQueue.LettersReceived(queueId)),
                refusal -> receive.refusedTo().tell(new GroupQueue.OperatorRefused(queueId, refusal)));
        for (GroupQueue.Received letter : receive.letters()) {
            RedriveReceivedRecord record = state.decideReceived(
                    receive.fromQueueId(), letter.fromOffset(), receive.fromFloor(), letter.toQueueId());
            if (record != null) {
                state.apply(record);
                left -= appender.appendWith(letter.toQueueId(), letter.to(), letter.message(), List.of(record));
            }
        }
        // Behind what was received before, too: it need not be flushed yet.
        appender.waitForWritten(waiting, false);
        appender.giveBack(left);
    }

    private static long bytes(LogRecord messageOrNull, LogRecord own) {
        return FrameSize.FRAME_BYTES
                + (messageOrNull == null ? 0 : FrameSize.ofRecord(messageOrNull))
                + FrameSize.ofRecord(own);
    }

    private static long[] toArray(List<Long> offsets) {
        return offsets.stream().mapToLong(Long::longValue).toArray();
    }

    /** Nothing can be decided any more. */
    void refuse(GroupQueue.Command command, Refusal refusal) {
        GroupQueue.OperatorRefused refused = new GroupQueue.OperatorRefused(queueId, refusal);
        if (command instanceof GroupQueue.Redrive redrive) {
            redrive.refusedTo().tell(refused);
        } else if (command instanceof GroupQueue.ReceiveLetters receive) {
            receive.refusedTo().tell(refused);
        }
    }
}
