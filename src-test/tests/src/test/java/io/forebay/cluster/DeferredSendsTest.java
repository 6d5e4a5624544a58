package io.forebay.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.SessionCommand;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Invariant: what waits for a topic is bounded by the Sends that were taken and by the keys, whatever a client says. */
class DeferredSendsTest {
    private final DeferredSends sends = new DeferredSends(3);

    private boolean add(String topic, String... ids) {
        List<Message> messages = Arrays.stream(ids)
                .map(id -> Message.builder(topic)
                        .id(id)
                        .messageGroup("k")
                        .body(new byte[1])
                        .build())
                .toList();
        return sends.add(new SessionCommand.Send(1, topic, -1, messages, Durability.WRITTEN), null);
    }

    private List<Map<String, String>> firstIds(String topic) {
        return sends.take(topic).stream().map(DeferredSends.Deferred::firstIds).toList();
    }

    @Test
    void aTopicIsBeingMadeFromItsFirstSendUntilItIsTaken() {
        assertThat(sends.isBeingMade("t")).isFalse();
        assertThat(add("t", "a")).isTrue();
        assertThat(add("t", "b")).isFalse();
        assertThat(sends.isBeingMade("t")).isTrue();
        assertThat(sends.isBeingMade("u")).isFalse();
        assertThat(firstIds("t")).containsExactly(Map.of("k", "a"), Map.of("k", "b"));
        assertThat(sends.isBeingMade("t")).isFalse();
        assertThat(sends.take("t")).isEmpty();
    }

    @Test
    void whatIsRefusedBetweenTwoSendsIsOne() {
        add("t", "a");
        sends.addRefused("t", Map.of("k", "b"));
        sends.addRefused("t", Map.of("k", "c", "l", "d"));
        add("t", "e");
        sends.addRefused("t", Map.of("k", "f"));
        assertThat(firstIds("t"))
                .containsExactly(Map.of("k", "a"), Map.of("k", "b", "l", "d"), Map.of("k", "e"), Map.of("k", "f"));
    }

    @Test
    void allTopicsTogetherHoldNoMoreRefusedKeysThanTheBound() {
        add("t", "a");
        add("u", "a");
        sends.addRefused("t", Map.of("1", "1", "2", "2"));
        sends.addRefused("u", Map.of("3", "3", "4", "4"));
        assertThat(firstIds("u")).as("what was refused last").containsExactly(Map.of("k", "a"), Map.of());
        add("u", "a");
        sends.addRefused("u", Map.of("3", "3"));
        sends.addRefused("t", Map.of("1", "5", "2", "6"));
        assertThat(firstIds("u")).containsExactly(Map.of("k", "a"), Map.of("3", "3"));
        assertThat(firstIds("t")).containsExactly(Map.of("k", "a"), Map.of("1", "1", "2", "2"));
    }

    @Test
    void whatIsTakenOrGivenUpCountsNoLonger() {
        for (int round = 0; round < 3; round++) {
            add("t", "a");
            sends.addRefused("t", Map.of("1", "1", "2", "2", "3", "3"));
            sends.withdraw("t", List.of("1", "2"));
            sends.addRefused("t", Map.of("4", "4", "5", "5"));
            assertThat(firstIds("t")).containsExactly(Map.of("k", "a"), Map.of("3", "3", "4", "4", "5", "5"));
        }
    }

    @Test
    void whatIsGivenUpIsNotedOnceForEachSend() {
        add("t", "a", "b");
        for (int round = 0; round < 5; round++) {
            sends.withdraw("t", List.of("a", "unknown"));
            sends.addRefused("t", Map.of("k", "c"));
            sends.withdraw("u", List.of("b"));
        }
        List<DeferredSends.Deferred> line = List.copyOf(sends.take("t"));
        assertThat(line).hasSize(3);
        assertThat(line.get(0).firstIds()).isEqualTo(Map.of("k", "b"));
        assertThat(line.get(1).givenUp()).isEqualTo(Set.of("a"));
        assertThat(line.get(2).firstIds()).as("refused behind that").isEqualTo(Map.of("k", "c"));
    }
}
