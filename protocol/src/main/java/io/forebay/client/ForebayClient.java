package io.forebay.client;

import akka.Done;
import akka.actor.Cancellable;
import akka.actor.CoordinatedShutdown;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.DispatcherSelector;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.DeadLetterFilter;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.GiveBackResult;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Message;
import io.forebay.protocol.MessageLife;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.ParkedKey;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.QueuePurge;
import io.forebay.protocol.QueueRelease;
import io.forebay.protocol.QueueSeek;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SeekPlace;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsDescribed;
import io.forebay.protocol.SettingsDescription;
import io.forebay.protocol.SettingsScope;
import io.forebay.protocol.TopicDescription;
import io.forebay.protocol.UnparkHow;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongFunction;

/**
 * A client of one or several nodes: sends, pops, acks. Thread-safe; make one and share it.
 *
 * <pre>{@code
 * ForebayClient client = ForebayClient.connect(system, Target.contact("127.0.0.1:7400"));
 * client.send(Message.of("orders", body)).thenAccept(receipt -> log.info("stored at {}", receipt.level()));
 * client.pop(PopRequest.of("orders", "billing", 32)).thenAccept(deliveries -> deliveries.forEach(delivery -> {
 *     bill(delivery.body());
 *     client.ack(delivery);
 * }));
 * }</pre>
 *
 * <p>It batches by itself without adding delay, keeps a session with each node alive, looks for a node that was lost and
 * repeats what was unanswered, repeats Sends that were answered {@code Busy} in their first order, and extends what it
 * popped until that is settled, given back, or {@code forebay.client.max-hold} is over. Completion stages fail with a
 * {@link ForebayException}, whose refusal says why, and by its {@linkplain Refusal.Code#isOutcomeOpen code} whether it may have been
 * done all the same. They are completed on {@code forebay.client.callback-dispatcher}, in
 * order; callbacks that block should go elsewhere, though they hold up nothing but other callbacks of this client.
 */
public final class ForebayClient {
    private final ActorSystem<?> system;
    private final ClientSettings settings;
    private final ClientEnvironment environment;
    private final Completions completions;
    private final Consumer<ClientNotice> notices;
    private final Sends sends;
    private final Nodes nodes;
    private final Administration administration;
    private final CompletableFuture<Done> connected = new CompletableFuture<>();
    private final CompletableFuture<Done> closed = new CompletableFuture<>();
    /** Those that nodes that come later belong to, too. */
    private final Set<ClientSubscription> subscriptions = ConcurrentHashMap.newKeySet();

    private volatile Runnable stopLooking = () -> {};
    private volatile Cancellable shutdownTask;

    private ForebayClient(
            ActorSystem<?> system,
            ClientSettings settings,
            ClientEnvironment environment,
            Consumer<ClientNotice> notices) {
        this.system = system;
        this.settings = settings;
        this.environment = environment;
        this.notices = notices;
        this.completions = new Completions(
                system.dispatchers().lookup(DispatcherSelector.fromConfig(CALLBACK_DISPATCHER)), system.log());
        this.sends = new Sends(settings, environment);
        this.nodes = new Nodes(completions, environment.monotonicMillis(), sends::untaken);
        this.administration = new Administration(nodes, settings.adminTimeout());
    }

    static final String DISPATCHER = "forebay.client.dispatcher";
    static final String CALLBACK_DISPATCHER = "forebay.client.callback-dispatcher";

    /** With the settings of {@code forebay.client}; notices are logged. */
    public static ForebayClient connect(ActorSystem<?> system, Target target) {
        return connect(system, target, ClientSettings.of(system), notice -> {
            if (notice instanceof ClientNotice.Connected) {
                system.log().info("Forebay client: {}", notice.text());
            } else {
                system.log().warn("Forebay client: {}", notice.text());
            }
        });
    }

    /**
     * Starts a client. Returns at once and never waits: requests made before a node was found wait for it.
     *
     * @param notices told about connections made, lost and not answered, one call at a time; must not block
     * @throws ForebayException if the target cannot be reached from this actor system at all: a contact point needs {@code
     *     akka.actor.provider = remote} or {@code cluster}, and the cluster needs {@code cluster}
     */
    public static ForebayClient connect(
            ActorSystem<?> system, Target target, ClientSettings settings, Consumer<ClientNotice> notices) {
        return connect(system, target, settings, ClientWorld.get(system).environment(), notices);
    }

