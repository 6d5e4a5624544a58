package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.ActorPath;
import akka.actor.ActorRefWithCell;
import akka.actor.Address;
import akka.actor.ExtendedActorSystem;
import akka.actor.FunctionRef;
import akka.actor.RootActorPath;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Behavior;
import akka.actor.typed.Props;
import akka.actor.typed.javadsl.Adapter;
import akka.actor.typed.javadsl.Behaviors;
import io.forebay.config.SessionSettings;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackOutcome;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.Message;
import io.forebay.protocol.Names;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.protocol.SubscriptionProgress;
import io.forebay.protocol.wire.WireFrames;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import io.forebay.testkit.check.Fact;
import io.forebay.testkit.check.Journal;
import io.forebay.watch.NodeHealth;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import scala.runtime.BoxedUnit;

/**
 * A flood: clients that keep to no rule, in the sessions of a node on virtual time. They come and go as other faults do, and ask for
 * many times what the node may hold. After everything that the node does it must hold, in a flood or not:
 *
 * <ul>
 *   <li>each stripe has at most {@code max-unflushed} bytes reserved or unflushed, and {@link #DECIDED_BYTES_MAX} of what is never
 *       refused; all sessions together hold at most {@code node-bytes-max}, one answer that was begun before, and refusals that nobody
 *       takes; as many Pops wait as may; none of them is ever less than nothing;
 *   <li>as many sessions, topics, groups, subscriptions and messages in flight are there as may be; nobody is sent more than he has given
 *       credit for; what a session has to do is bounded;
 *   <li>what is refused is refused with a reason that fits, and with a time if it may be repeated; what is larger than may be is never
 *       taken, and nobody settles anything with a handle that was not given to him;
 *   <li>who acks is refused for want of room only when there is none at all, however long Sends are;
 *   <li>the node says how it is.
 * </ul>
 *
 * What they are told to be stored goes into the journal like everybody's, and so does what they take from the groups of others. Confined
 * to its world.
 */
final class Flood {
    /** Only the flood's: what is in there the node may let go of. */
    private static final String BAIT = "bait";

    private static final String DEAF = "deaf";
    /** Is pushed to. */
    private static final String IDLERS = "idlers";

    /** More than may be in flight, for ever. */
    static final String TREASURE = "treasure";

    private static final int TREASURE_COUNT = 120;
    private static final String HOARDERS = "hoarders";
    private static final String EMPTY = "empty";
    private static final List<String> WAITERS = List.of("waiters", "loiterers", "loafers");
    static final String MADE_PREFIX = "made-in-a-flood-";

    /** What a test that has floods needs: small limits, so that many times as much is a few hundred requests. */
    static final String SETTINGS = """
        forebay {
          store.max-unflushed = 256 KiB
          queue.batch-messages-max = 32
          group { waiting-pops-max = 30, in-flight-max = 40, pop-messages-max = 40 }
          topic { queues-max = 4, topics-max = 11, groups-max = 13, subscriptions-max = 15 }
          session { heartbeat-interval = 1 s, timeout = 4 s, sessions-max = 24, requests-max = 32, send-bytes-max = 128 KiB,
            chunk-bytes-max = 64 KiB, subscriptions-max = 3, credits-max = 100, push-bytes-max = 64 KiB, node-bytes-max = 384 KiB,
            node-pops-max = 75, mailbox-capacity = 128 }
        }
        """;

    private static final int BODY_MAX = 16 << 10;
    private static final int BATCH_COUNT_MAX = 32;
    /** What fits a frame goes whole, and at least one frame is always allowed: so they are small. */
    private static final int FRAME_BYTES = WireFrames.FRAME_BYTES_MIN;

    /** What is decided is never refused: snapshots, expiries, and the memory of frames beyond their bytes. */
    private static final long DECIDED_BYTES_MAX = 32 << 10;
    /** One of a few numbers and a sentence. */
    private static final int SMALL_ANSWER_BYTES = 300;

    /** An ack of a few messages needs less. */
    private static final long ACK_BYTES_MAX = 1 << 10;
    /** What a session may be told by others than its client. */
    private static final int TOLD_MAX = 32;

    /** Of a disk that is slower than those who send, see {@link SteppedNode#slowForces}. */
    private static final int SLOW_TIMES = 200;

    private static final int CREDITS = 12;
    /** Three heartbeats after a push of which the client says nothing the node takes it for lost, and others may have its credit. */
    private static final long AWAITED_NANOS = 2_000_000_000;

    private static final int PUSH_BYTES = 8 << 10;
    private static final long HOARD_MILLIS = 3_000;
    /** Further on than any message. */
    private static final long NEVER_GIVEN = 1_000_000;

    private static final int HOARD_MAX = 40;
    private static final long MINUTE = 60_000;
    private static final Address FAR = new Address("akka", "far", "192.0.2.1", 25520);
    private static final Pattern SEND_REFUSED = Pattern.compile("stripe (\\d+): \\d+ bytes are not flushed, SEND");
    private static final Pattern ACK_REFUSED =
            Pattern.compile("stripe \\d+: (\\d+) bytes are not flushed, ACK may add up to (\\d+)");

