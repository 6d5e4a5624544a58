package io.forebay.queue.core;

/**
 * How fast a topic takes messages, all its producers together. A Send is taken whole as soon as one of its messages may be,
 * and what it takes too much is missing for those behind it. Shared by the sessions of a node: thread-safe; time comes in as
 * a value.
 */
public final class SendRate {
    private final TokenBucket tokens = new TokenBucket(0);

    /**
     * Takes messages if there may be any.
     *
     * @param ratePerSecond what is set now; 0 for no limit
     * @return 0 if they are taken, else after how many milliseconds to ask again
     */
    public long take(int count, int ratePerSecond, long nowMillis) {
        if (ratePerSecond == 0) {
            return 0;
        }
        synchronized (tokens) {
            tokens.configure(nowMillis, ratePerSecond);
            if (tokens.available(nowMillis) > 0) {
                tokens.take(count);
                return 0;
            }
            return Math.max(1, tokens.readyMillis(nowMillis) - nowMillis);
        }
    }
}
