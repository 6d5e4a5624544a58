package io.forebay.protocol.wire;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Reads what {@link WireWriter} wrote. Every size is held against the bytes that are left before anything is allocated,
 * so rubbish costs at most a small multiple of its own size. Confined to one thread.
 */
final class WireReader {
    private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private final byte[] bytes;
    private final int end;
    private int at;
    private List<String> shared;

    WireReader(byte[] bytes, int from, int length) {
        this.bytes = bytes;
        this.at = from;
        this.end = from + length;
    }

    int remaining() {
        return end - at;
    }

    int u8() throws MalformedWireException {
        need(1);
        return bytes[at++] & 0xff;
    }

    boolean bool() throws MalformedWireException {
        int value = u8();
        if (value > 1) {
            throw malformed("a boolean of " + value);
        }
        return value == 1;
    }

    int int32() throws MalformedWireException {
        need(4);
        int value = (int) INT.get(bytes, at);
        at += 4;
        return value;
    }

    long int64() throws MalformedWireException {
        need(8);
        long value = (long) LONG.get(bytes, at);
        at += 8;
        return value;
    }

    long varint() throws MalformedWireException {
        long value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            need(1);
            int next = bytes[at++];
            value |= (next & 0x7fL) << shift;
            if (next >= 0) {
                if (shift == 63 && next > 1) {
                    break;
                }
                return value;
            }
        }
        throw malformed("a number of more than 64 bits");
    }

    /** A varint that must fit a non-negative int. */
    int varintInt() throws MalformedWireException {
        long value = varint();
        if (value < 0 || value > Integer.MAX_VALUE) {
            throw malformed("a number of " + value + " where an int is expected");
        }
        return (int) value;
    }

    long zigzag() throws MalformedWireException {
        long value = varint();
        return (value >>> 1) ^ -(value & 1);
    }

    /** A zigzag that must fit an int. */
    int zigzagInt() throws MalformedWireException {
        long value = zigzag();
        if (value != (int) value) {
            throw malformed("a number of " + value + " where an int is expected");
        }
        return (int) value;
    }

    /**
     * A number of elements that follow.
     *
     * @param bytesMin least bytes that one of them takes
     */
    int count(int bytesMin) throws MalformedWireException {
        long value = varint();
        if (value < 0 || value > remaining() / bytesMin) {
            throw malformed(value + " elements announced");
        }
        return (int) value;
    }

    String text() throws MalformedWireException {
        int length = count(1);
        String value = new String(bytes, at, length, StandardCharsets.UTF_8);
        at += length;
        return value;
    }

    String shared() throws MalformedWireException {
        long number = varint();
        if (number == 0) {
            String value = text();
            if (shared == null) {
                shared = new ArrayList<>(4);
            }
            shared.add(value);
            return value;
        }
        if (shared == null || number < 0 || number > shared.size()) {
            throw malformed("text number " + number + " used before it was given");
        }
        return shared.get((int) number - 1);
    }

    byte[] block() throws MalformedWireException {
        int length = count(1);
        byte[] value = Arrays.copyOfRange(bytes, at, at + length);
        at += length;
        return value;
    }

    void expectEnd() throws MalformedWireException {
        if (at != end) {
            throw malformed("more bytes than the form has");
        }
    }

    MalformedWireException malformed(String what) {
        return new MalformedWireException("not a Forebay wire form: " + what + ", with " + remaining() + " bytes left");
    }

    private void need(int count) throws MalformedWireException {
        if (end - at < count) {
            throw malformed("it ends in the middle of a value");
        }
    }
}
