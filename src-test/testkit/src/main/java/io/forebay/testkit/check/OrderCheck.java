package io.forebay.testkit.check;

import io.forebay.testkit.check.Evidence.Delivered;
import io.forebay.testkit.check.Evidence.Place;
import io.forebay.testkit.check.Evidence.Sent;
import io.forebay.testkit.check.Evidence.Sighting;
import io.forebay.testkit.check.Evidence.Story;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * I3: the first copies of a producer's messages with one key lie in one queue in the order of its calls; in an ordered group a
 * message goes out only when each earlier one of its key is settled.
 */
final class OrderCheck {
    private record Producer(int nodeId, String topic, String key, String producer) {}

    private record Line(String group, int nodeId, String topic, int queue, String key) {}

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
        checkDelivered();
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
                "key '" + earlier.sending.key() + "' of " + earlier.sending.producer() + ": " + earlier + " at " + first
                        + " was sent before " + later + " at " + second);
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

    private void checkDelivered() {
        Map<Line, List<Story>> lines = new HashMap<>();
        for (Story story : evidence.stories.values()) {
            String key = keyOf(story);
            if (!key.isEmpty() && rules.group(story.group).isOrdered()) {
                Line line = new Line(story.group, story.place.nodeId(), story.place.topic(), story.place.queue(), key);
                lines.computeIfAbsent(line, absent -> new ArrayList<>()).add(story);
            }
        }
        for (List<Story> line : lines.values()) {
            line.sort(Comparator.comparingLong(story -> story.place.offset()));
            checkLine(line);
        }
    }

    private void checkLine(List<Story> line) {
        int allSettledAt = Evidence.NEVER;
        Story latest = null;
        for (Story story : line) {
            for (Delivered delivered : story.deliveries) {
                verdict.holds(
                        allSettledAt < delivered.at,
                        Invariant.I3,
                        delivered + " came before the one at " + (latest == null ? "" : latest.place)
                                + ", of the same key, was settled");
            }
            int settledAt = settledAt(story);
            if (settledAt > allSettledAt) {
                allSettledAt = settledAt;
                latest = story;
            }
        }
    }

    /** The first moment at which it may have been settled. A dead letter is found at any time later. */
    private int settledAt(Story story) {
        int settledAt = story.letters.isEmpty() ? Integer.MAX_VALUE : Evidence.NEVER;
        for (Delivered delivered : story.deliveries) {
            boolean isRefused = delivered.acked == null
                    && delivered.ackFailure != null
                    && !evidence.isOpen(delivered.ackFailure, delivered.ackingAt, delivered.ackFailedAt);
            if (delivered.ackingAt != Evidence.NEVER && !isRefused) {
                settledAt = Math.min(settledAt, delivered.ackingAt);
            }
        }
        return settledAt;
    }

    private String keyOf(Story story) {
        String id = story.deliveries.isEmpty()
                ? story.letters.get(0).letter().messageId()
                : story.deliveries.get(0).popped.messageId();
        Sent sent = evidence.sent.get(id);
        return sent == null ? "" : sent.sending.key();
    }
}
