package io.forebay.testkit.check;

import io.forebay.testkit.check.Evidence.Delivered;
import io.forebay.testkit.check.Evidence.Place;
import io.forebay.testkit.check.Evidence.Sent;
import io.forebay.testkit.check.Evidence.Sighting;
import io.forebay.testkit.check.Evidence.Spans;
import io.forebay.testkit.check.Evidence.Story;
import io.forebay.testkit.check.Evidence.Subject;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * I3: in an ordered group a message goes out only when each earlier one of its key is settled.
 *
 * <p>A power cut may take messages, and their places are given again, to messages of other keys, too. So each span from one cut to the
 * next is looked at by itself: who was certainly in which place then, and until when it certainly was not settled. A queue is taken
 * from its end: what lies before something that was flushed has its place for good. Where the notes of a group in a queue were damaged
 * a span of that queue ends as well: what was settled may come again. A message that is damaged is passed over, and so is a place that
 * a cut had emptied and a repair has given up.
 */
final class TurnCheck {
    private record QueueId(int nodeId, String topic, int queue) {
        static QueueId of(Place place) {
            return new QueueId(place.nodeId(), place.topic(), place.queue());
        }
    }

    private record Line(String group, QueueId queue, String key) {}

    /** A message in its place. Before and after it the place may have had others. */
    private final class Occupant {
        final Story story;
        final Sent sent;
        final Spans spans;
        final List<Delivered> deliveries = new ArrayList<>();
        final boolean isDeadLetter;
        final int lastSeenSpan;
        final boolean isReplaced;
        final boolean isReplacementSeen;
        final int keptSpan;
        final int fromSpan;

        Occupant(Story story, Sent sent, Spans spans) {
            this.story = story;
            this.sent = sent;
            this.spans = spans;
            int firstSeenAt = Integer.MAX_VALUE;
            int lastSeenAt = Evidence.NEVER;
            for (Sighting sighting : sent.sightings) {
                if (sighting.place().equals(story.place)) {
                    firstSeenAt = Math.min(firstSeenAt, sighting.at());
                    lastSeenAt = Math.max(lastSeenAt, sighting.at());
                }
            }
            isDeadLetter = story.letters.stream()
                    .anyMatch(found -> found.letter().messageId().equals(sent.sending.messageId()));
            lastSeenSpan = spans.of(lastSeenAt);
            isReplaced = spans.of(lastSeen.get(story.place)) > lastSeenSpan;
            isReplacementSeen = spans.of(evidence.drainedAt(story.group, story.place)) == spans.count() - 1;
            keptSpan = keptSpan(story.place, spans);
            fromSpan = Math.min(spans.of(firstSeenAt), keptSpan);
        }

        /**
         * Whether it was there for certain. What was taken and has not been replaced so far as is known was replaced by something that
         * the next cut took in turn; if there was no next one it was not taken. But as long as not everything has come, whoever has
         * taken its place may not have been seen yet.
         */
        boolean isThereIn(int span) {
            boolean isLeft = isReplacementSeen && !isReplaced && span == spans.count() - 1;
            return span >= fromSpan && (span <= lastSeenSpan || keptSpan <= lastSeenSpan || isLeft);
        }

        /**
         * Until when it was not settled for certain, from the beginning of a span in which it was there: that it went out says that
         * nobody had settled it before, and no handle but the last one settles it from then on; unless that delivery is forgotten.
         * A dead letter is found at any time later.
         */
        int unsettledUntil(int span) {
            if (isDeadLetter) {
                return Evidence.NEVER;
            }
            Delivered last = null; // they are in the order in which they went out
            for (Delivered delivered : deliveries) {
                last = delivered.at < spans.end(span) ? delivered : last;
            }
            int forgottenAt = last == null ? Evidence.NEVER : spans.end(spans.of(last.at));
            int until = evidence.heldUpUntil(story.place);
            for (Delivered delivered : deliveries) {
                if (maySettle(delivered) && (delivered == last || delivered.ackingAt > forgottenAt)) {
                    until = Math.min(until, delivered.ackingAt);
                }
            }
            return until;
        }

        private boolean maySettle(Delivered delivered) {
            if (delivered.ackingAt == Evidence.NEVER) {
                return false;
            }
            return delivered.acked != null || delivered.ackFailure == null || delivered.ackFailure.isOutcomeOpen();
        }
    }

    private final Evidence evidence;
    private final Rules rules;
    private final Verdict verdict;
    /** By offset, when it was first known that something in that place or behind it is flushed. */
    private final Map<QueueId, TreeMap<Long, Integer>> flushedAt = new HashMap<>();
    /** When somebody was last seen there. */
    private final Map<Place, Integer> lastSeen = new HashMap<>();

