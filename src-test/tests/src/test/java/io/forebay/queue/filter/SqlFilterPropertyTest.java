package io.forebay.queue.filter;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.queue.core.MessageFilter;
import io.forebay.storage.log.MessageRecord;
import io.forebay.testkit.sim.SeededRun;
import java.io.StringReader;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.random.RandomGenerator;
import java.util.regex.Pattern;
import org.apache.activemq.artemis.selector.strict.ParseException;
import org.apache.activemq.artemis.selector.strict.StrictParser;
import org.junit.jupiter.api.Test;

/** Selectors against an evaluator that is obviously right, and against garbage. */
class SqlFilterPropertyTest {
    private static final String[] NAMES = {"a", "b", "c", "d"};
    private static final String[] TEXTS = {"1", "2", "-3", "2.5", "x", "xy", "x%y", "_", "true", "FALSE", "", "1e2", "0"
    };

    /** A random expression: its text, how tightly it binds, and what it is for some properties (null for unknown). */
    private record Term<T>(String text, int tightness, Function<Map<String, String>, T> value) {
        String within(int wanted) {
            return tightness >= wanted ? text : "(" + text + ")";
        }
    }

    private static final int OR = 1;
    private static final int AND = 2;
    private static final int NOT = 3;
    private static final int COMPARISON = 4;
    private static final int SUM = 5;
    private static final int PRODUCT = 6;
    private static final int PRIMARY = 8;

    @Test
    void randomExpressionsMeanWhatANaiveEvaluatorSays() {
        SeededRun.run("random selectors", (random, progress) -> {
            long steps = SeededRun.steps(20_000);
            int[] seen = new int[3];
            for (long step = 0; step < steps; step++) {
                progress.at(step);
                Term<Boolean> term = condition(random, 4);
                progress.note(term.text());
                MessageFilter filter = Filters.parse("sql: " + term.text());
                if (!term.text().contains("NOT ")) {
                    judge(term.text());
                }
                for (int message = 0; message < 4; message++) {
                    Map<String, String> properties = new TreeMap<>();
                    for (String name : NAMES) {
                        if (random.nextInt(4) > 0) {
                            properties.put(name, TEXTS[random.nextInt(TEXTS.length)]);
                        }
                    }
                    Boolean expected = term.value().apply(properties);
                    seen[expected == null ? 2 : expected ? 1 : 0]++;
                    MessageRecord record = MessageRecord.builder()
                            .id("m")
                            .properties(properties)
                            .build();
                    assertThat(filter.matches(record, Map.of()))
                            .as("%s of %s", term.text(), properties)
                            .isEqualTo(expected == Boolean.TRUE);
                }
            }
            assertThat(Arrays.stream(seen).min().orElseThrow())
                    .as("each truth value")
                    .isGreaterThan((int) steps / 50);
        });
    }

    /** What is no selector for Artemis' parser is none here; NOT binds differently there. */
    private static void judge(String expression) throws ParseException {
        assertThat(new StrictParser(new StringReader(expression)).JmsSelector()).isNotNull();
    }

    private static Term<Boolean> condition(RandomGenerator random, int depth) {
        if (depth > 0 && random.nextInt(2) == 0) {
            Term<Boolean> left = condition(random, depth - 1);
            Term<Boolean> right = condition(random, depth - 1);
            return switch (random.nextInt(3)) {
                case 0 ->
                    new Term<>(left.within(OR) + " OR " + right.within(AND), OR, row -> {
                        Boolean l = left.value().apply(row);
                        Boolean r = right.value().apply(row);
                        return l == Boolean.TRUE || r == Boolean.TRUE
                                ? Boolean.TRUE
                                : l == null || r == null ? null : false;
                    });
                case 1 ->
                    new Term<>(left.within(AND) + " AND " + right.within(NOT), AND, row -> {
                        Boolean l = left.value().apply(row);
                        Boolean r = right.value().apply(row);
                        return l == Boolean.FALSE || r == Boolean.FALSE
                                ? Boolean.FALSE
                                : l == null || r == null ? null : true;
                    });
                default ->
                    new Term<>(
                            "NOT " + left.within(NOT),
                            NOT,
                            row -> negated(left.value().apply(row)));
            };
        }
        return comparison(random, depth);
    }

    private static Boolean negated(Boolean truth) {
        return truth == null ? null : (Boolean) !truth;
    }

