package io.forebay.topic;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.Terminated;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Receive;
import io.forebay.config.ForebaySettings;
import io.forebay.protocol.Names;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.Queue;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.SubscriptionRecord;
import io.forebay.storage.log.TopicRecord;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeHandle;
import io.forebay.topic.core.RegistryState;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;

/**
 * The topics and groups of this node: decides with {@link RegistryState}, has its {@link RegistryBook} store that, and when it is
 * flushed starts the actors of queues, groups and dispatchers and publishes them in the {@link TopicDirectory}. Nothing is
 * published, and no id used by anybody, before.
 */
public final class Registry extends AbstractBehavior<Registry.Command> {

    /** What the registry understands. */
    public sealed interface Command
            permits EnsureTopic,
                    EnsureGroup,
                    EnsureDeadLetterQueue,
                    EnsureRedrive,
                    Administer,
                    Drain,
                    DrainDispatchers,
                    ChildStopped,
                    Drained,
                    OpenBook,
                    FromBook,
                    FromStore {}

    /** A Send names a topic that the directory does not have; answered by {@link RegistryReply.Ensured}. Idempotent. */
    public record EnsureTopic(String topic, long token, ActorRef<? super RegistryReply.Ensured> replyTo)
            implements Command {}

    /** A Pop names a group that the directory does not have in that topic; answered by {@link RegistryReply.Ensured}. Idempotent. */
    public record EnsureGroup(String topic, String group, long token, ActorRef<? super RegistryReply.Ensured> replyTo)
            implements Command {}

    /**
     * A group needs the queue of its dead letters in a stripe; answered by {@link GroupQueue.DeadLetterQueue} when its
     * definition is flushed. The topic is made by the first one who asks, with a queue in each stripe. Idempotent; who is
     * refused may ask again.
     */
    public record EnsureDeadLetterQueue(int groupId, int stripeId, ActorRef<? super GroupQueue.DeadLetterQueue> replyTo)
            implements Command {}

    /**
     * Dead letters of a topic are to be moved: {@link Names#REDRIVE_GROUP} is to consume it from its oldest letter on, and it is to
     * have a queue in each stripe if its group is still there. Answered by {@link RegistryReply.Ensured}. Idempotent.
     */
    public record EnsureRedrive(String topic, long token, ActorRef<? super RegistryReply.Ensured> replyTo)
            implements Command {}

    /**
     * One of the commands that create, change, delete, list or describe; answered by {@link RegistryReply.Answer}.
     *
     * @param request of another kind it is a bug
     */
    public record Administer(SessionCommand.Request request, ActorRef<? super RegistryReply.Answer> replyTo)
            implements Command {}

    /** Ends all waiting Pops, now and from now on. */
    public enum DrainDispatchers implements Command {
        INSTANCE
    }

    /** Told {@link IsDrained} when every queue and group has answered what it had taken. */
    public record Drain(ActorRef<IsDrained> replyTo) implements Command {}

    /** Everything taken so far is answered. */
    public enum IsDrained {
        INSTANCE
    }

    /** One of the actors that the publisher started has ended. */
    record ChildStopped(String what, String topic, String group, int queueId, int groupId) implements Command {}

    private enum Drained implements Command {
        INSTANCE
    }

    /** The book has ended before, or was not asked, and is to be tried again. */
    enum OpenBook implements Command {
        INSTANCE
    }

    record FromBook(RegistryBook.Told told) implements Command {}

    record FromStore(StoreWriter.Event event) implements Command {}

    /**
     * What the registry works with.
     *
     * @param stripes by id
     * @param random for the nonces of handles
     */
    public record Environment(
            ForebaySettings settings,
            List<StripeHandle> stripes,
            NodeRecovery recovery,
            TopicDirectory directory,
            RandomGenerator random) {}

    private static final long DEAD_LETTER_RETRY_MILLIS = 1000;

    private final RegistryState state;
    private final TopicDirectory directory;
    private final RegistryJournal journal;
    private final TopicPublisher publisher;
    private final TopicDefinitions definitions;
    private final Administration administration;
    private int drainsMissing;
    private final List<Drain> drains = new ArrayList<>();

