package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
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
        byte[] payload = FULL.encode();
        for (int length = 0; length <= payload.length + 1; length++) {
            byte[] other = Arrays.copyOf(payload, length);
            if (length != payload.length) {
                assertThatThrownBy(() -> StatesSnapshot.decode(other)).isInstanceOf(CorruptRecordException.class);
            }
        }
    }

    @Test
    void everyByteMayBeAnotherOne() {
        byte[] payload = FULL.encode();
        for (int at = 0; at < payload.length; at++) {
            for (int bit = 0; bit < 8; bit++) {
                byte[] other = payload.clone();
                other[at] ^= (byte) (1 << bit);
                try {
                    assertThat(StatesSnapshot.decode(other)).as("byte " + at).isNotEqualTo(FULL);
                } catch (CorruptRecordException e) {
                    assertThat(e).hasMessageContaining("DURABLE_STATES");
                }
            }
        }
    }
}
