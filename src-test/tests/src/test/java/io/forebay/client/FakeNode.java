package io.forebay.client;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackOutcome;
import io.forebay.protocol.Message;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.protocol.SubscriptionProgress;
import io.forebay.protocol.wire.MalformedWireException;
import io.forebay.protocol.wire.WireCutter;
import io.forebay.protocol.wire.WireFrames;
import io.forebay.protocol.wire.WireJoiner;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** A node of one topic and one group that keeps everything in memory and forgets no delivery; enough for a client's tests. */
final class FakeNode extends AbstractBehavior<NodeProtocol.Request> {
    private static final int FRAME_BYTES = 262_144;
    static final SessionLimits LIMITS = new SessionLimits(
            FRAME_BYTES,
            4 << 20,
            1024,
            4 << 20,
            1024,
            4 << 20,
            1,
            3_600_000,
            20_000,
            64,
            16 << 20,
            1 << 20,
            16,
            10_000,
            300,
            1500);

    /**
     * What it holds, looked at by tests from outside while it works: a message is always in {@link #ready} or {@link #out} or counted as
     * acked, for a moment in two of them. Tests ask how many are out, not for the map: to describe one that shrinks meanwhile throws.
     */
    static final class Store {
        final ConcurrentLinkedQueue<Message> sent = new ConcurrentLinkedQueue<>();
        final ConcurrentSkipListMap<Long, Message> ready = new ConcurrentSkipListMap<>();
        private final ConcurrentSkipListMap<Long, Message> out = new ConcurrentSkipListMap<>();
        final AtomicLong acked = new AtomicLong();
        final AtomicInteger outMax = new AtomicInteger();
        final AtomicLong nextOffset = new AtomicLong();
        /** Whether the transport loses what comes in chunks; until a client begins anew. */
        volatile boolean isLosingChunks;
        /** Whether it stores what is sent and does not answer. */
        volatile boolean isMute;
        /** How subscriptions get their messages. */
        volatile DeliveryMode mode = DeliveryMode.POP;
        /** Credits that were open at once. */
        final AtomicLong creditsMax = new AtomicLong();

        int outCount() {
            return out.size();
        }

        private Map.Entry<Long, Message> take() {
            Map.Entry<Long, Message> first = ready.firstEntry();
            if (first != null) {
                out.put(first.getKey(), first.getValue());
                ready.remove(first.getKey());
            }
            return first;
        }

        private boolean ack(long offset) {
            if (!out.containsKey(offset)) {
                return false;
            }
            acked.incrementAndGet();
            out.remove(offset);
            return true;
        }

        private void giveBack(long offset) {
            Message message = out.get(offset);
            if (message != null) {
                ready.put(offset, message);
                out.remove(offset);
            }
        }

        void fill(int count, int bodyBytes) {
            for (int i = 0; i < count; i++) {
                ready.put(nextOffset.getAndIncrement(), Message.of("orders", new byte[bodyBytes]));
            }
        }
    }

    private final String name;
    private final Store store;
    private final Map<Long, ActorRef<SessionCommand>> sessions = new HashMap<>();

    static Behavior<NodeProtocol.Request> create(String name, Store store) {
        return Behaviors.setup(context -> new FakeNode(context, name, store));
    }

    private FakeNode(ActorContext<NodeProtocol.Request> context, String name, Store store) {
        super(context);
        this.name = name;
        this.store = store;
    }

    @Override
    public Receive<NodeProtocol.Request> createReceive() {
        return newReceiveBuilder()
                .onMessage(NodeProtocol.OpenSession.class, this::onOpen)
                .onMessage(NodeProtocol.FindSession.class, this::onFind)
                .build();
    }

    private Behavior<NodeProtocol.Request> onOpen(NodeProtocol.OpenSession open) {
        // As a node does: who asks twice because the first answer is late has one session.
        ActorRef<SessionCommand> before = sessions.get(open.sessionId());
        ActorRef<SessionCommand> session = before != null
                ? before
                : getContext()
                        .spawnAnonymous(Behaviors.<SessionCommand>setup(
                                context -> new Session(context, open.sessionId(), open.client())));
        sessions.put(open.sessionId(), session);
        open.client().tell(new SessionEvent.Opened(session, open.sessionId(), name, LIMITS, before != null));
        return this;
    }