    TurnCheck(Evidence evidence, Rules rules, Verdict verdict) {
        this.evidence = evidence;
        this.rules = rules;
        this.verdict = verdict;
    }

    void check() {
        for (Sent sent : evidence.sent.values()) {
            for (Sighting sighting : sent.sightings) {
                lastSeen.merge(sighting.place(), sighting.at(), Math::max);
            }
            if (sent.isFlushed()) {
                Place place = Place.of(sent.stored.receipt());
                flushedAt
                        .computeIfAbsent(QueueId.of(place), absent -> new TreeMap<>())
                        .merge(place.offset(), sent.storedAt, Math::min);
            }
        }
        for (TreeMap<Long, Integer> offsets : flushedAt.values()) {
            int[] first = {Integer.MAX_VALUE};
            offsets.descendingMap().replaceAll((offset, at) -> first[0] = Math.min(first[0], at));
        }
        Map<Line, List<Occupant>> lines = new HashMap<>();
        for (Story story : evidence.stories.values()) {
            if (rules.group(story.group).isOrdered()) {
                addOccupants(story, lines);
            }
        }
        for (List<Occupant> line : lines.values()) {
            line.sort(Comparator.comparingLong(occupant -> occupant.story.place.offset()));
            checkLine(line);
        }
    }

    /** The span from which on no cut can take what is there; {@link Integer#MAX_VALUE} if there is none. */
    private int keptSpan(Place place, Spans spans) {
        TreeMap<Long, Integer> offsets = flushedAt.get(QueueId.of(place));
        Map.Entry<Long, Integer> behind = offsets == null ? null : offsets.ceilingEntry(place.offset());
        return behind == null ? Integer.MAX_VALUE : spans.of(behind.getValue());
    }

    private void addOccupants(Story story, Map<Line, List<Occupant>> lines) {
        Map<Sent, Occupant> occupants = new LinkedHashMap<>();
        Spans spans = evidence.spans(story.group, story.place);
        for (Delivered delivered : story.deliveries) {
            Sent sent = evidence.sent.get(delivered.popped.messageId());
            if (sent != null) {
                occupants
                        .computeIfAbsent(sent, absent -> new Occupant(story, sent, spans))
                        .deliveries
                        .add(delivered);
            }
        }
        occupants.forEach((sent, occupant) -> {
            if (!sent.sending.key().isEmpty()) {
                Line line = new Line(story.group, QueueId.of(story.place), sent.sending.key());
                lines.computeIfAbsent(line, absent -> new ArrayList<>()).add(occupant);
            }
        });
    }

    private void checkLine(List<Occupant> line) {
        Spans spans = line.get(0).spans;
        int[] allSettledAt = new int[spans.count()];
        Arrays.fill(allSettledAt, Evidence.NEVER);
        Occupant[] latest = new Occupant[spans.count()];
        for (int from = 0; from < line.size(); ) {
            int to = from;
            while (to < line.size() && isSamePlace(line.get(from), line.get(to))) {
                to++;
            }
            for (Occupant occupant : line.subList(from, to)) {
                for (Delivered delivered : occupant.deliveries) {
                    int span = spans.of(delivered.at);
                    verdict.tried(Invariant.I3);
                    if (allSettledAt[span] >= delivered.at) {
                        tell(delivered, latest[span], line);
                    }
                }
            }
            for (Occupant occupant : line.subList(from, to)) {
                for (int span = 0; span < allSettledAt.length; span++) {
                    int until = occupant.isThereIn(span) ? occupant.unsettledUntil(span) : Evidence.NEVER;
                    if (until > allSettledAt[span]) {
                        allSettledAt[span] = until;
                        latest[span] = occupant;
                    }
                }
            }
            from = to;
        }
    }

    private static boolean isSamePlace(Occupant one, Occupant other) {
        return one.story.place.offset() == other.story.place.offset();
    }

    private void tell(Delivered delivered, Occupant unsettled, List<Occupant> line) {
        Subject[] betweenThem = line.stream()
                .map(occupant -> occupant.story)
                .filter(story -> story.place.offset() >= unsettled.story.place.offset()
                        && story.place.offset() <= delivered.place.offset())
                .toArray(Subject[]::new);
        verdict.breach(
                Invariant.I3,
                delivered + " came before the one at " + unsettled.story.place + ", of the same key, was settled",
                betweenThem);
    }
}
