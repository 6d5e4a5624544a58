package io.forebay.storage.io;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/**
 * Reads and writes little-endian numbers in byte arrays; everything on disk is little-endian. Plain accesses, any
 * alignment; an index outside the array throws {@link IndexOutOfBoundsException}.
 */
public final class LittleEndian {
    private static final VarHandle SHORT = MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private LittleEndian() {}

    public static int getUnsignedByte(byte[] source, int at) {
        return source[at] & 0xFF;
    }

    public static int getUnsignedShort(byte[] source, int at) {
        return (short) SHORT.get(source, at) & 0xFFFF;
    }

    public static int getInt(byte[] source, int at) {
        return (int) INT.get(source, at);
    }

    public static long getUnsignedInt(byte[] source, int at) {
        return (int) INT.get(source, at) & 0xFFFF_FFFFL;
    }

    public static long getLong(byte[] source, int at) {
        return (long) LONG.get(source, at);
    }

    public static void putByte(byte[] target, int at, int value) {
        target[at] = (byte) value;
    }

    public static void putShort(byte[] target, int at, int value) {
        SHORT.set(target, at, (short) value);
    }

    public static void putInt(byte[] target, int at, int value) {
        INT.set(target, at, value);
    }

    public static void putLong(byte[] target, int at, long value) {
        LONG.set(target, at, value);
    }
}
