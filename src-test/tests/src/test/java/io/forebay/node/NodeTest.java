package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestProbe;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackOutcome;
import io.forebay.protocol.Message;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsDescribed;
import io.forebay.protocol.SettingsScope;
import io.forebay.testkit.faults.MemoryDisk;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What a client meets on a node that runs: I1, I2, I4, I5 and I6 as far as one life of a node can show them. */
class NodeTest {
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

    @Test
    void whatIsSentIsPoppedAndAckedOnce() {
        NodeFixture.Client client = node.open();
        List<Receipt> receipts = client.send("simple", 100, "m");
        assertThat(receipts).hasSize(100).allSatisfy(receipt -> {
            assertThat(receipt.level()).isEqualTo(Durability.WRITTEN);
            assertThat(receipt.topic()).isEqualTo("simple");
        });
        List<Delivery> deliveries = client.popAll("simple", "g", 100, LONG);
        assertThat(deliveries.stream().map(NodeFixture::text).toList())
                .containsExactlyInAnyOrderElementsOf(NodeFixture.messages("simple", 100, "m").stream()
                        .map(message -> new String(message.body()))
                        .toList());
        assertThat(deliveries)
                .allSatisfy(delivery -> assertThat(delivery.attempt()).isEqualTo(1));
        assertThat(client.ack("g", NodeFixture.handles(deliveries)))
                .hasSize(100)
                .containsOnly(AckOutcome.ACKED);
        assertThat(client.ack("g", NodeFixture.handles(deliveries), Durability.FLUSHED))
                .containsOnly(AckOutcome.ALREADY_SETTLED);
        assertThat(client.pop("simple", "g", 10, LONG, 0)).isEmpty();
    }

    @Test
    void aFlushedSendIsAnsweredFlushed() {
        NodeFixture.Client client = node.open();
        List<SendResult> results = client.trySend("flushed", NodeFixture.messages("flushed", 3, "f"), null);
        assertThat(results)
                .allSatisfy(result -> assertThat(((Receipt) result).level()).isEqualTo(Durability.FLUSHED));
    }

    @Test
    void aTopicMayDeliverOnlyWhatIsDurable() {
        NodeFixture.Client client = node.open();
        client.tell(new SessionCommand.CreateTopic(client.nextId(), "durable", 1, Map.of("readable", "durable")));
        client.expect(SessionEvent.TopicCreated.class);
        client.send("durable", 10, "d");
        List<Delivery> deliveries = client.popAll("durable", "g", 10, LONG);
        assertThat(client.ack("g", NodeFixture.handles(deliveries))).containsOnly(AckOutcome.ACKED);
    }

    @Test
    void eachGroupSeesEveryMessage() {
        NodeFixture.Client client = node.open();
        client.send("shared", 20, "s");
        for (String group : List.of("one", "two", "three")) {
            List<Delivery> deliveries = client.popAll("shared", group, 20, LONG);
            assertThat(deliveries.stream().map(NodeFixture::text).distinct()).hasSize(20);
            client.ack(group, NodeFixture.handles(deliveries));
            assertThat(client.pop("shared", group, 1, LONG, 0)).isEmpty();
        }
    }

    @Test
    void aLongPollIsAnsweredWhenAMessageComes() {
        NodeFixture.Client consumer = node.open();
        NodeFixture.Client producer = node.open();
        producer.send("polled", 1, "first");
        consumer.ack("g", NodeFixture.handles(consumer.popAll("polled", "g", 1, LONG)));
        consumer.tell(new SessionCommand.Pop(77, "polled", "g", 10, 1 << 20, LONG, LONG));
        producer.send("polled", 1, "second");
        SessionEvent.Popped popped = consumer.expect(SessionEvent.Popped.class);
        assertThat(popped.requestId()).isEqualTo(77);
        assertThat(popped.deliveries()).hasSize(1);
    }

