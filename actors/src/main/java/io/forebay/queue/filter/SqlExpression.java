package io.forebay.queue.filter;

import io.forebay.storage.log.MessageRecord;
import java.util.Locale;
import java.util.Set;
import java.util.function.Function;

/**
 * A node of a selector's tree. What it gives is asked for by type; null stands for NULL, or unknown. A node is asked only for
 * what its {@link #kind()} can give; the reader sees to that. Immutable, thread-safe, never throws.
 */
abstract class SqlExpression {
    /** What a node gives. */
    enum Kind {
        TRUTH("a condition"),
        NUMBER("a number"),
        TEXT("a text"),
        /** A text that is read as number or truth value where one is asked for. */
        ANY("a property");

        final String shown;

        Kind(String shown) {
            this.shown = shown;
        }
    }

    /** Levels of the tree, for a bound on recursion. */
    final int height;

    private final Kind kind;

    /** @param below what it is made of */
    SqlExpression(Kind kind, SqlExpression... below) {
        this.kind = kind;
        int heightBelow = 0;
        for (SqlExpression expression : below) {
            heightBelow = Math.max(heightBelow, expression.height);
        }
        height = heightBelow + 1;
    }

    final Kind kind() {
        return kind;
    }

    /** The very {@link Boolean#TRUE} or {@link Boolean#FALSE}, or null. */
    Boolean truth(SqlRow row) {
        throw new AssertionError(this + " is no condition");
    }

    Number number(SqlRow row) {
        throw new AssertionError(this + " is no number");
    }

    String text(SqlRow row) {
        throw new AssertionError(this + " is no text");
    }

    final boolean isNull(SqlRow row) {
        return switch (kind) {
            case TRUTH -> truth(row) == null;
            case NUMBER -> number(row) == null;
            case TEXT, ANY -> text(row) == null;
        };
    }

    final boolean canBe(Kind wanted) {
        return kind == wanted || kind == Kind.ANY;
    }

    /** A literal. */
    static final class Constant extends SqlExpression {
        private final Object value;

        private Constant(Kind kind, Object value) {
            super(kind);
            this.value = value;
        }

        /** @param value null for NULL */
        static Constant truth(Boolean value) {
            return new Constant(Kind.TRUTH, value);
        }

        static Constant number(Number value) {
            return new Constant(Kind.NUMBER, value);
        }

        static Constant text(String value) {
            return new Constant(Kind.TEXT, value);
        }

        boolean isNullLiteral() {
            return value == null;
        }

        @Override
        Boolean truth(SqlRow row) {
            return (Boolean) value;
        }

        @Override
        Number number(SqlRow row) {
            return (Number) value;
        }

        @Override
        String text(SqlRow row) {
            return (String) value;
        }
    }

    /** A property, or a field that is a text. */
    static final class Variable extends SqlExpression {
        private final String property;
        private final Function<SqlRow, String> field;

        private Variable(String property, Function<SqlRow, String> field) {
            super(Kind.ANY);
            this.property = property;
            this.field = field;
        }

        static Variable property(String name) {
            return new Variable(name, null);
        }

        static SqlExpression named(String name) {
            return switch (name) {
                case "ID" -> field(MessageRecord::id);
                case "TAG", "TAGS" -> field(MessageRecord::tag);
                case "KEYS" -> new Variable(null, SqlRow::keys);
                case "MESSAGE_GROUP" -> field(MessageRecord::messageGroup);
                case "LANE" -> field(MessageRecord::lane);
                case "PRIORITY" -> new NumberField(row -> (long) row.message().priority());
                case "BORN_MILLIS" -> new NumberField(row -> row.message().bornMillis());
                default -> property(name);
            };
        }

        private static Variable field(Function<MessageRecord, String> field) {
            return new Variable(null, row -> field.apply(row.message()));
        }

        @Override
        String text(SqlRow row) {
            return property != null ? row.property(property) : field.apply(row);
        }

        @Override
        Number number(SqlRow row) {
            String text = text(row);
            return text == null ? null : SqlNumber.parse(text);
        }

        @Override
        Boolean truth(SqlRow row) {
            String text = text(row);
            if (text == null || text.length() > 5) {
                return null;
            }
            return switch (text.toLowerCase(Locale.ROOT)) {
                case "true" -> Boolean.TRUE;
                case "false" -> Boolean.FALSE;
                default -> null;
            };
        }
    }

    /** A field that is a number. */
    static final class NumberField extends SqlExpression {
        private final Function<SqlRow, Long> field;

        NumberField(Function<SqlRow, Long> field) {
            super(Kind.NUMBER);
            this.field = field;
        }

        @Override
        Number number(SqlRow row) {
            return field.apply(row);
        }

        /** Its digits: for IN and LIKE. */
        @Override
        String text(SqlRow row) {
            return field.apply(row).toString();
        }
    }

    /** The signs of comparisons. */
    enum Comparison {
        EQUAL,
        NOT_EQUAL,
        LESS,
        AT_MOST,
        GREATER,
        AT_LEAST;

