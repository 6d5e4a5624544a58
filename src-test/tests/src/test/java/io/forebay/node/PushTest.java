package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.FishingOutcomes;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsDescribed;
import io.forebay.protocol.SettingsScope;
import io.forebay.protocol.SubscriptionProgress;
import io.forebay.testkit.faults.MemoryDisk;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/** A whole node that pushes, and clients that speak its protocol by hand. */
class PushTest {
    private static final String PUSH = "forebay.group.delivery = push";

    /** A client's end of one subscription. */
    private static final class Subscriber {
        final NodeFixture.Client client;
        final int id;
        final List<Delivery> deliveries = new ArrayList<>();
        final Set<Long> numbers = new HashSet<>();
        SubscriptionProgress progress;
        DeliveryMode mode;

        Subscriber(NodeFixture.Client client, int id, SubscriptionProgress progress) {
            this.client = client;
            this.id = id;
            this.progress = progress;
            client.tell(new SessionCommand.Subscribe(client.nextId(), id, "t", "g", 10, 1 << 20, 30_000, progress));
            mode = client.expect(SessionEvent.Subscribed.class).mode();
        }

        void credit(long total) {
            progress = progress.withTotalCredits(total);
            client.tell(new SessionCommand.Credit(id, progress, mode));
        }

        SessionEvent.Pushed push() {
            return client.expect(SessionEvent.Pushed.class);
        }

        void take(SessionEvent.Pushed pushed) {
            assertThat(numbers.add(pushed.pushNumber())).isTrue();
            progress =
                    progress.received(pushed.pushNumber(), pushed.deliveries().size());
            deliveries.addAll(pushed.deliveries());
        }

        /** Takes what has come, without waiting for anything. */
        void takeWhatIsThere() {
            for (SessionEvent event = thereOrNull(); event != null; event = thereOrNull()) {
                take((SessionEvent.Pushed) event);
            }
        }

        private SessionEvent thereOrNull() {
            try {
                return client.probe.receiveMessage(Duration.ZERO);
            } catch (AssertionError nothing) {
                return null; // a probe has no other way to say it
            }
        }

        /** Takes until it has so many. */
        void takeUntil(int count) {
            while (deliveries.size() < count) {
                take(push());
            }
        }

        void ackAll() {
            client.tell(new SessionCommand.Ack(client.nextId(), "g", NodeFixture.handles(deliveries), null));
            client.expect(SessionEvent.AckReply.class);
        }

        List<String> texts() {
            return deliveries.stream().map(NodeFixture::text).toList();
        }
    }

    private static Subscriber subscribe(NodeFixture.Client client, long credits) {
        return new Subscriber(client, 1, SubscriptionProgress.begin(credits));
    }

    private static void change(NodeFixture.Client client, String name, String value) {
        client.tell(new SettingsCommand.ChangeSettings(
                client.nextId(), SettingsScope.GROUP, "g", Map.of(name, value), 0, "test"));
        client.probe.fishForMessage(
                NodeFixture.PATIENCE,
                event -> event instanceof SettingsDescribed
                        ? FishingOutcomes.complete()
                        : event instanceof SessionEvent.Refused
                                ? FishingOutcomes.fail(event.toString())
                                : FishingOutcomes.continueAndIgnore());
    }

