package io.forebay.queue;

import akka.actor.testkit.typed.javadsl.BehaviorTestKit;
import akka.actor.testkit.typed.javadsl.TestInbox;
import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.Behaviors;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.queue.core.Checkpoint;
import io.forebay.queue.core.GroupPolicy;
import io.forebay.queue.core.GroupQueueLimits;
import io.forebay.queue.core.GroupQueueState;
import io.forebay.queue.core.PopCommand;
import io.forebay.queue.core.PopDecision;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.FrameRecords;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RecoverySink;
import io.forebay.storage.log.StripeException;
import io.forebay.storage.log.StripeLog;
import io.forebay.storage.log.StripeOptions;
import io.forebay.store.LogClock;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What the parts of a group's queue stand on, without their actor and without a thread: a log in memory that the test writes itself
 * and says when, and a clock that it sets.
 */
final class GroupParts implements AutoCloseable {
    static final int QUEUE_ID = 1;
    static final int GROUP_ID = 2;
    static final long INVISIBLE = 30_000;
    private static final int BUDGET_BYTES = 1 << 20;
    private static final int SEGMENT_BYTES = 64 * 1024;
    private static final int MESSAGES_PER_FRAME = 64;

    final TestInbox<StoreWriter.Command> writer = TestInbox.create();
    final TestInbox<Queue.Command> queue = TestInbox.create();
    final TestInbox<QueueReply> session = TestInbox.create();
    final List<GroupQueue.ToDispatcher> told = new ArrayList<>();
    final StripeBudget budget = new StripeBudget(0, BUDGET_BYTES, 75, 0, Integer.MAX_VALUE);
    final GroupQueueState state;
    final GroupEnvironment environment;
    final GroupAppender appender;
    private final TestInbox<StoreWriter.Event> events = TestInbox.create();
    private final StripeLog log;
    private long nanos;
    private final LogClock clock = new LogClock(() -> Instant.ofEpochMilli(1_000_000), () -> nanos);
    private long lastRequestId;
    private StoreWriter.Append sent;

    /** A queue with so many messages that may be read. */
    GroupParts(GroupPolicy policy, int messages) throws IOException, StripeException {
        log = StripeLog.open(
                new MemoryDisk(),
                StripeOptions.of(0).withSegmentBytes(SEGMENT_BYTES),
                clock.millis(),
                new RecoverySink() {
                    @Override
                    public void snapshot(RecordView part) {}

                    @Override
                    public void record(RecordView record) {}
                });
        state = new GroupQueueState(new GroupQueueLimits(10_000, 10_000), 0);
        state.configure(policy, policy.maxAttempts(), true, clock.millis());
        StripeHandle stripe = new StripeHandle(0, writer.getRef(), log, budget, clock, log.report(), () -> null, null);
        GroupQueue.Identity identity = new GroupQueue.Identity(
                QUEUE_ID, GROUP_ID, 0, "t", "g", "node", 5, 32 * 1024, SEGMENT_BYTES, policy, "any", 1_000);
        GroupEnvironment[] made = new GroupEnvironment[1];
        BehaviorTestKit.<GroupQueue.Command>create(Behaviors.setup(context -> {
            made[0] = new GroupEnvironment(
                    context, null, identity, stripe, state, queue.getRef(), new AtomicLong(), () -> true);
            return Behaviors.empty();
        }));
        environment = made[0];
        appender = new GroupAppender(identity, stripe, state, 1, events.getRef());
        writer.receiveMessage(); // it registers
        send(messages);
    }

    /** More messages that may be read. */
    void send(int count) throws StripeException {
        for (int left = count; left > 0; left -= MESSAGES_PER_FRAME) {
            Frame.Builder frame = Frame.builder(4096);
            for (int i = Math.min(left, MESSAGES_PER_FRAME); i > 0; i--) {
                frame.add(Owner.queue(QUEUE_ID), MessageRecord.builder().id("m").build());
            }
            append(frame.build());
        }
        environment.readable(environment.readableEnd() + count);
    }

    private void append(Frame frame) throws StripeException {
        try {
            while (log.isPreparationNeeded()) {
                log.prepareNext();
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        log.append(frame, clock.millis());
    }

    void pass(long millis) {
        nanos += millis * 1_000_000;
    }

    long now() {
        return clock.millis();
    }

    // ---- deliveries -------------------------------------------------------------------------------------------------

    /** Pops, and writes that. */
    List<ReceiptHandle> pop(long sessionId, int count) throws StripeException {
        PopDecision decision = state.decidePop(
                new PopCommand(sessionId, ++lastRequestId, count, 1 << 20, INVISIBLE),
                now(),
                environment.readableEnd(),
                log.epoch(),
                7 * lastRequestId,
                null);
        Checkpoint checkpoint = state.apply(decision.record());
        Frame frame = Frame.builder(256)
                .add(Owner.group(QUEUE_ID, GROUP_ID), decision.record())
                .build();
        append(frame);
        state.written(checkpoint, frame.firstSequence());
        List<ReceiptHandle> handles = new ArrayList<>();
        for (DeliveryRange range : decision.record().deliveries()) {
            for (int i = 0; i < range.count(); i++) {
                handles.add(new ReceiptHandle(
                        5,
                        0,
                        QUEUE_ID,
                        GROUP_ID,
                        range.firstOffset() + i,
                        checkpoint.epoch(),
                        checkpoint.sequence(),
                        checkpoint.nonce()));
            }
        }
        return handles;
    }

    // ---- the stripe -------------------------------------------------------------------------------------------------

    /** What is decided and not with the writer goes there, if it may. Returns the records of that frame, none if nothing goes. */
    List<LogRecord> sendNext() {
        appender.sendNext();
        return writer.hasMessages() ? FrameRecords.of(append().frame()) : List.of();
    }

    private StoreWriter.Append append() {
        sent = (StoreWriter.Append) writer.receiveMessage();
        return sent;
    }

    /** The frame that went last is written. */
    void written() throws StripeException {
        append(sent.frame());
        appender.onWritten(new StoreWriter.Written(sent.tag(), sent.frame()));
        if (writer.hasMessages()) {
            append();
        }
    }

    /** The frame that went last is written. Returns the records of the next, which has gone by itself; none if there is none. */
    List<LogRecord> writtenAndNext() throws StripeException {
        StoreWriter.Append before = sent;
        written();
        return sent == before ? List.of() : FrameRecords.of(sent.frame());
    }

    /** Everything that is decided goes, and is written. */
    void writeAll() throws StripeException {
        if (appender.isEmpty()) {
            return;
        }
        sendNext();
        while (!appender.isEmpty()) {
            written();
        }
    }

    /** All that is written is forced, and those who asked hear of it. */
    void force() {
        log.forced(log.takeUnflushed());
        appender.port().onDurable(new StoreWriter.Durable(log.durableSequence()));
    }

    /** Somebody who hears nothing. */
    <T> ActorRef<T> none() {
        return TestInbox.<T>create().getRef();
    }

    /** Nobody has room any more. */
    void fill() {
        budget.open().tryReserve(BUDGET_BYTES, StripeBudget.Tier.ACK);
    }

    @Override
    public void close() throws IOException {
        log.close(false);
    }
}
