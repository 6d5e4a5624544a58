package io.forebay.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class HeldUpKeysTest {
    private final HeldUpKeys keys = new HeldUpKeys(3, 2);

    @Test
    void theFirstMessageOfAKeyIsWhatHoldsItUpUntilTheTopicIsThere() {
        keys.holdUp("t", Map.of("k", "first"));
        keys.holdUp("t", Map.of("k", "second", "l", "other"));
        assertThat(keys.take("another")).isEmpty();
        assertThat(keys.take("t")).isEqualTo(Map.of("k", "first", "l", "other"));
        assertThat(keys.take("t")).isEmpty();
    }

    @Test
    void whatIsGivenUpHoldsNothingUp() {
        keys.holdUp("t", Map.of("k", "first", "l", "other"));
        keys.withdraw("another", List.of("first"));
        keys.withdraw("t", List.of("first", "unknown"));
        assertThat(keys.take("t")).isEqualTo(Map.of("l", "other"));
    }

    @Test
    void beyondTheBoundTheOldestTopicIsForgotten() {
        keys.holdUp("a", Map.of("k", "1"));
        keys.holdUp("b", Map.of("k", "2"));
        keys.holdUp("c", Map.of());
        keys.holdUp("c", Map.of("k", "3"));
        assertThat(keys.take("a")).isEmpty();
        assertThat(keys.take("b")).hasSize(1);
        assertThat(keys.take("c")).hasSize(1);
    }

    @Test
    void aTopicBeyondItsBoundCostsNoOtherItsOrder() {
        keys.holdUp("a", Map.of("k", "1"));
        keys.holdUp("b", Map.of("1", "1", "2", "2", "3", "3", "4", "4"));
        assertThat(keys.take("a")).hasSize(1);
        assertThat(keys.take("b")).isEmpty();
    }

    @Test
    void oneTopicHoldsNoMoreThanItsBound() {
        keys.holdUp("a", Map.of("1", "1", "2", "2", "3", "3"));
        keys.holdUp("a", Map.of("4", "4"));
        assertThat(keys.take("a")).isEmpty();
    }

    @Test
    void aTopicWhoseKeysAreAllGivenUpCostsNoOtherItsOrder() {
        keys.holdUp("a", Map.of("k", "1"));
        keys.holdUp("b", Map.of("k", "2"));
        keys.withdraw("b", List.of("2"));
        keys.holdUp("c", Map.of("k", "3"));
        assertThat(keys.take("a")).hasSize(1);
        assertThat(keys.take("c")).hasSize(1);
    }

    @Test
    void allTopicsTogetherHoldNoMoreThanTheBound() {
        keys.holdUp("a", Map.of("1", "1", "2", "2"));
        keys.holdUp("b", Map.of("1", "1"));
        keys.holdUp("a", Map.of("3", "3"));
        assertThat(keys.take("b")).as("another one, although the last").isEmpty();
        assertThat(keys.take("a")).hasSize(3);
    }

    @Test
    void whatIsTakenOrGivenUpCountsNoLonger() {
        keys.holdUp("a", Map.of("1", "1", "2", "2", "3", "3"));
        keys.withdraw("a", List.of("1"));
        keys.holdUp("b", Map.of("1", "1"));
        assertThat(keys.take("a")).hasSize(2);
        keys.holdUp("c", Map.of("1", "1", "2", "2"));
        assertThat(keys.take("b")).hasSize(1);
        assertThat(keys.take("c")).hasSize(2);
        keys.holdUp("d", Map.of("1", "1", "2", "2", "3", "3", "4", "4"));
        keys.holdUp("e", Map.of("1", "1", "2", "2", "3", "3"));
        assertThat(keys.take("e")).hasSize(3);
    }
}
