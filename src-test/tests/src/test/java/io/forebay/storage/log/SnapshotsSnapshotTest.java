package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The state of a queue of snapshots has the layout that the page on record types gives it, and no other. */
class SnapshotsSnapshotTest {
    private static final String BYTES =
            "050101 01 ad02 0600000000000000 09 03 01" + "01000000 0200 6162 01000000 ac02 0500000000000000 07 02";

    private static SnapshotsSnapshot sample() {
        return new SnapshotsSnapshot(
                new SnapshotsSnapshot.Begun(1, new SnapshotsSnapshot.Snapshot(301, 6, 9, 3), 1),
                List.of(new SnapshotsSnapshot.Id("ab", List.of(new SnapshotsSnapshot.Snapshot(300, 5, 7, 2)))));
    }

    private static byte[] bytes(String hex) {
        return HexFormat.of().parseHex(hex.replace(" ", ""));
    }

    @Test
    void isWrittenAndReadAsDescribed() throws CorruptRecordException {
        assertThat(sample().encode()).isEqualTo(bytes(BYTES));
        assertThat(SnapshotsSnapshot.decode(bytes(BYTES))).isEqualTo(sample());
        SnapshotsSnapshot empty = new SnapshotsSnapshot(null, List.of());
        assertThat(SnapshotsSnapshot.decode(empty.encode())).isEqualTo(empty);
    }

    @Test
    void whatContradictsItselfIsRefused() {
        for (String wrong : List.of(
                BYTES.replace("050101 01", "050101 02"), // of an id that is not there
                BYTES.replace("09 03 01", "09 03 03"), // whole, and begun
                BYTES.replace("0200 6162 01000000", "0200 6162 02000000"),
                BYTES.replace("050101", "050201"), // of a later version
                BYTES + "00")) {
            assertThatThrownBy(() -> SnapshotsSnapshot.decode(bytes(wrong))).isInstanceOf(CorruptRecordException.class);
        }
    }
}
