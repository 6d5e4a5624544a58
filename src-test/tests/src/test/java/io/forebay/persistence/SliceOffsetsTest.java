package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;

import akka.persistence.query.TimestampOffset;
import io.forebay.storage.log.PersistenceEventRecord;
import io.forebay.testkit.sim.SeededRun;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Behind the offset of any event comes exactly what follows it, however many events one millisecond has. */
class SliceOffsetsTest {
    private static StoredEvent event(String id, long sequenceNr, long sequence, long millis) {
        return new StoredEvent(
                id,
                new PersistenceEventRecord(
                        0,
                        1,
                        1,
                        sequenceNr,
                        1,
                        -1,
                        0,
                        "",
                        "",
                        "",
                        "",
                        List.of(),
                        new byte[0],
                        new byte[0],
                        new byte[0]),
                sequence,
                millis);
    }

    @Test
    void anOffsetSaysWhatOfItsTimeWasToldOf() {
        SliceOffsets offsets = new SliceOffsets(TimestampOffset.Zero(), () -> 77);
        offsets.next(event("a", 1, 1, 5));
        offsets.next(event("b", 1, 2, 5));
        TimestampOffset third = offsets.next(event("a", 2, 3, 5));
        assertThat(third.timestamp()).isEqualTo(Instant.ofEpochMilli(5));
        assertThat(third.readTimestamp()).isEqualTo(Instant.ofEpochMilli(77));
        assertThat(third.getSeen()).isEqualTo(Map.of("a", 2L, "b", 1L));
        assertThat(offsets.next(event("a", 3, 4, 6)).getSeen()).isEqualTo(Map.of("a", 3L));
    }

    @Test
    void aTimeBetweenMillisecondsIsBehindTheEarlierOne() {
        SliceOffsets offsets = new SliceOffsets(
                TimestampOffset.apply(
                        Instant.ofEpochMilli(5).plusNanos(1),
                        TimestampOffset.Zero().seen()),
                () -> 0);
        assertThat(offsets.isBehind(5)).isTrue();
        assertThat(offsets.isBehind(6)).isFalse();
        assertThat(offsets.isWanted(event("a", 1, 1, 5))).isFalse();
        assertThat(offsets.isWanted(event("a", 1, 1, 6))).isTrue();
    }

    @Test
    void whoGoesOnBehindAnOffsetMissesNothingAndSeesNothingTwice() {
        SeededRun.run("offsets of slices", (random, progress) -> {
            List<StoredEvent> all = new ArrayList<>();
            long[] numbers = new long[5];
            long millis = 1;
            for (int sequence = 0; sequence < 200; sequence++) {
                int id = random.nextInt(numbers.length);
                millis += random.nextInt(8) / 7;
                all.add(event("id" + id, ++numbers[id], sequence, millis));
            }
            for (int cuts = 0; cuts < 200; cuts++) {
                progress.at(cuts);
                List<StoredEvent> told = new ArrayList<>();
                TimestampOffset last = TimestampOffset.Zero();
                while (told.size() < all.size()) {
                    SliceOffsets offsets = new SliceOffsets(last, () -> 0);
                    int wanted = random.nextInt(1, 60);
                    int left = wanted;
                    for (StoredEvent event : all) {
                        if (left > 0 && offsets.isWanted(event)) {
                            assertThat(offsets.isBehind(event.logTimeMillis())).isFalse();
                            told.add(event);
                            last = offsets.next(event);
                            left--;
                        }
                    }
                    assertThat(left).isLessThan(wanted);
                }
                assertThat(told).isEqualTo(all);
            }
        });
    }
}
