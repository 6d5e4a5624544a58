package io.forebay.node;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorRefResolver;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Behavior;
import akka.actor.typed.Props;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import com.typesafe.config.ConfigFactory;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.wire.MalformedWireException;
import io.forebay.protocol.wire.WireCutter;
import io.forebay.protocol.wire.WireFrames;
import io.forebay.protocol.wire.WireJoiner;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.LongFunction;

/**
 * A client's end of one session over the wire that does what it is told and no more: it repeats nothing, extends nothing, and
 * looks for nobody. It tells that it lives. Thread-safe.
 */
final class WireClient {
    private static final long PATIENCE_SECONDS = 30;
    private static final Duration RETRY = Duration.ofSeconds(1);

    /** What it does with what comes. */
    enum Manners {
        /** Joins it and acknowledges it. */
        READS,
        /** Acknowledges nothing, whatever comes. */
        IGNORES
    }

    /** A command that goes as it is, whatever credits say. */
    private record Unasked(SessionCommand command) {}

    private enum Tick {
        OPEN,
        HEARTBEAT
    }

    private enum Stop {
        INSTANCE
    }

    private final Map<Long, CompletableFuture<SessionEvent.Reply>> asked = new ConcurrentHashMap<>();
    private final CompletableFuture<SessionEvent.Opened> opened = new CompletableFuture<>();
    private final AtomicLong lastId = new AtomicLong();
    private final Consumer<SessionEvent> listener;
    private final ActorRef<Object> end;

    /**
     * @param address of the node
     * @param heartbeat how often it tells that it lives
     * @param listener is told every event that nobody waits for, on one thread at a time
     */
    WireClient(
            ActorSystem<?> system,
            String address,
            long sessionId,
            Duration heartbeat,
            Manners manners,
            Consumer<SessionEvent> listener) {
        this.listener = listener;
        ActorRef<NodeProtocol.Request> entry =
                ActorRefResolver.get(system).resolveActorRef(address + "/system/forebay");
        Behavior<Object> behavior = Behaviors.setup(context ->
                Behaviors.withTimers(timers -> new Wire(context, timers, entry, sessionId, heartbeat, manners)));
        end = system.systemActorOf(behavior, "wire-client-" + sessionId, Props.empty());
    }

    /** An actor system for such clients, outside of the node's cluster. */
    static ActorSystem<Void> system(String name, String settings) {
        return ActorSystem.create(
                Behaviors.empty(),
                name,
                ConfigFactory.parseString(settings)
                        .withFallback(ConfigFactory.parseString("""
                            akka.actor.provider = remote
                            akka.remote.warn-about-direct-use = off
                            akka.remote.artery.canonical { hostname = 127.0.0.1, port = 0 }
                            akka.loglevel = OFF
                            akka.log-dead-letters = off
                            akka.coordinated-shutdown { run-by-jvm-shutdown-hook = off, run-by-actor-system-terminate = off }
                            """))
                        .withFallback(ConfigFactory.load()));
    }

    SessionEvent.Opened awaitOpened() {
        return opened.orTimeout(PATIENCE_SECONDS, TimeUnit.SECONDS).join();
    }

    long nextId() {
        return lastId.incrementAndGet();
    }

    /** As a client does that keeps to the rules: cut to frames, when there are credits. */
    void tell(SessionCommand command) {
        end.tell(command);
    }

    /** At once, and as it is. */
    void tellUnasked(SessionCommand command) {
        end.tell(new Unasked(command));
    }

    /** It is gone without a word. */
    void vanish() {
        end.tell(Stop.INSTANCE);
    }

    CompletableFuture<SessionEvent.Reply> begin(LongFunction<? extends SessionCommand.Request> request) {
        long id = nextId();
        CompletableFuture<SessionEvent.Reply> reply = new CompletableFuture<>();
        asked.put(id, reply);
        tell(request.apply(id));
        return reply;
    }

    /** Asks, and expects an answer of that kind. */
    <T extends SessionEvent.Reply> T ask(LongFunction<? extends SessionCommand.Request> request, Class<T> kind) {
        SessionEvent.Reply reply =
                begin(request).orTimeout(PATIENCE_SECONDS, TimeUnit.SECONDS).join();
        if (!kind.isInstance(reply)) {
            throw new AssertionError("expected " + kind.getSimpleName() + ", got " + reply);
        }
        return kind.cast(reply);
    }

