package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.log.ExpiredRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.QueueSnapshot;
import io.forebay.storage.log.SendWindow;
import io.forebay.testkit.sim.SeededRun;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * What retention drops, against a list of all messages: nothing that a group has not settled, unless it is too old or too
 * much (I1 within what the topic promises to keep); and all that need not be kept, in time.
 */
class QueueRetentionTest {
    private static final long START = 1_800_000_000_000L;

    @Test
    void withoutGraceWhatEveryGroupHasSettledGoesAtOnce() {
        QueueRetention retention = new QueueRetention();
        retention.written(100, START, 1_000);
        retention.raiseFirstOffset(2);
        floor(retention, 1, 2, 0, 0);
        floor(retention, 2, 50, 0, 0);
        assertThat(retention.firstOffset()).isEqualTo(2);
        floor(retention, 1, 30, 0, 0);
        assertThat(retention.firstOffset()).isEqualTo(30);
        floor(retention, 1, 70, 0, 0);
        assertThat(retention.firstOffset()).isEqualTo(50);
        retention.removeGroup(2, START, 0);
        assertThat(retention.release(START, 0)).isTrue();
        assertThat(retention.firstOffset()).isEqualTo(70);
        retention.removeGroup(1, START, 0);
        assertThat(retention.release(START, 0)).isFalse();
        assertThat(retention.firstOffset()).isEqualTo(70);
    }

    @Test
    void nothingGoesBeforeEveryGroupHasSaidWhatItNeeds() {
        QueueRetention retention = new QueueRetention();
        retention.written(100, START, 1_000);
        retention.await(List.of(1, 2));
        floor(retention, 1, 80, 0, 0);
        assertThat(retention.firstOffset()).isZero();
        floor(retention, 2, 10, 0, 0);
        assertThat(retention.firstOffset()).isEqualTo(10);
        floor(retention, 2, 90, 0, 0);
        assertThat(retention.firstOffset()).isEqualTo(80);
    }

    @Test
    void whatIsSettledStaysForItsGraceTimeAndLongerIfAGroupGoesBack() {
        QueueRetention retention = new QueueRetention();
        retention.written(100, START, 1_000);
        floor(retention, 1, 50, 0, 6_400);
        assertThat(retention.nextDueMillis(6_400, 0)).isBetween(START + 6_400, START + 6_500);
        assertThat(retention.release(START + 6_399, 6_400)).isFalse();
        floor(retention, 1, 20, 6_000, 6_400);
        assertThat(retention.release(START + 6_500, 6_400)).isTrue();
        assertThat(retention.firstOffset()).isEqualTo(20);
        floor(retention, 1, 50, 6_500, 6_400);
        assertThat(retention.release(START + 12_899, 6_400)).isFalse();
        assertThat(retention.release(START + 13_000, 6_400)).isTrue();
        assertThat(retention.firstOffset()).isEqualTo(50);
        floor(retention, 1, 60, 13_000, 6_400);
        assertThat(retention.release(START + 13_000, 0))
                .as("the grace time is taken away")
                .isTrue();
        assertThat(retention.firstOffset()).isEqualTo(60);
    }

