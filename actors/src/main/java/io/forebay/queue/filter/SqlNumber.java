package io.forebay.queue.filter;

/** Numbers of selectors: {@link Long} where one fits, else {@link Double}; never NaN or infinite. */
final class SqlNumber {
    /** A longer text is not read as a number. */
    private static final int CHARS_MAX = 128;

    private static final double TWO_TO_63 = 0x1p63;

    private SqlNumber() {}

    /** Null if the text is no number: {@code [+-]digits[.digits][e[+-]digits]}, nothing around it. */
    static Number parse(String text) {
        int length = text.length();
        if (length == 0 || length > CHARS_MAX) {
            return null;
        }
        char first = text.charAt(0);
        int at = first == '-' || first == '+' ? 1 : 0;
        int digitsFrom = at;
        long value = 0;
        while (at < length && isDigit(text.charAt(at))) {
            value = value * 10 + (text.charAt(at) - '0');
            at++;
        }
        if (at == length && at > digitsFrom && at - digitsFrom <= 18) {
            return first == '-' ? -value : value;
        }
        return parseLong(text, at, digitsFrom);
    }

    /** For what has more than 18 digits, or a point or an exponent. */
    private static Number parseLong(String text, int digitsTo, int digitsFrom) {
        int length = text.length();
        int at = digitsTo;
        int digits = digitsTo - digitsFrom;
        if (at == length) {
            if (digits == 0) {
                return null;
            }
            try {
                return Long.valueOf(text);
            } catch (NumberFormatException e) {
                return finite(Double.parseDouble(text));
            }
        }
        if (text.charAt(at) == '.') {
            at++;
            int from = at;
            while (at < length && isDigit(text.charAt(at))) {
                at++;
            }
            digits += at - from;
        }
        if (digits == 0) {
            return null;
        }
        if (at < length && (text.charAt(at) == 'e' || text.charAt(at) == 'E')) {
            at++;
            if (at < length && (text.charAt(at) == '-' || text.charAt(at) == '+')) {
                at++;
            }
            int from = at;
            while (at < length && isDigit(text.charAt(at))) {
                at++;
            }
            if (at == from) {
                return null;
            }
        }
        return at == length ? finite(Double.parseDouble(text)) : null;
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }

    /** Null for what is no number. */
    static Double finite(double value) {
        return Double.isFinite(value) ? value : null;
    }

    /** Exact, also between a whole number and a double. */
    static int compare(Number left, Number right) {
        if (left instanceof Long l) {
            return right instanceof Long r ? Long.compare(l, r) : compare(l.longValue(), right.doubleValue());
        }
        if (right instanceof Long r) {
            return -compare(r.longValue(), left.doubleValue());
        }
        double l = left.doubleValue();
        double r = right.doubleValue();
        return l < r ? -1 : l > r ? 1 : 0;
    }

    private static int compare(long left, double right) {
        if (right >= TWO_TO_63) {
            return -1;
        }
        if (right < -TWO_TO_63) {
            return 1;
        }
        long whole = (long) right;
        if (left != whole) {
            return Long.compare(left, whole);
        }
        double fraction = right - whole;
        return fraction > 0 ? -1 : fraction < 0 ? 1 : 0;
    }

    /** Null for a result that is none. */
    static Number calculate(char operator, Number left, Number right) {
        if (left instanceof Long l && right instanceof Long r && operator != '/') {
            return calculate(operator, l.longValue(), r.longValue());
        }
        double l = left.doubleValue();
        double r = right.doubleValue();
        return switch (operator) {
            case '+' -> finite(l + r);
            case '-' -> finite(l - r);
            case '*' -> finite(l * r);
            case '/' -> finite(l / r);
            case '%' -> finite(l % r);
            default -> throw new AssertionError(operator);
        };
    }

    private static Number calculate(char operator, long left, long right) {
        switch (operator) {
            case '+': {
                long sum = left + right;
                return ((left ^ sum) & (right ^ sum)) < 0 ? (Number) ((double) left + right) : (Number) sum;
            }
            case '-': {
                long difference = left - right;
                return ((left ^ right) & (left ^ difference)) < 0
                        ? (Number) ((double) left - right)
                        : (Number) difference;
            }
            case '*': {
                long high = Math.multiplyHigh(left, right);
                long low = left * right;
                return high == low >> 63 ? (Number) low : (Number) ((double) left * right);
            }
            case '%':
                return right == 0 ? null : (Number) (left % right);
            default:
                throw new AssertionError(operator);
        }
    }

    static Number negate(Number value) {
        if (value instanceof Long whole) {
            return whole == Long.MIN_VALUE ? (Number) TWO_TO_63 : (Number) (-whole);
        }
        return -value.doubleValue();
    }
}
