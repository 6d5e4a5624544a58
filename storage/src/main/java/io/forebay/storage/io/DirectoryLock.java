package io.forebay.storage.io;

import java.io.IOException;

/**
 * The exclusive right to a node's data directory: a file lock, and the node's name kept in the directory. Released by
 * {@link #close()} and by the end of the process.
 */
public final class DirectoryLock implements AutoCloseable {
    private DirectoryLock() {}

    /**
     * @throws DirectoryLockedException if another process, or another node of this process, has it open
     * @throws ForeignDirectoryException if it is the directory of a node of another name
     */
    public static DirectoryLock acquire(String directory, String nodeName) throws IOException {
        throw new AssertionError("skeleton");
    }

    /** The name kept in the directory, or null if it has none yet. */
    public static String nodeName(String directory) throws IOException {
        throw new AssertionError("skeleton");
    }

    @Override
    public void close() throws IOException {}
}
