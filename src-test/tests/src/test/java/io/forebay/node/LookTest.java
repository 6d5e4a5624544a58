package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.LifeEvent;
import io.forebay.protocol.LifeEvent.Kind;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Message;
import io.forebay.protocol.MessageLife;
import io.forebay.protocol.QueuePurge;
import io.forebay.protocol.QueueSeek;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SeekPlace;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.StoredMessage;
import io.forebay.testkit.faults.MemoryDisk;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What an operator sees of stored messages without popping them. */
class LookTest {
    private static final long LONG = 60_000;
    private static NodeFixture node;

    @BeforeAll
    static void start() {
        node = NodeFixture.inMemory();
    }

    @AfterAll
    static void stop() {
        node.close();
    }

    private static LookReply.MessagePage peek(
            NodeFixture.Client client, String topic, int queue, long offset, int count) {
        return peek(client, topic, queue, offset, "", count, 1 << 20, "");
    }

    private static LookReply.MessagePage peek(
            NodeFixture.Client client,
            String topic,
            int queue,
            long offset,
            String group,
            int count,
            int bytes,
            String cursor) {
        client.tell(new LookCommand.Peek(client.nextId(), topic, queue, offset, group, count, bytes, cursor));
        return client.expect(LookReply.MessagePage.class);
    }

    private static Refusal refused(NodeFixture.Client client, SessionCommand command) {
        client.tell(command);
        return client.expect(SessionEvent.Refused.class).refusal();
    }

    private static String text(StoredMessage stored) {
        return new String(stored.message().body(), StandardCharsets.UTF_8);
    }

    private static MessageLife explain(
            NodeFixture.Client client, String topic, int queue, long offset, ReceiptHandle handle) {
        MessageLife.Builder life = new MessageLife.Builder();
        String cursor = "";
        do {
            client.tell(new LookCommand.Explain(client.nextId(), topic, queue, offset, handle, cursor));
            LookReply.LifePage page = client.expect(LookReply.LifePage.class);
            life.add(page);
            cursor = page.cursor();
        } while (!cursor.isEmpty());
        return life.build();
    }

    private static List<Kind> kinds(MessageLife life) {
        return events(life).stream().map(LifeEvent::kind).toList();
    }

    /** Without the beginnings of groups, which are written some time before their first Pop. */
    private static List<LifeEvent> events(MessageLife life) {
        return life.events().stream()
                .filter(event -> event.kind() != Kind.BEGAN)
                .toList();
    }

    @Test
    void peekShowsWhatIsStoredAndPopsNothing() {
        NodeFixture.Client client = node.open();
        client.sendTo(0, "peeked", 5, "a");
        client.sendTo(1, "peeked", 5, "b");
        LookReply.MessagePage page = peek(client, "peeked", -1, -1, 100);
        assertThat(page.messages().stream().map(LookTest::text))
                .containsExactly("a0", "a1", "a2", "a3", "a4", "b0", "b1", "b2", "b3", "b4");
        assertThat(page.messages().stream().map(StoredMessage::queue).distinct())
                .containsExactly(0, 1);
        assertThat(page.messages().get(7).offset()).isEqualTo(2);
        assertThat(page.messages())
                .allSatisfy(stored -> assertThat(stored.storedMillis()).isPositive());
        assertThat(page.cursor()).isEmpty();
        assertThat(page.doneCount()).isEqualTo(10);
        assertThat(page.totalCount()).isEqualTo(10);
        assertThat(client.popAll("peeked", "g", 10, LONG))
                .allSatisfy(delivery -> assertThat(delivery.attempt()).isEqualTo(1));
    }

    @Test
    void peekGoesOnFromItsCursor() {
        NodeFixture.Client client = node.open();
        client.sendTo(0, "paged", 7, "a");
        client.sendTo(1, "paged", 7, "b");
        List<String> seen = new ArrayList<>();
        String cursor = "";
        int pages = 0;
        do {
            LookReply.MessagePage page = peek(client, "paged", -1, -1, "", 3, 1 << 20, cursor);
            assertThat(page.messages()).hasSizeLessThanOrEqualTo(3);
            page.messages().forEach(stored -> seen.add(text(stored)));
            assertThat(page.doneCount()).isEqualTo(seen.size());
            cursor = page.cursor();
            pages++;
        } while (!cursor.isEmpty());
        assertThat(pages).isEqualTo(5);
        assertThat(seen).hasSize(14).doesNotHaveDuplicates();
        assertThat(peek(client, "paged", 1, 5, 10).messages().stream().map(LookTest::text))
                .containsExactly("b5", "b6");
        assertThat(peek(client, "paged", 0, -1, "", 100, 1, "").messages())
                .as("one is shown however large it is")
                .hasSize(1);
    }

