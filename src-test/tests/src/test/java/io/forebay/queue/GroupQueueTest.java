package io.forebay.queue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import com.typesafe.config.ConfigFactory;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Refusal;
import io.forebay.queue.core.GroupQueueLimits;
import io.forebay.queue.core.GroupQueueState;
import io.forebay.queue.core.Policies;
import io.forebay.queue.core.PopCommand;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RecoverySink;
import io.forebay.storage.log.SeekRecord;
import io.forebay.storage.log.StripeException;
import io.forebay.storage.log.StripeLog;
import io.forebay.storage.log.StripeOptions;
import io.forebay.store.LogClock;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import io.forebay.support.PatientTestKits;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.time.InstantSource;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A group's queue over a log that the test writes itself, and says when. */
class GroupQueueTest {
    private static final long LONG = 60_000;
    private static ActorTestKit kit;

    private final ConcurrentLinkedQueue<GroupQueue.ToDispatcher> reports = new ConcurrentLinkedQueue<>();
    private final LogClock clock = new LogClock(InstantSource.system(), System::nanoTime);
    private StripeLog log;
    private TestProbe<StoreWriter.Command> writer;
    private TestProbe<QueueReply> session;
    private TestProbe<Queue.Command> queue;
    private ActorRef<GroupQueue.Command> group;

    @BeforeAll
    static void startKit() {
        kit = PatientTestKits.create(ConfigFactory.parseString("akka.loglevel = OFF, akka.log-dead-letters = off")
                .withFallback(ConfigFactory.load()));
    }

    @AfterAll
    static void stopKit() {
        kit.shutdownTestKit();
    }

    @BeforeEach
    void start() throws IOException, StripeException {
        log = StripeLog.open(
                new MemoryDisk(), StripeOptions.of(0).withSegmentBytes(64 * 1024), clock.millis(), new RecoverySink() {
                    @Override
                    public void snapshot(RecordView part) {}

                    @Override
                    public void record(RecordView record) {}
                });
        while (log.isPreparationNeeded()) {
            log.prepareNext();
        }
        Frame.Builder messages = Frame.builder(256);
        for (int i = 0; i < 3; i++) {
            messages.add(
                    Owner.queue(1),
                    MessageRecord.builder().id("m" + i).body(new byte[10]).build());
        }
        log.append(messages.build(), clock.millis());
        writer = kit.createTestProbe(StoreWriter.Command.class);
        session = kit.createTestProbe(QueueReply.class);
        queue = kit.createTestProbe(Queue.Command.class);
        group = spawn();
        group.tell(new GroupQueue.Readable(3, 0));
    }

    private ActorRef<GroupQueue.Command> spawn() {
        StripeHandle stripe = new StripeHandle(
                0,
                writer.getRef(),
                log,
                new StripeBudget(0, 1 << 20, 75, 0, Integer.MAX_VALUE),
                clock,
                log.report(),
                () -> null,
                null);
        ActorRef<GroupQueue.Command> spawned = kit.spawn(GroupQueue.create(
                new GroupQueue.Identity(
                        1,
                        1,
                        0,
                        "t",
                        "g",
                        "node",
                        5,
                        32 * 1024,
                        64 * 1024,
                        Policies.group(),
                        "akka.actor.default-blocking-io-dispatcher",
                        1_000),
                stripe,
                new GroupQueueState(new GroupQueueLimits(1000, 1000), 0),
                0,
                queue.getRef(),
                reports::add,
                replyTo -> {},
                new java.util.concurrent.atomic.AtomicLong(),
                new GroupMarks(1, 1),
                new Random(1)));
        writer.expectMessageClass(StoreWriter.Register.class);
        return spawned;
    }

    @AfterEach
    void stop() throws IOException {
        kit.stop(group);
        log.close(false);
    }

    private void pop(long requestId) {
        group.tell(new GroupQueue.Pop(new PopCommand(7, requestId, 10, 1 << 20, LONG), session.getRef()));
    }

    private void write(StoreWriter.Append append) throws StripeException {
        log.append(append.frame(), clock.millis());
        append.origin().tell(new StoreWriter.Written(append.tag(), append.frame()));
    }

    private StoreWriter.Append nextAppend() {
        return writer.expectMessageClass(StoreWriter.Append.class);
    }

    private static StoreWriter.Unavailable unavailable() {
        return new StoreWriter.Unavailable(StripeBudget.Reason.READ_ONLY, "the device fails");
    }

    @Test
    void aPopWhoseOutcomeNobodyHeardTakesNoAttempt() throws StripeException {
        pop(1);
        StoreWriter.Append popped = nextAppend();
        popped.origin().tell(unavailable());
        assertThat(session.expectMessageClass(QueueReply.PopRefused.class)
                        .refusal()
                        .code())
                .isEqualTo(Refusal.Code.OUTCOME_UNKNOWN);
        write(popped);
        write(nextAppend());
        pop(2);
        write(nextAppend());
        QueueReply.Delivered delivered = session.expectMessageClass(QueueReply.Delivered.class);
        assertThat(delivered.deliveries())
                .hasSize(3)
                .allSatisfy(delivery -> assertThat(delivery.attempt()).isEqualTo(1));
    }

