package io.forebay.watch;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.ActorRef;
import akka.actor.PoisonPill;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Adapter;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.ConfigFactory;
import io.forebay.client.ClientNotice;
import io.forebay.client.ClientSettings;
import io.forebay.client.Control;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Message;
import io.forebay.protocol.QueueDescription;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.storage.log.LogRepair;
import io.forebay.storage.log.RepairPlan;
import io.forebay.store.LogEvent;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * A node whose log misses durable records of a queue, and of a group in another one. I8 these are refused with the reason, health,
 * metrics and the event log name them, and everything else is served; I1, I2, I3 of what is served, and of everything when the log is
 * repaired, but for the damaged message; I4 what was acked meanwhile stays away. Faults: flipped bytes behind a {@code kill -9},
 * starts, checkpoints and clean stops before the repair.
 */
@Tag("proof")
class StoppedQueuesTest {
    private static final int QUEUES = 3;
    private static final String REMOTE = """
        akka.actor.provider = remote
        akka.remote.warn-about-direct-use = off
        akka.remote.artery.canonical.hostname = 127.0.0.1
        akka.coordinated-shutdown.run-by-jvm-shutdown-hook = off
        forebay.client.lookup { retry-min = 50 ms, retry-max = 200 ms }
        forebay.session { heartbeat-interval = 300 ms, timeout = 5 s }
        """;
    private static final String NO_CHECKPOINTS = "forebay.store.checkpoint-idle-interval = 1 h";
    private static final Map<String, String> PLAIN = Map.of("retry-backoff", "none", "max-attempts", "0");

    /** What was sent, by queue, in order. */
    private final Map<Integer, List<String>> sent = new TreeMap<>();

    private final Map<Integer, String> keys = new HashMap<>();
    private MemoryDisk disk = new MemoryDisk();

    // ---- what is done -----------------------------------------------------------------------------------------------

    private static String text(Delivery delivery) {
        return new String(delivery.body(), StandardCharsets.US_ASCII).strip();
    }

    private static List<String> texts(List<Delivery> deliveries) {
        return deliveries.stream().map(StoppedQueuesTest::text).toList();
    }

    private static Message message(String key, String text, int bytes) {
        String body = text + " ".repeat(Math.max(0, bytes - text.length()));
        return Message.builder("t")
                .messageGroup(key)
                .body(body.getBytes(StandardCharsets.US_ASCII))
                .build();
    }

    /** Says which queue it went to. */
    private int send(WatchedNode node, String key, String text, int bytes) {
        Receipt receipt = WatchedNode.now(node.client().send(message(key, text, bytes), Durability.FLUSHED));
        sent.computeIfAbsent(receipt.queue(), queue -> new ArrayList<>()).add(text);
        return receipt.queue();
    }

    private void sendTo(WatchedNode node, int queue, String text, int bytes) {
        assertThat(send(node, keys.get(queue), text, bytes)).isEqualTo(queue);
    }

    private static PopRequest request(String group) {
        return PopRequest.of("t", group, 100)
                .withInvisible(Duration.ofMinutes(30))
                .withExtend(false);
    }

    private static ForebayException exceptionOf(Throwable failure) {
        return (ForebayException) (failure instanceof CompletionException ? failure.getCause() : failure);
    }

    private static Refusal refusal(CompletionStage<?> stage) {
        return stage.toCompletableFuture()
                .handle((answer, failure) -> {
                    assertThat(failure).as("not refused: %s", answer).isNotNull();
                    return exceptionOf(failure).refusal();
                })
                .orTimeout(WatchedNode.PATIENCE.toSeconds(), TimeUnit.SECONDS)
                .join();
    }

    /** What a Pop that finds nothing is told. */
    private static Refusal refusedPop(WatchedNode node, String group) {
        return refusal(node.client().pop(request(group).withWaitMax(Duration.ofMillis(20))));
    }

