package io.forebay.testkit.sim;

import java.util.TreeSet;
import java.util.concurrent.ThreadLocalRandom;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * A random run that can be repeated. Its seed is new each time and is printed with a failure, with whatever else was set;
 * {@code -Dforebay.seed=…} repeats one, {@code -Dforebay.steps=…} changes how many steps a run makes, {@code -Dforebay.trace=true} prints each.
 */
public final class SeededRun {
    private static final boolean IS_TRACED = Boolean.getBoolean("forebay.trace");

    /** The run itself. Tells how far it is, so that a failure names its step. */
    public interface Body {
        void run(RandomGenerator random, Progress progress) throws Exception;
    }

    /** Where a run is. Not thread-safe. */
    public static final class Progress {
        private long step;
        private String note = "";

        public void at(long nextStep) {
            step = nextStep;
        }

        /** @return the step it is at */
        public long step() {
            return step;
        }

        /** What the step does, for the message of a failure. */
        public void note(String nextNote) {
            note = nextNote;
            if (IS_TRACED) {
                System.out.println(step + " " + nextNote);
            }
        }
    }

    private SeededRun() {}

    /** @return the number of steps: as given by property, else the default */
    public static long steps(long defaultSteps) {
        return Long.getLong("forebay.steps", defaultSteps);
    }

    /**
     * @throws AssertionError what the run threw, with the seed in front
     */
    public static void run(String name, Body body) {
        long seed = newSeed();
        Progress progress = new Progress();
        try {
            body.run(randomOf(seed), progress);
        } catch (Exception | AssertionError e) {
            throw new AssertionError(
                    name + " failed at step " + progress.step + " (" + progress.note + "), repeat with -Dforebay.seed="
                            + seed + given() + ": " + e,
                    e);
        }
        System.out.println(name + ": seed " + seed + ", steps " + progress.step);
    }

    /** What else was said of this run: with other steps, or another sweep, one seed is another run. */
    private static String given() {
        StringBuilder given = new StringBuilder();
        for (String name : new TreeSet<>(System.getProperties().stringPropertyNames())) {
            if (name.startsWith("forebay.") && !name.equals("forebay.seed") && !name.equals("forebay.trace")) {
                given.append(" -D").append(name).append('=').append(System.getProperty(name));
            }
        }
        return given.toString();
    }

    /** The one of {@code -Dforebay.seed}, else a new one. */
    public static long newSeed() {
        return Long.getLong("forebay.seed", ThreadLocalRandom.current().nextLong() >>> 16);
    }

    /** What a run with that seed draws from. */
    public static RandomGenerator randomOf(long seed) {
        return RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
    }
}
