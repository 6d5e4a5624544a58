package io.forebay.client;

import akka.Done;
import akka.actor.ActorSelection;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Behavior;
import akka.actor.typed.PostStop;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Adapter;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import io.forebay.client.ClientSession.Message;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.protocol.wire.MalformedWireException;
import io.forebay.protocol.wire.WireCutter;
import io.forebay.protocol.wire.WireFrames;
import io.forebay.protocol.wire.WireJoiner;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * The client's end of one session with one node, for the client's life: opens it, opens it again when it is lost, and
 * carries what the application wants over such losses.
 *
 * <p>It is <em>looking</em> for the node until a session is open, then <em>open</em> until the session is lost, and so on;
 * after a {@link Ops.Close} it lets what is under way end, then closes the session and stops. What it answers, it answers
 * by {@link Completions}, never in its own thread.
 */
final class ClientSession extends AbstractBehavior<Message> implements Requests {
    /** What it is told. */
    sealed interface Message permits Wake, Tick, Event, SessionGone, EntryChanged {}

    /** Something is in the link's queue. */
    enum Wake implements Message {
        INSTANCE
    }

    /** Something is due. */
    enum Tick implements Message {
        INSTANCE
    }

    /** The node says something. */
    private record Event(SessionEvent event) implements Message {}

    /** The session's actor, which is in this actor system, has ended. */
    private record SessionGone(ActorRef<SessionCommand> session) implements Message {}

    /** The node is to be found elsewhere from now on. */
    record EntryChanged(ActorRef<NodeProtocol.Request> entry) implements Message {}

    /** Whoever started the session hears of these; called in the session's thread. */
    interface Listener {
        void connected(NodeLink link, ClientNotice.Connected notice);

        /** The node is not there; {@code unkeyed} may be sent to another. */
        void notice(ClientNotice notice);

        /** It will not open a session, whoever asks again. */
        void refused(Refusal refusal);

        /** Whether another node could take Sends that need no order; then {@link #reroute} gets them. */
        boolean isRerouting(NodeLink link);

        void reroute(NodeLink from, Ops.Send op);
    }

    /**
     * Where the node is.
     *
     * @param entry reaches its entry actor
     * @param tried the address, for people
     * @param advice what to check if there is no answer
     */
    record Place(Consumer<NodeProtocol.Request> entry, String tried, String advice) {
        /** For an entry actor whose reference is known. */
        static Place of(ActorRef<NodeProtocol.Request> entry, ActorSystem<?> system, String advice) {
            return WireFrames.isRemote(entry)
                    ? of(
                            entry.path().toStringWithoutAddress(),
                            entry.path().address().toString(),
                            system,
                            advice)
                    : new Place(entry::tell, entry.path().toString(), advice);
        }

        /**
         * For an entry actor in another actor system. It goes by selection: a reference of a node that was stopped stays
         * quarantined, and a selection is the one thing that Akka still sends there; so it finds the node's next life.
         */
        static Place of(String path, String address, ActorSystem<?> system, String advice) {
            ActorSelection selection = Adapter.toClassic(system).actorSelection(address + path);
            return new Place(
                    request -> selection.tell(request, akka.actor.ActorRef.noSender()), address + path, advice);
        }
    }

    /** How often what waits is looked through for what waited too long. */
    private static final long SWEEP_MILLIS = 500;
    /** When to repeat what was refused for now without a time. */
    private static final long RETRY_MILLIS = 100;
    /** Operations taken before other messages get their turn. */
    private static final int DRAIN_COUNT = 4096;
    /** Held against until a node has told its own. */
    private static final SessionLimits LIMITS_UNKNOWN = new SessionLimits(
            WireFrames.FRAME_BYTES_MIN, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, WireFrames.FRAME_BYTES_MIN, 0, 0, 1000, 10_000);

    private final TimerScheduler<Message> timers;
    private final ClientSettings settings;
    private final ClientEnvironment environment;
    private final NodeLink link;
    private final Listener listener;
    private final Consumer<Runnable> completions;
    private final Consumer<Long> pendingBytesReleased;
    private final ActorRef<SessionEvent> self;
    private final long sessionId;
    private final int ownFrameBytes;

    private Place place;
    private ActorRef<SessionCommand> session;
    private boolean isRemote;
    private SessionLimits limits = LIMITS_UNKNOWN;
    private String nodeName = "";
    private WireCutter<SessionCommand> cutter;
    private WireJoiner<SessionEvent> joiner;

