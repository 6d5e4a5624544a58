package io.forebay.storage.log;

import io.forebay.storage.checkpoint.CheckpointSlot;
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
    /** No log gets there; whatever has such a name was not given it by one. */
    private static final long ADDRESS_MAX = 1L << 60;

    private final NavigableMap<Long, Found> byBase = new TreeMap<>();
    private final Map<Long, Found> successors = new HashMap<>();
    /** Of another log; no part of what the other methods tell. */
    private final List<Found> foreign = new ArrayList<>();
    /** With the header that the file's last use has left, or null. */
    private final Map<String, SegmentHeader> spares = new TreeMap<>();

    private final List<String> strange = new ArrayList<>();
    /** By base: names of the first segments of runs that were being given up. */
    private final Map<Long, String> givenUp = new TreeMap<>();

    private long givenUpLimit;
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
        /** A sound header, even if it is not one for this place; null if there is none. */
        final SegmentHeader claim;

        final String problem;
        /** Of a header that is not sound: the log that it seems to belong to. */
        final long seemingLogId;
        /** Of a header that is not sound: whether it never was whole, so that the segment has not joined the chain. */
        final boolean isLinkTorn;

        private boolean isTaken;

        private Found(String name, long base, StorageFile file, byte[] page, SegmentHeader claim, String problem) {
            this.name = name;
            this.base = base;
            this.file = file;
            this.claim = claim;
            this.header = problem == null ? claim : null;
            this.problem = problem;
            this.seemingLogId = SegmentHeader.seemingLogId(page);
            this.isLinkTorn = SegmentHeader.isLinkTorn(page);
        }

        boolean isLinked() {
            return header != null && header.isLinked();
        }

        /** Where the room for frames ends, by what is really there. */
        long limit() {
            return base + (header == null ? file.sizeBytes() : Math.min(file.sizeBytes(), header.sizeBytes()));
        }

        boolean isCutShort() {
            return isCutIntoHeader() || (header != null && file.sizeBytes() < header.sizeBytes());
        }

        /** Its size is forced before it joins the chain: then it was cut, else it was never finished. */
        private boolean isCutIntoHeader() {
            return file.sizeBytes() < SegmentHeader.PAGE_BYTES && claim != null && claim.isLinked();
        }

        /**
         * It was given a further use under another name, and that name is not durable: bases only grow, so it was free before
         * it got the higher one, and it does not join the chain before its name is durable.
         */
        private boolean isRecycled() {
            return claim != null && claim.base() > base && !claim.isLinked();
        }

        /**
         * Whether the file, which has no header to go by, was part of the log. A process that dies while it stores a
         * header leaves it torn, one that dies while it prepares a segment leaves none or an older one; but all of that
         * lies above everything that is durable.
         */
        boolean isDamaged(long durablePosition) {
            return problem != null && !isRecycled() && (isCutIntoHeader() || durablePosition > base);
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
                    files.spares.put(name, headerOf(directory, name));
                } else if (SegmentStore.isSetAside(name)) {
                    files.strange.add(name);
                } else if (SegmentStore.givenUpBaseOf(name) >= 0) {
                    files.addGivenUp(directory, name);
                }
            }
        } catch (IOException e) {
            files.close();
            throw e;
        }
        files.follow();
        return files;
    }

    /**
     * The same without those of another log.
     *
     * @param slotOrNull whose log it is; null if nobody knows
     */
    static LogFiles open(StorageDirectory directory, CheckpointSlot slotOrNull) throws IOException {
        LogFiles files = open(directory);
        if (slotOrNull != null) {
            files.identify(new LogIdentity(slotOrNull.stripeId(), slotOrNull.logId(), slotOrNull.logIdEpoch()));
        }
        return files;
    }

    private void addGivenUp(StorageDirectory directory, String name) throws IOException {
        long base = SegmentStore.givenUpBaseOf(name);
        givenUp.put(base, name);
        try (StorageFile file = directory.open(name)) {
            givenUpLimit = Math.max(givenUpLimit, base + file.sizeBytes());
        }
    }

    private static SegmentHeader headerOf(StorageDirectory directory, String name) throws IOException {
        try (StorageFile file = directory.open(name)) {
            byte[] page = page(file);
            return SegmentHeader.problem(page) != null
                            || SegmentHeader.formatVersion(page) > SegmentHeader.FORMAT_VERSION
                    ? null
                    : SegmentHeader.decode(page);
        }
    }

    private static byte[] page(StorageFile file) throws IOException {
        byte[] page = new byte[SegmentHeader.BYTES];
        file.readCold(0, page, 0, (int) Math.min(page.length, file.sizeBytes()));
        return page;
    }

    /** Finds the chain. */
    private void follow() {
        first = null;
        successors.clear();
        for (Found found : byBase.values()) {
            if (found.isLinked()) {
                // Ascending bases: of two successors the one with the higher base stays.
                if (found.header.predecessorBase() == SegmentHeader.NONE) {
                    first = found;
                } else {
                    successors.put(found.header.predecessorBase(), found);
                }
            }
        }
    }

    /** Says whose log it is: what is of another one counts no more, from here on, but for {@link #foreign()}. */
    void identify(LogIdentity identity) {
        for (Found found : List.copyOf(byBase.values())) {
            if (found.claim != null && !identity.isOf(found.claim)) {
                byBase.remove(found.base);
                foreign.add(found);
            }
        }
        follow();
    }

    private static Found find(StorageDirectory directory, String name, long base) throws IOException {
        StorageFile file = directory.open(name);
        try {
            byte[] page = page(file);
            String problem = SegmentHeader.problem(page);
            if (problem != null) {
                return new Found(name, base, file, page, null, problem);
            }
            if (SegmentHeader.formatVersion(page) > SegmentHeader.FORMAT_VERSION) {
                throw new StripeException(
                        StripeException.Reason.NEWER_FORMAT,
                        directory.path() + "/" + name + " has format version " + SegmentHeader.formatVersion(page)
                                + ", this program knows up to " + SegmentHeader.FORMAT_VERSION);
            }
            SegmentHeader header = SegmentHeader.decode(page);
            if (file.sizeBytes() < SegmentHeader.PAGE_BYTES) {
                problem = "the file has only " + file.sizeBytes() + " bytes";
            } else if (header.base() != base) {
                problem = "the header is of base " + header.base();
            }
            return new Found(name, base, file, page, header, problem);
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

    /** Files of other logs. */
    List<Found> foreign() {
        return foreign;
    }

    /** By name, with the header that is left of the last use, or null. */
    Map<String, SegmentHeader> spares() {
        return spares;
    }

    /** By base: names of the first segments of runs that were given up; what was linked behind them was, too. */
    Map<Long, String> givenUp() {
        return givenUp;
    }

    /** Names of files that an earlier start has set aside. */
    List<String> strange() {
        return strange;
    }

    /** By name: headers that joined a segment to the chain, in files that are not named as that segment is. */
    Map<String, SegmentHeader> misplaced() {
        Map<String, SegmentHeader> misplaced = new TreeMap<>(spares);
        for (Found found : byBase.values()) {
            if (found.claim != null && found.claim.base() != found.base) {
                misplaced.put(found.name, found.claim);
            }
        }
        misplaced.values().removeIf(header -> header == null || !header.isLinked());
        return misplaced;
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
        Found unlinked = null;
        for (Found found : byBase.headMap(position, true).descendingMap().values()) {
            if (found.firstPosition() <= position && position <= found.limit()) {
                if (found.isLinked()) {
                    return found;
                }
                unlinked = unlinked == null ? found : unlinked;
            }
        }
        return unlinked;
    }

    /** Beyond every address that any file could hold. */
    long addressLimit() {
        long limit = givenUpLimit;
        for (Found found : byBase.values()) {
            long size = found.header == null
                    ? found.file.sizeBytes()
                    : Math.max(found.header.sizeBytes(), found.file.sizeBytes());
            if (found.base < ADDRESS_MAX) {
                limit = Math.max(limit, found.base + Math.max(size, SegmentHeader.PAGE_BYTES));
            }
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
        List<Found> open = new ArrayList<>(byBase.values());
        open.addAll(foreign);
        for (Found found : open) {
            if (!found.isTaken) {
                found.isTaken = true;
                found.file.close();
            }
        }
    }
}
