package io.forebay.topic.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.GroupRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.RegistrySnapshot;
import io.forebay.storage.log.SettingsChangedRecord;
import io.forebay.storage.log.SubscriptionRecord;
import io.forebay.storage.log.TopicRecord;
import io.forebay.testkit.sim.SeededRun;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class RegistryStateTest {
    private static final RegistryLimits LIMITS = new RegistryLimits(3, 3, 8, 4);
    private final RegistryState state = new RegistryState(LIMITS);

    @Test
    void queuesOfATopicAreSpreadOverTheStripesInTurn() {
        TopicRecord first = topic("orders", 3);
        TopicRecord second = topic("bills", 2);
        assertThat(first.queueIds()).containsExactly(1, 2, 3);
        assertThat(first.stripes()).containsExactly(0, 1, 0);
        assertThat(second.queueIds()).containsExactly(4, 5);
        assertThat(second.stripes()).containsExactly(1, 0);
    }

    @Test
    void topicThatExistsIsAnsweredWithWhatItIs() {
        TopicRecord first = topic("orders", 3);
        RegistryDecision<TopicRecord> again = state.decideCreateTopic("orders", 5, Map.of(), 2, 9);
        assertThat(again.outcome()).isEqualTo(RegistryOutcome.EXISTS);
        assertThat(again.isDecided()).isFalse();
        assertThat(again.isAccepted()).isTrue();
        assertThat(again.record()).isSameAs(first);
    }

    @Test
    void illegalNamesAreRefusedWithTheRule() {
        for (String name : new String[] {"", "-a", "a/b", "ä", "a b", "x".repeat(128), "y".repeat(9_999), null}) {
            RegistryDecision<TopicRecord> decision = state.decideCreateTopic(name, 1, Map.of(), 1, 0);
            assertThat(decision.outcome()).isEqualTo(RegistryOutcome.ILLEGAL_NAME);
            assertThat(decision.detail()).contains("1 to 127").hasSizeLessThan(400);
            assertThat(state.decideCreateGroup(name, Map.of(), 0).outcome()).isEqualTo(RegistryOutcome.ILLEGAL_NAME);
        }
        assertThat(state.decideCreateTopic("%RETRY%a|b-c_d.e", 1, Map.of(), 1, 0)
                        .isDecided())
                .isTrue();
    }

    @Test
    void deadLettersHaveAQueueInEachStripeAndGetTheMissingOnes() {
        topic("orders", 3);
        GroupRecord group = group("g");
        RegistryDecision<TopicRecord> first =
                state.decideDeadLetterTopic(group.groupId(), Map.of("max-age", "14 d"), 2, 7);
        assertThat(first.isDecided()).isTrue();
        assertThat(first.record().name()).isEqualTo("%DLQ%g");
        assertThat(first.record().queueIds()).containsExactly(4, 5);
        assertThat(first.record().stripes()).containsExactly(0, 1);
        state.apply(first.record());
        assertThat(state.decideDeadLetterTopic(group.groupId(), Map.of(), 2, 8).outcome())
                .isEqualTo(RegistryOutcome.EXISTS);
        TopicRecord grown =
                state.decideDeadLetterTopic(group.groupId(), Map.of(), 4, 9).record();
        state.apply(grown);
        assertThat(state.topic("%DLQ%g")).isEqualTo(grown);
        assertThat(grown.queueIds()).containsExactly(4, 5, 6, 7);
        assertThat(grown.stripes()).containsExactly(0, 1, 2, 3);
        assertThat(grown.topicId()).isEqualTo(first.record().topicId());
        assertThat(grown.settings()).isEqualTo(Map.of("max-age", "14 d"));
        assertThat(grown.createdMillis()).isEqualTo(7);
        assertThat(topic("next", 1).queueIds()).containsExactly(8);
    }

    @Test
    void deadLettersOfAGroupWithALongNameHaveItsIdInTheirs() {
        GroupRecord group = group("g".repeat(127));
        String name = state.decideDeadLetterTopic(group.groupId(), Map.of(), 1, 0)
                .record()
                .name();
        assertThat(name).hasSize(127).startsWith("%DLQ%ggg").endsWith("g-" + group.groupId());
    }

    @Test
    void deadLettersOfNobodyAreRefusedAndTheyCountAsATopic() {
        assertThat(state.decideDeadLetterTopic(9, Map.of(), 1, 0).outcome()).isEqualTo(RegistryOutcome.UNKNOWN_GROUP);
        GroupRecord group = group("g");
        for (int i = 0; i < 3; i++) {
            topic("t" + i, 1);
        }
        assertThat(state.decideDeadLetterTopic(group.groupId(), Map.of(), 1, 0).outcome())
                .isEqualTo(RegistryOutcome.LIMIT);
    }

    @Test
    void limitsAreKeptAndNamed() {
        assertThat(state.decideCreateTopic("a", 0, Map.of(), 1, 0).outcome())
                .isEqualTo(RegistryOutcome.ILLEGAL_ARGUMENT);
        assertThat(state.decideCreateTopic("a", 9, Map.of(), 1, 0).detail()).contains("1 to 8");
        for (int i = 0; i < 3; i++) {
            topic("t" + i, 1);
            group("g" + i);
        }
        assertThat(state.decideCreateTopic("one-more", 1, Map.of(), 1, 0).outcome())
                .isEqualTo(RegistryOutcome.LIMIT);
        assertThat(state.decideCreateGroup("one-more", Map.of(), 0).outcome()).isEqualTo(RegistryOutcome.LIMIT);
        for (int i = 0; i < 4; i++) {
            subscribe("t" + i % 3, "g" + i / 3);
        }
        assertThat(state.decideSubscribe("t1", "g1", StartAt.LATEST, new long[1], new long[1], Map.of(), 0)
                        .outcome())
                .isEqualTo(RegistryOutcome.LIMIT);
    }

    @Test
    void subscriptionBeginsWhereItIsAskedTo() {
        topic("orders", 2);
        group("g");
        group("h");
        long[] first = {5, 6};
        long[] next = {50, 60};
        RegistryDecision<SubscriptionRecord> earliest =
                state.decideSubscribe("orders", "g", StartAt.EARLIEST, first, next, Map.of(), 1);
        assertThat(earliest.record().startOffsets()).containsExactly(5, 6);
        state.apply(earliest.record());
        assertThat(state.decideSubscribe("orders", "h", StartAt.LATEST, first, next, Map.of(), 1)
                        .record()
                        .startOffsets())
                .containsExactly(50, 60);
        assertThat(state.decideSubscribe("orders", "g", StartAt.LATEST, first, next, Map.of(), 2)
                        .outcome())
                .isEqualTo(RegistryOutcome.EXISTS);
    }

    @Test
    void unknownTopicsAndGroupsAreNamed() {
        topic("orders", 1);
        assertThat(state.decideDeleteTopic("x", 0).outcome()).isEqualTo(RegistryOutcome.UNKNOWN_TOPIC);
        assertThat(state.decideDeleteGroup("x", 0).outcome()).isEqualTo(RegistryOutcome.UNKNOWN_GROUP);
        assertThat(state.decideUnsubscribe("orders", "x", 0).outcome()).isEqualTo(RegistryOutcome.UNKNOWN_GROUP);
        assertThat(state.decideSubscribe("x", "g", StartAt.LATEST, new long[1], new long[1], Map.of(), 0)
                        .detail())
                .contains("x");
        assertThat(state.decideSubscribe("orders", "g", StartAt.LATEST, new long[1], new long[1], Map.of(), 0)
                        .outcome())
                .isEqualTo(RegistryOutcome.UNKNOWN_GROUP);
    }

    @Test
    void idsOfWhatWasDeletedAreNotGivenAgainEvenAfterARestart() throws Exception {
        TopicRecord topic = topic("orders", 3);
        GroupRecord group = group("g");
        subscribe("orders", "g");
        state.apply(state.decideDeleteTopic("orders", 5).record());
        state.apply(state.decideDeleteGroup("g", 5).record());
        assertThat(state.subscriptions()).isEmpty();
        assertThat(state.topic(topic.topicId())).isNull();
        assertThat(state.group(group.groupId())).isNull();
        RegistryState restored = RegistryState.restore(
                LIMITS, RegistrySnapshot.decode(state.snapshot().encode()), 7);
        TopicRecord again =
                restored.decideCreateTopic("orders", 1, Map.of(), 1, 6).record();
        assertThat(again.topicId()).isEqualTo(topic.topicId() + 1);
        assertThat(again.queueIds()).containsExactly(4);
        assertThat(restored.decideCreateGroup("g", Map.of(), 6).record().groupId())
                .isEqualTo(group.groupId() + 1);
    }

    @Test
    void settingsChangeWithoutTouchingTheRest() {
        TopicRecord topic = topic("orders", 2);
        state.apply(new SettingsChangedRecord(
                SettingsChangedRecord.Scope.TOPIC, topic.topicId(), 0, 9, Map.of("a", "", "c", "3")));
        assertThat(state.topic("orders").settings()).isEqualTo(Map.of("b", "2", "c", "3"));
        assertThat(state.topic(topic.topicId())).isSameAs(state.topic("orders"));
        assertThat(state.topic("orders").queueIds()).isEqualTo(topic.queueIds());
    }

    @Test
    void offsetsOfTheWrongNumberOfQueuesAreABug() {
        topic("orders", 2);
        group("g");
        assertThatThrownBy(() ->
                        state.decideSubscribe("orders", "g", StartAt.LATEST, new long[1], new long[1], Map.of(), 0))
                .isInstanceOf(IllegalArgumentException.class);
    }

    /** A registry recovered from any snapshot and the records behind it, overlapping, is the registry that was. */
    @Test
    void recoveredRegistryIsTheRegistryThatWas() {
        SeededRun.run("registry", (random, progress) -> {
            for (int round = 0; round < 200; round++) {
                RegistryState live = new RegistryState(new RegistryLimits(20, 20, 8, 100));
                List<LogRecord> log = new ArrayList<>();
                Set<Integer> queueIds = new HashSet<>();
                RegistrySnapshot snapshot = live.snapshot();
                long held = -1;
                for (int step = 0; step < 100; step++) {
                    progress.at(round * 100L + step);
                    String topic = "t" + random.nextInt(6);
                    String group = "g" + random.nextInt(6);
                    RegistryDecision<? extends LogRecord> decision = switch (random.nextInt(6)) {
                        case 0, 1 -> live.decideCreateTopic(topic, 1 + random.nextInt(8), Map.of("k", "v"), 3, step);
                        case 2 -> live.decideCreateGroup(group, Map.of(), step);
                        case 3 -> {
                            TopicRecord known = live.topic(topic);
                            long[] offsets = new long[known == null ? 1 : known.queueIds().length];
                            yield live.decideSubscribe(
                                    topic, group, StartAt.EARLIEST, offsets, offsets, Map.of(), step);
                        }
                        case 4 ->
                            random.nextBoolean()
                                    ? live.decideDeleteTopic(topic, step)
                                    : live.decideDeleteGroup(group, step);
                        default -> live.decideUnsubscribe(topic, group, step);
                    };
                    if (decision.isDecided()) {
                        live.replay(decision.record(), log.size());
                        log.add(decision.record());
                        if (decision.record() instanceof TopicRecord created) {
                            for (int queueId : created.queueIds()) {
                                assertThat(queueIds.add(queueId))
                                        .as("given once")
                                        .isTrue();
                            }
                        }
                    }
                    if (random.nextInt(20) == 0) {
                        snapshot = RegistrySnapshot.decode(live.snapshot().encode());
                        held = live.heldSequence();
                    }
                }
                RegistryState recovered = RegistryState.restore(new RegistryLimits(20, 20, 8, 100), snapshot, held);
                for (int sequence = random.nextInt((int) held + 2); sequence < log.size(); sequence++) {
                    recovered.replay(log.get(sequence), sequence);
                }
                assertThat(recovered.snapshot()).isEqualTo(live.snapshot());
                assertThat(recovered.replay(new AckRecord(OffsetSet.of(1)), log.size()))
                        .isFalse();
            }
        });
    }

    private TopicRecord topic(String name, int queues) {
        TopicRecord record = state.decideCreateTopic(name, queues, Map.of("a", "1", "b", "2"), 2, 0)
                .record();
        state.apply(record);
        return record;
    }

    private GroupRecord group(String name) {
        GroupRecord record = state.decideCreateGroup(name, Map.of(), 0).record();
        state.apply(record);
        return record;
    }

    private void subscribe(String topic, String group) {
        int queues = state.topic(topic).queueIds().length;
        state.apply(
                state.decideSubscribe(topic, group, StartAt.EARLIEST, new long[queues], new long[queues], Map.of(), 0)
                        .record());
    }
}
