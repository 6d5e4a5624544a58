package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** Invariant: the queue is never told more than what is settled, and written. */
class FloorReportTest {
    private final FloorReport report = new FloorReport(100);

    @Test
    void theQueueIsToldNowAndThen() {
        assertThat(report.isDue(100 + 1023, true)).isFalse();
        assertThat(report.isDue(100 + 1024, true)).isTrue();
        assertThat(report.writtenFloor()).isEqualTo(1124);
        report.told(report.writtenFloor());
        assertThat(report.toldFloor()).isEqualTo(1124);
        assertThat(report.isDue(1124 + 1023, true)).isFalse();
    }

    @Test
    void whatIsNotWrittenDoesNotCount() {
        assertThat(report.isDue(5_000, false)).isFalse();
        assertThat(report.writtenFloor()).isEqualTo(100);
        assertThat(report.isDue(2_000, true)).isTrue();
        assertThat(report.isDue(9_000, false)).isTrue();
        assertThat(report.writtenFloor()).isEqualTo(2_000);
    }

    @Test
    void aGroupThatGoesBackNeedsItsMessagesAgain() {
        report.isDue(3_000, true);
        report.told(3_000);
        report.wentBack(50);
        assertThat(report.toldFloor()).isEqualTo(50);
        assertThat(report.writtenFloor()).isEqualTo(50);
        assertThat(report.isDue(60, true)).isFalse();
        report.wentBack(10_000);
        assertThat(report.toldFloor()).isEqualTo(50);
    }
}
