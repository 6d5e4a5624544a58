package io.forebay.node;

import akka.Done;
import akka.actor.CoordinatedShutdown;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.Extension;
import akka.actor.typed.ExtensionId;
import io.forebay.cluster.BytesHeld;
import io.forebay.cluster.ClusterMembership;
import io.forebay.cluster.NodeEntry;
import io.forebay.cluster.RefusalCounts;
import io.forebay.cluster.Session;
import io.forebay.cluster.WaitingPops;
import io.forebay.config.ForebaySettings;
import io.forebay.config.QueueSettings;
import io.forebay.config.WatchSettings;
import io.forebay.deadletter.DeadLetterDesk;
import io.forebay.look.LookDesk;
import io.forebay.persistence.ForebayPersistence;
import io.forebay.persistence.NodeEvents;
import io.forebay.persistence.ShardFault;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionLimits;
import io.forebay.protocol.wire.WireFrames;
import io.forebay.queue.GroupQueue;
import io.forebay.store.Asker;
import io.forebay.store.EventLog;
import io.forebay.store.ForebayStorage;
import io.forebay.store.LogEvent;
import io.forebay.store.StripeHandle;
import io.forebay.topic.GroupQuestions;
import io.forebay.topic.NodeRecovery;
import io.forebay.topic.Registry;
import io.forebay.topic.TopicDirectory;
import io.forebay.watch.HealthLog;
import io.forebay.watch.NodeView;
import io.forebay.watch.Watch;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;
import java.util.random.RandomGenerator;

/**
 * A node of Forebay inside an actor system, whatever its provider:
 * <pre>{@code
 * Forebay forebay = Forebay.get(system);
 * forebay.whenReady().thenRun(() -> ...);
 * }</pre>
 * The first {@link #get} starts it: it opens the stripes below {@code forebay.storage.directory}, and when they are
 * recovered answers at {@code /system/forebay}, and through the Receptionist if the provider is cluster. It stops with the
 * actor system, through coordinated shutdown: refuses what is new, lets finish what is under way, and leaves the stripes to
 * {@link ForebayStorage}. Thread-safe.
 *
 * <p>Its completion stages complete on {@code forebay.queue.dispatcher}. What is added to them runs there, in no actor, or, if they have
 * completed, in the thread that adds it; what blocks there takes a thread from the queues.
 */
public final class Forebay implements Extension {
    private static final Id ID = new Id();
    private static final Duration END_TIMEOUT = Duration.ofSeconds(2);

    private final ActorSystem<?> system;
    private final CompletableFuture<Forebay> ready = new CompletableFuture<>();
    private final TopicDirectory directory = new TopicDirectory();
    private final ForebaySettings settings;
    private final BytesHeld bytesHeld;
    private final WaitingPops waitingPops;
    private final Executor executor;
    private final Asker asker;
    private final ActorRef<Object> entry;
    private final RefusalCounts refusals = new RefusalCounts();
    private final View view;
    /** Null if it is not wanted. */
    private final Watch watch;

    private volatile NodeView.State state = NodeView.State.STARTING;
    private volatile Optional<String> startFailure = Optional.empty();
    private volatile List<StripeHandle> recovered = List.of();

    private Forebay(ActorSystem<?> system) {
        this.system = system;
        settings = ForebaySettings.from(system.settings().config());
        bytesHeld = new BytesHeld(settings.session().nodeBytesMax());
        waitingPops = new WaitingPops(settings.session().nodePopsMax());
        executor = system.dispatchers().lookup(dispatcherSelector());
        asker = new Asker(system, executor);
        entry = system.systemActorOf(
                NodeEntry.create(settings.node().name(), refusals), NodeProtocol.ENTRY_NAME, dispatcherSelector());
        view = new View(new GroupQuestions(system, directory));
        watch = settings.watch().enabled() ? Watch.start(view, settings.watch(), System::nanoTime) : null;
        if (watch != null) {
            system.getWhenTerminated().whenComplete((done, failure) -> watch.close());
        }
        ForebayStorage storage = ForebayStorage.get(system);
        system.systemActorOf(
                HealthLog.create(view, settings.watch(), storage.nanoTime()),
                NodeProtocol.ENTRY_NAME + "-health-log",
                DispatcherSelector.fromConfig(WatchSettings.DISPATCHER));
        storage.open().whenComplete((stripes, failure) -> {
            if (failure == null) {
                ForebayPersistence.startIfNeeded(system, storage);
                serve(stripes, storage.recovered(NodeRecovery.class));
            } else {
                fail(failure);
            }
        });
    }

