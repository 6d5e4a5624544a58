package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.MemoryDisk;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.Test;

/**
 * Order per key under everything at once: an ordered topic and an ordered group, few keys that several producers share, Sends
 * sent several at a time and repeated in their first order when they were refused or not answered, consumers that ack, nack,
 * extend, give back, let deadlines pass or are gone; and kills, power cuts, crashes at any operation of the disk, clean stops, forces
 * that fail or take long, too little room ({@code Busy}). In every world it must hold:
 *
 * <ul>
 *   <li>I3: a message of a key goes out only when every one before it in the queue is acked, and every one that its producer sent before
 *       it with that key; never while another of the key is in flight, or waits to go out again. After a power cut, which may have
 *       undone acks that were not flushed, this begins anew behind the last flushed ack.
 *   <li>I1, I2: what was sent is acked in the end, once per copy; as stored, first copies lie in the order in which they were sent. Where
 *       the topic deduplicates there are no other copies.
 *   <li>I4: acked it does not come back, unless the power was cut before the ack was flushed. I5: one at a time. I6: attempts count up.
 *       I7: not before its deadline. I8: it goes on.
 * </ul>
 *
 * {@code -Dforebay.steps} says how many steps; see {@link SteppedNode} for what a seed brings back.
 */
class OrderSimulationTest {
    private static final int PRODUCERS = 3;
    private static final int CONSUMERS = 3;
    private static final int STEPS_OF_A_LIFE = 120;
    private static final long PATIENCE_STEPS = 3_000;

    @Test
    void eachKeysMessagesAreConsumedInOrderWhateverHappens() {
        SteppedWorld.liveInMany(
                "order",
                20_000,
                World::new,
                "kill",
                "power cut",
                "crash at an operation",
                "force that fails",
                "nack",
                "give back",
                "consumer gone",
                "expired",
                "Send refused: BUSY",
                "first deliveries",
                "redeliveries");
    }

    /** One message that a producer wants stored. */
    private static final class Item {
        final long number;
        final String text;
        final Message message;
        /** The one that its producer sent before with that key. */
        final Item before;

        boolean isStored;
        /** Deliveries of it, of any copy, whose acks were asked for and not refused: it may be settled by any of them. */
        final Set<Out> asked = new HashSet<>();

        boolean isAcked;
        boolean isAckFlushed;

        Item(long number, String text, String key, Item before, int padding) {
            this.number = number;
            this.text = text;
            this.before = before;
            message = Message.builder("t")
                    .id(text)
                    .body((text + " ".repeat(padding)).getBytes(StandardCharsets.UTF_8))
                    .messageGroup(key)
                    .build();
        }

        boolean isAckAsked() {
            return isAcked || !asked.isEmpty();
        }
    }

    /** One delivery, as its consumer sees it. */
    private static final class Out {
        final Item item;
        final Delivery delivery;
        final Key key;
        long untilMillis;
        /** Nacked, given back, or its consumer gone: it may go out again. */
        boolean isEnded;

        boolean isUncounted;
        boolean isAckAsked;
        boolean isAcked;
        int extensions;

        Out(Item item, Delivery delivery, Key key) {
            this.item = item;
            this.delivery = delivery;
            this.key = key;
            untilMillis = delivery.invisibleUntilMillis();
        }
    }

    private static final class Key {
        Out last;
        /** Nothing below may go out. */
        long floor;

        long flushedFloor;
    }

    private static final class World extends SteppedWorld {
        private final boolean isDeduplicated;
        private final String settings;
        private final Map<String, String> groupSettings;
        private final int queues;
        private final int keyCount;
        private final int pipeline;
        private final int paddingMax;
        private final Map<String, Item> items = new LinkedHashMap<>();
        private final Map<String, Key> keys = new HashMap<>();
        private final List<Producer> producers = new ArrayList<>();
        private final List<Consumer> consumers = new ArrayList<>();

