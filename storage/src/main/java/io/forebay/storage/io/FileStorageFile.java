package io.forebay.storage.io;

import java.io.EOFException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A file of the file system; mapped when it is made or touched, else at the first access that wants it, so that cold files never are. Bytes are read through the map, and
 * stored through it if they are few. More of them are written with a call, into the same pages: the first store into a page behind each
 * force of it is a fault, which costs several times what it costs to write the whole page with a call (see docs/performance.md).
 */
final class FileStorageFile implements StorageFile {
    /** The channel copies a heap array through a direct buffer it keeps per thread; this bounds that buffer. */
    private static final int POSITIONAL_BYTES_MAX = 256 * 1024;

    /** An entry of an index goes through the map, a frame of a log does not. */
    private static final int STORED_BYTES_MAX = 64;

    private final Path path;
    private final long sizeBytes;
    private final boolean isMapped;
    private final Object opening = new Object();
    /**
     * Not used for reading: an interrupt of a reading thread closes its channel, and with it the errors a force reports. Who writes must
     * not be interrupted.
     */
    private volatile FileChannel writeChannel;

    private volatile FileChannel readChannel;
    private volatile MappedByteBuffer map;
    private volatile boolean isClosed;
    private volatile boolean hasUnforcedMetadata;

    /** A file just made, through the channel that made it. */
    FileStorageFile(Path path, FileChannel madeThrough, long sizeBytes, boolean isMapped) {
        this(path, sizeBytes, isMapped, true);
        this.writeChannel = madeThrough;
    }

    static FileStorageFile open(Path path, boolean isMapped) throws IOException {
        FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
        try {
            FileStorageFile file = new FileStorageFile(path, channel.size(), isMapped, false);
            file.readChannel = channel;
            return file;
        } catch (IOException e) {
            channel.close();
            throw FileStorageDirectory.named("open", path, e);
        }
    }

    private FileStorageFile(Path path, long sizeBytes, boolean isMapped, boolean isNew) {
        this.path = path;
        this.sizeBytes = sizeBytes;
        this.isMapped = isMapped && sizeBytes > 0 && sizeBytes <= Integer.MAX_VALUE;
        this.hasUnforcedMetadata = isNew;
    }

    @Override
    public String name() {
        return path.getFileName().toString();
    }

    @Override
    public long sizeBytes() {
        return sizeBytes;
    }

    @Override
    public void write(long at, byte[] source, int from, int length) throws IOException {
        checkRange(at, length);
        if (!isMapped || length > STORED_BYTES_MAX) {
            writePositional(at, source, from, length);
            return;
        }
        try {
            map().put((int) at, source, from, length);
        } catch (InternalError e) {
            throw new MappedAccessException("storing " + length + " bytes at " + at + " of " + path + " failed", e);
        }
    }

    private void writePositional(long at, byte[] source, int from, int length) throws IOException {
        try {
            for (int done = 0; done < length; ) {
                int part = Math.min(length - done, POSITIONAL_BYTES_MAX);
                done += writeChannel().write(ByteBuffer.wrap(source, from + done, part), at + done);
            }
        } catch (IOException e) {
            throw FileStorageDirectory.named("write " + length + " bytes at " + at + " of", path, e);
        }
    }

    @Override
    public void read(long at, byte[] target, int from, int length) throws IOException {
        checkRange(at, length);
        if (!isMapped) {
            readCold(at, target, from, length);
            return;
        }
        try {
            map().get((int) at, target, from, length);
        } catch (InternalError e) {
            throw new MappedAccessException("loading " + length + " bytes at " + at + " of " + path + " failed", e);
        }
    }

    @Override
    public void readCold(long at, byte[] target, int from, int length) throws IOException {
        checkRange(at, length);
        for (int done = 0; done < length; ) {
            int part = Math.min(length - done, POSITIONAL_BYTES_MAX);
            int count;
            try {
                count = readChannel().read(ByteBuffer.wrap(target, from + done, part), at + done);
            } catch (ClosedChannelException e) {
                if (isClosed || Thread.currentThread().isInterrupted()) {
                    throw e;
                }
                continue;
            } catch (IOException e) {
                throw FileStorageDirectory.named("read " + length + " bytes at " + at + " of", path, e);
            }
            if (count < 0) {
                throw new EOFException(path + " ends before byte " + (at + length));
            }
            done += count;
        }
    }

