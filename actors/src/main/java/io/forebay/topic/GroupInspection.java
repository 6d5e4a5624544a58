package io.forebay.topic;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import io.forebay.protocol.BlockedQueue;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.SessionEvent;
import io.forebay.queue.GroupQueue;
import io.forebay.store.LogClock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** Asks every queue of a group how it stands, and answers with the sums. Lives for one question. */
final class GroupInspection extends AbstractBehavior<GroupInspection.Command> {
    /** What it understands: answers. */
    sealed interface Command {}

    private record QueueAnswer(int topicIndex, GroupQueue.Described described) implements Command {}

    private record DispatcherAnswer(int topicIndex, Dispatcher.Described described) implements Command {}

    private enum TimedOut implements Command {
        INSTANCE
    }

    /** One topic of the group, and who knows about it. */
    record Part(
            String topic,
            boolean isPaused,
            ActorRef<Dispatcher.Command> dispatcher,
            List<ActorRef<GroupQueue.Command>> queues,
            Map<Integer, Integer> numbersById) {}

    /** What is known of the group without asking. */
    record About(String group, String node, Map<String, String> settings, long settingsVersion) {}

    private static final Duration ANSWER_TIMEOUT = Duration.ofSeconds(3);

    private static final class Sum {
        long depth;
        long inFlight;
        long waiting;
        long redelivered;
        long deadLettered;
        long oldestBornMillis = Long.MAX_VALUE;
        int sessions;
        int parkedKeys;
        long filtered;
        long purged;
        int waitingPops;
        boolean isBreakerOpen;
        final List<BlockedQueue> blocked = new ArrayList<>();
    }

    private final List<Part> parts;
    private final List<Sum> sums = new ArrayList<>();
    private final About about;
    private final LogClock clock;
    private final long requestId;
    private final ActorRef<? super RegistryReply.Answer> replyTo;
    private int missing;

    static Behavior<Command> create(
            List<Part> parts,
            About about,
            LogClock clock,
            long requestId,
            ActorRef<? super RegistryReply.Answer> replyTo) {
        return Behaviors.setup(context -> {
            GroupInspection inspection = new GroupInspection(context, parts, about, clock, requestId, replyTo);
            return inspection.missing == 0 ? inspection.answer() : inspection;
        });
    }

    private GroupInspection(
            ActorContext<Command> context,
            List<Part> parts,
            About about,
            LogClock clock,
            long requestId,
            ActorRef<? super RegistryReply.Answer> replyTo) {
        super(context);
        this.parts = parts;
        this.about = about;
        this.clock = clock;
        this.requestId = requestId;
        this.replyTo = replyTo;
        ActorRef<Command> self = context.getSelf();
        for (int i = 0; i < parts.size(); i++) {
            sums.add(new Sum());
            int topicIndex = i;
            // An adapter is looked up by the class it takes, so each topic gets a little actor of its own.
            Part part = parts.get(i);
            ActorRef<GroupQueue.Described> queueAnswers = context.spawnAnonymous(
                    Behaviors.receiveMessage(described -> {
                        self.tell(new QueueAnswer(topicIndex, described));
                        return Behaviors.same();
                    }),
                    DispatcherSelector.sameAsParent());
            ActorRef<Dispatcher.Described> dispatcherAnswers = context.spawnAnonymous(
                    Behaviors.receiveMessage(described -> {
                        self.tell(new DispatcherAnswer(topicIndex, described));
                        return Behaviors.same();
                    }),
                    DispatcherSelector.sameAsParent());
            part.queues.forEach(queue -> queue.tell(new GroupQueue.Describe(queueAnswers)));
            part.dispatcher.tell(new Dispatcher.Describe(dispatcherAnswers));
            missing += part.queues.size() + 1;
        }
        context.scheduleOnce(ANSWER_TIMEOUT, context.getSelf(), TimedOut.INSTANCE);
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(QueueAnswer.class, this::onQueueAnswer)
                .onMessage(DispatcherAnswer.class, this::onDispatcherAnswer)
                .onMessageEquals(TimedOut.INSTANCE, this::answer)
                .build();
    }

    private Behavior<Command> onQueueAnswer(QueueAnswer answer) {
        Sum sum = sums.get(answer.topicIndex);
        GroupQueue.Described described = answer.described;
        sum.depth += described.counts().depth();
        sum.inFlight += described.counts().inFlight();
        sum.waiting += (long) described.counts().ready() + described.counts().waiting();
        sum.redelivered += described.counts().redeliveredTotal();
        sum.deadLettered += described.counts().deadLetteredTotal();
        if (described.oldestBornMillis() > 0) {
            sum.oldestBornMillis = Math.min(sum.oldestBornMillis, described.oldestBornMillis());
        }
        sum.parkedKeys += described.counts().parkedKeys();
        sum.filtered += described.counts().filteredTotal();
        sum.purged += described.counts().purgedTotal();
        if (described.counts().isLookAheadFull()) {
            Integer number = parts.get(answer.topicIndex).numbersById.get(described.queueId());
            sum.blocked.add(new BlockedQueue(number, described.counts().floor(), described.blockingKey()));
        }
        return --missing == 0 ? answer() : this;
    }

    private Behavior<Command> onDispatcherAnswer(DispatcherAnswer answer) {
        Sum sum = sums.get(answer.topicIndex);
        sum.sessions += answer.described.sessionCount();
        sum.waitingPops += answer.described.waitingPops();
        sum.isBreakerOpen = answer.described.isBreakerOpen();
        return --missing == 0 ? answer() : this;
    }

    private Behavior<Command> answer() {
        List<GroupDescription> topics = new ArrayList<>();
        for (int i = 0; i < parts.size(); i++) {
            Sum sum = sums.get(i);
            topics.add(new GroupDescription(
                    about.group,
                    parts.get(i).topic,
                    about.node,
                    sum.depth,
                    sum.inFlight,
                    sum.waiting,
                    sum.redelivered,
                    sum.deadLettered,
                    sum.oldestBornMillis == Long.MAX_VALUE ? 0 : Math.max(0, clock.millis() - sum.oldestBornMillis),
                    sum.sessions,
                    about.settings,
                    about.settingsVersion,
                    sum.parkedKeys,
                    sum.filtered,
                    sum.purged,
                    sum.waitingPops,
                    parts.get(i).isPaused,
                    sum.isBreakerOpen,
                    sum.blocked.stream()
                            .sorted(Comparator.comparingInt(BlockedQueue::queue))
                            .limit(GroupDescription.BLOCKED_COUNT_MAX)
                            .toList()));
        }
        replyTo.tell(new RegistryReply.Answer(new SessionEvent.GroupDescribed(requestId, topics)));
        return Behaviors.stopped();
    }
}
