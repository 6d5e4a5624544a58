package io.forebay.storage.index;

/**
 * Sizes of a {@link QueueIndex}; files that were made with others are dropped when it is opened, and rebuilt.
 *
 * @param fileBytes size of each shared file
 * @param extentEntries offsets in one extent, the unit a queue takes and gives back: a queue with one message takes one
 */
public record IndexOptions(int fileBytes, int extentEntries) {
    public static final IndexOptions DEFAULT = new IndexOptions(16 << 20, 1024);

    static final int EXTENT_ENTRIES_MAX = 1 << 20;

    public IndexOptions {
        if (extentEntries < 1 || extentEntries > EXTENT_ENTRIES_MAX) {
            throw new IllegalArgumentException(
                    "extentEntries is " + extentEntries + ", allowed: 1 to " + EXTENT_ENTRIES_MAX);
        }
        int fileBytesMin = IndexFile.HEADER_BYTES + extentBytes(extentEntries);
        if (fileBytes < fileBytesMin) {
            throw new IllegalArgumentException("fileBytes is " + fileBytes + ", allowed: at least " + fileBytesMin
                    + " for extents of " + extentEntries + " entries");
        }
    }

    /** Size of an extent with its header, whole sectors. */
    public static int extentBytes(int extentEntries) {
        return (Extent.HEADER_BYTES + QueueIndex.ENTRY_BYTES * extentEntries + 511) & ~511;
    }

    int extentBytes() {
        return extentBytes(extentEntries);
    }

    int extentsPerFile() {
        return (fileBytes - IndexFile.HEADER_BYTES) / extentBytes();
    }
}