    static ForebayClient connect(
            ActorSystem<?> system,
            Target target,
            ClientSettings settings,
            ClientEnvironment environment,
            Consumer<ClientNotice> notices) {
        String provider = system.settings().config().getString("akka.actor.provider");
        boolean isLocal = provider.equals("local") || provider.equals("akka.actor.LocalActorRefProvider");
        boolean isCluster = provider.equals("cluster") || provider.equals("akka.cluster.ClusterActorRefProvider");
        if (target instanceof Target.Contact && isLocal) {
            throw Refusal.illegalArgument(
                            "akka.actor.provider",
                            provider,
                            "remote or cluster: the contact point is in another process")
                    .toException();
        }
        if (target instanceof Target.Cluster && !isCluster) {
            throw Refusal.illegalArgument("akka.actor.provider", provider, "cluster: this client looks for members")
                    .toException();
        }
        ForebayClient client = new ForebayClient(system, settings, environment, notices);
        client.start(target);
        return client;
    }

    private void start(Target target) {
        if (target instanceof Target.Node node) {
            addLink(ClientSession.Place.of(
                    node.entry(), system, "Check that the node which gave this reference is running."));
        } else if (target instanceof Target.Contact contact) {
            ContactPoint point = contact.contactPoint();
            String advice = "Check that a node runs there and that its ready line shows exactly '" + point.address()
                    + "' (system name, host and port must be the ones the node advertises), and that the node can"
                    + " reach this client at " + system.address() + ".";
            addLink(ClientSession.Place.of(NodeProtocol.CONTACT_PATH, point.address(), system, advice));
        } else {
            ActorRef<ClusterNodes.Message> nodes = system.systemActorOf(
                    ClusterNodes.create(this),
                    "forebay-client-nodes-" + Long.toHexString(environment.sessionId()),
                    DispatcherSelector.fromConfig(DISPATCHER));
            stopLooking = () -> nodes.tell(ClusterNodes.Stop.INSTANCE);
        }
        shutdownTask = CoordinatedShutdown.get(system)
                .addCancellableTask(
                        CoordinatedShutdown.PhaseBeforeServiceUnbind(), "forebay-client-close", this::close);
    }

    /** One more node. Called by the constructor's caller or by {@link ClusterNodes}. */
    ActorRef<ClientSession.Message> addLink(ClientSession.Place place) {
        NodeLink link = new NodeLink(completions, sends::untaken);
        ActorRef<ClientSession.Message> session = system.systemActorOf(
                ClientSession.create(
                        place, settings, environment, link, new LinkListener(), completions::execute, sends::released),
                "forebay-client-" + Long.toHexString(environment.sessionId()),
                DispatcherSelector.fromConfig(DISPATCHER));
        nodes.add(link);
        subscriptions.forEach(subscription -> subscription.addLink(link));
        return session;
    }

    /** Fails what has waited for a first node for too long, or all of it. Called by {@link ClusterNodes}. */
    void expireOrphans(boolean all) {
        nodes.expireOrphans(all);
    }

    /** What the sessions tell; called in their threads. */
    private final class LinkListener implements ClientSession.Listener {
        @Override
        public void connected(NodeLink link, ClientNotice.Connected notice) {
            completions.execute(() -> {
                notices.accept(notice);
                connected.complete(Done.done());
            });
        }

        @Override
        public void notice(ClientNotice notice) {
            notices.accept(notice);
        }

        @Override
        public void refused(Refusal refusal) {
            completions.execute(() -> connected.completeExceptionally(refusal.toException()));
        }

        @Override
        public boolean isRerouting(NodeLink link) {
            return nodes.otherThan(link) != null;
        }

        @Override
        public void reroute(NodeLink from, Ops.Send op) {
            NodeLink other = nodes.otherThan(from);
            (other == null ? from : other).add(op);
        }
    }

    ClientSettings settings() {
        return settings;
    }

    // ---------------------------------------------------------------- sending

    /** Done when a first session is open; fails when a node answered that it never will be, or the client is closed. */
    public CompletionStage<Done> whenConnected() {
        return connected;
    }

    /** Stores a message at its topic's default durability. */
    public CompletionStage<Receipt> send(Message message) {
        return send(message, null);
    }

    /**
     * Stores a message. Calls of one thread for one message group are stored in the order of the calls.
     *
     * @param durability the level to reach before the stage completes; null for the topic's default
     * @return fails at once with {@link Refusal.Code#LIMIT} when {@code forebay.client.send.pending-bytes-max} is reached
     */
    public CompletionStage<Receipt> send(Message message, Durability durability) {
        Ops.Send op = sends.of(message, durability, null, 0);
        Refusal refusal = sends.reserve(op.bytes);
        if (refusal != null) {
            return CompletableFuture.failedStage(refusal.toException());
        }
        NodeLink[] all = nodes.all();
        if (all.length == 1 && !nodes.isClosing()) {
            all[0].add(op);
        } else {
            nodes.submit(op, links -> nodes.ofMessage(links, op.message), settings.sendTimeout());
        }
        return op;
    }