    /** So many, in patience: right behind a start a queue may not have said yet what it has. */
    private static List<Delivery> pop(WatchedNode node, String group, int count) {
        List<Delivery> all = new ArrayList<>();
        long endNanos = System.nanoTime() + WatchedNode.PATIENCE.toNanos();
        while (all.size() < count) {
            assertThat(System.nanoTime()).as("I1: %s of %d", texts(all), count).isLessThan(endNanos);
            all.addAll(node.client()
                    .pop(request(group).withWaitMax(Duration.ofMillis(100)))
                    .toCompletableFuture()
                    .handle((some, failure) -> {
                        if (failure == null) {
                            return some;
                        }
                        assertThat(exceptionOf(failure).code()).isEqualTo(Refusal.Code.QUEUE_STOPPED);
                        return List.<Delivery>of();
                    })
                    .orTimeout(WatchedNode.PATIENCE.toSeconds(), TimeUnit.SECONDS)
                    .join());
        }
        return all;
    }

    private static void assertNothingIsLeft(WatchedNode node, String group) {
        assertThat(texts(WatchedNode.now(node.client().pop(request(group).withWaitMax(Duration.ofMillis(50))))))
                .as("I2, I4: %s", group)
                .isEmpty();
    }

    private void assertInOrder(List<Delivery> deliveries, int queue, List<String> expected) {
        assertThat(texts(deliveries.stream().filter(one -> one.queue() == queue).toList()))
                .as("I1, I2, I3: queue %d", queue)
                .containsExactlyElementsOf(expected);
    }

    private int sentCount() {
        return sent.values().stream().mapToInt(List::size).sum();
    }

    private void flip(String text) throws IOException {
        String path = null;
        int found = -1;
        for (String file : disk.files()) {
            if (file.contains("segment-")) {
                int at = new String(disk.content(file), StandardCharsets.ISO_8859_1).lastIndexOf(text);
                path = at < 0 ? path : file;
                found = at < 0 ? found : at;
            }
        }
        assertThat(path).as(text).isNotNull();
        disk.flip(path, found, 1);
    }

    private static void awaitCheckpoints(WatchedNode node, int count) {
        Awaitility.await()
                .atMost(WatchedNode.PATIENCE)
                .untilAsserted(() -> assertThat(node.metrics().value("forebay_stripe_checkpoint_seconds_count"))
                        .isGreaterThanOrEqualTo(count));
    }

    // ---- the log ----------------------------------------------------------------------------------------------------

    /** Segments full of messages of queue 0, and a clean stop behind them. */
    private void fill() {
        try (WatchedNode node = WatchedNode.serving(disk, NO_CHECKPOINTS)) {
            WatchedNode.now(node.client().createTopic("t", QUEUES, Map.of("retention-grace", "1 d")));
            for (String group : List.of("g", "h", "k")) {
                WatchedNode.now(node.client().createGroup(group, "t", PLAIN));
            }
            for (int i = 0; keys.size() < QUEUES; i++) {
                keys.putIfAbsent(send(node, "key" + i, "first" + i, 0), "key" + i);
            }
            for (int i = 0; i < 30; i++) {
                sendTo(node, 0, "filler" + i, 60_000);
            }
        }
    }

    /**
     * What g and k hold when the node is killed; "alpha1" is a message of queue 0, and "stumble" a record of group g in queue 1, and
     * each of their owners has a durable record behind it.
     */
    private Map<String, List<Delivery>> workAndKill() {
        Map<String, List<Delivery>> held = new HashMap<>();
        WatchedNode node = WatchedNode.serving(disk, NO_CHECKPOINTS);
        try (node) {
            for (String text : List.of("alpha", "beta", "gamma")) {
                int queue = List.of("alpha", "beta", "gamma").indexOf(text);
                for (int i = 0; i < 3; i++) {
                    sendTo(node, queue, text + i, 0);
                }
            }
            held.put("k", pop(node, "k", sentCount()));
            List<Delivery> ofG = pop(node, "g", sentCount());
            List<Delivery> inOne = ofG.stream().filter(one -> one.queue() == 1).toList();
            WatchedNode.now(node.client().nack(inOne.get(0), Duration.ofMinutes(10), "stumble"));
            assertThat(WatchedNode.now(node.client().ack(inOne.get(1)))).isEqualTo(AckOutcome.ACKED);
            held.put(
                    "g",
                    ofG.stream()
                            .filter(one -> one != inOne.get(0) && one != inOne.get(1))
                            .toList());
            sendTo(node, 0, "alpha-last", 0);
            sendTo(node, 1, "beta-last", 0);
            sendTo(node, 2, "gamma-last", 0);
            disk = disk.killImage();
        }
        return held;
    }

