package io.forebay.persistence;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** An application that names the plugins, with a directory of its own. */
final class PluginConfig {
    private PluginConfig() {}

    static Config in(Path directory) {
        return ConfigFactory.parseString("""
                        akka.persistence.journal.plugin = "forebay.persistence.journal"
                        akka.persistence.snapshot-store.plugin = "forebay.persistence.snapshot-store"
                        akka.persistence.state.plugin = "forebay.persistence.state-store"
                        akka.actor.allow-java-serialization = on
                        akka.actor.warn-about-java-serializer-usage = off
                        # Akka's judges wait three seconds for each answer, the first of which has to open the log.
                        akka.test.single-expect-default = 30 s
                        forebay.storage.segment-size = 16 MiB
                        forebay.queue.batch-bytes-max = 8 MiB
                        forebay.storage.low-space = 0 B
                        """)
                .withFallback(
                        ConfigFactory.parseMap(java.util.Map.of("forebay.storage.directory", directory.toString())))
                .withFallback(ConfigFactory.load());
    }

    /** In a directory that nobody else has; the machine's temporary files are cleaned by the machine. */
    static Config somewhere() {
        try {
            Path directory = Files.createTempDirectory("forebay-plugins");
            directory.toFile().deleteOnExit();
            return in(directory);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
