package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.Message;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.MessageView;
import io.forebay.storage.log.SendWindow;
import io.forebay.testkit.sim.SeededRun;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/** I1 and I2 of Sends that are repeated: what is remembered was stored, exactly there, and nothing else is taken for it. */
class DedupWindowTest {
    private static final SendWindow.Kind KIND = SendWindow.Kind.PRODUCER;

    /** What was stored: a plain list. */
    private record Stored(long keyHigh, long keyLow, long offset, long sequence, int crc, long millis) {}

    /** The model: all that was ever stored, and the oldest that is still remembered. */
    private static final class Model {
        final List<Stored> log = new ArrayList<>();
        final ArrayDeque<long[]> taken = new ArrayDeque<>();
        int first;

        Stored find(long high, long low) {
            for (int i = log.size() - 1; i >= first; i--) {
                if (log.get(i).keyHigh == high && log.get(i).keyLow == low) {
                    return log.get(i);
                }
            }
            return null;
        }

        boolean isTaken(long high, long low) {
            return taken.stream().anyMatch(key -> key[1] == high && key[2] == low);
        }
    }

    @Test
    void itIsTheSetOfWhatWasStoredInTheWindowWhateverHappens() {
        SeededRun.run("dedup window", (random, progress) -> {
            for (long step = 0; step < SeededRun.steps(150_000); ) {
                step = life(random, progress, step);
            }
        });
    }

    private static long life(RandomGenerator random, SeededRun.Progress progress, long firstStep) {
        long windowMillis = 1 + random.nextInt(random.nextBoolean() ? 50 : 5_000);
        int countMax = 1 + random.nextInt(random.nextBoolean() ? 10 : 600);
        int keys = 1 + random.nextInt(1_500);
        Model model = new Model();
        DedupWindow window = new DedupWindow();
        window.configure(KIND, windowMillis, countMax);
        long now = 1_000_000;
        long nextOffset = random.nextInt(100);
        long nextSequence = 1 + nextOffset * 3;
        // What a snapshot of then holds, and the model's log at that time.
        SendWindow snapshot = window.toSnapshot();
        int snapshotSize = 0;
        int snapshotFirst = 0;
        long steps = 2_000;
        for (long step = 0; step < steps; step++) {
            progress.at(firstStep + step);
            int choice = random.nextInt(100);
            if (choice < 60) {
                long high = 1 + random.nextInt(3);
                long low = random.nextInt(keys) - 3L;
                window.forgetBefore(now);
                while (model.first < model.log.size() && model.log.get(model.first).millis < now - windowMillis) {
                    model.first++;
                }
                long number = window.find(high, low);
                Stored stored = model.find(high, low);
                if (model.isTaken(high, low)) {
                    progress.note("a repetition of what is under way");
                    assertThat(number).isNotNegative();
                    assertThat(window.isWritten(number)).isFalse();
                } else if (stored != null) {
                    progress.note("a repetition of " + stored);
                    assertThat(number).isNotNegative();
                    assertThat(window.isWritten(number)).isTrue();
                    assertThat(window.offset(number)).isEqualTo(stored.offset);
                    assertThat(window.sequence(number)).isEqualTo(stored.sequence);
                    assertThat(window.payloadCrc(number)).isEqualTo(stored.crc);
                } else {
                    progress.note("a new one");
                    assertThat(number).isEqualTo(DedupWindow.NONE);
                    while (model.log.size() - model.first + model.taken.size() >= countMax
                            && model.first < model.log.size()) {
                        model.first++;
                    }
                    model.taken.addLast(new long[] {window.take(high, low), high, low});
                }
            } else if (choice < 92) {
                progress.note("some are written");
                for (int i = random.nextInt(4); i > 0 && !model.taken.isEmpty(); i--) {
                    long[] taken = model.taken.pollFirst();
                    Stored stored = new Stored(taken[1], taken[2], nextOffset, nextSequence, random.nextInt(), now);
                    window.written(taken[0], stored.offset, stored.sequence, stored.crc, stored.millis);
                    model.log.add(stored);
                    nextOffset += 1 + random.nextInt(3);
                    nextSequence += 1 + random.nextInt(5);
                }
            } else if (choice < 97) {
                now += random.nextInt((int) Math.max(2, windowMillis / 10));
            } else if (choice < 98) {
                progress.note("snapshot");
                snapshot = window.toSnapshot();
                snapshotSize = model.log.size();
                snapshotFirst = model.first;
            } else if (choice < 99) {
                progress.note("what was under way is dropped");
                window.dropTaken();
                model.taken.clear();
            } else {
                progress.note("crash");
                window = new DedupWindow();
                window.restore(snapshot);
                window.replay(KIND);
                SendKey key = new SendKey();
                for (Stored stored : model.log.subList(snapshotSize, model.log.size())) {
                    key.read(
                            Deduplication.PRODUCER,
                            Message.builder("t")
                                    .producer(stored.keyHigh, stored.keyLow)
                                    .build());
                    window.replay(key, stored.offset, stored.sequence, stored.crc, stored.millis);
                }
                window.configure(KIND, windowMillis, countMax);
                window.forgetBefore(now);
                model.taken.clear();
                model.first = Math.max(snapshotFirst, model.log.size() - countMax);
                while (model.first < model.log.size() && model.log.get(model.first).millis < now - windowMillis) {
                    model.first++;
                }
                for (int i = model.first; i < model.log.size(); i++) {
                    Stored stored = model.log.get(i);
                    Stored newest = model.find(stored.keyHigh, stored.keyLow);
                    assertThat(window.offset(window.find(stored.keyHigh, stored.keyLow)))
                            .isEqualTo(newest.offset);
                }
                // What had been stored twice by then counts once now, so that somewhat more may be left.
                while (model.first > snapshotFirst && isKnown(window, model, model.log.get(model.first - 1))) {
                    model.first--;
                }
            }
        }
        return firstStep + steps;
    }

