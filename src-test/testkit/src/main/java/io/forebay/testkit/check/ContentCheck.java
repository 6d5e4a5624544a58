package io.forebay.testkit.check;

import io.forebay.testkit.check.Evidence.Delivered;
import io.forebay.testkit.check.Evidence.FoundLetter;
import io.forebay.testkit.check.Evidence.Place;
import io.forebay.testkit.check.Evidence.Sent;
import io.forebay.testkit.check.Evidence.Sighting;
import io.forebay.testkit.check.Evidence.Subject;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/** I2: what comes out is what was sent, once, and each receipt names a message and a sequence of its own. */
final class ContentCheck {
    private record RecordId(String node, int stripe, long sequence) {}

    private final Evidence evidence;
    private final Rules rules;
    private final Verdict verdict;

    ContentCheck(Evidence evidence, Rules rules, Verdict verdict) {
        this.evidence = evidence;
        this.rules = rules;
        this.verdict = verdict;
    }

    void check() {
        evidence.deliveries.forEach(this::checkDelivery);
        evidence.letters.forEach(this::checkLetter);
        Map<Place, Sent> byPlace = new HashMap<>();
        Map<RecordId, Sent> byRecord = new HashMap<>();
        for (Sent sent : evidence.sent.values()) {
            if (sent.stored != null) {
                checkReceipt(sent, byPlace, byRecord);
            }
            checkCopies(sent);
        }
        checkPlaces();
    }

    private void checkDelivery(Delivered delivered) {
        Sent sent = evidence.sent.get(delivered.popped.messageId());
        if (sent == null) {
            verdict.holds(false, Invariant.I2, () -> "nobody sent what was delivered: " + delivered, delivered);
            return;
        }
        verdict.holds(
                delivered.popped.payloadCrc() == sent.sending.payloadCrc()
                        && delivered.popped.topic().equals(sent.sending.topic()),
                Invariant.I2,
                () -> delivered + " is not what was sent: checksum " + delivered.popped.payloadCrc() + " instead of "
                        + sent.sending.payloadCrc(),
                delivered);
        checkNotDamaged(delivered.place, delivered.at, delivered, delivered);
        if (sent.failedAt != Evidence.NEVER && !sent.failure.isOutcomeOpen()) {
            verdict.holds(
                    false,
                    Invariant.I2,
                    () -> delivered + " was refused with " + sent.failure + " when it was sent",
                    delivered,
                    sent);
        }
    }

    /** What is damaged is passed over, sound as it may look. */
    private void checkNotDamaged(Place place, int at, Object what, Subject subject) {
        verdict.holds(
                !evidence.isGone(place, at),
                Invariant.I2,
                () -> what + " came out of a damaged place, behind a start that could know",
                subject);
    }

    private void checkLetter(FoundLetter found) {
        Sent sent = evidence.sent.get(found.letter().messageId());
        verdict.holds(
                sent != null && sent.sending.payloadCrc() == found.letter().payloadCrc(),
                Invariant.I2,
                () -> "a dead letter is not what was sent: " + found.letter(),
                found);
        checkNotDamaged(Place.of(found.letter()), found.at(), found.letter(), found);
    }

    private void checkReceipt(Sent sent, Map<Place, Sent> byPlace, Map<RecordId, Sent> byRecord) {
        Fact.Stored stored = sent.stored;
        verdict.acknowledged();
        verdict.holds(
                stored.receipt().level().covers(stored.asked()),
                Invariant.I1,
                () -> sent + " was asked to be " + stored.asked() + " and is answered with " + stored.receipt(),
                sent);
        verdict.holds(
                stored.receipt().payloadCrc() == sent.sending.payloadCrc()
                        && stored.receipt().topic().equals(sent.sending.topic()),
                Invariant.I2,
                () -> "the receipt of " + sent + " is of something else: " + stored.receipt(),
                sent);
        RecordId record = new RecordId(
                stored.receipt().node(),
                stored.receipt().stripe(),
                stored.receipt().sequence());
        checkAlone(sent, byPlace.put(Place.of(stored.receipt()), sent), "offset");
        checkAlone(sent, byRecord.put(record, sent), "sequence");
    }

    /** What a power cut took may be given again. */
    private void checkAlone(Sent sent, Sent other, String what) {
        if (other == null) {
            verdict.tried(Invariant.I2);
            return;
        }
        Sent first = other.storedAt < sent.storedAt ? other : sent;
        Sent second = first == sent ? other : sent;
        verdict.holds(
                !first.isFlushed() && evidence.isCutBetween(first.storedAt, second.storedAt),
                Invariant.I2,
                () -> "two messages have the same " + what + ": " + first + " and " + second + ", "
                        + second.stored.receipt(),
                first,
                second);
    }

    /** Stored twice is only what had to be repeated. */
    private void checkCopies(Sent sent) {
        Set<Place> places = new HashSet<>();
        sent.sightings.forEach(sighting -> places.add(sighting.place()));
        if (places.size() < 2) {
            return;
        }
        int answeredAt = Math.max(sent.storedAt, sent.failedAt);
        boolean isRepeated = evidence.isFaultBetween(sent.at, sent.isAnswered() ? answeredAt : evidence.size());
        // After a power cut a message that nobody was told of, but somebody got, may have been sent again and be new.
        boolean isNew = evidence.isCutBetween(sent.at, evidence.size()) && !sent.isFlushed();
        verdict.holds(
                isNew || isRepeated && !rules.deduplicatedTopics().contains(sent.sending.topic()),
                Invariant.I2,
                () -> sent + " is there more than once without cause: " + places,
                sent);
    }

    /** One place holds one message. */
    private void checkPlaces() {
        Map<Place, Sent> holders = new HashMap<>();
        Map<Place, Integer> lastAt = new HashMap<>();
        for (Sent sent : evidence.sent.values()) {
            for (Sighting sighting : sent.sightings) {
                Sent other = holders.put(sighting.place(), sent);
                Integer otherAt = lastAt.put(sighting.place(), sighting.at());
                if (other == null || other == sent) {
                    continue;
                }
                int from = Math.min(otherAt, sighting.at());
                int to = Math.max(otherAt, sighting.at());
                Sent first = from == otherAt ? other : sent;
                boolean isFlushedThere =
                        first.isFlushed() && Place.of(first.stored.receipt()).equals(sighting.place());
                verdict.holds(
                        evidence.isCutBetween(from, to) && !isFlushedThere,
                        Invariant.I2,
                        () -> "two messages were seen at " + sighting.place() + ": " + other + " and " + sent,
                        other,
                        sent);
            }
        }
    }
}
