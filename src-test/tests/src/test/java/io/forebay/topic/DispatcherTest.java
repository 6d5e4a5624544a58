package io.forebay.topic;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.QueueReply;
import io.forebay.queue.core.DispatchState;
import io.forebay.queue.core.GroupPolicy;
import io.forebay.queue.core.Policies;
import io.forebay.queue.core.PopCommand;
import io.forebay.store.LogClock;
import io.forebay.support.PatientTestKits;
import java.time.InstantSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** A dispatcher between sessions and queues that the test plays. */
class DispatcherTest {
    private static ActorTestKit kit;

    private final TestProbe<GroupQueue.Command> queue = kit.createTestProbe(GroupQueue.Command.class);
    private final TestProbe<QueueReply> session = kit.createTestProbe(QueueReply.class);

    @BeforeAll
    static void startKit() {
        kit = PatientTestKits.create();
    }

    @AfterAll
    static void stopKit() {
        kit.shutdownTestKit();
    }

    private static ActorRef<Dispatcher.Command> dispatcher(GroupPolicy policy) {
        return kit.spawn(Dispatcher.create(
                "topic t group g",
                new LogClock(InstantSource.system(), System::nanoTime),
                policy,
                new DispatchState.Limits(10, 10, 65_536)));
    }

    private Dispatcher.Pop pop(long requestId, int maxMessages) {
        return new Dispatcher.Pop(
                new PopCommand(7, requestId, maxMessages, 1 << 20, 60_000),
                10_000,
                Dispatcher.NO_QUEUE,
                session.getRef());
    }

    @Test
    void whatAQueueHasIsKnownThoughItSaidSoBeforeItWasAdded() {
        ActorRef<Dispatcher.Command> dispatcher = dispatcher(Policies.group());
        dispatcher.tell(Dispatcher.report(new GroupQueue.Available(1, 5)));
        dispatcher.tell(new Dispatcher.AddQueue(1, queue.getRef()));
        dispatcher.tell(pop(1, 10));
        queue.expectMessageClass(GroupQueue.Pop.class);
    }

    @Test
    void aPopThatWaitsIsServedWhenAQueueThatSpokeTooEarlyIsAdded() {
        ActorRef<Dispatcher.Command> dispatcher = dispatcher(Policies.group());
        dispatcher.tell(pop(1, 10));
        dispatcher.tell(Dispatcher.report(new GroupQueue.Available(1, 5)));
        dispatcher.tell(new Dispatcher.AddQueue(1, queue.getRef()));
        queue.expectMessageClass(GroupQueue.Pop.class);
    }

    @Test
    void whatIsInFlightWhenAQueueBeginsLimitsWhatItIsAskedFor() {
        ActorRef<Dispatcher.Command> dispatcher = dispatcher(Policies.group(group -> group.inFlightMax = 10));
        dispatcher.tell(Dispatcher.report(new GroupQueue.Activity(1, 7, 0, 0, new long[] {3}, new int[] {-7})));
        dispatcher.tell(Dispatcher.report(new GroupQueue.Available(1, 500)));
        dispatcher.tell(new Dispatcher.AddQueue(1, queue.getRef()));
        dispatcher.tell(pop(1, 10));
        assertThat(queue.expectMessageClass(GroupQueue.Pop.class).pop().maxMessages())
                .isEqualTo(3);
    }

    @Test
    void newSettingsHoldForPopsThatWait() {
        ActorRef<Dispatcher.Command> dispatcher = dispatcher(Policies.group(group -> group.isPaused = true));
        dispatcher.tell(new Dispatcher.AddQueue(1, queue.getRef()));
        dispatcher.tell(Dispatcher.report(new GroupQueue.Available(1, 5)));
        dispatcher.tell(pop(1, 10));
        TestProbe<Dispatcher.Described> described = kit.createTestProbe();
        dispatcher.tell(new Dispatcher.Describe(described.getRef()));
        assertThat(described.receiveMessage().waitingPops()).isEqualTo(1);
        dispatcher.tell(new Dispatcher.Configure(Policies.group()));
        assertThat(queue.expectMessageClass(GroupQueue.Pop.class).pop().maxMessages())
                .isEqualTo(10);
    }

    @Test
    void aHeldPopIsServedWhenTheRateAllowsIt() {
        ActorRef<Dispatcher.Command> dispatcher = dispatcher(Policies.group(group -> group.ratePerSecond = 40));
        dispatcher.tell(new Dispatcher.AddQueue(1, queue.getRef()));
        dispatcher.tell(Dispatcher.report(new GroupQueue.Available(1, 500)));
        dispatcher.tell(pop(1, 100));
        assertThat(queue.expectMessageClass(GroupQueue.Pop.class).pop().maxMessages())
                .isEqualTo(40);
        dispatcher.tell(Dispatcher.report(new GroupQueue.Popped(1, 7, 1, 40, 40, 460)));
        dispatcher.tell(pop(2, 100));
        assertThat(queue.expectMessageClass(GroupQueue.Pop.class).pop().requestId())
                .isEqualTo(2);
    }

    @Test
    void queuesAreToldOfTheBreakerThoseThatComeLaterToo() {
        ActorRef<Dispatcher.Command> dispatcher = dispatcher(Policies.group(group -> group.breakerPercent = 20));
        dispatcher.tell(new Dispatcher.AddQueue(1, queue.getRef()));
        dispatcher.tell(Dispatcher.report(new GroupQueue.Activity(1, 0, 0, 50, new long[0], new int[0])));
        queue.expectMessage(new GroupQueue.BreakerChanged(true));
        TestProbe<GroupQueue.Command> later = kit.createTestProbe(GroupQueue.Command.class);
        dispatcher.tell(new Dispatcher.AddQueue(2, later.getRef()));
        later.expectMessage(new GroupQueue.BreakerChanged(true));
        TestProbe<Dispatcher.Described> described = kit.createTestProbe();
        dispatcher.tell(new Dispatcher.Describe(described.getRef()));
        assertThat(described.receiveMessage().isBreakerOpen()).isTrue();
        dispatcher.tell(new Dispatcher.Configure(Policies.group()));
        queue.expectMessage(new GroupQueue.BreakerChanged(false));
        later.expectMessage(new GroupQueue.BreakerChanged(false));
    }
}
