package io.forebay.queue.core;

import java.util.random.RandomGenerator;

/** What the messages of a queue are like: each a function of its offset, drawn for one life. */
final class SyntheticMessages {
    private final long salt;
    private final int keyCount;
    private final int keylessPercent;
    private final int unreadablePermille;

    SyntheticMessages(RandomGenerator random) {
        salt = random.nextLong();
        keyCount = 1 + random.nextInt(6);
        keylessPercent = random.nextInt(3) == 0 ? 0 : random.nextInt(100);
        unreadablePermille = random.nextInt(3) == 0 ? 20 : 0;
    }

    private int hash(long offset, long of, int bound) {
        long mixed = (offset + of * 0x632BE59BD9B4E019L ^ salt) * 0x9E3779B97F4A7C15L;
        mixed = (mixed ^ mixed >>> 29) * 0xBF58476D1CE4E5B9L;
        return Math.floorMod(mixed ^ mixed >>> 32, bound);
    }

    /** A few keys, the low ones far more often; 0 for none. */
    long keyHash(long offset) {
        if (hash(offset, 1, 100) < keylessPercent) {
            return KeyLines.NO_KEY;
        }
        return 1 + Math.min(hash(offset, 2, keyCount), hash(offset, 3, keyCount));
    }

    static String messageGroup(long keyHash) {
        return "k" + keyHash;
    }

    /** Each filter wants three of four, and each others. */
    boolean isWanted(String filterText, long offset) {
        return filterText.isEmpty() || hash(offset, 10L + filterText.charAt(0), 4) != 0;
    }

    boolean isUnreadable(long offset) {
        return hash(offset, 4, 1_000) < unreadablePermille;
    }

    static int recordBytes(long offset) {
        return (int) (Long.rotateLeft(offset * 0x9E3779B97F4A7C15L, 20) & 127);
    }
}
