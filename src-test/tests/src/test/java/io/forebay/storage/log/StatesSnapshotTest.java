package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Invariants: what was encoded is decoded; what is cut, longer or contradicts itself is refused, whatever it is. */
class StatesSnapshotTest {
    private static final StatesSnapshot FULL = new StatesSnapshot(
            List.of(
                    new StatesSnapshot.Id("a|1", 7, false, "red", 300, 2, 1L << 40),
                    StatesSnapshot.Id.of("b"),
                    new StatesSnapshot.Id("ü", 1, true, "", 0, 1, 0),
                    new StatesSnapshot.Id("d", Long.MAX_VALUE, true, "red", Long.MAX_VALUE, Integer.MAX_VALUE, 9)),
            new StatesSnapshot.Begun(2, 1, 500, 3, 2));

    @Test
    void whatIsEncodedIsDecoded() throws CorruptRecordException {
        for (StatesSnapshot snapshot : List.of(FULL, new StatesSnapshot(List.of(), null))) {
            assertThat(StatesSnapshot.decode(snapshot.encode())).isEqualTo(snapshot);
        }
    }

    @Test
    void whatIsCutOrLongerIsRefused() {
        DamagedPayload.assertNoOtherLengthIsRead(FULL.encode(), StatesSnapshot::decode);
    }

    @Test
    void everyByteMayBeAnotherOne() {
        DamagedPayload.assertEachBitCounts(FULL.encode(), FULL, StatesSnapshot::decode, "DURABLE_STATES");
    }
}
