package io.forebay.yardstick;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a run was like: figures by name, in the order to print, as a line of {@code name=value} with blanks in between. Names
 * end with their unit. Those of a run:
 *
 * <ul>
 *   <li>{@code perSecond}: messages acked a second while it was measured; of a drain, while it drained
 *   <li>{@code sent}, {@code lost}, {@code duplicated}, {@code altered}, {@code orderBreaks}: of the whole run
 *   <li>{@code confirmP50Micros} ... {@code confirmMaxMicros}: from when a message was to be sent to its confirmation
 *   <li>{@code popP50Micros} ...: from when it was to be sent to when it was in the receiver's hands
 *   <li>{@code loaderCpuMicros}: processor time of the loading process per message; {@code systemCpuMicros}: of the system's own
 *       processes, if it has any. A system in the loading process is in the first.
 *   <li>{@code allocatedBytes}: in the loading process' threads, per message
 *   <li>{@code gcMillis}: in the loading process while it was measured
 *   <li>{@code waitingHeapMegabytes}: of a drain, the loading process' heap after a collection when all messages waited
 * </ul>
 */
public record Outcome(Map<String, String> values) {
    public static final String LINE = "outcome ";

    public double number(String name) {
        String value = values.get(name);
        return value == null ? Double.NaN : Double.parseDouble(value);
    }

    public boolean isGood() {
        return number("lost") == 0 && number("duplicated") == 0 && number("altered") == 0 && number("orderBreaks") == 0;
    }

    public String line() {
        StringBuilder line = new StringBuilder(LINE);
        values.forEach(
                (name, value) -> line.append(name).append('=').append(value).append(' '));
        return line.toString().stripTrailing();
    }

    public static Outcome parse(String line) {
        Map<String, String> values = new LinkedHashMap<>();
        for (String part : line.substring(LINE.length()).split(" ")) {
            int equals = part.indexOf('=');
            values.put(part.substring(0, equals), part.substring(equals + 1));
        }
        return new Outcome(values);
    }
}