    private List<String> without(int queue, String text) {
        List<String> rest = new ArrayList<>(sent.get(queue));
        assertThat(rest.remove(text)).isTrue();
        return rest;
    }

    // ---- the tests --------------------------------------------------------------------------------------------------

    @Test
    void aNodeWithoutAPartOfItsLogServesTheRestSaysWhatItDoesNotAndIsRepaired() throws IOException {
        fill();
        Map<String, List<Delivery>> held = workAndKill();
        flip("alpha1");
        flip("stumble");
        Set<String> acked = new HashSet<>();
        try (EventLines events = new EventLines();
                WatchedNode node = WatchedNode.serving(disk, "")) {
            assertThat(events.of(LogEvent.QUEUE_STOPPED)).hasSize(2).allMatch(line -> line.startsWith("ERROR "));
            assertThat(events.of(LogEvent.QUEUE_STOPPED).get(0))
                    .contains(" stripe=0 topic=t queue=0 reason=RECORDS_MISSING ", "forebay log repair");
            assertThat(events.of(LogEvent.QUEUE_STOPPED).get(1)).contains(" topic=t queue=1 group=g ");
            assertNamed(node);
            sendsAreRefusedInTheStoppedQueueAlone(node);
            popsAreServedByTheOthers(node, held.get("g"));
            acksAreRefusedInTheStoppedQueueAlone(node, held, acked);
            subscriptionsGoOn(node);
            awaitCheckpoints(node, 2);
        }
        try (WatchedNode node = WatchedNode.serving(disk, "")) {
            assertNamed(node);
            awaitCheckpoints(node, 1);
        }
        RepairPlan repaired = LogRepair.apply(disk.child("stripe-0"), 1, System.currentTimeMillis());
        assertThat(repaired.refusalOrNull()).isNull();
        assertThat(repaired.lostRecords()).isEqualTo(2);
        try (WatchedNode node = WatchedNode.serving(disk, "")) {
            WatchedNode.Page ready = node.ready();
            assertThat(ready.status()).as("I8").isEqualTo(200);
            assertThat(ready.codes()).isEmpty();
            assertThat(node.metrics().value("forebay_stripe_stopped_queues")).isZero();
            assertThat(node.metrics().value("forebay_stripe_quarantined_messages"))
                    .isEqualTo(1);
            sendTo(node, 0, "alpha-repaired", 0);
            WatchedNode.now(node.client().createGroup("late", "t", Map.of("start", "earliest")));
            List<Delivery> all = pop(node, "late", sentCount() - 1);
            assertNothingIsLeft(node, "late");
            assertInOrder(all, 0, without(0, "alpha1"));
            assertInOrder(all, 1, sent.get(1));
            assertInOrder(all, 2, sent.get(2));
            List<Delivery> restOfH = pop(node, "h", sent.get(0).size() - 1 + 2);
            assertNothingIsLeft(node, "h");
            assertInOrder(restOfH, 0, without(0, "alpha1"));
            assertInOrder(restOfH, 2, List.of("gamma-subscribed", "gamma-late"));
            for (AckResult result : WatchedNode.now(node.client()
                    .ackBatch(
                            "k",
                            held.get("k").stream()
                                    .filter(one ->
                                            one.queue() == 0 && !text(one).equals("alpha1"))
                                    .map(Delivery::handle)
                                    .toList(),
                            Durability.WRITTEN))) {
                assertThat(result).isEqualTo(AckOutcome.ACKED);
            }
            assertThat(texts(pop(node, "k", sentCount() - held.get("k").size())))
                    .as("I4")
                    .doesNotContainAnyElementsOf(acked);
            assertNothingIsLeft(node, "k");
        }
    }