    @Test
    void whatNobodyReadsGoesWhenItIsTooOldOrTooMuch() {
        QueueRetention retention = new QueueRetention();
        for (int i = 0; i < 10; i++) {
            retention.written(10 * (i + 1), START + 1_000 * i, 1_000);
        }
        assertThat(retention.isExpiryDue(START + 100_000, 0, 0)).isFalse();
        assertThat(retention.isExpiryDue(START + 4_999, 5_000, 0)).isFalse();
        assertThat(retention.isExpiryDue(START + 5_000, 5_000, 0)).isTrue();
        ExpiredRecord aged = retention.decideExpiry(START + 7_500, 5_000, 0);
        assertThat(aged).isEqualTo(new ExpiredRecord(30, START + 7_500, 30, ExpiredRecord.Cause.MAX_AGE));
        assertThat(retention.isExpiryDue(START + 7_500, 5_000, 0)).isFalse();
        assertThat(retention.firstOffset()).isZero();
        retention.apply(aged);
        assertThat(retention.firstOffset()).isEqualTo(30);
        assertThat(retention.isExpiryDue(START + 7_500, 5_000, 7_000)).isFalse();
        ExpiredRecord large = retention.decideExpiry(START + 7_500, 5_000, 5_500);
        assertThat(large).isEqualTo(new ExpiredRecord(40, START + 7_500, 10, ExpiredRecord.Cause.MAX_BYTES));
        retention.apply(large);
        assertThat(retention.expiredCount()).isEqualTo(40);
        floor(retention, 1, 45, 0, 0);
        ExpiredRecord partly = retention.decideExpiry(START + 9_000, 5_000, 0);
        assertThat(partly.belowOffset()).isEqualTo(50);
        assertThat(partly.expiredCount()).as("what was settled is not expired").isEqualTo(5);
    }

    private static void floor(QueueRetention retention, int group, long floor, long afterMillis, long graceMillis) {
        retention.groupFloor(group, floor, START + afterMillis, graceMillis);
        retention.release(START + afterMillis, graceMillis);
    }

    private record Written(long endOffset, long millis, long bytes) {}

    /** A queue's whole life, with all that a plain list knows of it. */
    private static final class Life {
        final RandomGenerator random;
        final SeededRun.Progress progress;
        final long graceMillis;
        final long maxAgeMillis;
        final long maxBytes;
        final List<Written> frames = new ArrayList<>();
        final Map<Integer, Long> floors = new TreeMap<>();
        /** Since when everything below was settled by all, by offset. */
        final TreeMap<Long, Long> settledSince = new TreeMap<>();

        QueueRetention retention = new QueueRetention();
        long now = START;
        long end;
        long totalBytes;

        QueueSnapshot snapshot = QueueSnapshot.of(0, 0);
        long snapshotMillis = START;
        Map<Long, Long> snapshotSettledSince = Map.of();
        List<Object> sinceSnapshot = new ArrayList<>();

        Life(RandomGenerator random, SeededRun.Progress progress) {
            this.random = random;
            this.progress = progress;
            graceMillis = random.nextBoolean() ? 0 : 1 + random.nextInt(20_000);
            maxAgeMillis = random.nextInt(3) == 0 ? 0 : 1_000 + random.nextInt(60_000);
            maxBytes = random.nextInt(3) == 0 ? 0 : 1 + random.nextInt(200_000);
        }

        void step() {
            int choice = random.nextInt(100);
            if (choice < 55) {
                write();
            } else if (choice < 70) {
                now += random.nextInt(random.nextInt(20) == 0 ? 30_000 : 200);
            } else if (choice < 82) {
                settle();
            } else if (choice < 94) {
                tick();
            } else if (choice < 96) {
                progress.note("snapshot");
                snapshot = new QueueSnapshot(
                        end,
                        retention.firstOffset(),
                        retention.expiredCount(),
                        retention.marks().toSnapshot(),
                        retention.settled(),
                        OffsetSet.empty(),
                        List.of(),
                        SendWindow.NONE);
                assertThat(snapshot.marks()).hasSizeLessThanOrEqualTo(210);
                snapshotMillis = now;
                snapshotSettledSince = new TreeMap<>(settledSince);
                sinceSnapshot.clear();
            } else if (choice < 97) {
                crash();
            } else if (choice < 98) {
                purge();
            } else {
                look();
            }
            assertThat(retention.marks().count()).isLessThanOrEqualTo(OffsetMarks.COUNT_MAX);
        }

        private void write() {
            int count = 1 + random.nextInt(20);
            Written frame = new Written(end + count, now, count * (100L + random.nextInt(200)));
            progress.note("write " + frame);
            retention.written(frame.endOffset, frame.millis, frame.bytes);
            frames.add(frame);
            sinceSnapshot.add(frame);
            end = frame.endOffset;
            totalBytes += frame.bytes;
            now += random.nextInt(30);
        }

