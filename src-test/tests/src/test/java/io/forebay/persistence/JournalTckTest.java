package io.forebay.persistence;

import akka.persistence.CapabilityFlag;
import akka.persistence.japi.journal.JavaJournalSpec;
import org.junit.runner.RunWith;
import org.scalatestplus.junit.JUnitRunner;

/** Akka's own specification of a journal, with everything on that a journal may choose. */
@RunWith(JUnitRunner.class)
public class JournalTckTest extends JavaJournalSpec {
    public JournalTckTest() {
        super(PluginConfig.somewhere());
    }

    @Override
    public CapabilityFlag supportsRejectingNonSerializableObjects() {
        return CapabilityFlag.on();
    }

    @Override
    public CapabilityFlag supportsMetadata() {
        return CapabilityFlag.on();
    }
}