    private long retryAtMillis;
    private long retryMillis;
    private long searchedSinceMillis;
    private boolean isNoAnswerTold;
    private boolean isRerouted;
    private final SignsOfLife signsOfLife = new SignsOfLife();
    /** When the last chunk was acknowledged, or nothing waited for that. */
    private long cutterMovedMillis;

    private long sweepAtMillis;
    private long wakeAtMillis = Long.MAX_VALUE;
    private long timerAtMillis = Long.MAX_VALUE;

    private long lastRequestId;
    private long lastSendNumber;
    private final TreeMap<Long, InFlight> inFlight = new TreeMap<>();
    private long bytesInFlight;
    /** Whether someone was told to wait for room. */
    private boolean isStarved;

    private final Map<String, SendLane> sendLanes = new HashMap<>();
    private final Map<Ops.SettleKey, SettleLane> settleLanes = new HashMap<>();
    private SendLane lastSendLane;
    private String lastTopic;
    private SettleLane lastSettleLane;
    private final ArrayDeque<SendLane> sendsToPump = new ArrayDeque<>();
    private final ArrayDeque<SettleLane> settlesToPump = new ArrayDeque<>();
    private final PopLane pops = new PopLane(this);
    private final Map<Integer, SubscriptionLane> subscriptions = new HashMap<>();
    private final ArrayDeque<SubscriptionLane> subscriptionsToPump = new ArrayDeque<>();
    private int lastSubscriptionId;
    private final ArrayDeque<Ops.Admin> admins = new ArrayDeque<>();
    private final HeldDeliveries held;

    private Ops.Close closing;
    private long closeAtMillis;
    private boolean isCloseSent;

    /**
     * @param completions runs what completes stages
     * @param pendingBytesReleased told what has been answered; any thread
     */
    static Behavior<Message> create(
            Place place,
            ClientSettings settings,
            ClientEnvironment environment,
            NodeLink link,
            Listener listener,
            Consumer<Runnable> completions,
            Consumer<Long> pendingBytesReleased) {
        return Behaviors.setup(context -> Behaviors.withTimers(timers -> new ClientSession(
                context, timers, place, settings, environment, link, listener, completions, pendingBytesReleased)));
    }

    private ClientSession(
            ActorContext<Message> context,
            TimerScheduler<Message> timers,
            Place place,
            ClientSettings settings,
            ClientEnvironment environment,
            NodeLink link,
            Listener listener,
            Consumer<Runnable> completions,
            Consumer<Long> pendingBytesReleased) {
        super(context);
        this.timers = timers;
        this.place = place;
        this.settings = settings;
        this.environment = environment;
        this.link = link;
        this.listener = listener;
        this.completions = completions;
        this.pendingBytesReleased = pendingBytesReleased;
        this.self = context.messageAdapter(SessionEvent.class, Event::new);
        this.sessionId = environment.sessionId();
        this.ownFrameBytes = WireFrames.frameBytesOf(context.getSystem());
        this.held = new HeldDeliveries(settings.maxHold().toMillis());
        long now = now();
        sweepAtMillis = now + SWEEP_MILLIS;
        look(now);
        link.attach(context.getSelf());
    }

    @Override
    public Receive<Message> createReceive() {
        return newReceiveBuilder()
                .onMessage(Event.class, message -> after(onEvent(message.event)))
                .onMessageEquals(Wake.INSTANCE, () -> after(onWake()))
                .onMessageEquals(Tick.INSTANCE, () -> after(onTick()))
                .onMessage(SessionGone.class, message -> after(onSessionGone(message)))
                .onMessage(EntryChanged.class, message -> after(onEntryChanged(message)))
                .onSignal(PostStop.class, signal -> onPostStop())
                .build();
    }

    /** What follows every message: sends what has become possible, ends if that was all, sets the timer. */
    private Behavior<Message> after(boolean isOpen) {
        if (!isOpen) {
            return Behaviors.stopped();
        }
        long now = now();
        pump(now);
        if (closing != null && !advanceClose(now)) {
            return Behaviors.stopped();
        }
        setTimer(now);
        return this;
    }

    private long now() {
        return environment.monotonicMillis().getAsLong();
    }

    // ---------------------------------------------------------------- looking for the node

    private void look(long now) {
        session = null;
        searchedSinceMillis = now;
        isNoAnswerTold = false;
        isRerouted = false;
        retryMillis = settings.retryMin().toMillis();
        open(now);
    }

