package io.forebay.peers.rocketmq;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.auth.config.AuthConfig;
import org.apache.rocketmq.broker.BrokerController;
import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.MQVersion;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.common.namesrv.NamesrvConfig;
import org.apache.rocketmq.common.topic.TopicValidator;
import org.apache.rocketmq.namesrv.NamesrvController;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;
import org.apache.rocketmq.remoting.netty.NettyServerConfig;
import org.apache.rocketmq.remoting.protocol.RemotingCommand;
import org.apache.rocketmq.store.config.MessageStoreConfig;

/**
 * A broker and the name server that it reports to, in one process: {@code RocketBroker PROPERTIES NAMES_PORT READY}. Creates the
 * file READY when it serves, and ends when its stdin does.
 */
final class RocketBroker {
    private RocketBroker() {}

    public static void main(String[] arguments) {
        try {
            Properties properties = new Properties();
            try (Reader reader = Files.newBufferedReader(Path.of(arguments[0]))) {
                properties.load(reader);
            }
            System.setProperty(RemotingCommand.REMOTING_VERSION_KEY, Integer.toString(MQVersion.CURRENT_VERSION));
            NamesrvController names = startNames(
                    Integer.parseInt(arguments[1]), Path.of(arguments[0]).getParent());
            startBroker(properties);
            awaitRegistered(names);
            Files.createFile(Path.of(arguments[2]));
            awaitEndOfInput();
        } catch (Throwable e) {
            e.printStackTrace();
        }
        Runtime.getRuntime().halt(0); // its data is thrown away
    }

    private static NamesrvController startNames(int port, Path directory) throws Exception {
        NamesrvConfig config = new NamesrvConfig();
        config.setRocketmqHome(directory.toString());
        config.setKvConfigPath(directory.resolve("names-kv.json").toString());
        config.setConfigStorePath(directory.resolve("names.properties").toString());
        NettyServerConfig server = new NettyServerConfig();
        server.setBindAddress("127.0.0.1");
        server.setListenPort(port);
        NamesrvController names = new NamesrvController(config, server);
        check(names.initialize(), "name server");
        names.start();
        return names;
    }

    /** As the broker's own start does it with a file of properties, but for the port, which that sets to 10911. */
    private static void startBroker(Properties properties) throws Exception {
        BrokerConfig broker = new BrokerConfig();
        NettyServerConfig server = new NettyServerConfig();
        NettyClientConfig client = new NettyClientConfig();
        MessageStoreConfig store = new MessageStoreConfig();
        AuthConfig auth = new AuthConfig();
        for (Object config : List.of(broker, server, client, store, auth)) {
            MixAll.properties2Object(properties, config);
        }
        auth.setConfigName(broker.getBrokerName());
        auth.setClusterName(broker.getBrokerClusterName());
        auth.setAuthConfigPath(store.getStorePathRootDir() + "/config");
        BrokerController controller = new BrokerController(broker, server, client, store, auth);
        check(controller.initialize(), "broker");
        controller.start();
    }

    /** Topics that are created earlier would be registered half a minute later. */
    private static void awaitRegistered(NamesrvController names) throws InterruptedException {
        String topic = TopicValidator.AUTO_CREATE_TOPIC_KEY_TOPIC;
        while (names.getRouteInfoManager().pickupTopicRouteData(topic) == null) {
            TimeUnit.MILLISECONDS.sleep(20);
        }
    }

    private static void check(boolean isInitialized, String what) {
        if (!isInitialized) {
            throw new IllegalStateException("the " + what + " has not come up; its logs say why");
        }
    }

    private static void awaitEndOfInput() throws IOException {
        while (System.in.read() >= 0) {
            // Nothing is said to it.
        }
    }
}