        World(Run run) {
            super(run);
            isDeduplicated = random.nextBoolean();
            queues = 1 + random.nextInt(2);
            keyCount = 1 + random.nextInt(8);
            pipeline = 1 + random.nextInt(6);
            paddingMax = random.nextBoolean() ? 500 : 6_000;
            settings = """
                forebay {
                  storage { segment-size = 128 KiB, index-file-size = 64 KiB }
                  store { max-unflushed = 128 KiB, flush-bytes = 16 KiB, flush-interval = %d ms, checkpoint-bytes = 64 KiB,
                    checkpoint-idle-interval = 300 ms, retry-backoff = 20 ms, rewrite-timeout = 50 ms }
                  queue { body-max = 8 KiB, batch-bytes-max = 48 KiB }
                  session { send-bytes-max = 64 KiB }
                  group { pop-bytes-max = 64 KiB, look-ahead-max = %d }
                }
                """.formatted(5 + random.nextInt(100), random.nextInt(3) == 0 ? 64 : 4096);
            groupSettings = Map.of(
                    "ordered", "on",
                    "max-attempts", "0",
                    "retry-backoff", pick("none", "fixed 30 ms", "exponential 10 ms to 200 ms jitter 50 %"),
                    "pop-durability", pick("written", "flushed"),
                    "in-flight-max", pick("4", "1000"));
            for (int i = 0; i < PRODUCERS; i++) {
                producers.add(new Producer(i));
            }
            for (int i = 0; i < CONSUMERS; i++) {
                consumers.add(new Consumer());
            }
        }

        private String pick(String... choices) {
            return choices[random.nextInt(choices.length)];
        }

        @Override
        void live() {
            start(settings);
            SteppedNode.Client client = open();
            client.createTopic(
                    "t", queues, Map.of("ordered", "on", "deduplication", isDeduplicated ? "message-id" : "off"));
            client.createGroup("g", "t", groupSettings);
            client.createGroup("audit", "t", Map.of());
            connect(true);
            int lives = 2 + random.nextInt(3);
            for (int life = 0; life < lives; life++) {
                try {
                    for (int step = 0; step < STEPS_OF_A_LIFE; step++) {
                        step();
                    }
                    endLife();
                } catch (DiskCrashed e) {
                    note("crash at an operation");
                    boolean isPowerCut = random.nextBoolean();
                    MemoryDisk image = isPowerCut ? disk.powerCutImage(random) : disk.killImage();
                    restart(image, isPowerCut);
                }
            }
            drain();
        }

        // ---- lives ------------------------------------------------------------------------------------------------

        private void endLife() {
            switch (random.nextInt(4)) {
                case 0 -> {
                    note("power cut");
                    restart(node.cutPower(), true);
                }
                case 1 -> {
                    note("clean stop");
                    heal();
                    restart(node.stop(), false);
                }
                default -> {
                    note("kill");
                    restart(node.kill(), false);
                }
            }
        }

        private void restart(MemoryDisk image, boolean isPowerCut) {
            node.gone();
            boolean isCut = isPowerCut;
            MemoryDisk next = image;
            if (random.nextInt(3) == 0) {
                // The next start does not come far, either.
                next.crashAtOperation(1 + random.nextInt(40), random);
                try {
                    SteppedNode.start(next, settings, time, random).gone();
                } catch (DiskCrashed e) {
                    note("crash of a start");
                }
                boolean isCutAgain = random.nextBoolean();
                isCut |= isCutAgain;
                next = isCutAgain ? next.powerCutImage(random) : next.killImage();
            }
            disk = next;
            if (isCut) {
                powerWasCut();
            }
            if (random.nextBoolean()) {
                time.shiftWall(random.nextInt(500));
            }
            start(settings);
            connect(isCut);
        }

        /** What was acked and not flushed may come again, and so may all behind it. */
        private void powerWasCut() {
            for (Key key : keys.values()) {
                key.last = null;
                key.floor = key.flushedFloor;
            }
            for (Item item : items.values()) {
                item.isAcked = item.isAckFlushed;
            }
        }

        private void connect(boolean isNew) {
            producers.forEach(producer -> producer.connect(open()));
            for (Consumer consumer : consumers) {
                if (isNew) {
                    consumer.held.clear();
                }
                // Nobody attaches again to the session that had it: its deadlines hold.
                consumer.had.clear();
                consumer.connect();
            }
        }

        // ---- steps ------------------------------------------------------------------------------------------------