    /** What they do. */
    enum Kind {
        /** Send as much as there may be, and more, and do not wait for an answer, nor repeat anything in order. */
        GIANTS(3, 70),
        /** Ask on and on from far away, and take none of the answers. */
        DEAF(3, 70),
        /** Begin to send what they never end. */
        UNFINISHED(2, 50),
        /** Wait for what never comes. */
        WAITERS(3, 30),
        /** Take whatever they get, and neither ack nor return it. */
        HOARDERS(2, 30),
        /** The same, with messages and groups of others. */
        THIEVES(1, 30),
        /** Settle what was not given to them. */
        FORGERS(1, 40),
        /** Subscribe to more than they may, and never say what they have got. */
        SUBSCRIBERS(2, 40),
        /** Make up names. */
        CREATORS(1, 70),
        /** Say more at once than fits their mailbox. */
        SHOUTERS(1, 30),
        /** Open one session after the other. */
        OPENERS(30, 30);

        private final int count;
        /** Of the steps of a world in which one does something. */
        private final int percent;

        Kind(int count, int percent) {
            this.count = count;
            this.percent = percent;
        }
    }

    /** Deals them out, so that each comes up as often as any other in all worlds of a run. */
    static final class Deck {
        private final List<Kind> left = new ArrayList<>();

        private Set<Kind> deal(SteppedWorld world) {
            Set<Kind> dealt = EnumSet.noneOf(Kind.class);
            for (int i = 2 + world.random.nextInt(3); i > 0; i--) {
                if (left.isEmpty()) {
                    left.addAll(List.of(Kind.values()));
                }
                dealt.add(left.remove(world.random.nextInt(left.size())));
            }
            return dealt;
        }
    }

    /** Those who keep to the rules, in the same node. */
    interface Neighbours {
        /** A message of theirs, which nobody has sent yet. */
        Message message(boolean isKeyed, byte[] body);

        /** The node says that it is stored. */
        void stored(Message message, Receipt receipt);

        void delivered(Delivery delivery);

        /** Of a message that one of them has got, null if none has. */
        ReceiptHandle someHandle();

        String groupOf(ReceiptHandle handle);

        void failed(Throwable cause);
    }

    /** Whatever a node answers, to such clients and with all that can go wrong with its disk. */
    private static final Set<Refusal.Code> REASONS = EnumSet.of(
            Refusal.Code.BUSY,
            Refusal.Code.LIMIT,
            Refusal.Code.TOO_LARGE,
            Refusal.Code.ILLEGAL_ARGUMENT,
            Refusal.Code.ILLEGAL_NAME,
            Refusal.Code.ALREADY_EXISTS,
            Refusal.Code.FOREIGN_HANDLE,
            Refusal.Code.FORGED_HANDLE,
            Refusal.Code.STALE_HANDLE,
            Refusal.Code.WRONG_GROUP,
            Refusal.Code.TIMED_OUT,
            Refusal.Code.CLOSED,
            Refusal.Code.QUEUE_STOPPED,
            Refusal.Code.QUEUE_AWAY,
            Refusal.Code.OUTCOME_UNKNOWN,
            Refusal.Code.DISK_FULL,
            Refusal.Code.READ_ONLY,
            Refusal.Code.READ_FAILED);

    private static final Set<Refusal.Code> REPEATED = EnumSet.of(Refusal.Code.BUSY, Refusal.Code.QUEUE_AWAY);

    private final SteppedWorld world;
    private final Journal journal;
    private final Deck deck;
    private final Neighbours neighbours;

    private final List<Stranger> strangers = new ArrayList<>();
    /** One that keeps to the rules and speaks the protocol by hand, so that it sees every refusal; in floods only. */
    private Stranger regular;

    private Set<Kind> kinds = Set.of();
    private boolean isDiskSlow;
    private long untilNanos;
    private long lastNumber;

    // Of a life of the node.
    private Forebay forebay;
    private List<StripeHandle> stripes = List.of();
    private final List<CompletableFuture<Integer>> counts = new ArrayList<>();
    /** For want of room, by stripe. */
    private final Map<Integer, Long> sendsRefused = new HashMap<>();

    private long nodeBytesMax;
    /** One answer that was begun when there was room, and refusals that nobody takes. */
    private long beyondBytesMax;

    private int nodePopsMax;
    private int sessionsMax;
    private int mailboxCapacity;

    Flood(SteppedWorld world, Journal journal, Deck deck, Neighbours neighbours) {
        this.world = world;
        this.journal = journal;
        this.deck = deck;
        this.neighbours = neighbours;
    }

    /** Makes what only the flood uses; where nothing can go wrong yet. */
    void prepare(SteppedNode.Client operator) {
        operator.createTopic(BAIT, 2, Map.of("max-bytes", "48 KiB"));
        Map<String, String> forEver = new TreeMap<>(Map.of("max-attempts", "0", "retry-backoff", "none"));
        operator.createGroup(DEAF, BAIT, forEver);
        operator.createTopic(TREASURE, 2, Map.of());
        operator.createGroup(HOARDERS, TREASURE, forEver);
        for (int i = 0; i < TREASURE_COUNT; i += BATCH_COUNT_MAX) {
            List<Message> messages = Collections.nCopies(BATCH_COUNT_MAX, Message.of(TREASURE, new byte[10]));
            operator.send(TREASURE, messages, Durability.FLUSHED);
        }
        forEver.put("delivery", "push");
        operator.createGroup(IDLERS, BAIT, forEver);
        operator.createTopic(EMPTY, 1, Map.of());
        WAITERS.forEach(group -> operator.createGroup(group, EMPTY, Map.of()));
    }