    /**
     * The one of this system; starts it at the first call and waits for nothing.
     *
     * @throws io.forebay.config.SettingsException if a setting below {@code forebay} cannot be used
     */
    public static Forebay get(ActorSystem<?> system) {
        return ID.apply(system);
    }

    /**
     * Completes when the node serves. Fails, with the typed exception of whatever was in the way (directory locked, foreign,
     * newer, damaged …), if it cannot start.
     */
    public CompletionStage<Forebay> whenReady() {
        return ready.minimalCompletionStage();
    }

    /** Where sessions are opened. Before the node is ready it answers that it starts. */
    public ActorRef<NodeProtocol.Request> entry() {
        return entry.narrow();
    }

    /** How many sessions are open. Fails with a {@link java.util.concurrent.TimeoutException} when the system is about to end. */
    public CompletionStage<Integer> countSessions() {
        return asker.ask(entry, NodeEntry.CountSessions::new, END_TIMEOUT);
    }

    /** Bytes of Sends that wait for their answers. */
    public long bytesHeldForClients() {
        return bytesHeld.bytes();
    }

    /** Pops of all clients that wait for their answer. */
    int popsWaiting() {
        return waitingPops.count();
    }

    /** Where the node tells how it is, over HTTP ({@code forebay.watch}). Fails if it cannot listen, or is not to. */
    public CompletionStage<InetSocketAddress> watchAddress() {
        return watch == null
                ? CompletableFuture.failedFuture(new IllegalStateException("forebay.watch.enabled is off"))
                : watch.address();
    }

    /** The node as it is watched. */
    NodeView view() {
        return view;
    }

    public ForebaySettings settings() {
        return settings;
    }

    private static DispatcherSelector dispatcherSelector() {
        return DispatcherSelector.fromConfig(QueueSettings.DISPATCHER);
    }

    private void serve(List<StripeHandle> stripes, NodeRecovery recovery) {
        recovered = stripes;
        if (watch != null) {
            watch.recovered();
        }
        CompletableFuture<ActorRef<Registry.Command>> registryRef = new CompletableFuture<>();
        // The registry runs as soon as it is spawned, maybe before its reference is here.
        RandomGenerator random = ForebayStorage.get(system).random();
        ActorRef<Registry.Command> registry = system.systemActorOf(
                Registry.create(
                        new Registry.Environment(settings, stripes, recovery, directory, random),
                        () -> registryRef.thenAccept(ref -> open(ref, stripes)),
                        this::fail),
                NodeProtocol.ENTRY_NAME + "-registry",
                dispatcherSelector());
        registryRef.complete(registry);
        addShutdown(registry);
    }

    private void open(ActorRef<Registry.Command> registry, List<StripeHandle> stripes) {
        ActorRef<LookDesk.Command> lookDesk = system.systemActorOf(
                LookDesk.create(new LookDesk.Environment(settings.node().name(), directory, stripes)),
                NodeProtocol.ENTRY_NAME + "-look",
                dispatcherSelector());
        ActorRef<DeadLetterDesk.Command> deadLetterDesk = system.systemActorOf(
                DeadLetterDesk.create(
                        new DeadLetterDesk.Environment(settings.node().name(), directory, stripes, registry)),
                NodeProtocol.ENTRY_NAME + "-dead-letters",
                dispatcherSelector());
        entry.tell(new NodeEntry.Serve(new Session.Environment(
                settings,
                limits(),
                ReceiptHandle.nodeIdOf(settings.node().name()),
                stripes.get(0).clock(),
                directory,
                registry,
                lookDesk,
                deadLetterDesk,
                bytesHeld,
                waitingPops,
                refusals,
                ClusterMembership.isMember(system))));
        ClusterMembership.register(system, entry());
        become(NodeView.State.SERVING, EventLog.Weight.INFO, null);
        // Not in the registry, which tells it: an application that waits there for the node would wait for ever.
        inDispatcher(() -> ready.complete(this));
    }

    private void fail(Throwable failure) {
        Throwable cause =
                failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
        startFailure = Optional.of(String.valueOf(cause.getMessage()));
        become(NodeView.State.FAILED, EventLog.Weight.ERROR, cause.getMessage());
        entry.tell(new NodeEntry.Failed(Refusal.of(
                Refusal.Code.FAILED, "node '" + settings.node().name() + "' could not start: " + cause.getMessage())));
        inDispatcher(() -> ready.completeExceptionally(cause));
    }

    private void become(NodeView.State next, EventLog.Weight weight, String cause) {
        NodeView.State before = state;
        state = next;
        EventLog.log(
                weight,
                LogEvent.NODE_STATE,
                "node",
                settings.node().name(),
                "from",
                before,
                "to",
                next,
                "cause",
                cause);
    }