    /** As {@link #sendBatch(List, Durability)} at the topics' default durability. */
    public CompletionStage<List<SendResult>> sendBatch(List<Message> messages) {
        return sendBatch(messages, null);
    }

    /** Stores messages, of any topics; one result for each, in order. The batch is no unit: some may be stored and others not. */
    public CompletionStage<List<SendResult>> sendBatch(List<Message> messages, Durability durability) {
        int count = messages.size();
        if (count == 0) {
            return CompletableFuture.completedStage(List.of());
        }
        Ops.Many<SendResult> many = new Ops.Many<>(count);
        Ops.Send[] ops = new Ops.Send[count];
        long total = 0;
        for (int i = 0; i < count; i++) {
            ops[i] = sends.of(messages.get(i), durability, many, i);
            total += ops[i].bytes;
        }
        Refusal refusal = sends.reserve(total);
        if (refusal != null) {
            return CompletableFuture.failedStage(refusal.toException());
        }
        // All that need no order go to one node: they are one batch there, and the next call takes the next node.
        NodeLink[] all = nodes.all();
        NodeLink unkeyed = all.length > 1 ? nodes.inTurn(all) : null;
        for (Ops.Send op : ops) {
            nodes.submitMore(
                    op,
                    links -> unkeyed != null && !op.message.isKeyed() ? unkeyed : nodes.ofMessage(links, op.message),
                    settings.sendTimeout());
        }
        nodes.flush();
        return many;
    }

    /** Bytes of messages that were taken and are not answered yet. */
    long pendingBytes() {
        return sends.pendingBytes();
    }

    // ---------------------------------------------------------------- popping

    /** A pop that can be given up. */
    static final class PendingPop {
        final CompletionStage<List<Delivery>> deliveries;
        private final Runnable cancel;

        PendingPop(CompletionStage<List<Delivery>> deliveries, Runnable cancel) {
            this.deliveries = deliveries;
            this.cancel = cancel;
        }

        /** It completes soon, as a rule with nothing. */
        void cancel() {
            cancel.run();
        }
    }

    /** Takes messages; an empty list when the wait is over. */
    public CompletionStage<List<Delivery>> pop(PopRequest request) {
        return pop(request, null).deliveries;
    }

    /** @param owner whom {@link #release} gives back for; null for nobody */
    PendingPop pop(PopRequest request, Object owner) {
        Duration wait = request.waitMax() == null ? settings.popWait() : request.waitMax();
        NodeLink[] all = nodes.all();
        if (all.length > 1) {
            return new PopOverNodes(this, request, wait.toMillis(), owner, all, nodes.nextTurn()).start();
        }
        Ops.Pop op = popOp(request, wait.toMillis(), owner);
        nodes.submit(op, nodes::inTurn, wait.plus(settings.requestTimeout()));
        return new PendingPop(op, () -> nodes.submit(new Ops.Cancel(op), links -> links[0], Duration.ZERO));
    }

    Ops.Pop popOp(PopRequest request, long waitMillis, Object owner) {
        Duration invisible = request.invisible() == null ? settings.popInvisible() : request.invisible();
        return new Ops.Pop(request, invisible.toMillis(), waitMillis, owner, null);
    }

    // ---------------------------------------------------------------- subscriptions

    /**
     * Handles the messages of a topic for a group as they come: acks what {@code handler} has done, nacks what it failed at,
     * so that it comes again by the group's schedule of retries. At most {@code forebay.client.stream.prefetch} deliveries are
     * with the handler or on their way to it. Where the group is set to {@code delivery = push} its nodes push, else the
     * client pops; which of the two may change meanwhile.
     *
     * <p>It goes on until it is stopped, over losses of nodes and their restarts, and while a node cannot serve the topic's queues,
     * of which {@link ClientNotice.Unserved} tells. If a node refuses it for good, {@link Control#isShutdown} fails with the reason.
     *
     * @param request its count and bytes bound one push or pop
     * @param handler called where stages are completed, so it must not block; must not return null. What is acked or nacked by
     *     the application itself before the stage completes stays so
     * @return stops it: {@link Control#stop} is done when all handlers under way are done and their acks are answered, {@link
     *     Control#shutdown} gives back what comes in between
     */
    public Control subscribe(PopRequest request, Function<Delivery, ? extends CompletionStage<?>> handler) {
        HandledSubscription subscription = new HandledSubscription(this, request, handler);
        subscription.start();
        return subscription;
    }

