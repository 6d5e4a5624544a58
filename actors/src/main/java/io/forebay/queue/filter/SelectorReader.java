package io.forebay.queue.filter;

import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.AND;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.BETWEEN;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.DECIMAL_LITERAL;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.EOF;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.ESCAPE;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.FALSE;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.FLOATING_POINT_LITERAL;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.HEX_LITERAL;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.ID;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.IN;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.IS;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.LIKE;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.NOT;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.NULL;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.OCTAL_LITERAL;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.OR;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.QUOTED_ID;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.STRING_LITERAL;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.TRUE;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.XPATH;
import static org.apache.activemq.artemis.selector.strict.StrictParserConstants.XQUERY;

import io.forebay.queue.filter.SelectorTokens.Word;
import io.forebay.queue.filter.SqlExpression.Comparison;
import io.forebay.queue.filter.SqlExpression.Kind;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Makes a tree of a selector's words: the productions of Artemis' grammar, but NOT stands above comparisons, as SQL-92 has it,
 * and what cannot be compared or calculated with is refused where it stands. Confined to one thread, used once.
 */
final class SelectorReader {
    /** Deepest nesting and longest chain of operators; a longer AND, OR or IN is one level. */
    static final int LEVELS_MAX = 64;

    private static final String VALUE = "a property, a number, a quoted text, TRUE, FALSE, NOT, a sign or (";
    private static final String OPERATOR =
            "=, <>, <, <=, >, >=, +, -, *, /, %, IS, IN, LIKE, BETWEEN, NOT, AND, OR or the end";

    private final SelectorTokens tokens;
    private int level;

    SelectorReader(SelectorTokens tokens) {
        this.tokens = tokens;
    }

    /** @throws FilterSyntaxException that names the first word that is wrong */
    SqlExpression read() {
        Word first = tokens.peek();
        SqlExpression root = or();
        if (!tokens.peek().is(EOF)) {
            throw tokens.wrong(tokens.peek(), OPERATOR);
        }
        return condition(first, root);
    }

    private SqlExpression or() {
        Word first = tokens.peek();
        SqlExpression left = and();
        return tokens.peek().is(OR) ? junction(OR, first, left) : left;
    }

    private SqlExpression and() {
        Word first = tokens.peek();
        SqlExpression left = not();
        return tokens.peek().is(AND) ? junction(AND, first, left) : left;
    }

    private SqlExpression junction(int kind, Word first, SqlExpression left) {
        List<SqlExpression> conditions = new ArrayList<>();
        conditions.add(condition(first, left));
        while (tokens.takeIf(kind)) {
            Word next = tokens.peek();
            conditions.add(condition(next, kind == OR ? and() : not()));
        }
        return bounded(first, new SqlExpression.Junction(kind == AND, conditions.toArray(SqlExpression[]::new)));
    }

    private SqlExpression not() {
        Word word = tokens.peek();
        if (!tokens.takeIf(NOT)) {
            return equality();
        }
        deeper(word);
        Word next = tokens.peek();
        SqlExpression negated = new SqlExpression.Not(condition(next, not()));
        level--;
        return bounded(word, negated);
    }

    private SqlExpression equality() {
        Word first = tokens.peek();
        SqlExpression left = comparison();
        while (true) {
            Word word = tokens.peek();
            if (tokens.takeIf(IS)) {
                boolean isNegated = tokens.takeIf(NOT);
                if (!tokens.takeIf(NULL)) {
                    throw tokens.wrong(tokens.peek(), isNegated ? "NULL" : "NULL or NOT NULL");
                }
                left = not(isNegated, new SqlExpression.IsNull(left));
            } else if (word.is("=") || word.is("<>")) {
                tokens.take();
                Word second = tokens.peek();
                SqlExpression right = comparison();
                left = equal(word, first, left, second, right);
            } else {
                return left;
            }
            left = bounded(word, left);
        }
    }

    private SqlExpression equal(Word word, Word first, SqlExpression left, Word second, SqlExpression right) {
        refuseNull(first, left);
        refuseNull(second, right);
        Kind as = left.kind() != Kind.ANY ? left.kind() : right.kind() != Kind.ANY ? right.kind() : Kind.TEXT;
        if (!right.canBe(as)) {
            throw wrongKind(second, right, as.shown + " as on the left of " + word.image());
        }
        return new SqlExpression.Compare(word.is("=") ? Comparison.EQUAL : Comparison.NOT_EQUAL, as, left, right);
    }

