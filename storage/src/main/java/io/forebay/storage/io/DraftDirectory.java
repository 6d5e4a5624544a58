package io.forebay.storage.io;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * A directory as it would be: what is written stays in memory, page by page, and the directory below is only read. So the code that
 * writes can be tried, and be asked afterwards what it would have written. Confined to one thread; holds what was changed in memory.
 */
public final class DraftDirectory implements StorageDirectory {
    private static final int PAGE_BYTES = 4096;

    private final StorageDirectory base;
    private final String path;
    private final Map<String, Draft> drafts = new TreeMap<>();
    private final Set<String> removed = new HashSet<>();
    private final Map<String, DraftDirectory> children = new TreeMap<>();

    /** What is known of a file that was opened or made. */
    private static final class Draft {
        /** Its name below, null if it is not there. */
        final String origin;

        final long sizeBytes;
        final TreeMap<Long, byte[]> pages = new TreeMap<>();

        Draft(String origin, long sizeBytes) {
            this.origin = origin;
            this.sizeBytes = sizeBytes;
        }
    }

    /**
     * A file that would be made or changed.
     *
     * @param sizeBytes it would have
     * @param pages what would be written, by address in the file; the rest is what it was, or zeros
     */
    public record Change(String name, boolean isMade, long sizeBytes, Map<Long, byte[]> pages) {
        public long changedBytes() {
            return pages.values().stream().mapToLong(page -> page.length).sum();
        }
    }

    /** A draft of that directory, which stays what it is and is not closed. */
    public DraftDirectory(StorageDirectory base) {
        this(base, base.path());
    }

    private DraftDirectory(StorageDirectory baseOrNull, String path) {
        this.base = baseOrNull;
        this.path = path;
    }

    /** The files of this directory, not of those in it, that would be made or changed, by name. */
    public List<Change> changes() throws IOException {
        List<Change> changes = new ArrayList<>();
        Set<String> below = new HashSet<>(base == null ? List.of() : base.list());
        for (Map.Entry<String, Draft> each : drafts.entrySet()) {
            Draft draft = each.getValue();
            boolean isMade = !below.contains(each.getKey());
            if (!draft.pages.isEmpty() || draft.origin == null) {
                if (draft.origin != null && !draft.origin.equals(each.getKey())) {
                    throw new AssertionError(each.getKey() + " was " + draft.origin + " and is written to");
                }
                changes.add(new Change(each.getKey(), isMade, draft.sizeBytes, new HashMap<>(draft.pages)));
            }
        }
        return changes;
    }

    @Override
    public String path() {
        return path;
    }

    @Override
    public List<String> list() throws IOException {
        Set<String> names = new TreeSet<>(drafts.keySet());
        if (base != null) {
            base.list().stream().filter(name -> !removed.contains(name)).forEach(names::add);
        }
        return List.copyOf(names);
    }

    @Override
    public List<String> children() throws IOException {
        Set<String> names = new TreeSet<>(children.keySet());
        if (base != null) {
            names.addAll(base.children());
        }
        return List.copyOf(names);
    }

    @Override
    public StorageFile create(String name, long sizeBytes) throws IOException {
        if (list().contains(name)) {
            throw new FileAlreadyExistsException(name);
        }
        Draft draft = new Draft(null, sizeBytes);
        drafts.put(name, draft);
        return new DraftFile(name, draft, null);
    }

    @Override
    public StorageFile open(String name) throws IOException {
        Draft draft = drafts.get(name);
        if (draft == null) {
            if (base == null || removed.contains(name)) {
                throw new NoSuchFileException(name);
            }
            StorageFile file = base.open(name);
            draft = new Draft(name, file.sizeBytes());
            drafts.put(name, draft);
            return new DraftFile(name, draft, file);
        }
        return new DraftFile(name, draft, draft.origin == null ? null : base.open(draft.origin));
    }

    @Override
    public void rename(String from, String to) throws IOException {
        if (list().contains(to)) {
            throw new FileAlreadyExistsException(to);
        }
        open(from).close();
        drafts.put(to, drafts.remove(from));
        removed.add(from);
    }

    @Override
    public void delete(String name) throws IOException {
        if (drafts.remove(name) == null && (removed.contains(name) || !list().contains(name))) {
            throw new NoSuchFileException(name);
        }
        removed.add(name);
    }

    @Override
    public void forceDirectory() {}

    @Override
    public StorageDirectory child(String name) throws IOException {
        DraftDirectory child = children.get(name);
        if (child == null) {
            boolean isThere = base != null && base.children().contains(name);
            child = new DraftDirectory(isThere ? base.child(name) : null, path + "/" + name);
            children.put(name, child);
        }
        return child;
    }

    @Override
    public long usableBytes() throws IOException {
        return base == null ? Long.MAX_VALUE : base.usableBytes();
    }

    @Override
    public void close() {}

    private static final class DraftFile implements StorageFile {
        private final String name;
        private final Draft draft;
        private final StorageFile file;

        DraftFile(String name, Draft draft, StorageFile fileOrNull) {
            this.name = name;
            this.draft = draft;
            this.file = fileOrNull;
        }

        @Override
        public String name() {
            return name;
        }

        @Override
        public long sizeBytes() {
            return draft.sizeBytes;
        }

        @Override
        public void write(long at, byte[] source, int from, int length) throws IOException {
            checkRange(at, length);
            for (int done = 0; done < length; ) {
                long pageAt = (at + done) / PAGE_BYTES * PAGE_BYTES;
                int inPage = (int) (at + done - pageAt);
                byte[] page = draft.pages.get(pageAt);
                if (page == null) {
                    page = new byte[(int) Math.min(PAGE_BYTES, draft.sizeBytes - pageAt)];
                    readBase(pageAt, page, 0, page.length);
                    draft.pages.put(pageAt, page);
                }
                int count = Math.min(length - done, page.length - inPage);
                System.arraycopy(source, from + done, page, inPage, count);
                done += count;
            }
        }

        private void readBase(long at, byte[] target, int from, int length) throws IOException {
            if (file == null) {
                Arrays.fill(target, from, from + length, (byte) 0);
            } else {
                file.readCold(at, target, from, length);
            }
        }

        @Override
        public void read(long at, byte[] target, int from, int length) throws IOException {
            readCold(at, target, from, length);
        }

        @Override
        public void readCold(long at, byte[] target, int from, int length) throws IOException {
            checkRange(at, length);
            if (draft.pages.isEmpty()) {
                readBase(at, target, from, length);
                return;
            }
            for (int done = 0; done < length; ) {
                long pageAt = (at + done) / PAGE_BYTES * PAGE_BYTES;
                int inPage = (int) (at + done - pageAt);
                int count = Math.min(length - done, PAGE_BYTES - inPage);
                byte[] page = draft.pages.get(pageAt);
                if (page == null) {
                    Long next = draft.pages.higherKey(pageAt);
                    count = next == null ? length - done : (int) Math.min(length - done, next - at - done);
                    readBase(at + done, target, from + done, count);
                } else {
                    System.arraycopy(page, inPage, target, from + done, count);
                }
                done += count;
            }
        }

        private void checkRange(long at, int length) {
            if (at < 0 || length < 0 || at + length > draft.sizeBytes) {
                throw new IndexOutOfBoundsException(
                        name + ": " + length + " bytes at " + at + " of " + draft.sizeBytes);
            }
        }

        @Override
        public void force(long at, long length) {}

        @Override
        public void close() throws IOException {
            if (file != null) {
                file.close();
            }
        }
    }
}
