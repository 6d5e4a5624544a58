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
import io.forebay.protocol.wire.WireFrames;
import java.util.List;
import java.util.Map;
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

    private final TimerScheduler<Message> timers;
    private final ClientSettings settings;
    private final ClientEnvironment environment;
    private final NodeLink link;
    private final Listener listener;
    private final Consumer<Runnable> completions;
    private final Consumer<Long> pendingBytesReleased;
    private final ActorRef<SessionEvent> self;
    private final long sessionId;

    private Place place;
    private String nodeName = "";
    private final NodeLine line;
    private final NodeSearch search;
    private final SignsOfLife signsOfLife = new SignsOfLife();

    private long sweepAtMillis;
    private long wakeAtMillis = Long.MAX_VALUE;
    private long timerAtMillis = Long.MAX_VALUE;

    private long lastSendNumber;
    private int lastSubscriptionId;
    private final UnansweredRequests unanswered;
    private final SendLanes sends;
    private final Lanes<Ops.SettleKey, SettleLane> settles = new Lanes<>(true);
    private final Lanes<Integer, SubscriptionLane> subscriptions = new Lanes<>(true);
    private final PopLane pops = new PopLane(this);
    private final AdminLane admins = new AdminLane(this);
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
        this.line = new NodeLine(WireFrames.frameBytesOf(context.getSystem()));
        this.search = new NodeSearch(settings);
        this.unanswered = new UnansweredRequests(line, settings.requestTimeout().toMillis(), this::listAll);
        this.held = new HeldDeliveries(settings.maxHold().toMillis());
        this.sends = new SendLanes((topic, isKeyed) -> new SendLane(topic, isKeyed, settings, this));
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
        line.close();
        search.begin(now);
        open(now);
    }

    private void open(long now) {
        place.entry()
                .accept(new NodeProtocol.OpenSession(
                        NodeProtocol.VERSION, sessionId, settings.name(), line.ownFrameBytes(), self));
        search.asked(now);
    }

    private void onOpened(SessionEvent.Opened opened) {
        if (opened.sessionId() != sessionId) {
            return;
        }
        if (opened.session().equals(line.session())) {
            // It was asked for more than once, and was open with the first answer. Nothing is lost, so nothing is
            // repeated.
            return;
        }
        long now = now();
        boolean isAgain = !nodeName.isEmpty();
        boolean wasOpen = line.isOpen();
        if (wasOpen && !line.isRemote()) {
            getContext().unwatch(line.session());
        }
        line.open(opened.session(), opened.limits());
        if (!line.isRemote()) {
            getContext().watchWith(opened.session(), new SessionGone(opened.session()));
        }
        nodeName = opened.nodeName();
        signsOfLife.opened(line.limits(), !line.isRemote(), now);
        link.setPeer(new NodeLink.Peer(nodeName, ReceiptHandle.nodeIdOf(nodeName), true));
        if (!wasOpen) {
            getContext().getLog().debug("session with node {} is open, resumed: {}", nodeName, opened.isResumed());
            listener.connected(link, new ClientNotice.Connected(nodeName, place.tried(), isAgain));
        }
        isCloseSent = false;
        if (opened.isResumed()) {
            line.tellAtOnce(new SessionCommand.BeginAnew());
        }
        sends.forEach(SendLane::takeBackUnderWay);
        unanswered.repeatAll(now);
        List.copyOf(subscriptions.all()).forEach(lane -> lane.onOpened(now));
        listAll();
    }

    private void onOpenRefused(SessionEvent.OpenRefused refused) {
        if (refused.sessionId() != sessionId || line.isOpen()) {
            return;
        }
        long now = now();
        Refusal refusal = refused.refusal();
        completions.accept(() -> listener.notice(new ClientNotice.Refused(place.tried(), refusal.text())));
        search.refused(now, refusal.retryAfterMillis());
        if (!refusal.isTransient() && refusal.code() != Refusal.Code.LIMIT) {
            listener.refused(refusal);
            failAll(refusal);
        }
    }

    private void lose(String reason) {
        if (!line.isOpen()) {
            return;
        }
        if (!line.isRemote()) {
            getContext().unwatch(line.session());
        }
        getContext().getLog().debug("session with node {} is lost: {}", nodeName, reason);
        link.setPeer(new NodeLink.Peer(nodeName, ReceiptHandle.nodeIdOf(nodeName), false));
        ClientNotice notice = new ClientNotice.Lost(nodeName, reason);
        completions.accept(() -> listener.notice(notice));
        look(now());
        List.copyOf(subscriptions.all()).forEach(SubscriptionLane::onLost);
    }

    private boolean onSessionGone(SessionGone gone) {
        if (gone.session().equals(line.session())) {
            lose("its session has ended");
        }
        return true;
    }

    private boolean onEntryChanged(EntryChanged changed) {
        place = Place.of(changed.entry(), getContext().getSystem(), place.advice());
        if (!line.isOpen()) {
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
            unanswered.answered(reply, now);
        } else if (event instanceof SessionEvent.Opened opened) {
            onOpened(opened);
        } else if (event instanceof SessionEvent.OpenRefused refused) {
            onOpenRefused(refused);
        } else if (event instanceof SessionEvent.SessionClosed closed) {
            return onSessionClosed(closed);
        } else if (event instanceof Chunk chunk) {
            return onChunk(chunk);
        } else if (event instanceof ChunkAck ack) {
            if (line.isOpen()) {
                line.acked(ack, now);
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
        if (!line.isOpen() || unknown.sessionId() != sessionId || !signsOfLife.hasAsked(unknown.number())) {
            return true;
        }
        if (isCloseSent) {
            return false;
        }
        lose("the node does not know the session any more");
        return true;
    }

    private boolean onChunk(Chunk chunk) {
        try {
            SessionEvent joined = line.join(chunk);
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
                demand.subscription.lane.list();
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
        subscriptions.add(lane.id(), lane);
        if (closing != null) {
            lane.end(Nodes.closedRefusal());
        } else if (lane.id() > SessionCommand.SUBSCRIPTION_ID_MAX) {
            lane.end(Refusal.of(
                    Refusal.Code.LIMIT,
                    "this client has made " + SessionCommand.SUBSCRIPTION_ID_MAX
                            + " subscriptions: make a new client"));
        } else if (line.isOpen()) {
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
        op.number = ++lastSendNumber;
        if (op.deadlineMillis == 0) { // else it comes from another node's session
            op.deadlineMillis = now + settings.sendTimeout().toMillis();
        }
        SendLane lane = sends.of(op.message);
        lane.add(op);
        lane.list();
    }

    private void add(Ops.Settle<?> op) {
        SettleLane lane = settles.of(op.key, key -> new SettleLane(key, settings, this));
        lane.add(op);
        lane.list();
    }

    /** Settling first: it makes room at the node and costs a redelivery if it is late. */
    private void pump(long now) {
        subscriptions.pump(now);
        if (line.isOpen()) {
            settles.pump(now);
            sends.pump(now);
            admins.pump(now);
            pops.pump(now);
        }
    }

    private void listAll() {
        sends.listAll();
        settles.listAll();
        subscriptions.listAll();
    }

    // ---------------------------------------------------------------- requests

    @Override
    public long nextRequestId() {
        return unanswered.nextId();
    }

    @Override
    public boolean mayStart(int bytes) {
        return unanswered.mayStart(bytes);
    }

    @Override
    public void start(InFlight request, long nowMillis) {
        unanswered.start(request, nowMillis);
    }

    @Override
    public void drop(InFlight request) {
        unanswered.drop(request);
    }

    @Override
    public void tell(SessionCommand command) {
        line.tell(command, now());
    }

    @Override
    public SessionLimits limits() {
        return line.limits();
    }

    @Override
    public int frameBytesMax() {
        return line.frameBytesMax();
    }

    @Override
    public boolean isOpen() {
        return line.isOpen();
    }

    @Override
    public long retryDelayMillis(Refusal refusal) {
        return refusal.retryAfterMillis() > 0 ? refusal.retryAfterMillis() : RETRY_MILLIS;
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
    public void unserved(PopRequest request, Refusal refusal) {
        ClientNotice notice = new ClientNotice.Unserved(nodeName, request.topic(), request.group(), refusal.text());
        completions.accept(() -> listener.notice(notice));
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

    // ---------------------------------------------------------------- time

    private boolean onTick() {
        timerAtMillis = Long.MAX_VALUE;
        wakeAtMillis = Long.MAX_VALUE;
        long now = now();
        if (!line.isOpen()) {
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
        if (search.isToBeAsked(now)) {
            open(now);
        }
        if (!search.isWithoutAnswer(now)) {
            return;
        }
        if (search.takeNoAnswer()) {
            ClientNotice notice = new ClientNotice.NoAnswer(place.tried(), search.soughtMillis(now), place.advice());
            completions.accept(() -> listener.notice(notice));
        }
        if (!search.isRerouted() && listener.isRerouting(link)) {
            search.rerouted();
            sends.forEachUnkeyed(lane -> lane.takeAll(op -> listener.reroute(link, op)));
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
        if (line.stuckMillis(now) >= line.limits().sessionTimeoutMillis()) {
            // Chunks or their acknowledgements were lost, and everything waits behind them: start anew.
            lose("chunks were not acknowledged for " + line.stuckMillis(now) + " ms");
            return;
        }
        long heartbeat = signsOfLife.takeHeartbeat(now);
        if (heartbeat > 0) {
            line.tellAtOnce(new SessionCommand.Heartbeat(heartbeat));
        }
        if (held.nextDueMillis() <= now) {
            for (HeldDeliveries.Due due : held.takeDue(now)) {
                extend(due, now);
            }
        }
    }

    private void extend(HeldDeliveries.Due due, long now) {
        long millis = Math.max(due.millis(), limits().invisibleMillisMin());
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
        sends.forEach(lane -> lane.expire(now, reason));
        settles.all().forEach(lane -> lane.expire(now, reason));
        if (!line.isOpen()) {
            // While it is open the node answers them when their wait is over.
            pops.expire(now, reason, listener.isRerouting(link));
        }
        admins.expire(now, reason);
        sends.removeIdle();
        settles.removeIdle();
        unanswered.repeatLate(now, reason);
    }

    private Refusal timedOut() {
        return !line.isOpen()
                ? Refusal.of(Refusal.Code.NO_NODE, "no answer from " + place.tried() + ". " + place.advice())
                : Refusal.of(Refusal.Code.TIMED_OUT, "node " + nodeName + " did not answer in time");
    }

    private void setTimer(long now) {
        long next = Math.min(wakeAtMillis, sweepAtMillis);
        if (!line.isOpen()) {
            next = Math.min(next, search.nextMillis());
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
        return unanswered.isEmpty() && sends.isEmpty() && settles.isEmpty() && pops.isIdle() && admins.isIdle();
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
        List.copyOf(subscriptions.all()).forEach(lane -> lane.end(Nodes.closedRefusal()));
    }

    /** @return whether it goes on */
    private boolean advanceClose(long now) {
        boolean isDone = sends.allMatch(SendLane::isDone)
                && settles.all().stream().allMatch(SettleLane::isIdle)
                && !unanswered.isAnyAwaitedAtTheEnd();
        if (isCloseSent) {
            return now < closeAtMillis;
        }
        if (!isDone && now < closeAtMillis) {
            return true;
        }
        if (!line.isOpen()) {
            return false;
        }
        tell(closing.isDetach ? new SessionCommand.Detach() : new SessionCommand.Close());
        isCloseSent = true;
        closeAtMillis = now + settings.closeTimeout().toMillis();
        return true;
    }

    private void failAll(Refusal reason) {
        unanswered.failAll(reason);
        sends.forEach(lane -> lane.fail(reason));
        settles.all().forEach(lane -> lane.fail(reason));
        pops.fail(reason);
        List.copyOf(subscriptions.all()).forEach(lane -> lane.end(reason));
        admins.fail(reason);
    }

    /** However it ended: nobody is left waiting. */
    private Behavior<Message> onPostStop() {
        Refusal reason = closing != null
                ? Nodes.closedRefusal()
                : Refusal.of(Refusal.Code.SHUTTING_DOWN, "the client's session has ended with its actor system");
        failAll(reason);
        link.stop(reason);
        if (closing != null) {
            Ops.Close close = closing;
            completions.accept(() -> close.complete(Done.done()));
        }
        return this;
    }
}