    void start(ClientSubscription subscription) {
        subscriptions.add(subscription);
        for (NodeLink link : nodes.all()) {
            subscription.addLink(link);
        }
        if (nodes.isClosing()) {
            subscriptions.remove(subscription);
            completions.execute(() -> subscription.closedWithoutNode(Nodes.closedRefusal()));
        }
    }

    void forget(ClientSubscription subscription) {
        subscriptions.remove(subscription);
    }

    NodeSubscription nodeSubscription(
            PopRequest request, Object owner, NodeLink link, long wantedTotal, NodeSubscription.Sink sink) {
        Duration invisible = request.invisible() == null ? settings.popInvisible() : request.invisible();
        Duration wait = request.waitMax() == null ? settings.popWait() : request.waitMax();
        return new NodeSubscription(request, invisible.toMillis(), wait.toMillis(), owner, link, wantedTotal, sink);
    }

    void later(long millis, Runnable task) {
        system.scheduler()
                .scheduleOnce(
                        Duration.ofMillis(millis),
                        task,
                        system.dispatchers().lookup(DispatcherSelector.fromConfig(CALLBACK_DISPATCHER)));
    }

    /** Gives back what was popped for an owner and never settled. */
    CompletionStage<Done> release(Object owner) {
        List<CompletableFuture<Done>> all = new ArrayList<>();
        for (NodeLink link : nodes.all()) {
            Ops.Release op = new Ops.Release(owner);
            link.add(op);
            all.add(op);
        }
        return allOf(all);
    }

    private static CompletionStage<Done> allOf(List<CompletableFuture<Done>> all) {
        return CompletableFuture.allOf(all.toArray(new CompletableFuture<?>[0])).thenApply(nothing -> Done.done());
    }

    // ---------------------------------------------------------------- settling

    /** Settles a delivery at its group's default durability. */
    public CompletionStage<AckOutcome> ack(Delivery delivery) {
        return ack(delivery.group(), delivery.handle(), null);
    }

    /**
     * Settles a delivery. Fails with {@code STALE_HANDLE} if the message has gone out again since; that holds also if the answer to
     * an earlier copy of the ack was lost, because what is settled is answered so.
     */
    public CompletionStage<AckOutcome> ack(String group, ReceiptHandle handle, Durability durability) {
        Ops.SettleKey key = new Ops.SettleKey(Ops.SettleKind.ACK, group, durability, 0, "");
        return settle(new Ops.Settle<AckOutcome>(key, handle, null, 0));
    }

    /** Settles deliveries; one result for each, in order. */
    public CompletionStage<List<AckResult>> ackBatch(String group, List<ReceiptHandle> handles, Durability durability) {
        return settleAll(new Ops.SettleKey(Ops.SettleKind.ACK, group, durability, 0, ""), handles);
    }

    /** Gives up on an attempt: the message is delivered again after {@code delay}. */
    public CompletionStage<ChangeResult> nack(Delivery delivery, Duration delay, String reason) {
        return nack(delivery.group(), delivery.handle(), delay, reason);
    }

    /** Gives up on an attempt: the message is delivered again when its group's schedule of retries says so. */
    public CompletionStage<ChangeResult> nack(Delivery delivery, String reason) {
        return nack(delivery.group(), delivery.handle(), reason);
    }

    /** Gives up on an attempt: the message is delivered again when its group's schedule of retries says so. */
    public CompletionStage<ChangeResult> nack(String group, ReceiptHandle handle, String reason) {
        return nack(group, handle, SessionCommand.ChangeInvisible.BACKOFF, reason);
    }

    /** Gives up on an attempt: the message is delivered again after {@code delay}. Fails if that is refused. */
    public CompletionStage<ChangeResult> nack(String group, ReceiptHandle handle, Duration delay, String reason) {
        // A negative delay is the node's to refuse; only the number that means something else must not slip through.
        long millis = delay.toMillis();
        return nack(group, handle, millis == SessionCommand.ChangeInvisible.BACKOFF ? millis - 1 : millis, reason);
    }

    private CompletionStage<ChangeResult> nack(String group, ReceiptHandle handle, long delayMillis, String reason) {
        Ops.SettleKey key = new Ops.SettleKey(Ops.SettleKind.NACK, group, null, delayMillis, reason);
        return settle(new Ops.Settle<ChangeResult>(key, handle, null, 0));
    }

