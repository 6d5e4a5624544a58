package io.forebay.queue;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import com.typesafe.config.ConfigFactory;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.queue.core.Deduplication;
import io.forebay.queue.core.Policies;
import io.forebay.queue.core.QueueState;
import io.forebay.queue.core.TopicPolicy;
import io.forebay.storage.log.DeduplicationRecord;
import io.forebay.storage.log.EntryRecord;
import io.forebay.storage.log.ExpiredRecord;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.FrameRecords;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.QuarantinedRecord;
import io.forebay.storage.log.QueueSnapshot;
import io.forebay.storage.log.ReadProblem;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RecoverySink;
import io.forebay.storage.log.SendWindow;
import io.forebay.storage.log.SnapshotRecord;
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
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A queue over a log that the test writes itself, and says when. */
class QueueTest {
    private static ActorTestKit kit;

    private final LogClock clock = new LogClock(InstantSource.system(), System::nanoTime);
    private final QueueMarks marks = new QueueMarks();
    private StripeLog log;
    private StripeHandle stripe;
    private TestProbe<StoreWriter.Command> writer;
    private TestProbe<QueueReply> session;
    private TestProbe<GroupQueue.Command> group;
    private ActorRef<StoreWriter.Event> origin;
    private ActorRef<Queue.Command> queue;

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
    void openLog() throws IOException {
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
        writer = kit.createTestProbe(StoreWriter.Command.class);
        session = kit.createTestProbe(QueueReply.class);
        group = kit.createTestProbe(GroupQueue.Command.class);
        stripe = new StripeHandle(
                0,
                writer.getRef(),
                log,
                new StripeBudget(0, 1 << 20, 75, 0, Integer.MAX_VALUE),
                clock,
                log.report(),
                () -> null,
                null);
    }

    @AfterEach
    void stop() throws IOException {
        kit.stop(queue);
        log.close(false);
    }

    private void start(TopicPolicy policy, Integer... groupIds) {
        queue = kit.spawn(Queue.create(
                new Queue.Identity(1, 0, "t", "n", 32 * 1024, policy),
                stripe,
                new QueueState(),
                log.nextOffset(1),
                List.of(groupIds),
                marks,
                new AtomicLong()));
        origin = writer.expectMessageClass(StoreWriter.Register.class).origin();
        queue.tell(new Queue.Attach(1, 0, group.getRef()));
        assertReadable(0, 0);
    }

    private void assertReadable(long endOffset, long firstOffset) {
        assertThat(group.expectMessageClass(GroupQueue.Readable.class))
                .isEqualTo(new GroupQueue.Readable(endOffset, firstOffset));
    }

    private void send(long token, Durability level, String... ids) {
        List<Message> messages = Stream.of(ids)
                .map(id -> Message.builder("t").id(id).body(new byte[10]).build())
                .toList();
        queue.tell(new Queue.Enqueue(7, messages, level, token, session.getRef()));
    }

    private StoreWriter.Append nextAppend() {
        return writer.expectMessageClass(StoreWriter.Append.class);
    }

    private StoreWriter.Append append(StoreWriter.Append append) throws StripeException {
        log.append(append.frame(), clock.millis());
        return append;
    }

    private static void tellWritten(StoreWriter.Append append) {
        append.origin().tell(new StoreWriter.Written(append.tag(), append.frame()));
    }

    /** As a group's dead letter: an entry of this queue in a frame that this queue does not write. */
    private Queue.Appended appendedByAnother() throws StripeException {
        Frame frame = Frame.builder(256)
                .add(Owner.queue(1), new EntryRecord(-1, 2, 0, 0, 0, Map.of()))
                .build();
        log.append(frame, clock.millis());
        return new Queue.Appended(frame.queueOffset(0) + 1, frame.lastSequence(), frame.ownerNumber(0));
    }

    private void force() throws IOException {
        var range = log.takeUnflushed();
        log.force(range);
        log.forced(range);
    }

    @Test
    void whatAnotherAppendsIsReadableInWhateverOrderItIsTold() throws StripeException {
        start(Policies.topic());
        send(1, Durability.WRITTEN, "a", "b");
        StoreWriter.Append own = append(nextAppend());
        Queue.Appended first = appendedByAnother();
        Queue.Appended second = appendedByAnother();
        queue.tell(second);
        assertReadable(4, 0);
        queue.tell(first);
        tellWritten(own);
        assertThat(session.expectMessageClass(QueueReply.Enqueued.class).results())
                .hasSize(2);
        group.expectNoMessage();
        assertThat(marks.nextOffset()).isEqualTo(4);
        send(2, Durability.WRITTEN, "c");
        tellWritten(append(nextAppend()));
        assertReadable(5, 0);
    }

