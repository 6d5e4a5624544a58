package io.forebay.topic;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.QueueReply;
import io.forebay.queue.core.DispatchState;
import io.forebay.queue.core.Policies;
import io.forebay.queue.core.PopCommand;
import io.forebay.store.LogClock;
import java.time.InstantSource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** A dispatcher between sessions and queues that the test plays. */
class DispatcherTest {
    private static ActorTestKit kit;

    @BeforeAll
    static void startKit() {
        kit = ActorTestKit.create();
    }

    @AfterAll
    static void stopKit() {
        kit.shutdownTestKit();
    }

    @Test
    void whatAQueueHasIsKnownThoughItSaidSoBeforeItWasAdded() {
        ActorRef<Dispatcher.Command> dispatcher = kit.spawn(Dispatcher.create(
                new LogClock(InstantSource.system(), System::nanoTime),
                Policies.group(),
                new DispatchState.Limits(10, 10)));
        TestProbe<GroupQueue.Command> queue = kit.createTestProbe(GroupQueue.Command.class);
        TestProbe<QueueReply> session = kit.createTestProbe(QueueReply.class);
        dispatcher.tell(Dispatcher.report(new GroupQueue.Available(1, 5)));
        dispatcher.tell(new Dispatcher.AddQueue(1, queue.getRef()));
        dispatcher.tell(new Dispatcher.Pop(
                new PopCommand(7, 1, 10, 1 << 20, 60_000), 10_000, Dispatcher.NO_QUEUE, session.getRef()));
        queue.expectMessageClass(GroupQueue.Pop.class);
    }

    @Test
    void aPopThatWaitsIsServedWhenAQueueThatSpokeTooEarlyIsAdded() {
        ActorRef<Dispatcher.Command> dispatcher = kit.spawn(Dispatcher.create(
                new LogClock(InstantSource.system(), System::nanoTime),
                Policies.group(),
                new DispatchState.Limits(10, 10)));
        TestProbe<GroupQueue.Command> queue = kit.createTestProbe(GroupQueue.Command.class);
        TestProbe<QueueReply> session = kit.createTestProbe(QueueReply.class);
        dispatcher.tell(new Dispatcher.Pop(
                new PopCommand(7, 1, 10, 1 << 20, 60_000), 10_000, Dispatcher.NO_QUEUE, session.getRef()));
        dispatcher.tell(Dispatcher.report(new GroupQueue.Available(1, 5)));
        dispatcher.tell(new Dispatcher.AddQueue(1, queue.getRef()));
        queue.expectMessageClass(GroupQueue.Pop.class);
    }
}