    private static void assertNamed(WatchedNode node) {
        WatchedNode.Page ready = node.ready();
        assertThat(ready.codes()).containsExactly("queues-stopped");
        assertThat(ready.status()).as("the others are served").isEqualTo(200);
        assertThat(ready.json().getConfigList("reasons").get(0).getString("effect"))
                .isEqualTo("limited");
        assertThat(ready.json().getConfigList("reasons").get(0).getInt("stripe"))
                .isZero();
        assertThat(ready.texts().get(0))
                .contains(
                        "topic t queue 0 is not served: records of it are missing in stripe 0",
                        "topic t queue 1 is not served for group g: records of it are missing in stripe 0",
                        "forebay log repair");
        assertThat(node.alive().status()).isEqualTo(200);
        assertThat(node.metrics().value("forebay_stripe_stopped_queues")).isEqualTo(2);
        List<List<String>> described = described(node.client());
        assertThat(described.get(0))
                .singleElement()
                .asString()
                .contains("topic t queue 0 is not served: ", "log repair");
        assertThat(described.get(1)).singleElement().asString().contains("topic t queue 1 is not served for group g: ");
        assertThat(described.get(2)).isEmpty();
    }

    private void sendsAreRefusedInTheStoppedQueueAlone(WatchedNode node) {
        Refusal refused = refusal(node.client().send(message(keys.get(0), "never", 0), Durability.WRITTEN));
        assertThat(refused.code()).isEqualTo(Refusal.Code.QUEUE_STOPPED);
        assertThat(refused.text()).contains("topic t queue 0 is not served", "forebay log repair");
        for (int i = 0; i < 3 * QUEUES; i++) {
            assertThat(send(node, "", "any" + i, 0)).isIn(1, 2);
        }
        sendTo(node, 1, "beta-keyed", 0);
        sendTo(node, 2, "gamma-keyed", 0);
    }

    private void popsAreServedByTheOthers(WatchedNode node, List<Delivery> heldByG) {
        List<Delivery> ofH = pop(node, "h", sent.get(1).size() + sent.get(2).size());
        Refusal nothingElse = refusedPop(node, "h");
        assertThat(nothingElse.code()).as("I8: not silence").isEqualTo(Refusal.Code.QUEUE_STOPPED);
        assertThat(nothingElse.text()).contains("topic t queue 0 is not served", "forebay log repair");
        assertThat(nothingElse.retryAfterMillis()).isPositive();
        assertInOrder(ofH, 1, sent.get(1));
        assertInOrder(ofH, 2, sent.get(2));
        assertThat(WatchedNode.now(node.client()
                        .ackBatch("h", ofH.stream().map(Delivery::handle).toList(), Durability.WRITTEN)))
                .containsOnly(AckOutcome.ACKED);
        int heldOfTwo = (int) heldByG.stream().filter(one -> one.queue() == 2).count();
        List<Delivery> ofG = pop(node, "g", sent.get(2).size() - heldOfTwo);
        assertThat(ofG).isNotEmpty().allMatch(delivery -> delivery.queue() == 2);
        assertThat(refusedPop(node, "g").text()).contains("topic t queue 0 is not served", "and 1 more");
    }

    private static void acksAreRefusedInTheStoppedQueueAlone(
            WatchedNode node, Map<String, List<Delivery>> held, Set<String> acked) {
        held.forEach((group, deliveries) -> {
            List<AckResult> results = WatchedNode.now(node.client()
                    .ackBatch(group, deliveries.stream().map(Delivery::handle).toList(), Durability.WRITTEN));
            for (int i = 0; i < results.size(); i++) {
                int queue = deliveries.get(i).queue();
                if (queue == 0 || (queue == 1 && group.equals("g"))) {
                    assertThat(results.get(i)).isInstanceOf(Refusal.class);
                    Refusal refusal = (Refusal) results.get(i);
                    assertThat(refusal.code()).isEqualTo(Refusal.Code.QUEUE_STOPPED);
                    assertThat(refusal.text()).contains("topic t queue " + queue + " is not served");
                } else {
                    assertThat(results.get(i)).isEqualTo(AckOutcome.ACKED);
                    if (group.equals("k")) {
                        acked.add(text(deliveries.get(i)));
                    }
                }
            }
        });
        assertThat(acked).isNotEmpty();
    }