        private void step() {
            countStep();
            int dice = random.nextInt(100);
            if (dice < 30) {
                Producer producer = producers.get(random.nextInt(PRODUCERS));
                producer.produce(1 + random.nextInt(8));
                producer.pump();
            } else if (dice < 50) {
                consumers.get(random.nextInt(CONSUMERS)).pop();
            } else if (dice < 80) {
                consumers.get(random.nextInt(CONSUMERS)).settleSome();
            } else if (dice < 90) {
                progress.note("time");
                node.passOnly(random.nextInt(4) == 0 ? random.nextInt(300) : random.nextInt(20));
            } else if (dice < 92) {
                consumers.get(random.nextInt(CONSUMERS)).goAway();
            } else if (dice < 95) {
                note("force that fails");
                disk.failNextForces(1 + random.nextInt(2));
            } else if (dice < 97) {
                node.slowForces(random.nextBoolean() ? 1 : 1 + random.nextInt(300));
            } else if (dice < 98) {
                if (random.nextInt(2) == 0) {
                    disk.crashAtOperation(disk.operations() + 1 + random.nextInt(100), random);
                }
            } else {
                node.runAll();
            }
            node.run(random.nextInt(60));
            producers.forEach(Producer::pump);
        }

        private void heal() {
            disk.failNextForces(0);
            disk.crashAtOperation(Long.MAX_VALUE);
            node.slowForces(1);
        }

        /** I1, I8: without faults everything is sent, consumed and acked. */
        private void drain() {
            isDraining = true;
            heal();
            consumers.forEach(Consumer::goAway);
            for (long i = 0; !isEverythingDone(); i++) {
                if (i == PATIENCE_STEPS) {
                    throw new AssertionError("I8: " + whatIsLeft());
                }
                producers.forEach(Producer::pump);
                consumers.get(0).pop();
                node.runAll();
                consumers.get(0).ackAll();
                node.pass(20);
            }
            node.awaitServing();
            SteppedNode.Client client = open();
            assertThat(client.describe("g", "t").depth())
                    .as("what the group has left")
                    .isZero();
            assertThat(client.pop("t", "g", 10, 1_000)).as("I4").isEmpty();
            audit(client);
            node.gone();
        }

        private boolean isEverythingDone() {
            for (Item item : items.values()) {
                // The answer to an ack may have been lost: then it is settled, or comes again.
                if (!item.isStored || !item.isAckAsked()) {
                    return false;
                }
            }
            return open().describe("g", "t").depth() == 0;
        }

        private String whatIsLeft() {
            StringBuilder left = new StringBuilder();
            open().ask(id -> new SessionCommand.DescribeGroup(id, "g", "t"), SessionEvent.GroupDescribed.class)
                    .topics()
                    .forEach(left::append);
            left.append(", a Pop gets ")
                    .append(open().pop("t", "g", 10, 1000))
                    .append(", health ")
                    .append(node.health())
                    .append(": ");
            items.values().stream()
                    .filter(item -> !item.isStored || !item.isAcked)
                    .limit(10)
                    .forEach(item -> left.append(item.text)
                            .append(item.isStored ? " stored" : " not stored")
                            .append(item.isAcked ? ", " : " not acked, "));
            return left.toString();
        }

        /** What is stored, in the order in which it is stored. */
        private void audit(SteppedNode.Client client) {
            Map<Integer, TreeMap<Long, Delivery>> byQueue = new TreeMap<>();
            for (List<Delivery> some = client.pop("t", "audit", 50, 1_000_000);
                    !some.isEmpty();
                    some = client.pop("t", "audit", 50, 1_000_000)) {
                for (Delivery delivery : some) {
                    byQueue.computeIfAbsent(delivery.queue(), queue -> new TreeMap<>())
                            .put(delivery.queueOffset(), delivery);
                }
                client.ack("audit", some, Durability.WRITTEN);
            }
            Set<Item> stored = new HashSet<>();
            for (TreeMap<Long, Delivery> queue : byQueue.values()) {
                for (Delivery delivery : queue.values()) {
                    Item item = itemOf(delivery);
                    boolean isFirst = stored.add(item);
                    assertThat(isFirst || !isDeduplicated)
                            .as("I2: %s is stored twice", item.text)
                            .isTrue();
                    assertThat(item.before == null || stored.contains(item.before))
                            .as("I3: %s is stored before what was sent before it", item.text)
                            .isTrue();
                    saw(isFirst ? "first copies" : "second copies", 1);
                }
            }
            assertThat(stored).as("I1").hasSameSizeAs(items.values());
        }

