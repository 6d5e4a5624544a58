package io.forebay.config;

import static io.forebay.config.Checks.GIB;
import static io.forebay.config.Checks.KIB;
import static io.forebay.config.Checks.MIB;
import static io.forebay.config.Checks.bytes;
import static io.forebay.config.Checks.check;
import static io.forebay.config.Checks.checkBytes;
import static io.forebay.config.Checks.checkCount;
import static io.forebay.config.Checks.checkDuration;

import java.time.Duration;

/**
 * Section {@code forebay.queue}: what a queue takes.
 *
 * @param bodyBytesMax largest body of a message
 * @param batchMessagesMax messages in one Send
 * @param batchBytesMax bytes of one Send, as they are stored
 * @param sendDurability what a Send is answered for that asks for nothing
 * @param quarantineAfter how long the device may fail to give a message before it is quarantined
 */
public record QueueSettings(
        int bodyBytesMax,
        int batchMessagesMax,
        int batchBytesMax,
        DurabilitySetting sendDurability,
        Duration quarantineAfter) {
    static final String SECTION = "forebay.queue";

    /** Queues, groups, dispatchers of topics and sessions: everything that never blocks. */
    public static final String DISPATCHER = SECTION + ".dispatcher";

    /** Room for the header and the ordinary fields of a message beside its body. */
    private static final int MESSAGE_OVERHEAD_BYTES = 4 * 1024;

    public QueueSettings {
        checkBytes(SECTION + ".body-max", bodyBytesMax, KIB, 64 * MIB);
        checkCount(SECTION + ".batch-messages-max", batchMessagesMax, 1, 65_535);
        checkBytes(SECTION + ".batch-bytes-max", batchBytesMax, 8 * KIB, GIB);
        check(
                batchBytesMax >= bodyBytesMax + MESSAGE_OVERHEAD_BYTES,
                SECTION + ".batch-bytes-max",
                bytes(batchBytesMax),
                "at least 4 KiB more than forebay.queue.body-max, which is " + bytes(bodyBytesMax));
        checkDuration(SECTION + ".quarantine-after", quarantineAfter, Duration.ofMillis(10), Duration.ofDays(7));
    }

    static QueueSettings from(Section section) {
        section.akkaSection("dispatcher");
        return new QueueSettings(
                section.intBytes("body-max"),
                section.count("batch-messages-max"),
                section.intBytes("batch-bytes-max"),
                section.choice("send-durability", DurabilitySetting.class),
                section.duration("quarantine-after"));
    }
}