    private void open(long now) {
        place.entry()
                .accept(new NodeProtocol.OpenSession(
                        NodeProtocol.VERSION, sessionId, settings.name(), ownFrameBytes, self));
        retryAtMillis = now + retryMillis;
        retryMillis = Math.min(settings.retryMax().toMillis(), retryMillis * 2);
    }

    private void onOpened(SessionEvent.Opened opened) {
        if (opened.sessionId() != sessionId) {
            return;
        }
        long now = now();
        boolean isAgain = !nodeName.isEmpty();
        boolean wasOpen = session != null;
        if (wasOpen && !isRemote) {
            getContext().unwatch(session);
        }
        session = opened.session();
        limits = opened.limits();
        isRemote = WireFrames.isRemote(session);
        if (!isRemote) {
            getContext().watchWith(session, new SessionGone(session));
        }
        nodeName = opened.nodeName();
        int frameBytes = Math.min(ownFrameBytes, limits.frameBytes());
        if (cutter == null) {
            cutter = WireCutter.ofCommands(frameBytes, limits.chunkBytesInFlightMax());
            joiner = new WireJoiner<>(SessionEvent.class, joinedBytesMax());
        } else {
            cutter.reset(frameBytes, limits.chunkBytesInFlightMax());
            joiner.reset();
        }
        signsOfLife.opened(limits, !isRemote, now);
        link.setPeer(new NodeLink.Peer(nodeName, ReceiptHandle.nodeIdOf(nodeName), true));
        if (!wasOpen) {
            getContext().getLog().debug("session with node {} is open, resumed: {}", nodeName, opened.isResumed());
            listener.connected(link, new ClientNotice.Connected(nodeName, place.tried(), isAgain));
        }
        isCloseSent = false;
        repeatUnanswered(now);
        List.copyOf(subscriptions.values()).forEach(lane -> lane.onOpened(now));
        listAll();
    }

    /** An answer is as large as a pop may ask for, or one body, with fields; it grows only as it is received. */
    private int joinedBytesMax() {
        long bytes = 2L * limits.popBytesMax() + 2L * limits.bodyBytesMax() + 65536L * limits.popCountMax();
        return (int) Math.min(1 << 30, Math.max(64 << 20, bytes));
    }

    /** In their first order, with their first ids. */
    private void repeatUnanswered(long now) {
        for (SendLane lane : sendLanes.values()) {
            for (InFlight behind : lane.takeBehindRefused()) {
                inFlight.remove(behind.requestId);
                forget(behind);
            }
        }
        List<InFlight> unanswered = List.copyOf(inFlight.values()); // what fails may start another one
        for (InFlight request : unanswered) {
            if (request.isPointless()) {
                drop(request);
                request.failed(Refusal.of(Refusal.Code.NO_NODE, "the node was lost"));
            } else if (request.goesFirst()) {
                request.repeated();
                transmit(request, now);
            }
        }
        for (InFlight request : unanswered) {
            if (!request.goesFirst() && inFlight.containsKey(request.requestId)) {
                request.repeated();
                transmit(request, now);
            }
        }
    }

    private void onOpenRefused(SessionEvent.OpenRefused refused) {
        if (refused.sessionId() != sessionId || session != null) {
            return;
        }
        long now = now();
        Refusal refusal = refused.refusal();
        completions.accept(() -> listener.notice(new ClientNotice.Refused(place.tried(), refusal.text())));
        retryAtMillis = now + Math.max(refusal.retryAfterMillis(), retryMillis);
        if (!refusal.isTransient() && refusal.code() != Refusal.Code.LIMIT) {
            listener.refused(refusal);
            failAll(refusal);
        }
    }

    private void lose(String reason) {
        if (session == null) {
            return;
        }
        if (!isRemote) {
            getContext().unwatch(session);
        }
        getContext().getLog().debug("session with node {} is lost: {}", nodeName, reason);
        link.setPeer(new NodeLink.Peer(nodeName, ReceiptHandle.nodeIdOf(nodeName), false));
        ClientNotice notice = new ClientNotice.Lost(nodeName, reason);
        completions.accept(() -> listener.notice(notice));
        look(now());
        List.copyOf(subscriptions.values()).forEach(SubscriptionLane::onLost);
    }

    private boolean onSessionGone(SessionGone gone) {
        if (gone.session().equals(session)) {
            lose("its session has ended");
        }
        return true;
    }

