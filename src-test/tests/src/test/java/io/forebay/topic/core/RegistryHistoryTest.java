package io.forebay.topic.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.GroupDeletedRecord;
import io.forebay.storage.log.GroupRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.RegistryEvents;
import io.forebay.storage.log.RegistrySnapshot;
import io.forebay.storage.log.SettingsChangedRecord;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.storage.log.SubscriptionEndedRecord;
import io.forebay.storage.log.SubscriptionRecord;
import io.forebay.storage.log.TopicDeletedRecord;
import io.forebay.storage.log.TopicRecord;
import io.forebay.storage.log.UnknownRecordException;
import io.forebay.testkit.sim.SeededRun;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * <b>I1</b>: what was decided is there when the events are read again, and what an older version has written is there behind a
 * migration that was killed anywhere, however often. <b>I2</b>: nothing else is. Ids are given once.
 */
class RegistryHistoryTest {
    private static final RegistryLimits LIMITS = new RegistryLimits(20, 20, 8, 100, 3);

    /** Each as it was stored first; never changed. */
    private static final Map<String, LogRecord> STORED = stored();

    private static Map<String, LogRecord> stored() {
        Map<String, LogRecord> stored = new LinkedHashMap<>();
        stored.put(
                "10.1 0400000001000000000000000100740200000007000000000000000800000001000000010001006b0100000076",
                new TopicRecord(4, "t", new int[] {7, 8}, new int[] {0, 1}, Map.of("k", "v"), 1));
        stored.put("11.1 040000000200000000000000", new TopicDeletedRecord(4, 2));
        stored.put("12.1 0500000003000000000000000100670000", new GroupRecord(5, "g", Map.of(), 3));
        stored.put("13.1 050000000400000000000000", new GroupDeletedRecord(5, 4));
        stored.put(
                "14.1 04000000050000000500000000000000010000001100000000000000" + "0000",
                new SubscriptionRecord(4, 5, new long[] {17}, Map.of(), 5));
        stored.put("17.1 04000000050000000600000000000000", new SubscriptionEndedRecord(4, 5, 6));
        stored.put(
                "18.2 020400000000000000070000000000000001000100610100000062" + "0100" + "77",
                new SettingsChangedRecord(SettingsChangedRecord.Scope.TOPIC, 4, 0, 7, Map.of("a", "b"), "w"));
        stored.put(
                "8.1 000000000000000000000000000000000000000000000000000000000100000002000000" + "0302",
                new SnapshotRecord(0, 0, 0, 0, 1, new byte[] {3, 2}));
        return stored;
    }

    @Test
    void eventsKeepTheirForm() throws IOException {
        for (Map.Entry<String, LogRecord> each : STORED.entrySet()) {
            LogRecord event = each.getValue();
            assertThat(RegistryEvents.manifestOf(event) + " " + HexFormat.of().formatHex(RegistryEvents.encode(event)))
                    .isEqualTo(each.getKey());
            String[] stored = each.getKey().split(" ");
            assertThat(RegistryEvents.decode(stored[0], HexFormat.of().parseHex(stored[1])))
                    .isEqualTo(event);
        }
    }