    private Behavior<NodeProtocol.Request> onFind(NodeProtocol.FindSession find) {
        if (!sessions.containsKey(find.sessionId())) {
            find.client().tell(new SessionEvent.SessionUnknown(find.sessionId(), find.number()));
        }
        return this;
    }

    private static final class Subscription {
        final SessionCommand.Subscribe asked;
        SubscriptionProgress progress;
        long lastNumber;
        long pushed;

        Subscription(SessionCommand.Subscribe asked) {
            this.asked = asked;
            progress = asked.progress();
            lastNumber = progress.receivedUpTo();
            pushed = progress.receivedCount();
        }
    }

    private final class Session extends AbstractBehavior<SessionCommand> {
        private final long sessionId;
        private final ActorRef<SessionEvent> client;
        private final boolean isRemote;
        private final WireCutter<SessionEvent> cutter =
                WireCutter.ofEvents(FRAME_BYTES, LIMITS.chunkBytesInFlightMax());
        private final WireJoiner<SessionCommand> joiner = new WireJoiner<>(SessionCommand.class, 16 << 20);
        private final ArrayDeque<SessionCommand.Pop> waiting = new ArrayDeque<>();
        private final Map<Integer, Subscription> subscriptions = new HashMap<>();

        Session(ActorContext<SessionCommand> context, long sessionId, ActorRef<SessionEvent> client) {
            super(context);
            this.sessionId = sessionId;
            this.client = client;
            this.isRemote = WireFrames.isRemote(client);
        }

        @Override
        public Receive<SessionCommand> createReceive() {
            return newReceiveBuilder().onMessage(SessionCommand.class, this::on).build();
        }

        private void tell(SessionEvent event) {
            if (isRemote) {
                cutter.offer(event, client::tell);
            } else {
                client.tell(event);
            }
        }

        private Behavior<SessionCommand> on(SessionCommand command) {
            if (command instanceof SessionCommand.Send send) {
                List<SendResult> results = new ArrayList<>(send.messages().size());
                for (Message message : send.messages()) {
                    long offset = store.nextOffset.getAndIncrement();
                    store.sent.add(message);
                    store.ready.put(offset, message);
                    results.add(new Receipt(
                            Durability.WRITTEN,
                            name,
                            0,
                            offset,
                            send.topic(),
                            0,
                            offset,
                            Message.crcOf(message.body())));
                }
                if (!store.isMute) {
                    tell(new SessionEvent.SendReply(send.requestId(), results));
                }
            } else if (command instanceof SessionCommand.Pop pop) {
                waiting.add(pop);
            } else if (command instanceof SessionCommand.CancelPop cancel) {
                boolean found = waiting.removeIf(pop -> {
                    if (pop.requestId() == cancel.popRequestId()) {
                        tell(new SessionEvent.Popped(pop.requestId(), List.of()));
                        return true;
                    }
                    return false;
                });
                tell(new SessionEvent.PopCancelled(cancel.requestId(), found));
            } else if (command instanceof SessionCommand.Subscribe subscribe) {
                subscriptions.put(subscribe.subscriptionId(), new Subscription(subscribe));
                tell(new SessionEvent.Subscribed(subscribe.requestId(), subscribe.subscriptionId(), store.mode));
            } else if (command instanceof SessionCommand.Credit credit) {
                Subscription subscription = subscriptions.get(credit.subscriptionId());
                if (subscription != null) {
                    subscription.progress = credit.progress();
                    store.creditsMax.accumulateAndGet(credit.progress().openCredits(), Math::max);
                }
            } else if (command instanceof SessionCommand.Unsubscribe unsubscribe) {
                subscriptions.remove(unsubscribe.subscriptionId());
                tell(new SessionEvent.Unsubscribed(unsubscribe.requestId(), unsubscribe.subscriptionId()));
            } else if (command instanceof SessionCommand.Ack ack) {
                List<AckResult> results = new ArrayList<>();
                for (ReceiptHandle handle : ack.handles()) {
                    results.add(store.ack(handle.queueOffset()) ? AckOutcome.ACKED : AckOutcome.ALREADY_SETTLED);
                }
                tell(new SessionEvent.AckReply(ack.requestId(), results, Durability.WRITTEN));
            } else if (command instanceof SessionCommand.GiveBack giveBack) {
                giveBack.handles().forEach(handle -> store.giveBack(handle.queueOffset()));
                tell(new SessionEvent.GiveBackReply(
                        giveBack.requestId(),
                        Collections.nCopies(giveBack.handles().size(), GiveBackOutcome.GIVEN_BACK)));
            } else if (command instanceof SessionCommand.ChangeInvisible change) {
                tell(new SessionEvent.ChangeReply(
                        change.requestId(),
                        Collections.nCopies(change.handles().size(), new Changed(change.millis()))));
            } else if (command instanceof SessionCommand.Heartbeat heartbeat) {
                client.tell(new SessionEvent.Heartbeat(heartbeat.number()));
            } else if (command instanceof SessionCommand.BeginAnew) {
                store.isLosingChunks = false;
                cutter.reset(FRAME_BYTES, LIMITS.chunkBytesInFlightMax());
                joiner.reset();
                waiting.clear(); // the client repeats what was not answered
                return this;
            } else if (command instanceof Chunk && store.isLosingChunks) {
                return this;
            } else if (command instanceof Chunk chunk) {
                client.tell(new ChunkAck(chunk.streamId(), chunk.index()));
                try {
                    SessionCommand joined = joiner.accept(chunk);
                    return joined == null ? this : on(joined);
                } catch (MalformedWireException malformed) {
                    throw new AssertionError(malformed);
                }
            } else if (command instanceof ChunkAck ack) {
                cutter.acked(ack, client::tell);
            } else if (command instanceof SessionCommand.Close || command instanceof SessionCommand.Detach) {
                client.tell(new SessionEvent.SessionClosed(sessionId, Refusal.of(Refusal.Code.CLOSED, "as asked")));
                return Behaviors.stopped();
            } else {
                SessionCommand.Request request = (SessionCommand.Request) command;
                tell(new SessionEvent.Refused(
                        request.requestId(), Refusal.of(Refusal.Code.UNSUPPORTED, "not in a fake node")));
            }
            servePops();
            if (store.mode == DeliveryMode.PUSH) {
                subscriptions.values().forEach(this::push);
            }
            return this;
        }