    @Test
    void aPopAskedAgainBeforeItIsWrittenGetsItsDeliveries() throws StripeException {
        pop(1);
        StoreWriter.Append popped = nextAppend();
        popped.origin().tell(unavailable());
        session.expectMessageClass(QueueReply.PopRefused.class);
        pop(1);
        popped.origin().tell(new StoreWriter.Available());
        write(popped);
        assertThat(session.expectMessageClass(QueueReply.Delivered.class).deliveries())
                .hasSize(3);
        writer.expectNoMessage();
    }

    @Test
    void aPopThatCannotBeReadIsRefusedWhenTheStripeCloses() throws StripeException {
        pop(1);
        StoreWriter.Append popped = nextAppend();
        log.append(popped.frame(), clock.millis());
        log.forceFailed(log.takeUnflushed());
        popped.origin().tell(new StoreWriter.Written(popped.tag(), popped.frame()));
        session.expectNoMessage();
        popped.origin()
                .tell(new StoreWriter.Rejected(
                        popped.tag(), popped.frame(), StoreWriter.Refused.CLOSED, "closed by a bug"));
        session.expectMessageClass(QueueReply.PopRefused.class);
        TestProbe<GroupQueue.Drained> drained = kit.createTestProbe(GroupQueue.Drained.class);
        group.tell(new GroupQueue.Drain(drained.getRef()));
        drained.expectMessageClass(GroupQueue.Drained.class);
    }

    @Test
    void aGiveBackThatIsRepeatedWaitsForItsRecord() throws StripeException {
        pop(1);
        write(nextAppend());
        var handles = session.expectMessageClass(QueueReply.Delivered.class).deliveries().stream()
                .map(delivery -> delivery.handle())
                .toList();
        group.tell(new GroupQueue.GiveBack(handles, 1, session.getRef()));
        StoreWriter.Append givenBack = nextAppend();
        group.tell(new GroupQueue.GiveBack(handles, 2, session.getRef()));
        session.expectNoMessage();
        write(givenBack);
        assertThat(session.expectMessageClass(QueueReply.GivenBack.class).token())
                .isEqualTo(1);
        assertThat(session.expectMessageClass(QueueReply.GivenBack.class).token())
                .isEqualTo(2);
    }

    /** Returns the Append of the Ack, which has been written. */
    private StoreWriter.Append ackAll() throws StripeException {
        pop(1);
        write(nextAppend());
        var handles = session.expectMessageClass(QueueReply.Delivered.class).deliveries().stream()
                .map(delivery -> delivery.handle())
                .toList();
        group.tell(new GroupQueue.Ack(handles, Durability.WRITTEN, 1, session.getRef()));
        StoreWriter.Append acked = nextAppend();
        write(acked);
        session.expectMessageClass(QueueReply.Acked.class);
        return acked;
    }

    @Test
    void whatASeekGoesBackToIsNotReleasedBeforeItHasBegun() throws StripeException {
        StoreWriter.Append acked = ackAll();
        queue.expectMessageClass(Queue.Attach.class);
        TestProbe<Object> operator = kit.createTestProbe(Object.class);
        group.tell(new GroupQueue.Seek(0, SeekRecord.BY_OFFSET, false, operator.getRef(), operator.getRef()));
        assertThat(queue.expectMessageClass(Queue.Hold.class).floor()).isZero();
        group.tell(new GroupQueue.Seek(2, SeekRecord.BY_OFFSET, true, operator.getRef(), operator.getRef()));
        assertThat(queue.expectMessageClass(Queue.Hold.class).floor()).isZero();
        // A checkpoint comes in between: at other times it is when a group says how far it has come.
        acked.origin().tell(new StoreWriter.SnapshotRequested(1, Owner.group(1, 1)));
        writer.expectMessageClass(StoreWriter.Snapshot.class);
        group.tell(new GroupQueue.Held(0));
        write(nextAppend());
        assertThat(operator.expectMessageClass(GroupQueue.SeekDone.class).toOffset())
                .isZero();
        queue.expectNoMessage();
        group.tell(new GroupQueue.Held(0));
        assertThat(operator.expectMessageClass(GroupQueue.SeekDone.class).toOffset())
                .isEqualTo(2);
        assertThat(queue.expectMessageClass(Queue.Released.class).floor()).isZero();
        pop(2);
        write(nextAppend());
        assertThat(session.expectMessageClass(QueueReply.Delivered.class).deliveries())
                .hasSize(3);
    }

