package io.forebay.testkit.faults;

import java.util.Arrays;
import java.util.BitSet;
import java.util.random.RandomGenerator;

/** A file's content three times: page cache, what the kernel believes is still to be written, and the device. */
final class MemoryInode {
    static final int SECTOR_BYTES = 512;
    static final int PAGE_BYTES = 4096;

    byte[] cache;
    byte[] device;
    /** Sectors the next force will write. A failed force clears them without writing: the kernel believes it is done. */
    final BitSet dirty;
    /** Whether the size reached the device; until then a power cut may leave a shorter file. */
    boolean isSizeForced;

    /**
     * Bytes that a failed force has lost, in whose sector nobody has written since and which the device does not have: whoever
     * forces them trusts a success that means nothing. Null while there are none.
     */
    private BitSet lost;

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
        // Its sectors are dirty as a whole, so the next force has something to write.
        writtenAgain(
                (int) (at / SECTOR_BYTES) * SECTOR_BYTES, (int) ((at + length - 1) / SECTOR_BYTES + 1) * SECTOR_BYTES);
        dirty.set((int) (at / SECTOR_BYTES), (int) ((at + length - 1) / SECTOR_BYTES) + 1);
    }

    private void writtenAgain(int from, int to) {
        if (lost != null) {
            lost.clear(from, to);
        }
    }

    /** The first byte of a range that a failed force has lost and nobody has written since, or −1. */
    long firstLost(long at, long length) {
        int found = lost == null ? -1 : lost.nextSetBit((int) at);
        return found >= 0 && found < at + length ? found : -1;
    }

    /** Somebody has been told that he trusts what is not there. */
    void forgetLost(long at, long length) {
        writtenAgain((int) at, (int) (at + length));
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
            noteLost((int) (from / SECTOR_BYTES), (int) (to / SECTOR_BYTES));
            dirty.clear((int) (from / SECTOR_BYTES), (int) (to / SECTOR_BYTES));
        }
    }

    private void noteLost(int fromSector, int toSector) {
        for (int sector = dirty.nextSetBit(fromSector);
                sector >= 0 && sector < toSector;
                sector = dirty.nextSetBit(sector + 1)) {
            int end = Math.min((sector + 1) * SECTOR_BYTES, cache.length);
            for (int at = sector * SECTOR_BYTES; at < end; at++) {
                if (cache[at] != device[at]) {
                    lost = lost == null ? new BitSet() : lost;
                    lost.set(at);
                }
            }
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
        int length = Math.min(SECTOR_BYTES, cache.length - from);
        System.arraycopy(cache, from, device, from, length);
        writtenAgain(from, from + length);
        dirty.clear(sector);
    }

    void writeBackSome(RandomGenerator random) {
        forceSome(0, cache.length, random);
    }

    /** @return whether that changes what is read */
    boolean evictClean() {
        boolean isChanged = false;
        for (int from = 0; from < cache.length; from += SECTOR_BYTES) {
            int to = Math.min(from + SECTOR_BYTES, cache.length);
            if (!dirty.get(from / SECTOR_BYTES) && !Arrays.equals(cache, from, to, device, from, to)) {
                System.arraycopy(device, from, cache, from, to - from);
                isChanged = true;
            }
        }
        return isChanged;
    }

    /** The kernel stays: what it has lost is lost for the next process, too, unless that sees by itself that it is not there. */
    MemoryInode afterKill() {
        MemoryInode copy = new MemoryInode(cache.clone(), device.clone(), (BitSet) dirty.clone(), isSizeForced);
        if (lost != null) {
            copy.lost = new BitSet();
            lost.stream().filter(at -> cache[at] != device[at]).forEach(copy.lost::set);
        }
        return copy;
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

    /** Bytes change behind everybody's back, in memory and on the device. */
    void damage(int at, byte[] bytes) {
        System.arraycopy(bytes, 0, cache, at, bytes.length);
        System.arraycopy(bytes, 0, device, at, bytes.length);
        writtenAgain(at, at + bytes.length);
    }

    void truncate(int sizeBytes) {
        writtenAgain(sizeBytes, Integer.MAX_VALUE);
        cache = Arrays.copyOf(cache, sizeBytes);
        device = Arrays.copyOf(device, sizeBytes);
        dirty.clear((sizeBytes + SECTOR_BYTES - 1) / SECTOR_BYTES, Integer.MAX_VALUE);
    }
}
