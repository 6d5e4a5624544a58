package io.forebay.peers.rocketmq;

import com.google.common.util.concurrent.MoreExecutors;
import io.forebay.yardstick.BrokerProcess;
import io.forebay.yardstick.Contestant;
import io.forebay.yardstick.Setup;
import io.forebay.yardstick.Shape;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.impl.MQClientManager;
import org.apache.rocketmq.client.impl.factory.MQClientInstance;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.topic.TopicValidator;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;

/**
 * RocketMQ 5 Pop: a broker of one node in a process of its own, its producer, and Pop and batch Ack over its remoting protocol.
 *
 * <p>Option {@code pop}: {@code classic} keeps what is popped in memory, and, where it stays there too long, in a topic of the
 * broker's; {@code rocksdb} (from 5.3) in RocksDB instead of that topic. An option {@code broker.NAME} is a setting of the
 * broker's, to try it.
 *
 * <p>What a confirmation means: flushed is {@code flushDiskType=SYNC_FLUSH}, where the broker answers a send once its group
 * commit has forced the log; written is {@code ASYNC_FLUSH}, where the message is in the log's mapped file, hence in the page
 * cache, when it answers ({@code CommitLog} in its source; its manual, "Flush disk"). {@code transientStorePoolEnable} is off,
 * as it would keep messages on the broker's heap.
 */
public final class RocketContestant implements Contestant {
    static final String BROKER_NAME = "broker-a";
    static final long TIMEOUT_MILLIS = 60_000;
    private static final String BROKER_OPTION = "broker.";
    private static final int BODY_BYTES_MAX = 64 << 20;

    private final Map<String, String> settings = new LinkedHashMap<>();
    private Setup setup;
    private String brokerAddress;
    private BrokerProcess broker;
    private DefaultMQProducer producer;
    private MQClientInstance consumer;

    @Override
    public void start(Setup setup) throws Exception {
        this.setup = setup;
        Path directory = setup.directory().toAbsolutePath();
        chooseSettings();
        int fastPort = BrokerProcess.freePorts(5);
        int port = fastPort + 2; // the broker takes the port two below its own, too
        int namesPort = port + 2;
        brokerAddress = "127.0.0.1:" + port;
        Properties properties = new Properties();
        properties.putAll(settings);
        properties.putAll(Map.of(
                "brokerName",
                BROKER_NAME,
                "namesrvAddr",
                "127.0.0.1:" + namesPort,
                "brokerIP1",
                "127.0.0.1",
                "brokerIP2",
                "127.0.0.1",
                "bindAddress",
                "127.0.0.1",
                "listenPort",
                Integer.toString(port),
                "haListenPort",
                Integer.toString(port + 1),
                "rocketmqHome",
                directory.toString(),
                "storePathRootDir",
                directory.resolve("store").toString(),
                "storePathCommitLog",
                directory.resolve("store/commitlog").toString()));
        Path file = directory.resolve("broker.properties");
        try (Writer writer = Files.newBufferedWriter(file)) {
            properties.store(writer, null);
        }
        Path ready = directory.resolve("broker.ready");
        broker = BrokerProcess.start(
                List.of(
                        "-Xms1g",
                        "-Xmx1g",
                        "-XX:+UseG1GC",
                        "-XX:+AlwaysPreTouch",
                        "-Duser.home=" + directory, // where its logs go
                        "--add-opens=java.base/java.nio=ALL-UNNAMED",
                        "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED"),
                RocketBroker.class,
                List.of(file.toString(), Integer.toString(namesPort), ready.toString()),
                directory.resolve("broker.out"),
                ready);
        startClients("127.0.0.1:" + namesPort);
    }