    @Test
    void whatIsSentIsPushedAsFarAsCreditsGo() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), PUSH)) {
            NodeFixture.Client producer = node.open();
            Subscriber subscriber = subscribe(node.open(), 7);
            assertThat(subscriber.mode).isEqualTo(DeliveryMode.PUSH);
            producer.send("t", 20, "m");
            subscriber.takeUntil(7);
            subscriber.client.probe.expectNoMessage(Duration.ofMillis(100));
            assertThat(subscriber.deliveries).hasSize(7);
            subscriber.credit(20);
            subscriber.takeUntil(20);
            assertThat(subscriber.texts()).doesNotHaveDuplicates();
            subscriber.ackAll();
            assertThat(producer.pop("t", "g", 10, 1000, 50)).isEmpty();
        }
    }

    @Test
    void manyConsumersShareManyQueuesFairly() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), PUSH + ", forebay.topic.default-queues = 6")) {
            NodeFixture.Client producer = node.open();
            Subscriber greedy = subscribe(node.open(), 1000);
            List<Subscriber> modest = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                modest.add(subscribe(node.open(), 10));
            }
            for (int i = 0; i < 60; i++) {
                producer.send("t", 1, "m" + i + ".");
            }
            // With one message at a time each has its turn: the modest ones are full before the greedy one has the
            // rest.
            modest.forEach(subscriber -> subscriber.takeUntil(10));
            greedy.takeUntil(30);
            assertThat(greedy.deliveries).hasSize(30);
        }
    }

    @Test
    void aGroupThatPopsSaysSoAndPushesNothing() {
        try (NodeFixture node = NodeFixture.inMemory()) {
            NodeFixture.Client client = node.open();
            Subscriber subscriber = subscribe(client, 100);
            assertThat(subscriber.mode).isEqualTo(DeliveryMode.POP);
            client.send("t", 5, "m");
            assertThat(client.popAll("t", "g", 5, 30_000)).hasSize(5);
            client.probe.expectNoMessage(Duration.ofMillis(50));
        }
    }

    @Test
    void switchingWhileMessagesFlowLosesAndDoublesNothing() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), PUSH)) {
            NodeFixture.Client producer = node.open();
            NodeFixture.Client admin = node.open();
            Subscriber subscriber = subscribe(node.open(), 40);
            Set<String> got = new HashSet<>();
            int sent = 0;
            for (int round = 0; round < 8; round++) {
                boolean isPush = round % 2 == 1;
                producer.send("t", 25, "m" + round + ".");
                sent += 25;
                change(admin, "delivery", isPush ? "push" : "pop");
                // What was under way comes, then it is told; from then on the client pops.
                SessionEvent event = subscriber.client.probe.receiveMessage(NodeFixture.PATIENCE);
                while (!(event instanceof SessionEvent.SubscriptionMode)) {
                    subscriber.take((SessionEvent.Pushed) event);
                    event = subscriber.client.probe.receiveMessage(NodeFixture.PATIENCE);
                }
                subscriber.mode = ((SessionEvent.SubscriptionMode) event).mode();
                assertThat(subscriber.mode).isEqualTo(isPush ? DeliveryMode.PUSH : DeliveryMode.POP);
                if (isPush) {
                    subscriber.credit(subscriber.progress.receivedCount() + 40);
                } else {
                    subscriber.credit(subscriber.progress.receivedCount());
                    List<Delivery> popped = subscriber.client.pop("t", "g", 10, 30_000, 0);
                    popped.forEach(delivery ->
                            assertThat(got.add(NodeFixture.text(delivery))).isTrue());
                }
            }
            subscriber.credit(subscriber.progress.receivedCount() + 1000);
            subscriber.takeUntil(sent - got.size());
            subscriber.texts().forEach(text -> assertThat(got.add(text)).isTrue());
            assertThat(got).hasSize(sent);
        }
    }

    @Test
    void whatWasPushedAndLostIsPushedAgainWhenTheClientAttachesAgain() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), PUSH)) {
            NodeFixture.Client producer = node.open();
            Subscriber subscriber = subscribe(node.open(), 100);
            producer.sendTo(0, "t", 5, "a");
            subscriber.takeUntil(5);
            producer.sendTo(0, "t", 5, "b");
            // Not taken: lost with the connection.
            SessionEvent.Pushed lost = subscriber.push();
            NodeFixture.Client again = node.open(subscriber.client.sessionId);
            assertThat(again.opened.isResumed()).isTrue();
            Subscriber resumed = new Subscriber(again, 1, subscriber.progress);
            resumed.takeUntil(5);
            assertThat(resumed.deliveries.get(0).handle())
                    .isEqualTo(lost.deliveries().get(0).handle());
            assertThat(resumed.deliveries).allMatch(delivery -> delivery.attempt() == 1);
            resumed.ackAll();
        }
    }

    @Test
    void whoeverAsksForItsSessionAgainIsPushedToAsBefore() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), PUSH)) {
            NodeFixture.Client producer = node.open();
            Subscriber subscriber = subscribe(node.open(), 100);
            producer.sendTo(0, "t", 5, "a");
            subscriber.takeUntil(5);
            assertThat(subscriber.client.askAgain()).isEqualTo(subscriber.client.opened.session());
            producer.sendTo(0, "t", 5, "b");
            subscriber.takeUntil(10);
            assertThat(subscriber.texts()).doesNotHaveDuplicates();
            subscriber.ackAll();
        }
    }

    @Test
    void whoeverBeginsAnewIsPushedToWhenItHasSubscribedAgain() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), PUSH)) {
            NodeFixture.Client producer = node.open();
            Subscriber subscriber = subscribe(node.open(), 100);
            producer.sendTo(0, "t", 5, "a");
            subscriber.takeUntil(5);
            subscriber.client.tell(new SessionCommand.BeginAnew());
            subscriber.credit(200);
            producer.sendTo(0, "t", 5, "b");
            subscriber.client.probe.expectNoMessage(Duration.ofMillis(100));
            Subscriber again = new Subscriber(subscriber.client, 1, subscriber.progress);
            again.takeUntil(5);
            assertThat(again.texts()).allMatch(text -> text.startsWith("b"));
            again.ackAll();
        }
    }

    @Test
    void subscriptionsGoOnAfterTheNodeWasKilledAndWhatWasLostComesWithTheSameHandles() {
        MemoryDisk disk = new MemoryDisk();
        SubscriptionProgress progress;
        SessionEvent.Pushed lost;
        long sessionId;
        NodeFixture before = NodeFixture.inMemory(disk, PUSH);
        NodeFixture.Client producer = before.open();
        Subscriber subscriber = subscribe(before.open(), 100);
        sessionId = subscriber.client.sessionId;
        producer.sendTo(0, "t", 5, "a");
        subscriber.takeUntil(5);
        producer.sendTo(1, "t", 1, "b");
        lost = subscriber.push();
        progress = subscriber.progress;
        producer.sendTo(0, "t", 1, "c");
        // A later one has come.
        SessionEvent.Pushed later = subscriber.push();
        progress = progress.received(later.pushNumber(), 1);
        try (NodeFixture node = NodeFixture.inMemory(before.kill(), PUSH)) {
            Subscriber again = new Subscriber(node.open(sessionId), 1, progress);
            again.takeUntil(1);
            assertThat(again.deliveries.get(0).handle())
                    .isEqualTo(lost.deliveries().get(0).handle());
            node.open().send("t", 10, "d");
            again.takeUntil(11);
            assertThat(again.texts()).doesNotHaveDuplicates().doesNotContain("c0", "a0");
        }
    }

    @Test
    void whatAConsumerHeldThatIsGoneIsPushedToOthers() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), PUSH)) {
            NodeFixture.Client producer = node.open();
            Subscriber first = subscribe(node.open(), 100);
            producer.send("t", 20, "m");
            first.takeUntil(20);
            Subscriber second = subscribe(node.open(), 100);
            first.client.vanish();
            second.takeUntil(20);
            assertThat(second.deliveries).allMatch(delivery -> delivery.attempt() == 2);
        }
    }

    @Test
    void afterUnsubscribingNothingIsPushedAndNothingIsHeld() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), PUSH)) {
            NodeFixture.Client producer = node.open();
            Subscriber subscriber = subscribe(node.open(), 100);
            producer.send("t", 1, "m");
            subscriber.takeUntil(1);
            subscriber.client.tell(new SessionCommand.Unsubscribe(subscriber.client.nextId(), 1, subscriber.progress));
            subscriber.client.expect(SessionEvent.Unsubscribed.class);
            producer.send("t", 10, "n");
            assertThat(producer.popAll("t", "g", 10, 30_000)).hasSize(10);
            subscriber.client.probe.expectNoMessage(Duration.ofMillis(50));
            // Once more is a success, too.
            subscriber.client.tell(new SessionCommand.Unsubscribe(subscriber.client.nextId(), 1, subscriber.progress));
            subscriber.client.expect(SessionEvent.Unsubscribed.class);
        }
    }

    @Test
    void aBurstForManyThatWaitIsPushedAsFarAsTheNodeHasRoom() {
        int bodyBytes = 8 << 10;
        int count = 40;
        long bytesMax = 64 << 10;
        String settings = """
                forebay {
                  group { delivery = push, pop-bytes-max = 48 KiB }
                  queue { body-max = 16 KiB, batch-bytes-max = 48 KiB }
                  session { send-bytes-max = 64 KiB, node-bytes-max = 64 KiB, heartbeat-interval = 200 ms, timeout = 30 s }
                }
                """;
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), settings)) {
            NodeFixture.Client producer = node.open();
            producer.createTopic("t", 3, Map.of());
            producer.createGroup("g", "t", Map.of("paused", "true"));
            List<Subscriber> subscribers = new ArrayList<>();
            // Whoever has its one message wants no more, also when others leave room.
            for (int i = 0; i < count; i++) {
                subscribers.add(subscribe(node.open(), 1));
            }
            for (int i = 0; i < count; i++) {
                Message message = Message.builder("t")
                        .id("m" + i)
                        .body(new byte[bodyBytes])
                        .build();
                assertThat(producer.trySend("t", List.of(message), Durability.WRITTEN)
                                .get(0))
                        .isInstanceOf(Receipt.class);
            }
            change(producer, "paused", "false");
            // They all waited when there was room, and say nothing of what they get.
            Awaitility.await("room for no more").untilAsserted(() -> {
                assertThat(producer.describe("g", "t").inFlight()).isEqualTo(bytesMax / bodyBytes);
                assertThat(node.forebay.bytesHeldForClients()).isEqualTo(bytesMax);
            });
            Awaitility.await("what there is room for").until(() -> {
                subscribers.forEach(Subscriber::takeWhatIsThere);
                return subscribers.stream()
                                .mapToInt(one -> one.deliveries.size())
                                .sum()
                        == bytesMax / bodyBytes;
            });
            Subscriber last = subscribers.remove(subscribers.size() - 1);
            // Those who have nothing first: as soon as there is room they would be pushed something.
            Map<Boolean, List<Subscriber>> byHolding =
                    subscribers.stream().collect(Collectors.partitioningBy(one -> !one.deliveries.isEmpty()));
            byHolding.get(false).forEach(subscriber -> subscriber.client.vanish());
            int left = byHolding.get(true).size() + 2;
            Awaitility.await("the end of those who have nothing")
                    .until(() ->
                            node.forebay.countSessions().toCompletableFuture().join() == left);
            byHolding.get(true).forEach(subscriber -> subscriber.client.vanish());
            // Whoever had to wait longer has what it wants as soon as there is room, without a word.
            last.takeUntil(1);
            List<Delivery> all = new ArrayList<>(last.deliveries);
            all.addAll(producer.popAll("t", "g", count - 1, 30_000));
            assertThat(all.stream().map(delivery -> delivery.message().id()))
                    .doesNotHaveDuplicates()
                    .hasSize(count);
            // What was given back nobody has had.
            assertThat(all.stream().filter(delivery -> delivery.attempt() > 1))
                    .hasSizeLessThanOrEqualTo((int) (bytesMax / bodyBytes));
        }
    }

    @Test
    void aPausedGroupPushesNothingAndGoesOnWhenItIsResumed() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), PUSH)) {
            NodeFixture.Client producer = node.open();
            Subscriber subscriber = subscribe(node.open(), 100);
            change(producer, "paused", "on");
            producer.send("t", 10, "m");
            subscriber.client.probe.expectNoMessage(Duration.ofMillis(100));
            change(producer, "paused", "off");
            subscriber.takeUntil(10);
        }
    }

    @Test
    void aGroupThatIsDeletedEndsItsSubscriptions() {
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), PUSH)) {
            Subscriber subscriber = subscribe(node.open(), 100);
            NodeFixture.Client admin = node.open();
            admin.tell(new SessionCommand.DeleteGroup(admin.nextId(), "g"));
            admin.expect(SessionEvent.Deleted.class);
            assertThat(subscriber
                            .client
                            .expect(SessionEvent.SubscriptionEnded.class)
                            .refusal()
                            .code())
                    .isEqualTo(Refusal.Code.QUEUE_AWAY);
        }
    }

    @Test
    void boundsAreRefusedByName() {
        try (NodeFixture node = NodeFixture.inMemory(
                new MemoryDisk(), PUSH + ", forebay.session { subscriptions-max = 1, credits-max = 50 }")) {
            NodeFixture.Client client = node.open();
            assertThat(refused(client, 1, 51)).contains("51", "50", "forebay.session.credits-max");
            Subscriber subscriber = subscribe(client, 50);
            assertThat(refused(client, 2, 1)).contains("1", "forebay.session.subscriptions-max");
            assertThat(refused(client, -1, 1)).contains("-1", "0 to");
            client.tell(new SessionCommand.Subscribe(
                    client.nextId(), 1, "other", "g", 1, 1, 0, SubscriptionProgress.begin(1)));
            assertThat(client.expect(SessionEvent.Refused.class).refusal().text())
                    .contains("other", "t and g");
            subscriber.credit(51);
            assertThat(client.expect(SessionEvent.SubscriptionEnded.class)
                            .refusal()
                            .text())
                    .contains("forebay.session.credits-max");
            // A Pop may not take the ids that these are made of.
            client.tell(new SessionCommand.Pop(1L << 62, "t", "g", 1, 1, 1000, 0));
            assertThat(client.expect(SessionEvent.Refused.class).refusal().code())
                    .isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
        }
    }

    private static String refused(NodeFixture.Client client, int id, long credits) {
        client.tell(new SessionCommand.Subscribe(
                client.nextId(), id, "t", "g", 1, 1000, 0, SubscriptionProgress.begin(credits)));
        return client.expect(SessionEvent.Refused.class).refusal().text();
    }
}