    @Test
    void whatIsNoEventIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> RegistryEvents.manifestOf(new AckRecord(OffsetSet.of(1))))
                .withMessageContaining("ACK");
        for (String manifest : List.of("", "10", "10.2", "10.0", "10.1 ", "4.1", "99.1", "x")) {
            assertThatThrownBy(() -> RegistryEvents.decode(manifest, new byte[12]))
                    .isInstanceOf(UnknownRecordException.class)
                    .hasMessageContaining("'" + manifest + "'");
        }
        assertThatThrownBy(() -> new RegistryHistory(LIMITS).apply(new AckRecord(OffsetSet.of(1))))
                .isInstanceOf(CorruptRecordException.class);
    }

    /** Whatever the bytes are. */
    @Test
    void damagedBytesAreSaidToBe() {
        SeededRun.run("registry-events", (random, progress) -> {
            for (String stored : STORED.keySet()) {
                String manifest = stored.split(" ")[0];
                byte[] sound = HexFormat.of().parseHex(stored.split(" ")[1]);
                for (int length = 0; length < sound.length; length++) {
                    byte[] cut = Arrays.copyOf(sound, length);
                    assertThatThrownBy(() -> RegistryEvents.decode(manifest, cut))
                            .isInstanceOf(CorruptRecordException.class);
                }
                for (int round = 0; round < 200; round++) {
                    byte[] flipped = sound.clone();
                    flipped[random.nextInt(flipped.length)] ^= (byte) (1 << random.nextInt(8));
                    try {
                        RegistryEvents.decode(manifest, flipped);
                    } catch (CorruptRecordException e) {
                        assertThat(e).hasMessageMatching("(?s).+");
                    }
                }
            }
        });
    }

    /** Its last part alone must not bring back what was before. */
    @Test
    void aSnapshotThatWasNotFinishedIsNotFinishedLater() throws IOException {
        RegistryState state = decided(new RegistryState(LIMITS), SeededRun.randomOf(1), 20);
        List<LogRecord> parts = RegistryHistory.events(state.snapshot(), 100);
        RegistryHistory history = new RegistryHistory(LIMITS);
        for (LogRecord part : parts.subList(0, parts.size() - 1)) {
            history.apply(part);
        }
        history.apply(new GroupRecord(5, "g", Map.of(), 3));
        RegistrySnapshot before = history.state().snapshot();
        assertThatThrownBy(() -> history.apply(parts.get(parts.size() - 1))).isInstanceOf(CorruptRecordException.class);
        assertThat(history.state().snapshot()).isEqualTo(before);
    }

    /** A repair of the log has given up the first part of a snapshot, or one in the middle, or the event before one. */
    @Test
    void whatIsLeftOfASnapshotCountsForNothing() throws IOException {
        RegistryState state = decided(new RegistryState(LIMITS), SeededRun.randomOf(1), 20);
        List<LogRecord> parts = RegistryHistory.events(state.snapshot(), 100);
        for (int lost = 0; lost < parts.size(); lost++) {
            RegistryHistory history = new RegistryHistory(LIMITS);
            for (int part = 0; part < parts.size(); part++) {
                if (part == lost) {
                    history.passOver();
                } else {
                    history.apply(parts.get(part));
                }
            }
            assertThat(history.state().topics()).isEmpty();
            history.apply(new GroupRecord(5, "g", Map.of(), 3));
            assertThat(history.state().groups()).hasSize(1);
            history.passOver();
            for (LogRecord part : parts) {
                history.apply(part);
            }
            assertThat(history.copy().state().snapshot()).isEqualTo(state.snapshot());
        }
    }

    /** The topic, or the group, was in what a repair has given up. */
    @Test
    void aSubscriptionOfNothingIsNotGoneOnWith() throws IOException {
        RegistryHistory history = new RegistryHistory(LIMITS);
        history.apply(new TopicRecord(1, "t", new int[] {1}, new int[] {0}, Map.of(), 1));
        history.apply(new GroupRecord(1, "g", Map.of(), 1));
        history.apply(new SubscriptionRecord(1, 1, new long[1], Map.of(), 1));
        history.apply(new SubscriptionRecord(1, 2, new long[1], Map.of(), 1));
        history.apply(new SubscriptionRecord(2, 1, new long[1], Map.of(), 1));
        assertThat(history.copy().state().subscriptions())
                .containsExactly(new SubscriptionRecord(1, 1, new long[1], Map.of(), 1));
    }

    /** Snapshots come anywhere between, in any number of parts, and some are never finished. */
    @Test
    void theStateOfTheEventsIsTheRegistryThatWas() {
        SeededRun.run("registry-history", (random, progress) -> {
            for (int round = 0; round < 200; round++) {
                RegistryState live = new RegistryState(LIMITS);
                List<LogRecord> events = new ArrayList<>();
                for (int step = 0; step < 100; step++) {
                    progress.at(round * 100L + step);
                    RegistryDecision<? extends LogRecord> decision = RandomDecisions.next(live, random, step);
                    if (decision.isDecided()) {
                        live.apply(decision.record());
                        events.add(decision.record());
                    }
                    if (random.nextInt(20) == 0) {
                        List<LogRecord> parts = parts(live.snapshot(), random);
                        boolean isFinished = random.nextBoolean();
                        if (isFinished && random.nextBoolean()) {
                            events.clear();
                        }
                        events.addAll(parts.subList(0, isFinished ? parts.size() : random.nextInt(parts.size())));
                    }
                }
                assertThat(read(events).state().snapshot()).isEqualTo(live.snapshot());
                assertThat(read(events).missing(RegistryHistory.remainder(live.snapshot()), 100))
                        .as("what is left of the records adds nothing")
                        .isEmpty();
            }
        });
    }

    /** Dies behind any of its events, again and again, and then is gone through to the end. */
    @Test
    void whatAnOlderVersionHasWrittenBecomesEventsOnce() {
        SeededRun.run("registry-migration", (random, progress) -> {
            for (int round = 0; round < 300; round++) {
                progress.at(round);
                RegistryState old = decided(new RegistryState(LIMITS), random, random.nextInt(60));
                List<LogRecord> events = new ArrayList<>();
                for (int deaths = random.nextInt(4); deaths > 0; deaths--) {
                    List<LogRecord> missing = missing(events, old.snapshot(), random);
                    events.addAll(missing.subList(0, random.nextInt(missing.size() + 1)));
                }
                events.addAll(missing(events, old.snapshot(), random));
                assertThat(read(events).state().snapshot()).isEqualTo(old.snapshot());
                assertThat(missing(events, old.snapshot(), random)).isEmpty();

                // What is decided from now on is not taken back by records that are still there.
                RegistryState live = decided(read(events).state(), random, 20);
                List<LogRecord> more = new ArrayList<>(parts(live.snapshot(), random));
                events.addAll(more);
                RegistrySnapshot records =
                        random.nextBoolean() ? old.snapshot() : RegistryHistory.remainder(old.snapshot());
                if (!live.snapshot().equals(new RegistryState(LIMITS).snapshot())) {
                    assertThat(missing(events, records, random)).isEmpty();
                }
                assertThat(read(events).state().snapshot()).isEqualTo(live.snapshot());
            }
        });
    }

    /** A repair of the log says so by records: a topic and a group that are made and deleted at once. */
    @Test
    void idsThatWerePassedOverAreNotGivenAgain() throws IOException {
        RegistryState stored = new RegistryState(LIMITS);
        stored.apply(stored.decideCreateTopic("t", 2, Map.of(), 1, 0).record());
        List<LogRecord> events = new ArrayList<>(RegistryHistory.events(stored.snapshot(), 1_000));
        RegistryState repaired = new RegistryState(LIMITS);
        repaired.apply(new TopicRecord(100, "gone", new int[] {300}, new int[] {0}, Map.of(), 0));
        repaired.apply(new TopicDeletedRecord(100, 0));
        repaired.apply(new GroupRecord(200, "gone", Map.of(), 0));
        repaired.apply(new GroupDeletedRecord(200, 0));
        RegistrySnapshot records = repaired.snapshot();
        events.addAll(read(events).missing(records, 30));
        RegistryState state = read(events).state();
        assertThat(state.topic("t")).isEqualTo(stored.topic("t"));
        assertThat(state.decideCreateTopic("n", 1, Map.of(), 1, 0).record())
                .isEqualTo(new TopicRecord(101, "n", new int[] {301}, new int[] {0}, Map.of(), 0));
        assertThat(state.decideCreateGroup("n", Map.of(), 0).record().groupId()).isEqualTo(201);
        assertThat(read(events).missing(records, 30)).isEmpty();
    }

    private static RegistryState decided(RegistryState state, RandomGenerator random, int steps) {
        for (int step = 0; step < steps; step++) {
            RegistryDecision<? extends LogRecord> decision = RandomDecisions.next(state, random, step);
            if (decision.isDecided()) {
                state.apply(decision.record());
            }
        }
        return state;
    }

    private static List<LogRecord> missing(List<LogRecord> events, RegistrySnapshot records, RandomGenerator random)
            throws IOException {
        return read(events).missing(records, 20 + random.nextInt(400));
    }

    private static List<LogRecord> parts(RegistrySnapshot snapshot, RandomGenerator random) {
        return RegistryHistory.events(snapshot, 20 + random.nextInt(400));
    }

    /** As they are stored, and read. */
    private static RegistryHistory read(List<LogRecord> events) throws IOException {
        RegistryHistory history = new RegistryHistory(LIMITS);
        for (LogRecord event : events) {
            history.apply(RegistryEvents.decode(RegistryEvents.manifestOf(event), RegistryEvents.encode(event)));
        }
        return history;
    }
}