    private boolean onEntryChanged(EntryChanged changed) {
        place = Place.of(changed.entry(), getContext().getSystem(), place.advice());
        if (session == null) {
            look(now());
        }
        return true;
    }

    // ---------------------------------------------------------------- what the node says

    private boolean onEvent(SessionEvent event) {
        long now = now();
        if (event instanceof SessionEvent.SessionUnknown unknown) {
            return onSessionUnknown(unknown);
        }
        signsOfLife.heard(now);
        if (event instanceof SessionEvent.Reply reply) {
            onReply(reply, now);
        } else if (event instanceof SessionEvent.Opened opened) {
            onOpened(opened);
        } else if (event instanceof SessionEvent.OpenRefused refused) {
            onOpenRefused(refused);
        } else if (event instanceof SessionEvent.SessionClosed closed) {
            return onSessionClosed(closed);
        } else if (event instanceof Chunk chunk) {
            return onChunk(chunk);
        } else if (event instanceof ChunkAck ack) {
            if (session != null) {
                cutterMovedMillis = now;
                cutter.acked(ack, session::tell);
                listAll();
            }
        } else if (event instanceof SessionEvent.Pushed pushed) {
            onPushed(pushed, now);
        } else if (event instanceof SessionEvent.SubscriptionMode changed) {
            SubscriptionLane lane = subscriptions.get(changed.subscriptionId());
            if (lane != null) {
                lane.onMode(changed.mode(), now);
            }
        } else if (event instanceof SessionEvent.SubscriptionEnded ended) {
            SubscriptionLane lane = subscriptions.get(ended.subscriptionId());
            if (lane != null) {
                lane.onEnded(ended.refusal(), now);
            }
        } else if (!(event instanceof SessionEvent.Heartbeat)) {
            throw new AssertionError(event);
        }
        return true;
    }

    private void onPushed(SessionEvent.Pushed pushed, long now) {
        SubscriptionLane lane = subscriptions.get(pushed.subscriptionId());
        if (lane != null && !lane.isEnded()) {
            lane.onPushed(pushed, now);
        } else {
            giveBack(pushed.deliveries(), now);
        }
    }

    private void onReply(SessionEvent.Reply reply, long now) {
        InFlight request = inFlight.remove(reply.requestId());
        if (request != null) { // else: the answer to a copy, after the first one's
            forget(request);
            request.answered(reply, now);
        }
    }

    private boolean onSessionClosed(SessionEvent.SessionClosed closed) {
        if (closed.sessionId() != sessionId) {
            return true;
        }
        if (isCloseSent) {
            return false;
        }
        lose(closed.reason().text());
        return true;
    }

    private boolean onSessionUnknown(SessionEvent.SessionUnknown unknown) {
        if (session == null || unknown.sessionId() != sessionId || !signsOfLife.hasAsked(unknown.number())) {
            return true;
        }
        if (isCloseSent) {
            return false;
        }
        lose("the node does not know the session any more");
        return true;
    }

    private boolean onChunk(Chunk chunk) {
        if (session == null) {
            return true;
        }
        session.tell(new ChunkAck(chunk.streamId(), chunk.index()));
        try {
            SessionEvent joined = joiner.accept(chunk);
            return joined == null || onEvent(joined);
        } catch (MalformedWireException malformed) {
            lose(malformed.getMessage());
            return true;
        }
    }

    // ---------------------------------------------------------------- what the application wants

    private boolean onWake() {
        long now = now();
        link.drain(op -> take(op, now), DRAIN_COUNT);
        return true;
    }

    private void take(Op<?> op, long now) {
        if (op instanceof Ops.Send send) {
            take(send, now);
        } else if (op instanceof Ops.Settle<?> settle) {
            settle.deadlineMillis = now + settings.ackTimeout().toMillis();
            if (settle.key.kind() == Ops.SettleKind.EXTEND) {
                held.leaveAlone(settle.handle, now);
            } else {
                held.remove(settle.handle);
            }
            add(settle);
        } else if (op instanceof Ops.Pop pop) {
            startPop(pop, now);
        } else if (op instanceof Ops.Admin admin) {
            admin.deadlineMillis = now + settings.adminTimeout().toMillis();
            admins.add(admin);
        } else if (op instanceof Ops.Cancel cancel) {
            pops.cancel(cancel.pop);
            completions.accept(() -> cancel.complete(Done.done()));
        } else if (op instanceof Ops.Release release) {
            release(release, now);
        } else if (op instanceof Ops.Subscribe subscribe) {
            subscribe(subscribe.subscription, now);
        } else if (op instanceof Ops.Demand demand) {
            if (demand.subscription.lane != null) {
                list(demand.subscription.lane);
            }
        } else if (op instanceof Ops.Unsubscribe unsubscribe) {
            unsubscribe.subscription.lane.unsubscribe(unsubscribe, now);
        } else if (op instanceof Ops.Close close) {
            onClose(close, now);
        } else {
            throw new AssertionError(op);
        }
    }