    @Test
    void aLongPollEndsEmptyWhenItsTimeIsOver() {
        NodeFixture.Client client = node.open();
        client.send("empty", 1, "x");
        client.ack("g", NodeFixture.handles(client.popAll("empty", "g", 1, LONG)));
        assertThat(client.pop("empty", "g", 1, LONG, 50)).isEmpty();
    }

    @Test
    void aLongPollCanBeCancelled() {
        NodeFixture.Client client = node.open();
        client.send("cancelled", 1, "x");
        client.ack("g", NodeFixture.handles(client.popAll("cancelled", "g", 1, LONG)));
        client.tell(new SessionCommand.Pop(500, "cancelled", "g", 1, 1 << 20, LONG, LONG));
        client.tell(new SessionCommand.CancelPop(501, 500));
        List<SessionEvent> events =
                List.of(client.expect(SessionEvent.Reply.class), client.expect(SessionEvent.Reply.class));
        assertThat(events).contains(new SessionEvent.PopCancelled(501, true), new SessionEvent.Popped(500, List.of()));
    }

    @Test
    void whatExpiresComesBackWithItsAttemptCounted() {
        NodeFixture.Client client = node.open();
        client.send("expiring", 1, "e");
        Delivery first = client.popAll("expiring", "g", 1, 50).get(0);
        Delivery second = client.popAll("expiring", "g", 1, LONG).get(0);
        assertThat(second.attempt()).isEqualTo(2);
        assertThat(NodeFixture.text(second)).isEqualTo(NodeFixture.text(first));
        assertThat(code(client.ack("g", List.of(first.handle())).get(0))).isEqualTo(Refusal.Code.STALE_HANDLE);
        assertThat(client.ack("g", List.of(second.handle()))).containsExactly(AckOutcome.ACKED);
        assertThat(client.ack("g", List.of(first.handle()))).containsExactly(AckOutcome.ALREADY_SETTLED);
    }

    @Test
    void anExtendedMessageStaysOut() {
        NodeFixture.VirtualTime time = new NodeFixture.VirtualTime();
        try (NodeFixture own = NodeFixture.inMemory(new MemoryDisk(), "", time)) {
            NodeFixture.Client client = own.open();
            client.send("extended", 1, "e");
            Delivery first = client.popAll("extended", "g", 1, 300).get(0);
            Changed changed =
                    (Changed) client.extend("g", List.of(first.handle()), LONG).get(0);
            assertThat(changed.invisibleUntilMillis()).isGreaterThan(first.invisibleUntilMillis());
            own.pass(time, 600);
            assertThat(client.describe("g", "extended").inFlight()).isEqualTo(1);
            assertThat(client.pop("extended", "g", 1, LONG, 0)).isEmpty();
            assertThat(client.ack("g", List.of(first.handle()))).containsExactly(AckOutcome.ACKED);
        }
    }

    @Test
    void aNackedMessageComesBackAfterItsDelay() {
        NodeFixture.Client client = node.open();
        client.send("nacked", 1, "n");
        Delivery first = client.popAll("nacked", "g", 1, LONG).get(0);
        client.tell(new SessionCommand.ChangeInvisible(
                client.nextId(), "g", List.of(first.handle()), 20, true, "not today"));
        assertThat(client.expect(SessionEvent.ChangeReply.class).results().get(0))
                .isInstanceOf(Changed.class);
        Delivery second = client.popAll("nacked", "g", 1, LONG).get(0);
        assertThat(second.attempt()).isEqualTo(2);
        client.ack("g", List.of(second.handle()));
    }

