package io.forebay.queue;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import com.typesafe.config.ConfigFactory;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.queue.core.Policies;
import io.forebay.queue.core.TopicPolicy;
import io.forebay.storage.log.EntryRecord;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.FrameRecords;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.QueueSnapshot;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RecoverySink;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.storage.log.StripeException;
import io.forebay.storage.log.StripeLog;
import io.forebay.storage.log.StripeOptions;
import io.forebay.store.LogClock;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
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
        kit = ActorTestKit.create(ConfigFactory.parseString("akka.loglevel = OFF, akka.log-dead-letters = off")
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
                0, writer.getRef(), log, new StripeBudget(0, 1 << 20, 75, 0), clock, log.report(), () -> null);
    }

    @AfterEach
    void stop() throws IOException {
        kit.stop(queue);
        log.close(false);
    }

    private void start(TopicPolicy policy) {
        queue = kit.spawn(Queue.create(
                new Queue.Identity(1, 0, "t", "n", 32 * 1024, policy),
                stripe,
                Queue.Start.NEW,
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
}
