package io.forebay.testkit.check;

import io.forebay.protocol.Refusal;
import io.forebay.testkit.check.Evidence.Delivered;
import io.forebay.testkit.check.Evidence.GroupPlace;
import io.forebay.testkit.check.Evidence.Place;
import io.forebay.testkit.check.Evidence.Sent;
import io.forebay.testkit.check.Evidence.Story;

/**
 * I1: of a topic that is drained, each message that was acknowledged has come to the group in the place that its receipt names, and
 * whatever came was settled by somebody in the end.
 */
final class LossCheck {
    private final Evidence evidence;
    private final Verdict verdict;

    LossCheck(Evidence evidence, Verdict verdict) {
        this.evidence = evidence;
        this.verdict = verdict;
    }

    void check() {
        for (int at : evidence.drained) {
            Fact.Drained drained = (Fact.Drained) evidence.fact(at);
            for (Sent sent : evidence.sent.values()) {
                if (sent.stored != null
                        && sent.storedAt < at
                        && sent.sending.topic().equals(drained.topic())) {
                    checkArrived(sent, drained, at);
                }
            }
            for (Story story : evidence.stories.values()) {
                if (story.group.equals(drained.group())
                        && story.place.topic().equals(drained.topic())
                        && story.firstAt() < at) {
                    checkSettled(story, at);
                }
            }
        }
        evidence.deliveries.forEach(this::checkKnown);
    }

    private void checkArrived(Sent sent, Fact.Drained drained, int at) {
        Place place = Place.of(sent.stored.receipt());
        Story story = evidence.stories.get(new GroupPlace(drained.group(), place));
        boolean hasArrived = story != null
                && (story.deliveries.stream()
                                .anyMatch(delivered ->
                                        delivered.popped.messageId().equals(sent.sending.messageId()))
                        || story.letters.stream()
                                .anyMatch(found -> found.letter().messageId().equals(sent.sending.messageId())));
        boolean mayBeLost =
                !sent.isFlushed() && evidence.isCutBetween(sent.storedAt, at) || evidence.damagedAt(place) < at;
        verdict.holds(
                hasArrived || mayBeLost,
                Invariant.I1,
                () -> sent + " never came to group " + drained.group() + " though it was answered with "
                        + sent.stored.receipt(),
                sent);
    }

    /** What came and was never settled must still come, so a drained topic has none. */
    private void checkSettled(Story story, int at) {
        boolean isSettled = !story.letters.isEmpty();
        boolean mayBeLost = evidence.isCutBetween(story.lastAt(), at);
        for (Delivered delivered : story.deliveries) {
            isSettled |= mayBeSettled(delivered);
            Sent sent = evidence.sent.get(delivered.popped.messageId());
            mayBeLost &= sent == null
                    || !sent.isFlushed()
                    || !Place.of(sent.stored.receipt()).equals(story.place);
        }
        mayBeLost |= evidence.damagedAt(story.place) < at || evidence.isLetterDamaged(story.place);
        verdict.holds(
                isSettled || mayBeLost,
                Invariant.I1,
                () -> "nobody settled it, and it is not there any more: " + story.deliveries,
                story);
    }

    private boolean mayBeSettled(Delivered delivered) {
        if (delivered.ackingAt == Evidence.NEVER) {
            return false;
        }
        return delivered.acked != null
                || delivered.ackFailedAt == Evidence.NEVER
                || delivered.ackFailure.isOutcomeOpen();
    }

    /** A delivery is a record, too: the node knows its own handles. */
    private void checkKnown(Delivered delivered) {
        if (delivered.ackFailure == null) {
            return;
        }
        boolean isUnknown =
                Evidence.BAD_HANDLE.contains(delivered.ackFailure) && delivered.ackFailure != Refusal.Code.STALE_HANDLE;
        verdict.holds(
                !isUnknown
                        || evidence.isCutBetween(delivered.at, delivered.ackFailedAt)
                        || evidence.areNotesDamagedBetween(
                                delivered.popped.group(), delivered.place, delivered.at, delivered.ackFailedAt),
                Invariant.I1,
                () -> "the node refuses a handle of its own with " + delivered.ackFailure + ": " + delivered,
                delivered);
    }
}
