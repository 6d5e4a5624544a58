package io.forebay.journals;

/**
 * One run with one journal. Written and read as {@code name,actors,eventsEach,warmUpSeconds,seconds}.
 *
 * @param actors persistent actors at the same time, each with an id of its own that is new
 * @param eventsEach 0: each of them persists one event after the other, and what is measured is how fast. Else each of them has so
 *     many events, and what is measured is how fast all are recovered, over and over
 * @param warmUpSeconds of the same, before anything is measured
 * @param seconds that are measured, at least
 */
public record JournalPlan(String name, int actors, int eventsEach, int warmUpSeconds, int seconds) {
    /** @throws IllegalArgumentException if it is none */
    public static JournalPlan parse(String text) {
        String[] parts = text.split(",");
        if (parts.length != 5) {
            throw new IllegalArgumentException("not name,actors,eventsEach,warmUpSeconds,seconds: '" + text + "'");
        }
        return new JournalPlan(
                parts[0],
                Integer.parseInt(parts[1]),
                Integer.parseInt(parts[2]),
                Integer.parseInt(parts[3]),
                Integer.parseInt(parts[4]));
    }

    /** Whether recovery is measured. */
    public boolean isRecovery() {
        return eventsEach > 0;
    }

    @Override
    public String toString() {
        return name + "," + actors + "," + eventsEach + "," + warmUpSeconds + "," + seconds;
    }
}
