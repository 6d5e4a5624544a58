package io.forebay.look;

import io.forebay.protocol.Refusal;

/** The text of a place to go on from: two numbers that are not negative. Opaque to clients, who may not be trusted. */
record Cursor(long first, long second) {
    /** @return null if the text is none of ours */
    static Cursor parseOrNull(String text) {
        int colon = text.indexOf(':');
        if (colon < 1 || text.length() > 40) {
            return null;
        }
        try {
            Cursor cursor = new Cursor(Long.parseLong(text, 0, colon, 10), Long.parseLong(text.substring(colon + 1)));
            return cursor.first < 0 || cursor.second < 0 ? null : cursor;
        } catch (NumberFormatException e) {
            return null;
        }
    }

    static Refusal illegal(String text) {
        return Refusal.illegalArgument("cursor", text, "empty, or as the last page gave it");
    }

    @Override
    public String toString() {
        return first + ":" + second;
    }
}