    /**
     * @param ready told when everything that was recovered is in the directory
     * @param failed told why that will not be, once
     */
    public static Behavior<Command> create(Environment environment, Runnable ready, Consumer<Throwable> failed) {
        return RegistryRecovery.create(environment, ready, failed);
    }

    /** @param state as recovered; the journal goes on behind it */
    Registry(ActorContext<Command> context, Environment environment, RegistryState state, RegistryJournal journal) {
        super(context);
        this.state = state;
        this.journal = journal;
        directory = environment.directory;
        publisher = new TopicPublisher(context, environment, state);
        definitions = new TopicDefinitions(environment, state, journal, publisher);
        administration = new Administration(context, environment, state, journal, publisher, definitions);
        for (TopicRecord topic : state.topics()) {
            publisher.publish(topic, false);
        }
        for (SubscriptionRecord subscription : state.subscriptions()) {
            publisher.publish(subscription);
        }
        for (StripeHandle one : environment.stripes) {
            for (Owner owner : environment.recovery.leftOver(one.stripeId())) {
                one.writer().tell(new StoreWriter.Forget(owner));
            }
        }
        environment.recovery.done();
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(FromBook.class, this::onBook)
                .onMessage(FromStore.class, this::onStoreEvent)
                .onMessageEquals(OpenBook.INSTANCE, this::onOpenBook)
                .onMessage(ChildStopped.class, this::onChildStopped)
                .onMessage(Drain.class, this::onDrain)
                .onMessageEquals(Drained.INSTANCE, this::onDrained)
                .onMessageEquals(DrainDispatchers.INSTANCE, this::onDrainDispatchers)
                .onMessage(Command.class, this::onDecision)
                .onSignal(Terminated.class, this::onBookEnded)
                .build();
    }

    private Behavior<Command> onDecision(Command command) {
        Refusal closed = journal.closed();
        if (closed != null) {
            refuse(command, closed);
        } else {
            decide(command);
            journal.sendNext();
        }
        return this;
    }

    private Behavior<Command> onBook(FromBook message) {
        journal.onTold(message.told);
        return this;
    }

    private Behavior<Command> onStoreEvent(FromStore message) {
        journal.onStoreEvent(message.event);
        return this;
    }

    private Behavior<Command> onOpenBook() {
        journal.tryAgain();
        return this;
    }

    private Behavior<Command> onBookEnded(Terminated ended) {
        journal.onEnded(ended);
        return this;
    }

    private void decide(Command command) {
        if (command instanceof EnsureTopic ensure) {
            answer(ensure.replyTo, ensure.token, definitions.ensureTopic(ensure.topic));
        } else if (command instanceof EnsureGroup ensure) {
            answer(ensure.replyTo, ensure.token, definitions.ensureGroup(ensure.topic, ensure.group));
        } else if (command instanceof EnsureRedrive ensure) {
            answer(ensure.replyTo, ensure.token, definitions.ensureRedrive(ensure.topic));
        } else if (command instanceof EnsureDeadLetterQueue ensure) {
            onEnsureDeadLetterQueue(ensure);
        } else if (command instanceof Administer administer) {
            administration.onAdminister(administer);
        } else {
            throw new AssertionError(command);
        }
    }

    private void refuse(Command command, Refusal refusal) {
        if (command instanceof EnsureTopic ensure) {
            answer(ensure.replyTo, ensure.token, refusal);
        } else if (command instanceof EnsureGroup ensure) {
            answer(ensure.replyTo, ensure.token, refusal);
        } else if (command instanceof EnsureRedrive ensure) {
            answer(ensure.replyTo, ensure.token, refusal);
        } else if (command instanceof EnsureDeadLetterQueue ensure) {
            refuse(ensure, refusal);
        } else if (command instanceof Administer administer) {
            Administration.refuse(administer, refusal);
        }
    }