        private Item itemOf(Delivery delivery) {
            Item item = items.get(delivery.message().id());
            assertThat(item).as("I2: nobody sent %s", delivery.message().id()).isNotNull();
            assertThat(delivery.body()).as("I2: %s", item.text).isEqualTo(item.message.body());
            return item;
        }

        // ---- what goes out ------------------------------------------------------------------------------------------

        private Out delivered(Delivery delivery) {
            Item item = itemOf(delivery);
            progress.note(
                    item.text + " goes out, attempt " + delivery.attempt() + ", offset " + delivery.queueOffset());
            Key key = keys.computeIfAbsent(delivery.message().messageGroup(), absent -> new Key());
            Out last = key.last;
            Out out = new Out(item, delivery, key);
            if (last != null && !isLater(delivery.handle(), last.delivery.handle())) {
                // It was on its way to a slower consumer when it went out again.
                out.isEnded = true;
                return out;
            }
            long offset = delivery.queueOffset();
            assertThat(offset)
                    .as("I3, I4: %s goes out behind what lies above it, or is acked", item.text)
                    .isGreaterThanOrEqualTo(key.floor);
            if (last != null) {
                if (offset != last.delivery.queueOffset()) {
                    assertThat(last.isAckAsked)
                            .as("I3: %s goes out before %s is acked", item.text, last.item.text)
                            .isTrue();
                } else if (!last.isUncounted) {
                    assertThat(delivery.attempt()).as("I6: %s", item.text).isGreaterThan(last.delivery.attempt());
                }
                if (!last.isEnded && !last.isAckAsked) {
                    assertThat(delivery.poppedMillis())
                            .as("I5, I7: %s goes out while %s is in flight", item.text, last.item.text)
                            .isGreaterThanOrEqualTo(last.untilMillis);
                    saw("expired", 1);
                }
            }
            assertThat(item.before == null || item.before.isAckAsked())
                    .as("I3: %s goes out before what was sent before it is acked", item.text)
                    .isTrue();
            saw(delivery.attempt() == 1 ? "first deliveries" : "redeliveries", 1);
            key.last = out;
            key.floor = offset;
            return out;
        }

        private static boolean isLater(ReceiptHandle one, ReceiptHandle other) {
            return one.epoch() != other.epoch()
                    ? one.epoch() > other.epoch()
                    : one.checkpointSequence() > other.checkpointSequence();
        }

        private void acked(Out out, boolean isFlushed) {
            out.isAcked = true;
            out.item.isAcked = true;
            out.item.isAckFlushed |= isFlushed;
            long floor = out.delivery.queueOffset() + 1;
            out.key.floor = Math.max(out.key.floor, floor);
            if (isFlushed) {
                out.key.flushedFloor = Math.max(out.key.flushedFloor, floor);
            }
        }

        // ---- producers
        // ------------------------------------------------------------------------------------------------

        /** Repeats as a client does: nothing new behind a refusal until all under way has come back, then in the first order. */
        private final class Producer {
            private final int name;
            private final Map<String, Item> newest = new HashMap<>();
            private final ArrayDeque<Item> pending = new ArrayDeque<>();
            private final Map<Long, List<Item>> underWay = new LinkedHashMap<>();
            private final List<List<Item>> refused = new ArrayList<>();
            private long repeatAtMillis;
            private int count;
            private SteppedNode.Client client;

            Producer(int name) {
                this.name = name;
            }

            void connect(SteppedNode.Client newClient) {
                client = newClient;
                client.listen(this::told);
                refused.addAll(underWay.values());
                underWay.clear();
                refused.sort(Comparator.comparingLong(batch -> batch.get(0).number));
            }

            void produce(int messages) {
                progress.note("produce");
                for (int i = 0; i < messages && pending.size() < 40; i++) {
                    String key = "k" + random.nextInt(keyCount);
                    long number = count++;
                    Item item = new Item(
                            number, "p" + name + "-" + number, key, newest.get(key), random.nextInt(paddingMax));
                    newest.put(key, item);
                    items.put(item.text, item);
                    pending.add(item);
                }
            }

