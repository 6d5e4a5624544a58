package io.forebay.watch;

import io.forebay.watch.Exposition.Sample;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads the part of Prometheus' query language that dashboards and alerts keep to, and says which series an expression can have over what
 * is shown: comparisons let everything pass, for what is shown now is not what is shown when something is wrong. Whatever has no
 * meaning there, or can never have a series, is an {@link AssertionError} that says so: a selector or a side of an operator that
 * finds nothing, sides whose labels do not match, a function of something it is not made for.
 */
final class PromQl {
    /** What Prometheus adds to whatever it reads of one node. */
    private static final Map<String, String> OF_PROMETHEUS = Map.of("instance", "127.0.0.1:25580", "job", "forebay");

    private static final Set<String> AGGREGATIONS = Set.of("sum", "max", "min", "avg", "count");
    /** Functions of a range of something that only grows. */
    private static final Set<String> OF_COUNTERS = Set.of("rate", "increase");
    /** Functions of a range of something that goes up and down. */
    private static final Set<String> OF_GAUGES = Set.of("delta", "deriv", "predict_linear");

    private static final List<Set<String>> OPERATORS = List.of(
            Set.of("or"),
            Set.of("and", "unless"),
            Set.of("==", "!=", "<", ">", "<=", ">="),
            Set.of("+", "-"),
            Set.of("*", "/", "%"));

    private static final Pattern TOKEN = Pattern.compile(
            "\\s*(?:(\"(?:[^\"\\\\]|\\\\.)*\")|([a-zA-Z_:][a-zA-Z0-9_:]*)|(\\[[^\\]]*])|([0-9]+(?:\\.[0-9]+)?)|(=~|!~|==|!=|<=|>=|[-+*/%<>=(){},]))");
    private static final Pattern RANGE = Pattern.compile("\\[(?:[0-9]+[smhd]|\\$__rate_interval)]");

    /**
     * @param series null for a number
     * @param metric of a plain selector, else null
     */
    private record Value(Set<Map<String, String>> series, String metric, boolean isRange) {
        static final Value NUMBER = new Value(null, null, false);

        static Value of(Set<Map<String, String>> series) {
            return new Value(series, null, false);
        }

        boolean isNumber() {
            return series == null;
        }
    }

    private final String expression;
    private final Exposition shown;
    private final List<String> tokens = new ArrayList<>();
    private int next;

    private PromQl(String expression, Exposition shown) {
        this.expression = expression;
        this.shown = shown;
        Matcher token = TOKEN.matcher(expression);
        int end = 0;
        while (end < expression.stripTrailing().length()) {
            token.region(end, expression.length());
            check(token.lookingAt(), "cannot be read from '" + expression.substring(end) + "' on");
            tokens.add(token.group().strip());
            end = token.end();
        }
    }

    /** The labels of each series that the expression can have; at least one. */
    static Set<Map<String, String>> series(String expression, Exposition shown) {
        PromQl reader = new PromQl(expression, shown);
        Value value = reader.binary(0);
        reader.check(reader.next == reader.tokens.size(), "goes on with '" + reader.peek() + "' behind its end");
        reader.check(!value.isNumber() && !value.isRange, "is no series");
        return value.series;
    }

    // ---- operators --------------------------------------------------------------------------------------------------

    private Value binary(int level) {
        if (level == OPERATORS.size()) {
            return primary();
        }
        Value left = binary(level + 1);
        while (OPERATORS.get(level).contains(peek())) {
            String operator = take();
            Set<String> on = null;
            Set<String> ignoring = Set.of();
            if (peek().equals("on")) {
                take();
                on = labels();
            } else if (peek().equals("ignoring")) {
                take();
                ignoring = labels();
            }
            left = combine(operator, left, binary(level + 1), on, ignoring, level < 2);
        }
        return left;
    }

    private Value combine(
            String operator, Value left, Value right, Set<String> on, Set<String> ignoring, boolean isOfSets) {
        check(!left.isRange && !right.isRange, "has a range beside '" + operator + "'");
        if (left.isNumber() || right.isNumber()) {
            check(on == null && !isOfSets, "has a number beside '" + operator + "'");
            return left.isNumber() ? right : Value.of(left.series);
        }
        if (on != null) {
            checkThere(on, left.series);
            checkThere(on, right.series);
        }
        Set<Map<String, String>> keys = new HashSet<>();
        for (Map<String, String> one : right.series) {
            check(
                    keys.add(key(one, on, ignoring)) || isOfSets,
                    "has several series for one at the right of '" + operator + "'");
        }
        Set<Map<String, String>> result = new HashSet<>();
        if (operator.equals("or")) {
            result.addAll(left.series);
            result.addAll(right.series);
            return Value.of(result);
        }
        Set<Map<String, String>> leftKeys = new HashSet<>();
        for (Map<String, String> one : left.series) {
            Map<String, String> key = key(one, on, ignoring);
            check(leftKeys.add(key) || isOfSets, "has several series for one at the left of '" + operator + "'");
            if (keys.contains(key)) {
                result.add(isOfSets ? one : key);
            }
        }
        check(!result.isEmpty(), "has no series with the same labels on both sides of '" + operator + "'");
        return Value.of(operator.equals("unless") ? left.series : result);
    }

    private static Map<String, String> key(Map<String, String> labels, Set<String> on, Set<String> ignoring) {
        Map<String, String> key = new TreeMap<>(labels);
        if (on != null) {
            key.keySet().retainAll(on);
        }
        key.keySet().removeAll(ignoring);
        return key;
    }

