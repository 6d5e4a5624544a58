package io.forebay.testkit.sim;

import java.util.Collections;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** How often a random run has seen each kind of thing: it proves nothing of what never came up. Not thread-safe. */
public final class Tally {
    private final Map<String, long[]> counts = new TreeMap<>();

    public void saw(String kind) {
        saw(kind, 1);
    }

    /** @param count 0 if it was not seen after all */
    public void saw(String kind, long count) {
        if (count != 0) {
            counts.computeIfAbsent(kind, absent -> new long[1])[0] += count;
        }
    }

    /** @return what has been seen at all, sorted; a view */
    public Set<String> kinds() {
        return Collections.unmodifiableSet(counts.keySet());
    }

    /** @return how often each kind has been seen, sorted by kind; a copy */
    public Map<String, Long> counts() {
        Map<String, Long> copy = new TreeMap<>();
        counts.forEach((kind, count) -> copy.put(kind, count[0]));
        return copy;
    }

    @Override
    public String toString() {
        return counts.entrySet().stream()
                .map(entry -> entry.getValue()[0] + " " + entry.getKey())
                .collect(Collectors.joining(", "));
    }
}
