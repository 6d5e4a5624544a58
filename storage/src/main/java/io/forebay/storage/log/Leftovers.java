package io.forebay.storage.log;

import io.forebay.storage.log.LogFiles.Found;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Judges the files that lie beside a log. Some a crash leaves: segments that were freed, given up, cut off, or not finished.
 * They are known by their headers: of this log, and of an address that the log has passed without them, or that never joined
 * it. Whatever is not proved to be one of these is strange, and somebody's. Changes nothing. Confined to one thread.
 */
final class Leftovers {
    private static final int READ_BYTES = 64 * 1024;

    private final LogFiles files;
    private final LogIdentity identity;
    private final ChainScanner scanner;
    private final Set<Long> chain;
    private final Set<Long> listed;
    private final long freeFrom;
    /** By base: never joined the log, joined it behind such a one, or lie behind the place where it was cut. */
    private final Set<Long> superseded = new HashSet<>();

    /**
     * @param scanner has read the log to its end
     * @param chain bases of the segments that are the log
     * @param listed bases that the newest manifest names
     * @param isManifestKnown whether there is one: without, nothing says which segments before the log's beginning are free
     */
    Leftovers(
            LogFiles files,
            LogIdentity identity,
            ChainScanner scanner,
            Set<Long> chain,
            Set<Long> listed,
            boolean isManifestKnown) {
        this.files = files;
        this.identity = identity;
        this.scanner = scanner;
        this.chain = chain;
        this.listed = listed;
        freeFrom = isManifestKnown
                ? 0
                : chain.stream().mapToLong(Long::longValue).min().orElse(0);
        List<SegmentHeader> headers = new ArrayList<>();
        for (Found found : files.all()) {
            if (found.claim != null) {
                headers.add(found.claim);
            }
        }
        for (SegmentHeader header : files.spares().values()) {
            if (header != null && identity.isOf(header)) {
                headers.add(header);
            }
        }
        headers.sort(Comparator.comparingLong(SegmentHeader::base));
        superseded.addAll(files.givenUp().keySet());
        for (Found found : files.all()) {
            if (found.claim == null && isOurs(found) && found.isLinkTorn && !listed.contains(found.base)) {
                superseded.add(found.base);
            }
        }
        Set<Long> others = new HashSet<>();
        for (SegmentHeader header : headers) {
            // Of copies in different states each speaks for itself only.
            if (!isSuperseded(header)) {
                others.add(header.base());
                superseded.remove(header.base());
            } else if (!others.contains(header.base())) {
                superseded.add(header.base());
            }
        }
    }

    private boolean isSuperseded(SegmentHeader header) {
        long base = header.base();
        if (chain.contains(base) || listed.contains(base)) {
            return false;
        }
        return !header.isLinked()
                || isPassed(base)
                || superseded.contains(header.predecessorBase())
                || isCutOff(header);
    }

    /** Whether the log goes on behind an address: bases grow along it, so what is not part of it there never will be. */
    private boolean isPassed(long base) {
        return scanner.endSegment() != null && base >= freeFrom && base < scanner.endSegment().base;
    }

    /** Whether the log, as far as it was promised, ends before the place where the segment goes on. */
    private boolean isCutOff(SegmentHeader header) {
        return scanner.endSegment() != null
                && scanner.refused() == null
                && header.predecessorBase() == scanner.endSegment().base
                && header.predecessorEnd() > scanner.endPosition();
    }

    /**
     * Whether the file has to stay until the log has passed it for good: others are known as superseded by it only, or the link by
     * which the log passes it may be in memory only, left there by a start that was killed.
     *
     * @param startBase of the segment where the replay begins: what lies before is known by a slot, which is forced by now
     */
    boolean isNeededAsProof(Found found, long startBase) {
        boolean isLinked = found.claim != null && found.claim.isLinked();
        long base = found.claim == null ? found.base : found.claim.base();
        return base > startBase && (isLinked || isPredecessor(base));
    }