    /**
     * Moves a deadline to {@code invisible} from now. From then on the client leaves this delivery's deadline alone. Fails if
     * that is refused.
     */
    public CompletionStage<ChangeResult> extend(String group, ReceiptHandle handle, Duration invisible) {
        Ops.SettleKey key = new Ops.SettleKey(Ops.SettleKind.EXTEND, group, null, invisible.toMillis(), "");
        return settle(new Ops.Settle<ChangeResult>(key, handle, null, 0));
    }

    /** Returns deliveries unprocessed: they go out again at once, and the attempt is not counted. */
    public CompletionStage<List<GiveBackResult>> giveBack(String group, List<ReceiptHandle> handles) {
        return settleAll(new Ops.SettleKey(Ops.SettleKind.GIVE_BACK, group, null, 0, ""), handles);
    }

    private <R> CompletionStage<R> settle(Ops.Settle<R> op) {
        nodes.submit(op, links -> Nodes.ofHandle(links, op.handle), settings.ackTimeout());
        return op;
    }

    private <R> CompletionStage<List<R>> settleAll(Ops.SettleKey key, List<ReceiptHandle> handles) {
        if (handles.isEmpty()) {
            return CompletableFuture.completedStage(List.of());
        }
        Ops.Many<R> many = new Ops.Many<>(handles.size());
        for (int i = 0; i < handles.size(); i++) {
            Ops.Settle<R> op = new Ops.Settle<>(key, handles.get(i), many, i);
            nodes.submitMore(op, links -> Nodes.ofHandle(links, op.handle), settings.ackTimeout());
        }
        nodes.flush();
        return many;
    }

    // ---------------------------------------------------------------- administration

    /** Creates a topic on every node; see {@link SessionCommand.CreateTopic}. */
    public CompletionStage<List<TopicDescription>> createTopic(String topic, int queues, Map<String, String> settings) {
        return administration.onAll(
                id -> new SessionCommand.CreateTopic(id, topic, queues, settings),
                SessionEvent.TopicCreated.class,
                SessionEvent.TopicCreated::topic);
    }

    /** Deletes a topic with all its messages on every node that has it; fails if none has. */
    public CompletionStage<Done> deleteTopic(String topic) {
        return administration
                .onAll(
                        id -> new SessionCommand.DeleteTopic(id, topic),
                        SessionEvent.Deleted.class,
                        deleted -> Done.done(),
                        Refusal.Code.UNKNOWN_TOPIC)
                .thenApply(all -> Done.done());
    }

    /** Names of all topics of all nodes, in order. */
    public CompletionStage<List<String>> listTopics() {
        return administration.names((id, after) -> new SessionCommand.ListTopics(id, after, Administration.PAGE_COUNT));
    }

    /** The topic as each node has it; fails if no node has it. */
    public CompletionStage<List<TopicDescription>> describeTopic(String topic) {
        return administration.onAll(
                id -> new SessionCommand.DescribeTopic(id, topic),
                SessionEvent.TopicDescribed.class,
                SessionEvent.TopicDescribed::topic,
                Refusal.Code.UNKNOWN_TOPIC);
    }

    /** Creates a group on every node; see {@link SessionCommand.CreateGroup}. */
    public CompletionStage<Done> createGroup(String group, String topic, Map<String, String> settings) {
        return administration
                .onAll(
                        id -> new SessionCommand.CreateGroup(id, group, topic, settings),
                        SessionEvent.GroupCreated.class,
                        created -> Done.done())
                .thenApply(all -> Done.done());
    }

    /** Deletes a group on every node that has it; fails if none has. */
    public CompletionStage<Done> deleteGroup(String group) {
        return administration
                .onAll(
                        id -> new SessionCommand.DeleteGroup(id, group),
                        SessionEvent.Deleted.class,
                        deleted -> Done.done(),
                        Refusal.Code.UNKNOWN_GROUP)
                .thenApply(all -> Done.done());
    }

    /**
     * Names of groups of all nodes, in order.
     *
     * @param topic groups of that topic only; "" for all
     */
    public CompletionStage<List<String>> listGroups(String topic) {
        return administration.names(
                (id, after) -> new SessionCommand.ListGroups(id, topic, after, Administration.PAGE_COUNT));
    }

    /**
     * Where the group stands in each topic on each node; fails if no node has it.
     *
     * @param topic in that topic only; "" for all
     */
    public CompletionStage<List<GroupDescription>> describeGroup(String group, String topic) {
        return administration
                .onAll(
                        id -> new SessionCommand.DescribeGroup(id, group, topic),
                        SessionEvent.GroupDescribed.class,
                        SessionEvent.GroupDescribed::topics,
                        Refusal.Code.UNKNOWN_GROUP)
                .thenApply(all -> {
                    List<GroupDescription> flat = new ArrayList<>();
                    all.forEach(flat::addAll);
                    return flat;
                });
    }

