package io.forebay.testkit.check;

import io.forebay.testkit.check.Evidence.Place;
import io.forebay.testkit.check.Evidence.Sent;
import io.forebay.testkit.check.Evidence.Sighting;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** I3: the first copies of a producer's messages with one key lie in one queue in the order of its calls; and see {@link TurnCheck}. */
final class OrderCheck {
    private record Producer(int nodeId, String topic, String key, String producer) {}

    private final Evidence evidence;
    private final Rules rules;
    private final Verdict verdict;

    OrderCheck(Evidence evidence, Rules rules, Verdict verdict) {
        this.evidence = evidence;
        this.rules = rules;
        this.verdict = verdict;
    }

    void check() {
        checkStored();
        new TurnCheck(evidence, rules, verdict).check();
    }

    private void checkStored() {
        Map<Producer, List<Sent>> producers = new HashMap<>();
        for (Sent sent : evidence.sent.values()) {
            if (!sent.sending.key().isEmpty() && !sent.sightings.isEmpty() && isCertain(sent)) {
                int nodeId = sent.sightings.get(0).place().nodeId();
                Producer producer =
                        new Producer(nodeId, sent.sending.topic(), sent.sending.key(), sent.sending.producer());
                producers.computeIfAbsent(producer, absent -> new ArrayList<>()).add(sent);
            }
        }
        for (List<Sent> calls : producers.values()) {
            calls.sort(Comparator.comparingLong(sent -> sent.sending.number()));
            for (int index = 1; index < calls.size(); index++) {
                checkPair(calls.get(index - 1), calls.get(index));
            }
        }
    }

    private void checkPair(Sent earlier, Sent later) {
        Place first = first(earlier);
        Place second = first(later);
        verdict.holds(
                first.queue() == second.queue() && first.offset() < second.offset(),
                Invariant.I3,
                () -> "key '" + earlier.sending.key() + "' of " + earlier.sending.producer() + ": " + earlier + " at "
                        + first + " was sent before " + later + " at " + second,
                earlier,
                later);
    }

    private static Place first(Sent sent) {
        Place first = sent.sightings.get(0).place();
        for (Sighting sighting : sent.sightings) {
            if (sighting.place().offset() < first.offset()) {
                first = sighting.place();
            }
        }
        return first;
    }

    /** Whether its first copy is known: none that was seen can have been lost with the power, and another one come later. */
    private boolean isCertain(Sent sent) {
        return sent.sightings.stream().allMatch(sighting -> sighting.isFlushed() || !evidence.isCutAfter(sighting.at()))
                && (sent.isFlushed() || !evidence.isCutAfter(sent.at));
    }
}
