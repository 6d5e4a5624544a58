package io.forebay.storage.log;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The Sends that a queue remembers, so that a repeated one is answered with its first receipt: the <em>set</em> of them, in
 * the order in which they were stored. Immutable. Part of a {@link QueueSnapshot}:
 * <pre> u8   kind   1 off, nothing follows · 2 producer · 3 message id
 * if producer: i32 count of producers, each i64 producerId
 * i32 count of Sends, each: varints of what offset, sequence and logMillis are more than the one's before · i32
 *     payloadCrc, and
 *     producer:   varint index of the producer · unsigned 64-bit LEB128 of the zigzag difference of its number to that
 *                 producer's one before (0 at first)
 *     message id: the two halves of its hash, i64 each </pre>
 *
 * <p>It stands in the snapshot, and not in {@link ProducerWindowRecord}s, because it has to be there exactly up to the
 * sequence that the snapshot holds: a record of its own would be replayed only as long as it lies behind the replay start,
 * and would need a rule for what it shares with the messages that are replayed, too. That record has no room for the
 * checksum of a receipt either.
 */
public final class SendWindow {
    /** What a Send is known by. The order of the constants is the code on disk, from 1: never changed, only added to. */
    public enum Kind {
        /** Nothing is remembered. */
        OFF,

        /** Producer id and number: the two halves of a key. */
        PRODUCER,

        /** A hash of the message id, of two halves. */
        MESSAGE_ID
    }

    /** Nothing is remembered. */
    public static final SendWindow NONE = new Builder(Kind.OFF, 0).build();

    private static final Kind[] KINDS = Kind.values();
    private static final int PRODUCER_BYTES_MIN = 9;
    private static final int MESSAGE_ID_BYTES_MIN = 23;

    private final Kind kind;
    private final int count;
    private final long[] keyHighs;
    private final long[] keyLows;
    private final long[] offsets;
    private final long[] sequences;
    private final long[] logMillis;
    private final int[] payloadCrcs;

    private SendWindow(Builder builder) {
        kind = builder.kind;
        count = builder.count;
        keyHighs = builder.keyHighs;
        keyLows = builder.keyLows;
        offsets = builder.offsets;
        sequences = builder.sequences;
        logMillis = builder.logMillis;
        payloadCrcs = builder.payloadCrcs;
    }

    public Kind kind() {
        return kind;
    }

    public int count() {
        return count;
    }

    public long keyHigh(int index) {
        return keyHighs[index];
    }

    public long keyLow(int index) {
        return keyLows[index];
    }

    public long offset(int index) {
        return offsets[index];
    }

    /** Of the message's record. */
    public long sequence(int index) {
        return sequences[index];
    }

    /** Log time when it was stored. */
    public long logMillis(int index) {
        return logMillis[index];
    }

    public int payloadCrc(int index) {
        return payloadCrcs[index];
    }

    int encodedBytes() {
        if (kind == Kind.OFF) {
            return 1;
        }
        return kind == Kind.PRODUCER ? producersBytes() : 1 + 4 + fixedBytes() + 16 * count;
    }

    private int fixedBytes() {
        int bytes = 4 * count;
        for (int index = 0; index < count; index++) {
            bytes += BodyWriter.varintBytes(offsets[index] - (index == 0 ? 0 : offsets[index - 1]))
                    + BodyWriter.varintBytes(sequences[index] - (index == 0 ? 0 : sequences[index - 1]))
                    + BodyWriter.varintBytes(logMillis[index] - (index == 0 ? 0 : logMillis[index - 1]));
        }
        return bytes;
    }

    private int producersBytes() {
        Map<Long, long[]> producers = new LinkedHashMap<>();
        int bytes = 1 + 4 + 4 + fixedBytes();
        for (int index = 0; index < count; index++) {
            long[] producer = producers.computeIfAbsent(keyHighs[index], id -> new long[] {producers.size(), 0});
            bytes += BodyWriter.varintBytes(producer[0]) + BodyWriter.varintBytes(difference(producer, index));
        }
        return bytes + 8 * producers.size();
    }

    /** The number's zigzag difference to the one before it of the same producer, which it becomes. */
    private long difference(long[] producer, int index) {
        long difference = keyLows[index] - producer[1];
        producer[1] = keyLows[index];
        return (difference << 1) ^ (difference >> 63);
    }