    // ---------------------------------------------------------------- what has failed too often

    /**
     * The keys of a group that are parked, on all nodes: each waits for {@link #unpark}.
     *
     * @param topic in that topic only; "" for all
     */
    public CompletionStage<List<ParkedKey>> parkedKeys(String group, String topic) {
        return administration.parkedKeys(group, topic);
    }

    /**
     * Lets parked keys go on. Refused if no node has that key parked, and for a group that keeps no order.
     *
     * @param messageGroup the key; "" for all that are parked in that topic
     * @return how many keys go on
     */
    public CompletionStage<Integer> unpark(String group, String topic, String messageGroup, UnparkHow how) {
        return administration
                .onAll(
                        id -> new PoisonCommand.Unpark(id, group, topic, messageGroup, how),
                        PoisonReply.Unparked.class,
                        PoisonReply.Unparked::count,
                        Refusal.Code.ILLEGAL_ARGUMENT,
                        Refusal.Code.UNKNOWN_TOPIC,
                        Refusal.Code.UNKNOWN_GROUP)
                .thenApply(counts -> counts.stream().mapToInt(Integer::intValue).sum());
    }

    /**
     * Dead letters of a group, oldest first in each queue, without popping them. What tells of their lives is in their properties, {@code
     * dead-letter.topic}, {@code dead-letter.reason} and others. A page may be empty and not the last.
     *
     * @param countMax most letters of a page, 1 to {@link PoisonCommand#PAGE_COUNT_MAX}
     * @param cursor "" to begin, else of the last page; the page whose own is "" is the last
     */
    public CompletionStage<LookReply.MessagePage> deadLetters(
            String group, DeadLetterFilter filter, int countMax, String cursor) {
        return LookPages.page(
                nodes::all,
                administration::ask,
                cursor,
                (id, own) ->
                        new PoisonCommand.ListLetters(id, group, filter, countMax, PeekRequest.BYTES_MAX_DEFAULT, own));
    }

    /**
     * Moves dead letters back to the topics they come from, or to another one, oldest first in each queue; what is not meant stays. Each
     * goes in one step: whatever dies meanwhile, none is lost and none goes twice. All groups of the topic get the message.
     *
     * @param pages told, in the client's callbacks, what each page did; must not block
     * @return what was done in all; what it fails with says how many had been moved by then. To stop, cancel its future: the page that is
     *     under way may still be done
     */
    public CompletionStage<RedriveResult> redrive(RedriveRequest request, Consumer<PoisonReply.Redriven> pages) {
        return new Redrive(
                        request,
                        nodes.all(),
                        administration::ask,
                        system.dispatchers().lookup(DispatcherSelector.fromConfig(CALLBACK_DISPATCHER)),
                        settings.adminTimeout(),
                        pages)
                .begin();
    }

    // ---------------------------------------------------------------- looking

    /**
     * Sets where a group goes on, in one queue or in all, on one node or on all that have the topic.
     *
     * @param node name of a node, "" for all; with several nodes an offset needs one
     * @param queue number of a queue, {@link LookCommand#EVERY_QUEUE} for all; an offset needs one
     * @param isDryRun whether nothing is to be changed, only told
     * @return one result for each queue; one may hold a refusal
     */
    public CompletionStage<List<QueueSeek>> seek(
            String group, String topic, String node, int queue, SeekPlace place, boolean isDryRun) {
        if (place.kind() == SeekPlace.Kind.OFFSET && node.isEmpty() && nodes.all().length > 1) {
            return CompletableFuture.failedStage(Nodes.nodeNeeded("an offset").toException());
        }
        return administration
                .onNodes(
                        node,
                        id -> new LookCommand.Seek(id, group, topic, queue, place, isDryRun),
                        LookReply.Seeked.class,
                        LookReply.Seeked::queues)
                .thenApply(ForebayClient::flat);
    }

    /**
     * Drops messages, for everyone or for one group.
     *
     * @param group "" for everyone
     * @param node name of a node, "" for all; with several nodes an offset needs one
     * @param queue number of a queue, {@link LookCommand#EVERY_QUEUE} for all; an offset needs one
     * @param belowOffset the first offset that is kept; -1 to drop everything stored
     * @param isDryRun whether nothing is to be changed, only told
     * @return one result for each queue; one may hold a refusal
     */
    public CompletionStage<List<QueuePurge>> purge(
            String topic, String group, String node, int queue, long belowOffset, boolean isDryRun) {
        if (belowOffset >= 0 && node.isEmpty() && nodes.all().length > 1) {
            return CompletableFuture.failedStage(Nodes.nodeNeeded("an offset").toException());
        }
        return administration
                .onNodes(
                        node,
                        id -> new LookCommand.Purge(id, topic, group, queue, belowOffset, isDryRun),
                        LookReply.Purged.class,
                        LookReply.Purged::queues)
                .thenApply(ForebayClient::flat);
    }

