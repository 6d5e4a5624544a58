package io.forebay.persistence;

import akka.persistence.CapabilityFlag;
import akka.persistence.japi.snapshot.JavaSnapshotStoreSpec;
import org.junit.runner.RunWith;
import org.scalatestplus.junit.JUnitRunner;

/** Akka's own specification of a snapshot store, with everything on that a store may choose. */
@RunWith(JUnitRunner.class)
public class SnapshotStoreTckTest extends JavaSnapshotStoreSpec {
    public SnapshotStoreTckTest() {
        super(PluginConfig.somewhere());
    }

    @Override
    public CapabilityFlag supportsSerialization() {
        return CapabilityFlag.on();
    }

    @Override
    public CapabilityFlag supportsMetadata() {
        return CapabilityFlag.on();
    }
}
