package io.forebay.store;

import java.time.Duration;

/** How long to wait before the next try: twice as long each time, up to a limit. Pure; confined to the StoreWriter. */
final class Backoff {
    private final Duration first;
    private final Duration longest;
    private Duration next;

    /** @param longest at least {@code first} */
    Backoff(Duration first, Duration longest) {
        this.first = first;
        this.longest = longest;
        next = first;
    }

    /** How long to wait now. */
    Duration next() {
        Duration now = next;
        Duration doubled = now.multipliedBy(2);
        next = doubled.compareTo(longest) > 0 ? longest : doubled;
        return now;
    }

    /** What was tried works again. */
    void reset() {
        next = first;
    }
}
