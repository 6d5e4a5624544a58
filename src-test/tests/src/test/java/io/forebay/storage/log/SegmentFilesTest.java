package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.HashMap;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * Segments are freed, kept for reuse, taken again and deleted. Whatever fails on the way, and wherever a crash comes, no file
 * is left that nobody knows of, and nothing that is needed goes (I1).
 */
class SegmentFilesTest {
    private final RandomGenerator random = new SplittableRandom(3);

    private static void turnOver(LogDriver driver, RandomGenerator random, int frames) throws IOException {
        for (int step = 0; step < frames; step++) {
            driver.append(random);
        }
        for (int queue = 1; queue <= 5; queue++) {
            long next = driver.log.nextOffset(queue);
            driver.released().put(queue, next);
            driver.log.releaseBelow(queue, next);
        }
        driver.checkpoint(random, false);
        driver.log.prepareNext();
    }

    private static List<String> logFiles(MemoryDisk disk) {
        return disk.files().stream()
                .filter(name -> name.startsWith("segment-") || SegmentStore.isSpare(name))
                .toList();
    }

    /** A checkpoint frees several files; what is used up before the next one is made of those, and a log that rests gives them back. */
    @Test
    void aLogThatGrowsGoesOnInTheFilesItHas() throws IOException {
        MemoryDisk disk = new MemoryDisk();
        StripeOptions options = LogDriver.OPTIONS.withSpareSegments(2, 16);
        LogDriver driver = new LogDriver(disk, options, new LogModel(), new HashMap<>(), 0);
        for (int round = 0; round < 3; round++) {
            turnOver(driver, random, 400);
        }
        AtomicInteger made = new AtomicInteger();
        disk.observe((what, path, at, length) -> {
            if (what == Operation.CREATE && path.startsWith("segment-")) {
                made.incrementAndGet();
            }
        });
        long before = driver.log.writtenBytes().messages();
        for (int round = 0; round < 10; round++) {
            turnOver(driver, random, 400);
        }
        long written = driver.log.writtenBytes().messages() - before;
        assertThat(written).as("segments used up").isGreaterThan(30L * options.segmentBytes());
        assertThat(made.get()).as("of which were made anew").isLessThanOrEqualTo(2);
        assertThat(spares(disk)).hasSizeBetween(3, 10);
        driver.checkpoint(random, false);
        driver.checkpoint(random, false);
        assertThat(spares(disk)).hasSize(2);
        driver.log.close(true);
        assertThat(LogVerifier.verify(disk).problems()).isEmpty();
    }

    /** On a full disk a file of the index gets the room of a segment that is kept because the log grew, not of the reserve. */
    @Test
    void sparesGiveTheirRoomToTheIndex() throws IOException {
        MemoryDisk disk = new MemoryDisk();
        StripeOptions options = LogDriver.OPTIONS.withSpareSegments(1, 16).withIndexFileBytes(8 * 1024);
        LogDriver driver = new LogDriver(disk, options, new LogModel(), new HashMap<>(), 0);
        for (int round = 0; round < 4; round++) {
            turnOver(driver, random, 400);
        }
        driver.log.collect();
        assertThat(spares(disk)).hasSizeGreaterThan(3);
        long before = indexFiles(disk);
        disk.fullAfter(0);
        assertThatThrownBy(() -> {
                    for (int step = 0; step < 10_000; step++) {
                        driver.append(random);
                        driver.force();
                        driver.log.prepareNext();
                    }
                })
                .as("when all is used up")
                .isInstanceOf(IOException.class);
        assertThat(indexFiles(disk)).as("files of the index").isGreaterThan(before);
        disk.roomAgain();
        driver.log.prepareNext();
        turnOver(driver, random, 100);
        driver.log.close(true);
        assertThat(LogVerifier.verify(disk).problems()).isEmpty();
    }

    private static long indexFiles(MemoryDisk disk) {
        return disk.files().stream().filter(name -> name.startsWith("index/")).count();
    }

    private static List<String> spares(MemoryDisk disk) {
        return disk.files().stream().filter(SegmentStore::isSpare).toList();
    }

    /** Before, the other one renamed a file that was not closed yet. */
    @Test
    void whoCollectsBesideAnotherLeavesAloneWhatThatOneIsClosing() throws IOException {
        MemoryDisk disk = new MemoryDisk();
        AtomicReference<Callable<Void>> atFirstClose = new AtomicReference<>();
        LogDriver driver = new LogDriver(closing(disk, atFirstClose), new LogModel(), new HashMap<>(), 0);
        atFirstClose.set(() -> {
            driver.log.collect();
            return null;
        });
        turnOver(driver, random, 300);
        assertThat(atFirstClose).as("files are closed").hasValue(null);
        long kept = driver.log.storedBytes() / LogDriver.OPTIONS.segmentBytes();
        assertThat(logFiles(disk)).hasSizeLessThanOrEqualTo((int) kept + LogDriver.OPTIONS.spareSegmentsMax());
        driver.log.close(true);
    }

