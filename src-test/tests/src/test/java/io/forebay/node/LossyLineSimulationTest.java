package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.client.ForebayClient;
import io.forebay.client.VirtualClients;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.Proof;
import io.forebay.testkit.sim.SeededRun;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * The client of an application, a node, and between them a line that loses Sends, answers and everything else, one by one or all
 * for a while, is late with it, and never changes the order of the rest; sessions that are found gone, and are or are not the same when they are
 * opened again; a node that refuses for now, because its disk is slow or fails. In every world it must hold:
 *
 * <ul>
 *   <li>I3: the first copies of a client's messages of one key lie in their queue in the order of its calls.
 *   <li>I1, I2: what was answered is stored, where its receipt says; nothing else is; twice only where the topic does not deduplicate.
 *   <li>I8: when the line and the disk are well again every Send is answered soon, not only when its client gives it up.
 * </ul>
 *
 * {@code -Dforebay.steps} says how many steps; see {@link SteppedNode} for what a seed brings back.
 */
class LossyLineSimulationTest {
    private static final int CLIENTS = 2;
    private static final int STEPS_OF_A_WORLD = 250;
    /** Of 50 ms; most worlds need 2 s. It has to be less than the longest time after which a Send is given up. */
    private static final long PATIENCE_STEPS = 400;

    private static final boolean IS_TRACED = Boolean.getBoolean("forebay.trace");

    private enum Kind {
        /** It loses, and is late. */
        LOSSY,
        /** It is only late, and nobody loses patience; the node is well. */
        LATE
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void eachKeysMessagesAreStoredInOrderWhateverTheLineLoses() {
        SteppedNode.alone(() -> {
            Set<String> seen = runWorlds("lossy line", Kind.LOSSY, SeededRun.steps(15_000), UnaryOperator.identity());
            // A run in which one of these never came up would prove nothing of it.
            assertThat(seen)
                    .contains(
                            "lost Send",
                            "lost SendReply",
                            "lost Refused",
                            "lost Withdraw",
                            "lost Withdrawn",
                            "lost Opened",
                            "lost BeginAnew",
                            "opened again",
                            "refused OUT_OF_ORDER",
                            "refused BUSY",
                            "session gone",
                            "session ended",
                            "stored",
                            "given up",
                            "stored twice");
        });
    }

    /**
     * I2: where nothing is lost nothing is stored twice, on no topic. Clients ask for their sessions again and again while the line is
     * late, are answered as often, and have begun to send with the first answer.
     */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void whatIsOnlyLateIsStoredOnce() {
        SteppedNode.alone(() -> {
            Set<String> seen = runWorlds("late line", Kind.LATE, SeededRun.steps(15_000), UnaryOperator.identity());
            assertThat(seen)
                    .contains("opened again", "sent before it was opened again", "stored")
                    .doesNotContain("stored twice");
        });
    }

    /** What this test is worth: it finds what goes wrong when a Send does not say what it comes after. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void withoutWhatASendComesAfterTheOrderOfAKeyBreaks() {
        UnaryOperator<SessionCommand> forgetful = command -> command instanceof SessionCommand.Send send
                ? new SessionCommand.Send(
                        send.requestId(), send.topic(), send.queue(), send.messages(), send.durability())
                : command;
        assertThatThrownBy(() -> SteppedNode.alone(() -> runWorlds("forgetful line", Kind.LOSSY, 15_000, forgetful)))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("I3");
    }

    /** @return what came up */
    private static Set<String> runWorlds(String name, Kind kind, long steps, UnaryOperator<SessionCommand> form) {
        long[] worlds = {0};
        Map<String, long[]> seen = new TreeMap<>();
        SeededRun.run(name, (random, progress) -> {
            for (long done = 0; done < steps; worlds[0]++) {
                World world = new World(kind, random, progress, seen, done, form);
                long began = world.time.millis();
                done += world.live();
                Proof.simulatedMillis.add(world.time.millis() - began);
            }
        });
        StringBuilder text = new StringBuilder(name + ": " + worlds[0] + " worlds");
        seen.forEach(
                (what, count) -> text.append(", ").append(count[0]).append(' ').append(what));
        System.out.println(text);
        return seen.keySet();
    }

