package io.forebay.testkit.check;

import java.util.List;

/**
 * Holds a journal against the invariants I1 to I8. What it allows is what the promises leave open, and nothing else:
 *
 * <ul>
 *   <li>a request without an answer, or whose answer says that its outcome is unknown ({@link
 *       io.forebay.protocol.Refusal.Code#isOutcomeOpen}), may have been carried out or not, and a Send that was repeated after a
 *       fault may be there twice; any other refusal says that nothing was done, whatever faults came between;
 *   <li>a power cut may take what was only WRITTEN: a message, a delivery, an ack;
 *   <li>a message comes again when its deadline is over, when it was nacked or given back, or when its consumer was declared gone;
 *   <li>what was {@link Fact.Damaged} may be given up, and nothing else; it is not handed out by a node that has started since;
 *   <li>a delivery that was under way at a fault, or to a consumer that is gone, is seen by nobody and counts as an attempt.
 * </ul>
 *
 * <p>That something is missing can only be told of what the journal says is {@link Fact.Drained}. Stateless; thread-safe.
 */
public final class Judge {
    private Judge() {}

    /**
     * @param journal in order
     * @throws IllegalArgumentException if the journal is none: it tells the answer to something that it never says was asked, or
     *     speaks of a group without rules
     */
    public static Verdict judge(List<Noted> journal, Rules rules) {
        Evidence evidence = new Evidence(List.copyOf(journal));
        Verdict verdict = new Verdict(evidence);
        new ContentCheck(evidence, rules, verdict).check();
        new LossCheck(evidence, verdict).check();
        new OrderCheck(evidence, rules, verdict).check();
        new DeliveryCheck(evidence, rules, verdict).check();
        new ServiceCheck(evidence, rules, verdict).check();
        return verdict;
    }
}
