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
import io.forebay.protocol.wire.WireFrames;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
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
 * {@link ForebayException}, whose refusal says why. They are completed on {@code forebay.client.callback-dispatcher}, in
 * order; callbacks that block should go elsewhere, though they hold up nothing but other callbacks of this client.
 */
public final class ForebayClient {
    private final ActorSystem<?> system;
    private final ClientSettings settings;
    private final ClientEnvironment environment;
    private final Completions completions;
    private final Consumer<ClientNotice> notices;
    private final AtomicLong pendingBytes = new AtomicLong();
    private final AtomicLong messageIds = new AtomicLong();
    /** The next number for a message, if they get any. */
    private final AtomicLong numbers = new AtomicLong();
    /** Of this client's life: no other client, and no later life, uses its numbers. */
    private final long producerId;

    private final AtomicInteger turns = new AtomicInteger();
    private final String idPrefix;
    private final CompletableFuture<Done> connected = new CompletableFuture<>();
    private final CompletableFuture<Done> closed = new CompletableFuture<>();
    /** What was asked for before any node was found, in order; guarded by itself. */
    private final List<Op<?>> orphans = new ArrayList<>();

    /** Those that nodes that come later belong to, too. */
    private final Set<ClientSubscription> subscriptions = ConcurrentHashMap.newKeySet();