    /**
     * Lets messages be read again that are quarantined, because what was in the way is gone. A group that has passed them over gets
     * them after a {@link #seek seek}; what still cannot be read is quarantined again.
     *
     * @param node name of a node, "" for all; with several nodes an offset needs one
     * @param queue number of a queue, {@link LookCommand#EVERY_QUEUE} for all; an offset needs one
     * @param offset of one message; -1 for all that are quarantined
     * @param isDryRun whether nothing is to be changed, only told
     * @return one result for each queue; one may hold a refusal
     */
    public CompletionStage<List<QueueRelease>> release(
            String topic, String node, int queue, long offset, boolean isDryRun) {
        if (offset >= 0 && node.isEmpty() && nodes.all().length > 1) {
            return CompletableFuture.failedStage(Nodes.nodeNeeded("an offset").toException());
        }
        return administration
                .onNodes(
                        node,
                        id -> new LookCommand.Release(id, topic, queue, offset, isDryRun),
                        LookReply.Released.class,
                        LookReply.Released::queues)
                .thenApply(ForebayClient::flat);
    }

    /**
     * Stored messages, without popping them. A page may be empty and not the last.
     *
     * @param cursor "" to begin, else of the last page; the page whose own is "" is the last
     */
    public CompletionStage<LookReply.MessagePage> peek(PeekRequest request, String cursor) {
        return LookPages.page(
                nodes::all,
                administration::ask,
                cursor,
                (id, own) -> new LookCommand.Peek(
                        id,
                        request.topic(),
                        request.queue(),
                        request.offset(),
                        request.group(),
                        request.countMax(),
                        request.bytesMax(),
                        own));
    }

    /**
     * Looks through a topic for messages with an id or a key. Everything in between is read, so a page may be empty and not the
     * last.
     *
     * @param cursor "" to begin, else of the last page; the page whose own is "" is the last
     */
    public CompletionStage<LookReply.MessagePage> find(FindRequest request, String cursor) {
        return LookPages.page(
                nodes::all,
                administration::ask,
                cursor,
                (id, own) -> new LookCommand.Find(
                        id,
                        request.topic(),
                        request.id(),
                        request.key(),
                        FindRequest.millis(request.since()),
                        FindRequest.millis(request.until()),
                        request.countMax(),
                        own));
    }

    /**
     * The life of a message, from the log of its node.
     *
     * @param node name of the node that has it; "" if this client knows one node only
     */
    public CompletionStage<MessageLife> explain(
            String node, String topic, int queue, long offset, LookProgress progress) {
        NodeLink link = nodes.named(node);
        if (link == null && !node.isEmpty()) {
            return CompletableFuture.failedStage(Nodes.noNode(node).toException());
        }
        if (link == null && nodes.all().length > 1) {
            return CompletableFuture.failedStage(
                    Nodes.nodeNeeded("the place of a message").toException());
        }
        return administration.explain(
                link,
                (id, cursor) -> new LookCommand.Explain(id, topic, queue, offset, null, cursor),
                "",
                new MessageLife.Builder(),
                progress);
    }

    /** The life of a message of which any delivery's handle is known. */
    public CompletionStage<MessageLife> explain(ReceiptHandle handle, LookProgress progress) {
        NodeLink[] all = nodes.all();
        NodeLink link = all.length == 0 ? null : Nodes.ofHandle(all, handle);
        if (link == null && all.length > 0) {
            return CompletableFuture.failedStage(Nodes.foreignHandle().toException());
        }
        return administration.explain(
                link,
                (id, cursor) -> new LookCommand.Explain(id, "", -1, -1, handle, cursor),
                "",
                new MessageLife.Builder(),
                progress);
    }

    private static <T> List<T> flat(List<List<T>> lists) {
        List<T> flat = new ArrayList<>();
        lists.forEach(flat::addAll);
        return flat;
    }

    /** As {@link #changeTopicSettings(String, Map, long, String)}, of whatever version, in the name of this client. */
    public CompletionStage<List<SettingsDescription>> changeTopicSettings(String topic, Map<String, String> changes) {
        return changeTopicSettings(topic, changes, 0, settings.name());
    }

