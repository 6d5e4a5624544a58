package io.forebay.protocol.wire;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.BlockedQueue;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.DeadLetterFilter;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackOutcome;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.LifeEvent;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Message;
import io.forebay.protocol.MessagePlace;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.ParkedKey;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.Quarantine;
import io.forebay.protocol.QueueDescription;
import io.forebay.protocol.QueuePurge;
import io.forebay.protocol.QueueRelease;
import io.forebay.protocol.QueueSeek;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.RedrivenLetter;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SeekPlace;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.protocol.SettingsChange;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsDescribed;
import io.forebay.protocol.SettingsDescription;
import io.forebay.protocol.SettingsScope;
import io.forebay.protocol.StoredMessage;
import io.forebay.protocol.SubscriptionProgress;
import io.forebay.protocol.TopicDescription;
import io.forebay.protocol.UnparkHow;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/** Values of every class that crosses, made from a seed. */
final class Samples {
    private final Random random;
    private final ActorRef<SessionCommand> session;
    private final ActorRef<SessionEvent> client;

    Samples(long seed, ActorRef<SessionCommand> session, ActorRef<SessionEvent> client) {
        this.random = new Random(seed);
        this.session = session;
        this.client = client;
    }

    /** The classes below a sealed interface that can be made. */
    static Set<Class<?>> leavesOf(Class<?>... sealed) {
        Set<Class<?>> leaves = new LinkedHashSet<>();
        for (Class<?> type : sealed) {
            if (type.isSealed()) {
                leaves.addAll(leavesOf(type.getPermittedSubclasses()));
            } else {
                leaves.add(type);
            }
        }
        return leaves;
    }