    private void refuseNull(Word word, SqlExpression value) {
        if (value instanceof SqlExpression.Constant constant && constant.isNullLiteral()) {
            throw tokens.wrong(word, "IS NULL or IS NOT NULL: nothing is equal to NULL");
        }
    }

    private SqlExpression comparison() {
        Word first = tokens.peek();
        SqlExpression left = sum();
        while (true) {
            Word word = tokens.peek();
            Comparison sign = ofOrder(word);
            if (sign != null) {
                tokens.take();
                left = ordered(sign, number(first, left), number(tokens.peek(), sum()));
            } else {
                boolean isNegated = word.is(NOT);
                Word verb = isNegated ? tokens.peekSecond() : word;
                if (!verb.is(LIKE) && !verb.is(BETWEEN) && !verb.is(IN)) {
                    if (isNegated) {
                        throw tokens.wrong(verb, "LIKE, BETWEEN or IN behind NOT");
                    }
                    return left;
                }
                if (isNegated) {
                    tokens.take();
                }
                tokens.take();
                left = not(
                        isNegated,
                        verb.is(LIKE) ? like(first, left) : verb.is(IN) ? in(first, left) : between(first, left));
            }
            left = bounded(word, left);
        }
    }

    private static Comparison ofOrder(Word word) {
        if (word.is("<")) {
            return Comparison.LESS;
        }
        if (word.is("<=")) {
            return Comparison.AT_MOST;
        }
        if (word.is(">")) {
            return Comparison.GREATER;
        }
        return word.is(">=") ? Comparison.AT_LEAST : null;
    }

    private static SqlExpression ordered(Comparison sign, SqlExpression left, SqlExpression right) {
        return new SqlExpression.Compare(sign, Kind.NUMBER, left, right);
    }

    private SqlExpression between(Word first, SqlExpression value) {
        number(first, value);
        SqlExpression low = number(tokens.peek(), sum());
        if (!tokens.takeIf(AND)) {
            throw tokens.wrong(tokens.peek(), "AND and the upper bound of BETWEEN");
        }
        SqlExpression high = number(tokens.peek(), sum());
        return new SqlExpression.Junction(true, new SqlExpression[] {
            ordered(Comparison.AT_LEAST, value, low), ordered(Comparison.AT_MOST, value, high)
        });
    }

    private SqlExpression like(Word first, SqlExpression value) {
        refuseUnlessVariable(first, value, "LIKE");
        Word patternWord = tokens.peek();
        String pattern = quotedText("a quoted pattern");
        if (pattern.length() > LikePattern.CHARS_MAX) {
            throw tokens.wrong(
                    patternWord.from(),
                    pattern.length() + " characters",
                    "a pattern of at most " + LikePattern.CHARS_MAX + " characters");
        }
        int escape = -1;
        if (tokens.takeIf(ESCAPE)) {
            Word escapeWord = tokens.peek();
            String written = quotedText("one quoted character");
            if (written.length() != 1) {
                throw tokens.wrong(escapeWord, "one quoted character");
            }
            escape = written.charAt(0);
        }
        return new SqlExpression.Like(value, new LikePattern(pattern, escape));
    }

    private SqlExpression in(Word first, SqlExpression value) {
        refuseUnlessVariable(first, value, "IN");
        if (!tokens.takeIf("(")) {
            throw tokens.wrong(tokens.peek(), "( and quoted texts");
        }
        Set<String> texts = new HashSet<>();
        do {
            texts.add(quotedText("a quoted text"));
        } while (tokens.takeIf(","));
        if (!tokens.takeIf(")")) {
            throw tokens.wrong(tokens.peek(), ", or )");
        }
        return new SqlExpression.In(value, texts);
    }

    private void refuseUnlessVariable(Word first, SqlExpression value, String operator) {
        if (!(value instanceof SqlExpression.Variable) && !(value instanceof SqlExpression.NumberField)) {
            throw wrongKind(first, value, "a property before " + operator);
        }
    }

    private SqlExpression sum() {
        Word first = tokens.peek();
        SqlExpression left = product();
        while (tokens.peek().is("+") || tokens.peek().is("-")) {
            Word word = tokens.take();
            Word second = tokens.peek();
            left = arithmetic(word, number(first, left), number(second, product()));
        }
        return left;
    }