    @Test
    void whatIsGivenBackComesAtOnceAndUncounted() {
        NodeFixture.Client client = node.open();
        client.send("given-back", 5, "b");
        List<Delivery> first = client.popAll("given-back", "g", 5, LONG);
        client.tell(new SessionCommand.GiveBack(client.nextId(), "g", NodeFixture.handles(first)));
        assertThat(client.expect(SessionEvent.GiveBackReply.class).results())
                .hasSize(5)
                .containsOnly(GiveBackOutcome.GIVEN_BACK);
        List<Delivery> second = client.popAll("given-back", "g", 5, LONG);
        assertThat(second).allSatisfy(delivery -> assertThat(delivery.attempt()).isEqualTo(1));
        assertThat(code(client.ack("g", List.of(first.get(0).handle())).get(0))).isEqualTo(Refusal.Code.STALE_HANDLE);
    }

    @Test
    void wrongHandlesAreTold() {
        NodeFixture.Client client = node.open();
        client.send("handles", 1, "h");
        client.send("handles", 1, "h");
        Delivery delivery = client.popAll("handles", "g", 1, LONG).get(0);
        client.popAll("handles", "other", 1, LONG);
        ReceiptHandle handle = delivery.handle();
        List<AckResult> results = client.ack(
                "g",
                List.of(
                        with(handle, handle.nodeId() + 1, handle.queueId(), handle.queueOffset(), handle.nonce()),
                        with(handle, handle.nodeId(), 9999, handle.queueOffset(), handle.nonce()),
                        with(handle, handle.nodeId(), handle.queueId(), handle.queueOffset(), handle.nonce() + 1),
                        with(handle, handle.nodeId(), handle.queueId(), 9999, handle.nonce())));
        assertThat(results.stream().map(NodeTest::code).toList())
                .containsExactly(
                        Refusal.Code.FOREIGN_HANDLE,
                        Refusal.Code.FOREIGN_HANDLE,
                        Refusal.Code.FORGED_HANDLE,
                        Refusal.Code.FORGED_HANDLE);
        assertThat(code(client.ack("other", List.of(handle)).get(0))).isEqualTo(Refusal.Code.WRONG_GROUP);
        assertThat(client.ack("g", List.of(handle))).containsExactly(AckOutcome.ACKED);
    }

    @Test
    void aRepeatedPopGetsTheSameDeliveries() {
        NodeFixture.Client client = node.open();
        client.send("repeated", 10, "r");
        SessionCommand.Pop pop = new SessionCommand.Pop(client.nextId(), "repeated", "g", 3, 1 << 20, LONG, LONG);
        client.tell(pop);
        List<Delivery> first = client.expect(SessionEvent.Popped.class).deliveries();
        client.tell(pop);
        List<Delivery> second = client.expect(SessionEvent.Popped.class).deliveries();
        assertThat(NodeFixture.handles(second)).isEqualTo(NodeFixture.handles(first));
        assertThat(client.ack("g", NodeFixture.handles(second))).containsOnly(AckOutcome.ACKED);
    }