        private void push(Subscription subscription) {
            long owed = subscription.pushed - subscription.progress.receivedCount();
            while (subscription.progress.openCredits() > owed && !store.ready.isEmpty()) {
                SessionCommand.Subscribe asked = subscription.asked;
                int count = (int) Math.min(asked.countMax(), subscription.progress.openCredits() - owed);
                List<Delivery> deliveries = take(
                        asked.group(), count, asked.bytesMax(), asked.invisibleMillis(), - ++subscription.lastNumber);
                owed += deliveries.size();
                subscription.pushed += deliveries.size();
                tell(new SessionEvent.Pushed(asked.subscriptionId(), subscription.lastNumber, deliveries));
            }
        }

        private List<Delivery> take(String group, int countMax, int bytesMax, long invisibleMillis, long sequence) {
            List<Delivery> deliveries = new ArrayList<>();
            int bytes = 0;
            for (Map.Entry<Long, Message> next = store.take(); next != null; next = store.take()) {
                long offset = next.getKey();
                deliveries.add(new Delivery(
                        next.getValue(),
                        group,
                        0,
                        offset,
                        1,
                        new ReceiptHandle(ReceiptHandle.nodeIdOf(name), 0, 1, 1, offset, 1, sequence, 7),
                        invisibleMillis,
                        0));
                bytes += next.getValue().body().length;
                if (deliveries.size() == countMax || bytes >= bytesMax) {
                    break;
                }
            }
            store.outMax.accumulateAndGet(store.out.size(), Math::max);
            return deliveries;
        }

        private void servePops() {
            while (!waiting.isEmpty()) {
                SessionCommand.Pop pop = waiting.peekFirst();
                List<Delivery> deliveries =
                        take(pop.group(), pop.countMax(), pop.bytesMax(), pop.invisibleMillis(), pop.requestId());
                if (deliveries.isEmpty() && pop.waitMillis() > 0) {
                    return; // until something is sent, or it is cancelled
                }
                waiting.removeFirst();
                tell(new SessionEvent.Popped(pop.requestId(), deliveries));
            }
        }
    }
}
