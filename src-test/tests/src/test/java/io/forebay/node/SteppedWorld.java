package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.Proof;
import io.forebay.testkit.sim.SeededRun;
import io.forebay.testkit.sim.Tally;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;

/**
 * One of the worlds that a simulation goes through: a {@link SteppedNode} that is started again and again on one disk, time that
 * passes by the world's word, and clients. Confined to its run.
 */
abstract class SteppedWorld {
    /** How many times as many steps a run makes at most, if something has not come up by chance. */
    private static final int MORE = 4;

    final RandomGenerator random;
    final SeededRun.Progress progress;
    final NodeFixture.VirtualTime time = new NodeFixture.VirtualTime();
    MemoryDisk disk = new MemoryDisk();
    SteppedNode node;
    /** Nobody fails any more: all of it is to come to its end. */
    boolean isDraining;

    private final Run run;
    private long lastSession;

    /** All worlds of a run together. */
    static final class Run {
        private final RandomGenerator random;
        private final SeededRun.Progress progress;
        private final Tally seen = new Tally();
        private long steps;
        /** Told of everything that a node does. */
        private Consumer<String> trace = done -> {};

        private boolean hasSeen(String... kinds) {
            return seen.counts().keySet().containsAll(List.of(kinds));
        }

        private Run(RandomGenerator random, SeededRun.Progress progress) {
            this.random = random;
            this.progress = progress;
        }
    }

    /**
     * Lives in one world after the other until all steps are made.
     *
     * @param defaultSteps unless {@code -Dforebay.steps} says another number
     * @param toSee what has to come up: a run without it would prove nothing of it. It goes on for a while until all of it has
     */
    static void liveInMany(String name, long defaultSteps, Function<Run, SteppedWorld> maker, String... toSee) {
        long steps = SeededRun.steps(defaultSteps);
        SteppedNode.alone(() -> SeededRun.run(name, (random, progress) -> {
            Run run = new Run(random, progress);
            int worlds = 0;
            for (; run.steps < steps || run.steps < MORE * steps && !run.hasSeen(toSee); worlds++) {
                SteppedWorld world = maker.apply(run);
                long began = world.time.nanos();
                world.live();
                Proof.simulatedMillis.add(TimeUnit.NANOSECONDS.toMillis(world.time.nanos() - began));
            }
            Map<String, Long> counts = run.seen.counts();
            long kills = of(counts, "kill", "crash at an operation", "crash at an operation of a start");
            long cuts = of(counts, "power cut", "power cut at an operation", "power cut at an operation of a start");
            Proof.kills.add(kills);
            Proof.images.add(cuts);
            Proof.simulatedCrashes.add(kills + cuts);
            System.out.println(name + ": " + worlds + " worlds, " + run.seen);
            assertThat(Stream.of(toSee).filter(kind -> !counts.containsKey(kind)))
                    .as("what has not come up, of %s", run.seen)
                    .isEmpty();
        }));
    }

    /** Everything that the nodes of the first world of a run do, in their order. */
    static List<String> traceOf(long seed, Function<Run, SteppedWorld> maker) {
        List<String> trace = new ArrayList<>();
        SteppedNode.alone(() -> {
            Run run = new Run(SeededRun.randomOf(seed), new SeededRun.Progress());
            run.trace = trace::add;
            maker.apply(run).live();
        });
        return trace;
    }

    private static long of(Map<String, Long> counts, String... kinds) {
        return Stream.of(kinds).mapToLong(kind -> counts.getOrDefault(kind, 0L)).sum();
    }

    SteppedWorld(Run run) {
        this.run = run;
        random = run.random;
        progress = run.progress;
    }

    /** From its beginning to its end. */
    abstract void live();

    void start(String settings) {
        node = SteppedNode.start(disk, settings, time, random);
        node.trace(run.trace);
    }

    /** A new session. */
    SteppedNode.Client open() {
        return node.open(++lastSession);
    }

    void countStep() {
        progress.at(++run.steps);
    }

    void saw(String what, long count) {
        run.seen.saw(what, count);
    }

    void note(String what) {
        progress.note(what);
        saw(what, 1);
    }
}
