package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** What passes within the node's patience is tried again until it does; what does not is given up once, and not before. */
class ReadRetryTest {
    private static final long PATIENCE = 10_000;

    private final ReadRetry retry = new ReadRetry(PATIENCE);

    @Test
    void waitsGrowAndTheLastTryIsMadeWhenPatienceEnds() {
        long now = 500;
        long before = 0;
        int tries = 0;
        for (long delay = retry.failed(7, 4096, now); delay != ReadRetry.NEVER; delay = retry.failed(7, 4096, now)) {
            assertThat(retry.isFailing()).isTrue();
            assertThat(retry.offset()).isEqualTo(7);
            assertThat(delay).isBetween(1L, 1_000L);
            assertThat(delay >= before || now + delay == 500 + PATIENCE).isTrue();
            before = delay;
            now += delay;
            tries++;
        }
        assertThat(now).isEqualTo(500 + PATIENCE);
        assertThat(tries).as("few enough not to be a load").isBetween(10, 20);
        assertThat(retry.isFailing()).isFalse();
    }

    @Test
    void onceIsNeverTooLong() {
        assertThat(retry.failed(7, 4096, 500)).isPositive();
        retry.passed();
        assertThat(retry.isFailing()).isFalse();
        assertThat(retry.failed(7, 4096, 500 + 2 * PATIENCE))
                .as("it was read in between")
                .isPositive();
        assertThat(retry.failed(8, 4096, 500 + 4 * PATIENCE))
                .as("another message")
                .isPositive();
        assertThat(retry.offset()).isEqualTo(8);
    }

    @Test
    void whatLiesInTheFrameOfAMessageThatWasGivenUpIsGivenUpAtOnce() {
        giveUp(7, 4096);
        assertThat(retry.failed(8, 4096, 500 + PATIENCE)).isEqualTo(ReadRetry.NEVER);
        assertThat(retry.failed(9, 4096, 500 + PATIENCE)).isEqualTo(ReadRetry.NEVER);
        assertThat(retry.failed(10, 8192, 500 + PATIENCE)).as("another frame").isPositive();
        retry.passed();
        assertThat(retry.failed(11, 4096, 500 + PATIENCE))
                .as("it could be read since")
                .isPositive();
    }

    @Test
    void framesThatAreNotKnownAreNotTheSame() {
        giveUp(7, -1);
        assertThat(retry.failed(8, -1, 500 + PATIENCE)).isPositive();
    }

    private void giveUp(long offset, long position) {
        assertThat(retry.failed(offset, position, 500)).isPositive();
        assertThat(retry.failed(offset, position, 499 + PATIENCE)).isEqualTo(1);
        assertThat(retry.failed(offset, position, 500 + PATIENCE)).isEqualTo(ReadRetry.NEVER);
    }
}
