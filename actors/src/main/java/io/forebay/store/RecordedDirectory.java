package io.forebay.store;

import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.util.List;
import java.util.regex.Pattern;

/**
 * A directory whose forces, and those of the files in it, the flight recorder is told of: also those of a device that fails at
 * everything, for which no range of appends is forced any more. It changes nothing else, and closes what it is made of.
 */
final class RecordedDirectory implements StorageDirectory {
    private static final Pattern BEHIND_KIND = Pattern.compile("[-.].*");

    /** What forces. */
    private interface Force {
        void run() throws IOException;
    }

    private final StorageDirectory directory;
    private final int stripeId;
    private final FlightRecorder recorder;

    RecordedDirectory(StorageDirectory directory, int stripeId, FlightRecorder recorder) {
        this.directory = directory;
        this.stripeId = stripeId;
        this.recorder = recorder;
    }

    private void record(String kind, long bytes, Force force) throws IOException {
        Object event = recorder.beginFileForce();
        boolean isForced = false;
        try {
            force.run();
            isForced = true;
        } finally {
            recorder.endFileForce(event, stripeId, kind, bytes, !isForced);
        }
    }

    @Override
    public String path() {
        return directory.path();
    }

    @Override
    public List<String> list() throws IOException {
        return directory.list();
    }

    @Override
    public List<String> children() throws IOException {
        return directory.children();
    }

    @Override
    public StorageFile create(String name, long sizeBytes) throws IOException {
        return new RecordedFile(directory.create(name, sizeBytes));
    }

    @Override
    public StorageFile open(String name) throws IOException {
        return new RecordedFile(directory.open(name));
    }

    @Override
    public void rename(String from, String to) throws IOException {
        directory.rename(from, to);
    }

    @Override
    public void delete(String name) throws IOException {
        directory.delete(name);
    }

    @Override
    public void forceDirectory() throws IOException {
        record("directory", 0, directory::forceDirectory);
    }

    @Override
    public StorageDirectory child(String name) throws IOException {
        return new RecordedDirectory(directory.child(name), stripeId, recorder);
    }

    @Override
    public long usableBytes() throws IOException {
        return directory.usableBytes();
    }

    @Override
    public void close() throws IOException {
        directory.close();
    }

    private final class RecordedFile implements StorageFile {
        private final StorageFile file;
        private final String kind;

        RecordedFile(StorageFile file) {
            this.file = file;
            this.kind = BEHIND_KIND.matcher(file.name()).replaceFirst("");
        }

        @Override
        public String name() {
            return file.name();
        }

        @Override
        public long sizeBytes() {
            return file.sizeBytes();
        }

        @Override
        public void write(long at, byte[] source, int from, int length) throws IOException {
            file.write(at, source, from, length);
        }

        @Override
        public void read(long at, byte[] target, int from, int length) throws IOException {
            file.read(at, target, from, length);
        }

        @Override
        public void readCold(long at, byte[] target, int from, int length) throws IOException {
            file.readCold(at, target, from, length);
        }

        @Override
        public void force(long at, long length) throws IOException {
            record(kind, length, () -> file.force(at, length));
        }

        @Override
        public void touch(long at, long length) {
            file.touch(at, length);
        }

        @Override
        public void close() throws IOException {
            file.close();
        }

        @Override
        public void abandon() throws IOException {
            file.abandon();
        }

        @Override
        public String toString() {
            return file.toString();
        }
    }
}
