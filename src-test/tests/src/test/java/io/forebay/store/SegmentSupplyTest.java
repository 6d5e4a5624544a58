package io.forebay.store;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class SegmentSupplyTest {
    private final SegmentSupply supply = new SegmentSupply();

    @Test
    void oneIsPreparedAtATimeAheadOfNeed() {
        assertThat(supply.isDue(false)).isFalse();
        assertThat(supply.isDue(true)).isTrue();
        supply.preparing();
        assertThat(supply.isDue(true)).isFalse();
        supply.prepared(true);
        assertThat(supply.isDue(true)).isTrue();
    }

    @Test
    void aStallIsPreparedForAtOnceAndPausedForWhenThatDidNotHelp() {
        assertThat(supply.stalled()).isFalse();
        assertThat(supply.isStalled()).isTrue();
        assertThat(supply.isDue(false)).isTrue();
        supply.preparing();
        supply.prepared(true);
        assertThat(supply.isStalled()).isFalse();
        assertThat(supply.stalled()).isTrue();
        supply.pause();
        assertThat(supply.isDue(true)).isFalse();
        supply.pauseOver();
        assertThat(supply.isDue(false)).isTrue();
        supply.appended();
        supply.prepared(true);
        assertThat(supply.stalled()).isFalse();
    }

    @Test
    void aFailureLeavesTheStall() {
        supply.stalled();
        supply.preparing();
        supply.prepared(false);
        assertThat(supply.isStalled()).isTrue();
        assertThat(supply.isDue(false)).isTrue();
        supply.unstall();
        assertThat(supply.isStalled()).isFalse();
        assertThat(supply.isDue(false)).isFalse();
    }
}