    @Test
    void aDryRunLetsGoOfNothingThatASeekBehindItGoesBackTo() throws StripeException {
        StoreWriter.Append acked = ackAll();
        queue.expectMessageClass(Queue.Attach.class);
        acked.origin().tell(new StoreWriter.SnapshotRequested(1, Owner.group(1, 1)));
        writer.expectMessageClass(StoreWriter.Snapshot.class);
        assertThat(queue.expectMessageClass(Queue.Released.class).floor()).isEqualTo(3);
        TestProbe<Object> operator = kit.createTestProbe(Object.class);
        group.tell(new GroupQueue.Seek(2, SeekRecord.BY_OFFSET, true, operator.getRef(), operator.getRef()));
        group.tell(new GroupQueue.Seek(0, SeekRecord.BY_OFFSET, false, operator.getRef(), operator.getRef()));
        long asked = queue.expectMessageClass(Queue.Hold.class).floor();
        assertThat(queue.expectMessageClass(Queue.Hold.class).floor()).isZero();
        group.tell(new GroupQueue.Held(0));
        assertThat(operator.expectMessageClass(GroupQueue.SeekDone.class).toOffset())
                .isEqualTo(2);
        queue.expectNoMessage();
        group.tell(new GroupQueue.Held(0));
        write(nextAppend());
        assertThat(operator.expectMessageClass(GroupQueue.SeekDone.class).toOffset())
                .isZero();
        assertThat(queue.expectMessageClass(Queue.Released.class).floor()).isZero();
        pop(2);
        write(nextAppend());
        assertThat(session.expectMessageClass(QueueReply.Delivered.class).deliveries())
                .hasSize(3);
        assertThat(asked).as("a dry run keeps nothing that has been let go of").isEqualTo(3);
    }

    @Test
    void aFilterThatIsReplacedWhileItIsAskedSettlesNothing() throws Exception {
        CountDownLatch asked = new CountDownLatch(1);
        CountDownLatch released = new CountDownLatch(1);
        group.tell(new GroupQueue.Configure(Policies.group(policy -> {
            policy.filterText = "tag: none";
            policy.filter = (message, added) -> {
                asked.countDown();
                try {
                    return !released.await(10, TimeUnit.SECONDS);
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            };
        })));
        assertThat(asked.await(10, TimeUnit.SECONDS)).isTrue();
        group.tell(new GroupQueue.Configure(Policies.group(policy -> {
            policy.filterText = "tag: every";
            policy.filter = (message, added) -> true;
        })));
        TestProbe<GroupQueue.NextOffsets> peeked = kit.createTestProbe(GroupQueue.NextOffsets.class);
        group.tell(new GroupQueue.Peek(1, peeked.getRef())); // so that both are in force
        peeked.receiveMessage();
        released.countDown();
        await().untilAsserted(() -> {
            group.tell(new GroupQueue.Peek(10, peeked.getRef()));
            assertThat(peeked.receiveMessage().offsets()).containsExactly(0, 1, 2);
        });
        writer.expectNoMessage();
    }

    /** Invariant: an operator is told what is there, not what the group has heard of so far. */
    @Test
    void whatIsAskedBeforeTheQueueHasSaidHowFarItGoesWaitsForThat() throws StripeException {
        ActorRef<GroupQueue.Command> fresh = spawn();
        TestProbe<Object> operator = kit.createTestProbe(Object.class);
        fresh.tell(new GroupQueue.ListUnsettled(0, 3, 10, operator.getRef()));
        fresh.tell(new GroupQueue.Peek(10, operator.getRef()));
        fresh.tell(new GroupQueue.PurgeBelow(2, false, operator.getRef(), operator.getRef()));
        fresh.tell(new GroupQueue.ListUnsettled(0, 3, 10, operator.getRef()));
        fresh.tell(new GroupQueue.Readable(3, 0));
        assertThat(operator.expectMessageClass(GroupQueue.UnsettledOffsets.class)
                        .offsets())
                .containsExactly(0, 1, 2);
        assertThat(operator.expectMessageClass(GroupQueue.NextOffsets.class).offsets())
                .containsExactly(0, 1, 2);
        assertThat(operator.expectMessageClass(GroupQueue.UnsettledOffsets.class)
                        .offsets())
                .as("in the order of the questions")
                .containsExactly(2);
        write(nextAppend());
        assertThat(operator.expectMessageClass(GroupQueue.PurgeDone.class).belowOffset())
                .isEqualTo(2);
        kit.stop(fresh);
    }

    @Test
    void whatStillWaitsForTheQueueWhenTheGroupIsDeletedIsRefused() {
        ActorRef<GroupQueue.Command> fresh = spawn();
        TestProbe<Object> operator = kit.createTestProbe(Object.class);
        fresh.tell(new GroupQueue.PurgeBelow(2, false, operator.getRef(), operator.getRef()));
        fresh.tell(GroupQueue.Delete.INSTANCE);
        assertThat(operator.expectMessageClass(GroupQueue.OperatorRefused.class)
                        .refusal()
                        .code())
                .isEqualTo(Refusal.Code.UNKNOWN_GROUP);
    }
}
