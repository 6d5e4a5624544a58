package io.forebay.peers.artemis;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.activemq.artemis.core.config.Configuration;
import org.apache.activemq.artemis.core.config.impl.ConfigurationImpl;
import org.apache.activemq.artemis.core.server.ActiveMQServer;
import org.apache.activemq.artemis.core.server.ActiveMQServers;
import org.apache.activemq.artemis.core.server.JournalType;
import org.apache.activemq.artemis.core.settings.impl.AddressFullMessagePolicy;
import org.apache.activemq.artemis.core.settings.impl.AddressSettings;

/**
 * The broker, in this process or in one of its own: {@code ArtemisBroker DIRECTORY ACCEPTOR JOURNAL true|false READY}, which creates
 * the file READY when it serves, and ends when its stdin does.
 */
final class ArtemisBroker {
    /** As the broker's own tool sets it up for a disk that forces within half a millisecond. */
    private static final int FLUSHED_BUFFER_TIMEOUT_NANOS = 400_000;

    private ArtemisBroker() {}

    public static void main(String[] arguments) throws Exception {
        start(Path.of(arguments[0]), arguments[1], arguments[2], Boolean.parseBoolean(arguments[3]));
        Files.createFile(Path.of(arguments[4]));
        awaitEndOfInput();
        Runtime.getRuntime().halt(0);
    }

    private static void awaitEndOfInput() throws IOException {
        while (System.in.read() >= 0) {
            // Nothing is said to it.
        }
    }

    static Map<String, String> settings(String journal, boolean isFlushed) {
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("journal-type", journal);
        settings.put("journal-sync-transactional", Boolean.toString(isFlushed));
        settings.put("journal-sync-non-transactional", Boolean.toString(isFlushed));
        settings.put("journal-datasync", Boolean.toString(isFlushed));
        if (isFlushed) {
            settings.put("journal-buffer-timeout", FLUSHED_BUFFER_TIMEOUT_NANOS + " ns");
        }
        settings.put("journal-file-size", "10 MiB");
        settings.put("paging", "off");
        settings.put("security-enabled", "false");
        return settings;
    }

    static ActiveMQServer start(Path directory, String acceptor, String journal, boolean isFlushed) throws Exception {
        Configuration configuration = new ConfigurationImpl()
                .setPersistenceEnabled(true)
                .setSecurityEnabled(false)
                .setJMXManagementEnabled(false)
                .setMessageCounterEnabled(false)
                .setCriticalAnalyzer(false)
                .setMaxDiskUsage(-1)
                .setGlobalMaxSize(-1)
                .setJournalDirectory(directory.resolve("journal").toString())
                .setBindingsDirectory(directory.resolve("bindings").toString())
                .setPagingDirectory(directory.resolve("paging").toString())
                .setLargeMessagesDirectory(directory.resolve("large").toString())
                .setJournalType(journal.equals("mapped") ? JournalType.MAPPED : JournalType.NIO)
                .setJournalSyncTransactional(isFlushed)
                .setJournalSyncNonTransactional(isFlushed)
                .setJournalDatasync(isFlushed)
                .setJournalFileSize(10 << 20)
                .setJournalPoolFiles(20)
                .addAcceptorConfiguration("acceptor", acceptor)
                .addAddressSetting(
                        "#",
                        new AddressSettings()
                                .setMaxSizeBytes(-1)
                                .setMaxSizeMessages(-1)
                                .setMaxDeliveryAttempts(-1)
                                .setAddressFullMessagePolicy(AddressFullMessagePolicy.BLOCK));
        if (isFlushed) {
            configuration.setJournalBufferTimeout_NIO(FLUSHED_BUFFER_TIMEOUT_NANOS);
        }
        ActiveMQServer server = ActiveMQServers.newActiveMQServer(configuration, false);
        server.start();
        return server;
    }
}