    // ---- functions and selectors ------------------------------------------------------------------------------------

    private Value primary() {
        String token = take();
        if (token.equals("(")) {
            Value value = binary(0);
            expect(")");
            return value;
        }
        if (Character.isDigit(token.charAt(0))) {
            return Value.NUMBER;
        }
        check(Character.isLetter(token.charAt(0)), "has '" + token + "' where something to look at is missing");
        if (AGGREGATIONS.contains(token)) {
            return aggregate();
        }
        return peek().equals("(") ? function(token) : selector(token);
    }

    private Value aggregate() {
        Set<String> by = null;
        Set<String> without = null;
        Value inner = null;
        while (inner == null
                || (by == null && without == null && Set.of("by", "without").contains(peek()))) {
            if (peek().equals("by")) {
                take();
                by = labels();
            } else if (peek().equals("without")) {
                take();
                without = labels();
            } else {
                expect("(");
                inner = binary(0);
                expect(")");
            }
        }
        check(!inner.isNumber() && !inner.isRange, "sums what is no series");
        checkThere(by != null ? by : without != null ? without : Set.of(), inner.series);
        Set<Map<String, String>> result = new HashSet<>();
        for (Map<String, String> one : inner.series) {
            result.add(without != null ? key(one, null, without) : key(one, by == null ? Set.of() : by, Set.of()));
        }
        return Value.of(result);
    }

    private Value function(String name) {
        expect("(");
        List<Value> arguments = new ArrayList<>(List.of(binary(0)));
        while (peek().equals(",")) {
            take();
            arguments.add(binary(0));
        }
        expect(")");
        Value first = arguments.get(0);
        if (OF_COUNTERS.contains(name) || OF_GAUGES.contains(name)) {
            check(
                    arguments.size() == (name.equals("predict_linear") ? 2 : 1),
                    "gives " + name + " " + arguments.size());
            check(first.isRange, "has no range for " + name);
            check(
                    isGrowing(first.metric) == OF_COUNTERS.contains(name),
                    "asks for the " + name + " of " + first.metric);
            return Value.of(first.series);
        }
        check(name.equals("histogram_quantile"), "names the function " + name + ", which is not known here");
        check(arguments.size() == 2 && first.isNumber() && !arguments.get(1).isNumber(), "gives " + name + " else");
        checkThere(Set.of("le"), arguments.get(1).series);
        Set<Map<String, String>> result = new HashSet<>();
        arguments.get(1).series.forEach(one -> result.add(key(one, null, Set.of("le"))));
        return Value.of(result);
    }

    /** Sequences are given densely and never again. */
    private boolean isGrowing(String metric) {
        return "counter".equals(shown.types().get(metric))
                || metric.endsWith("_sequence")
                || Pattern.compile("_(bucket|sum|count)$").matcher(metric).find()
                        && Set.of("histogram", "summary")
                                .contains(shown.types().getOrDefault(metric.substring(0, metric.lastIndexOf('_')), ""));
    }

    private Value selector(String metric) {
        Set<Map<String, String>> series = new HashSet<>();
        if (metric.equals("up")) {
            series.add(OF_PROMETHEUS);
        }
        for (Sample sample : shown.of(metric)) {
            Map<String, String> labels = new TreeMap<>(OF_PROMETHEUS);
            labels.putAll(sample.labels());
            series.add(labels);
        }
        if (peek().equals("{")) {
            take();
            while (!peek().equals("}")) {
                String label = take();
                checkThere(Set.of(label), series);
                String operator = take();
                check(Set.of("=", "!=", "=~", "!~").contains(operator), "matches by '" + operator + "'");
                String text = take();
                check(text.startsWith("\""), "has '" + text + "' where a text is missing");
                String wanted = text.substring(1, text.length() - 1);
                series.removeIf(labels -> !matches(labels.get(label), operator, wanted));
                if (!peek().equals("}")) {
                    expect(",");
                }
            }
            take();
        }
        check(!series.isEmpty(), "finds nothing of " + metric);
        boolean isRange = peek().startsWith("[");
        if (isRange) {
            String range = take();
            check(RANGE.matcher(range).matches(), "has the range " + range);
        }
        return new Value(series, metric, isRange);
    }

    /** A variable of the dashboard may be anything. */
    private static boolean matches(String value, String operator, String wanted) {
        if (wanted.startsWith("$")) {
            return true;
        }
        boolean isMatch = operator.endsWith("~")
                ? Pattern.matches(wanted, value == null ? "" : value)
                : wanted.equals(value == null ? "" : value);
        return isMatch != operator.startsWith("!");
    }

    // ---- words ------------------------------------------------------------------------------------------------------

    private Set<String> labels() {
        Set<String> labels = new TreeSet<>();
        expect("(");
        while (!peek().equals(")")) {
            labels.add(take());
            if (!peek().equals(")")) {
                expect(",");
            }
        }
        take();
        return labels;
    }

    private String peek() {
        return next < tokens.size() ? tokens.get(next) : "";
    }

    private String take() {
        check(next < tokens.size(), "ends too early");
        return tokens.get(next++);
    }

    private void expect(String token) {
        check(peek().equals(token), "has '" + peek() + "' where '" + token + "' is missing");
        next++;
    }

    private void checkThere(Set<String> labels, Set<Map<String, String>> series) {
        for (Map<String, String> one : series) {
            check(one.keySet().containsAll(labels), "names one of the labels " + labels + " which " + one + " has not");
        }
    }

    private void check(boolean isSo, String wrong) {
        if (!isSo) {
            throw new AssertionError(expression + " " + wrong);
        }
    }
}