    @Test
    void whatAnotherAppendsToADurableTopicIsReadableWhenItIsDurable() throws IOException {
        start(Policies.topic(fields -> fields.isReadableWhenDurable = true));
        Queue.Appended appended = appendedByAnother();
        queue.tell(appended);
        StoreWriter.AwaitDurable await = writer.expectMessageClass(StoreWriter.AwaitDurable.class);
        assertThat(await.sequence()).isEqualTo(appended.lastSequence());
        group.expectNoMessage();
        force();
        await.origin().tell(new StoreWriter.Durable(log.durableSequence()));
        assertReadable(1, 0);
        Queue.Appended another = appendedByAnother();
        force();
        queue.tell(another);
        assertReadable(2, 0);
        writer.expectNoMessage();
    }

    @Test
    void aSnapshotHoldsWhatAnotherHasAppended() throws Exception {
        start(Policies.topic());
        Queue.Appended appended = appendedByAnother();
        queue.tell(appended);
        assertReadable(1, 0);
        origin.tell(new StoreWriter.SnapshotRequested(3, Owner.queue(1)));
        StoreWriter.Snapshot snapshot = writer.expectMessageClass(StoreWriter.Snapshot.class);
        Frame frame = snapshot.frames().get(0);
        SnapshotRecord part = (SnapshotRecord) FrameRecords.of(frame).get(0);
        assertThat(part.heldSequence()).isEqualTo(appended.lastSequence());
        assertThat(part.heldOwnerNumber()).isEqualTo(appended.lastOwnerNumber());
        assertThat(QueueSnapshot.decode(part.payload()).nextOffset()).isEqualTo(1);
    }

    // ---- deduplication ----------------------------------------------------------------------------------------------

    private static TopicPolicy deduplicating() {
        return Policies.topic(fields -> fields.deduplication = Deduplication.MESSAGE_ID);
    }

    private List<Receipt> receipts(long token) {
        QueueReply.Enqueued enqueued = session.expectMessageClass(QueueReply.Enqueued.class);
        assertThat(enqueued.token()).isEqualTo(token);
        return enqueued.results().stream().map(Receipt.class::cast).toList();
    }

    @Test
    void aRepeatedSendGetsItsFirstReceiptAtTheLevelItAsksFor() throws IOException {
        start(deduplicating());
        send(1, Durability.WRITTEN, "a", "b");
        StoreWriter.Append first = append(nextAppend());
        assertThat(FrameRecords.of(first.frame()).get(0))
                .isInstanceOfSatisfying(
                        DeduplicationRecord.class,
                        note -> assertThat(note.kind()).isEqualTo(SendWindow.Kind.MESSAGE_ID));
        tellWritten(first);
        assertReadable(2, 0);
        List<Receipt> receipts = receipts(1);
        send(2, Durability.WRITTEN, "b");
        assertThat(receipts(2)).containsExactly(receipts.get(1));
        send(3, Durability.FLUSHED, "b", "a");
        StoreWriter.AwaitDurable await = writer.expectMessageClass(StoreWriter.AwaitDurable.class);
        assertThat(await.sequence()).isEqualTo(receipts.get(1).sequence());
        session.expectNoMessage();
        force();
        await.origin().tell(new StoreWriter.Durable(log.durableSequence()));
        assertThat(receipts(3)).containsExactly(flushed(receipts.get(1)), flushed(receipts.get(0)));
        send(4, Durability.FLUSHED, "a");
        assertThat(receipts(4)).containsExactly(flushed(receipts.get(0)));
        writer.expectNoMessage();
    }

    private static Receipt flushed(Receipt receipt) {
        return new Receipt(
                Durability.FLUSHED,
                receipt.node(),
                receipt.stripe(),
                receipt.sequence(),
                receipt.topic(),
                receipt.queue(),
                receipt.queueOffset(),
                receipt.payloadCrc());
    }

    @Test
    void aSendThatIsRepeatedBeforeItIsWrittenWaitsForIt() throws StripeException {
        start(deduplicating());
        send(1, Durability.WRITTEN, "a", "a", "b");
        StoreWriter.Append first = nextAppend();
        send(2, Durability.WRITTEN, "b", "c", "a", "c");
        first.origin().tell(new StoreWriter.Unavailable(StripeBudget.Reason.READ_ONLY, "the device fails"));
        for (long token = 1; token <= 2; token++) {
            assertThat(session.expectMessageClass(QueueReply.Enqueued.class).results())
                    .allSatisfy(
                            result -> assertThat(((Refusal) result).code()).isEqualTo(Refusal.Code.OUTCOME_UNKNOWN));
        }
        send(3, Durability.WRITTEN, "c", "a");
        session.expectNoMessage();
        tellWritten(append(first));
        assertReadable(2, 0);
        tellWritten(append(nextAppend()));
        assertReadable(3, 0);
        assertThat(receipts(3)).extracting(Receipt::queueOffset).containsExactly(2L, 0L);
        send(4, Durability.WRITTEN, "a", "d", "b", "c", "d");
        tellWritten(append(nextAppend()));
        assertThat(receipts(4)).extracting(Receipt::queueOffset).containsExactly(0L, 3L, 1L, 2L, 3L);
        writer.expectNoMessage();
    }