    private void subscribe(NodeSubscription subscription, long now) {
        SubscriptionLane lane = new SubscriptionLane(++lastSubscriptionId, subscription, this);
        subscriptions.put(lane.id(), lane);
        if (closing != null) {
            lane.end(closedRefusal());
        } else if (lane.id() > SessionCommand.SUBSCRIPTION_ID_MAX) {
            lane.end(Refusal.of(
                    Refusal.Code.LIMIT,
                    "this client has made " + SessionCommand.SUBSCRIPTION_ID_MAX
                            + " subscriptions: make a new client"));
        } else if (session != null) {
            lane.onOpened(now);
        }
    }

    @Override
    public void startPop(Ops.Pop pop, long nowMillis) {
        pop.waitUntilMillis = nowMillis + pop.waitMillis;
        pop.deadlineMillis = pop.waitUntilMillis + settings.requestTimeout().toMillis();
        pops.add(pop);
    }

    @Override
    public void cancelPop(Ops.Pop pop) {
        pops.cancel(pop);
    }

    private void take(Ops.Send op, long now) {
        String topic = op.message.topic();
        SendLane lane = lastSendLane;
        if (lane == null || !topic.equals(lastTopic)) {
            lane = sendLanes.computeIfAbsent(topic, name -> new SendLane(name, settings, this));
            lastSendLane = lane;
            lastTopic = topic;
        }
        op.number = ++lastSendNumber;
        if (op.deadlineMillis == 0) { // else it comes from another node's session
            op.deadlineMillis = now + settings.sendTimeout().toMillis();
        }
        lane.add(op);
        list(lane);
    }

    private void add(Ops.Settle<?> op) {
        SettleLane lane = lastSettleLane;
        if (lane == null || !lane.key().equals(op.key)) {
            lane = settleLanes.computeIfAbsent(op.key, key -> new SettleLane(key, settings, this));
            lastSettleLane = lane;
        }
        lane.add(op);
        list(lane);
    }

    @Override
    public void list(SendLane lane) {
        if (!lane.isListed) {
            lane.isListed = true;
            sendsToPump.add(lane);
        }
    }

    @Override
    public void list(SettleLane lane) {
        if (!lane.isListed) {
            lane.isListed = true;
            settlesToPump.add(lane);
        }
    }

    @Override
    public void list(SubscriptionLane lane) {
        if (!lane.isListed) {
            lane.isListed = true;
            subscriptionsToPump.add(lane);
        }
    }

    /** Settling first: it makes room at the node and costs a redelivery if it is late. */
    private void pump(long now) {
        for (int i = subscriptionsToPump.size(); i > 0; i--) {
            SubscriptionLane lane = subscriptionsToPump.removeFirst();
            lane.isListed = false;
            lane.pump(now);
            if (lane.isEnded()) {
                subscriptions.remove(lane.id());
            }
        }
        if (session == null) {
            return;
        }
        for (int i = settlesToPump.size(); i > 0; i--) {
            SettleLane lane = settlesToPump.removeFirst();
            lane.isListed = false;
            lane.pump(now);
            if (lane.isIdle()) {
                settleLanes.remove(lane.key(), lane); // by now its key may have a newer one
                lastSettleLane = lastSettleLane == lane ? null : lastSettleLane;
            }
        }
        for (int i = sendsToPump.size(); i > 0; i--) {
            SendLane lane = sendsToPump.removeFirst();
            lane.isListed = false;
            lane.pump(now);
        }
        while (!admins.isEmpty() && mayStart(0)) {
            AdminRequest request = new AdminRequest(nextRequestId(), admins.removeFirst());
            start(request, now);
        }
        pops.pump(now);
    }

    // ---------------------------------------------------------------- requests

    @Override
    public long nextRequestId() {
        return ++lastRequestId;
    }