    @Test
    void peekBeyondTheEndSaysSo() {
        NodeFixture.Client client = node.open();
        client.sendTo(0, "short", 3, "a");
        LookReply.MessagePage page = peek(client, "short", 0, 10, 10);
        assertThat(page.messages()).isEmpty();
        assertThat(page.notes()).singleElement().asString().contains("0 to 2").contains("10");
        assertThat(peek(client, "short", 1, -1, 10).messages()).isEmpty();
    }

    @Test
    void largeMessagesArePeekedWholeAndOneByOne() {
        NodeFixture.Client client = node.open();
        byte[] large = new byte[900_000];
        large[899_999] = 7;
        for (int i = 0; i < 3; i++) {
            client.tell(new SessionCommand.Send(
                    client.nextId(), "large", 0, List.of(Message.of("large", large)), Durability.WRITTEN));
            client.expect(SessionEvent.SendReply.class);
        }
        LookReply.MessagePage page = peek(client, "large", -1, -1, "", 100, 1_000_000, "");
        assertThat(page.messages()).hasSize(2);
        assertThat(page.messages().get(0).message().body()).isEqualTo(large);
        assertThat(page.cursor()).isNotEmpty();
    }

    @Test
    void absurdPeeksAreRefused() {
        NodeFixture.Client client = node.open();
        client.sendTo(0, "absurd", 1, "a");
        assertThat(refused(client, new LookCommand.Peek(1, "absurd", 2, -1, "", 10, 1000, "")))
                .satisfies(refusal ->
                        assertThat(refusal.text()).contains("queue is 2").contains("0 to 1"));
        assertThat(refused(client, new LookCommand.Peek(2, "absurd", -2, -1, "", 10, 1000, ""))
                        .code())
                .isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
        assertThat(refused(client, new LookCommand.Peek(3, "absurd", -1, -1, "", 0, 1000, ""))
                        .text())
                .contains("1 to 1000");
        assertThat(refused(client, new LookCommand.Peek(4, "absurd", -1, -1, "", 1 << 30, 1000, ""))
                        .text())
                .contains("1 to 1000");
        assertThat(refused(client, new LookCommand.Peek(5, "absurd", -1, -1, "", 10, 0, ""))
                        .code())
                .isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
        assertThat(refused(client, new LookCommand.Peek(6, "absurd", -1, 5, "", 10, 1000, ""))
                        .text())
                .contains("needs the number of a queue");
        assertThat(refused(client, new LookCommand.Peek(7, "no-such", -1, -1, "", 10, 1000, ""))
                        .code())
                .isEqualTo(Refusal.Code.UNKNOWN_TOPIC);
        assertThat(refused(client, new LookCommand.Peek(8, "", -1, -1, "", 10, 1000, ""))
                        .code())
                .isEqualTo(Refusal.Code.ILLEGAL_NAME);
        for (String cursor : List.of("x", ":", "1:", "-1:5", "0:-5", "99999999999999999999:1", "1:2:3", "0")) {
            assertThat(refused(
                                    client,
                                    new LookCommand.Peek(client.nextId() + 100, "absurd", -1, -1, "", 10, 1000, cursor))
                            .text())
                    .contains("cursor");
        }
    }

    private static List<StoredMessage> find(
            NodeFixture.Client client, String id, String key, long since, long until, int count) {
        List<StoredMessage> found = new ArrayList<>();
        String cursor = "";
        do {
            client.tell(new LookCommand.Find(client.nextId(), "sought", id, key, since, until, count, cursor));
            LookReply.MessagePage page = client.expect(LookReply.MessagePage.class);
            assertThat(page.messages()).hasSizeLessThanOrEqualTo(count);
            found.addAll(page.messages());
            cursor = page.cursor();
        } while (!cursor.isEmpty());
        return found;
    }

