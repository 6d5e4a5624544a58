package io.forebay.config;

import static io.forebay.config.Checks.bytes;
import static io.forebay.config.Checks.check;

import com.typesafe.config.Config;

/**
 * All settings of a node: the section {@code forebay} of a configuration, read once and validated, relations between the
 * sections included. A component is given its own record of these. Immutable.
 */
public record ForebaySettings(
        NodeSettings node,
        StorageSettings storage,
        StoreSettings store,
        QueueSettings queue,
        GroupSettings group,
        TopicSettings topic,
        SessionSettings session,
        WatchSettings watch,
        PersistenceSettings persistence) {
    /** Room that a batch leaves in a segment: the segment's header page, the frame's header, records beside the batch. */
    private static final int SEGMENT_OVERHEAD_BYTES = 8 * 1024;

    public ForebaySettings {
        check(
                queue.batchBytesMax() <= storage.segmentBytes() - SEGMENT_OVERHEAD_BYTES,
                QueueSettings.SECTION + ".batch-bytes-max",
                bytes(queue.batchBytesMax()),
                "at most forebay.storage.segment-size less 8 KiB, because a batch never crosses the end of a segment;"
                        + " that is "
                        + bytes(storage.segmentBytes() - SEGMENT_OVERHEAD_BYTES));
        check(
                queue.batchBytesMax() <= store.sendHighWaterBytes(),
                QueueSettings.SECTION + ".batch-bytes-max",
                bytes(queue.batchBytesMax()),
                "at most the share of forebay.store.max-unflushed that Sends may fill, or no such batch would ever be"
                        + " taken; that is "
                        + bytes(store.sendHighWaterBytes()));
        check(
                group.popBytesMax() >= queue.bodyBytesMax(),
                GroupSettings.SECTION + ".pop-bytes-max",
                bytes(group.popBytesMax()),
                "at least forebay.queue.body-max, which is " + bytes(queue.bodyBytesMax()));
        check(
                session.sendBytesMax() >= queue.batchBytesMax(),
                SessionSettings.SECTION + ".send-bytes-max",
                bytes(session.sendBytesMax()),
                "at least forebay.queue.batch-bytes-max, which is " + bytes(queue.batchBytesMax()));
        check(
                session.nodeBytesMax() >= group.popBytesMax(),
                SessionSettings.SECTION + ".node-bytes-max",
                bytes(session.nodeBytesMax()),
                "at least forebay.group.pop-bytes-max, which is " + bytes(group.popBytesMax()));
    }

    /**
     * Reads the settings from the whole configuration of a system ({@code system.settings().config()}), which contains this
     * room's {@code reference.conf}.
     *
     * @throws SettingsException at the first value that cannot be used, and at a key below {@code forebay} that no
     *     {@code reference.conf} knows
     */
    public static ForebaySettings from(Config root) {
        return SettingsReader.read(root);
    }
}
