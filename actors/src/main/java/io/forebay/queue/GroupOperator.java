package io.forebay.queue;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.Refusal;
import io.forebay.queue.core.GroupQueueCounts;
import io.forebay.queue.core.GroupQueueState;
import io.forebay.storage.log.KeyParkedRecord;
import io.forebay.storage.log.KeyUnparkedRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.SeekRecord;
import io.forebay.store.StripeBudget;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/** What operators ask of a group in one queue: seek, purge, unpark, and how it stands. Confined to its actor. */
final class GroupOperator {
    private final GroupEnvironment environment;
    private final GroupAppender appender;
    private final GroupBurial burial;
    private final GroupQueueState state;
    private final int queueId;
    /** Seeks that wait for the queue's word, in order. */
    private final ArrayDeque<GroupQueue.Seek> seeks = new ArrayDeque<>();
    /** Who wants to know how the group stands: answered together by one look at the oldest message. */
    private final List<GroupQueue.Describe> describes = new ArrayList<>();

    GroupOperator(GroupEnvironment environment, GroupAppender appender, GroupBurial burial) {
        this.burial = burial;
        this.environment = environment;
        this.appender = appender;
        state = environment.state;
        queueId = environment.identity.queueId();
    }

    // ---- seek and purge ---------------------------------------------------------------------------------------------

    /**
     * The queue is asked first: it must not let go of what the group goes back to. A dry run only wants to know what there is.
     *
     * @param toldFloor what the queue was told last; asking must not make it let go of more
     */
    void seek(GroupQueue.Seek seek, long toldFloor) {
        seeks.addLast(seek);
        long lowest = toldFloor;
        for (GroupQueue.Seek one : seeks) {
            if (!one.isDryRun()) {
                lowest = Math.min(lowest, Math.max(0, one.offset()));
            }
        }
        environment.queue.tell(new Queue.Hold(environment.identity.groupId(), lowest, environment.context.getSelf()));
    }

    /** Whether the queue has been asked for what a seek goes back to, and that has not begun: it must not be told to let go of it. */
    boolean isSeeking() {
        return !seeks.isEmpty();
    }

    /** @return where the group begins now, -1 if nothing changed */
    long held(GroupQueue.Held held) {
        GroupQueue.Seek seek = seeks.pollFirst();
        if (seek == null) {
            return -1;
        }
        long readableEnd = environment.readableEnd();
        long first = Math.min(held.firstOffset(), readableEnd);
        long to = Math.max(first, Math.min(seek.offset(), readableEnd));
        GroupQueue.SeekDone done =
                new GroupQueue.SeekDone(queueId, state.floor(), state.cursor(), to, to != seek.offset());
        SeekRecord record = state.decideSeek(to, environment.now(), seek.askedMillis());
        Waiting waiting = told(() -> seek.replyTo().tell(done), seek.refusedTo());
        long reserved = FrameSize.FRAME_BYTES + FrameSize.ofRecord(record);
        if (seek.isDryRun()) {
            waiting.answerOnce(-1);
        }
        if (seek.isDryRun() || !isReservedOrRefused(reserved, waiting)) {
            return -1;
        }
        state.apply(record);
        appender.giveBack(reserved - appender.append(record, waiting, true));
        return to;
    }

    void purge(GroupQueue.PurgeBelow purge) {
        long readableEnd = environment.readableEnd();
        long below = Math.min(purge.belowOffset(), readableEnd);
        PurgeRecord record = state.decidePurge(below, environment.now());
        long count = record == null ? 0 : state.unsettledBelow(below);
        Waiting waiting =
                told(() -> purge.replyTo().tell(new GroupQueue.PurgeDone(queueId, below, count)), purge.refusedTo());
        if (record == null || purge.isDryRun()) {
            waiting.answerOnce(-1);
            return;
        }
        long reserved = FrameSize.FRAME_BYTES + FrameSize.ofRecord(record);
        if (isReservedOrRefused(reserved, waiting)) {
            state.apply(record);
            appender.giveBack(reserved - appender.append(record, waiting, true));
        }
    }

    /** The queue stores nothing below any more: nobody is asked, and there is nothing to wait for. */
    void truncate(long firstOffset) {
        PurgeRecord record = state.decidePurge(firstOffset, environment.now());
        if (record != null) {
            state.apply(record);
            appender.append(record);
        }
    }

    // ---- parked keys ------------------------------------------------------------------------------------------------