    List<Object> all() {
        Refusal refusal = refusal();
        return List.of(
                new NodeProtocol.OpenSession(NodeProtocol.VERSION, random.nextLong(), "a client", 262144, client),
                new NodeProtocol.FindSession(random.nextLong(), number(), client),
                new SessionEvent.SessionUnknown(random.nextLong(), number()),
                new SessionEvent.Opened(session, random.nextLong(), "node-1", limits(), random.nextBoolean()),
                new SessionEvent.OpenRefused(random.nextLong(), refusal),
                new SessionCommand.Heartbeat(number()),
                new SessionEvent.Heartbeat(number()),
                new SessionCommand.BeginAnew(),
                new SessionCommand.Detach(),
                new SessionCommand.Close(),
                new SessionEvent.SessionClosed(random.nextLong(), refusal),
                new ChunkAck(number(), random.nextInt(1000)),
                new SessionEvent.Refused(number(), refusal),
                send(random.nextInt(5)),
                sendReply(random.nextInt(6)),
                new SessionCommand.Withdraw(number(), "orders", List.of("a", "b")),
                new SessionEvent.Withdrawn(number()),
                new SessionCommand.Pop(number(), "orders", "billing", 32, 1 << 20, 30_000, 20_000),
                popped(random.nextInt(6)),
                new SessionCommand.CancelPop(number(), number()),
                new SessionEvent.PopCancelled(number(), random.nextBoolean()),
                new SessionCommand.Subscribe(number(), 7, "orders", "billing", 32, 1 << 20, 30_000, progress()),
                new SessionEvent.Subscribed(number(), 7, mode()),
                new SessionCommand.Credit(SessionCommand.SUBSCRIPTION_ID_MAX, progress(), mode()),
                pushed(1 + random.nextInt(5)),
                new SessionCommand.Unsubscribe(number(), 7, progress()),
                new SessionEvent.Unsubscribed(number(), 7),
                new SessionEvent.SubscriptionMode(7, mode()),
                new SessionEvent.SubscriptionEnded(7, refusal),
                new SessionCommand.Ack(number(), "billing", handles(random.nextInt(9)), durability()),
                ackReply(),
                SessionEvent.AckReply.allAcked(number(), random.nextInt(100), Durability.WRITTEN),
                new SessionCommand.ChangeInvisible(
                        number(), "billing", handles(3), -5, random.nextBoolean(), "it broke ☠"),
                new SessionEvent.ChangeReply(number(), List.of(new Changed(number()), refusal, new Changed(-1))),
                new SessionCommand.GiveBack(number(), "billing", handles(2)),
                new SessionEvent.GiveBackReply(
                        number(), List.of(GiveBackOutcome.GIVEN_BACK, refusal, GiveBackOutcome.ALREADY_SETTLED)),
                new SessionCommand.CreateTopic(number(), "orders", 4, Map.of("max-attempts", "16")),
                new SessionEvent.TopicCreated(number(), topic()),
                new SessionCommand.DeleteTopic(number(), "orders"),
                new SessionEvent.Deleted(number()),
                new SessionCommand.ListTopics(number(), "", 100),
                new SessionEvent.NamePage(number(), List.of("a", "b"), true),
                new SessionCommand.DescribeTopic(number(), "orders"),
                new SessionEvent.TopicDescribed(number(), topic()),
                new SessionCommand.CreateGroup(number(), "billing", "orders", Map.of()),
                new SessionEvent.GroupCreated(number(), "billing"),
                new SessionCommand.DeleteGroup(number(), "billing"),
                new SessionCommand.ListGroups(number(), "orders", "a", 7),
                new SessionCommand.DescribeGroup(number(), "billing", ""),
                new SessionEvent.GroupDescribed(number(), List.of(group(), group())),
                new LookCommand.Seek(number(), "billing", "orders", -1, SeekPlace.time(number()), true),
                new LookReply.Seeked(
                        number(),
                        List.of(
                                new QueueSeek("node-1", 0, number(), number(), 3, 0, true, null),
                                new QueueSeek("node-1", 1, 0, 0, 0, 0, false, refusal))),
                new LookCommand.Purge(number(), "orders", "", 3, number(), false),
                new LookReply.Purged(
                        number(),
                        List.of(
                                new QueuePurge("node-1", 0, number(), 3, true, null),
                                new QueuePurge("node-1", 1, 0, 0, false, refusal))),
                new LookCommand.Release(number(), "orders", 3, number(), true),
                new LookReply.Released(
                        number(),
                        List.of(
                                new QueueRelease("node-1", 3, number(), null),
                                new QueueRelease("node-1", 4, 0, Refusal.busy("voll", 10)))),
                new LookCommand.Peek(number(), "orders", -1, -1, "billing", 10, 1 << 20, "1:2"),
                new LookCommand.Find(number(), "orders", "", "schlüssel", -1, number(), 10, ""),
                new LookReply.MessagePage(
                        number(),
                        "node-1",
                        List.of(stored(), stored()),
                        List.of("queue 0, offset 7 cannot be read"),
                        number(),
                        number(),
                        "1:2"),
                new LookCommand.Explain(number(), "", -1, -1, handle(), ""),
                new LookCommand.Explain(number(), "orders", 2, number(), null, "3:4"),
                new LookReply.LifePage(
                        number(),
                        new MessagePlace("node-1", "orders", 2, number()),
                        random.nextBoolean() ? stored() : null,
                        List.of("billing"),
                        List.of(lifeEvent(), lifeEvent()),
                        List.of("the log begins at sequence 7"),
                        number(),
                        number(),
                        number(),
                        ""),
                new PoisonCommand.ListParked(number(), "billing", "", 100, "orders/1/2"),
                new PoisonReply.ParkedPage(
                        number(),
                        List.of(
                                new ParkedKey("node-1", "orders", 2, "schlüssel", number(), 16, number(), "ümläut", 7),
                                new ParkedKey("node-1", "orders", 3, "b", number(), 1, number(), "", 0)),
                        20,
                        "orders/3/7"),
                new PoisonCommand.Unpark(number(), "billing", "orders", "schlüssel", UnparkHow.DEAD_LETTER),
                new PoisonReply.Unparked(number(), 3),
                new PoisonCommand.ListLetters(
                        number(),
                        "billing",
                        new DeadLetterFilter("orders", "ümläut", number(), -1),
                        10,
                        1 << 20,
                        "1:2"),
                new PoisonCommand.Redrive(
                        number(), "billing", DeadLetterFilter.ALL, "others", 100, random.nextBoolean(), ""),
                new PoisonReply.Redriven(
                        number(),
                        "node-1",
                        List.of(
                                new RedrivenLetter(0, number(), "a", "orders", 3),
                                new RedrivenLetter(1, 0, "b", "orders", 0)),
                        2,
                        List.of("2 letters stay"),
                        number(),
                        number(),
                        "1:2",
                        "1:0:2"),
                new SettingsCommand.ChangeSettings(
                        number(),
                        SettingsScope.TOPIC,
                        "orders",
                        Map.of("max-age", "3 d", "readable", ""),
                        7,
                        "ann@shop"),
                new SettingsCommand.DescribeSettings(number(), SettingsScope.GROUP, "billing", 100),
                new SettingsDescribed(
                        number(),
                        new SettingsDescription(
                                SettingsScope.GROUP,
                                "billing",
                                "node-1",
                                8,
                                Map.of("paused", "on"),
                                Map.of("paused", "on", "max-attempts", "16"),
                                List.of(
                                        new SettingsChange(
                                                8, number(), "ann@shop", Map.of("paused", ""), Map.of("paused", "on")),
                                        new SettingsChange(
                                                7, number(), "", Map.of("filter", "tag: a"), Map.of("filter", ""))))));
    }