    @Override
    public void force(long at, long length) throws IOException {
        checkRange(at, length);
        try {
            MappedByteBuffer mapped = map;
            if (hasUnforcedMetadata) {
                writeChannel().force(true);
                hasUnforcedMetadata = false;
            }
            if (mapped == null) {
                writeChannel().force(false);
            } else if (length > 0) {
                mapped.force((int) at, (int) length);
            }
        } catch (UncheckedIOException e) {
            throw FileStorageDirectory.named("force " + length + " bytes at " + at + " of", path, e.getCause());
        } catch (IOException e) {
            throw FileStorageDirectory.named("force " + length + " bytes at " + at + " of", path, e);
        } catch (InternalError e) {
            throw new MappedAccessException("forcing " + length + " bytes at " + at + " of " + path + " failed", e);
        }
    }

    @Override
    public void touch(long at, long length) {
        try {
            mapNowIfWanted();
            byte[] scratch = new byte[(int) Math.min(length, POSITIONAL_BYTES_MAX)];
            for (long done = 0; done < length; done += scratch.length) {
                readCold(at + done, scratch, 0, (int) Math.min(scratch.length, length - done));
            }
        } catch (IOException e) {
            // Only a hint: what is wrong with the page shows at the first real access.
        }
    }

    @Override
    public void close() throws IOException {
        close(true);
    }

    /** To read from a map that is gone ends the process; the collector knows when nobody does. */
    @Override
    public void abandon() throws IOException {
        close(false);
    }

    private void close(boolean isUnmapped) throws IOException {
        synchronized (opening) {
            if (isClosed) {
                return;
            }
            isClosed = true;
            MappedByteBuffer mapped = map;
            map = null;
            if (mapped != null && isUnmapped) {
                Unmapper.unmap(mapped);
            }
            try {
                if (readChannel != null) {
                    readChannel.close();
                }
            } finally {
                if (writeChannel != null) {
                    writeChannel.close();
                }
            }
        }
    }

    private void checkRange(long at, long length) {
        if (at < 0 || length < 0 || at + length > sizeBytes) {
            throw new IndexOutOfBoundsException(
                    "bytes " + at + " to " + (at + length) + " of " + path + ", which has " + sizeBytes);
        }
    }

    private MappedByteBuffer map() throws IOException {
        MappedByteBuffer mapped = map;
        return mapped != null ? mapped : mapNow();
    }

    /**
     * For a file that is going to be read by many: a reader that is interrupted while it maps would close the channel that writes and
     * forces go through.
     */
    void mapNowIfWanted() throws IOException {
        if (isMapped) {
            map();
        }
    }

    private MappedByteBuffer mapNow() throws IOException {
        synchronized (opening) {
            checkOpen();
            if (map == null) {
                map = writeChannel().map(FileChannel.MapMode.READ_WRITE, 0, sizeBytes);
            }
            return map;
        }
    }

    private FileChannel writeChannel() throws IOException {
        FileChannel channel = writeChannel;
        if (channel != null) {
            return channel;
        }
        synchronized (opening) {
            checkOpen();
            if (writeChannel == null) {
                writeChannel = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
            }
            return writeChannel;
        }
    }

    /** Opened again if an interrupt of another reader has closed it. */
    private FileChannel readChannel() throws IOException {
        FileChannel channel = readChannel;
        if (channel != null && channel.isOpen()) {
            return channel;
        }
        synchronized (opening) {
            checkOpen();
            if (readChannel == null || !readChannel.isOpen()) {
                readChannel = FileChannel.open(path, StandardOpenOption.READ);
            }
            return readChannel;
        }
    }

    private void checkOpen() throws ClosedChannelException {
        if (isClosed) {
            throw new ClosedChannelException();
        }
    }
}