    /** One message, and what its client was told of it. */
    private static final class Item {
        final Message message;
        /** The one that the same client sent before with that key; null if there is none. */
        final Item before;

        Receipt receipt;
        Refusal refusal;

        Item(Message message, Item before) {
            this.message = message;
            this.before = before;
        }

        void decided(SendResult result) {
            assertThat(receipt == null && refusal == null)
                    .as("%s is answered twice", message.id())
                    .isTrue();
            if (result instanceof Receipt stored) {
                receipt = stored;
            } else {
                refusal = (Refusal) result;
            }
        }

        boolean isDecided() {
            return receipt != null || refusal != null;
        }
    }

    private static final class World {
        private final Kind kind;
        private final RandomGenerator random;
        private final SeededRun.Progress progress;
        private final Map<String, long[]> seen;
        private final long stepsBefore;
        private final NodeFixture.VirtualTime time = new NodeFixture.VirtualTime();
        private final MemoryDisk disk = new MemoryDisk();
        private final boolean isDeduplicated;
        private final int keyCount;
        private final int paddingMax;
        private final SteppedNode node;
        private final UnaryOperator<SessionCommand> form;
        private final List<Producer> producers = new ArrayList<>();
        private final Map<String, Item> items = new LinkedHashMap<>();
        /** What crossed the lines, newest last, for who looks into a failure. */
        private final List<String> crossed = new ArrayList<>();

        private long steps;
        /** Of a hundred things that go that way. */
        private int lostToNode;

        private int lostToClient;

        World(
                Kind kind,
                RandomGenerator random,
                SeededRun.Progress progress,
                Map<String, long[]> seen,
                long stepsBefore,
                UnaryOperator<SessionCommand> form) {
            this.kind = kind;
            this.random = random;
            this.progress = progress;
            this.seen = seen;
            this.stepsBefore = stepsBefore;
            this.form = form;
            isDeduplicated = kind == Kind.LOSSY && random.nextBoolean();
            keyCount = 1 + random.nextInt(5);
            paddingMax = random.nextBoolean() ? 500 : 6_000;
            String settings = """
                forebay {
                  storage { segment-size = 128 KiB, index-file-size = 64 KiB }
                  store { max-unflushed = 128 KiB, flush-bytes = 16 KiB, flush-interval = %d ms, checkpoint-bytes = 64 KiB,
                    checkpoint-idle-interval = 300 ms, retry-backoff = 20 ms, rewrite-timeout = 50 ms }
                  queue { body-max = 8 KiB, batch-bytes-max = 48 KiB }
                  session { send-bytes-max = 64 KiB, heartbeat-interval = 200 ms, timeout = %s }
                  client { request-timeout = %s, lookup { retry-min = 50 ms, retry-max = 100 ms }
                    send { timeout = %s, pipeline = %d, batch-count-max = %d } }
                }
                """.formatted(
                            5 + random.nextInt(100),
                            kind == Kind.LATE ? "1 h" : "800 ms",
                            kind == Kind.LATE ? "1 h" : 300 + random.nextInt(700) + " ms",
                            kind == Kind.LOSSY && random.nextBoolean() ? "1500 ms" : "60 s",
                            1 + random.nextInt(6),
                            1 + random.nextInt(6));
            node = SteppedNode.start(disk, settings, time, random);
            SteppedNode.Client operator = node.open(1);
            operator.createTopic(
                    "t", 1 + random.nextInt(3), Map.of("deduplication", isDeduplicated ? "message-id" : "off"));
            operator.createGroup("audit", "t", Map.of());
            for (int i = 0; i < CLIENTS; i++) {
                connect();
            }
        }

        private void connect() {
            producers.add(new Producer(producers.size(), random.nextBoolean()));
        }

        private void saw(String what) {
            seen.computeIfAbsent(what, absent -> new long[1])[0]++;
        }