    private static List<List<String>> described(ForebayClient client) {
        return WatchedNode.now(client.describeTopic("t")).get(0).queues().stream()
                .map(QueueDescription::unserved)
                .toList();
    }

    /** Of both kinds, and from one to the other. */
    private void subscriptionsGoOn(WatchedNode node) {
        Map<String, List<String>> got =
                Map.of("pop", new CopyOnWriteArrayList<>(), "push", new CopyOnWriteArrayList<>());
        List<Control> controls = new ArrayList<>();
        for (String delivery : List.of("pop", "push")) {
            WatchedNode.now(node.client().createGroup(delivery, "t", Map.of("delivery", delivery)));
            controls.add(node.client()
                    .subscribe(PopRequest.of("t", delivery, 10).withWaitMax(Duration.ofMillis(20)), message -> {
                        got.get(delivery).add(text(message));
                        return CompletableFuture.completedFuture(null);
                    }));
        }
        sendTo(node, 2, "gamma-subscribed", 0);
        got.forEach((delivery, texts) -> Awaitility.await()
                .atMost(WatchedNode.PATIENCE)
                .untilAsserted(() -> assertThat(texts).as(delivery).contains("gamma-subscribed")));
        double before = node.metrics().value("forebay_refusals_total", "reason", "queue-stopped");
        Awaitility.await()
                .atMost(WatchedNode.PATIENCE)
                .untilAsserted(
                        () -> assertThat(node.metrics().value("forebay_refusals_total", "reason", "queue-stopped"))
                                .as("a Pop of a subscription was refused")
                                .isGreaterThan(before));
        // What waits at the node is ended.
        WatchedNode.now(node.client().changeGroupSettings("push", Map.of("delivery", "pop")));
        sendTo(node, 2, "gamma-late", 0);
        got.forEach((delivery, texts) -> Awaitility.await()
                .atMost(WatchedNode.PATIENCE)
                .untilAsserted(() -> assertThat(texts).as(delivery).contains("gamma-late")));
        controls.forEach(control -> {
            assertThat(control.isShutdown().toCompletableFuture()).isNotDone();
            WatchedNode.now(control.stop());
        });
    }