    private static boolean isKnown(DedupWindow window, Model model, Stored stored) {
        long number = window.find(stored.keyHigh, stored.keyLow);
        return number != DedupWindow.NONE
                && (window.offset(number) == stored.offset || model.find(stored.keyHigh, stored.keyLow) != null);
    }

    @Test
    void itHoldsAFullWindowAndForgetsAllOfIt() {
        DedupWindow window = new DedupWindow();
        window.configure(KIND, 1_000, 100_000);
        for (int i = 0; i < 150_000; i++) {
            window.written(window.take(7, i), i, i + 1, i, 5_000);
        }
        assertThat(window.count()).isEqualTo(100_000);
        assertThat(window.find(7, 49_999)).isEqualTo(DedupWindow.NONE);
        for (int i = 50_000; i < 150_000; i++) {
            assertThat(window.offset(window.find(7, i))).isEqualTo(i);
        }
        DedupWindow restored = new DedupWindow();
        restored.restore(window.toSnapshot());
        assertThat(restored.toSnapshot()).isEqualTo(window.toSnapshot());
        window.forgetBefore(6_000);
        assertThat(window.count()).isEqualTo(100_000);
        window.forgetBefore(6_001);
        assertThat(window.count()).isZero();
        assertThat(window.toSnapshot().count()).isZero();
    }

    @Test
    void anotherKindForgetsEverythingAndWhatIsUnderWay() {
        DedupWindow window = new DedupWindow();
        window.configure(KIND, 1_000, 10);
        long number = window.take(1, 1);
        assertThat(window.configure(SendWindow.Kind.MESSAGE_ID, 1_000, 10)).isTrue();
        assertThat(window.find(1, 1)).isEqualTo(DedupWindow.NONE);
        window.written(number, 5, 5, 5, 5);
        assertThat(window.count()).isZero();
        window.written(window.take(2, 2), 6, 6, 6, 6);
        assertThat(window.offset(window.find(2, 2))).isEqualTo(6);
    }

    @Test
    void aKeyIsTheSameInAMessageAndInItsRecord() throws Exception {
        Message message = Message.builder("t").id("ärger-1").producer(-9, 12).build();
        MessageRecord record = MessageRecord.builder()
                .id(message.id())
                .producer(message.producerId(), message.producerSequence())
                .build();
        byte[] body = new byte[record.bodyBytes()];
        record.encodeBody(body, 0);
        MessageView view = new MessageView();
        view.wrap(body, 0, body.length);
        SendKey ofMessage = new SendKey();
        SendKey ofRecord = new SendKey();
        for (Deduplication deduplication : List.of(Deduplication.PRODUCER, Deduplication.MESSAGE_ID)) {
            assertThat(ofMessage.read(deduplication, message)).isTrue();
            assertThat(ofRecord.read(DedupWindow.kindOf(deduplication), view)).isTrue();
            assertThat(ofRecord.high()).isEqualTo(ofMessage.high());
            assertThat(ofRecord.low()).isEqualTo(ofMessage.low());
        }
        assertThat(ofMessage.read(Deduplication.OFF, message)).isFalse();
        Message plain = Message.builder("t").build();
        assertThat(ofMessage.read(Deduplication.PRODUCER, plain)).isFalse();
        assertThat(ofMessage.read(Deduplication.MESSAGE_ID, plain)).isFalse();
    }

    @Test
    void numbersOfOneProducerGoToQueuesInBlocksAndSpread() {
        Map<Integer, Integer> counts = new HashMap<>();
        for (int number = 0; number < 64 * 400; number++) {
            Message message = Message.builder("t").producer(77, number).build();
            int queue = SendKey.queueOf(Deduplication.PRODUCER, message, 8);
            assertThat(queue)
                    .isEqualTo(SendKey.queueOf(
                            Deduplication.PRODUCER,
                            Message.builder("t").producer(77, number | 63).build(),
                            8));
            counts.merge(queue, 1, Integer::sum);
        }
        assertThat(counts).hasSize(8);
        assertThat(counts.values()).allSatisfy(count -> assertThat(count).isBetween(64 * 20, 64 * 90));
        Message plain = Message.builder("t").id("x").build();
        assertThat(SendKey.queueOf(Deduplication.PRODUCER, plain, 8)).isEqualTo(-1);
        assertThat(SendKey.queueOf(Deduplication.OFF, plain, 8)).isEqualTo(-1);
        assertThat(SendKey.queueOf(Deduplication.MESSAGE_ID, plain, 8)).isBetween(0, 7);
    }
}
