package io.forebay.queue.core;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How long a message waits before it goes out again after an attempt that failed: its deadline passed, its consumer was
 * lost, or it was nacked without a delay. Written as one of
 * <pre> none
 * fixed 5 s
 * list 10 s, 30 s, 1 m             the last one repeats
 * exponential 100 ms to 1 m        doubles with each attempt, or: factor 1.5 </pre>
 * each with {@code jitter 20 %} behind it if wished: the wait is then shorter by up to that share, spread over the messages
 * so that what failed together does not come back together. Which share a message and attempt get is fixed, not drawn, so
 * that recovery finds the same instant again. Immutable, thread-safe.
 */
public final class RetryBackoff {
    /** Longest single wait. */
    public static final long DELAY_MILLIS_MAX = 7L * 24 * 3_600_000;
    /** Nothing is waited for. */
    public static final RetryBackoff NONE = new RetryBackoff("none", List.of(), 0, 0, 0, 0);

    private static final int STEPS_MAX = 100;
    private static final String DURATION = "(\\d{1,12}) ?(ms|s|m|h|d)";
    private static final Pattern ONE_DURATION = Pattern.compile(DURATION);
    private static final Pattern JITTER = Pattern.compile("(.*?),? jitter (\\d{1,3}) ?%");
    private static final Pattern EXPONENTIAL =
            Pattern.compile("exponential " + DURATION + " to " + DURATION + "(?: factor (\\d{1,3}(?:\\.\\d{1,3})?))?");

    private final String text;
    private final List<Long> steps;
    private final long firstMillis;
    private final long maxMillis;
    private final double factor;
    private final int jitterPercent;

    private RetryBackoff(
            String text, List<Long> steps, long firstMillis, long maxMillis, double factor, int jitterPercent) {
        this.text = text;
        this.steps = List.copyOf(steps);
        this.firstMillis = firstMillis;
        this.maxMillis = maxMillis;
        this.factor = factor;
        this.jitterPercent = jitterPercent;
    }

    /** The same wait after every attempt, for those who need no text. */
    public static RetryBackoff fixed(long millis) {
        return parse("fixed " + millis + " ms");
    }

    /** Doubling from one wait to another. */
    public static RetryBackoff exponential(long firstMillis, long maxMillis) {
        return parse("exponential " + firstMillis + " ms to " + maxMillis + " ms");
    }

    /** @throws IllegalArgumentException whose message says what would be right */
    public static RetryBackoff parse(String written) {
        String rest = written.strip().toLowerCase(Locale.ROOT).replaceAll("\\s+", " ");
        int jitter = 0;
        Matcher jitterMatcher = JITTER.matcher(rest);
        if (jitterMatcher.matches()) {
            jitter = Integer.parseInt(jitterMatcher.group(2));
            if (jitter > 100) {
                throw illegal(written, "a jitter of 0 to 100 %");
            }
            rest = jitterMatcher.group(1);
        }
        if (rest.equals("none")) {
            return NONE;
        }
        if (rest.startsWith("fixed ")) {
            List<Long> one = List.of(duration(written, rest.substring("fixed ".length())));
            return new RetryBackoff(written.strip(), one, 0, 0, 0, jitter);
        }
        if (rest.startsWith("list ")) {
            List<Long> steps = new ArrayList<>();
            for (String step : rest.substring("list ".length()).split(",", -1)) {
                steps.add(duration(written, step.strip()));
            }
            if (steps.size() > STEPS_MAX) {
                throw illegal(written, "at most " + STEPS_MAX + " waits");
            }
            return new RetryBackoff(written.strip(), steps, 0, 0, 0, jitter);
        }
        Matcher exponential = EXPONENTIAL.matcher(rest);
        if (exponential.matches()) {
            long first = millis(written, exponential.group(1), exponential.group(2));
            long max = millis(written, exponential.group(3), exponential.group(4));
            double factor = exponential.group(5) == null ? 2 : Double.parseDouble(exponential.group(5));
            if (max < first) {
                throw illegal(written, "an upper bound that is at least the first wait");
            }
            if (factor < 1 || factor > 100) {
                throw illegal(written, "a factor of 1 to 100");
            }
            return new RetryBackoff(written.strip(), List.of(), first, max, factor, jitter);
        }
        throw illegal(
                written,
                "none, fixed 5 s, list 10 s, 30 s, 1 m, or exponential 100 ms to 1 m [factor 2], each with"
                        + " [jitter 20 %]");
    }

    private static long duration(String written, String text) {
        Matcher matcher = ONE_DURATION.matcher(text);
        if (!matcher.matches()) {
            throw illegal(written, "durations with their unit, such as 500 ms, 10 s, 5 m, 2 h or 1 d");
        }
        return millis(written, matcher.group(1), matcher.group(2));
    }

    private static long millis(String written, String number, String unit) {
        long factor = switch (unit) {
            case "ms" -> 1;
            case "s" -> 1_000;
            case "m" -> 60_000;
            case "h" -> 3_600_000;
            default -> 24 * 3_600_000L;
        };
        long count = Long.parseLong(number);
        if (count > DELAY_MILLIS_MAX / factor) {
            throw illegal(written, "waits of at most 7 d");
        }
        return count * factor;
    }

    private static IllegalArgumentException illegal(String written, String expected) {
        String shown = written.length() <= 80 ? written : written.substring(0, 80) + "…";
        return new IllegalArgumentException("retry backoff \"" + shown + "\": expected " + expected);
    }

    /**
     * The wait after an attempt.
     *
     * @param attempt the attempt that failed, from 1
     * @param seed what spreads the jitter: the message's queue offset
     */
    public long delayMillis(int attempt, long seed) {
        long delay;
        if (!steps.isEmpty()) {
            delay = steps.get(Math.min(Math.max(attempt, 1), steps.size()) - 1);
        } else if (maxMillis == 0) {
            return 0;
        } else {
            delay = (long) Math.min(maxMillis, firstMillis * Math.pow(factor, Math.max(attempt, 1) - 1.0));
        }
        if (jitterPercent == 0 || delay == 0) {
            return delay;
        }
        long mixed = (seed * 31 + attempt) * 0x9E3779B97F4A7C15L;
        mixed ^= mixed >>> 32;
        double share = (mixed & 0xFFFFFF) / (double) 0x1000000;
        return delay - (long) (delay * share * jitterPercent / 100);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof RetryBackoff backoff && backoff.text.equals(text);
    }

    @Override
    public int hashCode() {
        return text.hashCode();
    }

    /** As it was written; {@link #parse} takes it. */
    @Override
    public String toString() {
        return text;
    }
}
