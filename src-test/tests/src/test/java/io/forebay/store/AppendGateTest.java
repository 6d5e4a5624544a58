package io.forebay.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.storage.log.StripeException;
import io.forebay.storage.log.StripeException.Reason;
import io.forebay.store.StoreWriter.Refused;
import java.io.IOException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a log that refuses means for the next append. */
class AppendGateTest {
    private WriterBench bench;
    private SegmentPreparation preparation;
    private AppendGate gate;

    @BeforeEach
    void open() throws IOException {
        bench = new WriterBench(StripeFixture.patient());
        preparation = new SegmentPreparation(bench.parts, bench, bench.availability);
        gate = new AppendGate(0, preparation);
    }

    @AfterEach
    void close() throws IOException {
        bench.close();
    }

    private static StripeException refusal(Reason reason) {
        return new StripeException(reason, reason.toString());
    }

    private void prepare() {
        preparation.prepareIfNeeded();
        preparation.onSegmentPrepared(bench.runOffloaded(SegmentPreparation.SegmentPrepared.class));
    }

    @Test
    void aFrameThatCanNeverBeAppendedShutsNothing() {
        assertThat(gate.refusedBecause(refusal(Reason.FRAME_TOO_LARGE))).isEqualTo(Refused.FRAME_TOO_LARGE);
        assertThat(gate.refusedBecause(refusal(Reason.OWNER_STOPPED))).isEqualTo(Refused.OWNER_STOPPED);
        assertThat(gate.isOpen()).isTrue();
    }

    @Test
    void aSegmentThatIsMissingShutsItUntilItIsPrepared() {
        assertThat(gate.refusedBecause(refusal(Reason.NOT_PREPARED))).isNull();
        assertThat(gate.isOpen()).isFalse();
        assertThat(gate.hasStoreFailed()).isFalse();
        prepare();
        assertThat(gate.isOpen()).isTrue();
    }

    @Test
    void anAppendThatGoesThroughEndsARowOfRefusals() {
        for (Reason reason : new Reason[] {Reason.DISK_FULL, Reason.DEVICE_FAILED}) {
            assertThat(gate.refusedBecause(refusal(reason))).isNull();
            assertThat(gate.isOpen()).isFalse();
            prepare();
            assertThat(gate.isOpen()).isTrue();
            gate.appended();
        }
        assertThat(bench.everybody.hasMessages()).isFalse();
        gate.refusedBecause(refusal(Reason.DISK_FULL));
        prepare();
        gate.refusedBecause(refusal(Reason.DISK_FULL));
        assertThat(bench.everybody.hasMessages()).isTrue();
    }

    @Test
    void aFailedStoreShutsItUntilRewritingBegins() {
        StripeException failure = refusal(Reason.STORE_FAILED);
        assertThat(gate.refusedBecause(failure)).isNull();
        assertThat(gate.hasStoreFailed()).isTrue();
        assertThat(gate.storeFailure()).isSameAs(failure);
        gate.awaitPrepared();
        prepare();
        assertThat(gate.isOpen()).isFalse();
        gate.awaitPrepared();
        gate.rewriting();
        assertThat(gate.hasStoreFailed()).isFalse();
        assertThat(gate.isOpen()).isTrue();
    }

    @Test
    void whatTheLogNeverAnswersToAnAppendIsABug() {
        assertThatThrownBy(() -> gate.refusedBecause(refusal(Reason.WRONG_PHASE)))
                .isInstanceOf(AssertionError.class);
    }
}
