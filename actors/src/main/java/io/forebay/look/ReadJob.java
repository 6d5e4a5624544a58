package io.forebay.look;

import io.forebay.protocol.Refusal;

/**
 * Something that has to be read from the disk before a question can be answered, a page at a time. Runs on a thread that may wait,
 * once or, if it says so, again.
 *
 * @param <T> what it reads
 */
interface ReadJob<T> {
    /** How long a page may take before it ends with a cursor, by the stripes' clock; it always gets a little further. */
    long MILLIS_MAX = 100;

    /**
     * How a run ended: neither is set if the stripe cannot be read for now and the job is to run again.
     *
     * @param result null if it is refused or has to run again
     * @param refusal null if it was read or has to run again
     */
    record Outcome<T>(T result, Refusal refusal) {
        static <T> Outcome<T> again() {
            return new Outcome<>(null, null);
        }

        static <T> Outcome<T> of(T result) {
            return new Outcome<>(result, null);
        }

        static <T> Outcome<T> refused(Refusal refusal) {
            return new Outcome<>(null, refusal);
        }

        boolean isAgain() {
            return result == null && refusal == null;
        }
    }

    /** May throw what the disk does; that becomes a refusal. */
    Outcome<T> run() throws Exception;
}
