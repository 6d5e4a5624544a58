package io.forebay.storage.log;

import io.forebay.storage.io.LittleEndian;
import java.util.List;
import java.util.Map;

/** A cursor that writes a record's body. Confined to one encode call; the caller has made room. */
final class BodyWriter {
    private final byte[] target;
    private int at;

    BodyWriter(byte[] target, int at) {
        this.target = target;
        this.at = at;
    }

    int at() {
        return at;
    }

    BodyWriter u8(int value) {
        LittleEndian.putByte(target, at, value);
        at += 1;
        return this;
    }

    BodyWriter u16(int value) {
        LittleEndian.putShort(target, at, value);
        at += 2;
        return this;
    }

    BodyWriter i32(int value) {
        LittleEndian.putInt(target, at, value);
        at += 4;
        return this;
    }

    BodyWriter i64(long value) {
        LittleEndian.putLong(target, at, value);
        at += 8;
        return this;
    }

    /** What the body of a record in a reserved queue begins with. */
    BodyWriter offset(long offset) {
        return i64(offset).i32(0);
    }

    /** Unsigned LEB128: seven bits a byte, lowest first, the top bit says that more follow. */
    BodyWriter varint(long value) {
        long rest = value;
        while ((rest & ~0x7FL) != 0) {
            target[at++] = (byte) (rest | 0x80);
            rest >>>= 7;
        }
        target[at++] = (byte) rest;
        return this;
    }

    BodyWriter bytes(byte[] value) {
        System.arraycopy(value, 0, target, at, value.length);
        at += value.length;
        return this;
    }

    /** i32 length, then the bytes. */
    BodyWriter blob(byte[] value) {
        return i32(value.length).bytes(value);
    }

    /** u16 length, then UTF-8. */
    BodyWriter text(String value) {
        int bytes = Utf8.encode(value, target, at + 2);
        LittleEndian.putShort(target, at, bytes);
        at += 2 + bytes;
        return this;
    }

    /** i32 length, then UTF-8. */
    BodyWriter longText(String value) {
        int bytes = Utf8.encode(value, target, at + 4);
        LittleEndian.putInt(target, at, bytes);
        at += 4 + bytes;
        return this;
    }

    /** u16 count, then pairs of a text and a long text, in the map's order. */
    BodyWriter textMap(Map<String, String> values) {
        u16(values.size());
        for (Map.Entry<String, String> entry : values.entrySet()) {
            text(entry.getKey()).longText(entry.getValue());
        }
        return this;
    }

    /** u16 count, then texts. */
    BodyWriter texts(List<String> values) {
        u16(values.size());
        for (String value : values) {
            text(value);
        }
        return this;
    }

    BodyWriter offsets(OffsetSet value) {
        at = value.encode(target, at);
        return this;
    }

    /** All 64 bits, unsigned. */
    static int varintBytes(long value) {
        return (63 - Long.numberOfLeadingZeros(value | 1)) / 7 + 1;
    }

    static int textBytes(String value) {
        return 2 + Utf8.bytes(value);
    }

    static int longTextBytes(String value) {
        return 4 + Utf8.bytes(value);
    }

    static int textMapBytes(Map<String, String> values) {
        int bytes = 2;
        for (Map.Entry<String, String> entry : values.entrySet()) {
            bytes += textBytes(entry.getKey()) + longTextBytes(entry.getValue());
        }
        return bytes;
    }

    static int textsBytes(List<String> values) {
        int bytes = 2;
        for (String value : values) {
            bytes += textBytes(value);
        }
        return bytes;
    }
}
