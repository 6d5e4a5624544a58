package io.forebay.simulation;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.queue.core.HandleOutcome;
import io.forebay.storage.log.Phase;
import io.forebay.storage.log.StripeOptions;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.sim.Proof;
import io.forebay.testkit.sim.SeededRun;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * The real log and the real group state under random Send, Pop, Ack, change, expiry, flush, checkpoint and clean stop,
 * with failing forces and stores, a full disk, evicted pages, kills and power cuts at any operation, also in the middle of
 * recovery. Holds I1 (nothing promised is missing), I2 (nothing altered), I4, I5, I6 over crashes, I8 (it comes back).
 */
@Tag("proof")
class StripeSimulationTest {
    private static final StripeOptions SMALL = StripeOptions.of(0)
            .withSegmentBytes(StripeOptions.SEGMENT_BYTES_MIN)
            .withIndexExtentEntries(16)
            .withIndexFileBytes(16 * 1024);

    private static final long STEPS = 100_000;
    /** In so many steps there is a crash at least, over a whole run; which is done in some seconds. */
    private static final long STEPS_TO_A_CRASH = 500;

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void whatWasPromisedSurvivesWhateverHappens() {
        long steps = SeededRun.steps(STEPS);
        SeededRun.run("stripe", (random, progress) -> {
            Seen seen = run(random, progress, steps);
            Proof.kills.add(seen.kills + seen.openCrashes);
            Proof.images.add(seen.powerCuts);
            Proof.simulatedCrashes.add(seen.crashes());
            System.out.println("stripe: " + seen);
            if (steps >= STEPS) {
                assertThat(seen.crashes()).as("crashes, %s", seen).isGreaterThanOrEqualTo(steps / STEPS_TO_A_CRASH);
            }
        });
    }

    /** One world after the other. Mutants of the engine meet it, too. */
    static Seen run(RandomGenerator random, SeededRun.Progress progress, long steps) throws Exception {
        long done = 0;
        Seen seen = new Seen();
        while (done < steps) {
            StripeWorld world = new StripeWorld(random, SMALL);
            double crashRate = random.nextInt(4) == 0 ? 0 : random.nextDouble() * 0.015;
            double faultRate = random.nextInt(4) == 0 ? 0 : random.nextDouble() * 0.02;
            long length = Math.min(steps - done, 500 + random.nextInt(5_000));
            for (long i = 0; i < length; i++) {
                progress.at(++done);
                try {
                    step(world, random, progress, crashRate, faultRate);
                } catch (DiskCrashed e) {
                    progress.note("crash: " + e.getMessage());
                    if (random.nextBoolean()) {
                        world.kill();
                    } else {
                        world.powerCut();
                    }
                }
            }
            progress.note("drain");
            world.drain();
            seen.add(world);
        }
        return seen;
    }