    private volatile NodeLink[] links = new NodeLink[0];
    private volatile boolean isClosing;
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
        this.producerId = environment.sessionId();
        this.idPrefix = Long.toUnsignedString(environment.sessionId(), 36) + "-";
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
        return connect(system, target, settings, ClientEnvironment.system(), notices);
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
        NodeLink link = new NodeLink(completions, this::release);
        ActorRef<ClientSession.Message> session = system.systemActorOf(
                ClientSession.create(
                        place,
                        settings,
                        environment,
                        link,
                        new LinkListener(),
                        completions::execute,
                        bytes -> pendingBytes.addAndGet(-bytes)),
                "forebay-client-" + Long.toHexString(environment.sessionId()),
                DispatcherSelector.fromConfig(DISPATCHER));
        synchronized (orphans) {
            NodeLink[] more = Arrays.copyOf(links, links.length + 1);
            more[more.length - 1] = link;
            links = more;
            orphans.forEach(link::add);
            orphans.clear();
            if (isClosing) {
                link.add(new Ops.Close(false)); // those that were closed did not include it
            }
        }
        subscriptions.forEach(subscription -> subscription.addLink(link));
        return session;
    }

    /** Fails what has waited for a first node for too long, or all of it. Called by {@link ClusterNodes}. */
    void expireOrphans(boolean all) {
        Refusal reason = isClosing
                ? Refusal.of(Refusal.Code.CLOSED, "the client has been closed")
                : Refusal.of(
                        Refusal.Code.NO_NODE,
                        "no member of the cluster has registered a Forebay node with the Receptionist");
        long now = environment.monotonicMillis().getAsLong();
        synchronized (orphans) {
            for (Iterator<Op<?>> each = orphans.iterator(); each.hasNext(); ) {
                Op<?> op = each.next();
                if (all || op.deadlineMillis <= now) {
                    each.remove();
                    release(op);
                    completions.execute(() -> op.refuse(reason));
                }
            }
        }
    }

    private void release(Op<?> op) {
        if (op instanceof Ops.Send send) {
            pendingBytes.addAndGet(-send.bytes);
        }
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
            return anyOther(link) != null;
        }

        @Override
        public void reroute(NodeLink from, Ops.Send op) {
            NodeLink other = anyOther(from);
            (other == null ? from : other).add(op);
        }

        private NodeLink anyOther(NodeLink link) {
            NodeLink[] all = links;
            int start = Math.floorMod(turns.getAndIncrement(), all.length);
            for (int i = 0; i < all.length; i++) {
                NodeLink other = all[(start + i) % all.length];
                if (other != link && other.peer().isConnected()) {
                    return other;
                }
            }
            return null;
        }
    }

    // ---------------------------------------------------------------- routes

    private static boolean isUp(NodeLink link) {
        return link.peer().isConnected();
    }

    /** The next one in turn, of those that are there if any is. */
    private NodeLink inTurn(NodeLink[] all) {
        int start = Math.floorMod(turns.getAndIncrement(), all.length);
        for (int i = 0; i < all.length; i++) {
            NodeLink link = all[(start + i) % all.length];
            if (isUp(link)) {
                return link;
            }
        }
        return all[start];
    }

    /**
     * Rendezvous hashing over the nodes this client has ever known: a key stays with its node while that is away, and a new
     * node takes over only the keys that become its own.
     */
    private static NodeLink ofKey(NodeLink[] all, String topic, String key) {
        NodeLink best = all[0];
        long bestScore = Long.MIN_VALUE;
        for (NodeLink link : all) {
            NodeLink.Peer peer = link.peer();
            if (!peer.nodeName().isEmpty()) {
                long mixed = (key.hashCode() * 31L + topic.hashCode()) * 0x9E3779B97F4A7C15L + peer.nodeId();
                mixed = (mixed ^ (mixed >>> 29)) * 0xBF58476D1CE4E5B9L;
                mixed ^= mixed >>> 32;
                if (mixed > bestScore) {
                    bestScore = mixed;
                    best = link;
                }
            }
        }
        return best;
    }

    private NodeLink ofMessage(NodeLink[] all, Message message) {
        if (all.length == 1) {
            return all[0];
        }
        return message.isKeyed() ? ofKey(all, message.topic(), message.messageGroup()) : inTurn(all);
    }

    /** @return null if there is a choice and none of the nodes has this id */
    private static NodeLink ofHandle(NodeLink[] all, ReceiptHandle handle) {
        if (all.length == 1) {
            return all[0];
        }
        for (NodeLink link : all) {
            NodeLink.Peer peer = link.peer();
            if (peer.nodeId() == handle.nodeId() && !peer.nodeName().isEmpty()) {
                return link;
            }
        }
        return null;
    }

    private void submit(Op<?> op, Function<NodeLink[], NodeLink> route, Duration patience) {
        submitMore(op, route, patience);
        flush();
    }

    /** After {@link #submitMore}. */
    private void flush() {
        for (NodeLink link : links) {
            link.flush();
        }
    }

    /** One of several: {@link #flush} has to follow. So they go to the node together. */
    private void submitMore(Op<?> op, Function<NodeLink[], NodeLink> route, Duration patience) {
        if (isClosing) {
            release(op);
            completions.execute(() -> op.refuse(closedRefusal()));
            return;
        }
        NodeLink[] all = links;
        if (all.length == 0) {
            synchronized (orphans) {
                all = links;
                if (all.length == 0 && !isClosing) {
                    op.deadlineMillis = environment.monotonicMillis().getAsLong() + patience.toMillis();
                    orphans.add(op);
                    return;
                }
            }
        }
        if (all.length == 0) {
            release(op);
            completions.execute(() -> op.refuse(closedRefusal()));
            return;
        }
        NodeLink link = route.apply(all);
        if (link != null) {
            link.addMore(op);
        } else {
            completions.execute(() -> op.refuse(foreignHandle()));
        }
    }

    private static Refusal foreignHandle() {
        return Refusal.of(Refusal.Code.FOREIGN_HANDLE, "the handle was not made by any node this client knows");
    }

    private static Refusal closedRefusal() {
        return Refusal.of(Refusal.Code.CLOSED, "the client has been closed");
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
        Message stamped = stamp(message);
        int bytes = bytesOf(stamped);
        Refusal refusal = reserve(bytes);
        if (refusal != null) {
            return CompletableFuture.failedStage(refusal.toException());
        }
        Ops.Send op = new Ops.Send(stamped, durability, bytes, isStoredOnce(stamped), null, 0);
        NodeLink[] all = links;
        if (all.length == 1 && !isClosing) {
            all[0].add(op);
        } else {
            submit(op, nodes -> ofMessage(nodes, stamped), settings.sendTimeout());
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
            Message stamped = stamp(messages.get(i));
            ops[i] = new Ops.Send(stamped, durability, bytesOf(stamped), isStoredOnce(stamped), many, i);
            total += ops[i].bytes;
        }
        Refusal refusal = reserve(total);
        if (refusal != null) {
            return CompletableFuture.failedStage(refusal.toException());
        }
        // All that need no order go to one node: they are one batch there, and the next call takes the next node.
        NodeLink[] all = links;
        NodeLink unkeyed = all.length > 1 ? inTurn(all) : null;
        for (Ops.Send op : ops) {
            submitMore(
                    op,
                    nodes -> unkeyed != null && !op.message.isKeyed() ? unkeyed : ofMessage(nodes, op.message),
                    settings.sendTimeout());
        }
        flush();
        return many;
    }

    private Message stamp(Message message) {
        String id = message.id().isEmpty() ? idPrefix + Long.toString(messageIds.incrementAndGet(), 36) : "";
        Message stamped = message.stamped(id, environment.wallMillis().getAsLong(), settings.bornHost());
        return settings.sendDeduplicated() ? stamped.numbered(producerId, numbers.getAndIncrement()) : stamped;
    }

    private boolean isStoredOnce(Message message) {
        return settings.sendDeduplicated() || message.producerId() != 0;
    }

    /** At least what it takes on the wire, and at least what a node counts it for. */
    private static int bytesOf(Message message) {
        return Math.addExact(WireFrames.bytesAtMost(message), 128);
    }

    private Refusal reserve(long bytes) {
        long pending = pendingBytes.addAndGet(bytes);
        if (pending <= settings.sendPendingBytesMax() || pending == bytes) {
            return null;
        }
        pendingBytes.addAndGet(-bytes);
        return Refusal.of(
                Refusal.Code.LIMIT,
                "messages sent and not yet answered have " + (pending - bytes) + " bytes, this one would add " + bytes
                        + "; allowed is forebay.client.send.pending-bytes-max = " + settings.sendPendingBytesMax());
    }

    /** Bytes of messages that were taken and are not answered yet. */
    long pendingBytes() {
        return pendingBytes.get();
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
        NodeLink[] all = links;
        if (all.length > 1) {
            return new PopOverNodes(this, request, wait.toMillis(), owner, all, turns.getAndIncrement()).start();
        }
        Ops.Pop op = popOp(request, wait.toMillis(), owner);
        submit(op, nodes -> inTurn(nodes), wait.plus(settings.requestTimeout()));
        return new PendingPop(op, () -> submit(new Ops.Cancel(op), nodes -> nodes[0], Duration.ZERO));
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
     * <p>It goes on until it is stopped, over losses of nodes and their restarts. If a node refuses it for good, {@link
     * Control#isShutdown} fails with the reason.
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
        for (NodeLink link : links) {
            subscription.addLink(link);
        }
        if (isClosing) {
            subscriptions.remove(subscription);
            completions.execute(() -> subscription.closedWithoutNode(closedRefusal()));
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
        for (NodeLink link : links) {
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

    /** Settles a delivery. Fails with {@code STALE_HANDLE} if the message has gone out again since. */
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
        submit(op, nodes -> ofHandle(nodes, op.handle), settings.ackTimeout());
        return op;
    }

    private <R> CompletionStage<List<R>> settleAll(Ops.SettleKey key, List<ReceiptHandle> handles) {
        if (handles.isEmpty()) {
            return CompletableFuture.completedStage(List.of());
        }
        Ops.Many<R> many = new Ops.Many<>(handles.size());
        for (int i = 0; i < handles.size(); i++) {
            Ops.Settle<R> op = new Ops.Settle<>(key, handles.get(i), many, i);
            submitMore(op, nodes -> ofHandle(nodes, op.handle), settings.ackTimeout());
        }
        flush();
        return many;
    }

    // ---------------------------------------------------------------- administration

    /** Creates a topic on every node; see {@link SessionCommand.CreateTopic}. */
    public CompletionStage<List<TopicDescription>> createTopic(String topic, int queues, Map<String, String> settings) {
        return onAll(
                id -> new SessionCommand.CreateTopic(id, topic, queues, settings),
                SessionEvent.TopicCreated.class,
                SessionEvent.TopicCreated::topic);
    }

    /** Deletes a topic with all its messages on every node that has it; fails if none has. */
    public CompletionStage<Done> deleteTopic(String topic) {
        return onAll(
                        id -> new SessionCommand.DeleteTopic(id, topic),
                        SessionEvent.Deleted.class,
                        deleted -> Done.done(),
                        Refusal.Code.UNKNOWN_TOPIC)
                .thenApply(all -> Done.done());
    }

    /** Names of all topics of all nodes, in order. */
    public CompletionStage<List<String>> listTopics() {
        return names((id, after) -> new SessionCommand.ListTopics(id, after, PAGE_COUNT));
    }

    /** The topic as each node has it; fails if no node has it. */
    public CompletionStage<List<TopicDescription>> describeTopic(String topic) {
        return onAll(
                id -> new SessionCommand.DescribeTopic(id, topic),
                SessionEvent.TopicDescribed.class,
                SessionEvent.TopicDescribed::topic,
                Refusal.Code.UNKNOWN_TOPIC);
    }

    /** Creates a group on every node; see {@link SessionCommand.CreateGroup}. */
    public CompletionStage<Done> createGroup(String group, String topic, Map<String, String> settings) {
        return onAll(
                        id -> new SessionCommand.CreateGroup(id, group, topic, settings),
                        SessionEvent.GroupCreated.class,
                        created -> Done.done())
                .thenApply(all -> Done.done());
    }

    /** Deletes a group on every node that has it; fails if none has. */
    public CompletionStage<Done> deleteGroup(String group) {
        return onAll(
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
        return names((id, after) -> new SessionCommand.ListGroups(id, topic, after, PAGE_COUNT));
    }

    /**
     * Where the group stands in each topic on each node; fails if no node has it.
     *
     * @param topic in that topic only; "" for all
     */
    public CompletionStage<List<GroupDescription>> describeGroup(String group, String topic) {
        return onAll(
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
        NodeLink[] all = links;
        CompletionStage<List<ParkedKey>> keys = CompletableFuture.completedStage(new ArrayList<>());
        ForebayException[] absent = {null};
        boolean[] isKnown = {false};
        for (int i = 0; i < Math.max(1, all.length); i++) {
            NodeLink link = i < all.length ? all[i] : null;
            keys = keys.thenCompose(known -> parkedKeys(link, group, topic, "", known)
                    .thenAccept(nothing -> isKnown[0] = true)
                    .exceptionally(failure -> {
                        ForebayException refused = exceptionOf(failure);
                        if (refused.code() != Refusal.Code.UNKNOWN_TOPIC
                                && refused.code() != Refusal.Code.UNKNOWN_GROUP) {
                            throw refused;
                        }
                        absent[0] = refused;
                        return null;
                    })
                    .thenApply(nothing -> known));
        }
        return keys.thenApply(found -> {
            if (!isKnown[0]) {
                throw absent[0];
            }
            return List.copyOf(found);
        });
    }

    private CompletionStage<List<ParkedKey>> parkedKeys(
            NodeLink link, String group, String topic, String cursor, List<ParkedKey> known) {
        return admin(link, id -> new PoisonCommand.ListParked(id, group, topic, PAGE_COUNT, cursor))
                .thenCompose(reply -> {
                    if (!(reply instanceof PoisonReply.ParkedPage page)) {
                        throw Refusal.of(Refusal.Code.UNSUPPORTED, "the node answers with " + reply)
                                .toException();
                    }
                    known.addAll(page.keys());
                    return page.cursor().isEmpty()
                            ? CompletableFuture.completedStage(known)
                            : parkedKeys(link, group, topic, page.cursor(), known);
                });
    }

    /**
     * Lets parked keys go on. Refused if no node has that key parked, and for a group that keeps no order.
     *
     * @param messageGroup the key; "" for all that are parked in that topic
     * @return how many keys go on
     */
    public CompletionStage<Integer> unpark(String group, String topic, String messageGroup, UnparkHow how) {
        return onAll(
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
                links,
                this::admin,
                cursor,
                (id, own) ->
                        new PoisonCommand.ListLetters(id, group, filter, countMax, PeekRequest.BYTES_MAX_DEFAULT, own));
    }

    /**
     * Moves dead letters back to the topics they come from, or to another one, oldest first in each queue; what is not meant stays. Each
     * goes in one step: whatever dies meanwhile, none is lost and none goes twice. All groups of the topic get the message.
     *
     * @param pages told, in the client's callbacks, what each page did; must not block
     * @return what was done in all. To stop, cancel its future: the page that is under way may still be done
     */
    public CompletionStage<RedriveResult> redrive(RedriveRequest request, Consumer<PoisonReply.Redriven> pages) {
        return new Redrive(
                        request,
                        links,
                        this::admin,
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
        if (place.kind() == SeekPlace.Kind.OFFSET && node.isEmpty() && links.length > 1) {
            return CompletableFuture.failedStage(nodeNeeded("an offset").toException());
        }
        return onNodes(
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
        if (belowOffset >= 0 && node.isEmpty() && links.length > 1) {
            return CompletableFuture.failedStage(nodeNeeded("an offset").toException());
        }
        return onNodes(
                        node,
                        id -> new LookCommand.Purge(id, topic, group, queue, belowOffset, isDryRun),
                        LookReply.Purged.class,
                        LookReply.Purged::queues)
                .thenApply(ForebayClient::flat);
    }

    /**
     * Stored messages, without popping them. A page may be empty and not the last.
     *
     * @param cursor "" to begin, else of the last page; the page whose own is "" is the last
     */
    public CompletionStage<LookReply.MessagePage> peek(PeekRequest request, String cursor) {
        return LookPages.page(
                links,
                this::admin,
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
                links,
                this::admin,
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
        NodeLink link = linkOf(node);
        if (link == null && !node.isEmpty()) {
            return CompletableFuture.failedStage(noNode(node).toException());
        }
        if (link == null && links.length > 1) {
            return CompletableFuture.failedStage(
                    nodeNeeded("the place of a message").toException());
        }
        return explain(
                link,
                (id, cursor) -> new LookCommand.Explain(id, topic, queue, offset, null, cursor),
                "",
                new MessageLife.Builder(),
                progress);
    }

    /** The life of a message of which any delivery's handle is known. */
    public CompletionStage<MessageLife> explain(ReceiptHandle handle, LookProgress progress) {
        NodeLink[] all = links;
        NodeLink link = all.length == 0 ? null : ofHandle(all, handle);
        if (link == null && all.length > 0) {
            return CompletableFuture.failedStage(foreignHandle().toException());
        }
        return explain(
                link,
                (id, cursor) -> new LookCommand.Explain(id, "", -1, -1, handle, cursor),
                "",
                new MessageLife.Builder(),
                progress);
    }

    private CompletionStage<MessageLife> explain(
            NodeLink link, PageRequest request, String cursor, MessageLife.Builder life, LookProgress progress) {
        return admin(link, id -> request.of(id, cursor)).thenCompose(reply -> {
            if (!(reply instanceof LookReply.LifePage page)) {
                throw Refusal.of(Refusal.Code.UNSUPPORTED, "the node answers with " + reply)
                        .toException();
            }
            life.add(page);
            progress.at(page.doneRecords(), page.totalRecords());
            return page.cursor().isEmpty()
                    ? CompletableFuture.completedStage(life.build())
                    : explain(link, request, page.cursor(), life, progress);
        });
    }

    /** Null if none has that name. */
    private NodeLink linkOf(String node) {
        NodeLink[] all = links;
        int index = node.isEmpty() ? -1 : LookPages.indexOf(all, node);
        return index < 0 ? null : all[index];
    }

    private static Refusal noNode(String node) {
        return Refusal.of(Refusal.Code.NO_NODE, "this client knows no node '" + node + "'");
    }

    private static Refusal nodeNeeded(String what) {
        return Refusal.of(
                Refusal.Code.ILLEGAL_ARGUMENT,
                what + " needs the name of a node: this client knows several, and each has queues of its own");
    }

    /** Asks one node, or every one. */
    private <E extends SessionEvent.Reply, R> CompletionStage<List<R>> onNodes(
            String node, LongFunction<SessionCommand.Request> command, Class<E> expected, Function<E, R> result) {
        if (node.isEmpty()) {
            return onAll(command, expected, result, Refusal.Code.UNKNOWN_TOPIC);
        }
        NodeLink link = linkOf(node);
        return link == null
                ? CompletableFuture.failedStage(noNode(node).toException())
                : onAll(new NodeLink[] {link}, command, expected, result);
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
        return onAll(
                command,
                SettingsDescribed.class,
                SettingsDescribed::settings,
                scope == SettingsScope.TOPIC ? Refusal.Code.UNKNOWN_TOPIC : Refusal.Code.UNKNOWN_GROUP);
    }

    private static final int PAGE_COUNT = 1000;

    private interface PageRequest {
        SessionCommand.Request of(long requestId, String after);
    }

    private CompletionStage<SessionEvent.Reply> admin(NodeLink link, LongFunction<SessionCommand.Request> command) {
        Ops.Admin op = new Ops.Admin(command);
        submit(op, nodes -> link == null ? nodes[0] : link, settings.adminTimeout());
        return op;
    }

    /**
     * Asks every node.
     *
     * @param absent refusals that count for nothing if another node does better
     */
    private <E extends SessionEvent.Reply, R> CompletionStage<List<R>> onAll(
            LongFunction<SessionCommand.Request> command,
            Class<E> expected,
            Function<E, R> result,
            Refusal.Code... absent) {
        return onAll(links, command, expected, result, absent);
    }

    private <E extends SessionEvent.Reply, R> CompletionStage<List<R>> onAll(
            NodeLink[] all,
            LongFunction<SessionCommand.Request> command,
            Class<E> expected,
            Function<E, R> result,
            Refusal.Code... absent) {
        record Outcome<R>(R result, ForebayException failure) {}
        List<Refusal.Code> codes = List.of(absent);
        List<CompletableFuture<Outcome<R>>> outcomes = new ArrayList<>();
        for (int i = 0; i < Math.max(1, all.length); i++) {
            outcomes.add(admin(i < all.length ? all[i] : null, command)
                    .handle((reply, failure) -> {
                        if (failure != null) {
                            return new Outcome<R>(null, exceptionOf(failure));
                        }
                        return expected.isInstance(reply)
                                ? new Outcome<R>(result.apply(expected.cast(reply)), null)
                                : new Outcome<R>(
                                        null,
                                        Refusal.of(Refusal.Code.UNSUPPORTED, "the node answers with " + reply)
                                                .toException());
                    })
                    .toCompletableFuture());
        }
        return CompletableFuture.allOf(outcomes.toArray(new CompletableFuture<?>[0]))
                .thenApply(nothing -> {
                    List<R> good = new ArrayList<>();
                    ForebayException failure = null;
                    ForebayException none = null;
                    for (CompletableFuture<Outcome<R>> each : outcomes) {
                        Outcome<R> outcome = each.join();
                        if (outcome.failure() == null) {
                            good.add(outcome.result());
                        } else if (codes.contains(outcome.failure().code())) {
                            none = outcome.failure();
                        } else {
                            failure = outcome.failure();
                        }
                    }
                    if (failure != null || good.isEmpty()) {
                        throw failure != null ? failure : none;
                    }
                    return good;
                });
    }

    private CompletionStage<List<String>> names(PageRequest request) {
        NodeLink[] all = links;
        CompletionStage<TreeSet<String>> names = CompletableFuture.completedStage(new TreeSet<>());
        for (int i = 0; i < Math.max(1, all.length); i++) {
            NodeLink link = i < all.length ? all[i] : null;
            names = names.thenCompose(known -> namesOf(link, request, "", known));
        }
        return names.thenApply(List::copyOf);
    }

    private CompletionStage<TreeSet<String>> namesOf(
            NodeLink link, PageRequest request, String after, TreeSet<String> known) {
        return admin(link, id -> request.of(id, after)).thenCompose(reply -> {
            if (!(reply instanceof SessionEvent.NamePage page)) {
                throw Refusal.of(Refusal.Code.UNSUPPORTED, "the node answers with " + reply)
                        .toException();
            }
            known.addAll(page.names());
            if (!page.hasMore() || page.names().isEmpty()) {
                return CompletableFuture.completedStage(known);
            }
            return namesOf(link, request, page.names().get(page.names().size() - 1), known);
        });
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
        NodeLink[] all;
        synchronized (orphans) {
            if (isClosing) {
                return closed;
            }
            isClosing = true;
            all = links;
        }
        stopLooking.run();
        expireOrphans(true);
        subscriptions.forEach(
                subscription -> completions.execute(() -> subscription.closedWithoutNode(closedRefusal())));
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
            connected.completeExceptionally(closedRefusal().toException());
            closed.complete(Done.done());
        });
        return closed;
    }
}
