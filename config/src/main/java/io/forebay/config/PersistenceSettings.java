package io.forebay.config;

import static io.forebay.config.Checks.checkCount;

/**
 * Section {@code forebay.persistence}: how Akka's persistence plugins store. The plugins' own sections within it are Akka's.
 *
 * @param durability what an event or a state is told to be stored at
 * @param activeIdsMax persistence ids of which memory is spent on finding older events faster
 */
public record PersistenceSettings(DurabilitySetting durability, int activeIdsMax) {
    static final String SECTION = "forebay.persistence";

    public PersistenceSettings {
        checkCount(SECTION + ".active-ids-max", activeIdsMax, 16, 100_000_000);
    }

    static PersistenceSettings from(Section section) {
        section.akkaSection("journal");
        section.akkaSection("state-store");
        return new PersistenceSettings(
                section.choice("durability", DurabilitySetting.class), section.count("active-ids-max"));
    }
}
