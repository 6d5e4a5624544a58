package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.io.DiskFullException;
import io.forebay.storage.io.MappedAccessException;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import java.io.IOException;
import java.util.HashMap;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Random work on a stripe's log with every fault the disk knows, against a simple model. Invariants: I1 nothing promised
 * is missing (all that was written after a kill, all that was durable after a power cut), I2 nothing is invented or
 * altered, sequences and offsets stay what they were, and the log opens again after every crash (I8). Faults: kill, power
 * cut with a random rest of unforced sectors and names, crash at any operation of the disk (recovery and rewriting
 * included), failed forces of files and directories, failed stores, a full disk, evicted pages.
 */
@Tag("proof")
class StripeLogFaultTest {
    @Test
    void whatWasPromisedSurvivesEveryFault() {
        SeededRun.run("StripeLogFaultTest", (random, progress) -> {
            long evacuated = run(random, progress, SeededRun.steps(6_000));
            System.out.println("StripeLogFaultTest: " + evacuated + " evacuations");
        });
    }

    /** One life after the other; returns how many evacuations they saw. Mutants of the engine meet them, too. */
    static long run(RandomGenerator random, SeededRun.Progress progress, long steps) throws Exception {
        StripeLogFaultTest lives = new StripeLogFaultTest();
        long done = 0;
        while (done < steps) {
            done += lives.life(random, progress, done);
        }
        return lives.evacuations;
    }

    private long evacuations;

    /** One data directory from its beginning through some crashes. */
    private long life(RandomGenerator random, SeededRun.Progress progress, long step) throws Exception {
        MemoryDisk disk = new MemoryDisk();
        LogModel model = new LogModel();
        HashMap<Integer, Long> released = new HashMap<>();
        long promised = 0;
        long durable = 0;
        long first = step;
        int crashes = 3 + random.nextInt(12);
        for (int crash = 0; crash < crashes; crash++) {
            if (random.nextInt(3) == 0) {
                disk.crashAtOperation(disk.operations() + 1 + random.nextInt(60), random);
            }
            LogDriver driver = null;
            boolean isKilled = false;
            try {
                driver = new LogDriver(disk, model, released, promised);
                durable = model.lastSequence();
                if (random.nextInt(3) == 0) {
                    disk.crashAtOperation(disk.operations() + 1 + random.nextInt(300), random);
                }
                int count = random.nextInt(150);
                for (int index = 0; index < count; index++) {
                    progress.at(++step);
                    work(driver, disk, random, progress);
                }
                progress.note("stop");
                if (random.nextInt(4) == 0 && driver.log.phase() == Phase.RUNNING) {
                    driver.log.close(true);
                    driver = null;
                    durable = model.lastSequence();
                    promised = durable;
                } else {
                    isKilled = true;
                }
            } catch (DiskCrashed e) {
                isKilled = true;
            }
            if (isKilled) {
                boolean isPowerCut = random.nextBoolean();
                progress.note(isPowerCut ? "power cut" : "kill");
                if (driver != null) {
                    durable = driver.log.durableSequence();
                    boolean isWriting = driver.log.phase() == Phase.RUNNING;
                    promised = isWriting && !disk.isCrashed() ? model.lastSequence() : durable;
                    closeQuietly(driver, disk);
                }
                // What was only written is lost by a power cut also when that comes later, in the middle of a recovery.
                promised = isPowerCut ? durable : promised;
                disk = isPowerCut ? disk.powerCutImage(random) : disk.killImage();
            } else {
                disk = random.nextBoolean() ? disk.killImage() : disk.powerCutImage(random);
            }
            disk.roomAgain();
        }
        MemoryDisk last = disk;
        LogDriver driver = new LogDriver(last, model, released, promised);
        driver.log.close(true);
        LogVerifier.Report report = LogVerifier.verify(last);
        assertThat(report.problems()).isEmpty();
        assertThat(report.lastSequence()).isEqualTo(model.lastSequence());
        assertThat(last.openFiles()).isEmpty();
        assertThat(last.files())
                .as("what a crash leaves is known for what it is")
                .noneMatch(SegmentStore::isSetAside)
                .noneMatch(name -> SegmentStore.givenUpBaseOf(name) >= 0);
        return Math.max(1, step - first);
    }

