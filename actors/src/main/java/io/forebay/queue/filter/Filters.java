package io.forebay.queue.filter;

import io.forebay.queue.core.MessageFilter;

/**
 * Makes filters of what is written in a group's settings:
 * <pre> (nothing) or *       every message
 * tag: a || b          messages with one of these tags; {@code tag: *} is every message
 * sql: expression      messages for which the SQL-92 selector is true, see {@link SqlFilter} </pre>
 * Thread-safe.
 */
public final class Filters {
    /** Longest filter, in characters. */
    public static final int CHARS_MAX = 4096;

    private Filters() {}

    /**
     * @return {@link MessageFilter#ALL} itself if the text stands for every message
     * @throws FilterSyntaxException that names the column and what was expected there
     */
    public static MessageFilter parse(String text) {
        if (text.length() > CHARS_MAX) {
            throw new FilterSyntaxException(text, CHARS_MAX + 1, text.length() + " characters", "at most " + CHARS_MAX);
        }
        int from = 0;
        while (from < text.length() && Character.isWhitespace(text.charAt(from))) {
            from++;
        }
        String written = text.stripTrailing();
        if (from >= written.length() || written.substring(from).equals("*")) {
            return MessageFilter.ALL;
        }
        int colon = written.indexOf(':', from);
        String kind = colon < 0 ? "" : written.substring(from, colon).stripTrailing();
        if (kind.equalsIgnoreCase("tag")) {
            return TagFilter.parse(text, colon + 1);
        }
        if (kind.equalsIgnoreCase("sql")) {
            return SqlFilter.parse(text, colon + 1);
        }
        throw new FilterSyntaxException(
                text,
                from + 1,
                "'" + written.substring(from, Math.min(written.length(), from + 20)) + "'",
                "'tag: a || b', 'sql: expression' or '*'");
    }
}
