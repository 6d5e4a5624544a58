package io.forebay.testkit.check;

/** I8: after each fault that takes the node down it serves again in time, or says why it does not. */
final class ServiceCheck {
    private final Evidence evidence;
    private final Rules rules;
    private final Verdict verdict;

    ServiceCheck(Evidence evidence, Rules rules, Verdict verdict) {
        this.evidence = evidence;
        this.rules = rules;
        this.verdict = verdict;
    }

    void check() {
        int downAt = Evidence.NEVER;
        for (int at = 0; at < evidence.size(); at++) {
            Fact fact = evidence.fact(at);
            if (fact instanceof Fact.Fault fault && fault.kind().isDown()) {
                downAt = at; // a fault on top of one starts the time anew
            } else if (fact instanceof Fact.Serving && downAt != Evidence.NEVER) {
                checkTook(downAt, at, "serves again");
                downAt = Evidence.NEVER;
            } else if (fact instanceof Fact.NotServing notServing) {
                verdict.holds(
                        !notServing.why().isBlank(),
                        Invariant.I8,
                        () -> "the node does not serve and does not say why");
                if (downAt != Evidence.NEVER) {
                    checkTook(downAt, at, "says why it does not serve");
                }
                downAt = Evidence.NEVER;
            }
        }
        if (downAt != Evidence.NEVER) {
            verdict.holds(false, Invariant.I8, () -> "after the last fault the node neither serves nor says why not");
        }
    }

    private void checkTook(int downAt, int at, String what) {
        long tookMillis = evidence.millis(at) - evidence.millis(downAt);
        verdict.holds(
                tookMillis <= rules.serveWithinMillis(),
                Invariant.I8,
                () -> "the node " + what + " after " + tookMillis + " ms, allowed are " + rules.serveWithinMillis());
    }
}
