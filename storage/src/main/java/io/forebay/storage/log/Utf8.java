package io.forebay.storage.log;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/** Strings as UTF-8; ASCII (ids, tags, keys, names) takes a path without intermediate arrays. */
final class Utf8 {
    private Utf8() {}

    /** Bytes of the text as UTF-8; an unpaired surrogate counts and is written as {@code ?}, as the JDK does. */
    static int bytes(String text) {
        int length = text.length();
        int bytes = length;
        for (int index = 0; index < length; index++) {
            char c = text.charAt(index);
            if (c >= 0x80) {
                if (c < 0x800) {
                    bytes++;
                } else if (!Character.isSurrogate(c)) {
                    bytes += 2;
                } else if (Character.isHighSurrogate(c)
                        && index + 1 < length
                        && Character.isLowSurrogate(text.charAt(index + 1))) {
                    bytes += 2;
                    index++;
                }
            }
        }
        return bytes;
    }

    /** Writes the text and returns how many bytes it took. */
    @SuppressWarnings("deprecation") // the deprecated getBytes is exactly a copy of the low bytes, right for ASCII
    static int encode(String text, byte[] target, int at) {
        int length = text.length();
        int index = 0;
        while (index < length && text.charAt(index) < 0x80) {
            index++;
        }
        if (index == length) {
            text.getBytes(0, length, target, at);
            return length;
        }
        byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
        System.arraycopy(encoded, 0, target, at, encoded.length);
        return encoded.length;
    }

    static String decode(byte[] source, int at, int length) throws CorruptRecordException {
        if (length == 0) {
            return "";
        }
        int end = at + length;
        int index = at;
        while (index < end && source[index] >= 0) {
            index++;
        }
        if (index == end) {
            return new String(source, at, length, StandardCharsets.ISO_8859_1);
        }
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .onMalformedInput(CodingErrorAction.REPORT)
                    .onUnmappableCharacter(CodingErrorAction.REPORT)
                    .decode(ByteBuffer.wrap(source, at, length))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new CorruptRecordException("text of " + length + " bytes is not UTF-8", e);
        }
    }
}
