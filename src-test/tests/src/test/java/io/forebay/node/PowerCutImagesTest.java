package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.Fault;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.Proof;
import io.forebay.testkit.sim.SeededRun;
import io.forebay.testkit.sim.Tally;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What a power cut leaves, at any operation of the disk while a whole node works: Sends of both levels, many under way at a time,
 * Pops, acks and nacks; forces that fail or take their time, a kernel that writes back or drops pages by itself, checkpoints, new
 * segments, kills, and the recoveries behind them. Of what was not forced any sectors of 512 bytes, and any changes of names, may
 * be there or not. A kill takes nothing that was written, unless a force had failed, the kernel had dropped its pages and the node
 * had not come to write them again: then it takes what a power cut may take ({@link Promises#killed}). From each image it must hold:
 *
 * <ul>
 *   <li>I1: the record of every receipt at FLUSHED is there, with its sequence, its offset and its checksum; and of every other
 *       receipt with a lower sequence. I2: whatever else is there was sent, unaltered, and is there once.
 *   <li>I3: the messages of a key lie in the order in which they were sent; of what was not promised the beginning is there.
 *   <li>The log opens without help, and what it then serves is as safe: the power may go again. I8: so does a node, which I4
 *       delivers nothing that was acked at FLUSHED.
 * </ul>
 *
 * {@code -Dforebay.images} says how many images.
 */
@Tag("proof")
class PowerCutImagesTest {
    private static final long IMAGES = Long.getLong("forebay.images", 300);
    private static final int IMAGES_OF_A_LIFE = 40;
    private static final int STEPS_OF_A_LIFE = 250;
    /** One of so many is looked at by a whole node as well. */
    private static final int NODE_EVERY = 10;

    private static final long INVISIBLE_MILLIS = 60_000;

    @Test
    void everyFlushedReceiptIsGoodWheneverThePowerIsCut() {
        SteppedNode.alone(() -> SeededRun.run("power cuts", (random, progress) -> {
            Tally seen = new Tally();
            long acknowledged = Proof.messagesAcknowledged.sum();
            int lives = 0;
            for (; progress.step() < IMAGES; lives++) {
                new Life(random, progress, seen).live();
            }
            System.out.println("power cuts: " + progress.step() + " images of " + lives + " lives, "
                    + (Proof.messagesAcknowledged.sum() - acknowledged) + " receipts verified, " + seen);
            assertThat(seen.kinds())
                    .as("what has come up")
                    .contains(
                            "force that failed",
                            "dropped pages of a failed force",
                            "kill",
                            "image of a start",
                            "image behind a failed force",
                            "second cut",
                            "FLUSHED receipt",
                            "FLUSHED ack",
                            "whole node");
        }));
    }

    private record Image(MemoryDisk disk, Promises promises, String at, long wallMillis) {}

    /** One disk, and the nodes that work on it until the last kill. */
    private static final class Life {
        private final RandomGenerator random;
        private final SeededRun.Progress progress;
        private final Tally seen;
        private final NodeFixture.VirtualTime time = new NodeFixture.VirtualTime();
        private final Promises promises = new Promises();
        private final List<Image> images = new ArrayList<>();
        private long mutations;
        private boolean isStarting;
        private MemoryDisk disk = new MemoryDisk();
        private SteppedNode node;
        private long lastSession;

        // The producer's:
        private SteppedNode.Client producer;
        private final Map<Long, List<Message>> underWay = new LinkedHashMap<>();
        private final List<List<Message>> refused = new ArrayList<>();

        // The consumer's:
        private SteppedNode.Client consumer;
        private final ArrayDeque<Delivery> held = new ArrayDeque<>();
        private final Map<Long, List<Delivery>> acks = new HashMap<>();
        private final Map<Long, Durability> levels = new HashMap<>();
        /** The request that waits; 0 if none does. */
        private long popping;

        Life(RandomGenerator random, SeededRun.Progress progress, Tally seen) {
            this.random = random;
            this.progress = progress;
            this.seen = seen;
        }

        void live() {
            long begin = time.millis();
            start();
            SteppedNode.Client operator = node.open(++lastSession);
            operator.createTopic(Promises.TOPIC, 2, Promises.TOPIC_SETTINGS);
            operator.createGroup(Promises.GROUP, Promises.TOPIC, Promises.GROUP_SETTINGS);
            operator.createGroup(Promises.AUDIT, Promises.TOPIC, Map.of());
            promises.topicCreated();
            connect();
            for (int step = 0; step < STEPS_OF_A_LIFE; step++) {
                step();
            }
            long faults = disk.faults();
            seen.saw("force that failed", faults);
            node.gone();
            Proof.kills.increment();
            Proof.simulatedMillis.add(time.millis() - begin);
            for (Image image : images) {
                if (progress.step() < IMAGES) {
                    progress.at(progress.step() + 1);
                    progress.note("power cut before " + image.at);
                    judge(image);
                }
            }
        }

        // ---- images -------------------------------------------------------------------------------------------------

        private void start() {
            MemoryDisk of = disk;
            of.observe((operation, path, at, length) -> {
                if (operation.isMutation()) {
                    look(of, operation + " of " + path + " at " + at);
                }
            });
            isStarting = true;
            node = SteppedNode.start(disk, Promises.SETTINGS, time, random);
            isStarting = false;
        }

        /** Of all operations as many as there is room for, each as likely as any other. */
        private void look(MemoryDisk of, String at) {
            mutations++;
            int place = images.size() < IMAGES_OF_A_LIFE
                    ? images.size()
                    : (int) Math.min(IMAGES_OF_A_LIFE, random.nextLong(mutations));
            if (place < IMAGES_OF_A_LIFE) {
                Promises then = promises.copy();
                String what = (isStarting ? "start, " : of.faults() > 0 ? "behind a failed force, " : "") + at;
                if (popping != 0) {
                    // Nobody was told what it has taken, but the disk may know it.
                    then.popUnknown(time.millis() + INVISIBLE_MILLIS);
                    what += ", a Pop under way";
                }
                Image image = new Image(of.powerCutImage(random), then, what, time.millis());
                if (place == images.size()) {
                    images.add(image);
                } else {
                    images.set(place, image);
                }
            }
        }

        private void judge(Image image) {
            Proof.images.increment();
            if (image.at.startsWith("start")) {
                seen.saw("image of a start");
            } else if (image.at.startsWith("behind")) {
                seen.saw("image behind a failed force");
            }
            Promises then = image.promises;
            then.powerWasCut();
            MemoryDisk forNode = random.nextInt(NODE_EVERY) == 0 ? image.disk.killImage() : null;
            try {
                then.judgeLog(image.disk);
                if (random.nextInt(4) == 0) {
                    seen.saw("second cut");
                    Proof.images.increment();
                    then.judgeLog(image.disk.powerCutImage(random));
                }
            } catch (IOException e) {
                throw new AssertionError("I8: the log does not open without help: " + e.getMessage(), e);
            }
            if (forNode != null) {
                seen.saw("whole node");
                NodeFixture.VirtualTime itsTime = new NodeFixture.VirtualTime();
                itsTime.shiftWall(image.wallMillis - itsTime.millis());
                SteppedNode next = SteppedNode.start(forNode, Promises.SETTINGS, itsTime, random);
                then.judgeNode(next, next.open(1));
                next.gone();
            }
        }

        // ---- what the node does -------------------------------------------------------------------------------------

        private void step() {
            int dice = random.nextInt(100);
            if (dice < 40) {
                send();
            } else if (dice < 52) {
                pop();
            } else if (dice < 70) {
                settle();
            } else if (dice < 82) {
                node.passOnly(random.nextInt(3) == 0 ? random.nextInt(700) : random.nextInt(25));
            } else if (dice < 86) {
                disk.arm(Fault.of(Operation.FORCE).from(1 + random.nextInt(3)).times(1 + random.nextInt(2)));
            } else if (dice < 89) {
                node.slowForces(1 + random.nextInt(60));
            } else if (dice < 92) {
                disk.writeBackSome(random);
            } else if (dice < 94) {
                dropPages();
            } else if (dice < 96) {
                node.runAll();
            } else if (dice < 97) {
                kill();
            }
            node.run(random.nextInt(50));
            pump();
        }

        /** The kernel needs the memory. */
        private void dropPages() {
            if (disk.evictCleanPages().stream().anyMatch(path -> path.contains("/segment-"))) {
                seen.saw("dropped pages of a failed force");
                promises.pagesDropped();
            }
        }

        /** The process dies, and another one goes on with what the kernel has. */
        private void kill() {
            Proof.kills.increment();
            seen.saw("force that failed", disk.faults());
            disk = node.kill();
            if (random.nextInt(4) == 0) {
                dropPages();
            }
            seen.saw(promises.killed() ? "kill that took what was only written" : "kill");
            refused.addAll(underWay.values());
            underWay.clear();
            refused.sort(Comparator.comparing(batch -> batch.get(0).id()));
            if (popping != 0) {
                promises.popUnknown(time.millis() + INVISIBLE_MILLIS);
            }
            popping = 0;
            held.clear();
            acks.clear();
            levels.clear();
            start();
            connect();
        }

        private void connect() {
            producer = node.open(++lastSession);
            SteppedNode.Client sending = producer;
            producer.listen(event -> {
                if (sending == producer) {
                    sent(event);
                }
            });
            consumer = node.open(++lastSession);
            SteppedNode.Client consuming = consumer;
            consumer.listen(event -> {
                if (consuming == consumer) {
                    consumed(event);
                }
            });
        }

        private void send() {
            if (!refused.isEmpty() || underWay.size() > 8) {
                return;
            }
            List<Message> batch = new ArrayList<>();
            int count = 1 + random.nextInt(5);
            for (int i = 0; i < count; i++) {
                int bytes = random.nextInt(4) == 0 ? random.nextInt(9_000) : random.nextInt(400);
                batch.add(promises.next(bytes, random.nextInt(4) == 0 ? null : "k" + random.nextInt(4)));
            }
            send(batch);
        }

        private void send(List<Message> batch) {
            long id = producer.nextId();
            underWay.put(id, batch);
            Durability level = random.nextBoolean() ? Durability.FLUSHED : Durability.WRITTEN;
            producer.tell(new SessionCommand.Send(id, Promises.TOPIC, -1, batch, level));
        }

        /** As a client that keeps the order of keys: what was refused goes first, when nothing else is under way. */
        private void pump() {
            if (!refused.isEmpty() && underWay.isEmpty()) {
                send(refused.remove(0));
            }
        }

        private void sent(SessionEvent event) {
            if (!(event instanceof SessionEvent.Reply reply)) {
                return;
            }
            List<Message> batch = underWay.remove(reply.requestId());
            assertThat(batch).as("%s is answered twice", event).isNotNull();
            List<Message> again = new ArrayList<>();
            for (int i = 0; i < batch.size(); i++) {
                SendResult result = event instanceof SessionEvent.Refused whole
                        ? whole.refusal()
                        : ((SessionEvent.SendReply) event).results().get(i);
                if (result instanceof Receipt receipt) {
                    promises.stored(batch.get(i), receipt);
                    seen.saw(receipt.level() + " receipt");
                } else {
                    Refusal refusal = (Refusal) result;
                    assertThat(refusal.isTransient() || refusal.code() == Refusal.Code.READ_ONLY)
                            .as("I8: %s", refusal)
                            .isTrue();
                    again.add(batch.get(i));
                }
            }
            if (!again.isEmpty()) {
                refused.add(again);
                refused.sort(Comparator.comparing(one -> one.get(0).id()));
            }
        }

        private void pop() {
            if (popping == 0 && held.size() < 30) {
                popping = consumer.nextId();
                consumer.tell(new SessionCommand.Pop(
                        popping,
                        Promises.TOPIC,
                        Promises.GROUP,
                        1 + random.nextInt(8),
                        1 << 20,
                        INVISIBLE_MILLIS,
                        random.nextInt(50)));
            }
        }

        private void settle() {
            if (held.isEmpty()) {
                return;
            }
            List<Delivery> some = new ArrayList<>();
            for (int i = random.nextInt(held.size()); i >= 0; i--) {
                some.add(held.pollFirst());
            }
            long id = consumer.nextId();
            if (random.nextInt(5) == 0) {
                some.forEach(promises::ended);
                consumer.tell(new SessionCommand.ChangeInvisible(
                        id,
                        Promises.GROUP,
                        NodeFixture.handles(some),
                        SessionCommand.ChangeInvisible.BACKOFF,
                        true,
                        "no"));
                return;
            }
            some.forEach(promises::ackAsked);
            Durability level = random.nextBoolean() ? Durability.FLUSHED : Durability.WRITTEN;
            acks.put(id, some);
            levels.put(id, level);
            consumer.tell(new SessionCommand.Ack(id, Promises.GROUP, NodeFixture.handles(some), level));
        }

        private void consumed(SessionEvent event) {
            if (event instanceof SessionEvent.Popped popped) {
                popping = 0;
                for (Delivery delivery : popped.deliveries()) {
                    promises.delivered(delivery, INVISIBLE_MILLIS);
                    held.addLast(delivery);
                }
            } else if (event instanceof SessionEvent.AckReply reply) {
                List<Delivery> asked = acks.remove(reply.requestId());
                Durability level = levels.remove(reply.requestId());
                for (int i = 0; i < asked.size(); i++) {
                    AckResult result = reply.results().get(i);
                    if (result instanceof AckOutcome outcome) {
                        promises.acked(asked.get(i), outcome, level);
                        seen.saw(level + " ack");
                    }
                }
            } else if (event instanceof SessionEvent.Refused whole) {
                acks.remove(whole.requestId());
                if (whole.requestId() == popping) {
                    popping = 0;
                    promises.popUnknown(time.millis() + INVISIBLE_MILLIS);
                }
            }
        }
    }
}
