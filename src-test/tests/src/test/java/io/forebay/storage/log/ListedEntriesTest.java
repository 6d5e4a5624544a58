package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import java.io.IOException;
import java.util.Random;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * I1, I2: a body that an entry names stays, whatever becomes of the files that list the entries. Faults: kill and power cut, each with some
 * of these files lost or damaged, and cleaning behind it that takes whatever is not known to be needed.
 */
class ListedEntriesTest {
    private static final int LIVES = 8;
    private static final int FRAMES = 600;

    private int listedCount;
    private int spoiltCount;

    @Test
    void bodiesThatEntriesNameStayWhateverBecomesOfTheirLists() {
        SeededRun.run("lists of entries", (random, progress) -> {
            MemoryDisk disk = new MemoryDisk();
            LogDriver driver = LogDriver.fresh(disk);
            for (int life = 0; life < LIVES; life++) {
                progress.at(life);
                live(driver, random);
                boolean isPowerCut = random.nextBoolean();
                progress.note(isPowerCut ? "power cut" : "kill");
                long promised = isPowerCut ? driver.log.durableSequence() : driver.model.lastSequence();
                disk = isPowerCut ? disk.powerCutImage(new Random(random.nextLong())) : disk.killImage();
                spoil(disk, random);
                driver = new LogDriver(disk, driver.model, driver.released(), promised);
            }
            live(driver, random);
            driver.log.close(true);
        });
        assertThat(listedCount).as("lists that starts have met").isGreaterThan(LIVES);
        assertThat(spoiltCount).as("of them lost or damaged").isPositive();
    }

    /** Of the queues that others name bodies of nothing is needed but those. */
    private static void live(LogDriver driver, RandomGenerator random) throws IOException {
        for (int step = 0; step < FRAMES; step++) {
            driver.append(random);
            if (step % 150 == 149) {
                for (int queue = 2; queue <= 4; queue++) {
                    long next = driver.log.nextOffset(queue);
                    driver.released().put(queue, next);
                    driver.log.releaseBelow(queue, next);
                }
                checkpoint(driver, random);
                driver.evacuate(random);
            }
        }
        for (int round = 0; round < 5; round++) {
            driver.evacuate(random);
            checkpoint(driver, random);
        }
        driver.checkMessages();
    }

    /** What an evacuation has left at the device comes first. */
    private static void checkpoint(LogDriver driver, RandomGenerator random) throws IOException {
        driver.force();
        driver.checkpoint(random, false);
    }

    private void spoil(MemoryDisk disk, RandomGenerator random) throws IOException {
        String directory = StripeLog.INDEX_DIRECTORY + "/";
        for (String path : disk.files()) {
            if (path.startsWith(directory + "entries-")) {
                listedCount++;
                int how = random.nextInt(4);
                if (how == 0) {
                    disk.child(StripeLog.INDEX_DIRECTORY).delete(path.substring(directory.length()));
                } else if (how == 1) {
                    disk.flip(path, random.nextLong(disk.sizeBytes(path)), 1 << random.nextInt(8));
                }
                spoiltCount += how < 2 ? 1 : 0;
            }
        }
    }
}