    @Test
    void aRepeatedSendIsNotPromisedWhileAFailedForceIsMadeGood() throws IOException {
        start(deduplicating());
        send(1, Durability.WRITTEN, "a");
        StoreWriter.Append first = append(nextAppend());
        tellWritten(first);
        Receipt receipt = receipts(1).get(0);
        log.forceFailed(log.takeUnflushed());
        first.origin().tell(new StoreWriter.FlushFailed(log.durableSequence()));
        StoreWriter.Rewrite rewrite = writer.expectMessageClass(StoreWriter.Rewrite.class);
        send(2, Durability.WRITTEN, "a");
        writer.expectMessageClass(StoreWriter.AwaitDurable.class);
        session.expectNoMessage();
        log.rewrite(rewrite.frames().get(0));
        log.finishRewrite();
        first.origin().tell(new StoreWriter.Rewritten(log.durableSequence()));
        assertThat(receipts(2)).containsExactly(receipt);
    }

    @Test
    void aSnapshotHoldsTheSendsOfTheFrameThatWasWrittenLast() throws Exception {
        start(deduplicating());
        send(1, Durability.WRITTEN, "a");
        StoreWriter.Append first = append(nextAppend());
        send(2, Durability.WRITTEN, "b");
        origin.tell(new StoreWriter.SnapshotRequested(3, Owner.queue(1)));
        writer.expectNoMessage();
        tellWritten(first);
        StoreWriter.Snapshot snapshot = writer.expectMessageClass(StoreWriter.Snapshot.class);
        SnapshotRecord part =
                (SnapshotRecord) FrameRecords.of(snapshot.frames().get(0)).get(0);
        assertThat(part.heldSequence()).isEqualTo(first.frame().lastSequence());
        SendWindow window = QueueSnapshot.decode(part.payload()).window();
        assertThat(window.count()).isEqualTo(1);
        assertThat(window.offset(0)).isZero();
        nextAppend();
    }

    @Test
    void whatWasStoredDoesNotWaitForARefusedMessageOfItsKey() throws StripeException {
        start(deduplicating());
        sendKeyed(1, "m1");
        tellWritten(append(nextAppend()));
        receipts(1);
        queue.tell(new Queue.Refused(7, Map.of("k", "m2")));
        sendKeyed(2, "m1");
        assertThat(receipts(2)).extracting(Receipt::queueOffset).containsExactly(0L);
        sendKeyed(3, "m3");
        assertThat(session.expectMessageClass(QueueReply.Enqueued.class)
                        .results()
                        .get(0))
                .isInstanceOfSatisfying(
                        Refusal.class, refusal -> assertThat(refusal.code()).isEqualTo(Refusal.Code.BUSY));
        sendKeyed(4, "m2", "m3");
        tellWritten(append(nextAppend()));
        assertThat(receipts(4)).extracting(Receipt::queueOffset).containsExactly(1L, 2L);
    }

    private void sendKeyed(long token, String... ids) {
        List<Message> messages = Stream.of(ids)
                .map(id -> Message.builder("t").id(id).messageGroup("k").build())
                .toList();
        queue.tell(new Queue.Enqueue(7, messages, Durability.WRITTEN, token, session.getRef()));
    }

    // ---- retention --------------------------------------------------------------------------------------------------

    @Test
    void nothingIsReleasedBeforeEveryGroupOfBeforeHasAttached() throws StripeException {
        start(Policies.topic(), 1, 2);
        send(1, Durability.WRITTEN, "a", "b", "c");
        tellWritten(append(nextAppend()));
        assertReadable(3, 0);
        queue.tell(new Queue.Released(1, 3));
        TestProbe<GroupQueue.Command> other = kit.createTestProbe(GroupQueue.Command.class);
        queue.tell(new Queue.Attach(2, 1, other.getRef()));
        assertThat(other.expectMessageClass(GroupQueue.Readable.class)).isEqualTo(new GroupQueue.Readable(3, 1));
        assertThat(log.releasedBelow(1)).isEqualTo(1);
    }

