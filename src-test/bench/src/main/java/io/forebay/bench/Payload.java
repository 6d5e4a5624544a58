package io.forebay.bench;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.BitSet;

/** Bodies that carry their number, and the book that says which came back. {@link #take} is thread-safe. */
final class Payload {
    /** What the book says. */
    record Verdict(long lost, long duplicated, long altered) {
        boolean isGood() {
            return lost == 0 && duplicated == 0 && altered == 0;
        }

        @Override
        public String toString() {
            return "lost " + lost + ", duplicated " + duplicated + ", altered " + altered;
        }
    }

    private final byte[] template;
    private final BitSet seen;
    private final int count;
    private long duplicated;
    private long altered;

    Payload(int bodyBytes, int count) {
        template = new byte[bodyBytes];
        for (int i = 0; i < bodyBytes; i++) {
            template[i] = (byte) (i * 31 + 7);
        }
        this.count = count;
        this.seen = new BitSet(count);
    }

    byte[] body(int number) {
        byte[] body = template.clone();
        ByteBuffer.wrap(body).putLong(number);
        return body;
    }

    /** Enters a body that was delivered; returns its number, -1 if it is none of ours. */
    int take(byte[] body) {
        boolean isWhole = body.length == template.length
                && Arrays.mismatch(body, Long.BYTES, body.length, template, Long.BYTES, template.length) < 0;
        long number = isWhole ? ByteBuffer.wrap(body).getLong() : -1;
        synchronized (this) {
            if (number < 0 || number >= count) {
                altered++;
                return -1;
            }
            if (seen.get((int) number)) {
                duplicated++;
            }
            seen.set((int) number);
        }
        return (int) number;
    }

    synchronized long seenCount() {
        return seen.cardinality();
    }

    synchronized Verdict verdict() {
        return new Verdict(count - seen.cardinality(), duplicated, altered);
    }
}
