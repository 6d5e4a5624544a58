package io.forebay.yardstick;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLongArray;
import java.util.concurrent.atomic.LongAdder;

/**
 * Bodies that carry their number and when they were to be sent, and what came back of them. Thread-safe.
 *
 * <pre>
 *  0  u64  number
 *  8  u64  System.nanoTime() at which it was to be sent
 * 16  i32  a hash of both
 * 20  ...  the same in each
 * </pre>
 */
final class Book {
    static final int HEADER_BYTES = 20;
    /**
     * What came back.
     *
     * @param orderBreaks messages that came after a later one of their key
     */
    record Verdict(long lost, long duplicated, long altered, long orderBreaks) {
        boolean isGood() {
            return lost == 0 && duplicated == 0 && altered == 0 && orderBreaks == 0;
        }
    }

    private final byte[] template;
    private final int keyCount;
    private final AtomicLongArray lastOfKey;
    private final Bits seen = new Bits();
    private final Bits nacked = new Bits();
    private final LongAdder count = new LongAdder();
    private final LongAdder duplicated = new LongAdder();
    private final LongAdder altered = new LongAdder();
    private final LongAdder orderBreaks = new LongAdder();

    /** @param keyCount whose order is looked at: a message's key is its number modulo this; 0 for none */
    Book(int bodyBytes, int keyCount) {
        template = new byte[bodyBytes];
        for (int i = HEADER_BYTES; i < bodyBytes; i++) {
            template[i] = (byte) (i * 31 + 7);
        }
        this.keyCount = keyCount;
        lastOfKey = new AtomicLongArray(keyCount);
        for (int key = 0; key < keyCount; key++) {
            lastOfKey.set(key, -1);
        }
    }

    byte[] body(long number, long intendedNanos) {
        byte[] body = template.clone();
        ByteBuffer.wrap(body).putLong(number).putLong(intendedNanos).putInt(hash(number, intendedNanos));
        return body;
    }

    /** The number in a body, -1 if it is none of ours. */
    long numberOf(byte[] body) {
        boolean isWhole = body.length == template.length
                && Arrays.mismatch(body, HEADER_BYTES, body.length, template, HEADER_BYTES, template.length) < 0;
        if (!isWhole) {
            return -1;
        }
        ByteBuffer header = ByteBuffer.wrap(body);
        long number = header.getLong();
        return number >= 0 && header.getInt(16) == hash(number, header.getLong()) ? number : -1;
    }

    /** So that no flipped bit makes another message of it. */
    private static int hash(long number, long intendedNanos) {
        long mixed = (number * 0x9E3779B97F4A7C15L ^ intendedNanos) * 0xC2B2AE3D27D4EB4FL;
        return (int) (mixed >>> 32);
    }

    /** How many have come, each counted once. */
    long distinct() {
        return count.sum();
    }

    static long intendedNanos(byte[] body) {
        return ByteBuffer.wrap(body).getLong(8);
    }

    /** Whether it is asked for the first time. */
    boolean isFirst(long number) {
        return !nacked.set(number);
    }

    void altered() {
        altered.increment();
    }

    /** Enters one that came. */
    void enter(long number) {
        if (seen.set(number)) {
            duplicated.increment();
        } else {
            count.increment();
        }
        if (keyCount > 0) {
            int key = (int) (number % keyCount);
            long last = lastOfKey.getAndAccumulate(key, number, Math::max);
            if (last > number) {
                orderBreaks.increment();
            }
        }
    }

    /** @param sent how many there were */
    Verdict verdict(long sent) {
        return new Verdict(sent - count.sum(), duplicated.sum(), altered.sum(), orderBreaks.sum());
    }

    /** A set of numbers that grows. */
    private static final class Bits {
        private static final int CHUNK_BITS = 20;
        private static final VarHandle WORDS = MethodHandles.arrayElementVarHandle(long[].class);

        private volatile long[][] chunks = new long[0][];

        /** Says whether it was in there. */
        boolean set(long number) {
            long bit = 1L << number;
            long before = (long) WORDS.getAndBitwiseOr(
                    chunk((int) (number >>> CHUNK_BITS)), (int) (number & (1 << CHUNK_BITS) - 1) >>> 6, bit);
            return (before & bit) != 0;
        }

        private long[] chunk(int index) {
            long[][] all = chunks;
            return index < all.length ? all[index] : grown(index)[index];
        }

        private synchronized long[][] grown(int index) {
            long[][] all = chunks;
            while (index >= all.length) {
                all = Arrays.copyOf(all, all.length + 1);
                all[all.length - 1] = new long[1 << CHUNK_BITS - 6];
            }
            chunks = all;
            return all;
        }
    }
}
