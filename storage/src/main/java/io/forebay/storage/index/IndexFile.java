package io.forebay.storage.index;

import io.forebay.storage.io.LittleEndian;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.util.Arrays;
import java.util.zip.CRC32C;

/**
 * One shared file of extents.
 * <pre> byte   0  u32  crc32c            over bytes [4, 64)
 * byte   4  u32  formatVersion     1
 * byte   8  u64  magic             "FBINDEX1"
 * byte  16  i32  stripeId
 * byte  20  i32  extentEntries
 * byte  24  i64  fileNumber        also in the name: index-0000000001
 * byte  32  i32  fileBytes
 * byte  36  zeros up to 512, then the extents one behind the other </pre>
 */
final class IndexFile {
    static final int HEADER_BYTES = 512;

    private static final String PREFIX = "index-";
    private static final int CHECKED_BYTES = 64;
    private static final int FORMAT_VERSION = 1;
    private static final long MAGIC = 0x3158_4544_4E49_4246L; // "FBINDEX1", little-endian

    final StorageFile file;
    final long number;

    /** Whether it is of an earlier start, whose forces of the header and the name may have failed, or not have come. */
    boolean isFound;

    private IndexFile(StorageFile file, long number) {
        this.file = file;
        this.number = number;
    }

    static String name(long number) {
        return String.format("%s%010d", PREFIX, number);
    }

    /** The number in a file's name, or −1 if it is none of an index. */
    static long numberOf(String name) {
        if (!name.startsWith(PREFIX) || name.length() != PREFIX.length() + 10) {
            return -1;
        }
        for (int index = PREFIX.length(); index < name.length(); index++) {
            if (name.charAt(index) < '0' || name.charAt(index) > '9') {
                return -1;
            }
        }
        return Long.parseLong(name.substring(PREFIX.length()));
    }

    /** Makes a file and forces it, blocks, header and name; what a failure leaves is removed if it can be. */
    static IndexFile create(StorageDirectory directory, long number, int stripeId, IndexOptions options)
            throws IOException {
        StorageFile file = directory.create(name(number), options.fileBytes());
        try {
            IndexFile made = new IndexFile(file, number);
            made.writeHeader(stripeId, options);
            file.force(0, options.fileBytes());
            directory.forceDirectory();
            return made;
        } catch (IOException e) {
            drop(directory, file, e);
            throw e;
        }
    }

    private static void drop(StorageDirectory directory, StorageFile file, IOException because) {
        try {
            file.close();
            directory.delete(file.name());
        } catch (IOException e) {
            because.addSuppressed(e);
        }
    }

    /** The opened file, or null with the reason in {@code reason} (empty for a file whose making was cut short). */
    static IndexFile open(
            StorageDirectory directory, long number, int stripeId, IndexOptions options, StringBuilder reason)
            throws IOException {
        StorageFile file = directory.open(name(number));
        boolean isTaken = false;
        try {
            if (file.sizeBytes() != options.fileBytes()) {
                reason.append("size is ")
                        .append(file.sizeBytes())
                        .append(", wanted ")
                        .append(options.fileBytes());
                return null;
            }
            byte[] found = new byte[CHECKED_BYTES];
            file.readCold(0, found, 0, CHECKED_BYTES);
            if (isZero(found)) {
                return null;
            }
            if (!Arrays.equals(found, header(number, stripeId, options))) {
                reason.append("header is damaged or of other sizes, another stripe or version");
                return null;
            }
            isTaken = true;
            IndexFile opened = new IndexFile(file, number);
            opened.isFound = true;
            return opened;
        } finally {
            if (!isTaken) {
                file.close();
            }
        }
    }

    void writeHeader(int stripeId, IndexOptions options) throws IOException {
        file.write(0, header(number, stripeId, options), 0, CHECKED_BYTES);
    }

    private static byte[] header(long number, int stripeId, IndexOptions options) {
        byte[] header = new byte[CHECKED_BYTES];
        LittleEndian.putInt(header, 4, FORMAT_VERSION);
        LittleEndian.putLong(header, 8, MAGIC);
        LittleEndian.putInt(header, 16, stripeId);
        LittleEndian.putInt(header, 20, options.extentEntries());
        LittleEndian.putLong(header, 24, number);
        LittleEndian.putInt(header, 32, options.fileBytes());
        LittleEndian.putInt(header, 0, crc(header));
        return header;
    }

    /** CRC-32C over everything behind the first four bytes. */
    static int crc(byte[] header) {
        CRC32C crc = new CRC32C();
        crc.update(header, 4, header.length - 4);
        return (int) crc.getValue();
    }

    static boolean isZero(byte[] bytes) {
        for (byte b : bytes) {
            if (b != 0) {
                return false;
            }
        }
        return true;
    }
}
