package io.forebay.testkit.faults;

import java.util.Arrays;
import java.util.BitSet;
import java.util.random.RandomGenerator;

/** A file's content three times: page cache, what the kernel believes is still to be written, and the device. */
final class MemoryInode {
    static final int SECTOR_BYTES = 512;
    private static final int PAGE_BYTES = 4096;

    byte[] cache;
    byte[] device;
    /** Sectors the next force will write. A failed force clears them without writing: the kernel believes it is done. */
    final BitSet dirty;
    /** Whether the size reached the device; until then a power cut may leave a shorter file. */
    boolean isSizeForced;

    int handles;

    MemoryInode(int sizeBytes) {
        this(new byte[sizeBytes], new byte[sizeBytes], new BitSet(), false);
    }

    private MemoryInode(byte[] cache, byte[] device, BitSet dirty, boolean isSizeForced) {
        this.cache = cache;
        this.device = device;
        this.dirty = dirty;
        this.isSizeForced = isSizeForced;
    }

    void write(long at, byte[] source, int from, int length) {
        if (length == 0) {
            return;
        }
        System.arraycopy(source, from, cache, (int) at, length);
        dirty.set((int) (at / SECTOR_BYTES), (int) ((at + length - 1) / SECTOR_BYTES) + 1);
    }

    void force(long at, long length) {
        for (int sector = nextDirty(at, at, length); sector >= 0; sector = nextDirty(sectorEnd(sector), at, length)) {
            writeBack(sector);
        }
        isSizeForced = true;
    }

    /** The device gets some of the sectors, then the power goes. */
    void forceSome(long at, long length, RandomGenerator random) {
        for (int sector = nextDirty(at, at, length); sector >= 0; sector = nextDirty(sectorEnd(sector), at, length)) {
            if (random.nextBoolean()) {
                writeBack(sector);
            }
        }
    }

    /**
     * The kernel forgets the sectors: readable until evicted, clean for the next force, never written. It forgets whole
     * pages, so that neighbours that were not asked for are lost as well.
     */
    void forceFailed(long at, long length) {
        long from = at / PAGE_BYTES * PAGE_BYTES;
        long to = (at + length + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
        if (length > 0) {
            dirty.clear((int) (from / SECTOR_BYTES), (int) (to / SECTOR_BYTES));
        }
    }

    /** The next dirty sector at or behind a byte address and within the forced pages, or −1. */
    private int nextDirty(long from, long at, long length) {
        int sector = dirty.nextSetBit((int) (from / SECTOR_BYTES));
        return sector >= 0 && (long) sector * SECTOR_BYTES < at + length ? sector : -1;
    }

    private static long sectorEnd(int sector) {
        return (sector + 1L) * SECTOR_BYTES;
    }

    private void writeBack(int sector) {
        int from = sector * SECTOR_BYTES;
        System.arraycopy(cache, from, device, from, Math.min(SECTOR_BYTES, cache.length - from));
        dirty.clear(sector);
    }

    void writeBackSome(RandomGenerator random) {
        forceSome(0, cache.length, random);
    }

    void evictClean() {
        for (int from = 0; from < cache.length; from += SECTOR_BYTES) {
            if (!dirty.get(from / SECTOR_BYTES)) {
                System.arraycopy(device, from, cache, from, Math.min(SECTOR_BYTES, cache.length - from));
            }
        }
    }

    MemoryInode afterKill() {
        return new MemoryInode(cache.clone(), device.clone(), (BitSet) dirty.clone(), isSizeForced);
    }

    MemoryInode afterPowerCut(RandomGenerator random) {
        byte[] left = device.clone();
        for (int from = 0; from < left.length; from += SECTOR_BYTES) {
            int to = Math.min(from + SECTOR_BYTES, left.length);
            if (!Arrays.equals(cache, from, to, device, from, to) && random.nextBoolean()) {
                System.arraycopy(cache, from, left, from, to - from);
            }
        }
        if (!isSizeForced && random.nextInt(4) != 0) {
            left = Arrays.copyOf(left, random.nextInt(left.length / SECTOR_BYTES + 1) * SECTOR_BYTES);
        }
        return new MemoryInode(left, left.clone(), new BitSet(), true);
    }

    void truncate(int sizeBytes) {
        cache = Arrays.copyOf(cache, sizeBytes);
        device = Arrays.copyOf(device, sizeBytes);
        dirty.clear((sizeBytes + SECTOR_BYTES - 1) / SECTOR_BYTES, Integer.MAX_VALUE);
    }
}
