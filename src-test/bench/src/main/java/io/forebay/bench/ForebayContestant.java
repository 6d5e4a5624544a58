package io.forebay.bench;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.node.Forebay;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.yardstick.Batch;
import io.forebay.yardstick.Contestant;
import io.forebay.yardstick.Intake;
import io.forebay.yardstick.Setup;
import io.forebay.yardstick.Shape;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Forebay with its defaults. Options:
 *
 * <ul>
 *   <li>{@code node}: {@code in-process}, or {@code second-jvm}: Artery TCP over loopback
 *   <li>{@code pops}: how many Pops a receiver keeps open at the same time
 *   <li>{@code topics}: the queues are spread over so many topics, each with a group of its own; not with keys
 *   <li>{@code idle-queues}: so many queues of another topic, with a group, that get no message
 *   <li>{@code forebay....}, {@code akka....}: settings of the node
 * </ul>
 *
 * A Send is confirmed at WRITTEN, which survives a kill of the node, or FLUSHED, which survives a power cut. Pop and Ack are WRITTEN
 * at both.
 */
public final class ForebayContestant implements Contestant {
    private static final long TIMEOUT_SECONDS = 60;
    private static final Duration WAIT_MAX = Duration.ofMillis(500);
    private static final Duration INVISIBLE = Duration.ofMinutes(5);

    /** Settings of a client's system that is no node. */
    static final Config OUTSIDE = ConfigFactory.parseMap(Map.of(
            "akka.actor.provider", "remote",
            "akka.remote.warn-about-direct-use", "off",
            "akka.remote.artery.canonical.hostname", "127.0.0.1",
            "akka.remote.artery.canonical.port", 0));

    private final Map<String, String> settings = new LinkedHashMap<>();
    private Durability level;
    private int popCount;
    private int topicCount;
    private int idleQueues;
    private ActorSystem<Void> system;
    private ForebayClient client;
    private NodeProcess node;

    @Override
    public void start(Setup setup) throws Exception {
        level = setup.isFlushed() ? Durability.FLUSHED : Durability.WRITTEN;
        popCount = Integer.parseInt(setup.option("pops", "4"));
        topicCount = Integer.parseInt(setup.option("topics", "1"));
        idleQueues = Integer.parseInt(setup.option("idle-queues", "0"));
        String where = setup.option("node", "in-process");
        Map<String, String> overrides = new LinkedHashMap<>();
        // How much room the machine happens to have left is none of the benchmark's business.
        overrides.put("forebay.storage.low-space", "0 B");
        overrides.put("forebay.topic.queues-max", "1024");
        setup.options().forEach((name, value) -> {
            if (name.startsWith("forebay.") || name.startsWith("akka.")) {
                overrides.put(name, value);
            }
        });
        settings.put("node", where);
        settings.put("Send answered", level.toString());
        settings.put("Pops open per receiver", Integer.toString(popCount));
        settings.putAll(overrides);
        settings.put("topics, each with a group", Integer.toString(topicCount));
        settings.put("idle queues", Integer.toString(idleQueues));
        Target target = where.equals("second-jvm") ? startNode(setup, overrides) : startInProcess(setup, overrides);
        client = ForebayClient.connect(system, target);
        get(client.whenConnected());
        if (idleQueues > 0) {
            get(client.createTopic("idle", idleQueues, Map.of()));
            get(client.createGroup("idle-group", "idle", Map.of()));
        }
    }

    private Target startInProcess(Setup setup, Map<String, String> overrides) throws Exception {
        overrides.put(
                "forebay.storage.directory", setup.directory().resolve("data").toString());
        system = system(ConfigFactory.parseMap(overrides));
        return Target.node(get(Forebay.get(system).whenReady()).entry());
    }

    private Target startNode(Setup setup, Map<String, String> overrides) throws Exception {
        node = NodeProcess.start(
                setup.directory().resolve("data"), setup.directory().resolve("node.log"), overrides);
        system = system(OUTSIDE);
        return Target.contact(node.address());
    }

    static ActorSystem<Void> system(Config config) {
        return ActorSystem.create(Behaviors.empty(), "bench", config.withFallback(ConfigFactory.load()));
    }

    @Override
    public Map<String, String> settings() {
        return settings;
    }

    @Override
    public List<ProcessHandle> processes() {
        return node == null ? List.of() : List.of(node.handle());
    }