    private static Term<Boolean> comparison(RandomGenerator random, int depth) {
        String name = NAMES[random.nextInt(NAMES.length)];
        boolean isNot = random.nextBoolean();
        switch (random.nextInt(8)) {
            case 0:
                return new Term<>(
                        name + " IS " + (isNot ? "NOT " : "") + "NULL",
                        COMPARISON,
                        row -> isNot == row.containsKey(name));
            case 1: {
                List<String> texts = new ArrayList<>();
                for (int count = 1 + random.nextInt(3); count > 0; count--) {
                    texts.add(TEXTS[random.nextInt(TEXTS.length)]);
                }
                return onText(name, isNot, " IN ('" + String.join("', '", texts) + "')", texts::contains);
            }
            case 2: {
                StringBuilder like = new StringBuilder();
                StringBuilder regex = new StringBuilder();
                for (int count = random.nextInt(4); count > 0; count--) {
                    int kind = random.nextInt(5);
                    like.append(new String[] {"%", "_", "x", "y", "!%"}[kind]);
                    regex.append(new String[] {".*", ".", "x", "y", "%"}[kind]);
                }
                Pattern pattern = Pattern.compile(regex.toString(), Pattern.DOTALL);
                return onText(
                        name,
                        isNot,
                        " LIKE '" + like + "' ESCAPE '!'",
                        text -> pattern.matcher(text).matches());
            }
            case 3: {
                String text = TEXTS[random.nextInt(TEXTS.length)];
                return new Term<>(
                        name + (isNot ? " <> '" : " = '") + text + "'",
                        COMPARISON,
                        row -> row.containsKey(name)
                                ? (Boolean) (isNot != row.get(name).equals(text))
                                : null);
            }
            case 4:
                return new Term<>(isNot ? name + " = FALSE" : name, isNot ? COMPARISON : PRIMARY, row -> {
                    String text = String.valueOf(row.get(name));
                    Boolean truth = text.equalsIgnoreCase("true")
                            ? Boolean.TRUE
                            : text.equalsIgnoreCase("false") ? Boolean.FALSE : null;
                    return isNot ? negated(truth) : truth;
                });
            case 5: {
                Term<BigDecimal> value = number(random, depth);
                Term<BigDecimal> low = number(random, 0);
                Term<BigDecimal> high = number(random, 1);
                return new Term<>(
                        value.within(SUM) + (isNot ? " NOT" : "") + " BETWEEN " + low.within(SUM) + " AND "
                                + high.within(SUM),
                        COMPARISON,
                        row -> {
                            BigDecimal v = value.value().apply(row);
                            BigDecimal l = low.value().apply(row);
                            BigDecimal h = high.value().apply(row);
                            boolean isBelow = v != null && l != null && v.compareTo(l) < 0;
                            boolean isAbove = v != null && h != null && v.compareTo(h) > 0;
                            if (isBelow || isAbove) {
                                return isNot;
                            }
                            return v == null || l == null || h == null ? null : (Boolean) !isNot;
                        });
            }
            default: {
                Term<BigDecimal> left = number(random, depth);
                // Two bare properties are compared as texts.
                Term<BigDecimal> right =
                        random.nextBoolean() ? constant(random) : plus(number(random, depth), constant(random));
                String sign = new String[] {"=", "<>", "<", "<=", ">", ">="}[random.nextInt(6)];
                return new Term<>(left.within(SUM) + " " + sign + " " + right.within(SUM), COMPARISON, row -> {
                    BigDecimal l = left.value().apply(row);
                    BigDecimal r = right.value().apply(row);
                    if (l == null || r == null) {
                        return null;
                    }
                    int order = l.compareTo(r);
                    return switch (sign) {
                        case "=" -> order == 0;
                        case "<>" -> order != 0;
                        case "<" -> order < 0;
                        case "<=" -> order <= 0;
                        case ">" -> order > 0;
                        default -> order >= 0;
                    };
                });
            }
        }
    }

    private static Term<Boolean> onText(String name, boolean isNot, String operator, Function<String, Boolean> is) {
        return new Term<>(
                name + (isNot ? " NOT" : "") + operator,
                COMPARISON,
                row -> row.containsKey(name) ? (Boolean) (isNot != is.apply(row.get(name))) : null);
    }

