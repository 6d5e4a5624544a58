package io.forebay.protocol.wire;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * Appends values to a byte array that grows. Integers are LEB128 varints of the unsigned value unless their method says
 * otherwise; fixed ones are little-endian. Confined to one thread.
 */
final class WireWriter {
    private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private byte[] bytes;
    private int size;
    private Map<String, Integer> shared;
    private String lastShared;
    private int lastSharedIndex;

    WireWriter(int expectedBytes) {
        bytes = new byte[Math.max(32, expectedBytes)];
    }

    int size() {
        return size;
    }

    /** The array written to; its first {@link #size()} bytes count. */
    byte[] array() {
        return bytes;
    }

    byte[] toBytes() {
        return size == bytes.length ? bytes : Arrays.copyOf(bytes, size);
    }

    void u8(int value) {
        room(1);
        bytes[size++] = (byte) value;
    }

    void bool(boolean value) {
        u8(value ? 1 : 0);
    }

    void int32(int value) {
        room(4);
        INT.set(bytes, size, value);
        size += 4;
    }

    void int64(long value) {
        room(8);
        LONG.set(bytes, size, value);
        size += 8;
    }

    /** A value that is not negative, as a rule; a negative one takes ten bytes. */
    void varint(long value) {
        room(10);
        long rest = value;
        while ((rest & ~0x7fL) != 0) {
            bytes[size++] = (byte) (rest | 0x80);
            rest >>>= 7;
        }
        bytes[size++] = (byte) rest;
    }

    /** A value that is near 0 on either side. */
    void zigzag(long value) {
        varint((value << 1) ^ (value >> 63));
    }

    /** Byte count, then UTF-8. */
    void text(String value) {
        byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
        varint(utf8.length);
        raw(utf8, 0, utf8.length);
    }

    /**
     * A text that is likely to come again in this wire form: 0 and the text the first time, then its number from 1 in the
     * order of first use.
     */
    void shared(String value) {
        if (value.equals(lastShared)) {
            varint(lastSharedIndex);
            return;
        }
        if (shared == null) {
            shared = new HashMap<>();
        }
        Integer known = shared.get(value);
        lastShared = value;
        if (known != null) {
            lastSharedIndex = known;
            varint(known);
            return;
        }
        lastSharedIndex = shared.size() + 1;
        shared.put(value, lastSharedIndex);
        varint(0);
        text(value);
    }

    /** Byte count, then the bytes. */
    void block(byte[] value) {
        varint(value.length);
        raw(value, 0, value.length);
    }

    void raw(byte[] source, int from, int length) {
        room(length);
        System.arraycopy(source, from, bytes, size, length);
        size += length;
    }

    private void room(int more) {
        if (bytes.length - size < more) {
            long wanted = Math.max(size + (long) more, bytes.length * 2L);
            if (size + (long) more > Integer.MAX_VALUE - 16) {
                throw new IllegalArgumentException("a wire form of more than 2 GiB");
            }
            bytes = Arrays.copyOf(bytes, (int) Math.min(wanted, Integer.MAX_VALUE - 16));
        }
    }
}
