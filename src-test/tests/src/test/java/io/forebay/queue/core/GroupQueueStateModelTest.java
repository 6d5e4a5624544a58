package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.testkit.sim.SeededRun;
import io.forebay.testkit.sim.Tally;
import org.junit.jupiter.api.Test;

/**
 * Drives {@link GroupQueueState} and {@link GroupQueueModel} through the same random lives and compares everything after each
 * step.
 *
 * <p><b>Lives:</b> attempt limits of 0 to 4, every kind of backoff, ordered groups and others, dead letters and parked keys,
 * filters, a few keys of which some are frequent, messages without key and messages that cannot be read. All of these settings
 * change at any point. Pops (by size or not, repeated), acks, extensions, nacks (with delay or not), messages given back,
 * consumers gone, sessions closed, with handles of any age and forged ones; expiry, with the breaker open or closed; looks
 * ahead that come late; poison dealt with late; unparking, seeks, purges, truncation, quarantine.
 *
 * <p><b>Faults:</b> records are written later than decided; the process is killed (what was not written is gone), the power is
 * cut (what was not durable is gone, and its sequences may be given again); recovery begins with a snapshot, of either version,
 * or an older one, or none, and replays an overlapping log. Between lives the wall clock may be days ahead or behind; log time
 * goes on as LogClock has it, or now and then does not.
 *
 * <p><b>What must hold,</b> besides that state and model tell the same: I1 nothing that is not settled is missing (all of it can
 * be had in the end), I2 nothing is invented (nor goes out though it is not wanted or not stored), I3 one message of a key at
 * a time and in order in ordered groups, first deliveries in order in others, I4 what was acked does not come back, I5 one valid
 * handle at most and tokens grow, I6 attempts are counted right and a message is poison exactly after the limit, I7 nothing
 * before its time; the alarm is never late, what is counted is right, memory stays within the look-ahead.
 */
class GroupQueueStateModelTest {
    private static final String[] SEEN = {
        "clock behind the log",
        "dead-lettered",
        "expired uncounted",
        "filtered",
        "kill",
        "parked",
        "poison no more",
        "pop: EMPTY",
        "pop: IN_FLIGHT_LIMIT",
        "pop: LOOK_AHEAD_FULL",
        "pop: REPEATED",
        "power cut",
        "recovered from a snapshot",
        "recovered from the first record on",
        "recovered from version 1",
        "unpark: DEAD_LETTERED",
        "unpark: SKIPPED",
        "unpark: TRIED_AGAIN",
        "unreadable found by looking",
        "unreadable found by reading"
    };

    @Test
    void groupQueueDoesWhatThePlainModelDoes() {
        long steps = SeededRun.steps(1_000_000);
        Tally seen = new Tally();
        SeededRun.run(
                "group queue against model", (random, progress) -> GroupQueueLives.run(random, progress, steps, seen));
        System.out.println("group queue against model: " + seen);
        if (steps >= 1_000_000) {
            assertThat(seen.kinds()).as("what a run sees").contains(SEEN);
            seen.counts()
                    .forEach((what, count) -> assertThat(count)
                            .as("how often a run sees: %s", what)
                            .isGreaterThan(20));
        }
    }
}
