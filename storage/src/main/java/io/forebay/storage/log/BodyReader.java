package io.forebay.storage.log;

import io.forebay.storage.io.LittleEndian;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A cursor that reads a record's body and never beyond it: every read is checked against what is left, every count
 * against the least its elements need, so that damaged bytes end in {@link CorruptRecordException} and in nothing else.
 */
final class BodyReader {
    private final String what;
    private final byte[] source;
    private final int from;
    private final int end;
    private int at;

    BodyReader(String what, byte[] source, int at, int length) throws CorruptRecordException {
        if (at < 0 || length < 0 || length > source.length - at) {
            throw new CorruptRecordException(
                    what + ": " + length + " bytes at " + at + " do not lie in " + source.length + " bytes");
        }
        this.what = what;
        this.source = source;
        this.from = at;
        this.end = at + length;
        this.at = at;
    }

    byte[] source() {
        return source;
    }

    int at() {
        return at;
    }

    int remaining() {
        return end - at;
    }

    CorruptRecordException corrupt(String reason) {
        return new CorruptRecordException(what + ": " + reason + " (byte " + (at - from) + " of " + (end - from) + ")");
    }

    private void need(int bytes) throws CorruptRecordException {
        if (bytes > end - at) {
            throw corrupt(bytes + " bytes wanted, " + (end - at) + " left");
        }
    }

    int u8() throws CorruptRecordException {
        need(1);
        return LittleEndian.getUnsignedByte(source, at++);
    }

    int u16() throws CorruptRecordException {
        need(2);
        int value = LittleEndian.getUnsignedShort(source, at);
        at += 2;
        return value;
    }

    /** What the body of a record in a reserved queue begins with. */
    long offset() throws CorruptRecordException {
        long offset = i64();
        int tagHash = i32();
        if (tagHash != 0) {
            throw corrupt("a tag hash of " + tagHash + " where there are no tags to look for");
        }
        return offset;
    }

    int i32() throws CorruptRecordException {
        need(4);
        int value = LittleEndian.getInt(source, at);
        at += 4;
        return value;
    }

    long i64() throws CorruptRecordException {
        need(8);
        long value = LittleEndian.getLong(source, at);
        at += 8;
        return value;
    }

    /** 0 or 1; anything else is damage. */
    boolean flag() throws CorruptRecordException {
        int value = u8();
        if (value > 1) {
            throw corrupt("flag " + value + " is neither 0 nor 1");
        }
        return value == 1;
    }

    /** Zero bytes that keep fields aligned. */
    void zeros(int bytes) throws CorruptRecordException {
        need(bytes);
        for (int index = 0; index < bytes; index++) {
            if (source[at + index] != 0) {
                throw corrupt("reserved bytes are not zero");
            }
        }
        at += bytes;
    }

    /** Not negative, at most 63 bits, shortest form only. */
    long varint() throws CorruptRecordException {
        long value = 0;
        for (int shift = 0; shift < 63; shift += 7) {
            int b = u8();
            value |= (long) (b & 0x7F) << shift;
            if (b < 0x80) {
                if (b == 0 && shift > 0) {
                    throw corrupt("number is not in its shortest form");
                }
                return value;
            }
        }
        throw corrupt("number is longer than 63 bits");
    }

    /** All 64 bits, unsigned, shortest form only. */
    long varint64() throws CorruptRecordException {
        long value = 0;
        for (int shift = 0; shift < 70; shift += 7) {
            int b = u8();
            if (shift == 63 && b > 1) {
                throw corrupt("number is longer than 64 bits");
            }
            value |= (long) (b & 0x7F) << shift;
            if (b < 0x80) {
                if (b == 0 && shift > 0) {
                    throw corrupt("number is not in its shortest form");
                }
                return value;
            }
        }
        throw new AssertionError("unreachable");
    }

    /** An i32 count of elements that take at least {@code bytesEach} bytes each. */
    int count(int bytesEach) throws CorruptRecordException {
        int count = i32();
        if (count < 0 || count > (end - at) / bytesEach) {
            throw corrupt("count " + count + " of elements of at least " + bytesEach + " bytes does not fit");
        }
        return count;
    }

    void bytesSkipped(int bytes) throws CorruptRecordException {
        need(bytes);
        at += bytes;
    }

    byte[] blob() throws CorruptRecordException {
        int length = count(1);
        return bytes(length);
    }

    byte[] bytes(int length) throws CorruptRecordException {
        need(length);
        byte[] value = Arrays.copyOfRange(source, at, at + length);
        at += length;
        return value;
    }

    String text() throws CorruptRecordException {
        return text(u16());
    }

    String longText() throws CorruptRecordException {
        return text(count(1));
    }

    private String text(int length) throws CorruptRecordException {
        need(length);
        try {
            String value = Utf8.decode(source, at, length);
            at += length;
            return value;
        } catch (CorruptRecordException e) {
            throw corrupt(e.getMessage());
        }
    }

    Map<String, String> textMap() throws CorruptRecordException {
        int count = u16();
        if (count == 0) {
            return Map.of();
        }
        if (count > (end - at) / 6) {
            throw corrupt("count " + count + " of pairs does not fit");
        }
        Map<String, String> values = new LinkedHashMap<>(count * 4 / 3 + 1);
        for (int index = 0; index < count; index++) {
            String key = text();
            if (values.put(key, longText()) != null) {
                throw corrupt("key " + key + " occurs twice");
            }
        }
        return Collections.unmodifiableMap(values);
    }

    List<String> texts() throws CorruptRecordException {
        int count = u16();
        if (count > (end - at) / 2) {
            throw corrupt("count " + count + " of texts does not fit");
        }
        List<String> values = new ArrayList<>(count);
        for (int index = 0; index < count; index++) {
            values.add(text());
        }
        return values;
    }

    OffsetSet offsets() throws CorruptRecordException {
        return OffsetSet.decode(this);
    }

    /** The constant with this code; codes are the enum's ordinals plus one, and 0 is never written. */
    <E extends Enum<E>> E code(E[] values) throws CorruptRecordException {
        int code = u8();
        if (code < 1 || code > values.length) {
            throw corrupt("code " + code + " is not one of 1 … " + values.length);
        }
        return values[code - 1];
    }

    /** Everything has to be read: what is left over is as wrong as what is missing. */
    void end() throws CorruptRecordException {
        if (at != end) {
            throw corrupt((end - at) + " bytes too many");
        }
    }
}