    private SqlExpression product() {
        Word first = tokens.peek();
        SqlExpression left = signed();
        while (tokens.peek().is("*") || tokens.peek().is("/") || tokens.peek().is("%")) {
            Word word = tokens.take();
            Word second = tokens.peek();
            left = arithmetic(word, number(first, left), number(second, signed()));
        }
        return left;
    }

    private SqlExpression arithmetic(Word word, SqlExpression left, SqlExpression right) {
        return bounded(word, new SqlExpression.Arithmetic(word.image().charAt(0), left, right));
    }

    private SqlExpression signed() {
        Word word = tokens.peek();
        if (!word.is("+") && !word.is("-")) {
            return primary();
        }
        tokens.take();
        deeper(word);
        SqlExpression value = new SqlExpression.Signed(word.is("-"), number(tokens.peek(), signed()));
        level--;
        return bounded(word, value);
    }

    private SqlExpression primary() {
        Word word = tokens.peek();
        if (word.is("(")) {
            tokens.take();
            deeper(word);
            SqlExpression inner = or();
            if (!tokens.takeIf(")")) {
                throw tokens.wrong(tokens.peek(), ") or an operator");
            }
            level--;
            return inner;
        }
        switch (word.kind()) {
            case STRING_LITERAL:
                return SqlExpression.Constant.text(quotedText(VALUE));
            case DECIMAL_LITERAL, HEX_LITERAL, OCTAL_LITERAL, FLOATING_POINT_LITERAL:
                return SqlExpression.Constant.number(literal(tokens.take()));
            case TRUE, FALSE, NULL:
                tokens.take();
                return SqlExpression.Constant.truth(word.is(NULL) ? null : (Boolean) word.is(TRUE));
            case ID:
                return SqlExpression.Variable.named(tokens.take().image());
            case QUOTED_ID:
                return SqlExpression.Variable.property(unquoted(tokens.take().image()));
            case XPATH, XQUERY:
                throw tokens.wrong(word, VALUE + "; a property of this name in double quotes");
            default:
                throw tokens.wrong(word, VALUE);
        }
    }

    private Number literal(Word word) {
        String image = word.image();
        Number number;
        try {
            number = switch (word.kind()) {
                case HEX_LITERAL -> Long.valueOf(image.substring(2), 16);
                case OCTAL_LITERAL -> Long.valueOf(image, 8);
                case DECIMAL_LITERAL ->
                    SqlNumber.parse(
                            image.endsWith("l") || image.endsWith("L")
                                    ? image.substring(0, image.length() - 1)
                                    : image);
                default -> SqlNumber.finite(Double.parseDouble(image));
            };
        } catch (NumberFormatException e) {
            number = null;
        }
        if (number == null) {
            throw tokens.wrong(word, "a number within the range of 64 bits or of a double");
        }
        return number;
    }

    private String quotedText(String expected) {
        if (!tokens.peek().is(STRING_LITERAL)) {
            throw tokens.wrong(tokens.peek(), expected);
        }
        return unquoted(tokens.take().image());
    }

    /** A quote within is written twice. */
    private static String unquoted(String image) {
        String quote = image.substring(0, 1);
        return image.substring(1, image.length() - 1).replace(quote + quote, quote);
    }

    private static SqlExpression not(boolean isNegated, SqlExpression condition) {
        return isNegated ? new SqlExpression.Not(condition) : condition;
    }

    private SqlExpression condition(Word first, SqlExpression value) {
        if (!value.canBe(Kind.TRUTH)) {
            throw wrongKind(first, value, "a condition");
        }
        return value;
    }

    private SqlExpression number(Word first, SqlExpression value) {
        if (!value.canBe(Kind.NUMBER)) {
            throw wrongKind(first, value, "a number");
        }
        return value;
    }

    private FilterSyntaxException wrongKind(Word first, SqlExpression value, String expected) {
        return tokens.wrong(first.from(), value.kind().shown, expected);
    }

    private void deeper(Word word) {
        if (++level > LEVELS_MAX) {
            throw tokens.wrong(word, "at most " + LEVELS_MAX + " levels of parentheses and signs");
        }
    }

    private SqlExpression bounded(Word word, SqlExpression value) {
        if (value.height > 4 * LEVELS_MAX) {
            throw tokens.wrong(word, "at most " + 4 * LEVELS_MAX + " operators in a row");
        }
        return value;
    }
}
