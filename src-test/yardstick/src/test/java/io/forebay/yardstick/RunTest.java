package io.forebay.yardstick;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.yardstick.FaultyContestant.Fault;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Invariants:
 *
 * <ol>
 *   <li>I1: a run tells what was lost, doubled, altered or out of order, and nothing else
 *   <li>I2: a run of a system that stops answering fails, and says so
 *   <li>I3: at a rate as many are sent as that makes; a drain takes out what was put in
 *   <li>I4: what is to be nacked comes again, once, and counts once
 * </ol>
 */
class RunTest {
    private static final Plan PLAN = Plan.W1.with("receivers=1,senders=1,warmUpSeconds=0,seconds=1,backlogMax=2000");

    @TempDir
    private Path directory;

    private Outcome run(Fault fault, Plan plan) throws Exception {
        FaultyContestant contestant = new FaultyContestant(fault);
        try {
            return Worker.run(contestant, new Setup(directory, false, Map.of()), List.of(plan))
                    .get(0);
        } finally {
            assertThat(contestant.isClosed).isTrue();
        }
    }

    private static void assertVerdict(Outcome outcome, int lost, int duplicated, int altered, int orderBreaks) {
        assertThat(outcome.number("lost")).as("lost").isEqualTo(lost);
        assertThat(outcome.number("duplicated")).as("duplicated").isEqualTo(duplicated);
        assertThat(outcome.number("altered")).as("altered").isEqualTo(altered);
        assertThat(outcome.number("orderBreaks")).as("out of order").isEqualTo(orderBreaks);
        assertThat(outcome.isGood()).isEqualTo(lost + duplicated + altered + orderBreaks == 0);
    }

    /** I1. */
    @Test
    void whatIsWholeIsToldWhole() throws Exception {
        Outcome outcome = run(Fault.NONE, PLAN);
        assertVerdict(outcome, 0, 0, 0, 0);
        assertThat(outcome.number("perSecond")).isPositive();
        assertThat(outcome.number("sent")).isGreaterThan(1000);
        assertThat(outcome.number("popMaxMicros")).isGreaterThanOrEqualTo(outcome.number("popP50Micros"));
        assertThat(Outcome.parse(outcome.line())).isEqualTo(outcome);
    }

    /** I1: an altered one has no number, so that it is missing, too. */
    @Test
    void whatGoesWrongIsTold() throws Exception {
        assertVerdict(run(Fault.DOUBLES, PLAN), 0, 1, 0, 0);
        assertVerdict(run(Fault.ALTERS, PLAN.with("stallSeconds=1")), 1, 0, 1, 0);
        assertVerdict(run(Fault.SWAPS, PLAN.with("keyCount=1")), 0, 0, 0, 31);
        assertVerdict(run(Fault.SWAPS, PLAN), 0, 0, 0, 0);
    }

    /** I1, I2: of one that was lost the ack never comes. */
    @Test
    void lostMessageEndsARunThatWaitsForIt() {
        assertThatThrownBy(() -> run(Fault.LOSES, PLAN.with("stallSeconds=1"))).hasMessageContaining("none more for");
    }

    /** I2. */
    @Test
    void refusedBatchEndsTheRun() {
        assertThatThrownBy(() -> run(Fault.STOPS_CONFIRMING, PLAN)).hasMessageContaining("no more");
    }

    /** I3. */
    @Test
    void rateIsKept() throws Exception {
        Outcome outcome = run(Fault.NONE, PLAN.with("perSecond=2000,seconds=2"));
        assertVerdict(outcome, 0, 0, 0, 0);
        // A machine that stands still for a while catches up later.
        assertThat(outcome.number("sent")).isBetween(1000.0, 8000.0);
    }

    /** I3. */
    @Test
    void drainTakesOutWhatWasPutIn() throws Exception {
        Outcome outcome = run(Fault.NONE, PLAN.with("fillCount=5000"));
        assertVerdict(outcome, 0, 0, 0, 0);
        assertThat(outcome.number("sent")).isEqualTo(5000);
        assertThat(outcome.number("waitingHeapMegabytes")).isPositive();
    }

    /** I4. */
    @Test
    void nackedOnesComeAgain() throws Exception {
        assertVerdict(run(Fault.NONE, PLAN.with("nackedOfThousand=200")), 0, 0, 0, 0);
    }

    @Test
    void illegalPlansAreRefusedWithTheReason() {
        assertThatThrownBy(() -> PLAN.with("bodyBytes=3")).hasStackTraceContaining("at least 20");
        assertThatThrownBy(() -> PLAN.with("batchCount=300")).hasStackTraceContaining("does not hold");
        assertThatThrownBy(() -> PLAN.with("senders=2,keyCount=3")).hasStackTraceContaining("no multiple");
        assertThatThrownBy(() -> PLAN.with("speed=3")).hasMessageContaining("no [speed]");
        assertThatThrownBy(() -> PLAN.with("speed")).hasMessageContaining("name=value");
        assertThat(Plan.W1.with(PLAN.toString())).isEqualTo(PLAN);
    }
}
