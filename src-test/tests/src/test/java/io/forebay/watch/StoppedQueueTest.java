package io.forebay.watch;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.persistence.ShardFault;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.RecoveryReport;
import io.forebay.store.StripeHandle;
import io.forebay.topic.TopicDirectory.Fault;
import io.forebay.topic.TopicDirectory.Unserved;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** I8: whatever misses records is told once, by the names that people know, also what no topic has. */
class StoppedQueueTest {
    private static final List<ShardFault> faults = new ArrayList<>();

    @AfterEach
    void noFaults() {
        faults.clear();
    }

    private static StripeHandle stripe(int id, Owner... stopped) {
        RecoveryReport report = new RecoveryReport(
                id, 1, false, true, 0, 0, 0, 0, 0, 0, "", Optional.empty(), List.of(stopped), List.of());
        return new StripeHandle(id, null, null, null, null, report, null, null);
    }

    private static Unserved unserved(Owner owner, String topic, int queue, String group, Fault fault) {
        return new Unserved(owner, 1, topic, queue, group, fault, topic + "/" + queue + "/" + group);
    }

    private static List<StoppedQueue> of(List<StripeHandle> stripes, Unserved... unserved) {
        return StoppedQueue.of((NodeView) Proxy.newProxyInstance(
                NodeView.class.getClassLoader(), new Class<?>[] {NodeView.class}, (proxy, method, arguments) -> {
                    switch (method.getName()) {
                        case "stripes":
                            return stripes;
                        case "visitUnserved":
                            @SuppressWarnings("unchecked")
                            Consumer<Unserved> visitor = (Consumer<Unserved>) arguments[0];
                            List.of(unserved).forEach(visitor);
                            return null;
                        case "visitShardFaults":
                            @SuppressWarnings("unchecked")
                            Consumer<ShardFault> ofShards = (Consumer<ShardFault>) arguments[0];
                            faults.forEach(ofShards);
                            return null;
                        default:
                            throw new AssertionError(method);
                    }
                }));
    }

    @Test
    void aNodeWhoseLogsAreWholeHasNone() {
        assertThat(of(List.of(stripe(0), stripe(1)))).isEmpty();
        assertThat(of(List.of())).as("it starts").isEmpty();
    }

    @Test
    void whatATopicHasIsToldByItsNameAndOnce() {
        List<StoppedQueue> all = of(
                List.of(stripe(0), stripe(1, Owner.queue(7), Owner.group(7, 2), Owner.group(8, 2))),
                unserved(Owner.group(8, 2), "b", 1, "g", Fault.RECORDS_MISSING),
                unserved(Owner.queue(7), "b", 0, "", Fault.RECORDS_MISSING),
                unserved(Owner.queue(9), "a", 11, "", Fault.ACTOR_FAILED),
                unserved(Owner.group(10, 2), "a", 2, "g", Fault.CONTRADICTION));
        assertThat(all)
                .containsExactly(
                        new StoppedQueue(1, false, "a/2/g"),
                        new StoppedQueue(1, true, "a/11/"),
                        new StoppedQueue(1, false, "b/0/"),
                        new StoppedQueue(1, false, "b/1/g"));
    }

    @Test
    void whoWroteForAkkaPersistenceAndHasEndedIsToldOnce() {
        Owner owner = Owner.queue(Owner.RESERVED_FROM + 1);
        faults.add(new ShardFault(0, owner, true, "events"));
        assertThat(of(List.of(stripe(0, owner)), unserved(Owner.queue(9), "a", 11, "", Fault.ACTOR_FAILED)))
                .containsExactly(new StoppedQueue(1, true, "a/11/"), new StoppedQueue(0, true, "events"));
    }

    @Test
    void whatNoTopicHasIsToldToo() {
        List<StoppedQueue> all = of(List.of(stripe(3, Owner.queue(Owner.RESERVED_FROM + 1), Owner.group(7, 2))));
        assertThat(all).extracting(StoppedQueue::stripeId).containsExactly(3, 3);
        assertThat(all).noneMatch(StoppedQueue::hasFailed);
        assertThat(all.get(0).text()).contains("Akka Persistence", "stripe 3", "forebay log repair");
        assertThat(all.get(1).text()).contains("deleted", "group 2 of queue 7", "forebay log repair");
    }
}
