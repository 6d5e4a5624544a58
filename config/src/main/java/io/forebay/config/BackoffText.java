package io.forebay.config;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Whether a text is a retry backoff as the manual describes it. What it means is not this room's matter. */
final class BackoffText {
    static final String ALLOWED =
            "none, fixed 5 s, list 10 s, 30 s, 1 m (at most 100), or exponential 100 ms to 1 m [factor 1"
                    + " to 100], each with [jitter 20 %]; with waits of at most 7 d, in ms, s, m, h or d";

    private static final int STEPS_MAX = 100;
    private static final long MILLIS_MAX = 7L * 24 * 3_600_000;
    private static final String DURATION = "(\\d{1,11}) ?(ms|s|m|h|d)";
    private static final Pattern ONE_DURATION = Pattern.compile(DURATION);
    private static final Pattern FORM =
            Pattern.compile("(?:none|fixed (?<fixed>" + DURATION + ")|list (?<list>" + DURATION
                    + "(?: ?, ?" + DURATION + ")*+)|exponential (?<exponential>" + DURATION + " to " + DURATION
                    + ")(?: factor (?<factor>\\d{1,3}(?:\\.\\d{1,3})?))?)(?:,? jitter (?<jitter>\\d{1,3}) ?%)?");

    private BackoffText() {}

    static boolean isValid(String written) {
        Matcher form = FORM.matcher(written.strip().toLowerCase(Locale.ROOT).replaceAll("\\s+", " "));
        if (!form.matches() || isOver(form.group("jitter"), 100)) {
            return false;
        }
        if (form.group("exponential") != null) {
            List<Long> bounds = millis(form.group("exponential"));
            double factor = form.group("factor") == null ? 2 : Double.parseDouble(form.group("factor"));
            return areShort(bounds) && bounds.get(0) <= bounds.get(1) && factor >= 1 && factor <= 100;
        }
        String steps = form.group("fixed") != null ? form.group("fixed") : form.group("list");
        return steps == null || areShort(millis(steps));
    }

    private static boolean areShort(List<Long> waits) {
        return waits.size() <= STEPS_MAX && waits.stream().allMatch(millis -> millis <= MILLIS_MAX);
    }

    private static boolean isOver(String number, int max) {
        return number != null && Integer.parseInt(number) > max;
    }

    private static List<Long> millis(String durations) {
        List<Long> millis = new ArrayList<>();
        Matcher one = ONE_DURATION.matcher(durations);
        while (one.find()) {
            long factor = switch (one.group(2)) {
                case "ms" -> 1;
                case "s" -> 1_000;
                case "m" -> 60_000;
                case "h" -> 3_600_000;
                default -> 86_400_000L;
            };
            // 11 digits of days are within a long.
            millis.add(Long.parseLong(one.group(1)) * factor);
        }
        return millis;
    }
}
