package io.forebay.storage.io;

import java.io.IOException;
import java.util.List;

/**
 * One directory of files with flat names: a stripe's, or the node's root. A created, renamed or deleted name is durable
 * only after {@link #forceDirectory()}. Thread-safe for different names.
 */
public interface StorageDirectory extends AutoCloseable {
    /** Where it is, for messages only. */
    String path();

    /** The names of the files in it, sorted; subdirectories are not listed. */
    List<String> list() throws IOException;

    /** The names of the subdirectories in it, sorted. */
    List<String> children() throws IOException;

    /**
     * Makes a file whose blocks are really written with zeros (a sparse file would fail late). Nothing is forced yet.
     *
     * @throws DiskFullException if there is no room; what was made of the file is removed
     * @throws java.nio.file.FileAlreadyExistsException if it exists
     */
    StorageFile create(String name, long sizeBytes) throws IOException;

    /**
     * Opens an existing file with the size it has.
     *
     * @throws java.nio.file.NoSuchFileException if it is missing
     */
    StorageFile open(String name) throws IOException;

    /** Renames a file that is not open; replaces nothing. */
    void rename(String from, String to) throws IOException;

    /** Removes a file. */
    void delete(String name) throws IOException;

    /** Forces the names in this directory. */
    void forceDirectory() throws IOException;

    /** The subdirectory of that name, made and forced when missing. */
    StorageDirectory child(String name) throws IOException;

    /** Bytes that can still be allocated here. */
    long usableBytes() throws IOException;

    @Override
    void close() throws IOException;
}