    void encode(BodyWriter out) {
        out.u8(kind.ordinal() + 1);
        if (kind == Kind.OFF) {
            return;
        }
        Map<Long, long[]> producers = new LinkedHashMap<>();
        if (kind == Kind.PRODUCER) {
            for (int index = 0; index < count; index++) {
                producers.computeIfAbsent(keyHighs[index], id -> new long[] {producers.size(), 0});
            }
            out.i32(producers.size());
            producers.keySet().forEach(out::i64);
        }
        out.i32(count);
        for (int index = 0; index < count; index++) {
            out.varint(offsets[index] - (index == 0 ? 0 : offsets[index - 1]));
            out.varint(sequences[index] - (index == 0 ? 0 : sequences[index - 1]));
            out.varint(logMillis[index] - (index == 0 ? 0 : logMillis[index - 1]));
            out.i32(payloadCrcs[index]);
            if (kind == Kind.PRODUCER) {
                long[] producer = producers.get(keyHighs[index]);
                out.varint(producer[0]).varint(difference(producer, index));
            } else {
                out.i64(keyHighs[index]).i64(keyLows[index]);
            }
        }
    }

    static SendWindow decode(BodyReader in) throws CorruptRecordException {
        Kind kind = in.code(KINDS);
        if (kind == Kind.OFF) {
            return NONE;
        }
        long[] producerIds = new long[0];
        if (kind == Kind.PRODUCER) {
            producerIds = new long[in.count(8)];
            for (int index = 0; index < producerIds.length; index++) {
                producerIds[index] = in.i64();
            }
        }
        int count = in.count(kind == Kind.PRODUCER ? PRODUCER_BYTES_MIN : MESSAGE_ID_BYTES_MIN);
        Builder builder = new Builder(kind, count);
        long[] lastNumbers = new long[producerIds.length];
        long offset = 0;
        long sequence = 0;
        long millis = 0;
        for (int index = 0; index < count; index++) {
            offset += in.varint();
            sequence += in.varint();
            millis += in.varint();
            int payloadCrc = in.i32();
            if (kind == Kind.PRODUCER) {
                long producer = in.varint();
                if (producer >= producerIds.length) {
                    throw in.corrupt("producer " + producer + " of " + producerIds.length);
                }
                long zigzag = in.varint64();
                lastNumbers[(int) producer] += (zigzag >>> 1) ^ -(zigzag & 1);
                builder.add(
                        producerIds[(int) producer], lastNumbers[(int) producer], offset, sequence, millis, payloadCrc);
            } else {
                builder.add(in.i64(), in.i64(), offset, sequence, millis, payloadCrc);
            }
        }
        return builder.build();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof SendWindow that
                && kind == that.kind
                && count == that.count
                && Arrays.equals(keyHighs, 0, count, that.keyHighs, 0, count)
                && Arrays.equals(keyLows, 0, count, that.keyLows, 0, count)
                && Arrays.equals(offsets, 0, count, that.offsets, 0, count)
                && Arrays.equals(sequences, 0, count, that.sequences, 0, count)
                && Arrays.equals(logMillis, 0, count, that.logMillis, 0, count)
                && Arrays.equals(payloadCrcs, 0, count, that.payloadCrcs, 0, count);
    }

    @Override
    public int hashCode() {
        return 31 * kind.hashCode() + count;
    }

    @Override
    public String toString() {
        return "SendWindow[kind=" + kind + ", count=" + count + "]";
    }

    /** Takes Sends in the order in which they were stored. Not thread-safe. */
    public static final class Builder {
        private final Kind kind;
        private final long[] keyHighs;
        private final long[] keyLows;
        private final long[] offsets;
        private final long[] sequences;
        private final long[] logMillis;
        private final int[] payloadCrcs;
        private int count;

        /** @param countMax how many are added at most */
        public Builder(Kind kind, int countMax) {
            this.kind = kind;
            keyHighs = new long[countMax];
            keyLows = new long[countMax];
            offsets = new long[countMax];
            sequences = new long[countMax];
            logMillis = new long[countMax];
            payloadCrcs = new int[countMax];
        }

        /** @throws IllegalArgumentException if it was not stored behind the one before */
        public Builder add(long keyHigh, long keyLow, long offset, long sequence, long millis, int payloadCrc) {
            if (kind == Kind.OFF) {
                throw new IllegalArgumentException("a window that is off remembers nothing");
            }
            if (count == 0) {
                Fields.notNegative("offset", offset);
                Fields.notNegative("sequence", sequence);
                Fields.notNegative("logMillis", millis);
            } else {
                Fields.check(offset > offsets[count - 1], "offset", offset, "more than " + offsets[count - 1]);
                Fields.check(
                        sequence > sequences[count - 1], "sequence", sequence, "more than " + sequences[count - 1]);
                Fields.check(millis >= logMillis[count - 1], "logMillis", millis, logMillis[count - 1] + " or more");
            }
            keyHighs[count] = keyHigh;
            keyLows[count] = keyLow;
            offsets[count] = offset;
            sequences[count] = sequence;
            logMillis[count] = millis;
            payloadCrcs[count++] = payloadCrc;
            return this;
        }

        public SendWindow build() {
            return new SendWindow(this);
        }
    }
}
