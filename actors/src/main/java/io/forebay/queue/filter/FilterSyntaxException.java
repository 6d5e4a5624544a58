package io.forebay.queue.filter;

/** A filter that does not parse. The message is one line that can be shown as it is: filter, column, what was found and expected. */
public final class FilterSyntaxException extends IllegalArgumentException {
    private static final int SHOWN_CHARS_MAX = 120;

    private final int column;
    private final String expected;

    /**
     * @param filter the whole text, its {@code tag:} or {@code sql:} included
     * @param column of the first character that is wrong, from 1; one more than the length for the end
     */
    FilterSyntaxException(String filter, int column, String found, String expected) {
        super("filter '" + shown(filter) + "' is wrong at column " + column + ": found " + shown(found) + ", expected "
                + expected);
        this.column = column;
        this.expected = expected;
    }

    /** Where in the text, from 1. */
    public int column() {
        return column;
    }

    /** What would have been right there. */
    public String expected() {
        return expected;
    }

    private static String shown(String text) {
        String cut = text.length() > SHOWN_CHARS_MAX ? text.substring(0, SHOWN_CHARS_MAX) + "…" : text;
        StringBuilder shown = new StringBuilder(cut);
        for (int index = 0; index < shown.length(); index++) {
            if (Character.isISOControl(shown.charAt(index))) {
                shown.setCharAt(index, ' ');
            }
        }
        return shown.toString();
    }
}
