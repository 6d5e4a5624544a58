package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Invariants: what was encoded is decoded; what is cut, longer or contradicts itself is refused, whatever it is. */
class NodeEventsSnapshotTest {
    private static final NodeEventsSnapshot FULL = new NodeEventsSnapshot(
            "a|1",
            1L << 40,
            3,
            List.of(
                    new NodeEventsSnapshot.Event(4, "10.1", new byte[] {1, 2, 3}),
                    new NodeEventsSnapshot.Event(9, "", new byte[0]),
                    new NodeEventsSnapshot.Event(1L << 40, "ü", new byte[300])));

    @Test
    void whatIsEncodedIsDecoded() throws CorruptRecordException {
        for (NodeEventsSnapshot snapshot : List.of(FULL, new NodeEventsSnapshot("", 7, 7, List.of()))) {
            assertThat(NodeEventsSnapshot.decode(snapshot.encode())).isEqualTo(snapshot);
        }
    }

    /** As on the first day. */
    @Test
    void itsFormStays() {
        NodeEventsSnapshot small =
                new NodeEventsSnapshot("n", 5, 3, List.of(new NodeEventsSnapshot.Event(4, "x", new byte[] {7})));
        assertThat(HexFormat.of().formatHex(small.encode()))
                .isEqualTo("0701" + "01006e" + "05" + "03" + "01000000" + "04" + "010078" + "0100000007");
    }

    @Test
    void whatContradictsItselfIsRefused() {
        NodeEventsSnapshot.Event event = new NodeEventsSnapshot.Event(4, "", new byte[0]);
        assertThatIllegalArgumentException().isThrownBy(() -> new NodeEventsSnapshot("", 3, 0, List.of(event)));
        assertThatIllegalArgumentException().isThrownBy(() -> new NodeEventsSnapshot("", 9, 4, List.of(event)));
        assertThatIllegalArgumentException().isThrownBy(() -> new NodeEventsSnapshot("", 9, 0, List.of(event, event)));
        assertThatIllegalArgumentException().isThrownBy(() -> new NodeEventsSnapshot.Event(0, "", new byte[0]));
    }

    @Test
    void whatIsCutOrLongerIsRefused() {
        DamagedPayload.assertNoOtherLengthIsRead(FULL.encode(), NodeEventsSnapshot::decode);
    }

    @Test
    void everyByteMayBeAnotherOne() {
        DamagedPayload.assertEachBitCounts(FULL.encode(), FULL, NodeEventsSnapshot::decode, "NODE_EVENTS");
    }
}