        private long lowestFloor() {
            return floors.values().stream().mapToLong(Long::longValue).min().orElse(-1);
        }

        private void settle() {
            int group = 1 + random.nextInt(2);
            if (random.nextInt(60) == 0 && floors.containsKey(group)) {
                progress.note("group " + group + " is deleted");
                floors.remove(group);
                retention.removeGroup(group, now, graceMillis);
            } else {
                long from = floors.getOrDefault(group, retention.firstOffset());
                long floor = random.nextInt(10) == 0
                        ? retention.firstOffset() + random.nextLong(Math.max(1, from + 1 - retention.firstOffset()))
                        : Math.min(end, from + random.nextInt(60));
                progress.note("group " + group + " has settled below " + floor);
                floors.put(group, Math.max(floor, retention.firstOffset()));
                retention.groupFloor(group, floors.get(group), now, graceMillis);
            }
            noteSettled();
            release();
        }

        private void noteSettled() {
            long lowest = lowestFloor();
            if (lowest < 0) {
                return;
            }
            Map.Entry<Long, Long> above = settledSince.higherEntry(lowest);
            settledSince.tailMap(lowest, false).clear();
            if (above != null) {
                settledSince.putIfAbsent(lowest, above.getValue());
            }
            if (settledSince.isEmpty() || settledSince.lastKey() < lowest) {
                settledSince.put(lowest, now);
            }
        }

        private void release() {
            long before = retention.firstOffset();
            retention.release(now, graceMillis);
            long after = retention.firstOffset();
            if (after > before) {
                assertThat(after).as("released").isLessThanOrEqualTo(lowestFloor());
                // The youngest of what goes is what was settled last.
                Map.Entry<Long, Long> settled = settledSince.ceilingEntry(after);
                assertThat(settled).isNotNull();
                assertThat(now - settled.getValue()).as("grace").isGreaterThanOrEqualTo(graceMillis);
            }
        }

        private void tick() {
            progress.note("tick at " + now);
            release();
            if (retention.isExpiryDue(now, maxAgeMillis, maxBytes)) {
                ExpiredRecord record = retention.decideExpiry(now, maxAgeMillis, maxBytes);
                long below = record.belowOffset();
                assertThat(below).isGreaterThan(retention.firstOffset()).isLessThanOrEqualTo(end);
                if (record.cause() == ExpiredRecord.Cause.MAX_AGE) {
                    assertThat(now - frameOf(below - 1).millis).isGreaterThanOrEqualTo(maxAgeMillis);
                } else {
                    assertThat(bytesFrom(below)).as("bytes kept").isGreaterThanOrEqualTo(maxBytes);
                }
                applied(record);
            }
            assertThat(retention.isExpiryDue(now, maxAgeMillis, maxBytes)).isFalse();
            checkNothingStaysTooLong();
        }

        private void checkNothingStaysTooLong() {
            long first = retention.firstOffset();
            if (first < end) {
                long span = now - frames.get(0).millis;
                if (maxAgeMillis > 0) {
                    assertThat(now - frameOf(first).millis)
                            .as("age of the oldest")
                            .isLessThanOrEqualTo(maxAgeMillis + span / 20 + 1);
                }
                if (maxBytes > 0) {
                    assertThat(bytesFrom(first))
                            .as("bytes of what is stored")
                            .isLessThanOrEqualTo(maxBytes + maxBytes / 64 + totalBytes / 20 + 20 * 300);
                }
            }
            Map.Entry<Long, Long> settled = settledSince.floorEntry(end);
            while (settled != null && now - settled.getValue() <= graceMillis + graceMillis / 32 + 2) {
                settled = settledSince.lowerEntry(settled.getKey());
            }
            if (settled != null && lowestFloor() >= 0) {
                assertThat(first).as("settled for long").isGreaterThanOrEqualTo(settled.getKey());
            }
            assertThat(retention.nextDueMillis(graceMillis, maxAgeMillis)).isGreaterThan(now);
        }

