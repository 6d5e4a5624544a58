package io.forebay.storage.log;

import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/** The segment files of a stripe that is not running, as their names and header pages tell. Opened to be read. */
final class LogFiles implements AutoCloseable {
    private final NavigableMap<Long, Found> byBase = new TreeMap<>();
    private final Map<Long, Found> successors = new HashMap<>();
    private final List<String> spares = new ArrayList<>();
    /** Where segments end whose successor may be gone: as a manifest says. */
    private final Map<Long, Long> listedEnds = new HashMap<>();

    private Found first;

    /** A file named as a segment. */
    static final class Found {
        final String name;
        final long base;
        final StorageFile file;
        /** Null if {@link #problem} is not. */
        final SegmentHeader header;

        final String problem;
        private final boolean isCutShort;
        /** It was given a further use under another name, and the name is not durable. */
        private final boolean isRecycled;

        private boolean isTaken;

        private Found(
                String name,
                long base,
                StorageFile file,
                SegmentHeader header,
                String problem,
                boolean isCutShort,
                boolean isRecycled) {
            this.name = name;
            this.base = base;
            this.file = file;
            this.header = header;
            this.problem = problem;
            this.isCutShort = isCutShort;
            this.isRecycled = isRecycled;
        }

        boolean isLinked() {
            return header != null && header.isLinked();
        }

        /** Where the room for frames ends, by what is really there. */
        long limit() {
            return base + (header == null ? file.sizeBytes() : Math.min(file.sizeBytes(), header.sizeBytes()));
        }

        boolean isCutShort() {
            return isCutShort || (header != null && file.sizeBytes() < header.sizeBytes());
        }

        /**
         * Whether the file, which has no header to go by, was part of the log. A process that dies while it stores a
         * header leaves it torn, one that dies while it prepares a segment leaves none or an older one; but all of that
         * lies above everything that is durable.
         */
        boolean isDamaged(long durablePosition) {
            return problem != null && !isRecycled && (isCutShort || durablePosition > base);
        }

        long firstPosition() {
            return base + SegmentHeader.PAGE_BYTES;
        }

        /** The file goes over to someone who closes it. */
        StorageFile take() {
            isTaken = true;
            return file;
        }
    }

    private LogFiles() {}

    /** @throws StripeException if a segment is of a newer format */
    static LogFiles open(StorageDirectory directory) throws IOException {
        LogFiles files = new LogFiles();
        try {
            for (String name : directory.list()) {
                long base = Segment.baseOf(name);
                if (base >= 0) {
                    files.byBase.put(base, find(directory, name, base));
                } else if (SegmentStore.isSpare(name)) {
                    files.spares.add(name);
                }
            }
        } catch (IOException e) {
            files.close();
            throw e;
        }
        for (Found found : files.byBase.values()) {
            if (found.isLinked()) {
                // Ascending bases: of two successors the one with the higher base stays.
                if (found.header.predecessorBase() == SegmentHeader.NONE) {
                    files.first = found;
                } else {
                    files.successors.put(found.header.predecessorBase(), found);
                }
            }
        }
        return files;
    }

    private static Found find(StorageDirectory directory, String name, long base) throws IOException {
        StorageFile file = directory.open(name);
        try {
            byte[] page = new byte[SegmentHeader.BYTES];
            file.readCold(0, page, 0, (int) Math.min(page.length, file.sizeBytes()));
            String problem = SegmentHeader.problem(page);
            if (problem != null) {
                return new Found(name, base, file, null, problem, false, false);
            }
            if (SegmentHeader.formatVersion(page) > SegmentHeader.FORMAT_VERSION) {
                throw new StripeException(
                        StripeException.Reason.NEWER_FORMAT,
                        directory.path() + "/" + name + " has format version " + SegmentHeader.formatVersion(page)
                                + ", this program knows up to " + SegmentHeader.FORMAT_VERSION);
            }
            SegmentHeader header = SegmentHeader.decode(page);
            if (file.sizeBytes() < SegmentHeader.PAGE_BYTES) {
                // Its size is forced before it joins the chain: then it was cut, else it was never finished.
                String reason = "the file has only " + file.sizeBytes() + " bytes";
                return new Found(name, base, file, null, reason, header.isLinked(), false);
            }
            if (header.base() == base) {
                return new Found(name, base, file, header, null, false, false);
            }
            // Bases only grow: a file that has a higher one than its name says was free before it got that.
            boolean isRecycled = header.base() > base;
            return new Found(name, base, file, null, "the header is of base " + header.base(), false, isRecycled);
        } catch (IOException e) {
            file.close();
            throw e;
        }
    }

    boolean isEmpty() {
        return byBase.isEmpty();
    }

    Collection<Found> all() {
        return byBase.values();
    }

    Collection<Found> above(long base) {
        return byBase.tailMap(base, false).values();
    }

    List<String> spares() {
        return spares;
    }

    Found at(long base) {
        return byBase.get(base);
    }

    /** The linked segment that begins the stripe's log, or null if it is gone. */
    Found first() {
        return first;
    }

    /** What follows a segment in the chain, or null: of several the one with the highest base. */
    Found successor(Found segment) {
        return successors.get(segment.base);
    }

    /** Says where segments end, whatever follows them. */
    void listEnds(ManifestRecord manifest) {
        for (ManifestRecord.SegmentEntry listed : manifest.segments()) {
            if (listed.endPosition() >= 0) {
                listedEnds.put(listed.basePosition(), listed.endPosition());
            }
        }
    }

    /** Where the frames of a segment end, or the end of its room if nothing says. */
    long end(Found segment) {
        Found next = successor(segment);
        long end = next == null ? listedEnds.getOrDefault(segment.base, segment.limit()) : next.header.predecessorEnd();
        return Math.min(end, segment.limit());
    }

    /** The segment that holds an address; one that ends exactly there counts if none begins there. */
    Found holding(long position) {
        Map.Entry<Long, Found> entry = byBase.floorEntry(position);
        if (entry != null && entry.getValue().firstPosition() > position) {
            entry = byBase.lowerEntry(entry.getKey());
        }
        return entry == null || position > entry.getValue().limit() ? null : entry.getValue();
    }

    /** Beyond every address that any file could hold. */
    long addressLimit() {
        long limit = 0;
        for (Found found : byBase.values()) {
            long size = found.header == null
                    ? found.file.sizeBytes()
                    : Math.max(found.header.sizeBytes(), found.file.sizeBytes());
            limit = Math.max(limit, found.base + Math.max(size, SegmentHeader.PAGE_BYTES));
        }
        return limit;
    }

    /** The highest durable position that a header states. */
    long statedDurable() {
        long stated = 0;
        for (Found found : byBase.values()) {
            if (found.header != null) {
                stated = Math.max(stated, found.header.durablePosition());
            }
        }
        return stated;
    }

    long epochMax() {
        long epoch = 0;
        for (Found found : byBase.values()) {
            if (found.header != null) {
                epoch = Math.max(epoch, found.header.epoch());
            }
        }
        return epoch;
    }

    @Override
    public void close() throws IOException {
        for (Found found : byBase.values()) {
            if (!found.isTaken) {
                found.isTaken = true;
                found.file.close();
            }
        }
    }
}
