package io.forebay.testkit.faults;

import java.io.IOException;

/**
 * Told of every operation before it takes effect, but for {@link Operation#OPEN}; may throw to make it fail, or wait to make it
 * slow. A force that it fails has lost what it was to write, as one that fails by a {@link Fault}.
 */
@FunctionalInterface
public interface DiskObserver {
    /** What a {@link MemoryDisk} is asked to do. */
    enum Operation {
        CREATE,
        WRITE,
        FORCE,
        RENAME,
        DELETE,
        FORCE_DIRECTORY,
        OPEN,
        READ,
        READ_COLD;

        /** Whether it changes what a crash leaves behind; only these are counted. */
        public boolean isMutation() {
            return this != OPEN && this != READ && this != READ_COLD;
        }
    }

    /**
     * @param path of the file, or of the directory, from the root of the disk
     * @param at first byte, 0 for operations on names
     * @param length bytes, 0 for operations on names
     */
    void before(Operation operation, String path, long at, long length) throws IOException;
}