    /** The files of a directory, the first of which calls something before it is closed. */
    private static StorageDirectory closing(StorageDirectory directory, AtomicReference<Callable<Void>> atFirstClose) {
        return delegate(
                StorageDirectory.class,
                directory,
                result -> {
                    if (!(result instanceof StorageFile file)) {
                        return result;
                    }
                    return delegate(StorageFile.class, file, UnaryOperator.identity(), name -> {
                        Callable<Void> call = name.equals("close") ? atFirstClose.getAndSet(null) : null;
                        return call == null ? null : call.call();
                    });
                },
                name -> null);
    }

    private interface CallByName {
        Object before(String name) throws Exception;
    }

    private static <T> T delegate(Class<T> type, T target, UnaryOperator<Object> mapped, CallByName before) {
        return type.cast(Proxy.newProxyInstance(
                type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> {
                    before.before(method.getName());
                    try {
                        return mapped.apply(method.invoke(target, arguments));
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                }));
    }

    @Test
    void aCrashAtAnyStepLeavesNoFileBehind() throws IOException {
        MemoryDisk disk = new MemoryDisk();
        LogDriver first = LogDriver.fresh(disk);
        for (int round = 0; round < 3; round++) {
            turnOver(first, random, 150);
        }
        first.log.close(true);
        SplittableRandom seeds = new SplittableRandom(4);
        boolean isOver = false;
        int crashes = 0;
        for (int operation = 1; !isOver; operation++) {
            MemoryDisk each = disk.killImage();
            AtomicInteger untilCrash = new AtomicInteger(operation);
            LogModel model = new LogModel();
            model.entries().addAll(first.model.entries());
            LogDriver driver = new LogDriver(each, model, new HashMap<>(first.released()), model.lastSequence());
            // Only at what creates, renames, deletes and forces names; the header that comes between is one of the
            // writes.
            each.observe((what, path, at, length) -> {
                boolean isStep = what == Operation.CREATE
                        || what == Operation.RENAME
                        || what == Operation.DELETE
                        || what == Operation.FORCE_DIRECTORY
                        || (at == 0 && (what == Operation.WRITE || what == Operation.FORCE));
                if (isStep && untilCrash.decrementAndGet() == 0) {
                    each.crashAtOperation(each.operations() + 1, seeds);
                }
            });
            long durable = model.lastSequence();
            isOver = true;
            try {
                SplittableRandom same = new SplittableRandom(77);
                for (int round = 0; round < 2; round++) {
                    turnOver(driver, same, 150);
                    durable = driver.log.durableSequence();
                }
                driver.log.close(false);
            } catch (DiskCrashed e) {
                isOver = false;
                crashes++;
                durable = Math.max(durable, driver.log.durableSequence());
                close(driver);
            }
            for (boolean isPowerCut : new boolean[] {false, true}) {
                MemoryDisk image = isPowerCut ? each.powerCutImage(seeds) : each.killImage();
                LogModel copy = new LogModel();
                copy.entries().addAll(driver.model.entries());
                LogDriver again = new LogDriver(image, copy, new HashMap<>(driver.released()), durable);
                turnOver(again, seeds, 100);
                turnOver(again, seeds, 100);
                again.log.close(true);
                LogVerifier.Report report = LogVerifier.verify(image);
                assertThat(report.problems()).isEmpty();
                assertThat(report.notes()).as("files of nobody").isEmpty();
                assertThat(logFiles(image)).as("operation %d", operation).hasSizeLessThanOrEqualTo(12);
                assertThat(image.openFiles()).isEmpty();
            }
        }
        assertThat(crashes).isGreaterThan(20);
    }

    /** Where the second try of a rewrite comes too late for a run that was linked, or not, and takes it apart. */
    @Test
    void aCrashWhileARunIsGivenUpLeavesNothingThatIsNotKnown() throws IOException {
        for (boolean isLinkTried : new boolean[] {false, true}) {
            int crashes = 0;
            boolean isOver = false;
            for (int operation = 1; !isOver; operation++) {
                MemoryDisk disk = new MemoryDisk();
                LogDriver driver = failed(disk);
                long durable = driver.log.durableSequence();
                failForceOf(disk, isLinkTried ? 0 : SegmentHeader.PAGE_BYTES);
                assertThatThrownBy(() -> driver.rewrite(Integer.MAX_VALUE)).isInstanceOf(IOException.class);
                disk.observe((what, path, at, length) -> {});
                disk.crashAtOperation(disk.operations() + operation, random);
                isOver = true;
                try {
                    driver.log.collect();
                    assertThat(driver.rewrite(Integer.MAX_VALUE)).isTrue();
                } catch (DiskCrashed e) {
                    isOver = false;
                    crashes++;
                }
                long promised = isOver ? driver.model.lastSequence() : durable;
                for (MemoryDisk image : List.of(disk.killImage(), disk.powerCutImage(random))) {
                    LogModel model = new LogModel();
                    model.entries().addAll(driver.model.entries());
                    LogDriver again = new LogDriver(image, model, new HashMap<>(), promised);
                    assertThat(again.log.report().findings()).noneMatch(finding -> finding.contains("segment-"));
                    turnOver(again, random, 100);
                    again.log.close(true);
                    assertThat(LogVerifier.verify(image).notes()).isEmpty();
                    assertThat(image.files()).noneMatch(name -> name.startsWith("given-up-"));
                    assertThat(image.openFiles()).isEmpty();
                }
            }
            assertThat(crashes).isGreaterThan(8);
        }
    }

    /** As when the answer of a device is lost. */
    @Test
    void whatIsRenamedThoughAnErrorIsToldIsTakenApartAllTheSame() throws IOException {
        MemoryDisk disk = new MemoryDisk();
        AtomicInteger lies = new AtomicInteger();
        StorageDirectory lying = (StorageDirectory) Proxy.newProxyInstance(
                StorageDirectory.class.getClassLoader(),
                new Class<?>[] {StorageDirectory.class},
                (proxy, method, arguments) -> {
                    try {
                        Object result = method.invoke(disk, arguments);
                        boolean isGivenUp =
                                method.getName().equals("rename") && ((String) arguments[1]).startsWith("given-up-");
                        if (isGivenUp && lies.getAndIncrement() == 0) {
                            throw new IOException("Input/output error");
                        }
                        return result;
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
        LogDriver driver = failed(lying);
        failForceOf(disk, SegmentHeader.PAGE_BYTES);
        assertThatThrownBy(() -> driver.rewrite(Integer.MAX_VALUE)).isInstanceOf(IOException.class);
        disk.observe((what, path, at, length) -> {});
        assertThatThrownBy(driver.log::collect).hasMessageContaining("Input/output error");
        driver.log.collect();
        assertThat(lies).hasValue(1);
        assertThat(disk.files()).noneMatch(name -> name.startsWith("given-up-"));
        assertThat(driver.rewrite(Integer.MAX_VALUE)).isTrue();
        driver.log.collect();
        driver.log.close(true);
        assertThat(LogVerifier.verify(disk).notes()).isEmpty();
    }

    /** The first force at that byte of the first segment that is forced fails. */
    private static void failForceOf(MemoryDisk disk, long byteOfFile) {
        AtomicReference<String> first = new AtomicReference<>();
        AtomicInteger failures = new AtomicInteger();
        disk.observe((what, path, at, length) -> {
            if (what == Operation.FORCE && path.startsWith("segment-") && at == SegmentHeader.PAGE_BYTES) {
                first.compareAndSet(null, path);
            }
            boolean isWanted = what == Operation.FORCE && path.equals(first.get()) && at == byteOfFile;
            if (isWanted && failures.getAndIncrement() == 0) {
                throw new IOException("Input/output error");
            }
        });
    }

    /** Over more than one segment nothing is durable. */
    private LogDriver failed(StorageDirectory disk) throws IOException {
        LogDriver driver = LogDriver.fresh(disk);
        for (int step = 0; step < 20; step++) {
            driver.append(random);
        }
        driver.force();
        for (int step = 0; step < 260; step++) {
            driver.append(random);
        }
        driver.take();
        driver.fail();
        return driver;
    }

    private static void close(LogDriver driver) {
        try {
            driver.log.close(false);
        } catch (IOException | DiskCrashed e) {
            // The disk is gone.
            return;
        }
    }

    @Test
    void whatCannotBeOpenedRenamedOrDeletedIsTriedAgain() {
        SeededRun.run("names that cannot be changed", (random, progress) -> {
            MemoryDisk disk = new MemoryDisk();
            LogDriver driver = LogDriver.fresh(disk);
            for (int round = 0; round < 60; round++) {
                progress.at(round);
                disk.failNextNameChanges(round < 50 ? random.nextInt(4) : 0);
                if (round % 3 == 0) {
                    disk.failNextDirectoryForces(random.nextInt(2));
                }
                try {
                    turnOver(driver, random, 60);
                } catch (IOException e) {
                    assertThat(e).hasMessageContaining("Input/output error");
                }
                disk.failNextNameChanges(0);
                disk.failNextDirectoryForces(0);
            }
            driver.checkpoint(random, false);
            driver.checkMessages();
            assertThat(logFiles(disk)).hasSizeLessThanOrEqualTo(10);
            driver.log.close(true);
            assertThat(disk.openFiles()).isEmpty();
            assertThat(LogVerifier.verify(disk).notes()).isEmpty();
            new LogDriver(disk, driver.model, driver.released(), driver.model.lastSequence()).log.close(true);
        });
    }

    @Test
    void aSegmentThatIsReadStaysUntilItIsNot() throws IOException {
        MemoryDisk disk = new MemoryDisk();
        LogDriver driver = LogDriver.fresh(disk);
        for (int step = 0; step < 700; step++) {
            driver.append(random);
        }
        int[] during = {0};
        driver.log.newWalker().walk(LogWalker.Span.everything(), record -> {
            if (during[0] == 0) {
                turnOver(driver, random, 100);
                turnOver(driver, random, 100);
                during[0] = logFiles(disk).size();
            }
            return true;
        });
        driver.log.prepareNext();
        assertThat(logFiles(disk).size()).isLessThan(during[0]);
        driver.log.close(true);
    }
}
