package io.forebay.testkit.check;

import io.forebay.testkit.check.Evidence.Subject;
import io.forebay.testkit.sim.Proof;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/** What a {@link Judge} found. It also says on how much each invariant was tried: of nothing everything holds. */
public final class Verdict {
    /** Most breaches of one invariant that are told one by one. */
    private static final int TOLD_MAX = 20;

    private final Evidence evidence;
    private final List<Breach> breaches = new ArrayList<>();
    private final Map<Invariant, Long> counts = new EnumMap<>(Invariant.class);
    private final Map<Invariant, Long> tried = new EnumMap<>(Invariant.class);
    private long acknowledged;

    Verdict(Evidence evidence) {
        this.evidence = evidence;
    }

    /** @param subjects what the story is about */
    void breach(Invariant invariant, String text, Subject... subjects) {
        long count = counts.merge(invariant, 1L, Long::sum);
        if (count <= TOLD_MAX) {
            List<String> story = count == 1 ? Excerpt.of(evidence, subjects) : List.of();
            breaches.add(new Breach(invariant, text, story));
        }
    }

    void tried(Invariant invariant) {
        tried.merge(invariant, 1L, Long::sum);
    }

    /** Tried, and a breach unless it holds. */
    void holds(boolean isSo, Invariant invariant, Supplier<String> text, Subject... subjects) {
        tried(invariant);
        if (!isSo) {
            breach(invariant, text.get(), subjects);
        }
    }

    void acknowledged() {
        acknowledged++;
    }

    /** The first of each invariant, in the order in which they were found. */
    public List<Breach> breaches() {
        return List.copyOf(breaches);
    }

    /** How often an invariant was broken. */
    public long count(Invariant invariant) {
        return counts.getOrDefault(invariant, 0L);
    }

    /** On how many things an invariant was tried. */
    public long triedOn(Invariant invariant) {
        return tried.getOrDefault(invariant, 0L);
    }

    /** Sends whose answer was a receipt. */
    public long messagesAcknowledged() {
        return acknowledged;
    }

    /**
     * Adds what was found to {@link Proof}.
     *
     * @throws AssertionError that names the breaches, if there are any
     */
    public void prove() {
        Proof.messagesAcknowledged.add(acknowledged);
        Proof.lost.add(count(Invariant.I1));
        Proof.altered.add(count(Invariant.I2));
        Proof.orderBreaks.add(count(Invariant.I3));
        if (!breaches.isEmpty()) {
            throw new AssertionError(this);
        }
    }

    @Override
    public String toString() {
        String sum = acknowledged + " messages acknowledged, tried " + tried;
        return breaches.isEmpty()
                ? sum
                : "broken " + counts + " (" + sum + ")"
                        + breaches.stream().map(breach -> "\n  " + breach).collect(Collectors.joining());
    }
}