    private void answer(ActorRef<? super RegistryReply.Ensured> replyTo, long token, Refusal refusal) {
        if (refusal == null) {
            journal.await(
                    () -> replyTo.tell(new RegistryReply.Ensured(token, null)),
                    late -> replyTo.tell(new RegistryReply.Ensured(token, late)));
        } else {
            replyTo.tell(new RegistryReply.Ensured(token, refusal));
        }
    }

    private void onEnsureDeadLetterQueue(EnsureDeadLetterQueue ensure) {
        Refusal refusal = definitions.deadLetterTopic(ensure.groupId);
        if (refusal != null) {
            refuse(ensure, refusal);
            return;
        }
        String topic = Names.deadLetterTopic(state.group(ensure.groupId).name(), ensure.groupId);
        journal.await(() -> answer(ensure, directory.topic(topic)), late -> refuse(ensure, late));
    }

    /** @param route null if the topic was deleted meanwhile */
    private static void answer(EnsureDeadLetterQueue ensure, TopicDirectory.TopicRoute route) {
        if (route != null) {
            for (TopicDirectory.QueueRoute queue : route.queues()) {
                if (queue.stripeId() == ensure.stripeId && queue.queue() != null) {
                    ensure.replyTo.tell(new GroupQueue.DeadLetterQueue(queue.queueId(), queue.queue(), null));
                    return;
                }
            }
        }
        refuse(
                ensure,
                Refusal.of(
                        Refusal.Code.FAILED,
                        "no queue of the dead letters of group " + ensure.groupId + " is served in stripe "
                                + ensure.stripeId));
    }

    private static void refuse(EnsureDeadLetterQueue ensure, Refusal refusal) {
        long retryAfterMillis = Math.max(refusal.retryAfterMillis(), DEAD_LETTER_RETRY_MILLIS);
        ensure.replyTo.tell(
                new GroupQueue.DeadLetterQueue(0, null, new Refusal(refusal.code(), refusal.text(), retryAfterMillis)));
    }

    private Behavior<Command> onChildStopped(ChildStopped child) {
        publisher.childStopped(child);
        return this;
    }

    // ---- the end ----------------------------------------------------------------------------------------------------

    Behavior<Command> onDrainDispatchers() {
        for (TopicRecord topic : state.topics()) {
            for (SubscriptionRecord subscription : state.subscriptionsOf(topic.topicId())) {
                TopicDirectory.GroupRoute route = directory.group(
                        topic.name(), state.group(subscription.groupId()).name());
                if (route != null) {
                    route.dispatcher().tell(Dispatcher.Drain.INSTANCE);
                }
            }
        }
        return this;
    }

    private Behavior<Command> onDrain(Drain drain) {
        drains.add(drain);
        ActorRef<Queue.Drained> queueDrained =
                getContext().messageAdapter(Queue.Drained.class, drained -> Drained.INSTANCE);
        ActorRef<GroupQueue.Drained> groupDrained =
                getContext().messageAdapter(GroupQueue.Drained.class, drained -> Drained.INSTANCE);
        for (TopicRecord topic : state.topics()) {
            TopicDirectory.TopicRoute route = directory.topic(topic.name());
            if (route == null) {
                continue;
            }
            for (TopicDirectory.QueueRoute queue : route.queues()) {
                if (queue.queue() != null) {
                    drainsMissing++;
                    queue.queue().tell(new Queue.Drain(queueDrained));
                }
            }
            for (SubscriptionRecord subscription : state.subscriptionsOf(topic.topicId())) {
                for (int queueId : topic.queueIds()) {
                    TopicDirectory.GroupQueueRoute groupQueue = directory.groupQueue(queueId, subscription.groupId());
                    if (groupQueue != null) {
                        drainsMissing++;
                        groupQueue.groupQueue().tell(new GroupQueue.Drain(groupDrained));
                    }
                }
            }
        }
        finishDrain();
        return this;
    }

    private Behavior<Command> onDrained() {
        drainsMissing--;
        finishDrain();
        return this;
    }

    private void finishDrain() {
        if (drainsMissing <= 0) {
            drainsMissing = 0;
            drains.forEach(drain -> drain.replyTo.tell(IsDrained.INSTANCE));
            drains.clear();
        }
    }
}