    @Override
    public Channel open(Shape shape) throws Exception {
        if (shape.isOrdered() && topicCount > 1 || shape.queues() < topicCount) {
            throw new IllegalArgumentException("not over " + topicCount + " topics: " + shape);
        }
        List<String> topics = new ArrayList<>();
        for (int i = 0; i < topicCount; i++) {
            String topic = topicCount == 1 ? shape.name() : shape.name() + "-" + i;
            int queues = shape.queues() / topicCount + (i < shape.queues() % topicCount ? 1 : 0);
            get(client.createTopic(topic, queues, Map.of()));
            get(client.createGroup(
                    group(topic),
                    topic,
                    shape.isOrdered() ? Map.of("ordered", "on") : Map.of("retry-backoff", "none")));
            topics.add(topic);
        }
        return new Queues(shape, topics);
    }

    private static String group(String topic) {
        return topic + "-group";
    }

    @Override
    public void close() throws Exception {
        if (client != null) {
            get(client.close());
        }
        if (system != null) {
            system.terminate();
            get(system.getWhenTerminated());
        }
        if (node != null) {
            node.stop();
        }
    }

    private static <T> T get(CompletionStage<T> stage) throws Exception {
        return stage.toCompletableFuture().get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
    }

    private final class Queues implements Channel {
        private final Shape shape;
        private final List<String> topics;
        private final AtomicInteger nextTopic = new AtomicInteger();

        Queues(Shape shape, List<String> topics) {
            this.shape = shape;
            this.topics = topics;
        }

        @Override
        public Sender sender(int index) {
            return this::send;
        }

        private void send(Batch batch) {
            String topic = topics.get(Math.floorMod(nextTopic.getAndIncrement(), topics.size()));
            List<Message> messages = new ArrayList<>(batch.count());
            for (int i = 0; i < batch.count(); i++) {
                String key = batch.keyOrNull(i);
                messages.add(
                        key == null
                                ? Message.of(topic, batch.body(i))
                                : Message.builder(topic)
                                        .body(batch.body(i))
                                        .messageGroup(key)
                                        .build());
            }
            client.sendBatch(messages, level).whenComplete((results, failed) -> {
                Throwable cause = failed;
                for (int i = 0; cause == null && i < results.size(); i++) {
                    SendResult result = results.get(i);
                    if (!(result instanceof Receipt receipt) || receipt.level().compareTo(level) < 0) {
                        cause = new IllegalStateException("sent, but answered " + result);
                    }
                }
                if (cause == null) {
                    batch.confirmed();
                } else {
                    batch.failed(cause);
                }
            });
        }

        @Override
        public void receive(int index, Intake intake) throws InterruptedException {
            List<PopRequest> requests = new ArrayList<>();
            for (int i = index % topics.size(); i < topics.size(); i += shape.receivers()) {
                requests.add(PopRequest.of(topics.get(i), group(topics.get(i)), shape.popCountMax())
                        .withWaitMax(WAIT_MAX)
                        .withInvisible(INVISIBLE));
            }
            CountDownLatch open = new CountDownLatch(Math.max(popCount, requests.size()));
            for (long i = open.getCount(); i > 0; i--) {
                pop(requests.get((int) (i % requests.size())), intake, open);
            }
            open.await();
        }

        private void pop(PopRequest request, Intake intake, CountDownLatch open) {
            if (intake.isOver()) {
                open.countDown();
                return;
            }
            client.pop(request).whenComplete((deliveries, failed) -> {
                if (failed != null) {
                    intake.failed(failed);
                    open.countDown();
                    return;
                }
                settle(request.group(), deliveries, intake);
                pop(request, intake, open);
            });
        }

        private void settle(String group, List<Delivery> deliveries, Intake intake) {
            List<ReceiptHandle> acked = new ArrayList<>(deliveries.size());
            List<ReceiptHandle> nacked = new ArrayList<>();
            for (Delivery delivery : deliveries) {
                (intake.take(delivery.body()) ? acked : nacked).add(delivery.handle());
            }
            if (!acked.isEmpty()) {
                client.ackBatch(group, acked, Durability.WRITTEN)
                        .whenComplete((results, failed) -> acked(results, failed, intake));
            }
            for (ReceiptHandle handle : nacked) {
                client.nack(group, handle, Duration.ZERO, "")
                        .whenComplete((result, failed) -> nacked(result, failed, intake));
            }
        }

        private static void acked(List<AckResult> results, Throwable failed, Intake intake) {
            if (failed != null) {
                intake.failed(failed);
                return;
            }
            for (AckResult result : results) {
                if (result != AckOutcome.ACKED) {
                    intake.failed(new IllegalStateException("acked, but answered " + result));
                }
            }
            intake.acked(results.size());
        }

        private static void nacked(ChangeResult result, Throwable failed, Intake intake) {
            if (failed != null || result instanceof Refusal) {
                intake.failed(failed != null ? failed : new IllegalStateException("nacked, but answered " + result));
            }
        }

        @Override
        public void close() throws Exception {
            for (String topic : topics) {
                get(client.deleteTopic(topic));
            }
        }
    }
}