    /** The client lives on, outside of the node. */
    @Test
    void aSubscriptionOfWhichNothingIsServedIsToldAndGoesOnWhenTheLogIsRepaired() throws IOException {
        fill();
        workAndKill();
        List<String> damaged = List.of("alpha1", "beta1", "gamma1");
        for (String text : damaged) {
            flip(text);
        }
        ActorSystem<Void> outside = ActorSystem.create(
                Behaviors.empty(),
                "outside",
                ConfigFactory.parseString(REMOTE + "akka.remote.artery.canonical.port = 0")
                        .withFallback(ConfigFactory.load()));
        List<ClientNotice.Unserved> told = new CopyOnWriteArrayList<>();
        Map<String, List<String>> got =
                Map.of("pop", new CopyOnWriteArrayList<>(), "push", new CopyOnWriteArrayList<>());
        List<Control> controls = new ArrayList<>();
        int port;
        try {
            ForebayClient client;
            try (WatchedNode node = WatchedNode.serving(disk, REMOTE + "akka.remote.artery.canonical.port = 0")) {
                port = node.system.address().getPort().orElseThrow();
                client = ForebayClient.connect(
                        outside,
                        Target.contact(node.system.address().toString()),
                        ClientSettings.of(outside),
                        notice -> {
                            if (notice instanceof ClientNotice.Unserved unserved) {
                                told.add(unserved);
                            }
                        });
                assertThat(described(client))
                        .hasSize(QUEUES)
                        .allSatisfy(lines -> assertThat(lines)
                                .singleElement()
                                .asString()
                                .contains(
                                        " is not served: records of it are missing in stripe 0", "forebay log repair"));
                for (String delivery : got.keySet()) {
                    WatchedNode.now(client.createGroup(delivery, "t", Map.of("delivery", delivery)));
                    controls.add(client.subscribe(
                            PopRequest.of("t", delivery, 10).withWaitMax(Duration.ofMillis(20)), message -> {
                                got.get(delivery).add(text(message));
                                return CompletableFuture.completedFuture(null);
                            }));
                }
                Awaitility.await()
                        .atMost(WatchedNode.PATIENCE)
                        .untilAsserted(() -> assertThat(told)
                                .as("I8: not silence")
                                .extracting(ClientNotice.Unserved::group)
                                .containsExactlyInAnyOrder("pop", "push"));
                assertThat(told)
                        .allSatisfy(notice -> assertThat(notice.text())
                                .contains(
                                        "topic t to group " + notice.group(),
                                        "topic t queue 0 is not served",
                                        "forebay log repair"));
            }
            assertThat(LogRepair.apply(disk.child("stripe-0"), 1, System.currentTimeMillis())
                            .lostRecords())
                    .isEqualTo(damaged.size());
            try (WatchedNode node = WatchedNode.serving(disk, REMOTE + "akka.remote.artery.canonical.port = " + port)) {
                assertThat(node.system.address().getPort().orElseThrow())
                        .as("where the client looks")
                        .isEqualTo(port);
                assertThat(described(client)).hasSize(QUEUES).allMatch(List::isEmpty);
                WatchedNode.now(client.send(message(keys.get(0), "repaired", 0), Durability.FLUSHED));
                got.forEach((delivery, texts) -> Awaitility.await()
                        .atMost(WatchedNode.PATIENCE)
                        .untilAsserted(() -> assertThat(texts).as(delivery).contains("repaired")));
                controls.forEach(control -> {
                    assertThat(control.isShutdown().toCompletableFuture()).isNotDone();
                    WatchedNode.now(control.stop());
                });
                WatchedNode.now(client.close());
            }
            assertThat(told).as("once to each").hasSize(2);
        } finally {
            outside.terminate();
            WatchedNode.now(outside.getWhenTerminated());
        }
    }

    @Test
    void aTopicWithAStoppedQueueCanBeDeletedAndThenNobodyMissesItButTheLog() throws IOException {
        fill();
        workAndKill();
        flip("alpha1");
        try (WatchedNode node = WatchedNode.serving(disk, "")) {
            assertThat(node.ready().texts().get(0)).contains("topic t queue 0 is not served");
            WatchedNode.now(node.client().deleteTopic("t"));
            assertThat(node.ready().codes()).containsExactly("queues-stopped");
            assertThat(node.ready().texts().get(0))
                    .contains("what was deleted keeps the log from being cleaned", "records of queue ")
                    .doesNotContain("topic t");
        }
    }

    @Test
    void whatIsQuarantinedIsCountedAndTold() throws IOException {
        try (EventLines events = new EventLines();
                WatchedNode node = WatchedNode.serving(disk, NO_CHECKPOINTS)) {
            WatchedNode.now(node.client().createTopic("t", 1, Map.of()));
            WatchedNode.now(node.client().createGroup("g", "t", PLAIN));
            send(node, "", "alpha0", 0);
            send(node, "", "alpha1", 0);
            assertThat(node.metrics().value("forebay_stripe_quarantined_messages"))
                    .isZero();
            flip("alpha0");
            assertThat(texts(pop(node, "g", 1))).as("I2").containsExactly("alpha1");
            assertNothingIsLeft(node, "g");
            Awaitility.await()
                    .atMost(WatchedNode.PATIENCE)
                    .untilAsserted(
                            () -> assertThat(node.metrics().value("forebay_stripe_quarantined_messages", "stripe", "0"))
                                    .isEqualTo(1));
            // Told behind the figure.
            Awaitility.await().until(() -> events.of(LogEvent.MESSAGES_QUARANTINED), lines -> !lines.isEmpty());
            assertThat(events.of(LogEvent.MESSAGES_QUARANTINED)).hasSize(1);
            assertThat(events.of(LogEvent.MESSAGES_QUARANTINED).get(0))
                    .startsWith("ERROR ")
                    .contains(
                            " stripe=0 topic=t queue=0 offset=0 count=1 cause=BAD_FRAME segment=segment-",
                            " position=");
            assertThat(node.ready().codes()).as("the queue is served").isEmpty();
            WatchedNode.now(node.client().release("t", "", 0, -1, false));
            assertThat(node.metrics().value("forebay_stripe_quarantined_messages"))
                    .isZero();
            assertThat(events.of(LogEvent.QUARANTINE_RELEASED)).hasSize(1);
            assertThat(events.of(LogEvent.QUARANTINE_RELEASED).get(0))
                    .startsWith("INFO ")
                    .contains(" stripe=0 topic=t queue=0 count=1");
        }
    }