    private void inDispatcher(Runnable completion) {
        try {
            executor.execute(completion);
        } catch (RejectedExecutionException ended) {
            completion.run(); // the system has ended meanwhile: whoever waits must not wait for ever
        }
    }

    private SessionLimits limits() {
        return new SessionLimits(
                WireFrames.frameBytesOf(system),
                settings.queue().bodyBytesMax(),
                settings.queue().batchMessagesMax(),
                settings.queue().batchBytesMax(),
                settings.group().popMessagesMax(),
                settings.group().popBytesMax(),
                settings.group().invisibleMin().toMillis(),
                settings.group().invisibleMax().toMillis(),
                settings.group().waitMax().toMillis(),
                settings.session().requestsMax(),
                settings.session().sendBytesMax(),
                settings.session().chunkBytesMax(),
                settings.session().subscriptionsMax(),
                settings.session().creditsMax(),
                settings.session().heartbeatInterval().toMillis(),
                settings.session().timeout().toMillis());
    }

    /** What is under way gets its answers before the stripes are closed, which comes in a later phase. */
    private void addShutdown(ActorRef<Registry.Command> registry) {
        CoordinatedShutdown shutdown = CoordinatedShutdown.get(system);
        shutdown.addTask(CoordinatedShutdown.PhaseServiceUnbind(), "forebay-refuse-new", () -> {
            become(NodeView.State.STOPPING, EventLog.Weight.INFO, null);
            ClusterMembership.deregister(system, entry());
            entry.tell(NodeEntry.Drain.INSTANCE);
            registry.tell(Registry.DrainDispatchers.INSTANCE);
            return CompletableFuture.completedFuture(Done.getInstance());
        });
        shutdown.addTask(CoordinatedShutdown.PhaseServiceRequestsDone(), "forebay-drain", () -> {
            Duration limit = settings.node().drainTimeout();
            CompletableFuture<Registry.IsDrained> drained = limit.isZero()
                    ? CompletableFuture.completedFuture(Registry.IsDrained.INSTANCE)
                    : asker.ask(registry, Registry.Drain::new, limit);
            return drained.exceptionally(timeout -> Registry.IsDrained.INSTANCE)
                    .thenCompose(done ->
                            asker.<Object, NodeEntry.AllEnded>ask(entry, NodeEntry.EndSessions::new, END_TIMEOUT))
                    .handle((ended, timeout) -> Done.getInstance());
        });
    }

    private final class View implements NodeView {
        private final GroupQuestions questions;

        View(GroupQuestions questions) {
            this.questions = questions;
        }

        @Override
        public String name() {
            return settings.node().name();
        }

        @Override
        public State state() {
            return state;
        }

        @Override
        public Optional<String> failure() {
            return startFailure;
        }

        @Override
        public List<StripeHandle> stripes() {
            return recovered;
        }

        @Override
        public void visitGroupQueues(Consumer<TopicDirectory.GroupQueueRoute> visitor) {
            directory.visitGroupQueues(visitor);
        }

        @Override
        public void visitQueues(Consumer<TopicDirectory.QueueRoute> visitor) {
            directory.visitQueues(visitor);
        }

        @Override
        public void visitUnserved(Consumer<TopicDirectory.Unserved> visitor) {
            directory.visitUnserved(visitor);
        }

        @Override
        public void visitShardFaults(Consumer<ShardFault> visitor) {
            ForebayPersistence.visitFaults(system, visitor);
            NodeEvents.visitFault(system, visitor);
        }

        @Override
        public RefusalCounts refusals() {
            return refusals;
        }

        @Override
        public long bytesHeld() {
            return bytesHeld.bytes();
        }

        @Override
        public CompletionStage<Integer> countSessions() {
            return Forebay.this.countSessions();
        }

        @Override
        public CompletionStage<Optional<GroupQueue.Described>> describe(int queueId, int groupId) {
            return questions
                    .ask(queueId, groupId, replyTo -> new GroupQueue.Describe(replyTo.narrow()))
                    .thenApply(answer -> answer instanceof GroupQueue.Described described
                            ? Optional.of(described)
                            : Optional.empty());
        }

        @Override
        public long nowMillis() {
            List<StripeHandle> stripes = recovered;
            return stripes.isEmpty() ? 0 : stripes.get(0).clock().millis();
        }
    }

    /** For {@code akka.actor.typed.extensions}, to start the node with the system. */
    public static final class Id extends ExtensionId<Forebay> {
        @Override
        public Forebay createExtension(ActorSystem<?> system) {
            return new Forebay(system);
        }
    }
}