    @Test
    void whatIsPurgedIsGoneWhenThatIsWrittenAndToldWhenItIsFlushed() throws IOException {
        start(Policies.topic());
        TestProbe<Queue.Purged> operator = kit.createTestProbe(Queue.Purged.class);
        send(1, Durability.WRITTEN, "a", "b", "c");
        tellWritten(append(nextAppend()));
        assertReadable(3, 0);
        queue.tell(new Queue.Purge(2, operator.getRef()));
        StoreWriter.Append purge = append(nextAppend());
        assertThat(((PurgeRecord) FrameRecords.of(purge.frame()).get(0)).belowOffset())
                .isEqualTo(2);
        assertThat(log.releasedBelow(1)).isZero();
        tellWritten(purge);
        assertThat(group.expectMessageClass(GroupQueue.Truncated.class).firstOffset())
                .isEqualTo(2);
        assertThat(log.releasedBelow(1)).isEqualTo(2);
        assertThat(marks.firstOffset()).isEqualTo(2);
        writer.expectMessageClass(StoreWriter.AwaitDurable.class);
        operator.expectNoMessage();
        force();
        purge.origin().tell(new StoreWriter.Durable(log.durableSequence()));
        assertThat(operator.expectMessageClass(Queue.Purged.class)).isEqualTo(new Queue.Purged(1, 2, null));
        queue.tell(new Queue.Purge(Long.MAX_VALUE, operator.getRef()));
        StoreWriter.Append rejected = nextAppend();
        rejected.origin()
                .tell(new StoreWriter.Rejected(
                        rejected.tag(), rejected.frame(), StoreWriter.Refused.CLOSED, "closed by a bug"));
        assertThat(operator.expectMessageClass(Queue.Purged.class).refusal().code())
                .isEqualTo(Refusal.Code.FAILED);
    }

    @Test
    void aQueueKeepsNoMoreBytesThanItMay() throws StripeException {
        start(Policies.topic(fields -> fields.maxBytes = 1_000));
        for (int i = 0; i < 20; i++) {
            send(i, Durability.WRITTEN, "m" + i);
            StoreWriter.Append sent = append(nextAppend());
            if (FrameRecords.of(sent.frame()).get(0) instanceof ExpiredRecord) {
                tellWritten(sent);
                sent = append(nextAppend());
            }
            tellWritten(sent);
            receipts(i);
        }
        assertThat(marks.expiredCount()).isBetween(5L, 15L).isEqualTo(marks.firstOffset());
        assertThat(log.releasedBelow(1)).isEqualTo(marks.firstOffset());
        TestProbe<Queue.OffsetRange> asker = kit.createTestProbe(Queue.OffsetRange.class);
        queue.tell(new Queue.OffsetAt(0, asker.getRef()));
        assertThat(asker.expectMessageClass(Queue.OffsetRange.class).low()).isEqualTo(marks.firstOffset());
        queue.tell(new Queue.OffsetAt(Long.MAX_VALUE, asker.getRef()));
        assertThat(asker.expectMessageClass(Queue.OffsetRange.class)).isEqualTo(new Queue.OffsetRange(1, 20, 20));
    }

    // ---- what cannot be read ----------------------------------------------------------------------------------------

    private static ReadProblem bad(String reason) {
        return new ReadProblem(QuarantinedRecord.Cause.BAD_FRAME, "segment-0000000000000000.log", 4096, reason);
    }

    @Test
    void whatCannotBeReadIsNotedOnceAndToldToEveryGroup() throws StripeException {
        start(Policies.topic());
        send(1, Durability.WRITTEN, "a", "b", "c");
        tellWritten(append(nextAppend()));
        assertReadable(3, 0);
        queue.tell(new Queue.Quarantine(1, 1, bad("x".repeat(5_000))));
        queue.tell(new Queue.Quarantine(1, 1, bad("again")));
        StoreWriter.Append noted = append(nextAppend());
        QuarantinedRecord record =
                (QuarantinedRecord) FrameRecords.of(noted.frame()).get(0);
        assertThat(record.firstOffset()).isEqualTo(1);
        assertThat(record.detail()).hasSize(500);
        assertThat(record.position()).isEqualTo(4096);
        assertThat(record.segment()).isEqualTo("segment-0000000000000000.log");
        assertThat(record.cause()).isEqualTo(QuarantinedRecord.Cause.BAD_FRAME);
        tellWritten(noted);
        assertThat(group.expectMessageClass(GroupQueue.Quarantined.class).offsets())
                .isEqualTo(OffsetSet.of(1));
        assertThat(marks.quarantinedCount()).isEqualTo(1);
        assertThat(marks.quarantines()).containsExactly(record);
        TestProbe<GroupQueue.Command> other = kit.createTestProbe(GroupQueue.Command.class);
        queue.tell(new Queue.Attach(2, 0, other.getRef()));
        other.expectMessageClass(GroupQueue.Quarantined.class);
        other.expectMessageClass(GroupQueue.Readable.class);
        writer.expectNoMessage();
    }
}