    @Test
    void messagesAreFoundByIdKeyAndTime() {
        NodeFixture.Client client = node.open();
        List<Receipt> receipts = new ArrayList<>();
        for (int i = 0; i < 300; i++) {
            Message message = Message.builder("sought")
                    .id("id-" + i)
                    .keys(List.of("k" + i % 10, "all\\of\u001Fthem"))
                    .body(new byte[100])
                    .build();
            client.tell(
                    new SessionCommand.Send(client.nextId(), "sought", i % 2, List.of(message), Durability.WRITTEN));
            for (SendResult result : client.expect(SessionEvent.SendReply.class).results()) {
                receipts.add((Receipt) result);
            }
        }
        assertThat(find(client, "id-123", "", -1, -1, 10)).singleElement().satisfies(stored -> {
            assertThat(stored.queue()).isEqualTo(receipts.get(123).queue());
            assertThat(stored.offset()).isEqualTo(receipts.get(123).queueOffset());
            assertThat(stored.sequence()).isEqualTo(receipts.get(123).sequence());
        });
        assertThat(find(client, "", "k7", -1, -1, 4)).hasSize(30);
        assertThat(find(client, "", "all\\of\u001Fthem", -1, -1, 1000)).hasSize(300);
        assertThat(find(client, "", "all", -1, -1, 1000)).isEmpty();
        assertThat(find(client, "id-123", "k4", -1, -1, 10)).isEmpty();
        List<StoredMessage> all = find(client, "", "all\\of\u001Fthem", -1, -1, 1000);
        long middle = all.get(75).storedMillis();
        assertThat(find(client, "", "all\\of\u001Fthem", middle, -1, 1000)).hasSize((int)
                all.stream().filter(stored -> stored.storedMillis() >= middle).count());
        assertThat(find(client, "", "all\\of\u001Fthem", -1, middle, 7)).hasSize((int)
                all.stream().filter(stored -> stored.storedMillis() < middle).count());
        assertThat(find(client, "", "k7", Long.MAX_VALUE, -1, 7)).isEmpty();
        assertThat(find(client, "", "k7", -1, 0, 7)).isEmpty();
        assertThat(refused(client, new LookCommand.Find(1, "sought", "", "", -1, -1, 10, ""))
                        .text())
                .contains("id or a key");
        assertThat(refused(client, new LookCommand.Find(2, "sought", "x", "", -5, -1, 10, ""))
                        .text())
                .contains("since is -5");
        assertThat(refused(client, new LookCommand.Find(3, "sought", "x".repeat(300), "", -1, -1, 10, ""))
                        .code())
                .isEqualTo(Refusal.Code.TOO_LARGE);
        assertThat(refused(client, new LookCommand.Find(4, "nowhere", "x", "", -1, -1, 10, ""))
                        .code())
                .isEqualTo(Refusal.Code.UNKNOWN_TOPIC);
    }

    @Test
    void theLifeOfAMessageIsToldFromTheLog() {
        NodeFixture.Client client = node.open();
        Receipt receipt = client.sendTo(1, "lived", 3, "m").get(1);
        List<Delivery> first = client.popAll("lived", "g", 3, LONG);
        Delivery second = first.get(1);
        assertThat(second.queueOffset()).isEqualTo(1);
        client.tell(new SessionCommand.ChangeInvisible(
                client.nextId(), "g", List.of(second.handle()), 2 * LONG, false, ""));
        client.expect(SessionEvent.ChangeReply.class);
        client.tell(new SessionCommand.ChangeInvisible(
                client.nextId(), "g", List.of(second.handle()), 0, true, "the printer is on fire"));
        client.expect(SessionEvent.ChangeReply.class);
        Delivery again = client.popAll("lived", "g", 1, LONG).get(0);
        client.tell(new SessionCommand.GiveBack(client.nextId(), "g", List.of(again.handle())));
        client.expect(SessionEvent.GiveBackReply.class);
        Delivery last = client.popAll("lived", "g", 1, LONG).get(0);
        client.ack("g", List.of(last.handle()), Durability.FLUSHED);
        client.popAll("lived", "other", 3, LONG);

        MessageLife life = explain(client, "lived", 1, 1, null);
        assertThat(life.place()).hasToString("lived/1/1");
        assertThat(life.message().sequence()).isEqualTo(receipt.sequence());
        assertThat(kinds(life))
                .containsExactly(
                        Kind.SENT,
                        Kind.POPPED,
                        Kind.EXTENDED,
                        Kind.NACKED,
                        Kind.POPPED,
                        Kind.GIVEN_BACK,
                        Kind.POPPED,
                        Kind.ACKED,
                        Kind.POPPED);
        assertThat(events(life).get(0).detail())
                .contains(life.message().message().id())
                .contains("2 bytes");
        assertThat(events(life).get(1).sessionId()).isEqualTo(client.sessionId);
        assertThat(events(life).get(3).detail()).isEqualTo("the printer is on fire");
        assertThat(events(life).get(4).attempt()).isEqualTo(2);
        assertThat(events(life).get(6).attempt()).isEqualTo(2);
        assertThat(events(life).get(7).isDurable()).isTrue();
        assertThat(life.groups()).hasSize(2);
        assertThat(life.groups().get(0).state()).isEqualTo(MessageLife.State.ACKED);
        assertThat(life.groups().get(0).attempts()).isEqualTo(2);
        assertThat(life.groups().get(1).state()).isEqualTo(MessageLife.State.IN_FLIGHT);
        MessageLife byHandle = explain(client, "", -1, -1, last.handle());
        assertThat(byHandle.place()).isEqualTo(life.place());
        assertThat(kinds(byHandle)).isEqualTo(kinds(life));
        assertThat(byHandle.groups()).isEqualTo(life.groups());
    }

