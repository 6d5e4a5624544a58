package io.forebay.protocol;

/**
 * What a consumer has of a subscription and how much more it is willing to take, as totals since the subscription began: a
 * lost or repeated one does no harm, the newest counts. Pushes have numbers; they may come in another order than that of
 * their numbers, so it is told exactly which have come.
 *
 * @param totalCredits messages it is willing to take in all. It may be lowered again, but what is under way comes all the same
 * @param receivedCount messages it has received
 * @param receivedUpTo every push up to this number was received; 0 for none
 * @param receivedBits bit <i>i</i> is set if push {@code receivedUpTo + 2 + i} was received, too
 */
public record SubscriptionProgress(long totalCredits, long receivedCount, long receivedUpTo, long receivedBits) {
    /** No push has a number further from the lowest that was not received. */
    public static final int WINDOW = 64;

    /** Before anything was received. */
    public static SubscriptionProgress begin(long totalCredits) {
        return new SubscriptionProgress(totalCredits, 0, 0, 0);
    }

    /** Messages it is willing to take beyond those it has received; may be negative. */
    public long openCredits() {
        return totalCredits - receivedCount;
    }

    /** Whether a push has been received. */
    public boolean hasReceived(long pushNumber) {
        long bit = pushNumber - receivedUpTo - 2;
        return pushNumber <= receivedUpTo || (bit >= 0 && bit < WINDOW && (receivedBits >>> bit & 1) != 0);
    }

    /**
     * After one more push.
     *
     * @param pushNumber at most {@link #WINDOW} beyond {@code receivedUpTo}
     */
    public SubscriptionProgress received(long pushNumber, int count) {
        if (hasReceived(pushNumber) || pushNumber > receivedUpTo + WINDOW) {
            throw new IllegalArgumentException("push " + pushNumber + " after " + this);
        }
        long upTo = receivedUpTo;
        long bits = receivedBits;
        if (pushNumber == upTo + 1) {
            upTo++;
            while ((bits & 1) != 0) {
                upTo++;
                bits >>>= 1;
            }
            bits >>>= 1;
        } else {
            bits |= 1L << (pushNumber - upTo - 2);
        }
        return new SubscriptionProgress(totalCredits, receivedCount + count, upTo, bits);
    }

    public SubscriptionProgress withTotalCredits(long value) {
        return new SubscriptionProgress(value, receivedCount, receivedUpTo, receivedBits);
    }
}
