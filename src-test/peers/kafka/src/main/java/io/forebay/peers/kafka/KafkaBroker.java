package io.forebay.peers.kafka;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import kafka.tools.StorageTool;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.utils.Time;

/**
 * A broker that is its own controller, on a directory that it formats first: {@code KafkaBroker PROPERTIES READY}. Creates the
 * file READY when it serves, and ends when its stdin does.
 */
final class KafkaBroker {
    private KafkaBroker() {}

    public static void main(String[] arguments) {
        try {
            String[] format = {"format", "-t", Uuid.randomUuid().toString(), "-c", arguments[0]};
            if (StorageTool.execute(format, System.out) != 0) {
                throw new IllegalStateException("the log directory could not be formatted");
            }
            Properties properties = new Properties();
            try (Reader reader = Files.newBufferedReader(Path.of(arguments[0]))) {
                properties.load(reader);
            }
            new KafkaRaftServer(KafkaConfig.fromProps(properties), Time.SYSTEM).startup();
            Files.createFile(Path.of(arguments[1]));
            awaitEndOfInput();
        } catch (Throwable e) {
            e.printStackTrace();
        }
        Runtime.getRuntime().halt(0); // its data is thrown away
    }

    private static void awaitEndOfInput() throws IOException {
        while (System.in.read() >= 0) {
            // Nothing is said to it.
        }
    }
}