    @Test
    void aDeadlineThatPassedIsToldThoughNoRecordSaysSo() {
        NodeFixture.Client client = node.open();
        client.sendTo(0, "late", 1, "m");
        client.popAll("late", "g", 1, 1000);
        Delivery again = client.popAll("late", "g", 1, LONG).get(0);
        assertThat(again.attempt()).isEqualTo(2);
        assertThat(kinds(explain(client, "late", 0, 0, null)))
                .containsExactly(Kind.SENT, Kind.POPPED, Kind.EXPIRED, Kind.POPPED);
    }

    @Test
    void aDeadLetterIsFollowedToItsQueue() {
        NodeFixture.Client client = node.open();
        client.tell(new SessionCommand.CreateTopic(client.nextId(), "doomed", 1, Map.of()));
        client.expect(SessionEvent.TopicCreated.class);
        client.tell(new SessionCommand.CreateGroup(
                client.nextId(), "dg", "doomed", Map.of("max-attempts", "1", "retry-backoff", "none")));
        client.expect(SessionEvent.GroupCreated.class);
        client.sendTo(0, "doomed", 1, "m");
        Delivery delivery = client.popAll("doomed", "dg", 1, LONG).get(0);
        client.tell(new SessionCommand.ChangeInvisible(
                client.nextId(), "dg", List.of(delivery.handle()), 0, true, "no ink"));
        client.expect(SessionEvent.ChangeReply.class);
        Delivery letter = client.popAll("%DLQ%dg", "undertaker", 1, LONG).get(0);
        MessageLife life = explain(client, "doomed", 0, 0, null);
        assertThat(kinds(life)).contains(Kind.SENT, Kind.POPPED, Kind.NACKED, Kind.ENTERED, Kind.DEAD_LETTERED);
        assertThat(life.groups().get(0).state()).isEqualTo(MessageLife.State.DEAD_LETTERED);
        String place = "%DLQ%dg/" + letter.queue();
        assertThat(events(life)).anySatisfy(event -> {
            assertThat(event.kind()).isEqualTo(Kind.ENTERED);
            assertThat(event.detail()).contains(place + "/" + letter.queueOffset());
        });
        assertThat(events(life)).anySatisfy(event -> {
            assertThat(event.kind()).isEqualTo(Kind.DEAD_LETTERED);
            assertThat(event.detail()).contains(place).contains("no ink");
        });
        MessageLife ofLetter = explain(client, "%DLQ%dg", letter.queue(), letter.queueOffset(), null);
        assertThat(kinds(ofLetter)).containsExactly(Kind.SENT, Kind.POPPED);
        assertThat(ofLetter.events().get(0).detail()).contains("doomed/0/0");
        assertThat(ofLetter.message().message().properties()).containsEntry("dead-letter.topic", "doomed");
    }