    void unpark(GroupQueue.Unpark unpark) {
        List<KeyParkedRecord> parked = new ArrayList<>(state.parkedKeys());
        if (!unpark.messageGroup().isEmpty()) {
            parked.removeIf(record -> !record.messageGroup().equals(unpark.messageGroup()));
        }
        if (unpark.how() == KeyUnparkedRecord.How.DEAD_LETTERED && !parked.isEmpty()) {
            burial.giveUp(
                    parked,
                    count -> unpark.replyTo().tell(new GroupQueue.UnparkDone(queueId, count)),
                    refusal -> refuse(unpark, refusal));
            return;
        }
        List<KeyUnparkedRecord> records = new ArrayList<>();
        long reserved = FrameSize.FRAME_BYTES;
        for (KeyParkedRecord record : parked) {
            KeyUnparkedRecord unparked = state.decideUnpark(record.blockedOffset(), unpark.how(), environment.now());
            records.add(unparked);
            reserved += FrameSize.ofRecord(unparked);
        }
        int count = records.size();
        Waiting waiting =
                told(() -> unpark.replyTo().tell(new GroupQueue.UnparkDone(queueId, count)), unpark.refusedTo());
        if (isReservedOrRefused(reserved, waiting)) {
            records.forEach(state::apply);
            List<LogRecord> all = List.copyOf(records);
            appender.giveBack(reserved - appender.appendAll(all, waiting));
        }
    }

    void listParked(GroupQueue.ListParked list) {
        List<GroupQueue.ParkedKey> keys = new ArrayList<>();
        for (KeyParkedRecord record : state.parkedKeys()) {
            keys.add(new GroupQueue.ParkedKey(
                    record.messageGroup(),
                    record.blockedOffset(),
                    record.attempts(),
                    record.parkedMillis(),
                    record.reason(),
                    state.waitingBehind(record.blockedOffset())));
        }
        list.replyTo().tell(new GroupQueue.ParkedKeys(queueId, keys));
    }

    // ---- how it stands ----------------------------------------------------------------------------------------------

    void peek(GroupQueue.Peek peek) {
        state.expire(environment.now());
        long readableEnd = environment.readableEnd();
        peek.replyTo()
                .tell(new GroupQueue.NextOffsets(
                        queueId, state.nextOffsets(Math.max(0, peek.countMax()), readableEnd), readableEnd));
    }

    /** The oldest message may be cold, so it is looked at elsewhere; whoever asks meanwhile gets the same answer. */
    void describe(GroupQueue.Describe describe) {
        GroupQueueCounts counts = state.counts(environment.readableEnd());
        if (counts.depth() == 0) {
            describe.replyTo().tell(new GroupQueue.Described(queueId, counts, 0, ""));
            return;
        }
        describes.add(describe);
        if (describes.size() == 1) {
            long[] oldest = {state.floor()};
            MessageScanner by = new MessageScanner(queueId, environment.stripe);
            environment.read(() -> by.origins(oldest), GroupQueue.OldestRead::new);
        }
    }

    void oldestRead(GroupQueue.OldestRead read) {
        GroupQueueCounts counts = state.counts(environment.readableEnd());
        MessageScanner.Origin oldest =
                read.failure() != null || read.origins().found().isEmpty()
                        ? null
                        : read.origins().found().get(0);
        String key = counts.isLookAheadFull() && oldest != null ? oldest.messageGroup() : "";
        GroupQueue.Described described =
                new GroupQueue.Described(queueId, counts, oldest == null ? 0 : oldest.bornMillis(), key);
        describes.forEach(describe -> describe.replyTo().tell(described));
        describes.clear();
    }

    // ---- answers ----------------------------------------------------------------------------------------------------

    private Waiting told(Runnable answer, ActorRef<? super GroupQueue.OperatorRefused> refusedTo) {
        return new Waiting.Told(answer, refusal -> refusedTo.tell(new GroupQueue.OperatorRefused(queueId, refusal)));
    }

    private boolean isReservedOrRefused(long bytes, Waiting waiting) {
        if (appender.tryReserve(bytes, StripeBudget.Tier.EXTENSION)) {
            return true;
        }
        waiting.refuseOnce(appender.refusal(StripeBudget.Tier.EXTENSION));
        return false;
    }

    /** Nothing can be decided any more. */
    void refuse(GroupQueue.Command command, Refusal refusal) {
        GroupQueue.OperatorRefused refused = new GroupQueue.OperatorRefused(queueId, refusal);
        if (command instanceof GroupQueue.Seek seek) {
            seek.refusedTo().tell(refused);
        } else if (command instanceof GroupQueue.PurgeBelow purge) {
            purge.refusedTo().tell(refused);
        } else if (command instanceof GroupQueue.Unpark unpark) {
            unpark.refusedTo().tell(refused);
        }
    }

    void refuseSeeks(Refusal refusal) {
        seeks.forEach(seek -> refuse(seek, refusal));
        seeks.clear();
    }
}
