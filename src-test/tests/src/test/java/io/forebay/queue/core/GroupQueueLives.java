package io.forebay.queue.core;

import io.forebay.testkit.sim.SeededRun;
import io.forebay.testkit.sim.Tally;
import java.util.random.RandomGenerator;

/** Many lives of different limits and settings: rare mixtures count as much as long runs. */
final class GroupQueueLives {
    private GroupQueueLives() {}

    /** @param seen gets how often each kind of step was made */
    static void run(RandomGenerator random, SeededRun.Progress progress, long steps, Tally seen) throws Exception {
        long done = 0;
        while (done < steps) {
            GroupQueueLife life = new GroupQueueLife(random, progress, seen);
            long length = Math.min(steps - done, 500 + random.nextInt(6_000));
            boolean isAlive = true;
            for (long i = 0; i < length && isAlive; i++) {
                progress.at(++done);
                isAlive = life.step();
            }
            if (isAlive) {
                life.drain();
            }
        }
    }
}