    @Test
    void whatIsNotThereCannotBeExplained() {
        NodeFixture.Client client = node.open();
        client.sendTo(0, "some", 2, "m");
        Delivery delivery = client.popAll("some", "g", 2, LONG).get(0);
        assertThat(refused(client, new LookCommand.Explain(901, "some", 0, 2, null, ""))
                        .text())
                .contains("offset is 2")
                .contains("0 to 1");
        assertThat(refused(client, new LookCommand.Explain(902, "some", 0, -1, null, ""))
                        .code())
                .isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
        assertThat(refused(client, new LookCommand.Explain(903, "some", 1, 0, null, ""))
                        .text())
                .contains("empty");
        assertThat(refused(client, new LookCommand.Explain(904, "some", -1, 0, null, ""))
                        .text())
                .contains("queue is -1");
        assertThat(refused(client, new LookCommand.Explain(905, "none", 0, 0, null, ""))
                        .code())
                .isEqualTo(Refusal.Code.UNKNOWN_TOPIC);
        ReceiptHandle handle = delivery.handle();
        assertThat(refused(
                                client,
                                new LookCommand.Explain(906, "", -1, -1, changed(handle, handle.nodeId() + 1, 1), ""))
                        .code())
                .isEqualTo(Refusal.Code.FOREIGN_HANDLE);
        assertThat(refused(client, new LookCommand.Explain(907, "", -1, -1, changed(handle, handle.nodeId(), 9999), ""))
                        .code())
                .isEqualTo(Refusal.Code.FOREIGN_HANDLE);
    }

    private static ReceiptHandle changed(ReceiptHandle handle, int nodeId, int queueId) {
        return new ReceiptHandle(nodeId, handle.stripe(), queueId, handle.groupId(), 0, 1, 1, 1);
    }

    @Test
    void aLifeIsStillThereAfterARestart() {
        try (NodeFixture one = NodeFixture.inMemory()) {
            NodeFixture.Client client = one.open();
            client.sendTo(0, "kept", 1, "m");
            client.ack("g", NodeFixture.handles(client.popAll("kept", "g", 1, LONG)), Durability.FLUSHED);
            try (NodeFixture next = NodeFixture.inMemory(one.kill(), "")) {
                MessageLife life = explain(next.open(), "kept", 0, 0, null);
                assertThat(kinds(life)).containsExactly(Kind.SENT, Kind.POPPED, Kind.ACKED);
            }
        }
    }

    private static List<QueueSeek> seek(
            NodeFixture.Client client, String topic, int queue, SeekPlace place, boolean isDryRun) {
        client.tell(new LookCommand.Seek(client.nextId(), "g", topic, queue, place, isDryRun));
        return client.expect(LookReply.Seeked.class).queues();
    }

    @Test
    void aGroupSeeksBackAndForth() {
        NodeFixture.Client client = node.open();
        client.sendTo(0, "sought-in", 10, "a");
        client.sendTo(1, "sought-in", 10, "b");
        List<Delivery> first = client.popAll("sought-in", "g", 20, LONG);
        client.ack(
                "g",
                NodeFixture.handles(first.stream()
                        .filter(delivery -> delivery.queue() == 0 || delivery.queueOffset() < 2)
                        .toList()));

        List<QueueSeek> told = seek(client, "sought-in", -1, SeekPlace.EARLIEST_STORED, true);
        assertThat(told).hasSize(2).allSatisfy(queue -> {
            assertThat(queue.node()).isEqualTo(node.forebay.settings().node().name());
            assertThat(queue.fromOffset()).isEqualTo(10);
            assertThat(queue.toOffset()).isZero();
            assertThat(queue.repeatedCount()).isEqualTo(10);
            assertThat(queue.skippedCount()).isZero();
            assertThat(queue.isClamped()).isFalse();
            assertThat(queue.refusal()).isNull();
        });
        assertThat(client.pop("sought-in", "g", 1, LONG, 0))
                .as("a dry run changes nothing")
                .isEmpty();
        assertThat(seek(client, "sought-in", -1, SeekPlace.EARLIEST_STORED, false))
                .isEqualTo(told);
        List<Delivery> again = client.popAll("sought-in", "g", 20, LONG);
        assertThat(client.ack("g", NodeFixture.handles(first)))
                .as("handles of before are stale")
                .noneMatch(result -> result == AckOutcome.ACKED);
        client.ack("g", NodeFixture.handles(again));

        QueueSeek one = seek(client, "sought-in", 1, SeekPlace.offset(7), false).get(0);
        assertThat(one.queue()).isEqualTo(1);
        assertThat(one.toOffset()).isEqualTo(7);
        assertThat(one.repeatedCount()).isEqualTo(3);
        assertThat(client.popAll("sought-in", "g", 3, LONG).stream().map(NodeFixture::text))
                .containsExactly("b7", "b8", "b9");
        QueueSeek clamped =
                seek(client, "sought-in", 0, SeekPlace.offset(99), false).get(0);
        assertThat(clamped.isClamped()).isTrue();
        assertThat(clamped.toOffset()).isEqualTo(10);
        assertThat(seek(client, "sought-in", -1, SeekPlace.LATEST_STORED, false))
                .allSatisfy(queue -> assertThat(queue.toOffset()).isEqualTo(10));
        assertThat(client.pop("sought-in", "g", 1, LONG, 0)).isEmpty();
        assertThat(kinds(explain(client, "sought-in", 1, 8, null)))
                .containsExactly(
                        Kind.SENT,
                        Kind.POPPED,
                        Kind.SEEK,
                        Kind.POPPED,
                        Kind.ACKED,
                        Kind.SEEK,
                        Kind.POPPED,
                        Kind.PASSED_OVER);
    }

