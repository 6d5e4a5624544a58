package io.forebay.store;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class StopStateTest {
    private final StopState<String> stop = new StopState<>();

    @Test
    void everybodyWhoAsksIsToldAndOneCheckpointIsTried() {
        assertThat(stop.isAsked()).isFalse();
        assertThat(stop.ask("one")).isTrue();
        assertThat(stop.ask("two")).isFalse();
        assertThat(stop.replies()).containsExactly("one", "two");
        assertThat(stop.takeLastCheckpoint()).isTrue();
        assertThat(stop.takeLastCheckpoint()).isFalse();
        assertThat(stop.isClosing()).isFalse();
    }

    @Test
    void itGoesStepByStep() {
        assertThat(stop.close("asked", true)).isTrue();
        assertThat(stop.isClosing()).isTrue();
        assertThat(stop.isClean()).isTrue();
        assertThat(stop.isLogClosing()).isFalse();
        stop.logClosing();
        assertThat(stop.isLogClosing()).isTrue();
        assertThat(stop.isLogClosed()).isFalse();
        stop.logClosed();
        assertThat(stop.isLogClosed()).isTrue();
        assertThat(stop.isLogClosing()).isTrue();
        assertThat(stop.isClosing()).isTrue();
    }

    @Test
    void theFirstReasonStays() {
        stop.close("asked", true);
        assertThat(stop.close("a bug", false)).isFalse();
        assertThat(stop.because()).isEqualTo("asked");
        assertThat(stop.isClean()).isTrue();
        stop.notClean();
        assertThat(stop.isClean()).isFalse();
    }

    @Test
    void whatTimesOutIsNotClean() {
        stop.timeOver();
        stop.close("asked", true);
        assertThat(stop.isClean()).isFalse();
        assertThat(stop.isTimeOver()).isTrue();
    }
}
