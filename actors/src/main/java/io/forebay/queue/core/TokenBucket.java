package io.forebay.queue.core;

/**
 * A rate as tokens that come with time: so many a second, and never more than those of one second at once. So within any
 * <i>t</i> seconds at most rate × (<i>t</i> + 1) are taken. Where it is empty it gathers those of 20 ms before it gives again,
 * so that a high rate is served in batches. Confined to its owner; time comes in as a value.
 */
final class TokenBucket {
    private static final long PER_TOKEN = 1000;
    private static final int GATHERINGS_PER_SECOND = 50;

    private int ratePerSecond;
    /** In thousandths of a token: as many as the rate come each millisecond. */
    private long thousandths;

    private long filledMillis;
    private boolean isGathering;

    /** @param ratePerSecond 0 for no limit */
    TokenBucket(int ratePerSecond) {
        this.ratePerSecond = ratePerSecond;
        thousandths = capacity();
        filledMillis = Long.MIN_VALUE;
    }

    /** From now on; what has gathered stays, as far as it fits. */
    void configure(long nowMillis, int newRatePerSecond) {
        if (newRatePerSecond == ratePerSecond) {
            return;
        }
        fill(nowMillis);
        boolean wasUnlimited = ratePerSecond == 0;
        ratePerSecond = newRatePerSecond;
        thousandths = wasUnlimited ? capacity() : Math.min(thousandths, capacity());
        isGathering = false;
    }

    /** @return how many may be taken now, {@link Integer#MAX_VALUE} without a limit */
    int available(long nowMillis) {
        if (ratePerSecond == 0) {
            return Integer.MAX_VALUE;
        }
        fill(nowMillis);
        if (thousandths < (isGathering ? gathering() : PER_TOKEN)) {
            isGathering = true;
            return 0;
        }
        isGathering = false;
        return (int) (thousandths / PER_TOKEN);
    }

    /** @param count at most what is {@link #available}, but for what cannot be refused: then it is missing later */
    void take(int count) {
        if (ratePerSecond > 0) {
            thousandths -= count * PER_TOKEN;
        }
    }

    /** What was taken and not needed. */
    void giveBack(int count) {
        if (ratePerSecond > 0) {
            thousandths = Math.min(capacity(), thousandths + count * PER_TOKEN);
        }
    }

    /** @return when {@link #available} will not be 0 any more */
    long readyMillis(long nowMillis) {
        if (available(nowMillis) > 0) {
            return nowMillis;
        }
        long missing = gathering() - thousandths;
        return nowMillis + (missing + ratePerSecond - 1) / ratePerSecond;
    }

    private void fill(long nowMillis) {
        if (filledMillis != Long.MIN_VALUE && nowMillis > filledMillis) {
            long elapsedMillis = Math.min(nowMillis - filledMillis, 10_000_000);
            thousandths = Math.min(capacity(), thousandths + elapsedMillis * ratePerSecond);
        }
        filledMillis = Math.max(filledMillis, nowMillis);
    }

    private long capacity() {
        return ratePerSecond * PER_TOKEN;
    }

    private long gathering() {
        return Math.max(1, ratePerSecond / GATHERINGS_PER_SECOND) * PER_TOKEN;
    }
}