    @Test
    void aDryRunLetsGoOfNothing() {
        NodeFixture.Client client = node.open();
        client.sendTo(0, "dry", 10, "a");
        client.ack("g", NodeFixture.handles(client.popAll("dry", "g", 10, LONG)));
        for (long offset : new long[] {5, 99}) {
            assertThat(seek(client, "dry", 0, SeekPlace.offset(offset), true)).hasSize(1);
        }
        assertThat(seek(client, "dry", 0, SeekPlace.EARLIEST_STORED, true)
                        .get(0)
                        .toOffset())
                .isZero();
        assertThat(seek(client, "dry", 0, SeekPlace.offset(3), false).get(0).toOffset())
                .isEqualTo(3);
        assertThat(client.popAll("dry", "g", 7, LONG)).hasSize(7);
    }

    /** I1: what a seek goes back to is there, though every other group has settled it and a dry run has just ended. */
    @Test
    void aSeekRightBehindDryRunsGetsEverythingItGoesBackTo() {
        NodeFixture.Client client = node.open();
        int count = 1500; // a group tells its queue in steps how far it has come
        client.createTopic("hurried", 1, Map.of());
        client.createGroup("g", "hurried", Map.of());
        client.createGroup("slow", "hurried", Map.of());
        client.sendTo(0, "hurried", count, "a");
        client.ack("g", NodeFixture.handles(client.popAll("hurried", "g", count, LONG)));
        int dryRuns = 20;
        for (int i = 0; i < dryRuns; i++) {
            client.tell(new LookCommand.Seek(client.nextId(), "g", "hurried", 0, SeekPlace.offset(count - 1), true));
        }
        client.tell(new LookCommand.Seek(client.nextId(), "g", "hurried", 0, SeekPlace.EARLIEST_STORED, false));
        List<Long> places = new ArrayList<>();
        for (int i = 0; i <= dryRuns; i++) {
            places.add(client.expect(LookReply.Seeked.class).queues().get(0).toOffset());
        }
        assertThat(places).contains(0L);
        client.ack("slow", NodeFixture.handles(client.popAll("hurried", "slow", count, LONG)));
        // Behind what the group has told its queue.
        client.describe("slow", "hurried");
        client.sendTo(0, "hurried", 1, "last");
        client.tell(new SessionCommand.DescribeTopic(client.nextId(), "hurried"));
        assertThat(client.expect(SessionEvent.TopicDescribed.class)
                        .topic()
                        .queues()
                        .get(0)
                        .firstOffset())
                .as("the lowest offset that is stored")
                .isZero();
        assertThat(client.popAll("hurried", "g", count + 1, LONG)).hasSize(count + 1);
    }

    @Test
    void aGroupSeeksToATime() {
        AtomicLong wall = new AtomicLong(1_700_000_000_000L);
        try (NodeFixture own = NodeFixture.inMemory(new MemoryDisk(), "", () -> Instant.ofEpochMilli(wall.get()))) {
            NodeFixture.Client client = own.open();
            client.sendTo(0, "timed", 50, "a");
            List<Delivery> deliveries = client.popAll("timed", "g", 50, LONG);
            client.ack("g", NodeFixture.handles(deliveries));
            client.tell(new LookCommand.Peek(client.nextId(), "timed", 0, -1, "", 1000, 1 << 20, ""));
            List<StoredMessage> stored =
                    client.expect(LookReply.MessagePage.class).messages();
            for (int index : new int[] {0, 20, 49}) {
                long millis = stored.get(index).storedMillis();
                long expected = stored.stream()
                        .filter(message -> message.storedMillis() >= millis)
                        .findFirst()
                        .orElseThrow()
                        .offset();
                QueueSeek queue =
                        seek(client, "timed", 0, SeekPlace.time(millis), true).get(0);
                assertThat(queue.toOffset()).isEqualTo(expected);
            }
            assertThat(seek(client, "timed", 0, SeekPlace.time(0), true).get(0).toOffset())
                    .isZero();
            assertThat(seek(client, "timed", -1, SeekPlace.time(Long.MAX_VALUE), true))
                    .extracting(QueueSeek::toOffset)
                    .containsExactly(50L, 0L);
        }
    }

