package io.forebay.config;

import static io.forebay.config.Checks.GIB;
import static io.forebay.config.Checks.KIB;
import static io.forebay.config.Checks.check;
import static io.forebay.config.Checks.checkBytes;
import static io.forebay.config.Checks.checkCount;
import static io.forebay.config.Checks.checkDuration;
import static io.forebay.config.Checks.duration;

import java.time.Duration;

/**
 * Section {@code forebay.group}: what a consumer group may take and hold.
 *
 * @param invisibleMin shortest that may be asked for
 * @param invisibleMax longest that may be asked for
 * @param lookAheadMax offsets per queue that the cursor goes past what is blocked
 * @param inFlightMax messages per queue and group that are out at once
 * @param popMessagesMax messages of one Pop
 * @param popBytesMax bytes of one Pop
 * @param waitMax longest a Pop may wait for messages
 * @param waitingPopsMax Pops of one topic and group that wait for messages
 * @param defaults what holds for a group that sets nothing itself
 */
public record GroupSettings(
        Duration invisibleMin,
        Duration invisibleMax,
        int lookAheadMax,
        int inFlightMax,
        int popMessagesMax,
        int popBytesMax,
        Duration waitMax,
        int waitingPopsMax,
        GroupDefaults defaults) {
    static final String SECTION = "forebay.group";

    public GroupSettings {
        Duration longest = Duration.ofDays(7);
        checkDuration(SECTION + ".invisible-min", invisibleMin, Duration.ofMillis(1), longest);
        checkDuration(SECTION + ".invisible-max", invisibleMax, Duration.ofMillis(1), longest);
        check(
                invisibleMax.compareTo(invisibleMin) >= 0,
                SECTION + ".invisible-max",
                duration(invisibleMax),
                "at least forebay.group.invisible-min, which is " + duration(invisibleMin));
        checkDuration(
                SECTION + "." + GroupDefaults.INVISIBLE_DEFAULT,
                defaults.invisibleDefault(),
                invisibleMin,
                invisibleMax);
        checkCount(SECTION + ".look-ahead-max", lookAheadMax, 64, 16 << 20);
        checkCount(SECTION + ".in-flight-max", inFlightMax, 1, 16 << 20);
        checkCount(SECTION + ".pop-messages-max", popMessagesMax, 1, 65_535);
        check(
                popMessagesMax <= inFlightMax,
                SECTION + ".pop-messages-max",
                popMessagesMax,
                "at most forebay.group.in-flight-max, which is " + inFlightMax);
        checkBytes(SECTION + ".pop-bytes-max", popBytesMax, KIB, GIB);
        checkDuration(SECTION + ".wait-max", waitMax, Duration.ZERO, Duration.ofHours(1));
        checkCount(SECTION + ".waiting-pops-max", waitingPopsMax, 1, 1_000_000);
    }

    static GroupSettings from(Section section) {
        return new GroupSettings(
                section.duration("invisible-min"),
                section.duration("invisible-max"),
                section.count("look-ahead-max"),
                section.count("in-flight-max"),
                section.count("pop-messages-max"),
                section.intBytes("pop-bytes-max"),
                section.duration("wait-max"),
                section.count("waiting-pops-max"),
                GroupDefaults.from(section));
    }

    /**
     * These, except for what a group sets for itself.
     *
     * @throws SettingsException if one of its texts cannot be used
     */
    public GroupSettings with(OwnSettings own) {
        GroupDefaults changed = defaults.with(own);
        int inFlight = own.count("in-flight-max", inFlightMax);
        return own.bare(() -> {
            checkCount(SECTION + ".in-flight-max", inFlight, 1, inFlightMax);
            return new GroupSettings(
                    invisibleMin,
                    invisibleMax,
                    lookAheadMax,
                    inFlight,
                    Math.min(popMessagesMax, inFlight),
                    popBytesMax,
                    waitMax,
                    waitingPopsMax,
                    changed);
        });
    }
}