        private void note(String what) {
            progress.note(what);
            saw(what);
        }

        /** Returns how many steps it took. */
        long live() {
            try {
                return liveOn();
            } catch (AssertionError e) {
                crossed.forEach(System.out::println);
                throw e;
            }
        }

        private long liveOn() {
            for (int i = 0; i < STEPS_OF_A_WORLD; i++) {
                step();
            }
            if (kind == Kind.LOSSY) {
                // So that some worlds end with a stripe that refuses everything.
                disk.failNextForces(random.nextInt(6));
                producers.get(0).send(5);
                node.runAll();
            }
            lostToNode = 0;
            lostToClient = 0;
            producers.forEach(producer -> producer.line.beLate(false));
            disk.failNextForces(0);
            node.slowForces(1);
            for (long i = 0; !items.values().stream().allMatch(Item::isDecided); i++) {
                if (i == PATIENCE_STEPS) {
                    throw new AssertionError("I8: not answered: "
                            + items.values().stream()
                                    .filter(item -> !item.isDecided())
                                    .map(item -> item.message.id())
                                    .toList());
                }
                node.pass(50);
            }
            node.awaitServing();
            audit();
            node.gone();
            return steps;
        }

        private void step() {
            progress.at(stepsBefore + ++steps);
            Producer producer = producers.get(producers.size() - 1 - random.nextInt(CLIENTS));
            int dice = random.nextInt(100);
            if (kind == Kind.LATE && dice >= 65 && dice < 87) {
                if (dice < 67) {
                    connect();
                } else {
                    turn(producer);
                }
            } else if (dice < 45) {
                producer.send(1 + random.nextInt(6));
            } else if (dice < 65) {
                progress.note("time");
                node.passOnly(random.nextInt(6) == 0 ? random.nextInt(1_000) : random.nextInt(30));
            } else if (dice < 80) {
                lostToNode = loss();
                lostToClient = loss();
                progress.note("loses " + lostToNode + " % and " + lostToClient + " %");
            } else if (dice < 82) {
                note("session gone");
                producer.line.cut();
            } else if (dice < 84) {
                note("session ended");
                producer.line.endSession();
            } else if (dice < 87) {
                progress.note("force that fails");
                disk.failNextForces(1 + random.nextInt(2));
            } else if (dice < 90) {
                node.slowForces(random.nextBoolean() ? 1 : 1 + random.nextInt(300));
            } else if (dice < 93) {
                turn(producer);
            } else {
                node.runAll();
            }
            node.run(random.nextInt(60));
        }

        private void turn(Producer producer) {
            producer.line.beLate(!producer.line.isLate());
            progress.note(producer.line.isLate() ? "late" : "in time");
        }

        private int loss() {
            return switch (random.nextInt(6)) {
                case 0 -> 100;
                case 1 -> 50;
                case 2 -> 10;
                default -> 0;
            };
        }

        /** What is stored, in the order in which it is stored. */
        private void audit() {
            SteppedNode.Client client = node.open(2);
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
            Set<String> stored = new HashSet<>();
            Map<Item, Item> newest = new HashMap<>();
            byQueue.values()
                    .forEach(queue -> queue.values().forEach(delivery -> {
                        Item item = items.get(delivery.message().id());
                        assertThat(item)
                                .as("I2: nobody sent %s", delivery.message().id())
                                .isNotNull();
                        boolean isFirst = stored.add(item.message.id());
                        saw(isFirst ? "stored" : "stored twice");
                        assertThat(isFirst || !isDeduplicated && kind == Kind.LOSSY)
                                .as("I2: %s is stored twice", item.message.id())
                                .isTrue();
                        if (isFirst && item.message.isKeyed()) {
                            for (Item before = item.before; before != null; before = before.before) {
                                assertThat(stored.contains(before.message.id()) || before.receipt == null)
                                        .as("I3: %s is stored before %s", item.message.id(), before.message.id())
                                        .isTrue();
                                newest.put(before, item);
                            }
                            assertThat(newest.get(item))
                                    .as("I3: what is stored before %s and was sent behind it", item.message.id())
                                    .isNull();
                        }
                    }));
            for (Item item : items.values()) {
                if (item.receipt == null) {
                    saw("given up");
                } else {
                    Delivery delivery = byQueue.getOrDefault(item.receipt.queue(), new TreeMap<>())
                            .get(item.receipt.queueOffset());
                    assertThat(delivery == null ? null : delivery.message().id())
                            .as("I1: what is stored where the receipt of %s says", item.message.id())
                            .isEqualTo(item.message.id());
                }
            }
        }