    boolean isThere() {
        return !kinds.isEmpty();
    }

    // ---- its life -----------------------------------------------------------------------------------------------

    /** The node serves. */
    void up() {
        forebay = Forebay.get(world.node.system());
        stripes = forebay.view().stripes();
        SessionSettings settings = forebay.settings().session();
        nodeBytesMax = settings.nodeBytesMax();
        nodePopsMax = settings.nodePopsMax();
        sessionsMax = settings.sessionsMax();
        // What is pushed is counted twice, for the client and for its line. Whoever takes nothing is refused that
        // often.
        long lastBytes = 2L * forebay.settings().group().popBytesMax();
        beyondBytesMax = lastBytes + sessionsMax * 2L * settings.requestsMax() * SMALL_ANSWER_BYTES;
        mailboxCapacity = settings.mailboxCapacity();
        if (isThere()) {
            world.saw("flood over the end of a life", 1);
            come();
        }
    }

    /** The process is gone, and its sessions with it. */
    void down() {
        strangers.clear();
        regular = null;
        stripes = List.of();
        counts.clear();
        sendsRefused.clear();
    }

    void begin() {
        kinds = deck.deal(world);
        isDiskSlow = kinds.contains(Kind.GIANTS) || world.random.nextBoolean();
        world.note("flood");
        kinds.forEach(kind -> world.note("flood of " + kind));
        untilNanos = world.time.nanos() + TimeUnit.MILLISECONDS.toNanos(200 + world.random.nextInt(4_000));
        come();
    }

    private void come() {
        if (isDiskSlow) {
            world.node.slowForces(SLOW_TIMES);
        }
        for (Kind kind : kinds) {
            for (int i = 0; i < kind.count; i++) {
                strangers.add(new Stranger(kind));
            }
        }
        regular = new Stranger(null);
    }

    /** @return whether it is over */
    boolean act() {
        if (world.time.nanos() >= untilNanos) {
            end();
            return true;
        }
        Iterator<Stranger> all = strangers.iterator();
        List<Stranger> others = new ArrayList<>();
        while (all.hasNext()) {
            Stranger stranger = all.next();
            if (stranger.isGone && world.random.nextInt(3) == 0) {
                // Nobody has told it not to come back.
                all.remove();
                others.add(new Stranger(stranger.kind));
            } else if (!stranger.isGone
                    && stranger.session != null
                    && world.random.nextInt(100) < stranger.kind.percent) {
                stranger.act();
            }
        }
        strangers.addAll(others);
        if (regular.isGone) {
            regular = new Stranger(null);
        } else if (regular.session != null) {
            regular.keepToTheRules();
        }
        askHowItIs();
        return false;
    }

    /** They are gone, most of them without a word. */
    void end() {
        world.note("flood ends");
        kinds = Set.of();
        world.node.slowForces(1);
        for (Stranger stranger : strangers) {
            stranger.leave();
        }
        strangers.clear();
        if (regular != null) {
            regular.leave();
            regular = null;
        }
    }

    // ---- what holds at any time ---------------------------------------------------------------------------------

    /** To be called after everything that the node does. */
    void check() {
        for (StripeHandle stripe : stripes) {
            long unflushed = stripe.budget().unflushedBytes();
            long max = stripe.budget().unflushedBytesMax() + DECIDED_BYTES_MAX;
            if (unflushed < 0 || unflushed > max) {
                throw new AssertionError(
                        "stripe " + stripe.stripeId() + " has " + unflushed + " bytes not flushed, allowed are " + max);
            }
        }
        if (stripes.isEmpty()) {
            return;
        }
        long held = forebay.bytesHeldForClients();
        if (held < 0 || held > nodeBytesMax + beyondBytesMax) {
            throw new AssertionError("the node holds " + held + " bytes for its clients, allowed are " + nodeBytesMax
                    + " and " + beyondBytesMax);
        }
        int pops = forebay.popsWaiting();
        if (pops < 0 || pops > nodePopsMax) {
            throw new AssertionError(pops + " Pops wait, allowed are " + nodePopsMax);
        }
    }

    private void askHowItIs() {
        NodeHealth.check(forebay.view());
        counts.add(forebay.countSessions().toCompletableFuture());
        counts.removeIf(count -> {
            if (count.isDone()) {
                assertThat(count.join()).as("sessions").isBetween(0, sessionsMax);
            }
            return count.isDone();
        });
    }

    /** The node has nothing more to do: whoever asked how it is has been told. */
    void checkAnswered() {
        assertThat(counts.stream().filter(count -> !count.isDone()))
                .as("I8: questions that nobody answers")
                .isEmpty();
    }