    @Override
    public boolean mayStart(int bytes) {
        boolean mayStart = session != null
                && inFlight.size() < limits.requestsInFlightMax()
                && (bytes == 0
                        || bytesInFlight == 0
                        || (bytesInFlight + bytes <= limits.bytesInFlightMax() && !cutter.isCongested()));
        isStarved |= !mayStart;
        return mayStart;
    }

    @Override
    public void start(InFlight request, long nowMillis) {
        inFlight.put(request.requestId, request);
        bytesInFlight += request.bytes();
        transmit(request, nowMillis);
    }

    private void transmit(InFlight request, long nowMillis) {
        request.resendAtMillis =
                nowMillis + request.patienceMillis(settings.requestTimeout().toMillis());
        tell(request.command());
    }

    private void forget(InFlight request) {
        bytesInFlight -= request.bytes();
        if (isStarved) {
            isStarved = false;
            listAll();
        }
    }

    private void listAll() {
        sendLanes.values().forEach(this::list);
        settleLanes.values().forEach(this::list);
        subscriptions.values().forEach(this::list);
    }

    @Override
    public void tell(SessionCommand command) {
        if (session == null) {
            return;
        }
        if (isRemote) {
            if (cutter.waitingBytes() == 0) {
                cutterMovedMillis = now();
            }
            cutter.offer(command, session::tell);
        } else {
            session.tell(command);
        }
    }

    @Override
    public SessionLimits limits() {
        return limits;
    }

    @Override
    public int frameBytesMax() {
        return isRemote
                ? Math.min(ownFrameBytes, limits.frameBytes()) - WireFrames.ENVELOPE_BYTES - 1024
                : Integer.MAX_VALUE;
    }

    @Override
    public long retryDelayMillis(Refusal refusal) {
        return refusal.retryAfterMillis() > 0 ? refusal.retryAfterMillis() : RETRY_MILLIS;
    }

    @Override
    public void drop(InFlight request) {
        if (inFlight.remove(request.requestId) != null) {
            forget(request);
        }
    }

    @Override
    public boolean isOpen() {
        return session != null;
    }

    @Override
    public long nowMillis() {
        return now();
    }

    @Override
    public void hold(List<Delivery> deliveries, Object owner, boolean extend, long nowMillis) {
        held.add(deliveries, owner, extend, nowMillis);
    }

    @Override
    public boolean isHeld(ReceiptHandle handle) {
        return held.contains(handle);
    }

    @Override
    public void notHeld(ReceiptHandle handle) {
        held.remove(handle);
    }

    @Override
    public void wakeAt(long atMillis) {
        wakeAtMillis = Math.min(wakeAtMillis, atMillis);
    }

    @Override
    public void complete(Runnable task) {
        completions.accept(task);
    }

    @Override
    public void released(long bytes) {
        if (bytes != 0) {
            pendingBytesReleased.accept(bytes);
        }
    }

    // ---------------------------------------------------------------- what goes back

    @Override
    public void giveBack(List<Delivery> deliveries, long now) {
        for (Delivery delivery : deliveries) {
            giveBack(delivery.group(), delivery.handle(), null, 0, now);
        }
    }

    private void giveBack(String group, ReceiptHandle handle, Ops.Many<Object> many, int index, long now) {
        Ops.Settle<Object> op =
                new Ops.Settle<>(new Ops.SettleKey(Ops.SettleKind.GIVE_BACK, group, null, 0, ""), handle, many, index);
        op.deadlineMillis = now + settings.ackTimeout().toMillis();
        add(op);
    }

    private void release(Ops.Release release, long now) {
        Map<String, List<ReceiptHandle>> owned = held.takeOwned(release.owner);
        int count = owned.values().stream().mapToInt(List::size).sum();
        if (count == 0) {
            completions.accept(() -> release.complete(Done.done()));
            return;
        }
        Ops.Many<Object> many = new Ops.Many<>(count);
        many.thenRun(() -> release.complete(Done.done()));
        int index = 0;
        for (Map.Entry<String, List<ReceiptHandle>> group : owned.entrySet()) {
            for (ReceiptHandle handle : group.getValue()) {
                giveBack(group.getKey(), handle, many, index++, now);
            }
        }
    }

    // ---------------------------------------------------------------- administration

    private final class AdminRequest extends InFlight {
        private final Ops.Admin admin;
        private final SessionCommand.Request command;

        AdminRequest(long requestId, Ops.Admin admin) {
            super(requestId, 0);
            this.admin = admin;
            this.command = admin.command.apply(requestId);
        }