        private void purge() {
            PurgeRecord record = retention.decidePurge(random.nextLong(end + 2), end, now);
            progress.note("purge " + record);
            assertThat(record.belowOffset()).isBetween(retention.firstOffset(), end);
            applied(record);
        }

        private void applied(LogRecord record) {
            if (record instanceof ExpiredRecord expired) {
                retention.apply(expired);
            } else {
                retention.apply((PurgeRecord) record);
            }
            sinceSnapshot.add(record);
            long first = retention.firstOffset();
            floors.replaceAll((group, floor) -> Math.max(floor, first));
            settledSince.headMap(first, false).clear();
        }

        private void look() {
            long asked = START + random.nextLong(now - START + 2);
            long exact = end;
            long from = 0;
            for (Written frame : frames) {
                if (frame.millis >= asked) {
                    exact = from;
                    break;
                }
                from = frame.endOffset;
            }
            exact = Math.max(exact, retention.firstOffset());
            OffsetMarks.Range range = retention.marks().at(asked, retention.firstOffset());
            progress.note("first at " + asked + " is " + exact + ", told " + range);
            assertThat(exact).isBetween(range.low(), range.high());
        }

        /** What was released without a record may be there again; nothing else may. */
        private void crash() {
            progress.note("crash");
            long expired = retention.expiredCount();
            long dropped = snapshot.firstOffset();
            retention = QueueRetention.restore(snapshot, snapshotMillis);
            for (Object each : sinceSnapshot) {
                if (each instanceof Written frame) {
                    retention.written(frame.endOffset, frame.millis, frame.bytes);
                } else if (each instanceof ExpiredRecord record) {
                    retention.apply(record);
                    dropped = Math.max(dropped, record.belowOffset());
                } else {
                    PurgeRecord record = (PurgeRecord) each;
                    retention.apply(record);
                    dropped = Math.max(dropped, record.belowOffset());
                }
            }
            assertThat(retention.expiredCount()).isEqualTo(expired);
            assertThat(retention.firstOffset()).isEqualTo(dropped);
            assertThat(retention.marks().endOffset()).isEqualTo(end);
            retention.await(floors.keySet());
            retention.release(now, graceMillis);
            assertThat(retention.firstOffset()).isEqualTo(dropped);
            // When it was settled is known as the snapshot says: what came later, a seek back too, counts from now.
            settledSince.clear();
            settledSince.putAll(snapshotSettledSince);
            long known = snapshot.settled().isEmpty()
                    ? 0
                    : snapshot.settled().get(snapshot.settled().size() - 1).offset();
            settledSince.tailMap(known, false).clear();
            settledSince.headMap(dropped, false).clear();
            for (Map.Entry<Integer, Long> floor : floors.entrySet()) {
                retention.groupFloor(floor.getKey(), floor.getValue(), now, graceMillis);
            }
            noteSettled();
            release();
        }

        private Written frameOf(long offset) {
            int low = 0;
            int high = frames.size() - 1;
            while (low < high) {
                int middle = (low + high) >>> 1;
                if (frames.get(middle).endOffset > offset) {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            return frames.get(low);
        }

        private long bytesFrom(long offset) {
            long bytes = 0;
            for (int i = frames.size() - 1; i >= 0 && frames.get(i).endOffset > offset; i--) {
                bytes += frames.get(i).bytes;
            }
            return bytes;
        }
    }

    @Test
    void itKeepsWhatItMustAndNothingForLongWhateverHappens() {
        SeededRun.run("retention", (random, progress) -> {
            long steps = SeededRun.steps(60_000);
            for (long step = 0; step < steps; ) {
                Life life = new Life(random, progress);
                for (long end = Math.min(steps, step + 6_000); step < end; step++) {
                    progress.at(step);
                    life.step();
                }
            }
        });
    }
}