    /** One that is not comparable by {@code equals}, because of its array. */
    Chunk chunk() {
        return new Chunk(number(), random.nextInt(100), 1 << 20, bytes(random.nextInt(50)));
    }

    SessionCommand.Send send(int count) {
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            messages.add(message("orders", random.nextInt(200)));
        }
        long requestId = number();
        long after = requestId > 1 && random.nextBoolean()
                ? random.nextLong(1, requestId)
                : random.nextInt(2) - 1; // first or in no order
        return new SessionCommand.Send(requestId, "orders", random.nextInt(5) - 1, messages, durability(), after);
    }

    SessionEvent.Popped popped(int count) {
        List<Delivery> deliveries = new ArrayList<>();
        ReceiptHandle checkpoint = handle();
        for (int i = 0; i < count; i++) {
            if (random.nextInt(3) == 0) {
                checkpoint = handle();
            }
            long offset = number();
            deliveries.add(new Delivery(
                    message(random.nextInt(4) == 0 ? "other" : "orders", random.nextInt(100)),
                    "billing",
                    random.nextInt(8),
                    random.nextInt(5) == 0 ? number() : offset,
                    1 + random.nextInt(2),
                    at(checkpoint, offset),
                    number(),
                    number()));
        }
        return new SessionEvent.Popped(number(), deliveries);
    }

    SessionEvent.Pushed pushed(int count) {
        return new SessionEvent.Pushed(
                random.nextInt(100), number(), popped(count).deliveries());
    }

    private SubscriptionProgress progress() {
        return new SubscriptionProgress(number(), number(), number(), random.nextLong());
    }

    private DeliveryMode mode() {
        return random.nextBoolean() ? DeliveryMode.POP : DeliveryMode.PUSH;
    }

    private SessionEvent.SendReply sendReply(int count) {
        List<io.forebay.protocol.SendResult> results = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            results.add(
                    random.nextInt(4) == 0
                            ? refusal()
                            : new Receipt(
                                    random.nextBoolean() ? Durability.WRITTEN : Durability.FLUSHED,
                                    "node-1",
                                    random.nextInt(4),
                                    number(),
                                    "orders",
                                    random.nextInt(8),
                                    number(),
                                    random.nextInt()));
        }
        return new SessionEvent.SendReply(number(), results);
    }

    private SessionEvent.AckReply ackReply() {
        return new SessionEvent.AckReply(
                number(), List.of(AckOutcome.ACKED, AckOutcome.ALREADY_SETTLED, refusal()), Durability.FLUSHED);
    }

    Message message(String topic, int bodyBytes) {
        Message.Builder builder = Message.builder(topic).body(bytes(bodyBytes)).id("id-" + random.nextInt(1000));
        if (random.nextInt(3) == 0) {
            builder.tag("tag").keys(List.of("k1", "schlüssel")).messageGroup("customer-7");
        }
        if (random.nextInt(3) == 0) {
            builder.deliverAtMillis(number())
                    .lane("a.b")
                    .priority(random.nextInt(256))
                    .property("p", "1")
                    .property("q", "");
        }
        if (random.nextInt(2) == 0) {
            builder.bornMillis(number()).bornHost("host");
        }
        if (random.nextInt(3) == 0) {
            builder.traceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
                    .producer(random.nextLong(), random.nextLong());
        }
        return builder.build();
    }

    ReceiptHandle handle() {
        return new ReceiptHandle(
                random.nextInt(),
                random.nextInt(8),
                random.nextInt(1000),
                random.nextInt(1000),
                number(),
                random.nextInt(100),
                number(),
                random.nextLong());
    }

    private List<ReceiptHandle> handles(int count) {
        List<ReceiptHandle> handles = new ArrayList<>();
        ReceiptHandle checkpoint = handle();
        for (int i = 0; i < count; i++) {
            if (random.nextInt(4) == 0) {
                checkpoint = handle();
            }
            handles.add(random.nextBoolean() ? at(checkpoint, checkpoint.queueOffset() + i) : handle());
        }
        return handles;
    }

    private static ReceiptHandle at(ReceiptHandle of, long offset) {
        return new ReceiptHandle(
                of.nodeId(),
                of.stripe(),
                of.queueId(),
                of.groupId(),
                offset,
                of.epoch(),
                of.checkpointSequence(),
                of.nonce());
    }

    private SessionLimits limits() {
        return new SessionLimits(
                262144,
                1 << 22,
                1024,
                1 << 22,
                512,
                1 << 22,
                1000,
                43_200_000,
                60_000,
                64,
                1 << 24,
                1 << 20,
                16,
                10_000,
                2000,
                9000);
    }

    private TopicDescription topic() {
        return new TopicDescription(
                "orders",
                "node-1",
                List.of(
                        new QueueDescription(0, 0, 5, 10, 5, 3, 1, List.of(quarantine()), List.of()),
                        new QueueDescription(1, 1, 0, 0, 0, 0, 0, List.of(), List.of("not served", "not for g"))),
                List.of("billing"),
                Map.of("max-attempts", "16"),
                7,
                number());
    }

    private Quarantine quarantine() {
        Quarantine.Cause[] causes = Quarantine.Cause.values();
        return new Quarantine(
                number(),
                1 + random.nextInt(9),
                causes[random.nextInt(causes.length)],
                random.nextBoolean() ? "" : "segment-0000000000000000.log",
                random.nextBoolean() ? -1 : number(),
                number(),
                "der Prüfwert stimmt nicht");
    }

    private StoredMessage stored() {
        return new StoredMessage(random.nextInt(8), number(), number(), number(), message("orders", 20));
    }

    private LifeEvent lifeEvent() {
        LifeEvent.Kind[] kinds = LifeEvent.Kind.values();
        return new LifeEvent(
                kinds[random.nextInt(kinds.length)],
                number(),
                number(),
                random.nextBoolean(),
                "billing",
                random.nextInt(20),
                random.nextLong(),
                number(),
                "because of ümläut");
    }

    private GroupDescription group() {
        return new GroupDescription(
                "billing",
                "orders",
                "node-1",
                number(),
                1,
                2,
                3,
                4,
                5,
                6,
                Map.of("paused", "on"),
                7,
                8,
                9,
                10,
                11,
                random.nextBoolean(),
                random.nextBoolean(),
                List.of(new BlockedQueue(3, number(), "schlüssel"), new BlockedQueue(4, 0, "")));
    }

    private Refusal refusal() {
        return new Refusal(
                Refusal.Code.values()[random.nextInt(Refusal.Code.values().length)], "because of ümläut", number());
    }

    private Durability durability() {
        int which = random.nextInt(3);
        return which == 0 ? null : which == 1 ? Durability.WRITTEN : Durability.FLUSHED;
    }

    private byte[] bytes(int count) {
        byte[] bytes = new byte[count];
        random.nextBytes(bytes);
        return bytes;
    }

    /** Of all magnitudes, none negative. */
    private long number() {
        return random.nextLong() >>> (1 + random.nextInt(62));
    }
}
