package io.forebay.config;

import static io.forebay.config.Checks.KIB;
import static io.forebay.config.Checks.MIB;
import static io.forebay.config.Checks.checkBytes;
import static io.forebay.config.Checks.checkCount;

/**
 * Section {@code forebay.persistence}: how Akka's persistence plugins store. The plugins' own sections within it are Akka's.
 *
 * @param durability what an event, a snapshot or a state is told to be stored at
 * @param activeIdsMax persistence ids of which memory is spent on finding older events faster
 * @param lostNames what becomes of ids that may have lost their names
 * @param queryBatchEvents events that a query reads ahead at most, about
 * @param queryBatchBytes the same in stored bytes
 */
public record PersistenceSettings(
        DurabilitySetting durability,
        int activeIdsMax,
        LostNamesSetting lostNames,
        int queryBatchEvents,
        int queryBatchBytes) {
    static final String SECTION = "forebay.persistence";

    public PersistenceSettings {
        checkCount(SECTION + ".active-ids-max", activeIdsMax, 16, 100_000_000);
        checkCount(SECTION + ".query-batch-events", queryBatchEvents, 16, 100_000);
        checkBytes(SECTION + ".query-batch-bytes", queryBatchBytes, 64 * KIB, 256 * MIB);
    }

    static PersistenceSettings from(Section section) {
        section.akkaSection("journal");
        section.akkaSection("state-store");
        section.akkaSection("query");
        section.akkaSection("snapshot-store");
        section.akkaSection("node-journal");
        section.akkaSection("node-snapshot-store");
        return new PersistenceSettings(
                section.choice("durability", DurabilitySetting.class),
                section.count("active-ids-max"),
                section.choice("lost-names", LostNamesSetting.class),
                section.count("query-batch-events"),
                section.intBytes("query-batch-bytes"));
    }
}
