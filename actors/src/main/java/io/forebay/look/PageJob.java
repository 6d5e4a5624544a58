package io.forebay.look;

import io.forebay.protocol.LookReply;
import io.forebay.protocol.Refusal;

/** One page of an answer that has to be read from the disk. Runs on a thread that may wait, once or, if it says so, again. */
interface PageJob {
    /** How long a page may take before it ends with a cursor; it always gets a little further. */
    long NANOS_MAX = 100_000_000;

    /**
     * How a run ended: exactly one of them is set, none if the stripe cannot be read for now and the job is to run again.
     *
     * @param reply null if it is refused or has to run again
     * @param refusal null if it is answered or has to run again
     */
    record Outcome(LookReply reply, Refusal refusal) {
        static final Outcome AGAIN = new Outcome(null, null);

        static Outcome of(LookReply reply) {
            return new Outcome(reply, null);
        }

        static Outcome refused(Refusal refusal) {
            return new Outcome(null, refusal);
        }

        boolean isAgain() {
            return reply == null && refusal == null;
        }
    }

    /** May throw what the disk does; that becomes a refusal. */
    Outcome run() throws Exception;
}