    List<Delivery> pop(String topic, String group, int countMax, long invisibleMillis, long waitMillis) {
        return ask(
                        id -> new SessionCommand.Pop(id, topic, group, countMax, 1 << 20, invisibleMillis, waitMillis),
                        SessionEvent.Popped.class)
                .deliveries();
    }

    List<AckResult> ack(String group, List<ReceiptHandle> handles) {
        return ask(id -> new SessionCommand.Ack(id, group, handles, Durability.WRITTEN), SessionEvent.AckReply.class)
                .results();
    }

    private final class Wire extends AbstractBehavior<Object> {
        private final TimerScheduler<Object> timers;
        private final ActorRef<NodeProtocol.Request> entry;
        private final long sessionId;
        private final Manners manners;
        private final WireJoiner<SessionEvent> joiner = new WireJoiner<>(SessionEvent.class, 64 << 20);
        private final Duration heartbeat;
        private ActorRef<SessionCommand> session;
        private WireCutter<SessionCommand> cutter;
        private long heartbeats;

        Wire(
                ActorContext<Object> context,
                TimerScheduler<Object> timers,
                ActorRef<NodeProtocol.Request> entry,
                long sessionId,
                Duration heartbeat,
                Manners manners) {
            super(context);
            this.timers = timers;
            this.entry = entry;
            this.sessionId = sessionId;
            this.manners = manners;
            this.heartbeat = heartbeat;
            open();
            timers.startTimerWithFixedDelay(Tick.OPEN, RETRY);
        }

        @Override
        public Receive<Object> createReceive() {
            return newReceiveBuilder()
                    .onMessageEquals(Tick.OPEN, this::open)
                    .onMessageEquals(Tick.HEARTBEAT, this::beat)
                    .onMessageEquals(Stop.INSTANCE, () -> Behaviors.stopped())
                    .onMessage(Unasked.class, unasked -> {
                        session.tell(unasked.command);
                        return this;
                    })
                    .onMessage(SessionEvent.Opened.class, this::onOpened)
                    .onMessage(Chunk.class, this::onChunk)
                    .onMessage(ChunkAck.class, ack -> {
                        cutter.acked(ack, session::tell);
                        return this;
                    })
                    .onMessage(SessionEvent.class, this::onEvent)
                    .onMessage(SessionCommand.class, command -> {
                        cutter.offer(command, session::tell);
                        return this;
                    })
                    .build();
        }

        private Behavior<Object> open() {
            ActorRef<Object> self = getContext().getSelf();
            entry.tell(new NodeProtocol.OpenSession(
                    NodeProtocol.VERSION, sessionId, "wire", WireFrames.FRAME_BYTES_DEFAULT, self.narrow()));
            return this;
        }

        private Behavior<Object> beat() {
            session.tell(new SessionCommand.Heartbeat(++heartbeats));
            return this;
        }

        private Behavior<Object> onOpened(SessionEvent.Opened event) {
            timers.cancel(Tick.OPEN);
            if (session == null) {
                session = event.session();
                cutter = WireCutter.ofCommands(
                        event.limits().frameBytes(), event.limits().chunkBytesInFlightMax());
                timers.startTimerWithFixedDelay(Tick.HEARTBEAT, heartbeat);
                opened.complete(event);
            }
            return this;
        }

        private Behavior<Object> onChunk(Chunk chunk) throws MalformedWireException {
            if (manners == Manners.READS) {
                session.tell(new ChunkAck(chunk.streamId(), chunk.index()));
                SessionEvent event = joiner.accept(chunk);
                return event == null ? this : onEvent(event);
            }
            listener.accept(chunk);
            return this;
        }

        private Behavior<Object> onEvent(SessionEvent event) {
            CompletableFuture<SessionEvent.Reply> waiting =
                    event instanceof SessionEvent.Reply reply ? asked.remove(reply.requestId()) : null;
            if (waiting != null) {
                waiting.complete((SessionEvent.Reply) event);
            } else {
                listener.accept(event);
            }
            return this;
        }
    }
}
