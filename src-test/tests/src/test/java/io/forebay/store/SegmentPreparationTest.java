package io.forebay.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.storage.log.StripeException;
import io.forebay.store.SegmentPreparation.DiskMeasured;
import io.forebay.store.SegmentPreparation.MeasureAgain;
import io.forebay.store.SegmentPreparation.PrepareAgain;
import io.forebay.store.SegmentPreparation.SegmentPrepared;
import io.forebay.store.StoreWriter.Unavailable;
import io.forebay.store.StripeBudget.Reason;
import java.io.IOException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A disk that fills and empties while segments are prepared. */
class SegmentPreparationTest {
    private WriterBench bench;
    private SegmentPreparation preparation;

    @BeforeEach
    void open() throws IOException {
        bench = new WriterBench(StripeFixture.patient());
        preparation = new SegmentPreparation(bench.parts, bench, bench.availability);
    }

    @AfterEach
    void close() throws IOException {
        bench.close();
    }

    private SegmentPrepared prepareOnce() {
        preparation.prepareIfNeeded();
        SegmentPrepared prepared = bench.runOffloaded(SegmentPrepared.class);
        preparation.onSegmentPrepared(prepared);
        return prepared;
    }

    @Test
    void oneIsPreparedAtATimeAndTheFreeDiskIsMeasuredBehindIt() {
        assertThat(bench.log.isPreparationNeeded()).isTrue();
        preparation.prepareIfNeeded();
        preparation.prepareIfNeeded();
        assertThat(bench.offloadedCount()).isEqualTo(1);
        bench.disk.fullAfter(WriterBench.LOW_SPACE_BYTES / 2);
        SegmentPrepared prepared = bench.runOffloaded(SegmentPrepared.class);
        assertThat(prepared.failure()).isNull();
        assertThat(bench.budget.isDiskLow()).isTrue();
        preparation.onSegmentPrepared(prepared);
        assertThat(bench.timers).containsOnlyKeys(MeasureAgain.INSTANCE);
    }

    @Test
    void aFullDiskIsTriedAgainBehindAPauseAndToldOnceAppendsWait() {
        bench.disk.fullAfter(0);
        assertThat(prepareOnce().failure()).isInstanceOf(IOException.class);
        assertThat(bench.status.health().lastFailure()).isPresent();
        assertThat(bench.everybody.hasMessages()).isFalse();
        preparation.awaitPrepared();
        assertThat(preparation.isStalled()).isTrue();
        preparation.prepareIfNeeded();
        assertThat(bench.offloadedCount()).isZero();
        assertThat(bench.timers).containsKey(PrepareAgain.INSTANCE);

        preparation.onPrepareAgain();
        prepareOnce();
        assertThat(bench.everybody.receiveMessage())
                .isInstanceOfSatisfying(
                        Unavailable.class, told -> assertThat(told.reason()).isEqualTo(Reason.DISK_FULL));

        bench.disk.roomAgain();
        preparation.onPrepareAgain();
        assertThat(prepareOnce().failure()).isNull();
        assertThat(preparation.isStalled()).isFalse();
    }

    @Test
    void aDeviceThatRefusesTwiceInARowMakesAppendsWaitForAPause() {
        StripeException failed = new StripeException(StripeException.Reason.DEVICE_FAILED, "no");
        preparation.stall(failed);
        assertThat(preparation.isStalled()).isTrue();
        assertThat(bench.everybody.hasMessages()).isFalse();
        prepareOnce();
        assertThat(preparation.isStalled()).isFalse();
        preparation.stall(failed);
        assertThat(bench.timers).containsKey(PrepareAgain.INSTANCE);
        assertThat(bench.everybody.receiveMessage())
                .isInstanceOfSatisfying(
                        Unavailable.class, told -> assertThat(told.reason()).isEqualTo(Reason.READ_ONLY));
        preparation.unstall();
        assertThat(preparation.isStalled()).isFalse();
    }

    @Test
    void asLongAsTheDiskIsLowItIsMeasuredAgain() {
        preparation.watchDisk();
        assertThat(bench.timers).isEmpty();
        bench.disk.fullAfter(WriterBench.LOW_SPACE_BYTES / 2);
        preparation.measure();
        bench.runOffloaded(DiskMeasured.class);
        preparation.watchDisk();
        assertThat(bench.timers).containsOnlyKeys(MeasureAgain.INSTANCE);
        bench.disk.roomAgain();
        preparation.measure();
        bench.runOffloaded(DiskMeasured.class);
        assertThat(bench.budget.isDiskLow()).isFalse();
    }

    @Test
    void whatIsNoFailureOfTheEnvironmentIsABug() {
        preparation.prepareIfNeeded();
        assertThatThrownBy(() -> preparation.onSegmentPrepared(new SegmentPrepared(new IllegalStateException("bug"))))
                .isInstanceOf(AssertionError.class);
    }
}
