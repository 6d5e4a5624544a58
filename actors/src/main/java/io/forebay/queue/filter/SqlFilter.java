package io.forebay.queue.filter;

import io.forebay.queue.core.MessageFilter;
import io.forebay.storage.log.MessageRecord;
import java.util.Map;

/**
 * Wants messages for which a SQL-92 selector is true (neither false nor unknown).
 *
 * <p>Words and literals are found by Artemis' scanner, the grammar is that of its {@code StrictParser}: {@code = <> < <= > >=},
 * {@code + - * / %}, {@code AND OR NOT}, {@code [NOT] BETWEEN}, {@code [NOT] IN ('a', 'b')},
 * {@code [NOT] LIKE 'a%' [ESCAPE '\']}, {@code IS [NOT] NULL}, {@code TRUE FALSE}, comments. That parser itself is only the judge
 * in tests: it takes two missing properties for equal, binds NOT closer than {@code =}, finds '100.5' not greater than 100, matches
 * LIKE with a regular expression that backtracks, and does not say what it expected. {@link SelectorReader} makes a tree with the
 * meaning below.
 *
 * <ul>
 * <li>A name is a property of the message (of an entry first the added one), or one of the fields {@code ID},
 *     {@code TAG} or {@code TAGS}, {@code KEYS} (separated by a space), {@code MESSAGE_GROUP}, {@code LANE}, {@code PRIORITY} and
 *     {@code BORN_MILLIS}. A name in double quotes is always a property: {@code "dead-letter.group"}, {@code "ID"}.
 * <li>Properties are texts. Where a number is compared or calculated with, a text is read as one ({@code '100.5'},
 *     {@code '-1e3'}); one that is none counts as missing. Likewise 'true' and 'false' where a truth value is asked for.
 *     Two properties are equal if their texts are; which is greater is told of numbers alone.
 * <li>What is missing is NULL, and what is compared or calculated with NULL is unknown, as is a division by 0.
 *     {@code NOT}, {@code AND} and {@code OR} have three values.
 * <li>Whole numbers have 64 bits, all others, and results beyond 64 bits, are doubles; {@code /} gives a double.
 * </ul>
 *
 * Immutable and thread-safe. Never throws; takes time in proportion to the expression and the texts it looks at, for LIKE to their product.
 */
final class SqlFilter implements MessageFilter {
    private final String text;
    private final SqlExpression root;

    private SqlFilter(String text, SqlExpression root) {
        this.text = text;
        this.root = root;
    }

    /** @param from where in the text the expression begins */
    static MessageFilter parse(String text, int from) {
        SelectorTokens tokens = SelectorTokens.of(text, from);
        SqlExpression root = new SelectorReader(tokens).read();
        return new SqlFilter(text, root);
    }

    @Override
    public boolean matches(MessageRecord message, Map<String, String> added) {
        return root.truth(new SqlRow(message, added)) == Boolean.TRUE;
    }

    @Override
    public String toString() {
        return text;
    }
}
