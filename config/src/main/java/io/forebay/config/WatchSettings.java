package io.forebay.config;

import static io.forebay.config.Checks.checkCount;
import static io.forebay.config.Checks.checkDuration;
import static io.forebay.config.Checks.checkText;

import java.time.Duration;

/**
 * Section {@code forebay.watch}: where a node tells how it is.
 *
 * @param enabled whether it listens at all; its log tells all the same
 * @param host what it binds
 * @param port of HTTP, 0 for any free one
 * @param groupsMax groups of a topic that metrics name; the others are summed
 * @param stallLimit what may wait for so long before health, and the log, say so
 */
public record WatchSettings(boolean enabled, String host, int port, int groupsMax, Duration stallLimit) {
    static final String SECTION = "forebay.watch";
    /** A thread that tells in the log what has waited for too long. */
    public static final String DISPATCHER = SECTION + ".dispatcher";

    public WatchSettings {
        checkText(SECTION + ".host", host);
        checkCount(SECTION + ".port", port, 0, 65_535);
        checkCount(SECTION + ".groups-max", groupsMax, 0, 10_000);
        checkDuration(SECTION + ".stall-limit", stallLimit, Duration.ofMillis(100), Duration.ofMinutes(10));
    }

    static WatchSettings from(Section section) {
        section.akkaSection("dispatcher");
        return new WatchSettings(
                section.flag("enabled"),
                section.text("host"),
                section.count("port"),
                section.count("groups-max"),
                section.duration("stall-limit"));
    }
}
