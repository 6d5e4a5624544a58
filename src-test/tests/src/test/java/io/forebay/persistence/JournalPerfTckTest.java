package io.forebay.persistence;

import akka.persistence.japi.journal.JavaJournalPerfSpec;
import org.junit.runner.RunWith;
import org.scalatestplus.junit.JUnitRunner;

/** As {@link JournalTckTest}, of many events; it prints times and asserts none but its own limit. */
@RunWith(JUnitRunner.class)
public class JournalPerfTckTest extends JavaJournalPerfSpec {
    public JournalPerfTckTest() {
        super(PluginConfig.somewhere());
    }

    @Override
    public akka.persistence.CapabilityFlag supportsRejectingNonSerializableObjects() {
        return akka.persistence.CapabilityFlag.on();
    }

    @Override
    public int eventsCount() {
        return 1_000;
    }

    /** Each event may be a force of a slow disk. */
    @Override
    public long awaitDurationMillis() {
        return 60_000;
    }
}