    /** What the node holds for its clients when none of them wants anything. */
    List<String> unrest() {
        List<String> found = new ArrayList<>();
        stripes.forEach(stripe -> found.add(
                stripe.budget().unflushedBytes() == 0
                        ? ""
                        : "stripe " + stripe.stripeId() + " has "
                                + stripe.budget().unflushedBytes() + " bytes not flushed"));
        found.add(forebay.bytesHeldForClients() == 0 ? "" : forebay.bytesHeldForClients() + " bytes are held");
        found.add(forebay.popsWaiting() == 0 ? "" : forebay.popsWaiting() + " Pops wait");
        found.removeIf(String::isEmpty);
        return found;
    }

    private boolean hasRoomForSends(int stripeId) {
        return stripes.get(stripeId).budget().hasRoom(StripeBudget.Tier.SEND, BODY_MAX);
    }

    // ---- one of them --------------------------------------------------------------------------------------------

    /** What has come, and when. */
    private record Pushed(List<Delivery> deliveries, long nanos) {}

    /** A request that is not answered. */
    private record Asked(SessionCommand.Request request, boolean mayBeTaken, long sendsRefusedBefore) {}

    private final class Stranger {
        /** Null of the one that keeps to the rules. */
        final Kind kind;

        final String name;
        final boolean isFar;
        final ActorRef<Object> end;
        ActorRef<SessionCommand> session;
        SessionLimits limits;
        boolean isGone;
        private boolean isLeaving;
        private final Map<Long, Asked> asked = new HashMap<>();
        private long lastId;
        /** Of what has come. */
        private long bytes;

        private long lastStream;
        private int nextPiece;
        /** What it has taken and keeps, by handle. */
        private final Map<ReceiptHandle, Delivery> hoard = new LinkedHashMap<>();

        /** By subscription and number: one that is taken for lost comes again. */
        private final Map<Integer, Map<Long, Pushed>> pushed = new HashMap<>();

        Stranger(Kind kind) {
            this.kind = kind;
            isFar = kind == Kind.DEAF
                    || kind == Kind.UNFINISHED
                    || kind == Kind.SUBSCRIBERS && world.random.nextBoolean();
            long number = ++lastNumber;
            name = (kind == null ? "regular" : kind.name().toLowerCase(Locale.ROOT)) + "-" + number;
            ActorSystem<Void> system = world.node.system();
            end = system.systemActorOf(receiver(), name, Props.empty());
            ActorRef<SessionEvent> client = isFar ? far(system) : end.narrow();
            world.node
                    .entry()
                    .tell(new NodeProtocol.OpenSession(
                            NodeProtocol.VERSION, 1_000_000 + number, name, FRAME_BYTES, client));
        }

        private Behavior<Object> receiver() {
            return Behaviors.receiveMessage(message -> {
                if (!(message instanceof SessionEvent event)) {
                    return Behaviors.stopped();
                }
                try {
                    onEvent(event);
                } catch (AssertionError | RuntimeException e) {
                    neighbours.failed(new AssertionError(name + ": " + e.getMessage(), e));
                }
                return Behaviors.same();
            });
        }

        /** Somebody in another system, as the node sees it. */
        private ActorRef<SessionEvent> far(ActorSystem<Void> system) {
            ExtendedActorSystem classic = (ExtendedActorSystem) Adapter.toClassic(system);
            ActorPath path = new RootActorPath(FAR, "/").child("system").child(name);
            return Adapter.toTyped(new FunctionRef(path, classic.provider(), classic, (sender, message) -> {
                end.tell(message);
                return BoxedUnit.UNIT;
            }));
        }

        void leave() {
            isLeaving = true;
            if (kind == Kind.THIEVES || kind == null) {
                // What it holds comes back when it is due, and not before: so the journal says.
                detachWhenAnswered();
            } else if (session == null || world.random.nextInt(3) > 0) {
                end.tell(BoxedUnit.UNIT);
            } else {
                session.tell(world.random.nextBoolean() ? new SessionCommand.Detach() : new SessionCommand.Close());
            }
        }

        private void detachWhenAnswered() {
            if (isLeaving && asked.isEmpty() && session != null && !isGone) {
                session.tell(new SessionCommand.Detach());
            }
        }

        // ---- what it does -------------------------------------------------------------------------------------------