            void pump() {
                if (!refused.isEmpty()) {
                    if (underWay.isEmpty() && time.millis() >= repeatAtMillis) {
                        send(refused.remove(0));
                    }
                    return;
                }
                while (!pending.isEmpty() && underWay.size() < pipeline) {
                    List<Item> batch = new ArrayList<>();
                    int most = 1 + random.nextInt(6);
                    while (!pending.isEmpty() && batch.size() < most) {
                        batch.add(pending.removeFirst());
                    }
                    send(batch);
                }
            }

            private void send(List<Item> batch) {
                long id = client.nextId();
                underWay.put(id, batch);
                client.tell(new SessionCommand.Send(
                        id, "t", -1, batch.stream().map(item -> item.message).toList(), Durability.FLUSHED));
            }

            private void told(SessionEvent event) {
                if (!(event instanceof SessionEvent.Reply)) {
                    return; // the session ends
                }
                long id = ((SessionEvent.Reply) event).requestId();
                List<Item> batch = underWay.remove(id);
                assertThat(batch).as("%s is answered twice", event).isNotNull();
                List<SendResult> results = event instanceof SessionEvent.SendReply reply ? reply.results() : List.of();
                List<Item> again = new ArrayList<>();
                for (int i = 0; i < batch.size(); i++) {
                    SendResult result = event instanceof SessionEvent.Refused whole ? whole.refusal() : results.get(i);
                    if (result instanceof Refusal refusal) {
                        assertThat(refusal.isTransient() || refusal.code() == Refusal.Code.READ_ONLY)
                                .as("I8: %s", refusal)
                                .isTrue();
                        saw("Send refused: " + refusal.code(), 1);
                        again.add(batch.get(i));
                        repeatAtMillis = Math.max(repeatAtMillis, time.millis() + refusal.retryAfterMillis());
                    } else {
                        assertThat(((Receipt) result).level()).isEqualTo(Durability.FLUSHED);
                        batch.get(i).isStored = true;
                    }
                }
                if (!again.isEmpty()) {
                    refused.add(again);
                    refused.sort(Comparator.comparingLong(one -> one.get(0).number));
                }
            }
        }

        // ---- consumers
        // ------------------------------------------------------------------------------------------------

        private final class Consumer {
            private final List<Out> held = new ArrayList<>();
            /** Whatever the session has had: it all comes back when the session is gone. */
            private final List<Out> had = new ArrayList<>();

            private final Map<Long, BiConsumer<SessionEvent, Long>> asked = new HashMap<>();
            private SteppedNode.Client client;
            private int waitingPops;

            void connect() {
                client = open();
                SteppedNode.Client of = client;
                asked.clear();
                waitingPops = 0;
                client.listen(event -> told(of, event));
            }

            private void told(SteppedNode.Client of, SessionEvent event) {
                if (of != client || !(event instanceof SessionEvent.Reply)) {
                    return;
                }
                long id = ((SessionEvent.Reply) event).requestId();
                BiConsumer<SessionEvent, Long> then = asked.remove(id);
                assertThat(then).as("%s is answered twice", event).isNotNull();
                then.accept(event, id);
            }

            void pop() {
                if (waitingPops > 2) {
                    return;
                }
                progress.note("pop");
                waitingPops++;
                long id = client.nextId();
                asked.put(id, (event, same) -> {
                    waitingPops--;
                    if (event instanceof SessionEvent.Popped popped) {
                        for (Delivery delivery : popped.deliveries()) {
                            Out out = delivered(delivery);
                            held.add(out);
                            had.add(out);
                        }
                    } else {
                        saw(
                                "Pop refused: "
                                        + ((SessionEvent.Refused) event)
                                                .refusal()
                                                .code(),
                                1);
                    }
                });
                client.tell(new SessionCommand.Pop(
                        id,
                        "t",
                        "g",
                        isDraining ? 50 : 1 + random.nextInt(8),
                        1 << 16,
                        isDraining ? 1_000_000 : 20 + random.nextInt(400),
                        isDraining || random.nextBoolean() ? 0 : random.nextInt(300)));
            }