        private final class Producer {
            private final int name;
            private final Map<String, Item> newest = new HashMap<>();
            private final ForebayClient client;
            private final LossyLine line;
            private int count;
            private int openedCount;
            private boolean isSending;

            Producer(int name, boolean isLate) {
                this.name = name;
                line = new LossyLine(node.system(), node.entry(), this::isLost, form, "line-" + name);
                client = VirtualClients.connect(
                        node.system(),
                        line.entry(),
                        () -> TimeUnit.NANOSECONDS.toMillis(time.nanos()),
                        random::nextLong);
                line.beLate(isLate);
            }

            private boolean isLost(Object message) {
                boolean isToClient = message instanceof SessionEvent;
                if (message instanceof SessionEvent.Refused refused) {
                    saw("refused " + refused.refusal().code());
                } else if (message instanceof SessionEvent.SendReply reply) {
                    reply.results().stream()
                            .filter(Refusal.class::isInstance)
                            .map(Refusal.class::cast)
                            .forEach(refusal -> saw("refused " + refusal.code()));
                }
                boolean isLost = random.nextInt(100) < (isToClient ? lostToClient : lostToNode);
                if (IS_TRACED) {
                    crossed.add(time.nanos() / 1_000_000 + " ms, client " + name + (isLost ? " lost " : " ") + message);
                }
                if (isLost) {
                    note("lost " + message.getClass().getSimpleName());
                } else if (message instanceof SessionEvent.Opened) {
                    if (++openedCount > 1) {
                        saw("opened again");
                    }
                    if (openedCount > 1 && isSending) {
                        saw("sent before it was opened again");
                    }
                } else if (message instanceof SessionCommand.Send send) {
                    isSending = true;
                    progress.note("Send " + send.requestId() + " after " + send.after() + ": "
                            + send.messages().stream().map(Message::id).toList());
                }
                return isLost;
            }

            void send(int messages) {
                progress.note("send");
                List<Item> batch = new ArrayList<>();
                for (int i = 0; i < messages; i++) {
                    batch.add(item());
                }
                Durability level = random.nextBoolean() ? Durability.WRITTEN : Durability.FLUSHED;
                if (random.nextBoolean()) {
                    client.sendBatch(batch.stream().map(item -> item.message).toList(), level)
                            .thenAccept(results -> {
                                for (int i = 0; i < batch.size(); i++) {
                                    batch.get(i).decided(results.get(i));
                                }
                            });
                } else {
                    batch.forEach(item -> client.send(item.message, level)
                            .whenComplete((receipt, failure) -> item.decided(
                                    failure == null
                                            ? receipt
                                            : ((ForebayException)
                                                            (failure instanceof CompletionException
                                                                    ? failure.getCause()
                                                                    : failure))
                                                    .refusal())));
                }
            }

            private Item item() {
                String id = "c" + name + "-" + count++;
                String key = random.nextInt(5) == 0 ? "" : "k" + random.nextInt(keyCount);
                Message message = Message.builder("t")
                        .id(id)
                        .messageGroup(key)
                        .body((id + " ".repeat(random.nextInt(paddingMax))).getBytes(StandardCharsets.UTF_8))
                        .build();
                Item item = new Item(message, key.isEmpty() ? null : newest.get(key));
                if (!key.isEmpty()) {
                    newest.put(key, item);
                }
                items.put(id, item);
                return item;
            }
        }
    }
}
