package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RetryBackoffTest {
    @Test
    void noneWaitsForNothing() {
        assertThat(RetryBackoff.parse("none").delayMillis(7, 3)).isZero();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "fixed 5 s | 1 | 5000",
                "fixed 5s | 100 | 5000",
                "list 10 s, 30 s, 1 m | 1 | 10000",
                "list 10 s, 30 s, 1 m | 2 | 30000",
                "list 10 s, 30 s, 1 m | 3 | 60000",
                "list 10 s, 30 s, 1 m | 4 | 60000",
                "exponential 100 ms to 1 m | 1 | 100",
                "Exponential 100 ms  to 1 m | 4 | 800",
                "exponential 100 ms to 1 m | 11 | 60000",
                "exponential 100 ms to 1 m | 2147483647 | 60000",
                "exponential 1 s to 1 h factor 1.5 | 3 | 2250",
            })
    void waitFollowsTheSchedule(String text, int attempt, long millis) {
        assertThat(RetryBackoff.parse(text).delayMillis(attempt, 5)).isEqualTo(millis);
    }

    @Test
    void jitterShortensWithinItsShareAndIsTheSameAgain() {
        RetryBackoff backoff = RetryBackoff.parse("fixed 10 s jitter 20 %");
        long lowest = Long.MAX_VALUE;
        long highest = 0;
        for (long offset = 0; offset < 1_000; offset++) {
            long delay = backoff.delayMillis(2, offset);
            assertThat(delay).isBetween(8_000L, 10_000L);
            assertThat(backoff.delayMillis(2, offset)).isEqualTo(delay);
            lowest = Math.min(lowest, delay);
            highest = Math.max(highest, delay);
        }
        assertThat(lowest).isLessThan(8_200);
        assertThat(highest).isGreaterThan(9_800);
    }

    @Test
    void textIsWhatWasWritten() {
        RetryBackoff backoff = RetryBackoff.parse(" list 1 s, 2 s, jitter 5 % ");
        assertThat(RetryBackoff.parse(backoff.toString())).isEqualTo(backoff);
        assertThat(backoff.delayMillis(9, 1)).isBetween(1_900L, 2_000L);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "5 s",
                "fixed",
                "fixed 5",
                "fixed -5 s",
                "fixed 8 d",
                "fixed 99999999999999999999 s",
                "list",
                "list ,",
                "list 1 s,,2 s",
                "exponential 1 s",
                "exponential 2 s to 1 s",
                "exponential 1 s to 2 s factor 0.5",
                "fixed 1 s jitter 101 %"
            })
    void whatIsNoScheduleIsRefusedWithWhatWouldBeRight(String text) {
        assertThatThrownBy(() -> RetryBackoff.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("\"" + text + "\"")
                .hasMessageContaining("expected ");
    }
}