    /** I8: of actors that a bug ends: as it were, the queue, then a group in the other one, then the group's dispatcher. */
    @Test
    void whatABugHasEndedIsNamedUntilTheNextStart() {
        try (EventLines events = new EventLines();
                WatchedNode node = WatchedNode.serving(disk, NO_CHECKPOINTS)) {
            WatchedNode.now(node.client().createTopic("t", 2, Map.of()));
            WatchedNode.now(node.client().createGroup("g", "t", PLAIN));
            for (int i = 0; keys.size() < 2; i++) {
                keys.putIfAbsent(send(node, "key" + i, "first" + i, 0), "key" + i);
            }
            assertThat(node.ready().codes()).isEmpty();
            end(node, "queue-1");
            awaitFailed(node, "topic t queue 0 is not served: its actor has failed");
            assertThat(refusal(node.client().send(message(keys.get(0), "never", 0), Durability.WRITTEN))
                            .code())
                    .isEqualTo(Refusal.Code.QUEUE_STOPPED);
            sendTo(node, 1, "beta", 0);
            end(node, "group-2-1");
            awaitFailed(node, "topic t queue 1 is not served for group g: its actor has failed");
            assertThat(pop(node, "g", sent.get(0).size())).allMatch(delivery -> delivery.queue() == 0);
            assertThat(refusedPop(node, "g").text()).contains("topic t queue 1 is not served for group g");
            end(node, "dispatcher-1-1");
            awaitFailed(node, "topic t queue 0 is not served for group g: its actor has failed");
            // Each is told behind its page, and those of a dispatcher one by one.
            Awaitility.await().untilAsserted(() -> {
                assertThat(events.of(LogEvent.QUEUE_STOPPED))
                        .hasSize(4)
                        .allMatch(line -> line.startsWith("ERROR ") && line.contains(" reason=ACTOR_FAILED "));
                assertThat(node.metrics().value("forebay_stripe_stopped_queues"))
                        .isEqualTo(3);
            });
        }
        try (WatchedNode node = WatchedNode.serving(disk, NO_CHECKPOINTS)) {
            assertThat(node.ready().codes()).isEmpty();
            sendTo(node, 0, "alpha", 0);
            WatchedNode.now(node.client().createGroup("late", "t", Map.of("start", "earliest")));
            List<Delivery> all = pop(node, "late", sentCount());
            assertInOrder(all, 0, sent.get(0));
            assertInOrder(all, 1, sent.get(1));
        }
    }

    private static void end(WatchedNode node, String actor) {
        Adapter.toClassic(node.system)
                .actorSelection("/system/forebay-registry/" + actor)
                .tell(PoisonPill.getInstance(), ActorRef.noSender());
    }

    private static void awaitFailed(WatchedNode node, String text) {
        Awaitility.await().atMost(WatchedNode.PATIENCE).untilAsserted(() -> {
            WatchedNode.Page ready = node.ready();
            assertThat(ready.codes()).containsExactly("queues-failed");
            assertThat(ready.texts().get(0)).contains(text);
            assertThat(ready.status()).isEqualTo(200);
        });
    }
}