    private static void closeQuietly(LogDriver driver, MemoryDisk disk) {
        try {
            driver.log.close(false);
        } catch (IOException | DiskCrashed e) {
            assertThat(disk.isCrashed()).isTrue();
        }
    }

    private void work(LogDriver driver, MemoryDisk disk, RandomGenerator random, SeededRun.Progress progress)
            throws IOException {
        if (driver.log.phase() == Phase.REWRITING) {
            rewrite(driver, disk, random, progress);
            return;
        }
        int choice = random.nextInt(100);
        try {
            if (choice < 60) {
                progress.note("append");
                if (random.nextInt(150) == 0) {
                    disk.failNextWrites(1);
                }
                driver.append(random);
            } else if (choice < 75) {
                progress.note("force");
                driver.force();
            } else if (choice < 78) {
                progress.note("take");
                driver.take();
            } else if (choice < 82) {
                progress.note("failed force");
                disk.failNextForces(1);
                driver.force();
            } else if (choice < 88) {
                progress.note("prepare");
                driver.log.prepareNext();
                if (random.nextInt(4) == 0) {
                    driver.log.keepReserve();
                    driver.log.collect();
                }
            } else if (choice < 91) {
                progress.note("checkpoint");
                driver.checkpoint(random, true);
            } else if (choice < 92) {
                progress.note("failing checkpoint");
                disk.failNextForces(random.nextInt(4));
                driver.checkpoint(random, true);
            } else if (choice < 93) {
                progress.note("full");
                disk.fullAfter(random.nextInt(100_000));
            } else if (choice < 95) {
                progress.note("release");
                driver.release(random);
            } else if (choice < 97) {
                progress.note("evacuate");
                disk.failNextForces(random.nextInt(6) == 0 ? 1 : 0);
                for (int count = 1 + random.nextInt(3); count > 0 && driver.evacuate(random); count--) {
                    evacuations++;
                }
                driver.checkpoint(random, false);
                driver.checkMessages();
            } else if (choice < 98) {
                disk.evictCleanPages();
            } else if (choice < 99) {
                disk.writeBackSome(random);
            } else {
                progress.note("read");
                driver.checkMessages();
                driver.checkWalk();
            }
        } catch (StripeException e) {
            switch (e.reason()) {
                case STORE_FAILED -> assertThat(driver.log.phase()).isEqualTo(Phase.REWRITING);
                case DISK_FULL -> disk.roomAgain();
                case DEVICE_FAILED, CHECKPOINT_VOID, WRONG_PHASE -> progress.note(e.toString());
                default -> throw e;
            }
        } catch (DiskFullException e) {
            disk.roomAgain();
        } catch (IOException e) {
            if (e.getMessage() == null || !e.getMessage().contains("Input/output error")) {
                throw e;
            }
            driver.fail();
        } finally {
            disk.failNextForces(0);
            disk.failNextWrites(0);
        }
    }

    private void rewrite(LogDriver driver, MemoryDisk disk, RandomGenerator random, SeededRun.Progress progress)
            throws IOException {
        progress.note("rewrite");
        disk.failNextForces(random.nextInt(6) == 0 ? 1 + random.nextInt(2) : 0);
        disk.failNextWrites(random.nextInt(20) == 0 ? 1 : 0);
        if (random.nextInt(3) == 0) {
            disk.roomAgain();
        }
        try {
            if (driver.rewrite(random.nextInt(3) == 0 ? random.nextInt(5) : Integer.MAX_VALUE)) {
                disk.evictCleanPages();
                driver.checkMessages();
            }
        } catch (StripeException | MappedAccessException e) {
            progress.note(e.toString());
        } catch (DiskFullException e) {
            disk.roomAgain();
        } catch (IOException e) {
            if (e.getMessage() == null || !e.getMessage().contains("Input/output error")) {
                throw e;
            }
        } finally {
            disk.failNextForces(0);
            disk.failNextWrites(0);
        }
    }
}
