package io.forebay.store;

import io.forebay.storage.io.DirectoryLock;
import io.forebay.storage.io.FileStorageDirectory;
import io.forebay.storage.io.StorageDirectory;
import java.io.IOException;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;

/**
 * What the stripes, and the node that serves them, take from outside: directory, wall clock, monotonic clock, chance. Tests and
 * simulations bring their own.
 *
 * @param opener opens and locks the node's directory; blocks
 * @param wall read once, at the start
 * @param nanoTime monotonic
 * @param random for the nonces of receipt handles, and for the numbers that tell new logs apart: nobody may be able to guess what it
 *     gives. Thread-safe
 */
public record StorageEnvironment(Opener opener, InstantSource wall, LongSupplier nanoTime, RandomGenerator random) {
    /** With nonces that nobody can guess. */
    public StorageEnvironment(Opener opener, InstantSource wall, LongSupplier nanoTime) {
        this(opener, wall, nanoTime, new SecureRandom());
    }

    /** Opens the node's directory. */
    public interface Opener {
        /**
         * Takes the exclusive right to a directory and opens it.
         *
         * @throws IOException typed, if it is locked or another node's
         */
        Root open(String directory, String nodeName) throws IOException;
    }

    /**
     * @param directory has a subdirectory for each stripe
     * @param lock closed last
     */
    public record Root(StorageDirectory directory, AutoCloseable lock) {}

    /** Real files, real time. */
    public static StorageEnvironment real() {
        return new StorageEnvironment(
                (directory, nodeName) -> {
                    DirectoryLock lock = DirectoryLock.acquire(directory, nodeName);
                    try {
                        return new Root(FileStorageDirectory.at(directory), lock);
                    } catch (IOException | RuntimeException e) {
                        lock.close();
                        throw e;
                    }
                },
                InstantSource.system(),
                System::nanoTime,
                new SecureRandom());
    }

    /** One directory for everything, unlocked; for a disk in memory. */
    public static StorageEnvironment of(StorageDirectory root, InstantSource wall, LongSupplier nanoTime) {
        return of(root, wall, nanoTime, new SecureRandom());
    }

    /** The same, with a chance that a seed brings back; for simulations. */
    public static StorageEnvironment of(
            StorageDirectory root, InstantSource wall, LongSupplier nanoTime, RandomGenerator random) {
        return new StorageEnvironment((directory, nodeName) -> new Root(root, () -> {}), wall, nanoTime, random);
    }
}