        void act() {
            switch (kind) {
                case GIANTS -> {
                    for (int i = world.random.nextInt(4); i >= 0; i--) {
                        sendTooMuch();
                    }
                }
                case DEAF -> {
                    session.tell(new SessionCommand.Heartbeat(1));
                    sendBait(8_000);
                    for (int i = 0; i < limits.requestsInFlightMax() * 3 / 2; i++) {
                        pop(BAIT, DEAF, 32, HOARD_MILLIS, 1_000);
                    }
                }
                case UNFINISHED -> sendPieces();
                case WAITERS -> {
                    for (int i = 0; i < limits.requestsInFlightMax() + 4; i++) {
                        pop(EMPTY, WAITERS.get(i % WAITERS.size()), 8, MINUTE, MINUTE);
                    }
                }
                case HOARDERS -> {
                    for (int i = 0; i < 4; i++) {
                        pop(TREASURE, HOARDERS, limits.popCountMax(), HOARD_MILLIS, 100);
                    }
                }
                case THIEVES -> pop(LoadClient.PLAIN, LoadClient.WORKERS, 8, 2_000, world.random.nextInt(200));
                case FORGERS -> {
                    for (int i = 0; i < 3; i++) {
                        forge();
                    }
                }
                case SUBSCRIBERS -> subscribe();
                case CREATORS -> {
                    for (int i = 0; i < 6; i++) {
                        create();
                    }
                }
                case SHOUTERS -> {
                    for (int i = 0; i <= mailboxCapacity + 20; i++) {
                        session.tell(new SessionCommand.Heartbeat(i));
                    }
                    int waiting = ((ActorRefWithCell) Adapter.toClassic(session))
                            .underlying()
                            .numberOfMessages();
                    assertThat(waiting).as("what waits for a session").isLessThanOrEqualTo(mailboxCapacity + TOLD_MAX);
                }
                case OPENERS -> {
                    if (world.random.nextInt(4) == 0) {
                        isGone = true;
                        end.tell(BoxedUnit.UNIT);
                    }
                }
            }
        }

        private void ask(SessionCommand.Request request, boolean mayBeTaken) {
            asked.put(request.requestId(), new Asked(request, mayBeTaken, 0));
            session.tell(request);
        }

        private void pop(String topic, String group, int count, long invisibleMillis, long waitMillis) {
            ask(new SessionCommand.Pop(++lastId, topic, group, count, 1 << 20, invisibleMillis, waitMillis), true);
        }

        private byte[] body(int bytes) {
            byte[] body = new byte[bytes];
            for (int i = 0; i < bytes; i += 1_000) {
                body[i] = (byte) world.random.nextInt(256);
            }
            return body;
        }

        private void sendBait(int bodyMax) {
            List<Message> messages = Collections.nCopies(
                    1 + world.random.nextInt(4), Message.of(BAIT, body(world.random.nextInt(bodyMax))));
            ask(new SessionCommand.Send(++lastId, BAIT, -1, messages, Durability.WRITTEN), true);
        }

        private void sendTooMuch() {
            switch (world.random.nextInt(8)) {
                case 0 -> send(BATCH_COUNT_MAX + 1, 10, false);
                case 1 -> send(4, BODY_MAX - 1_000, false);
                case 2 -> send(1, BODY_MAX + 1, false);
                case 3 -> send(1, world.random.nextInt(200), true);
                case 4 -> send(BATCH_COUNT_MAX, world.random.nextInt(200), true);
                default -> send(1 + world.random.nextInt(3), BODY_MAX - 1_000, true);
            }
        }

        private void send(int count, int bodyBytes, boolean mayBeTaken) {
            int dice = world.random.nextInt(4);
            List<Message> messages = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                messages.add(
                        dice < 2 ? Message.of(BAIT, body(bodyBytes)) : neighbours.message(dice == 2, body(bodyBytes)));
            }
            if (dice >= 2) {
                messages.forEach(message -> journal.note(Fact.Sending.of(message, name, numberOf(message))));
            }
            Durability level = world.random.nextBoolean() ? Durability.WRITTEN : Durability.FLUSHED;
            ask(new SessionCommand.Send(++lastId, messages.get(0).topic(), -1, messages, level), mayBeTaken);
        }

        private void sendPieces() {
            int total = limits.bytesInFlightMax();
            session.tell(new SessionCommand.Heartbeat(1));
            if (world.random.nextInt(10) == 0) {
                session.tell(new Chunk(++lastStream, 0, 1 << 30, new byte[100]));
                return;
            }
            for (int i = 0; i < 4; i++) {
                if (nextPiece == 0 || (nextPiece + 1) * FRAME_BYTES / 2 >= total) {
                    lastStream++;
                    nextPiece = 0;
                }
                session.tell(new Chunk(lastStream, nextPiece++, total, new byte[FRAME_BYTES / 2]));
            }
        }

        private void forge() {
            ReceiptHandle one = neighbours.someHandle();
            if (one == null) {
                return;
            }
            ReceiptHandle forged = new ReceiptHandle(
                    one.nodeId(),
                    one.stripe(),
                    one.queueId(),
                    one.groupId(),
                    one.queueOffset() + (world.random.nextInt(3) == 0 ? NEVER_GIVEN : 0),
                    one.epoch(),
                    one.checkpointSequence(),
                    one.nonce() ^ 1L << world.random.nextInt(64));
            String group = world.random.nextInt(4) > 0 ? neighbours.groupOf(one) : LoadClient.LINES;
            int dice = world.random.nextInt(5);
            List<ReceiptHandle> handles =
                    Collections.nCopies(dice == 0 ? BATCH_COUNT_MAX + 1 : 1 + world.random.nextInt(4), forged);
            ask(
                    switch (dice) {
                        case 0, 1 -> new SessionCommand.Ack(++lastId, group, handles, Durability.WRITTEN);
                        case 2 -> new SessionCommand.ChangeInvisible(++lastId, group, handles, 1_000, false, "");
                        case 3 -> new SessionCommand.ChangeInvisible(++lastId, group, handles, 0, true, "forged");
                        default -> new SessionCommand.GiveBack(++lastId, group, handles);
                    },
                    dice > 0);
        }

