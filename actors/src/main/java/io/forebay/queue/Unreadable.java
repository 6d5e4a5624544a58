package io.forebay.queue;

import io.forebay.storage.log.QuarantinedRecord;
import io.forebay.storage.log.QueueReader;
import io.forebay.storage.log.ReadProblem;

/** A message that cannot be read, and why. */
record Unreadable(long offset, ReadProblem problem) {
    private static final String NO_BODY = "the message that its entry names is not stored any more";

    /** The first message that a read did not hand out. */
    static Unreadable of(QueueReader.Result result) {
        return result.problem() == null
                ? missing(result.nextOffset(), "it is not stored any more")
                : new Unreadable(result.nextOffset(), result.problem());
    }

    static Unreadable missing(long offset, String reason) {
        return new Unreadable(offset, ReadProblem.nowhere(QuarantinedRecord.Cause.MISSING_SEGMENT, reason));
    }

    /** An entry whose message was let go. */
    static Unreadable withoutBody(long offset) {
        return missing(offset, NO_BODY);
    }

    /** Whether nothing is known to be wrong with it: the device did not give it. */
    boolean mayPass() {
        return problem.cause() == QuarantinedRecord.Cause.READ_ERROR;
    }
}
