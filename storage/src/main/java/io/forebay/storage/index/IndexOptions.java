package io.forebay.storage.index;

/**
 * Sizes of a {@link QueueIndex}; fixed when its first file is made, files of other sizes are dropped and rebuilt.
 *
 * @param fileBytes size of each shared file
 * @param extentEntries offsets in one extent, the unit a queue takes and gives back; a queue with one message takes one
 */
public record IndexOptions(int fileBytes, int extentEntries) {
    public static final IndexOptions DEFAULT = new IndexOptions(16 << 20, 1024);

    public IndexOptions {
        if (extentEntries < 8 || extentEntries > 0xFFFF) {
            throw new IllegalArgumentException("extentEntries is " + extentEntries + ", allowed: 8 to 65535");
        }
        if (fileBytes < QueueIndex.FILE_HEADER_BYTES + QueueIndex.extentBytes(extentEntries)) {
            throw new IllegalArgumentException("fileBytes is " + fileBytes + ", allowed: at least "
                    + (QueueIndex.FILE_HEADER_BYTES + QueueIndex.extentBytes(extentEntries)) + " for extents of "
                    + extentEntries + " entries");
        }
    }
}