        private void subscribe() {
            session.tell(new SessionCommand.Heartbeat(1));
            sendBait(2_000);
            sendBait(2_000);
            int id = world.random.nextInt(limits.subscriptionsMax() + 1);
            boolean isTooMuch = world.random.nextInt(6) == 0;
            long credits = isTooMuch ? limits.creditsMax() + 1 : CREDITS;
            ask(
                    new SessionCommand.Subscribe(
                            ++lastId,
                            id,
                            BAIT,
                            IDLERS,
                            8,
                            PUSH_BYTES,
                            HOARD_MILLIS,
                            SubscriptionProgress.begin(credits)),
                    !isTooMuch);
        }

        private void create() {
            String made = MADE_PREFIX + world.random.nextInt(12);
            String topic = (world.random.nextInt(4) == 0 ? Names.DEAD_LETTERS : "") + made;
            switch (world.random.nextInt(6)) {
                case 0 -> ask(new SessionCommand.CreateTopic(++lastId, topic, 1, Map.of()), true);
                case 1 -> ask(new SessionCommand.CreateTopic(++lastId, made + "-wide", 5, Map.of()), false);
                case 2 -> ask(new SessionCommand.CreateGroup(++lastId, made, EMPTY, Map.of()), true);
                case 3 -> ask(new SessionCommand.CreateTopic(++lastId, made.repeat(20), 1, Map.of()), false);
                case 4 ->
                    ask(
                            new SessionCommand.Send(
                                    ++lastId, topic, -1, List.of(Message.of(topic, body(10))), Durability.WRITTEN),
                            true);
                default -> pop(EMPTY, made, 1, MINUTE, 0);
            }
        }

        /** Takes some of what others have sent, acks it, and looks how it stands. */
        void keepToTheRules() {
            if (asked.size() < 4) {
                pop(LoadClient.PLAIN, LoadClient.WORKERS, 1 + world.random.nextInt(8), 5_000, world.random.nextInt(50));
                ask(new SessionCommand.DescribeGroup(++lastId, HOARDERS, TREASURE), true);
                WAITERS.forEach(group -> ask(new SessionCommand.DescribeGroup(++lastId, group, EMPTY), true));
            }
            // What it has not acked yet because there was no need.
            if (hoard.size() >= HOARD_MAX) {
                ackHoard();
            }
        }

        private void ackHoard() {
            Map<Integer, List<ReceiptHandle>> byStripe = new TreeMap<>();
            hoard.keySet()
                    .forEach(handle -> byStripe.computeIfAbsent(handle.stripe(), id -> new ArrayList<>())
                            .add(handle));
            hoard.clear();
            byStripe.forEach((stripe, handles) -> {
                handles.forEach(handle -> journal.note(new Fact.Acking(handle)));
                SessionCommand.Ack ack =
                        new SessionCommand.Ack(++lastId, LoadClient.WORKERS, handles, Durability.WRITTEN);
                asked.put(ack.requestId(), new Asked(ack, true, sendsRefused.getOrDefault(stripe, 0L)));
                session.tell(ack);
            });
        }

        // ---- what it is told ----------------------------------------------------------------------------------------

        private void onEvent(SessionEvent event) {
            if (event instanceof SessionEvent.Opened opened) {
                session = opened.session();
                limits = opened.limits();
                if (isLeaving) {
                    detachWhenAnswered();
                }
            } else if (event instanceof SessionEvent.OpenRefused refused) {
                isGone = true;
                told(refused.refusal(), "Session");
                assertThat(refused.refusal().code()).isEqualTo(Refusal.Code.LIMIT);
                assertThat(refused.refusal().retryAfterMillis()).isPositive();
            } else if (event instanceof SessionEvent.SessionClosed closed) {
                isGone = true;
                check(closed.reason(), "session");
                world.saw("session ended: " + why(closed.reason()), 1);
            } else if (event instanceof SessionEvent.SubscriptionEnded ended) {
                told(ended.refusal(), "subscription");
                pushed.remove(ended.subscriptionId());
            } else if (event instanceof SessionEvent.Pushed push) {
                onPushed(push);
            } else if (event instanceof Chunk chunk) {
                came(chunk.bytes().length);
            } else if (event instanceof SessionEvent.Reply reply) {
                Asked one = asked.remove(reply.requestId());
                if (kind == Kind.DEAF) {
                    came(reply instanceof SessionEvent.Popped popped ? bodyBytes(popped.deliveries()) : 0);
                } else {
                    onReply(reply, one);
                }
                detachWhenAnswered();
            }
        }

        private static long bodyBytes(List<Delivery> deliveries) {
            return deliveries.stream()
                    .mapToLong(delivery -> delivery.body().length)
                    .sum();
        }

