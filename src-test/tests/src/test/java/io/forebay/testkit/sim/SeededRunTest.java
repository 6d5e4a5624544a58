package io.forebay.testkit.sim;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

/** A run that fails says all that is needed to have it again. */
class SeededRunTest {
    @Test
    void aFailureNamesSeedStepAndWhatElseWasSet() {
        System.setProperty("forebay.some-steps", "12");
        try {
            assertThatThrownBy(() -> SeededRun.run("a run", (random, progress) -> {
                        progress.at(7);
                        progress.note("breaks");
                        throw new IllegalStateException("broken");
                    }))
                    .isInstanceOf(AssertionError.class)
                    .hasMessageMatching(
                            "a run failed at step 7 \\(breaks\\), repeat with -Dforebay.seed=\\d+( -Dforebay\\.\\S+)*"
                                    + " -Dforebay.some-steps=12( -Dforebay\\.\\S+)*: .*broken");
        } finally {
            System.clearProperty("forebay.some-steps");
        }
    }
}