        @Override
        SessionCommand.Request command() {
            return command;
        }

        @Override
        boolean isPointless() {
            return admin.isDecided;
        }

        @Override
        void answered(SessionEvent.Reply reply, long nowMillis) {
            if (reply instanceof SessionEvent.Refused refused) {
                failed(refused.refusal());
            } else if (!admin.isDecided) {
                admin.isDecided = true;
                completions.accept(() -> admin.complete(reply));
            }
        }

        @Override
        void failed(Refusal refusal) {
            fail(admin, refusal);
        }
    }

    private void fail(Ops.Admin admin, Refusal refusal) {
        if (!admin.isDecided) {
            admin.isDecided = true;
            completions.accept(() -> admin.completeExceptionally(refusal.toException()));
        }
    }

    // ---------------------------------------------------------------- time

    private boolean onTick() {
        timerAtMillis = Long.MAX_VALUE;
        wakeAtMillis = Long.MAX_VALUE;
        long now = now();
        if (session == null) {
            tickLooking(now);
        } else {
            tickOpen(now);
        }
        pops.wake(now);
        listAll();
        if (now >= sweepAtMillis) {
            sweep(now);
            sweepAtMillis = now + SWEEP_MILLIS;
        }
        return true;
    }

    private void tickLooking(long now) {
        if (now >= retryAtMillis) {
            open(now);
        }
        long waited = now - searchedSinceMillis;
        if (waited >= settings.noAnswerAfter().toMillis()) {
            if (!isNoAnswerTold) {
                isNoAnswerTold = true;
                ClientNotice notice = new ClientNotice.NoAnswer(place.tried(), waited, place.advice());
                completions.accept(() -> listener.notice(notice));
            }
            if (!isRerouted && listener.isRerouting(link)) {
                isRerouted = true;
                for (SendLane lane : sendLanes.values()) {
                    lane.takeUnkeyed(op -> {
                        op.isRefused = false;
                        listener.reroute(link, op);
                    });
                }
            }
        }
    }

    private void tickOpen(long now) {
        SignsOfLife.Verdict verdict = signsOfLife.look(now);
        if (verdict == SignsOfLife.Verdict.LOST) {
            lose("not heard of for " + signsOfLife.silentMillis(now) + " ms");
            return;
        }
        if (verdict == SignsOfLife.Verdict.ASK) {
            place.entry().accept(new NodeProtocol.FindSession(sessionId, signsOfLife.askNumber(), self));
        }
        if (isRemote && cutter.waitingBytes() > 0 && now - cutterMovedMillis >= limits.sessionTimeoutMillis()) {
            // Chunks or their acknowledgements were lost, and everything waits behind them: start anew.
            lose("chunks were not acknowledged for " + (now - cutterMovedMillis) + " ms");
            return;
        }
        long heartbeat = signsOfLife.takeHeartbeat(now);
        if (heartbeat > 0) {
            session.tell(new SessionCommand.Heartbeat(heartbeat));
        }
        if (held.nextDueMillis() <= now) {
            for (HeldDeliveries.Due due : held.takeDue(now)) {
                extend(due, now);
            }
        }
    }

    private void extend(HeldDeliveries.Due due, long now) {
        long millis = Math.max(due.millis(), limits.invisibleMillisMin());
        Ops.SettleKey key = new Ops.SettleKey(Ops.SettleKind.EXTEND, due.group(), null, millis, "");
        for (ReceiptHandle handle : due.handles()) {
            Ops.Settle<Object> op = new Ops.Settle<>(key, handle, null, 0);
            op.deadlineMillis = now + due.millis();
            add(op);
        }
    }