    @Test
    void absurdSeeksAreRefusedAndChangeNothing() {
        NodeFixture.Client client = node.open();
        client.sendTo(0, "unsought", 3, "a");
        client.popAll("unsought", "g", 3, LONG);
        SeekPlace earliest = SeekPlace.EARLIEST_STORED;
        assertThat(refused(client, new LookCommand.Seek(801, "g", "none", -1, earliest, false))
                        .code())
                .isEqualTo(Refusal.Code.UNKNOWN_TOPIC);
        assertThat(refused(client, new LookCommand.Seek(802, "nobody", "unsought", -1, earliest, false)))
                .satisfies(refusal -> {
                    assertThat(refusal.code()).isEqualTo(Refusal.Code.UNKNOWN_GROUP);
                    assertThat(refusal.text()).contains("nobody").contains("unsought");
                });
        assertThat(refused(client, new LookCommand.Seek(803, "g", "unsought", 7, earliest, false))
                        .text())
                .contains("queue is 7");
        assertThat(refused(client, new LookCommand.Seek(804, "g", "unsought", -1, SeekPlace.offset(1), false))
                        .text())
                .contains("needs the number of a queue");
        assertThat(refused(client, new LookCommand.Seek(805, "g", "unsought", 0, SeekPlace.offset(-1), false))
                        .text())
                .contains("offset is -1");
        assertThat(refused(client, new LookCommand.Seek(806, "g", "unsought", 0, SeekPlace.time(-9), false))
                        .text())
                .contains("time is -9");
        assertThat(refused(client, new LookCommand.Seek(807, "", "unsought", 0, earliest, false))
                        .code())
                .isEqualTo(Refusal.Code.ILLEGAL_NAME);
        assertThat(client.pop("unsought", "g", 1, LONG, 0)).isEmpty();
    }

    @Test
    void peekShowsWhatAGroupWouldGetNext() {
        NodeFixture.Client client = node.open();
        client.sendTo(0, "upcoming", 4, "a");
        client.sendTo(1, "upcoming", 4, "b");
        client.ack("g", NodeFixture.handles(client.popAll("upcoming", "g", 3, LONG)));
        List<Delivery> held = client.popAll("upcoming", "g", 2, LONG);
        List<String> shown = peek(client, "upcoming", -1, -1, "g", 10, 1 << 20, "").messages().stream()
                .map(LookTest::text)
                .toList();
        client.tell(new SessionCommand.GiveBack(client.nextId(), "g", NodeFixture.handles(held)));
        client.expect(SessionEvent.GiveBackReply.class);
        List<String> after = peek(client, "upcoming", -1, -1, "g", 10, 1 << 20, "").messages().stream()
                .map(LookTest::text)
                .toList();
        List<String> popped = client.popAll("upcoming", "g", 5, LONG).stream()
                .map(NodeFixture::text)
                .toList();
        assertThat(shown).hasSize(3).isSubsetOf(popped);
        assertThat(after).containsExactlyInAnyOrderElementsOf(popped);
        assertThat(peek(client, "upcoming", -1, -1, "g", 10, 1 << 20, "").messages())
                .isEmpty();
        assertThat(refused(client, new LookCommand.Peek(700, "upcoming", -1, -1, "nobody", 10, 100, ""))
                        .code())
                .isEqualTo(Refusal.Code.UNKNOWN_GROUP);
        assertThat(refused(client, new LookCommand.Peek(701, "upcoming", 0, 3, "g", 10, 100, ""))
                        .text())
                .contains("no group");
    }

