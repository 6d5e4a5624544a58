package io.forebay.topic.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.protocol.Names;
import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.GroupRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.RegistrySnapshot;
import io.forebay.storage.log.SettingsChangedRecord;
import io.forebay.storage.log.SettingsHistory;
import io.forebay.storage.log.SubscriptionRecord;
import io.forebay.storage.log.TopicRecord;
import io.forebay.testkit.sim.SeededRun;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class RegistryStateTest {
    private static final RegistryLimits LIMITS = new RegistryLimits(3, 3, 8, 4, 2);
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
    void deadLettersOfNobodyAreRefused() {
        assertThat(state.decideDeadLetterTopic(9, Map.of(), 1, 0).outcome()).isEqualTo(RegistryOutcome.UNKNOWN_GROUP);
    }

    @Test
    void deadLettersCountWithTheirGroupAndNotAmongTheTopics() {
        GroupRecord group = group("g");
        for (int i = 0; i < 3; i++) {
            topic("t" + i, 1);
        }
        state.apply(state.decideDeadLetterTopic(group.groupId(), Map.of(), 1, 0).record());
        assertThat(state.groupOfDeadLetters("%DLQ%g")).isEqualTo(group);
        state.apply(state.decideDeleteTopic("t0", 1).record());
        topic("t3", 1);
        assertThat(limit(state.decideCreateTopic("t4", 1, Map.of(), 1, 2)))
                .isEqualTo("there are 3 topics, forebay.topic.topics-max allows no more");
    }

    @Test
    void deadLettersOfAGroupThatIsNotThereHoldItsPlace() {
        GroupRecord group = group("g");
        state.apply(state.decideDeadLetterTopic(group.groupId(), Map.of(), 1, 0).record());
        state.apply(state.decideDeleteGroup("g", 1).record());
        assertThat(state.groupOfDeadLetters("%DLQ%g")).isNull();
        topic("%DLQ%made-up", 1);
        group("h");
        String none =
                "there are 1 groups and the dead letters of 2 that are not there (%DLQ%…), forebay.topic.groups-max"
                        + " allows no more";
        assertThat(limit(state.decideCreateGroup("i", Map.of(), 2))).isEqualTo(none);
        assertThat(limit(state.decideCreateTopic("%DLQ%i", 1, Map.of(), 1, 2))).isEqualTo(none);
        group("g");
        assertThat(topic("%DLQ%h", 1).name()).as("of a group that is there").isEqualTo("%DLQ%h");
        state.apply(state.decideDeleteTopic("%DLQ%made-up", 3).record());
        group("i");
        assertThat(limit(state.decideCreateGroup("j", Map.of(), 4)))
                .isEqualTo("there are 3 groups, forebay.topic.groups-max allows no more");
    }

    private static String limit(RegistryDecision<?> decision) {
        assertThat(decision.outcome()).isEqualTo(RegistryOutcome.LIMIT);
        return decision.detail();
    }

    /**
     * Whatever is decided, by the node or because clients ask for it: there are never more topics than may be, but for those of dead
     * letters; nor more groups, those counted of which only the dead letters are there. What fits is never refused, and no group's dead
     * letters ever are. A registry that is recovered decides alike, also if it may have less than it has.
     */
    @Test
    void everyGroupHasRoomForItsDeadLetters() {
        SeededRun.run("registry-limits", (random, progress) -> {
            for (int round = 0; round < 300; round++) {
                RegistryState live = new RegistryState(new RegistryLimits(3, 4, 8, 100, 3));
                for (int step = 0; step < 100; step++) {
                    progress.at(round * 100L + step);
                    RegistryDecision<? extends LogRecord> decision = RandomDecisions.next(live, random, step);
                    if (decision.isDecided()) {
                        live.apply(decision.record());
                    }
                    assertLimits(live, 3, 4);
                    assertThat(topicCount(live)).isLessThanOrEqualTo(3);
                    assertThat(groupCount(live)).isLessThanOrEqualTo(4);
                }
                RegistryState recovered =
                        RegistryState.restore(new RegistryLimits(3, 4, 8, 100, 3), live.snapshot(), 7);
                assertLimits(recovered, 3, 4);
                RegistryState less = RegistryState.restore(new RegistryLimits(1, 2, 8, 1, 3), live.snapshot(), 7);
                assertThat(less.snapshot()).isEqualTo(live.snapshot());
                assertLimits(less, 1, 2);
            }
        });
    }

    private static void assertLimits(RegistryState state, int topicsMax, int groupsMax) {
        boolean isTopicFree = topicCount(state) < topicsMax;
        boolean isGroupFree = groupCount(state) < groupsMax;
        assertThat(state.decideCreateTopic("fresh", 1, Map.of(), 1, 0).isDecided())
                .isEqualTo(isTopicFree);
        assertThat(state.decideCreateGroup("fresh", Map.of(), 0).isDecided()).isEqualTo(isGroupFree);
        assertThat(state.decideCreateTopic("%DLQ%fresh", 1, Map.of(), 1, 0).isDecided())
                .isEqualTo(isGroupFree);
        for (GroupRecord group : state.groups()) {
            assertThat(state.decideDeadLetterTopic(group.groupId(), Map.of(), 9, 0)
                            .isDecided())
                    .as("I6: the dead letters of %s", group)
                    .isTrue();
            String letters = Names.deadLetterTopic(group.name(), group.groupId());
            assertThat(state.decideCreateTopic(letters, 1, Map.of(), 1, 0).isAccepted())
                    .as("by whomever it is made")
                    .isTrue();
        }
        for (String letters : lettersOfNoGroup(state)) {
            assertThat(state.groupOfDeadLetters(letters)).isNull();
            String group = letters.substring("%DLQ%".length());
            assertThat(state.decideCreateGroup(group, Map.of(), 0).isDecided())
                    .as("group %s, whose place is held", group)
                    .isEqualTo(groupCount(state) <= groupsMax);
        }
    }

    private static long topicCount(RegistryState state) {
        return state.topics().stream()
                .filter(topic -> !topic.name().startsWith("%DLQ%"))
                .count();
    }

    private static int groupCount(RegistryState state) {
        return state.groups().size() + lettersOfNoGroup(state).size();
    }

    private static Set<String> lettersOfNoGroup(RegistryState state) {
        Set<String> names =
                state.topics().stream().map(TopicRecord::name).collect(Collectors.toCollection(TreeSet::new));
        names.removeIf(name -> !name.startsWith("%DLQ%"));
        state.groups().forEach(group -> names.remove(Names.deadLetterTopic(group.name(), group.groupId())));
        return names;
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

    /** Queue ids from {@link Owner#RESERVED_FROM} on are no topic's. */
    @Test
    void idsOfQueuesEndFarBelowThoseThatAreReserved() {
        group("g");
        state.apply(new TopicRecord(1, "last", new int[] {0x6FFF_FFFD}, new int[] {0}, Map.of(), 0));
        assertThat(state.decideCreateTopic("too-many", 3, Map.of(), 1, 0).outcome())
                .isEqualTo(RegistryOutcome.LIMIT);
        assertThat(state.decideDeadLetterTopic(1, Map.of(), 3, 0).outcome()).isEqualTo(RegistryOutcome.LIMIT);
        assertThat(state.decideChangeTopic("last", Map.of("queues", "4"), 0, "", false, 0)
                        .outcome())
                .isEqualTo(RegistryOutcome.LIMIT);
        assertThat(topic("fits", 2).queueIds()).containsExactly(0x6FFF_FFFE, 0x6FFF_FFFF);
        RegistryDecision<TopicRecord> none = state.decideCreateTopic("none", 1, Map.of(), 1, 0);
        assertThat(none.outcome()).isEqualTo(RegistryOutcome.LIMIT);
        assertThat(none.detail()).contains("ids");
        assertThat(Owner.isReserved(0x6FFF_FFFF)).isFalse();
        assertThat(Owner.isReserved(Owner.RESERVED_FROM)).isTrue();
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
                SettingsChangedRecord.Scope.TOPIC, topic.topicId(), 0, 9, Map.of("a", "", "c", "3"), "ann"));
        assertThat(state.topic("orders").settings()).isEqualTo(Map.of("b", "2", "c", "3"));
        assertThat(state.topic(topic.topicId())).isSameAs(state.topic("orders"));
        assertThat(state.topic("orders").queueIds()).isEqualTo(topic.queueIds());
    }

    @Test
    void changesAreNumberedAndTheLastOnesRemembered() {
        topic("orders", 2);
        int id = state.topic("orders").topicId();
        assertThat(state.topicHistory(id).version()).isEqualTo(1);
        change("orders", Map.of("a", "7", "b", "2"), 0, "ann");
        change("orders", Map.of("a", "", "c", "1"), 2, "bob\n" + "x".repeat(200));
        change("orders", Map.of("c", "5"), 3, "");
        SettingsHistory history = state.topicHistory(id);
        assertThat(history.version()).isEqualTo(4);
        assertThat(history.changes()).hasSize(2);
        // What was so already is no part of a change.
        assertThat(history.changes().get(0).before()).isEqualTo(Map.of("a", "7", "c", ""));
        assertThat(history.changes().get(0).after()).isEqualTo(Map.of("a", "", "c", "1"));
        assertThat(history.changes().get(0).who()).startsWith("bob?xxx").hasSize(RegistryState.WHO_CHARS_MAX);
        assertThat(history.changes().get(1))
                .isEqualTo(new SettingsHistory.Change(9, "", Map.of("c", "1"), Map.of("c", "5")));
        assertThat(state.topic("orders").settings()).isEqualTo(Map.of("b", "2", "c", "5"));
        state.apply(state.decideDeleteTopic("orders", 5).record());
        assertThat(state.snapshot().histories()).isEmpty();
    }

    @Test
    void changeOfAnotherVersionIsRefusedAndOneThatIsMadeAlreadyIsNone() {
        topic("orders", 2);
        change("orders", Map.of("a", "7"), 1, "ann");
        RegistryDecision<SettingsChangedRecord> late =
                state.decideChangeTopic("orders", Map.of("a", "8"), 1, "bob", false, 9);
        assertThat(late.outcome()).isEqualTo(RegistryOutcome.OTHER_VERSION);
        assertThat(late.detail()).contains("version 2", "expected was 1");
        assertThat(state.decideChangeTopic("orders", Map.of("a", "7"), 1, "ann", false, 9)
                        .outcome())
                .isEqualTo(RegistryOutcome.EXISTS);
        assertThat(state.decideChangeTopic("bills", Map.of(), 0, "", false, 9).outcome())
                .isEqualTo(RegistryOutcome.UNKNOWN_TOPIC);
        assertThat(state.decideChangeGroup("g", Map.of(), 0, "", 9).outcome()).isEqualTo(RegistryOutcome.UNKNOWN_GROUP);
        GroupRecord group = group("g");
        state.apply(state.decideChangeGroup("g", Map.of("paused", "on"), 1, "ann", 9)
                .record());
        assertThat(state.group("g").settings()).isEqualTo(Map.of("paused", "on"));
        assertThat(state.groupHistory(group.groupId()).version()).isEqualTo(2);
        assertThat(state.decideChangeGroup("g", Map.of("paused", ""), 1, "ann", 9)
                        .outcome())
                .isEqualTo(RegistryOutcome.OTHER_VERSION);
    }

    @Test
    void queuesOnlyGrowAndOnlyWhereOrderDoesNotHangOnThem() {
        topic("orders", 3);
        for (String queues : List.of("", "2", "0", "-1", "9", "many", "4.0", "99999999999")) {
            RegistryDecision<SettingsChangedRecord> decision =
                    state.decideChangeTopic("orders", Map.of("queues", queues), 0, "", false, 9);
            assertThat(decision.outcome()).as(queues).isEqualTo(RegistryOutcome.ILLEGAL_ARGUMENT);
            assertThat(decision.detail()).contains("queues of topic orders is " + queues + ", allowed is 3 to 8");
        }
        assertThat(state.decideChangeTopic("orders", Map.of("queues", "4"), 0, "", true, 9)
                        .detail())
                .contains("queues of topic orders is 4, allowed is 3, because the topic is ordered");
        assertThat(state.decideChangeTopic("orders", Map.of("queues", "3"), 0, "", true, 9)
                        .outcome())
                .isEqualTo(RegistryOutcome.EXISTS);
        assertThat(state.decideChangeTopic("orders", Map.of("readable", "durable"), 0, "", false, 9)
                        .detail())
                .contains("readable of topic orders cannot be changed");
        change("orders", Map.of("queues", "5", "a", "9"), 0, "ann");
        TopicRecord grown = state.topic("orders");
        assertThat(grown.queueIds()).containsExactly(1, 2, 3, 4, 5);
        assertThat(grown.stripes()).containsExactly(0, 1, 0, 1, 0);
        assertThat(grown.settings()).isEqualTo(Map.of("a", "9", "b", "2"));
        SettingsHistory history = state.topicHistory(grown.topicId());
        assertThat(history.version()).isEqualTo(2);
        assertThat(history.changes().get(0).before()).isEqualTo(Map.of("a", "1", "queues", "3"));
        assertThat(history.changes().get(0).after()).isEqualTo(Map.of("a", "9", "queues", "5"));
    }

    /** As the registry does it: the new number of queues goes behind the change. */
    private void change(String topic, Map<String, String> changes, long expectedVersion, String who) {
        SettingsChangedRecord record = state.decideChangeTopic(topic, changes, expectedVersion, who, false, 9)
                .record();
        state.apply(record);
        String queues = record.settings().get("queues");
        if (queues != null) {
            state.apply(state.decideQueues(state.topic(topic), Integer.parseInt(queues), 2));
        }
    }

    @Test
    void offsetsOfTheWrongNumberOfQueuesAreABug() {
        topic("orders", 2);
        group("g");
        assertThatThrownBy(() ->
                        state.decideSubscribe("orders", "g", StartAt.LATEST, new long[1], new long[1], Map.of(), 0))
                .isInstanceOf(IllegalArgumentException.class);
    }

    /**
     * A registry recovered from any snapshot and the records behind it, overlapping, is the registry that was, settings with
     * their versions and histories included. Ids are given once. A refused change changes nothing.
     */
    @Test
    void recoveredRegistryIsTheRegistryThatWas() {
        SeededRun.run("registry", (random, progress) -> {
            for (int round = 0; round < 200; round++) {
                RegistryState live = new RegistryState(new RegistryLimits(20, 20, 8, 100, 3));
                List<LogRecord> log = new ArrayList<>();
                Map<Integer, Integer> given = new HashMap<>();
                Map<Integer, Long> versions = new HashMap<>();
                RegistrySnapshot snapshot = live.snapshot();
                long held = -1;
                for (int step = 0; step < 100; step++) {
                    progress.at(round * 100L + step);
                    RegistryDecision<? extends LogRecord> decision = RandomDecisions.next(live, random, step);
                    if (decision.isDecided()) {
                        live.replay(decision.record(), log.size());
                        log.add(decision.record());
                        if (decision.record() instanceof SettingsChangedRecord changed) {
                            assertRemembered(live, changed, versions);
                            String queues = changed.settings().get("queues");
                            if (queues != null && changed.scope() == SettingsChangedRecord.Scope.TOPIC) {
                                TopicRecord grown =
                                        live.decideQueues(live.topic(changed.firstId()), Integer.parseInt(queues), 3);
                                assertThat(grown.queueIds()).hasSize(Integer.parseInt(queues));
                                live.replay(grown, log.size());
                                log.add(grown);
                            }
                        }
                        live.topics()
                                .forEach(one -> IntStream.of(one.queueIds())
                                        .forEach(queueId -> assertThat(
                                                        given.merge(queueId, one.topicId(), (was, now) -> was))
                                                .as("given once")
                                                .isEqualTo(one.topicId())));
                    }
                    if (random.nextInt(20) == 0) {
                        snapshot = RegistrySnapshot.decode(live.snapshot().encode());
                        held = live.heldSequence();
                    }
                }
                RegistryState recovered = RegistryState.restore(new RegistryLimits(20, 20, 8, 100, 3), snapshot, held);
                for (int sequence = random.nextInt((int) held + 2); sequence < log.size(); sequence++) {
                    recovered.replay(log.get(sequence), sequence);
                }
                assertThat(recovered.snapshot()).isEqualTo(live.snapshot());
                assertThat(recovered.replay(new AckRecord(OffsetSet.of(1)), log.size()))
                        .isFalse();
            }
        });
    }

    /** The version is one higher, and the last change says what differs. */
    private static void assertRemembered(
            RegistryState live, SettingsChangedRecord changed, Map<Integer, Long> versions) {
        boolean isTopic = changed.scope() == SettingsChangedRecord.Scope.TOPIC;
        int id = changed.firstId();
        SettingsHistory history = isTopic ? live.topicHistory(id) : live.groupHistory(id);
        assertThat(history.version()).isEqualTo(versions.merge(isTopic ? id : -id, 2L, (was, two) -> was + 1));
        assertThat(history.changes()).hasSizeLessThanOrEqualTo(3);
        SettingsHistory.Change last = history.changes().get(history.changes().size() - 1);
        assertThat(last.who()).isEqualTo("w" + last.changedMillis());
        assertThat(last.after()).isEqualTo(changed.settings());
        last.after().forEach((name, value) -> {
            assertThat(last.before().get(name)).isNotEqualTo(value);
            if (!name.equals("queues") || !isTopic) {
                Map<String, String> now =
                        isTopic ? live.topic(id).settings() : live.group(id).settings();
                assertThat(now.getOrDefault(name, "")).isEqualTo(name.equals("queues") ? "" : value);
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
