package io.forebay.queue.filter;

import java.util.Arrays;

/**
 * A LIKE pattern: {@code %} for any characters, {@code _} for one (a code point), an escape before either or itself for the character as such.
 * Matching goes back to the last {@code %} alone, so it takes at most text times pattern steps. Immutable, thread-safe.
 */
final class LikePattern {
    /** Longest pattern, in characters: with the longest property a match takes some 10 ms at worst. */
    static final int CHARS_MAX = 256;

    private static final int ANY = -1;
    private static final int ONE = -2;

    /** Code points, {@link #ANY} and {@link #ONE}. */
    private final int[] pattern;

    /** @param escape -1 for none */
    LikePattern(String like, int escape) {
        int[] elements = new int[like.length()];
        int count = 0;
        for (int at = 0; at < like.length(); ) {
            int c = like.codePointAt(at);
            at += Character.charCount(c);
            if (c == escape && at < like.length() && isEscapable(like.charAt(at), escape)) {
                elements[count++] = like.charAt(at++);
            } else if (c == '%') {
                if (count == 0 || elements[count - 1] != ANY) {
                    elements[count++] = ANY;
                }
            } else {
                elements[count++] = c == '_' ? ONE : c;
            }
        }
        pattern = Arrays.copyOf(elements, count);
    }

    private static boolean isEscapable(char c, int escape) {
        return c == '%' || c == '_' || c == escape;
    }

    boolean matches(String text) {
        int textAt = 0;
        int patternAt = 0;
        int anyAt = -1;
        int anyTextAt = 0;
        int length = text.length();
        while (textAt < length) {
            int element = patternAt < pattern.length ? pattern[patternAt] : 0;
            int c = text.codePointAt(textAt);
            if (patternAt < pattern.length && element == ANY) {
                anyAt = patternAt++;
                anyTextAt = textAt;
                if (patternAt == pattern.length) {
                    return true;
                }
            } else if (patternAt < pattern.length && (element == ONE || element == c)) {
                patternAt++;
                textAt += Character.charCount(c);
            } else if (anyAt >= 0) {
                patternAt = anyAt + 1;
                anyTextAt += Character.charCount(text.codePointAt(anyTextAt));
                textAt = anyTextAt;
            } else {
                return false;
            }
        }
        while (patternAt < pattern.length && pattern[patternAt] == ANY) {
            patternAt++;
        }
        return patternAt == pattern.length;
    }
}