    private static void step(
            StripeWorld world, RandomGenerator random, SeededRun.Progress progress, double crashRate, double faultRate)
            throws Exception {
        if (random.nextDouble() < crashRate) {
            progress.note("crash");
            switch (random.nextInt(4)) {
                case 0 -> world.kill();
                case 1 -> world.powerCut();
                case 2 -> world.disk.crashAtOperation(world.disk.operations() + 1 + random.nextInt(60), random);
                default -> world.stopCleanly();
            }
            return;
        }
        if (random.nextDouble() < faultRate) {
            int fault = random.nextInt(8);
            progress.note("fault " + fault);
            switch (fault) {
                case 0, 1, 2 -> world.disk.failNextForces(1 + random.nextInt(2));
                case 3 -> world.disk.failNextWrites(1);
                case 4 -> world.disk.fullAfter(random.nextInt(200_000));
                case 5 -> world.disk.failNextDirectoryForces(1);
                case 6 -> world.evict();
                default -> world.disk.writeBackSome(random);
            }
            return;
        }
        int dice = random.nextInt(1_000);
        if (dice < 197) {
            progress.note("send");
            world.send(1 + random.nextInt(6));
        } else if (dice < 199) {
            progress.note("purge");
            world.purge();
        } else if (dice < 200) {
            progress.note("seek");
            world.seek();
        } else if (dice < 320) {
            progress.note("pop");
            world.pop(1 + random.nextInt(30), random.nextInt(200));
        } else if (dice < 450) {
            progress.note("settle");
            world.settleSome();
        } else if (dice < 460) {
            progress.note("consumer gone");
            world.consumerGone();
        } else if (dice < 640) {
            progress.note("write");
            world.write(1 + random.nextInt(6));
        } else if (dice < 740) {
            progress.note("flush");
            world.takeRange();
            if (random.nextBoolean()) {
                world.force();
            }
        } else if (dice < 800) {
            progress.note("rewrite");
            world.rewrite(1 + random.nextInt(20));
        } else if (dice < 850) {
            progress.note("checkpoint");
            world.checkpointStep();
        } else if (dice < 890) {
            progress.note("prepare");
            world.prepare();
        } else if (dice < 930) {
            progress.note("read");
            world.read();
        } else if (dice < 940) {
            progress.note("room again");
            world.disk.roomAgain();
        } else if (dice < 975) {
            progress.note("evacuation");
            world.evacuationStep();
        } else if (dice < 976) {
            progress.note("walk");
            world.walk();
        } else {
            progress.note("clock");
            world.nowMillis += random.nextInt(60);
        }
    }

    /** What the worlds of a run went through. */
    private static final class Seen {
        private long kills;
        private long powerCuts;
        private long rewrites;
        private long checkpoints;
        private long cleanStops;
        private long openCrashes;
        private long lateHandles;
        private long messagesRead;
        private long evacuations;
        private long purges;
        private long recordsWalked;

        void add(StripeWorld world) {
            kills += world.kills;
            powerCuts += world.powerCuts;
            rewrites += world.rewrites;
            checkpoints += world.checkpoints;
            cleanStops += world.cleanStops;
            openCrashes += world.openCrashes;
            lateHandles += world.lateHandles;
            messagesRead += world.messagesRead;
            evacuations += world.evacuations;
            purges += world.purges;
            recordsWalked += world.recordsWalked;
        }

        long crashes() {
            return kills + powerCuts + openCrashes;
        }

        @Override
        public String toString() {
            return crashes() + " crashes: " + kills + " kills, " + powerCuts + " power cuts, " + openCrashes
                    + " crashes of recovery, "
                    + cleanStops
                    + " clean stops, " + rewrites + " rewrites, " + checkpoints + " checkpoints, " + lateHandles
                    + " handles of earlier epochs, " + messagesRead + " messages read, " + evacuations
                    + " segments emptied, "
                    + purges + " purges, " + recordsWalked + " records walked";
        }
    }

    // ---- scripts --------------------------------------------------------------------------------------------------

    private interface Script {
        void run(StripeWorld world) throws Exception;
    }

    /** Runs a script under several seeds: sectors that survive a power cut are a matter of luck. */
    private static void script(String name, Script script) {
        SeededRun.run(name, (random, progress) -> {
            for (int round = 0; round < 30; round++) {
                progress.at(round);
                StripeWorld world = new StripeWorld(random, SMALL);
                script.run(world);
                world.drain();
            }
        });
    }

    private static void sendAndPop(StripeWorld world) {
        for (int i = 0; i < 10; i++) {
            world.send(5);
            world.prepare();
            world.write(100);
            world.pop(5, 100);
            world.prepare();
            world.write(100);
        }
    }