    private static Term<BigDecimal> number(RandomGenerator random, int depth) {
        if (depth > 0 && random.nextInt(3) == 0) {
            Term<BigDecimal> left = number(random, depth - 1);
            Term<BigDecimal> right = number(random, depth - 1);
            return switch (random.nextInt(4)) {
                case 0 -> plus(left, right);
                case 1 ->
                    new Term<>(
                            left.within(SUM) + " - " + right.within(PRODUCT),
                            SUM,
                            both(left, right, BigDecimal::subtract));
                case 2 ->
                    new Term<>(
                            left.within(PRODUCT) + " * " + right.within(PRIMARY),
                            PRODUCT,
                            both(left, right, BigDecimal::multiply));
                default ->
                    new Term<>("-" + left.within(PRIMARY), PRODUCT, row -> {
                        BigDecimal value = left.value().apply(row);
                        return value == null ? null : value.negate();
                    });
            };
        }
        if (random.nextInt(3) == 0) {
            return constant(random);
        }
        String name = NAMES[random.nextInt(NAMES.length)];
        return new Term<>(name, PRIMARY, row -> decimal(row.get(name)));
    }

    private static Term<BigDecimal> plus(Term<BigDecimal> left, Term<BigDecimal> right) {
        return new Term<>(left.within(SUM) + " + " + right.within(PRODUCT), SUM, both(left, right, BigDecimal::add));
    }

    private static Term<BigDecimal> constant(RandomGenerator random) {
        String text = new String[] {"0", "1", "2", "3", "2.5", "0.25", "100"}[random.nextInt(7)];
        return new Term<>(text, PRIMARY, row -> new BigDecimal(text));
    }

    private static Function<Map<String, String>, BigDecimal> both(
            Term<BigDecimal> left, Term<BigDecimal> right, BiFunction<BigDecimal, BigDecimal, BigDecimal> operator) {
        return row -> {
            BigDecimal l = left.value().apply(row);
            BigDecimal r = right.value().apply(row);
            return l == null || r == null ? null : operator.apply(l, r);
        };
    }

    private static BigDecimal decimal(String text) {
        try {
            return text == null ? null : new BigDecimal(text);
        } catch (NumberFormatException e) {
            return null;
        }
    }

    @Test
    void garbageIsRefusedAndNothingElse() {
        String[] words = {
            "a",
            "b",
            "1",
            "2.5",
            "'x'",
            "'%'",
            "(",
            ")",
            "(",
            ")",
            "=",
            "<>",
            "<",
            ">=",
            "+",
            "-",
            "*",
            "/",
            "%",
            "AND",
            "OR",
            "NOT",
            "IS",
            "NULL",
            "IN",
            "LIKE",
            "BETWEEN",
            "ESCAPE",
            "TRUE",
            "FALSE",
            ",",
            "'",
            "\"",
            "XPATH",
            "--",
            "/*",
            "*/",
            "ä",
            "\n",
            "\uD800",
            "0x",
            "1e",
            "TAG",
            "PRIORITY",
            "\"q\"",
            "\u0000",
            ":",
            "||"
        };
        SeededRun.run("garbage as filters", (random, progress) -> {
            int accepted = 0;
            for (long step = 0; step < SeededRun.steps(60_000); step++) {
                progress.at(step);
                StringBuilder text =
                        new StringBuilder(random.nextInt(20) == 0 ? "" : random.nextInt(5) == 0 ? "tag: " : "sql: ");
                for (int count = random.nextInt(step % 10 == 0 ? 40 : 7); count >= 0; count--) {
                    if (random.nextInt(10) == 0) {
                        text.append((char) random.nextInt(256));
                    } else {
                        text.append(words[random.nextInt(words.length)]);
                        text.append(random.nextInt(4) == 0 ? "" : " ");
                    }
                }
                progress.note(text.toString());
                try {
                    MessageFilter filter = Filters.parse(text.toString());
                    filter.matches(
                            MessageRecord.builder()
                                    .id("m")
                                    .properties(Map.of("a", TEXTS[random.nextInt(TEXTS.length)], "q", "1"))
                                    .build(),
                            Map.of());
                    accepted++;
                    if (!text.toString().contains("NOT") && text.toString().startsWith("sql:")) {
                        judge(text.substring(4));
                    }
                } catch (FilterSyntaxException e) {
                    assertThat(e.column()).isBetween(1, text.length() + 1);
                }
            }
            assertThat(accepted).isPositive();
        });
    }
}