            void settleSome() {
                if (held.isEmpty()) {
                    return;
                }
                List<Out> some = new ArrayList<>();
                for (int i = random.nextInt(held.size()); i >= 0 && some.size() < 6; i--) {
                    some.add(held.get(random.nextInt(held.size())));
                }
                List<Out> distinct = some.stream().distinct().toList();
                int dice = random.nextInt(20);
                if (dice < 14) {
                    ack(distinct, random.nextInt(3) == 0 ? Durability.FLUSHED : Durability.WRITTEN);
                } else if (dice < 17) {
                    nack(distinct);
                } else if (dice < 18) {
                    extend(distinct);
                } else if (dice < 19) {
                    giveBack(distinct);
                } else {
                    // They hang: their deadlines pass.
                    progress.note("hang");
                    held.removeAll(distinct);
                }
            }

            void ackAll() {
                if (!held.isEmpty()) {
                    ack(List.copyOf(held), Durability.FLUSHED);
                    node.runAll();
                }
            }

            private List<ReceiptHandle> handles(List<Out> outs) {
                return outs.stream().map(out -> out.delivery.handle()).toList();
            }

            private void ack(List<Out> outs, Durability level) {
                progress.note("ack");
                held.removeAll(outs);
                outs.forEach(out -> {
                    out.isAckAsked = true;
                    out.item.asked.add(out);
                });
                long id = client.nextId();
                asked.put(id, (event, same) -> {
                    for (int i = 0; i < outs.size(); i++) {
                        AckResult result = event instanceof SessionEvent.Refused whole
                                ? whole.refusal()
                                : ((SessionEvent.AckReply) event).results().get(i);
                        Out out = outs.get(i);
                        if (result instanceof AckOutcome) {
                            acked(out, level == Durability.FLUSHED);
                        } else if (((Refusal) result).code() != Refusal.Code.OUTCOME_UNKNOWN) {
                            saw("ack refused: " + ((Refusal) result).code(), 1);
                            out.isAckAsked = false;
                            out.item.asked.remove(out);
                        }
                    }
                });
                client.tell(new SessionCommand.Ack(id, "g", handles(outs), level));
            }

            private void nack(List<Out> outs) {
                note("nack");
                held.removeAll(outs);
                outs.forEach(out -> out.isEnded = true);
                change(outs, pickMillis(), true, (out, result) -> {});
            }

            private long pickMillis() {
                return random.nextInt(3) == 0 ? SessionCommand.ChangeInvisible.BACKOFF : random.nextInt(60);
            }

            private void extend(List<Out> outs) {
                note("extend");
                // Until it is answered the deadline may be any of the two.
                long millis = 50 + random.nextInt(300);
                long now = time.millis();
                outs.forEach(out -> {
                    out.untilMillis = Math.min(out.untilMillis, now + millis);
                    out.extensions++;
                });
                change(outs, millis, false, (out, result) -> {
                    // Behind one that was answered late another may hold already.
                    if (result instanceof Changed changed && !out.isEnded && out.extensions == 1) {
                        out.untilMillis = changed.invisibleUntilMillis();
                    }
                });
            }

            private void change(List<Out> outs, long millis, boolean isNack, BiConsumer<Out, ChangeResult> then) {
                long id = client.nextId();
                asked.put(id, (event, same) -> {
                    if (event instanceof SessionEvent.ChangeReply reply) {
                        for (int i = 0; i < outs.size(); i++) {
                            then.accept(outs.get(i), reply.results().get(i));
                        }
                    }
                });
                client.tell(new SessionCommand.ChangeInvisible(id, "g", handles(outs), millis, isNack, "no"));
            }

            private void giveBack(List<Out> outs) {
                note("give back");
                held.removeAll(outs);
                outs.forEach(out -> {
                    out.isEnded = true;
                    out.isUncounted = true;
                });
                long id = client.nextId();
                asked.put(id, (event, same) -> {});
                client.tell(new SessionCommand.GiveBack(id, "g", handles(outs)));
            }

            void goAway() {
                note("consumer gone");
                had.forEach(out -> out.isEnded = true);
                had.clear();
                held.clear();
                // Deaf from now on: what it is told in its last moments comes back.
                SteppedNode.Client gone = client;
                client = null;
                gone.vanish();
                connect();
            }
        }
    }
}
