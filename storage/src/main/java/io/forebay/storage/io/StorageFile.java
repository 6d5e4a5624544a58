package io.forebay.storage.io;

import java.io.IOException;

/**
 * One preallocated file of a {@link StorageDirectory}. Its size never changes. Writes and forces come from one thread at a
 * time (a force may run beside writes to other ranges); reads may come from any thread. Whether bytes travel through a
 * memory map or through positional calls is decided here and nowhere else.
 *
 * <p>Nobody may read, write or force after {@link #close()}; whoever hands a file to readers counts their leases.
 */
public interface StorageFile extends AutoCloseable {
    /** The file's flat name within its directory. */
    String name();

    /** The file's size in bytes. */
    long sizeBytes();

    /**
     * Copies bytes into the page cache; they then survive the end of the process, not of the machine.
     *
     * @throws MappedAccessException if the operating system could not give a page; everything written since the last good
     *     force is then to be treated as after a failed force
     */
    void write(long at, byte[] source, int from, int length) throws IOException;

    /** A hot read, through the map where there is one: for bytes that are expected in memory. */
    void read(long at, byte[] target, int from, int length) throws IOException;

    /** A cold read, always positional: a page fault never stalls the caller, a media error is an exception. */
    void readCold(long at, byte[] target, int from, int length) throws IOException;

    /**
     * Forces a range to the device.
     *
     * @throws IOException a failed force. It is final for these pages: forcing them again proves nothing
     */
    void force(long at, long length) throws IOException;

    /**
     * Brings a range into memory, so that parts of its pages are written without waiting for the device. Only a hint: it changes no
     * byte, promises nothing and does not fail. Blocks.
     */
    default void touch(long at, long length) {}

    /** Unmaps and closes. Forces nothing. */
    @Override
    void close() throws IOException;

    /**
     * As {@link #close()}, but for a file that others may still be reading: their reads end well or with an
     * {@code IOException}, and the map goes when the last of them has let go of it.
     */
    default void abandon() throws IOException {
        close();
    }
}