    private static List<QueuePurge> purge(
            NodeFixture.Client client, String topic, String group, int queue, long below, boolean isDryRun) {
        client.tell(new LookCommand.Purge(client.nextId(), topic, group, queue, below, isDryRun));
        return client.expect(LookReply.Purged.class).queues();
    }

    @Test
    void aGroupIsPurged() {
        NodeFixture.Client client = node.open();
        client.sendTo(0, "purged", 10, "a");
        client.sendTo(1, "purged", 10, "b");
        client.popAll("purged", "g", 4, LONG);
        client.popAll("purged", "other", 20, LONG);
        QueuePurge told = purge(client, "purged", "g", 0, 6, true).get(0);
        assertThat(told.droppedCount()).isEqualTo(6);
        assertThat(told.belowOffset()).isEqualTo(6);
        assertThat(told.isClamped()).isFalse();
        assertThat(purge(client, "purged", "g", 0, 6, false)).containsExactly(told);
        assertThat(purge(client, "purged", "g", 0, 6, false).get(0).droppedCount())
                .as("again nothing is dropped")
                .isZero();
        QueuePurge clamped = purge(client, "purged", "g", 0, 99, true).get(0);
        assertThat(clamped.isClamped()).isTrue();
        assertThat(clamped.belowOffset()).isEqualTo(10);
        assertThat(purge(client, "purged", "g", -1, -1, false))
                .extracting(QueuePurge::belowOffset)
                .containsExactly(10L, 10L);
        assertThat(client.pop("purged", "g", 1, LONG, 0)).isEmpty();
        MessageLife life = explain(client, "purged", 0, 5, null);
        assertThat(kinds(life)).contains(Kind.PURGED);
        assertThat(life.groups().get(0).state()).isEqualTo(MessageLife.State.PURGED);
        assertThat(life.groups().get(1).state()).isEqualTo(MessageLife.State.IN_FLIGHT);
        assertThat(refused(client, new LookCommand.Purge(600, "purged", "nobody", -1, -1, true))
                        .code())
                .isEqualTo(Refusal.Code.UNKNOWN_GROUP);
        assertThat(refused(client, new LookCommand.Purge(601, "purged", "g", -1, 5, true))
                        .text())
                .contains("needs the number of a queue");
        assertThat(refused(client, new LookCommand.Purge(602, "purged", "g", 0, -2, true))
                        .text())
                .contains("offset is -2");
        assertThat(refused(client, new LookCommand.Purge(603, "none", "", 0, -1, true))
                        .code())
                .isEqualTo(Refusal.Code.UNKNOWN_TOPIC);
    }

    @Test
    void aTopicIsPurgedForEveryone() {
        NodeFixture.Client client = node.open();
        client.sendTo(0, "emptied", 10, "a");
        client.sendTo(1, "emptied", 4, "b");
        client.popAll("emptied", "g", 3, LONG);
        QueuePurge told = purge(client, "emptied", "", 0, 6, true).get(0);
        assertThat(told.belowOffset()).isEqualTo(6);
        assertThat(told.droppedCount()).isEqualTo(6);
        assertThat(peek(client, "emptied", 0, -1, 100).messages())
                .as("a dry run changes nothing")
                .hasSize(10);
        assertThat(purge(client, "emptied", "", 0, 6, false)).containsExactly(told);
        assertThat(peek(client, "emptied", 0, -1, 100).messages().stream().map(LookTest::text))
                .containsExactly("a6", "a7", "a8", "a9");
        assertThat(purge(client, "emptied", "", -1, -1, false))
                .extracting(QueuePurge::belowOffset)
                .containsExactly(10L, 4L);
        assertThat(peek(client, "emptied", -1, -1, 100).messages()).isEmpty();
        assertThat(client.pop("emptied", "g", 1, LONG, 0)).isEmpty();
        assertThat(client.pop("emptied", "later", 1, LONG, 0)).isEmpty();
        QueuePurge clamped = purge(client, "emptied", "", 0, 99, true).get(0);
        assertThat(clamped.isClamped()).isTrue();
        assertThat(clamped.droppedCount()).isZero();
        MessageLife life = explain(client, "emptied", 0, 7, null);
        assertThat(life.notes()).anyMatch(note -> note.contains("begins at offset 10"));
        assertThat(kinds(life)).contains(Kind.SENT, Kind.PURGED);
        client.sendTo(0, "emptied", 1, "new");
        assertThat(client.popAll("emptied", "g", 1, LONG).get(0).queueOffset()).isEqualTo(10);
    }
}