    /** Looks through everything that waits, every now and then. */
    private void sweep(long now) {
        Refusal reason = timedOut();
        sendLanes.values().forEach(lane -> lane.expire(now, reason));
        settleLanes.values().forEach(lane -> lane.expire(now, reason));
        if (session == null) {
            // While it is open the node answers them when their wait is over.
            pops.expire(now, reason, listener.isRerouting(link));
        }
        for (Iterator<Ops.Admin> each = admins.iterator(); each.hasNext(); ) {
            Ops.Admin admin = each.next();
            if (admin.deadlineMillis <= now) {
                each.remove();
                fail(admin, reason);
            }
        }
        sendLanes.values().removeIf(SendLane::isIdle);
        settleLanes.values().removeIf(SettleLane::isIdle);
        lastSendLane = null;
        lastSettleLane = null;
        List<InFlight> pointless = new ArrayList<>();
        for (InFlight request : inFlight.values()) {
            if (request instanceof AdminRequest admin && admin.admin.deadlineMillis <= now) {
                fail(admin.admin, reason);
            }
            if (session != null && request.resendAtMillis > now) {
                continue;
            }
            if (request.isPointless()) {
                pointless.add(request);
            } else if (session != null) {
                request.repeated();
                transmit(request, now);
            }
        }
        // Nobody waits for their answers, which are lost or seem so: they must neither take up room for ever, nor must
        // closing wait for them.
        for (InFlight request : pointless) {
            inFlight.remove(request.requestId);
            forget(request);
            request.failed(reason);
        }
    }

    private Refusal timedOut() {
        return session == null
                ? Refusal.of(Refusal.Code.NO_NODE, "no answer from " + place.tried() + ". " + place.advice())
                : Refusal.of(Refusal.Code.TIMED_OUT, "node " + nodeName + " did not answer in time");
    }

    private void setTimer(long now) {
        long next = Math.min(wakeAtMillis, sweepAtMillis);
        if (session == null) {
            next = Math.min(next, retryAtMillis);
            if (!isNoAnswerTold) {
                next = Math.min(
                        next, searchedSinceMillis + settings.noAnswerAfter().toMillis());
            }
        } else {
            if (isQuiet()) {
                next = wakeAtMillis;
            }
            next = Math.min(next, Math.min(signsOfLife.nextMillis(), held.nextDueMillis()));
        }
        if (closing != null) {
            next = Math.min(next, closeAtMillis);
        }
        if (next < timerAtMillis) {
            timerAtMillis = next;
            environment.alarm().set(timers, getContext().getSelf(), Math.max(1, next - now));
        }
    }

    /** Whether there is nothing to look through: then an idle client wakes up for its heartbeats only. */
    private boolean isQuiet() {
        return inFlight.isEmpty() && sendLanes.isEmpty() && settleLanes.isEmpty() && pops.isIdle() && admins.isEmpty();
    }

    // ---------------------------------------------------------------- the end

    private void onClose(Ops.Close close, long now) {
        if (closing != null) {
            closing.whenComplete((done, failure) -> close.complete(Done.done()));
            return;
        }
        closing = close;
        closeAtMillis = now + settings.closeTimeout().toMillis();
        pops.cancelAll();
        List.copyOf(subscriptions.values()).forEach(lane -> lane.end(closedRefusal()));
    }

    /** @return whether it goes on */
    private boolean advanceClose(long now) {
        boolean isDone = sendLanes.values().stream().allMatch(SendLane::isDone)
                && settleLanes.values().stream().allMatch(SettleLane::isIdle)
                && inFlight.values().stream().noneMatch(InFlight::isAwaitedAtTheEnd);
        if (isCloseSent) {
            return now < closeAtMillis;
        }
        if (!isDone && now < closeAtMillis) {
            return true;
        }
        if (session == null) {
            return false;
        }
        tell(closing.isDetach ? new SessionCommand.Detach() : new SessionCommand.Close());
        isCloseSent = true;
        closeAtMillis = now + settings.closeTimeout().toMillis();
        return true;
    }

    private void failAll(Refusal reason) {
        List<InFlight> all = new ArrayList<>(inFlight.values());
        inFlight.clear();
        bytesInFlight = 0;
        all.forEach(request -> request.failed(reason));
        sendLanes.values().forEach(lane -> lane.fail(reason));
        settleLanes.values().forEach(lane -> lane.fail(reason));
        pops.fail(reason);
        List.copyOf(subscriptions.values()).forEach(lane -> lane.end(reason));
        admins.forEach(admin -> fail(admin, reason));
        admins.clear();
    }

    /** However it ended: nobody is left waiting. */
    private Behavior<Message> onPostStop() {
        Refusal reason = closing != null
                ? closedRefusal()
                : Refusal.of(Refusal.Code.SHUTTING_DOWN, "the client's session has ended with its actor system");
        failAll(reason);
        link.stop(reason);
        if (closing != null) {
            Ops.Close close = closing;
            completions.accept(() -> close.complete(Done.done()));
        }
        return this;
    }

    private static Refusal closedRefusal() {
        return Refusal.of(Refusal.Code.CLOSED, "the client has been closed");
    }
}
