package io.forebay.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.storage.log.FlushRange;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What is told of a stripe's waiting is how long the oldest has waited, whatever came behind it. */
class StripeMetersTest {
    private long nanos = Long.MAX_VALUE - 20; // a clock may wrap
    private final StripeMeters meters = new StripeMeters(0, () -> nanos);
    private final List<String> told = new ArrayList<>();
    private final StripeMeters.Listener listener = new StripeMeters.Listener() {
        @Override
        public void forced(long forceNanos, int frames, long bytes) {
            told.add("forced " + forceNanos + " " + frames + " " + bytes);
        }

        @Override
        public void segmentPrepared(long preparationNanos) {
            told.add("prepared " + preparationNanos);
        }

        @Override
        public void checkpointTaken(long checkpointNanos) {
            told.add("checkpoint " + checkpointNanos);
        }

        @Override
        public void rewritten(long rewriteNanos) {
            told.add("rewritten " + rewriteNanos);
        }
    };

    @Test
    void aWriterThatHangsHasAppendsWaitFromWhenThatIsSeen() {
        meters.messageBegins();
        nanos += 10;
        assertThat(meters.stalledNanosNow()).as("seen").isZero();
        nanos += 7;
        assertThat(meters.stalledNanosNow()).isEqualTo(7);
        nanos += 7;
        assertThat(meters.stalledNanosNow()).isEqualTo(14);
        meters.messageDone();
        assertThat(meters.stalledNanosNow()).isZero();
        meters.messageBegins();
        assertThat(meters.stalledNanosNow()).as("another one").isZero();
        nanos += 5;
        assertThat(meters.stalledNanosNow()).isEqualTo(5);
        meters.stalled(); // by one of those that do not fit, seen while it goes on
        nanos += 2;
        assertThat(meters.stalledNanosNow()).isEqualTo(7);
        meters.messageDone();
        assertThat(meters.stalledNanosNow()).isEqualTo(2);
        assertThat(meters.stallCount()).isZero();
    }

    @Test
    void theOldestOfWhatIsNotDurableCounts() {
        assertThat(meters.unflushedNanos()).isZero();
        meters.appended();
        nanos += 10;
        meters.appended();
        nanos += 10;
        assertThat(meters.unflushedNanos()).isEqualTo(20);
        meters.rangeTaken();
        nanos += 10;
        meters.appended(); // behind the range
        nanos += 10;
        assertThat(meters.unflushedNanos()).isEqualTo(40);
        meters.rangeBack(true);
        assertThat(meters.unflushedNanos()).isEqualTo(10);
        meters.rangeTaken();
        meters.rangeBack(true);
        nanos += 10;
        assertThat(meters.unflushedNanos()).isZero();
    }

    @Test
    void whatAFailedForceHasLostWaitsOnUntilItIsWrittenAgain() {
        meters.listen(listener);
        meters.appended();
        meters.rangeTaken();
        nanos += 10;
        meters.appended();
        meters.rangeBack(false);
        meters.rewriteBegins();
        nanos += 10;
        assertThat(meters.unflushedNanos()).isEqualTo(20);
        meters.rewritten();
        assertThat(meters.unflushedNanos()).isZero();
        assertThat(meters.rewriteCount()).isEqualTo(1);
        assertThat(told).containsExactly("rewritten 10");
    }

    /** A manifest alone is forced, too. */
    @Test
    void aRangeOfWhichNothingIsKnownBeginsWhenItIsTaken() {
        meters.rangeTaken();
        nanos += 10;
        assertThat(meters.unflushedNanos()).isEqualTo(10);
        meters.rangeBack(true);
        assertThat(meters.unflushedNanos()).isZero();
    }

    @Test
    void aStallLastsFromTheFirstThatWaitsToTheLast() {
        meters.goesOn();
        assertThat(meters.stallCount()).isZero();
        meters.stalled();
        nanos += 10;
        meters.stalled();
        nanos += 10;
        assertThat(meters.stalledNanosNow()).isEqualTo(20);
        meters.goesOn();
        meters.goesOn();
        assertThat(meters.stalledNanosNow()).isZero();
        assertThat(meters.stallCount()).isEqualTo(1);
        assertThat(meters.stalledNanosTotal()).isEqualTo(20);
    }

    @Test
    void aForceIsMeasuredAndToldWithItsGroup() {
        meters.listen(listener);
        FlushRange range = new FlushRange(
                0, 100, 2, 100, 100, 0, List.of(StripeFixture.frame(1, "a"), StripeFixture.frame(2, "b")));
        StripeMeters.Force force = meters.force(range);
        nanos += 30;
        assertThat(force.done()).isEqualTo(30);
        meters.force(range).failed();
        meters.stopListening(listener);
        meters.force(range).done();
        assertThat(told).containsExactly("forced 30 2 100");
    }

    @Test
    void preparationsAreCountedAsTheyEnd() throws IOException {
        meters.listen(listener);
        meters.prepare(() -> nanos += 5);
        assertThatThrownBy(() -> meters.prepare(() -> {
                    throw new IOException("no");
                }))
                .hasMessage("no");
        assertThat(meters.preparationCount()).isEqualTo(1);
        assertThat(meters.failedPreparationCount()).isEqualTo(1);
        assertThat(told).containsExactly("prepared 5");
    }
}
