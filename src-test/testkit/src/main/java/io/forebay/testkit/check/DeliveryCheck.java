package io.forebay.testkit.check;

import io.forebay.protocol.Durability;
import io.forebay.testkit.check.Evidence.Delivered;
import io.forebay.testkit.check.Evidence.FoundLetter;
import io.forebay.testkit.check.Evidence.Sent;
import io.forebay.testkit.check.Evidence.Story;

/** I4 to I7: the deliveries of one message to one group, one after the other, and how they end. */
final class DeliveryCheck {
    private final Evidence evidence;
    private final Rules rules;
    private final Verdict verdict;

    DeliveryCheck(Evidence evidence, Rules rules, Verdict verdict) {
        this.evidence = evidence;
        this.rules = rules;
        this.verdict = verdict;
    }

    void check() {
        for (Delivered second : evidence.comeTwice) {
            verdict.holds(false, Invariant.I5, () -> "two consumers have the same handle: " + second, second);
        }
        for (Story story : evidence.stories.values()) {
            Rules.Group group = rules.group(story.group);
            for (int index = 0; index < story.deliveries.size(); index++) {
                Delivered delivered = story.deliveries.get(index);
                if (index == 0) {
                    checkFirstAttempt(delivered);
                } else {
                    checkAfter(story.deliveries.get(index - 1), delivered, group);
                }
                checkAttemptsMax(delivered, group);
                checkLaterOnes(story, index);
                checkNotSettled(story, delivered);
            }
            checkLetters(story, group);
        }
    }

    // ---- I5, I7: one at a time --------------------------------------------------------------------------------------

    private void checkAfter(Delivered before, Delivered next, Rules.Group group) {
        boolean isForgotten = isForgotten(before, next, group);
        verdict.holds(
                isLater(before, next),
                Invariant.I5,
                () -> "two deliveries have the same place in time, " + before + ", then " + next,
                next);
        checkTime(before, next, isForgotten);
        checkAttempts(before, next, isForgotten);
    }

    /** Its checkpoint may have gone with the power. */
    private boolean isForgotten(Delivered before, Delivered next, Rules.Group group) {
        return group.popDurability() != Durability.FLUSHED && evidence.isCutBetween(before.at, next.at)
                || areNotesDamaged(before, before.at, next.at);
    }

    /** Whether the group may have forgotten what it had noted of that message. */
    private boolean areNotesDamaged(Delivered delivered, int from, int to) {
        return evidence.areNotesDamagedBetween(delivered.popped.group(), delivered.place, from, to);
    }

    private boolean mayForget(Delivered delivered, int from, int to) {
        return evidence.isCutBetween(from, to) || areNotesDamaged(delivered, from, to);
    }

    private static boolean isLater(Delivered before, Delivered next) {
        return before.popped.handle().epoch() != next.popped.handle().epoch()
                || before.popped.handle().checkpointSequence()
                        != next.popped.handle().checkpointSequence();
    }

    private void checkTime(Delivered before, Delivered next, boolean isForgotten) {
        if (isForgotten || isReleased(before, next)) {
            return;
        }
        boolean isCut = mayForget(before, before.at, next.at);
        if (isBefore(before.nackingAt, next.at)) {
            if (before.nackedAt != Evidence.NEVER && !isCut) {
                verdict.holds(
                        next.popped.poppedMillis() >= before.dueMillis,
                        Invariant.I7,
                        () -> next + " went out " + (before.dueMillis - next.popped.poppedMillis())
                                + " ms before the delay of its nack was over",
                        next);
            }
            return;
        }
        if (!isCut && before.extensionsOpen > 0) {
            return; // where its deadline is nobody knows
        }
        // In a cut the move of the deadline may be forgotten, the delivery is not.
        long untilMillis =
                isCut ? Math.min(before.untilMillis, before.popped.invisibleUntilMillis()) : before.untilMillis;
        verdict.holds(
                next.popped.poppedMillis() >= untilMillis,
                Invariant.I5,
                () -> next + " went out " + (untilMillis - next.popped.poppedMillis()) + " ms before the deadline of "
                        + before,
                next);
    }

    private boolean isReleased(Delivered before, Delivered next) {
        return isBefore(before.givingBackAt, next.at)
                || isBefore(evidence.gone.getOrDefault(before.popped.consumer(), Evidence.NEVER), next.at);
    }

    private static boolean isBefore(int at, int otherAt) {
        return at != Evidence.NEVER && at < otherAt;
    }

    /** A handle counts for nothing once a later one has come; and a message is settled once. */
    private void checkLaterOnes(Story story, int index) {
        Delivered delivered = story.deliveries.get(index);
        for (Delivered later : story.deliveries.subList(index + 1, story.deliveries.size())) {
            if (delivered.isAckedAnew()) {
                verdict.holds(
                        delivered.ackingAt < later.at || mayForget(delivered, later.at, delivered.ackedAt),
                        Invariant.I5,
                        () -> "acked with a handle that was stale: " + delivered + ", after " + later,
                        later);
                if (later.isAckedAnew()) {
                    verdict.holds(
                            mayForget(
                                    delivered,
                                    Math.min(delivered.ackedAt, later.ackedAt),
                                    Math.max(delivered.ackedAt, later.ackedAt)),
                            Invariant.I5,
                            () -> "acked with two handles: " + delivered + ", and " + later,
                            later);
                }
            }
            if (delivered.nackedAt != Evidence.NEVER) {
                verdict.holds(
                        delivered.nackingAt < later.at || mayForget(delivered, later.at, delivered.nackedAt),
                        Invariant.I5,
                        () -> "nacked with a handle that was stale: " + delivered + ", after " + later,
                        later);
            }
            if (delivered.extendedAt != Evidence.NEVER && delivered.extensionsOpen == 0) {
                verdict.holds(
                        delivered.extendingAt < later.at || mayForget(delivered, later.at, delivered.extendedAt),
                        Invariant.I5,
                        () -> "extended with a handle that was stale: " + delivered + ", after " + later,
                        later);
            }
        }
    }

