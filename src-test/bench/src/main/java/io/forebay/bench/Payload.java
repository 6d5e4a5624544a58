package io.forebay.bench;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.BitSet;

/** Bodies that carry their number, and the book that says which came back. {@link #take} is thread-safe. */
final class Payload {
    /**
     * What the book says.
     *
     * @param orderBreaks messages that came before an earlier one of their key, or -1 if order was not looked at
     */
    record Verdict(long lost, long duplicated, long altered, long orderBreaks) {
        boolean isGood() {
            return lost == 0 && duplicated == 0 && altered == 0 && orderBreaks <= 0;
        }

        @Override
        public String toString() {
            return "lost " + lost + ", duplicated " + duplicated + ", altered " + altered
                    + (orderBreaks < 0 ? "" : ", order breaks " + orderBreaks);
        }
    }

    private final byte[] template;
    private final BitSet seen;
    private final int count;
    private final Traffic traffic;
    private final int[] lastOfKey;
    private long duplicated;
    private long altered;
    private long orderBreaks;

    Payload(int bodyBytes, int count) {
        this(bodyBytes, count, Traffic.PLAIN);
    }

    Payload(int bodyBytes, int count, Traffic traffic) {
        template = new byte[bodyBytes];
        for (int i = 0; i < bodyBytes; i++) {
            template[i] = (byte) (i * 31 + 7);
        }
        this.count = count;
        this.traffic = traffic;
        this.seen = new BitSet(count);
        this.lastOfKey = new int[traffic.keyCount()];
        Arrays.fill(lastOfKey, -1);
    }

    byte[] body(int number) {
        byte[] body = template.clone();
        ByteBuffer.wrap(body).putLong(number);
        return body;
    }

    /** The number in a body, -1 if it is none of ours. Enters nothing. */
    int numberOf(byte[] body) {
        boolean isWhole = body.length == template.length
                && Arrays.mismatch(body, Long.BYTES, body.length, template, Long.BYTES, template.length) < 0;
        long number = isWhole ? ByteBuffer.wrap(body).getLong() : -1;
        return number < 0 || number >= count ? -1 : (int) number;
    }

    /** Enters a body that was delivered; returns its number, -1 if it is none of ours. */
    int take(byte[] body) {
        int number = numberOf(body);
        synchronized (this) {
            if (number < 0) {
                altered++;
                return -1;
            }
            if (seen.get(number)) {
                duplicated++;
            }
            seen.set(number);
            if (lastOfKey.length > 0) {
                int key = number % lastOfKey.length;
                orderBreaks += number < lastOfKey[key] ? 1 : 0;
                lastOfKey[key] = number;
            }
        }
        return number;
    }

    synchronized Verdict verdict() {
        int wanted = traffic.countWanted(0, count);
        long lost = 0;
        long unwanted = 0;
        if (wanted == count) {
            lost = count - seen.cardinality();
        } else {
            for (int number = 0; number < count; number++) {
                boolean isWanted = traffic.isWanted().test(number);
                lost += isWanted && !seen.get(number) ? 1 : 0;
                unwanted += !isWanted && seen.get(number) ? 1 : 0;
            }
        }
        // What the filter should have held back is as wrong as what came twice.
        return new Verdict(lost, duplicated + unwanted, altered, lastOfKey.length == 0 ? -1 : orderBreaks);
    }
}
