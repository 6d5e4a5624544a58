package io.forebay.storage.io;

import java.io.IOException;
import java.util.List;

/** A directory of the file system. */
public final class FileStorageDirectory implements StorageDirectory {
    private final String path;

    private FileStorageDirectory(String path) {
        this.path = path;
    }

    /** Opens the directory, making it when it is missing. */
    public static FileStorageDirectory at(String path) throws IOException {
        throw new AssertionError("skeleton");
    }

    @Override
    public String path() {
        return path;
    }

    @Override
    public List<String> list() throws IOException {
        throw new AssertionError("skeleton");
    }

    @Override
    public List<String> children() throws IOException {
        throw new AssertionError("skeleton");
    }

    @Override
    public StorageFile create(String name, long sizeBytes) throws IOException {
        throw new AssertionError("skeleton");
    }

    @Override
    public StorageFile open(String name) throws IOException {
        throw new AssertionError("skeleton");
    }

    @Override
    public void rename(String from, String to) throws IOException {
        throw new AssertionError("skeleton");
    }

    @Override
    public void delete(String name) throws IOException {
        throw new AssertionError("skeleton");
    }

    @Override
    public void forceDirectory() throws IOException {
        throw new AssertionError("skeleton");
    }

    @Override
    public StorageDirectory child(String name) throws IOException {
        throw new AssertionError("skeleton");
    }

    @Override
    public long usableBytes() throws IOException {
        throw new AssertionError("skeleton");
    }

    @Override
    public void close() {}
}
