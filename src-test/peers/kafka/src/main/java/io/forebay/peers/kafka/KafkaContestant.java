package io.forebay.peers.kafka;

import io.forebay.yardstick.BrokerProcess;
import io.forebay.yardstick.Contestant;
import io.forebay.yardstick.Setup;
import io.forebay.yardstick.Shape;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka share groups: a broker of one node in a process of its own, one producer for all senders, and a share consumer with
 * explicit acknowledgement for each receiver.
 *
 * <p>What a confirmation means: flushed is the topic's {@code flush.messages=1}, with which a broker forces the log after each
 * append and before it answers (an append is a producer's batch for a partition, so the group commit is the producer's); written
 * is the default, an append to the page cache ({@code UnifiedLog} in its source; "flush.messages" in its manual). The topics in
 * which the broker keeps what is acknowledged are not forced at either.
 *
 * <p>Option {@code poll} is the consumers' {@code max.poll.records}, 500 unless said otherwise, which is Kafka's default: more
 * than {@link Shape#popCountMax} wants, because a share consumer fetches one poll after the other, and is four times slower with
 * 32. An option {@code broker.NAME} is a setting of the broker's, to try it.
 *
 * <p>Share groups keep no order.
 */
public final class KafkaContestant implements Contestant {
    private static final String BROKER_OPTION = "broker.";
    private static final String BODY_BYTES_MAX = Integer.toString(64 << 20);

    private final Map<String, String> settings = new LinkedHashMap<>();
    private Setup setup;
    private String brokerAddress;
    private BrokerProcess broker;
    private Admin admin;
    private KafkaProducer<byte[], byte[]> producer;

    @Override
    public void start(Setup setup) throws Exception {
        this.setup = setup;
        Path directory = setup.directory().toAbsolutePath();
        int port = BrokerProcess.freePorts(2);
        brokerAddress = "127.0.0.1:" + port;
        String controllerAddress = "127.0.0.1:" + (port + 1);
        Map<String, String> brokerSettings = brokerSettings();
        Properties properties = new Properties();
        properties.putAll(brokerSettings);
        properties.putAll(Map.of(
                "process.roles",
                "broker,controller",
                "node.id",
                "1",
                "controller.quorum.voters",
                "1@" + controllerAddress,
                "listeners",
                "PLAINTEXT://" + brokerAddress + ",CONTROLLER://" + controllerAddress,
                "advertised.listeners",
                "PLAINTEXT://" + brokerAddress,
                "controller.listener.names",
                "CONTROLLER",
                "listener.security.protocol.map",
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
                "log.dirs",
                directory.resolve("log").toString()));
        Path file = directory.resolve("broker.properties");
        try (Writer writer = Files.newBufferedWriter(file)) {
            properties.store(writer, null);
        }
        Path ready = directory.resolve("broker.ready");
        broker = BrokerProcess.start(
                List.of("-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:+AlwaysPreTouch"),
                KafkaBroker.class,
                List.of(file.toString(), ready.toString()),
                directory.resolve("broker.out"),
                ready);
        admin = Admin.create(Map.of("bootstrap.servers", brokerAddress));
        Map<String, Object> producerSettings = producerSettings();
        producer = new KafkaProducer<>(producerSettings, new ByteArraySerializer(), new ByteArraySerializer());
        brokerSettings.forEach((name, value) -> settings.put("broker." + name, value));
        topicSettings().forEach((name, value) -> settings.put("topic." + name, value));
        producerSettings.forEach((name, value) -> settings.put("producer." + name, value.toString()));
        consumerSettings().forEach((name, value) -> settings.put("consumer." + name, value.toString()));
        settings.keySet().removeIf(name -> name.endsWith(".bootstrap.servers"));
    }

    private Map<String, String> brokerSettings() {
        Map<String, String> values = new LinkedHashMap<>();
        values.put("num.network.threads", "2");
        values.put("num.io.threads", "4");
        values.put("offsets.topic.replication.factor", "1");
        values.put("share.coordinator.state.topic.replication.factor", "1");
        values.put("share.coordinator.state.topic.min.isr", "1");
        values.put("share.coordinator.state.topic.num.partitions", "8");
        values.put("group.share.max.partition.max.record.locks", "10000");
        values.put("group.share.partition.max.record.locks", "10000");
        values.put(
                "group.share.min.heartbeat.interval.ms",
                "200"); // a group has its partitions after the second heartbeat
        values.put("group.share.heartbeat.interval.ms", "500");
        setup.options().forEach((name, value) -> {
            if (name.startsWith(BROKER_OPTION)) {
                values.put(name.substring(BROKER_OPTION.length()), value);
            }
        });
        return values;
    }

    private Map<String, String> topicSettings() {
        Map<String, String> values = new LinkedHashMap<>();
        values.put("max.message.bytes", BODY_BYTES_MAX);
        if (setup.isFlushed()) {
            values.put("flush.messages", "1");
        }
        return values;
    }

    private Map<String, Object> producerSettings() {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("bootstrap.servers", brokerAddress);
        values.put("acks", "all");
        values.put("enable.idempotence", "true");
        values.put("linger.ms", "0");
        values.put("batch.size", "65536");
        values.put("max.request.size", BODY_BYTES_MAX);
        values.put("buffer.memory", BODY_BYTES_MAX);
        return values;
    }

    private Map<String, Object> consumerSettings() {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("bootstrap.servers", brokerAddress);
        values.put("share.acknowledgement.mode", "explicit");
        values.put("share.acquire.mode", "batch_optimized");
        values.put("max.poll.records", setup.option("poll", "500"));
        return values;
    }

    @Override
    public Map<String, String> settings() {
        return settings;
    }

    @Override
    public Channel open(Shape shape) throws Exception {
        if (shape.isOrdered()) {
            throw new UnsupportedOperationException("share groups keep no order");
        }
        NewTopic topic = new NewTopic(shape.name(), shape.queues(), (short) 1).configs(topicSettings());
        admin.createTopics(List.of(topic)).all().get();
        AlterConfigOp fromTheStart =
                new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET);
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, shape.name());
        admin.incrementalAlterConfigs(Map.of(group, List.of(fromTheStart)))
                .all()
                .get();
        return new KafkaChannel(shape, producer, consumerSettings());
    }

    @Override
    public List<ProcessHandle> processes() {
        return List.of(broker.handle());
    }

    @Override
    public void close() throws Exception {
        if (producer != null) {
            producer.close(Duration.ZERO);
        }
        if (admin != null) {
            admin.close(Duration.ZERO);
        }
        if (broker != null) {
            broker.close();
        }
    }
}
