package io.forebay.config;

import static io.forebay.config.Checks.GIB;
import static io.forebay.config.Checks.KIB;
import static io.forebay.config.Checks.TIB;
import static io.forebay.config.Checks.bytes;
import static io.forebay.config.Checks.check;
import static io.forebay.config.Checks.checkBytes;
import static io.forebay.config.Checks.checkCount;
import static io.forebay.config.Checks.checkText;

/**
 * Section {@code forebay.storage}: what lies on the disk.
 *
 * @param directory the node's data directory
 * @param stripes logs with a writer, a flusher and queues each
 * @param segmentBytes size of one file of a log
 * @param indexExtentEntries messages that one extent of the queue index covers
 * @param indexFileBytes size of one file of extents
 * @param spareSegments cleaned segments that are always kept for reuse
 * @param spareSegmentsMax those kept at most while the log grows quickly
 * @param lowSpaceBytes free space of the disk below which Sends are refused
 */
public record StorageSettings(
        String directory,
        int stripes,
        int segmentBytes,
        int indexExtentEntries,
        int indexFileBytes,
        int spareSegments,
        int spareSegmentsMax,
        long lowSpaceBytes) {
    static final String SECTION = "forebay.storage";
    /** Segments are whole pages, and their header is one. */
    static final int PAGE_BYTES = 4096;

    private static final int INDEX_ENTRY_BYTES = 24;
    private static final int INDEX_EXTENT_HEADER_BYTES = 64;

    public StorageSettings {
        checkText(SECTION + ".directory", directory);
        checkCount(SECTION + ".stripes", stripes, 1, 64);
        checkBytes(SECTION + ".segment-size", segmentBytes, 64 * KIB, GIB);
        check(segmentBytes % PAGE_BYTES == 0, SECTION + ".segment-size", bytes(segmentBytes), "a multiple of 4 KiB");
        checkCount(SECTION + ".index-extent-entries", indexExtentEntries, 64, 1 << 20);
        checkBytes(SECTION + ".index-file-size", indexFileBytes, 16 * KIB, GIB);
        check(
                indexFileBytes % PAGE_BYTES == 0,
                SECTION + ".index-file-size",
                bytes(indexFileBytes),
                "a multiple of 4 KiB");
        long extentBytes = INDEX_EXTENT_HEADER_BYTES + (long) indexExtentEntries * INDEX_ENTRY_BYTES;
        check(
                indexFileBytes >= extentBytes + PAGE_BYTES,
                SECTION + ".index-file-size",
                bytes(indexFileBytes),
                "at least " + bytes(extentBytes + PAGE_BYTES)
                        + ", the size of one extent of forebay.storage.index-extent-entries");
        checkCount(SECTION + ".spare-segments", spareSegments, 0, 64);
        checkCount(SECTION + ".spare-segments-max", spareSegmentsMax, 0, 256);
        check(
                spareSegmentsMax >= spareSegments,
                SECTION + ".spare-segments-max",
                Integer.toString(spareSegmentsMax),
                "at least " + spareSegments + ", which is forebay.storage.spare-segments");
        checkBytes(SECTION + ".low-space", lowSpaceBytes, 0, TIB);
    }

    static StorageSettings from(Section section) {
        return new StorageSettings(
                section.text("directory"),
                section.count("stripes"),
                section.intBytes("segment-size"),
                section.count("index-extent-entries"),
                section.intBytes("index-file-size"),
                section.count("spare-segments"),
                section.count("spare-segments-max"),
                section.bytes("low-space"));
    }
}