    /**
     * Chosen for two cores from its source and from single runs: few threads, the epoll selector, no index of message keys, which
     * nobody asks here. One thread that sends keeps the order of a producer's sends, and was no slower than two. Requests wait
     * rather than fail when there are many. Popped messages are kept in memory at first, and a batch of acks is stored as one.
     */
    private void chooseSettings() {
        settings.put("flushDiskType", setup.isFlushed() ? "SYNC_FLUSH" : "ASYNC_FLUSH");
        settings.put("transientStorePoolEnable", "false");
        settings.put("popConsumerKVServiceInit", Boolean.toString(isRocksdb()));
        settings.put("popConsumerKVServiceEnable", Boolean.toString(isRocksdb()));
        settings.put("popConsumerFSServiceInit", Boolean.toString(!isRocksdb()));
        settings.put("enablePopBufferMerge", "true");
        settings.put("enablePopBatchAck", "true");
        settings.put("messageIndexEnable", "false");
        settings.put("useReentrantLockWhenPutMessage", "true");
        settings.put("sendMessageThreadPoolNums", "1");
        settings.put("pullMessageThreadPoolNums", "4");
        settings.put("ackMessageThreadPoolNums", "2");
        settings.put("useEpollNativeSelector", "true");
        settings.put("brokerFastFailureEnable", "false");
        settings.put("sendThreadPoolQueueCapacity", "100000");
        settings.put("maxMessageSize", Integer.toString(BODY_BYTES_MAX));
        setup.options().forEach((name, value) -> {
            if (name.startsWith(BROKER_OPTION)) {
                settings.put(name.substring(BROKER_OPTION.length()), value);
            }
        });
    }

    private boolean isRocksdb() {
        return setup.option("pop", "classic").equals("rocksdb");
    }

    private void startClients(String names) throws MQClientException {
        producer = new DefaultMQProducer("senders");
        producer.setNamesrvAddr(names);
        producer.setInstanceName("senders");
        producer.setVipChannelEnabled(false);
        producer.setMaxMessageSize(BODY_BYTES_MAX);
        producer.setCompressMsgBodyOverHowmuch(Integer.MAX_VALUE);
        producer.setRetryTimesWhenSendAsyncFailed(0);
        producer.setSendMsgTimeout((int) TIMEOUT_MILLIS);
        producer.setAsyncSenderExecutor(MoreExecutors.newDirectExecutorService());
        producer.start();
        ClientConfig config = new ClientConfig();
        config.setNamesrvAddr(names);
        config.setInstanceName("receivers");
        config.setVipChannelEnabled(false);
        consumer = MQClientManager.getInstance().getOrCreateMQClientInstance(config);
        consumer.start();
    }

    @Override
    public Map<String, String> settings() {
        Map<String, String> all = new LinkedHashMap<>();
        all.put("version", MQVersion.getVersionDesc(MQVersion.CURRENT_VERSION));
        all.putAll(settings);
        all.put(
                "pops under way",
                isRocksdb()
                        ? RocketReceiver.ROUNDS_OF_ANY_QUEUE + " of any queue for each receiver"
                        : "1 for each queue");
        all.put("acks", "in batches of a pop each");
        return all;
    }

    @Override
    public Channel open(Shape shape) throws Exception {
        MQClientAPIImpl api = consumer.getMQClientAPIImpl();
        SubscriptionGroupConfig group = new SubscriptionGroupConfig();
        group.setGroupName(shape.name());
        group.setConsumeMessageOrderly(shape.isOrdered());
        api.createSubscriptionGroup(brokerAddress, group, TIMEOUT_MILLIS);
        TopicConfig topic = new TopicConfig(shape.name(), shape.queues(), shape.queues());
        api.createTopic(brokerAddress, TopicValidator.AUTO_CREATE_TOPIC_KEY_TOPIC, topic, TIMEOUT_MILLIS);
        awaitRoute(shape);
        return new RocketChannel(shape, producer, api, brokerAddress, isRocksdb());
    }

    private void awaitRoute(Shape shape) throws Exception {
        long limit = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(TIMEOUT_MILLIS);
        while (true) {
            try {
                if (producer.fetchPublishMessageQueues(shape.name()).size() == shape.queues()) {
                    return;
                }
            } catch (MQClientException e) {
                if (System.nanoTime() > limit) {
                    throw e;
                }
            }
            TimeUnit.MILLISECONDS.sleep(100);
        }
    }

    @Override
    public List<ProcessHandle> processes() {
        return List.of(broker.handle());
    }

    @Override
    public void close() throws Exception {
        if (producer != null) {
            producer.shutdown();
        }
        if (consumer != null) {
            consumer.shutdown();
        }
        if (broker != null) {
            broker.close();
        }
    }
}