    private static void failForce(StripeWorld world) {
        world.disk.failNextForces(1);
        assertThat(world.flush()).isFalse();
        assertThat(world.log.phase()).isEqualTo(Phase.REWRITING);
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void rewrittenRecordsAnsweredFlushedSurviveAPowerCutBeforeTheNextCheckpoint() {
        script("force fails, rewritten, power cut", world -> {
            sendAndPop(world);
            world.flush();
            sendAndPop(world);
            failForce(world);
            world.rewrite(1_000);
            assertThat(world.durable()).isEqualTo(world.written());
            world.evict();
            world.powerCut();
        });
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void killedBeforeTheRewriteNothingWrittenIsMissing() {
        script("force fails, killed before the rewrite", world -> {
            sendAndPop(world);
            world.flush();
            sendAndPop(world);
            failForce(world);
            world.kill();
        });
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void killedInTheMiddleOfTheRewriteNothingWrittenIsMissing() {
        script("force fails, killed in the rewrite", world -> {
            sendAndPop(world);
            world.flush();
            sendAndPop(world);
            failForce(world);
            world.rewrite(3 + world.random.nextInt(8));
            assertThat(world.log.phase()).isEqualTo(Phase.REWRITING);
            world.kill();
        });
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void killedInTheMiddleOfJoiningTheRewriteNothingWrittenIsMissing() {
        script("force fails, killed in joining", world -> {
            sendAndPop(world);
            world.flush();
            sendAndPop(world);
            failForce(world);
            while (!world.log.isRewriteComplete()) {
                world.rewrite(1);
            }
            world.disk.crashAtOperation(world.disk.operations() + 1 + world.random.nextInt(8), world.random);
            try {
                world.rewrite(1);
            } catch (DiskCrashed e) {
                if (world.random.nextBoolean()) {
                    world.kill();
                } else {
                    world.powerCut();
                }
            }
        });
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void killedRightAfterTheRewriteNothingWrittenIsMissing() {
        script("force fails, killed after the rewrite", world -> {
            sendAndPop(world);
            world.flush();
            sendAndPop(world);
            failForce(world);
            world.rewrite(1_000);
            world.kill();
            sendAndPop(world);
            world.powerCut();
        });
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void crashInTheMiddleOfRecoverysCopyingLosesNothing() {
        script("crash in recovery's copying", world -> {
            sendAndPop(world);
            world.flush();
            sendAndPop(world);
            world.killAndCrashAgainAt(1 + world.random.nextInt(60));
        });
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void everyOperationOfRecoveryMayBeItsLast() {
        SeededRun.run("crash at every operation of recovery", (random, progress) -> {
            for (int operation = 1; ; operation++) {
                progress.at(operation);
                StripeWorld world = new StripeWorld(random, SMALL);
                sendAndPop(world);
                world.flush();
                sendAndPop(world);
                if (!world.killAndCrashAgainAt(operation)) {
                    assertThat(operation).isGreaterThan(5);
                    return;
                }
                world.drain();
            }
        });
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void secondStartWithoutAnythingForcedInTheFirstLosesNothing() {
        script("two starts", world -> {
            sendAndPop(world);
            world.kill();
            world.kill();
            sendAndPop(world);
            world.kill();
            world.powerCut();
        });
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void handleIsGoodAfterItsRecordWasRewritten() {
        script("handle of a rewritten record", world -> {
            sendAndPop(world);
            failForce(world);
            world.rewrite(1_000);
            assertThat(world.ack(world.handleCount() - 1)).isEqualTo(HandleOutcome.ACCEPTED);
            world.write(10);
            world.flush();
            assertThat(world.ack(world.handleCount() - 1)).isEqualTo(HandleOutcome.ALREADY_SETTLED);
        });
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void handleIsGoodAfterItsRecordWasRewrittenAndTwoRestarts() {
        script("handle of a rewritten record, two restarts", world -> {
            sendAndPop(world);
            failForce(world);
            world.rewrite(1_000);
            world.kill();
            world.powerCut();
            assertThat(world.ack(world.handleCount() - 1)).isEqualTo(HandleOutcome.ACCEPTED);
            world.write(10);
            world.flush();
            world.powerCut();
            assertThat(world.ack(world.handleCount() - 1)).isEqualTo(HandleOutcome.ALREADY_SETTLED);
        });
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void checkpointAndCleaningKeepWhatIsNeeded() {
        script("checkpoints", world -> {
            for (int round = 0; round < 4; round++) {
                for (int i = 0; i < 20; i++) {
                    sendAndPop(world);
                    world.settleSome();
                }
                world.settleDown();
                world.checkpoint();
                world.powerCut();
            }
        });
    }
}
