package io.forebay.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.yardstick.Outcome;
import io.forebay.yardstick.Plan;
import io.forebay.yardstick.Setup;
import io.forebay.yardstick.Worker;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The benchmark's workloads, short. Invariants:
 *
 * <ol>
 *   <li>I1: nothing is lost, doubled, altered, or out of order within a key
 *   <li>I2: a message that is sent, stored, popped and acked in-process allocates no more than it did; how fast it goes is
 *       printed, never asserted
 * </ol>
 */
class YardstickSmokeTest {
    private static final Plan W1 = Plan.W1.with("warmUpSeconds=4,seconds=3");

    /** Measured: 2,280, of which the sender's body, the frame and the delivered body are 1,000. */
    private static final double ALLOCATED_BYTES_MAX = 2_600;

    @TempDir
    private Path directory;

    private List<Outcome> run(boolean isFlushed, Map<String, String> options, Plan... plans) throws Exception {
        List<Outcome> outcomes =
                Worker.run(new ForebayContestant(), new Setup(directory, isFlushed, options), List.of(plans));
        assertThat(outcomes).as("I1").hasSize(plans.length).allMatch(Outcome::isGood);
        assertThat(outcomes).allMatch(outcome -> outcome.number("sent") > 0);
        return outcomes;
    }

    /** I1, I2. */
    @Test
    void inProcess() throws Exception {
        List<Outcome> outcomes = run(
                false,
                Map.of("node", "in-process"),
                W1,
                W1.with("name=W2,perSecond=2000,unconfirmedMax=1000000,backlogMax=1000000,warmUpSeconds=0,seconds=1"),
                W1.with("name=W3,unconfirmedMax=2048,fillCount=50000"),
                W1.with("name=W4,queues=600,warmUpSeconds=0,seconds=1"),
                W1.with(
                        "name=W5,bodyBytes=100000,batchCount=8,unconfirmedMax=64,backlogMax=500,warmUpSeconds=0,seconds=1"),
                W1.with("name=W6,nackedOfThousand=200,warmUpSeconds=0,seconds=1"),
                W1.with("name=W7,keyCount=100,warmUpSeconds=0,seconds=1"));
        // The message itself, its frame and its delivery are a third of it. What the load generator makes is in it,
        // too.
        assertThat(outcomes.get(0).number("allocatedBytes")).as("I2").isLessThan(ALLOCATED_BYTES_MAX);
    }

    /** I1. */
    @Test
    void inProcessFlushed() throws Exception {
        run(true, Map.of("node", "in-process"), W1.with("unconfirmedMax=2048,warmUpSeconds=0,seconds=1"));
    }

    /** I1. */
    @Test
    void secondJvm() throws Exception {
        run(false, Map.of("node", "second-jvm"), W1.with("warmUpSeconds=0,seconds=1"));
    }
}
