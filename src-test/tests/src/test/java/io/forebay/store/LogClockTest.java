package io.forebay.store;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.time.InstantSource;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class LogClockTest {
    private final AtomicLong nanos = new AtomicLong(123_456_789);
    private final AtomicLong wallMillis = new AtomicLong(1_000_000);
    private final LogClock clock =
            new LogClock((InstantSource) () -> Instant.ofEpochMilli(wallMillis.get()), nanos::get);

    @Test
    void beginsWithTheWallClock() {
        assertThat(clock.millis()).isEqualTo(1_000_000);
    }

    @Test
    void isMonotonicWhenTheWallClockIsSet() {
        nanos.addAndGet(TimeUnit.MILLISECONDS.toNanos(5));
        wallMillis.set(17);
        assertThat(clock.millis()).isEqualTo(1_000_005);
    }

    @Test
    void isNeverBelowTheNewestTimeOfALog() {
        nanos.addAndGet(TimeUnit.MILLISECONDS.toNanos(5));
        clock.raiseTo(2_000_000);
        assertThat(clock.millis()).isEqualTo(2_000_000);
        nanos.addAndGet(TimeUnit.MILLISECONDS.toNanos(7));
        assertThat(clock.millis()).isEqualTo(2_000_007);
    }

    @Test
    void doesNotGoBackToTheTimeOfAnOldLog() {
        clock.raiseTo(2_000_000);
        clock.raiseTo(1_500_000);
        assertThat(clock.millis()).isEqualTo(2_000_000);
    }
}