    /** Of a file whose header is not sound. */
    private boolean isOurs(Found found) {
        return identity.isKnown() && found.seemingLogId == identity.logId();
    }

    private boolean isPredecessor(long base) {
        for (Found other : files.all()) {
            if (other.claim != null && other.claim.isLinked() && other.claim.predecessorBase() == base) {
                return true;
            }
        }
        return false;
    }

    /** Why a file that is no part of the log may be more than the rest of something given up; null if it is not. */
    String strangeness(Found found) throws IOException {
        if (found.claim != null) {
            long base = found.claim.base();
            if (isSuperseded(found.claim)) {
                return null;
            }
            if (base != found.base) {
                return found.problem + (chain.contains(base) ? ", which is there" : "");
            }
            return found.problem != null
                    ? found.problem
                    : "it is a sound segment of this log, but the log does not lead to it";
        }
        if (isEmpty(found)) {
            return null;
        }
        return isOurs(found) && (isPassed(found.base) || found.isLinkTorn || !holdsFrames(found))
                ? null
                : found.problem + ", and it does not hold zeros only";
    }

    /**
     * Segments that the log is known to have had and that are not there: one that is names them as the one before it. Whatever
     * gives a segment up leaves what tells so until the last of those behind it is gone.
     *
     * @return what there is to say, by the file that should be there
     */
    Map<String, String> lost() {
        Map<String, String> lost = new TreeMap<>();
        for (Found found : files.all()) {
            if (found.isLinked() && isBeyond(found) && !isSuperseded(found.header)) {
                long before = found.header.predecessorBase();
                Found predecessor = files.at(before);
                if (before > SegmentHeader.NONE && (predecessor == null || !predecessor.isLinked())) {
                    String problem = predecessor == null ? "it is missing" : predecessor.problem;
                    lost.put(Segment.fileName(before), problem + ", and " + found.name + " follows it");
                }
            }
        }
        return lost;
    }

    /** Whether the log would have to go on to reach it. Builds that gave no numbers may have left such ones. */
    private boolean isBeyond(Found found) {
        return scanner.endSegment() != null
                && found.base > scanner.endSegment().base
                && !listed.contains(found.base)
                && found.header.logId() != LogIdentity.UNKNOWN;
    }

    /** What died while it was being made holds nothing behind its header. */
    private static boolean isEmpty(Found found) throws IOException {
        byte[] bytes = new byte[READ_BYTES];
        long size = found.file.sizeBytes();
        for (long at = SegmentHeader.BYTES; at < size; at += READ_BYTES) {
            int count = (int) Math.min(READ_BYTES, size - at);
            found.file.readCold(at, bytes, 0, count);
            for (int index = 0; index < count; index++) {
                if (bytes[index] != 0) {
                    return false;
                }
            }
        }
        return true;
    }

    /** Whether there is any frame that was written where it lies: not one of an earlier use of the file. */
    private static boolean holdsFrames(Found found) throws IOException {
        long limit = found.base + found.file.sizeBytes();
        return new FrameWindow().nextFrame(found.file, found.base, found.firstPosition(), limit) < limit;
    }

    /**
     * Segments that the log needs, in files that are named otherwise: one that a manifest names, or that goes on where the
     * log seems to end.
     *
     * @return what there is to say, by file
     */
    Map<String, String> misnamed() {
        Map<String, SegmentHeader> misplaced = files.misplaced();
        Map<String, String> misnamed = new TreeMap<>();
        misplaced.forEach((name, header) -> {
            boolean isThere =
                    files.at(header.base()) != null && files.at(header.base()).isLinked();
            boolean isNext = scanner.endSegment() != null
                    && header.base() > scanner.endSegment().base
                    && header.predecessorBase() == scanner.endSegment().base
                    && header.predecessorEnd() <= scanner.endPosition();
            if (identity.isOf(header) && !isThere && (isNext || listed.contains(header.base()))) {
                misnamed.put(name, "it is " + Segment.fileName(header.base()) + ", which is not there: rename it back");
            }
        });
        return misnamed;
    }
}