    /**
     * Changes settings of a topic on every node that has it, while it is used; see {@link SettingsCommand.ChangeSettings}.
     * Each node judges for itself: when one refuses, others may have taken it, and it may be repeated.
     *
     * @param changes by name; an empty value takes a setting back to the node's default
     * @param expectedVersion refused by a node where the settings have another one; 0 for any
     * @param who is said to have changed them, for people
     * @return what holds on each node, when it does
     */
    public CompletionStage<List<SettingsDescription>> changeTopicSettings(
            String topic, Map<String, String> changes, long expectedVersion, String who) {
        return changeSettings(SettingsScope.TOPIC, topic, changes, expectedVersion, who);
    }

    /** As {@link #changeGroupSettings(String, Map, long, String)}, of whatever version, in the name of this client. */
    public CompletionStage<List<SettingsDescription>> changeGroupSettings(String group, Map<String, String> changes) {
        return changeGroupSettings(group, changes, 0, settings.name());
    }

    /** As {@link #changeTopicSettings(String, Map, long, String)}, of a group. */
    public CompletionStage<List<SettingsDescription>> changeGroupSettings(
            String group, Map<String, String> changes, long expectedVersion, String who) {
        return changeSettings(SettingsScope.GROUP, group, changes, expectedVersion, who);
    }

    /**
     * The settings of a topic on each node; fails if no node has it.
     *
     * @param historyMax how many of the last changes to tell, 0 for none
     */
    public CompletionStage<List<SettingsDescription>> topicSettings(String topic, int historyMax) {
        return settings(
                SettingsScope.TOPIC,
                id -> new SettingsCommand.DescribeSettings(id, SettingsScope.TOPIC, topic, historyMax));
    }

    /** As {@link #topicSettings}, of a group. */
    public CompletionStage<List<SettingsDescription>> groupSettings(String group, int historyMax) {
        return settings(
                SettingsScope.GROUP,
                id -> new SettingsCommand.DescribeSettings(id, SettingsScope.GROUP, group, historyMax));
    }

    private CompletionStage<List<SettingsDescription>> changeSettings(
            SettingsScope scope, String name, Map<String, String> changes, long expectedVersion, String who) {
        Map<String, String> copy = Map.copyOf(changes);
        return settings(scope, id -> new SettingsCommand.ChangeSettings(id, scope, name, copy, expectedVersion, who));
    }

    private CompletionStage<List<SettingsDescription>> settings(
            SettingsScope scope, LongFunction<SessionCommand.Request> command) {
        return administration.onAll(
                command,
                SettingsDescribed.class,
                SettingsDescribed::settings,
                scope == SettingsScope.TOPIC ? Refusal.Code.UNKNOWN_TOPIC : Refusal.Code.UNKNOWN_GROUP);
    }

    /** What a stage of this client failed with, whatever it was wrapped in. */
    static ForebayException exceptionOf(Throwable failure) {
        Throwable cause = causeOf(failure);
        return cause instanceof ForebayException known
                ? known
                : Refusal.of(Refusal.Code.FAILED, String.valueOf(cause)).toException();
    }

    static Throwable causeOf(Throwable failure) {
        Throwable cause = failure;
        while (cause instanceof CompletionException && cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause;
    }

    // ---------------------------------------------------------------- the end

    /**
     * Ends the client: what was sent and acked is waited for, at most for {@code forebay.client.close-timeout}; waiting pops
     * end empty; what was popped and not settled is given back, uncounted. Idempotent. Never fails.
     */
    public CompletionStage<Done> close() {
        return end(false);
    }

    /** As {@link #close()}, but what was popped keeps its deadline, so that its handles can be used elsewhere. */
    public CompletionStage<Done> detach() {
        return end(true);
    }

    private CompletionStage<Done> end(boolean isDetach) {
        NodeLink[] all = nodes.close();
        if (all == null) {
            return closed;
        }
        stopLooking.run();
        expireOrphans(true);
        subscriptions.forEach(
                subscription -> completions.execute(() -> subscription.closedWithoutNode(Nodes.closedRefusal())));
        Cancellable task = shutdownTask;
        if (task != null) {
            task.cancel();
        }
        List<CompletableFuture<Done>> ends = new ArrayList<>();
        for (NodeLink link : all) {
            Ops.Close op = new Ops.Close(isDetach);
            link.add(op);
            ends.add(op);
        }
        allOf(ends).thenRun(() -> {
            connected.completeExceptionally(Nodes.closedRefusal().toException());
            closed.complete(Done.done());
        });
        return closed;
    }
}
