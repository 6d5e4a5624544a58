package io.forebay.queue;

import io.forebay.protocol.Refusal;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;

/** What a stripe says about its room, in the words of the protocol. Thread-safe. */
public final class StoreRefusals {
    private static final long RETRY_AFTER_MILLIS = 1_000;

    private StoreRefusals() {}

    /** @param noRoom why a reservation was refused */
    public static Refusal of(StripeBudget.NoRoom noRoom) {
        return new Refusal(codeOf(noRoom.reason()), noRoom.detail(), Math.max(1, noRoom.retryAfterMillis()));
    }

    /** The answer to whatever was on its way when the stripe refused it for good: it was not appended. */
    public static Refusal of(StoreWriter.Rejected rejected) {
        return Refusal.of(
                rejected.refused() == StoreWriter.Refused.FRAME_TOO_LARGE
                        ? Refusal.Code.TOO_LARGE
                        : Refusal.Code.FAILED,
                rejected.detail());
    }

    /** The answer to whatever is on its way while the stripe cannot append. */
    public static Refusal outcomeUnknown(String detail) {
        return new Refusal(
                Refusal.Code.OUTCOME_UNKNOWN, "whether it happened is not known yet: " + detail, RETRY_AFTER_MILLIS);
    }

    private static Refusal.Code codeOf(StripeBudget.Reason reason) {
        return switch (reason) {
            case BUSY -> Refusal.Code.BUSY;
            case DISK_FULL -> Refusal.Code.DISK_FULL;
            case READ_ONLY -> Refusal.Code.READ_ONLY;
            case SHUTTING_DOWN -> Refusal.Code.SHUTTING_DOWN;
            case CLOSED -> Refusal.Code.FAILED;
        };
    }
}
