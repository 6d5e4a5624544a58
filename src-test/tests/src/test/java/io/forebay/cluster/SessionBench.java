package io.forebay.cluster;

import akka.actor.testkit.typed.javadsl.TestInbox;
import akka.actor.typed.ActorRef;
import com.typesafe.config.ConfigFactory;
import io.forebay.config.ForebaySettings;
import io.forebay.deadletter.DeadLetterDesk;
import io.forebay.look.LookDesk;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.queue.GroupQueue;
import io.forebay.queue.QueueReply;
import io.forebay.store.LogClock;
import io.forebay.topic.Dispatcher;
import io.forebay.topic.Registry;
import io.forebay.topic.RegistryReply;
import io.forebay.topic.TopicDirectory;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What the parts of a session need of it, worked by hand: without an actor. */
final class SessionBench implements SessionParts {
    static final int NODE = 5;
    static final long SESSION = 77;
    static final SessionLimits LIMITS = new SessionLimits(
            262_144, 10_000, 100, 20_000, 512, 1 << 20, 1000, 3_600_000, 20_000, 32, 30_000, 1 << 20, 4, 1000, 2000,
            9000);

    final TopicDirectory directory = new TopicDirectory();
    final BytesHeld bytesHeld = new BytesHeld(40_000);
    final WaitingPops waitingPops = new WaitingPops(100);
    final TestInbox<Registry.Command> registry = TestInbox.create("registry");
    final TestInbox<LookDesk.Command> lookDesk = TestInbox.create("lookDesk");
    final TestInbox<DeadLetterDesk.Command> deadLetterDesk = TestInbox.create("deadLetterDesk");
    final TestInbox<QueueReply> queueReplies = TestInbox.create("queueReplies");
    final TestInbox<RegistryReply.Answer> answers = TestInbox.create("answers");
    final TestInbox<RegistryReply.Ensured> ensured = TestInbox.create("ensured");
    final Set<ActorRef<?>> watched = new HashSet<>();
    /** Why a request is refused; null if it is not. */
    Refusal refusal;

    boolean isEnding;
    long lastToken;
    private final ArrayDeque<SessionEvent> told = new ArrayDeque<>();
    private final Session.Environment environment = new Session.Environment(
            ForebaySettings.from(ConfigFactory.load()),
            LIMITS,
            NODE,
            new LogClock(InstantSource.system(), System::nanoTime),
            directory,
            registry.getRef(),
            lookDesk.getRef(),
            deadLetterDesk.getRef(),
            bytesHeld,
            waitingPops,
            new RefusalCounts(),
            ref -> true);

    /** The next event that the client is told. */
    <T extends SessionEvent> T told(Class<T> expected) {
        return expected.cast(told.remove());
    }

    boolean isAnythingTold() {
        return !told.isEmpty();
    }

    @Override
    public long sessionId() {
        return SESSION;
    }

    @Override
    public Session.Environment environment() {
        return environment;
    }

    @Override
    public ActorRef<QueueReply> queueReplies() {
        return queueReplies.getRef();
    }

    @Override
    public long nextToken() {
        return ++lastToken;
    }

    @Override
    public void tell(SessionEvent event) {
        told.add(event);
    }

    @Override
    public void watchOnce(ActorRef<?> target) {
        watched.add(target);
    }

    @Override
    public void useDispatcher(ActorRef<Dispatcher.Command> dispatcher) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void ensureGroup(String topic, String group, long token) {
        registry.getRef().tell(new Registry.EnsureGroup(topic, group, token, ensured.getRef()));
    }

    @Override
    public void ensureTopic(String topic, long token) {
        registry.getRef().tell(new Registry.EnsureTopic(topic, token, ensured.getRef()));
    }

    @Override
    public void administer(SessionCommand.Request request, ActorRef<RegistryReply.Answer> replyTo) {
        registry.getRef().tell(new Registry.Administer(request, replyTo));
    }

    @Override
    public Refusal refuseNew() {
        return refusal;
    }

    @Override
    public Refusal refuseTooMany() {
        return refusal;
    }

    @Override
    public Refusal refuseCongested() {
        return refusal;
    }

    @Override
    public boolean isEnding() {
        return isEnding;
    }

    @Override
    public long giveBack(ActorRef<GroupQueue.Command> queue, List<Delivery> deliveries) {
        throw new UnsupportedOperationException();
    }

    @Override
    public boolean isGivingBack(long returnId) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void wakeAt(long atMillis) {
        throw new UnsupportedOperationException();
    }
}