        /** It has acknowledged none of it. */
        private void came(long more) {
            bytes += more;
            if (kind == Kind.DEAF || isFar) {
                assertThat(bytes)
                        .as("bytes for somebody who takes none")
                        .isLessThanOrEqualTo(limits.chunkBytesInFlightMax() * 5L / 4 + FRAME_BYTES);
                world.saw("session without credit", bytes >= limits.chunkBytesInFlightMax() / 2 ? 1 : 0);
            }
        }

        private void onReply(SessionEvent.Reply reply, Asked one) {
            assertThat(one).as("the request that is answered with %s", reply).isNotNull();
            if (reply instanceof SessionEvent.Refused refused) {
                told(refused.refusal(), one.request.getClass().getSimpleName());
                if (one.request instanceof SessionCommand.Send send) {
                    send.messages().forEach(message -> sent(message, null, refused.refusal()));
                } else if (one.request instanceof SessionCommand.Ack ack && kind == null) {
                    ack.handles().forEach(handle -> acked(handle, one, refused.refusal()));
                }
                return;
            }
            if (!one.mayBeTaken) {
                assertThat(reply)
                        .as("the answer to what may not be: %s", reply)
                        .isInstanceOf(SessionEvent.SendReply.class);
            }
            if (reply instanceof SessionEvent.SendReply stored) {
                SessionCommand.Send send = (SessionCommand.Send) one.request;
                assertThat(stored.results()).hasSameSizeAs(send.messages());
                for (int i = 0; i < stored.results().size(); i++) {
                    SendResult result = stored.results().get(i);
                    assertThat(one.mayBeTaken || result instanceof Refusal)
                            .as("taken though it is too large")
                            .isTrue();
                    if (result instanceof Refusal refusal) {
                        told(refusal, "Send");
                        onSendRefused(refusal);
                    }
                    sent(send.messages().get(i), send.durability(), result);
                }
            } else if (reply instanceof SessionEvent.Popped popped) {
                onPopped((SessionCommand.Pop) one.request, popped.deliveries());
            } else if (reply instanceof SessionEvent.AckReply acks) {
                List<ReceiptHandle> handles = ((SessionCommand.Ack) one.request).handles();
                for (int i = 0; i < handles.size(); i++) {
                    AckResult result = acks.results().get(i);
                    if (result instanceof Refusal refusal) {
                        told(refusal, "Ack");
                    }
                    if (kind == Kind.FORGERS) {
                        assertThat(result).as("a forged handle").isNotEqualTo(AckOutcome.ACKED);
                    } else {
                        acked(handles.get(i), one, result);
                    }
                }
            } else if (reply instanceof SessionEvent.ChangeReply changes) {
                changes.results().forEach(result -> told((Refusal) result, "Change"));
            } else if (reply instanceof SessionEvent.GiveBackReply given) {
                given.results().forEach(result -> {
                    assertThat(result).as("a forged handle").isNotEqualTo(GiveBackOutcome.GIVEN_BACK);
                    if (result instanceof Refusal refusal) {
                        told(refusal, "GiveBack");
                    }
                });
            } else if (reply instanceof SessionEvent.GroupDescribed described) {
                described.topics().forEach(this::onDescribed);
            }
        }

        /** Who keeps to the rules has not acked yet, because there was no need. */
        private void onSendRefused(Refusal refusal) {
            Matcher full = SEND_REFUSED.matcher(refusal.text());
            if (full.find()) {
                sendsRefused.merge(Integer.valueOf(full.group(1)), 1L, Long::sum);
                if (regular != null && regular.session != null && !regular.isGone) {
                    regular.ackHoard();
                }
            }
        }

        private void onDescribed(GroupDescription group) {
            int inFlightMax = forebay.settings().group().inFlightMax();
            assertThat(group.inFlight()).as("in flight: %s", group).isBetween(0L, 2L * inFlightMax);
            int waitingMax = forebay.settings().group().waitingPopsMax();
            assertThat(group.waitingPops()).as("waiting Pops: %s", group).isBetween(0, waitingMax);
            world.saw("waiting Pops at their limit", group.waitingPops() == waitingMax ? 1 : 0);
        }

        private void sent(Message message, Durability level, SendResult result) {
            if (!message.id().startsWith("m")) {
                return;
            }
            if (result instanceof Receipt receipt) {
                neighbours.stored(message, receipt);
                journal.note(new Fact.Stored(message.id(), level, receipt));
            } else {
                journal.note(new Fact.NotStored(message.id(), ((Refusal) result).code()));
            }
        }

        private void acked(ReceiptHandle handle, Asked one, AckResult result) {
            Durability level = ((SessionCommand.Ack) one.request).durability();
            if (result instanceof AckOutcome outcome) {
                journal.note(new Fact.Acked(handle, level, outcome));
                // Behind the refusal for which it was sent there was another one, or would be.
                boolean areRefused = one.sendsRefusedBefore > 0
                        && (sendsRefused.getOrDefault(handle.stripe(), 0L) > one.sendsRefusedBefore
                                || !hasRoomForSends(handle.stripe()));
                world.saw("Ack taken while Sends are refused", areRefused ? 1 : 0);
                return;
            }
            Refusal refusal = (Refusal) result;
            journal.note(new Fact.NotAcked(handle, refusal.code()));
            Matcher full = ACK_REFUSED.matcher(refusal.text());
            if (refusal.code() == Refusal.Code.BUSY) {
                assertThat(full.find())
                        .as("an Ack that is refused: %s", refusal)
                        .isTrue();
                long max = stripes.get(handle.stripe()).budget().unflushedBytesMax();
                assertThat(Long.parseLong(full.group(2))).as("%s", refusal).isEqualTo(max);
                assertThat(Long.parseLong(full.group(1)))
                        .as("an Ack is refused though there is room: %s", refusal)
                        .isGreaterThan(max - ACK_BYTES_MAX);
                world.saw("Ack refused: Busy", 1);
            }
        }

