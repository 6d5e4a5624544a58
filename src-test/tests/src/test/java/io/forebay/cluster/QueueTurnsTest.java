package io.forebay.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestInbox;
import akka.actor.typed.ActorRef;
import io.forebay.queue.Queue;
import io.forebay.topic.TopicDirectory.QueueRoute;
import io.forebay.topic.TopicDirectory.TopicRoute;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class QueueTurnsTest {
    private static final ActorRef<Queue.Command> SERVED =
            TestInbox.<Queue.Command>create().getRef();

    private static TopicRoute topic(String name, boolean... isServed) {
        List<QueueRoute> queues = new ArrayList<>();
        for (int number = 0; number < isServed.length; number++) {
            queues.add(new QueueRoute(number + 1, number, 0, isServed[number] ? SERVED : null, null));
        }
        return new TopicRoute(1, name, queues, null, Map.of(), 0);
    }

    @Test
    void eachQueueHasItsTurnInEachTopic() {
        QueueTurns turns = new QueueTurns(4);
        TopicRoute three = topic("three", true, true, true);
        TopicRoute two = topic("two", true, true);
        assertThat(List.of(turns.next(three), turns.next(three), turns.next(two), turns.next(three), turns.next(two)))
                .containsExactly(1, 2, 0, 0, 1);
    }

    @Test
    void sessionsBeginAtDifferentQueues() {
        Set<Integer> firsts = new HashSet<>();
        for (long sessionId = -3; sessionId < 3; sessionId++) {
            firsts.add(new QueueTurns(sessionId).next(topic("t", true, true, true)));
        }
        assertThat(firsts).containsExactlyInAnyOrder(0, 1, 2);
    }

    @Test
    void whatIsNotServedIsPassedOver() {
        QueueTurns turns = new QueueTurns(0);
        TopicRoute topic = topic("t", false, true, false, true);
        assertThat(List.of(turns.next(topic), turns.next(topic), turns.next(topic)))
                .containsExactly(1, 3, 1);
        assertThat(turns.next(topic("none", false, false))).isBetween(0, 1);
    }

    @Test
    void aKeyHasTheSameQueueForEver() {
        // Fixed values: messages that are stored rely on them.
        assertThat(Stream.of("", "a", "order-1", "order-2", "Ünïcode").map(key -> QueueTurns.queueOfKey(key, 8)))
                .containsExactly(1, 0, 2, 3, 6);
        assertThat(Stream.of("", "a", "order-1", "order-2", "Ünïcode").map(key -> QueueTurns.queueOfKey(key, 5)))
                .containsExactly(1, 1, 3, 4, 1);
        Map<Integer, Integer> counts = new HashMap<>();
        for (int i = 0; i < 8_000; i++) {
            counts.merge(QueueTurns.queueOfKey("key-" + i, 8), 1, Integer::sum);
        }
        assertThat(counts).hasSize(8);
        assertThat(counts.values()).allSatisfy(count -> assertThat(count).isBetween(800, 1_200));
    }
}