    // ---- I4: settled is settled -------------------------------------------------------------------------------------

    private void checkNotSettled(Story story, Delivered settled) {
        if (settled.acked == null) {
            return;
        }
        verdict.tried(Invariant.I4);
        boolean isFlushed = settled.acked.level().covers(Durability.FLUSHED);
        // One that had gone out before may be noted by somebody slow when another one has settled the message.
        int index = story.deliveries.indexOf(settled);
        for (Delivered other : story.deliveries.subList(index + 1, story.deliveries.size())) {
            boolean mayCome = !isFlushed && evidence.isCutBetween(settled.ackedAt, other.at)
                    || areNotesDamaged(settled, settled.ackedAt, other.at);
            if (other.at > settled.ackedAt && !mayCome) {
                verdict.breach(Invariant.I4, other + " came though it was acked at " + settled.acked.level(), other);
            }
        }
        for (FoundLetter found : story.letters) {
            boolean mayBe = !isFlushed && evidence.isCutBetween(settled.ackedAt, found.at())
                    || areNotesDamaged(settled, settled.ackedAt, found.at());
            if (settled.isAckedAnew() && !mayBe) {
                verdict.breach(Invariant.I4, "acked, and a dead letter: " + settled, settled);
            }
        }
    }

    // ---- I6: attempts -----------------------------------------------------------------------------------------------

    private void checkFirstAttempt(Delivered first) {
        Sent sent = evidence.sent.get(first.popped.messageId());
        if (sent == null) {
            return; // invented: told elsewhere
        }
        verdict.holds(
                first.popped.attempt() == 1 || first.popped.attempt() > 1 && mayHide(first, sent.at, first.at),
                Invariant.I6,
                () -> "its first attempt has another number: " + first,
                first);
    }

    private void checkAttempts(Delivered before, Delivered next, boolean isForgotten) {
        int more = next.popped.attempt() - before.popped.attempt();
        boolean isUncounted = isBefore(before.givingBackAt, next.at);
        boolean isRight = more == 1
                || more == 0 && isUncounted
                || more > 1 && mayHide(next, before.at, next.at)
                || more < 1 && isForgotten;
        verdict.holds(
                isRight, Invariant.I6, () -> "attempts do not follow each other: " + before + ", then " + next, next);
    }

    private boolean mayHide(Delivered delivered, int from, int to) {
        return evidence.mayHideDelivery(delivered.popped.topic(), delivered.popped.group(), from, to)
                || evidence.mayBeAtTheGone(from, to, rules.goneAfterMillis());
    }

    private void checkAttemptsMax(Delivered delivered, Rules.Group group) {
        if (group.attemptsMax() > 0) {
            verdict.holds(
                    delivered.popped.attempt() <= group.attemptsMax(),
                    Invariant.I6,
                    () -> delivered + " is beyond the limit of " + group.attemptsMax(),
                    delivered);
        }
    }

    private void checkLetters(Story story, Rules.Group group) {
        for (int index = 0; index < story.letters.size(); index++) {
            FoundLetter found = story.letters.get(index);
            verdict.holds(
                    found.letter().attempts() == group.attemptsMax() && group.attemptsMax() > 0,
                    Invariant.I6,
                    () -> "a dead letter with a limit of " + group.attemptsMax() + ": " + found.letter(),
                    found);
            checkLastAttempt(story, found);
            if (index > 0) {
                checkSameLetter(story.letters.get(index - 1), found);
            }
            for (Delivered delivered : story.deliveries) {
                verdict.holds(
                        delivered.at < found.at() || evidence.isCutBetween(found.at(), delivered.at),
                        Invariant.I6,
                        () -> delivered + " came though it was dead-lettered",
                        delivered);
            }
        }
    }

    /** It was tried as often as the letter says. */
    private void checkLastAttempt(Story story, FoundLetter found) {
        Sent sent = evidence.sent.get(found.letter().messageId());
        int from = sent == null ? Evidence.NEVER : sent.at;
        for (Delivered delivered : story.deliveries) {
            from = Math.max(from, delivered.at);
        }
        int attempts = story.deliveries.stream()
                .mapToInt(delivered -> delivered.popped.attempt())
                .max()
                .orElse(0);
        boolean mayHide = from != Evidence.NEVER
                && (evidence.mayHideDelivery(story.place.topic(), story.group, from, found.at())
                        || evidence.mayBeAtTheGone(from, found.at(), rules.goneAfterMillis()));
        verdict.holds(
                attempts == found.letter().attempts()
                        || attempts < found.letter().attempts() && mayHide,
                Invariant.I6,
                () -> "a dead letter after " + attempts + " attempts: " + found.letter(),
                found);
    }

    /** A letter may be looked at more than once, but there is one. */
    private void checkSameLetter(FoundLetter first, FoundLetter second) {
        boolean isSame = first.letter().letterQueue() == second.letter().letterQueue()
                && first.letter().letterOffset() == second.letter().letterOffset();
        verdict.holds(
                isSame || evidence.isCutBetween(first.at(), second.at()),
                Invariant.I6,
                () -> "dead-lettered twice: " + first.letter() + " and " + second.letter(),
                first);
    }
}