        private void onPopped(SessionCommand.Pop pop, List<Delivery> deliveries) {
            if (pop.topic().equals(EMPTY)) {
                assertThat(deliveries).as("of a topic without messages").isEmpty();
            } else if (pop.topic().equals(LoadClient.PLAIN)) {
                for (Delivery delivery : deliveries) {
                    neighbours.delivered(delivery);
                    journal.note(Fact.Popped.of(name, delivery));
                    if (kind == null) {
                        hoard.put(delivery.handle(), delivery);
                    }
                }
            } else {
                deliveries.forEach(delivery -> hoard.put(delivery.handle(), delivery));
                checkHoards();
            }
        }

        private void onPushed(SessionEvent.Pushed push) {
            long now = world.time.nanos();
            Map<Long, Pushed> all = pushed.computeIfAbsent(push.subscriptionId(), id -> new HashMap<>());
            all.put(push.pushNumber(), new Pushed(push.deliveries(), now));
            pushed.values().forEach(ofOne -> ofOne.values().removeIf(one -> now - one.nanos > AWAITED_NANOS));
            int count =
                    all.values().stream().mapToInt(one -> one.deliveries.size()).sum();
            assertThat(count)
                    .as("messages pushed to somebody who gave credit for fewer")
                    .isLessThanOrEqualTo(CREDITS);
            world.saw("subscription without credit", count == CREDITS ? 1 : 0);
            long pushedBytes = pushed.values().stream()
                    .flatMap(ofOne -> ofOne.values().stream())
                    .mapToLong(one -> bodyBytes(one.deliveries))
                    .sum();
            // Two Pops of each subscription may be under way when the limit is reached.
            assertThat(pushedBytes)
                    .as("bytes pushed to somebody who says of none that they have come")
                    .isLessThanOrEqualTo(forebay.settings().session().pushBytesMax()
                            + 2L * limits.subscriptionsMax() * Math.max(PUSH_BYTES, BODY_MAX));
            came(isFar ? bodyBytes(push.deliveries()) : 0);
        }

        private void told(Refusal refusal, String what) {
            check(refusal, what);
            String why = why(refusal);
            world.saw(what + " refused: " + why, 1);
            world.saw("requests of a session at their limit", why.equals("requests-max") ? 1 : 0);
            boolean isForged = kind == Kind.FORGERS && refusal.code() == Refusal.Code.FORGED_HANDLE;
            world.saw("forged handle refused", isForged ? 1 : 0);
        }

        private void check(Refusal refusal, String what) {
            assertThat(refusal.text()).as("%s", refusal).isNotBlank();
            assertThat(refusal.code()).as("%s: %s", what, refusal).isIn(REASONS);
            if (REPEATED.contains(refusal.code())) {
                assertThat(refusal.retryAfterMillis()).as("%s", refusal).isPositive();
            }
        }
    }

    /** What was at its limit, by its setting, else the code. */
    private static String why(Refusal refusal) {
        String text = refusal.text();
        Matcher key = KEY.matcher(text);
        if (refusal.code() == Refusal.Code.BUSY && text.startsWith("stripe ")) {
            return "max-unflushed";
        } else if (text.contains("bytes for its clients")) {
            return "node-bytes-max";
        } else if (text.contains("for each session")) {
            return "send-bytes-max";
        } else if (text.contains("takes no answers")) {
            return "takes no answers";
        }
        return key.find() ? key.group(1) : refusal.code().name();
    }

    private static final Pattern KEY = Pattern.compile("forebay\\.[a-z]+\\.([a-z-]+)");

    private static long numberOf(Message message) {
        return Long.parseLong(message.id().substring(1));
    }

    /** Whatever they have and was not due when they got the last one is in flight. */
    private void checkHoards() {
        long now = forebay.view().nowMillis();
        Map<String, Integer> inFlight = new HashMap<>();
        for (Stranger stranger : strangers) {
            if (stranger.kind == Kind.HOARDERS && !stranger.isGone) {
                stranger.hoard.values().removeIf(delivery -> delivery.invisibleUntilMillis() <= now);
                stranger.hoard
                        .values()
                        .forEach(delivery -> inFlight.merge(delivery.topic() + delivery.queue(), 1, Integer::sum));
            }
        }
        int max = forebay.settings().group().inFlightMax();
        inFlight.values().forEach(count -> {
            assertThat(count).as("messages of a queue in flight").isLessThanOrEqualTo(max);
            world.saw("in flight at its limit", count == max ? 1 : 0);
        });
    }
}