    @Test
    void keyedMessagesShareAQueueAndKeepTheirOrder() {
        NodeFixture.Client client = node.open();
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            messages.add(Message.builder("keyed")
                    .id("id" + i)
                    .messageGroup("key" + i % 7)
                    .body(("k" + i).getBytes())
                    .tag("t")
                    .keys(List.of("a\u001Fb", "c\\d"))
                    .properties(Map.of("p", "v"))
                    .build());
        }
        List<SendResult> results = client.trySend("keyed", messages, Durability.WRITTEN);
        for (int key = 0; key < 7; key++) {
            Set<Integer> queues = new HashSet<>();
            long last = -1;
            for (int i = key; i < 100; i += 7) {
                Receipt receipt = (Receipt) results.get(i);
                queues.add(receipt.queue());
                assertThat(receipt.queueOffset()).isGreaterThan(last);
                last = receipt.queueOffset();
            }
            assertThat(queues).hasSize(1);
        }
        Delivery delivery = client.popAll("keyed", "g", 1, LONG).get(0);
        assertThat(delivery.message().keys()).containsExactly("a\u001Fb", "c\\d");
        assertThat(delivery.message().properties()).isEqualTo(Map.of("p", "v"));
        assertThat(delivery.message().tag()).isEqualTo("t");
    }

    @Test
    void aPopTakesNoMoreBytesThanAskedForButAlwaysOne() {
        NodeFixture.Client client = node.open();
        client.sendTo(0, "bytes", 1, "x");
        client.ack("g", NodeFixture.handles(client.popAll("bytes", "g", 1, LONG)));
        List<Message> large = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            large.add(Message.of("bytes", new byte[10_000]));
        }
        client.tell(new SessionCommand.Send(client.nextId(), "bytes", 0, large, Durability.WRITTEN));
        client.expect(SessionEvent.SendReply.class);
        List<Delivery> all = new ArrayList<>();
        while (all.size() < 10) {
            client.tell(new SessionCommand.Pop(
                    client.nextId(), "bytes", "g", 10, 25_000, LONG, NodeFixture.PATIENCE.toMillis()));
            List<Delivery> some = client.expect(SessionEvent.Popped.class).deliveries();
            assertThat(some).hasSizeBetween(1, 2);
            all.addAll(some);
        }
        assertThat(all).allSatisfy(delivery -> assertThat(delivery.attempt()).isEqualTo(1));
        assertThat(all.stream().map(Delivery::queueOffset).toList()).isSorted();
    }

    @Test
    void aVanishedConsumerGivesUpWhatItHeldCounted() {
        NodeFixture.Client consumer = node.open();
        consumer.send("vanished", 10, "v");
        assertThat(consumer.popAll("vanished", "g", 10, LONG)).hasSize(10);
        consumer.vanish();
        List<Delivery> again = node.open().popAll("vanished", "g", 10, LONG);
        assertThat(again).allSatisfy(delivery -> assertThat(delivery.attempt()).isEqualTo(2));
    }

    @Test
    void aClosedSessionGivesBackWhatItHeldUncounted() {
        NodeFixture.Client consumer = node.open();
        consumer.send("closed", 10, "c");
        assertThat(consumer.popAll("closed", "g", 10, LONG)).hasSize(10);
        consumer.tell(new SessionCommand.Close());
        assertThat(consumer.expect(SessionEvent.SessionClosed.class).reason().code())
                .isEqualTo(Refusal.Code.CLOSED);
        List<Delivery> again = node.open().popAll("closed", "g", 10, LONG);
        assertThat(again).allSatisfy(delivery -> assertThat(delivery.attempt()).isEqualTo(1));
    }

    @Test
    void aDetachedSessionLeavesItsDeadlines() {
        NodeFixture.Client consumer = node.open();
        consumer.send("detached", 1, "d");
        Delivery held = consumer.popAll("detached", "g", 1, LONG).get(0);
        consumer.tell(new SessionCommand.Detach());
        consumer.expect(SessionEvent.SessionClosed.class);
        NodeFixture.Client other = node.open();
        assertThat(other.pop("detached", "g", 1, LONG, 300)).isEmpty();
        assertThat(other.ack("g", List.of(held.handle()))).containsExactly(AckOutcome.ACKED);
    }

    @Test
    void badRequestsAreRefusedWithTheirValue() {
        NodeFixture.Client client = node.open();
        client.send("limits", 1, "l");
        assertThat(refused(client, new SessionCommand.Send(1001, "no good", -1, List.of(), null))
                        .code())
                .isEqualTo(Refusal.Code.ILLEGAL_NAME);
        assertThat(refused(client, new SessionCommand.Pop(1002, "limits", "-x", 1, 1, LONG, 0))
                        .code())
                .isEqualTo(Refusal.Code.ILLEGAL_NAME);
        assertThat(refused(client, new SessionCommand.Pop(1003, "limits", "g", 0, 1, LONG, 0))
                        .code())
                .isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
        assertThat(refused(client, new SessionCommand.Pop(1004, "limits", "g", 1, 1, -5, 0))
                        .text())
                .contains("-5 ms");
        assertThat(refused(client, new SessionCommand.Pop(1005, "limits", "g", 1, 1, Long.MAX_VALUE, 0))
                        .code())
                .isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
        assertThat(refused(client, new SessionCommand.Pop(1006, "limits", "g", 1, 1, LONG, -1))
                        .code())
                .isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
        assertThat(refused(
                                client,
                                new SessionCommand.Send(
                                        1007, "limits", -1, NodeFixture.messages("limits", 5000, "x"), null))
                        .code())
                .isEqualTo(Refusal.Code.TOO_LARGE);
        assertThat(refused(
                                client,
                                new SessionCommand.Send(
                                        1008, "limits", 7, NodeFixture.messages("limits", 1, "x"), null))
                        .text())
                .contains("7");
        SendResult tooLarge = client.trySend("limits", List.of(Message.of("limits", new byte[(1 << 20) + 1])), null)
                .get(0);
        assertThat(((Refusal) tooLarge).code()).isEqualTo(Refusal.Code.TOO_LARGE);
        SendResult otherTopic = client.trySend("limits", NodeFixture.messages("else", 1, "x"), null)
                .get(0);
        assertThat(((Refusal) otherTopic).code()).isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
    }

    @Test
    void topicsAndGroupsAreListedDescribedAndDeleted() {
        NodeFixture.Client client = node.open();
        client.tell(new SessionCommand.CreateTopic(1, "admin-a", 3, Map.of("send-durability", "written")));
        assertThat(client.expect(SessionEvent.TopicCreated.class).topic().queues())
                .hasSize(3);
        client.tell(new SessionCommand.CreateTopic(2, "admin-a", 3, Map.of("send-durability", "written")));
        client.expect(SessionEvent.TopicCreated.class);
        client.tell(new SessionCommand.CreateTopic(3, "admin-a", 4, Map.of()));
        assertThat(client.expect(SessionEvent.Refused.class).refusal().code()).isEqualTo(Refusal.Code.ALREADY_EXISTS);
        client.tell(new SessionCommand.CreateTopic(4, "admin-b", 1, Map.of("colour", "red")));
        assertThat(client.expect(SessionEvent.Refused.class).refusal().text()).contains("colour");
        client.tell(new SessionCommand.CreateGroup(5, "admin-g", "admin-a", Map.of()));
        client.expect(SessionEvent.GroupCreated.class);
        assertThat(((Receipt) client.trySend("admin-a", NodeFixture.messages("admin-a", 5, "m"), null)
                                .get(0))
                        .level())
                .isEqualTo(Durability.WRITTEN);
        client.popAll("admin-a", "admin-g", 2, LONG);
        client.tell(new SessionCommand.DescribeGroup(6, "admin-g", ""));
        SessionEvent.GroupDescribed described = client.expect(SessionEvent.GroupDescribed.class);
        assertThat(described.topics()).hasSize(1);
        assertThat(described.topics().get(0).depth()).isEqualTo(5);
        assertThat(described.topics().get(0).inFlight()).isEqualTo(2);
        client.tell(new SessionCommand.ListTopics(7, "admin", 1));
        SessionEvent.NamePage page = client.expect(SessionEvent.NamePage.class);
        assertThat(page.names()).containsExactly("admin-a");
        client.tell(new SessionCommand.ListGroups(8, "admin-a", "", 10));
        assertThat(client.expect(SessionEvent.NamePage.class).names()).containsExactly("admin-g");
        client.tell(new SessionCommand.DescribeTopic(9, "admin-a"));
        assertThat(client.expect(SessionEvent.TopicDescribed.class).topic().groups())
                .containsExactly("admin-g");
        client.tell(new SessionCommand.DeleteTopic(10, "admin-a"));
        client.expect(SessionEvent.Deleted.class);
        client.tell(new SessionCommand.DescribeTopic(11, "admin-a"));
        assertThat(client.expect(SessionEvent.Refused.class).refusal().code()).isEqualTo(Refusal.Code.UNKNOWN_TOPIC);
        client.tell(new SessionCommand.DeleteGroup(12, "admin-g"));
        client.expect(SessionEvent.Deleted.class);
        client.tell(new SessionCommand.DescribeGroup(13, "admin-g", ""));
        assertThat(client.expect(SessionEvent.Refused.class).refusal().code()).isEqualTo(Refusal.Code.UNKNOWN_GROUP);
        assertThat(client.send("admin-a", 2, "anew").get(0).queueOffset()).isZero();
    }

    /** What it had got is settled: there is nothing to get again, and nothing new while nothing may go out. */
    @Test
    void aRepeatedPopGetsNoNewMessageOfAPausedGroup() {
        try (NodeFixture node = NodeFixture.inMemory()) {
            NodeFixture.Client client = node.open();
            client.send("p", 10, "m");
            client.tell(new SessionCommand.CreateGroup(client.nextId(), "g", "p", Map.of()));
            client.expect(SessionEvent.GroupCreated.class);
            long popId = client.nextId();
            client.tell(new SessionCommand.Pop(popId, "p", "g", 2, 1 << 20, LONG, NodeFixture.PATIENCE.toMillis()));
            List<Delivery> deliveries = client.expect(SessionEvent.Popped.class).deliveries();
            assertThat(deliveries).isNotEmpty();
            SessionCommand.Pop pop = new SessionCommand.Pop(popId, "p", "g", 2, 1 << 20, LONG, 0);
            client.tell(pop);
            assertThat(client.expect(SessionEvent.Popped.class).deliveries()).isEqualTo(deliveries);
            client.tell(new SettingsCommand.ChangeSettings(
                    client.nextId(), SettingsScope.GROUP, "g", Map.of("paused", "on"), 0, "test"));
            client.expect(SettingsDescribed.class);
            client.tell(pop);
            assertThat(client.expect(SessionEvent.Popped.class).deliveries())
                    .as("the same while they are in flight")
                    .isEqualTo(deliveries);
            client.tell(
                    new SessionCommand.Ack(client.nextId(), "g", NodeFixture.handles(deliveries), Durability.WRITTEN));
            client.expect(SessionEvent.AckReply.class);
            client.tell(pop);
            assertThat(client.expect(SessionEvent.Popped.class).deliveries()).isEmpty();
        }
    }

    @Test
    void aClientOfAnotherVersionIsToldSo() {
        try (NodeFixture node = NodeFixture.inMemory()) {
            for (int version : new int[] {1, NodeProtocol.VERSION + 1}) {
                TestProbe<SessionEvent> client = TestProbe.create(node.system);
                node.forebay.entry().tell(new NodeProtocol.OpenSession(version, 9, "old", 262_144, client.getRef()));
                Refusal refusal = client.expectMessageClass(SessionEvent.OpenRefused.class, NodeFixture.PATIENCE)
                        .refusal();
                assertThat(refusal.code()).isEqualTo(Refusal.Code.UNSUPPORTED);
                assertThat(refusal.text())
                        .contains("version " + version)
                        .contains("the node version " + NodeProtocol.VERSION);
                assertThat(refusal.isTransient()).as("asking again is no use").isFalse();
            }
        }
    }

    private static Refusal refused(NodeFixture.Client client, SessionCommand.Request request) {
        client.tell(request);
        SessionEvent.Refused refused = client.expect(SessionEvent.Refused.class);
        assertThat(refused.requestId()).isEqualTo(request.requestId());
        return refused.refusal();
    }

    private static Refusal.Code code(AckResult result) {
        return ((Refusal) result).code();
    }

    private static ReceiptHandle with(ReceiptHandle handle, int nodeId, int queueId, long offset, long nonce) {
        return new ReceiptHandle(
                nodeId,
                handle.stripe(),
                queueId,
                handle.groupId(),
                offset,
                handle.epoch(),
                handle.checkpointSequence(),
                nonce);
    }
}