        boolean isOfOrder() {
            return this != EQUAL && this != NOT_EQUAL;
        }

        /** @param order of the left to the right side, as of a comparator */
        Boolean of(int order) {
            return switch (this) {
                case EQUAL -> order == 0;
                case NOT_EQUAL -> order != 0;
                case LESS -> order < 0;
                case AT_MOST -> order <= 0;
                case GREATER -> order > 0;
                case AT_LEAST -> order >= 0;
            };
        }
    }

    /** Compares as numbers, as texts or as truth values. */
    static final class Compare extends SqlExpression {
        private final Comparison comparison;
        private final Kind as;
        private final SqlExpression left;
        private final SqlExpression right;

        Compare(Comparison comparison, Kind as, SqlExpression left, SqlExpression right) {
            super(Kind.TRUTH, left, right);
            this.comparison = comparison;
            this.as = as;
            this.left = left;
            this.right = right;
        }

        @Override
        Boolean truth(SqlRow row) {
            if (as == Kind.NUMBER) {
                Number l = left.number(row);
                Number r = l == null ? null : right.number(row);
                return r == null ? null : comparison.of(SqlNumber.compare(l, r));
            }
            Object l = as == Kind.TRUTH ? left.truth(row) : left.text(row);
            Object r = l == null ? null : as == Kind.TRUTH ? right.truth(row) : right.text(row);
            return r == null ? null : comparison.of(l.equals(r) ? 0 : 1);
        }
    }

    /** AND of any number of conditions, or OR. */
    static final class Junction extends SqlExpression {
        /** What decides as soon as one condition gives it: FALSE for AND, TRUE for OR. */
        private final Boolean deciding;

        private final SqlExpression[] conditions;

        Junction(boolean isAnd, SqlExpression[] conditions) {
            super(Kind.TRUTH, conditions);
            deciding = !isAnd;
            this.conditions = conditions;
        }

        @Override
        Boolean truth(SqlRow row) {
            boolean isUnknown = false;
            for (SqlExpression condition : conditions) {
                Boolean truth = condition.truth(row);
                if (truth == deciding) {
                    return deciding;
                }
                isUnknown |= truth == null;
            }
            return isUnknown ? null : !deciding ? Boolean.TRUE : Boolean.FALSE;
        }
    }

    static final class Not extends SqlExpression {
        private final SqlExpression condition;

        Not(SqlExpression condition) {
            super(Kind.TRUTH, condition);
            this.condition = condition;
        }

        @Override
        Boolean truth(SqlRow row) {
            Boolean truth = condition.truth(row);
            return truth == null ? null : !truth ? Boolean.TRUE : Boolean.FALSE;
        }
    }

    static final class IsNull extends SqlExpression {
        private final SqlExpression value;

        IsNull(SqlExpression value) {
            super(Kind.TRUTH, value);
            this.value = value;
        }

        @Override
        Boolean truth(SqlRow row) {
            return value.isNull(row) ? Boolean.TRUE : Boolean.FALSE;
        }
    }

    static final class Like extends SqlExpression {
        private final SqlExpression value;
        private final LikePattern pattern;

        Like(SqlExpression value, LikePattern pattern) {
            super(Kind.TRUTH, value);
            this.value = value;
            this.pattern = pattern;
        }

        @Override
        Boolean truth(SqlRow row) {
            String text = value.text(row);
            return text == null ? null : pattern.matches(text) ? Boolean.TRUE : Boolean.FALSE;
        }
    }

    static final class In extends SqlExpression {
        private final SqlExpression value;
        private final Set<String> texts;

        In(SqlExpression value, Set<String> texts) {
            super(Kind.TRUTH, value);
            this.value = value;
            this.texts = Set.copyOf(texts);
        }

        @Override
        Boolean truth(SqlRow row) {
            String text = value.text(row);
            return text == null ? null : texts.contains(text) ? Boolean.TRUE : Boolean.FALSE;
        }
    }

    static final class Arithmetic extends SqlExpression {
        private final char operator;
        private final SqlExpression left;
        private final SqlExpression right;

        Arithmetic(char operator, SqlExpression left, SqlExpression right) {
            super(Kind.NUMBER, left, right);
            this.operator = operator;
            this.left = left;
            this.right = right;
        }

        @Override
        Number number(SqlRow row) {
            Number l = left.number(row);
            Number r = l == null ? null : right.number(row);
            return r == null ? null : SqlNumber.calculate(operator, l, r);
        }
    }

    /** A sign before a number: makes a number of a property. */
    static final class Signed extends SqlExpression {
        private final boolean isNegated;
        private final SqlExpression value;

        Signed(boolean isNegated, SqlExpression value) {
            super(Kind.NUMBER, value);
            this.isNegated = isNegated;
            this.value = value;
        }

        @Override
        Number number(SqlRow row) {
            Number number = value.number(row);
            return number == null || !isNegated ? number : SqlNumber.negate(number);
        }
    }
}
