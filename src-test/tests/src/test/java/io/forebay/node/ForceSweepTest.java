package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackOutcome;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
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
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.function.LongFunction;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * A fixed script of commands goes through a whole node: Sends of both levels, Pops, acks, nacks, extensions, messages given back,
 * expired and dead, checkpoints, new segments. It is run again for <em>every</em> force that it needs, of files and of
 * directories, beginning with the start of the node: that force fails once, or with those behind it, or the device fails
 * until the node has said so several times. Besides, whatever stands on the disk right behind the failed force, and at a moment
 * later, is looked at as a kill and as a power cut leave it. It must hold:
 *
 * <ul>
 *   <li>I1: nothing that was answered, at a level that the fault leaves, is missing. I2: nothing is altered or there twice; receipts
 *       and handles stay what they were, no offset and no sequence is given again.
 *   <li>I3: what was sent one after the other lies in that order. I4: what was acked does not come again. I5: what is out is out once,
 *       and an earlier handle is stale. I6: attempts count up, and the last one makes a dead letter. I7: not before its deadline.
 *   <li>I8: each command comes to its end; until then it is refused with a reason that says why. The node serves again by itself
 *       when the device works.
 * </ul>
 *
 * No force is ever repeated as a cure: {@link io.forebay.testkit.faults.ForceLedger}.
 */
@Tag("proof")
class ForceSweepTest {
    private static final boolean IS_FULL = "full".equals(System.getProperty("forebay.sweep"));
    /** Refusals of one fault before the device works again. */
    private static final int REFUSALS_UNTIL_HEALED = 3;

    private static final int REFUSALS_MAX = 60;
    private static final long ANSWER_WITHIN_MILLIS = 1_000;
    private static final long INVISIBLE_MILLIS = 3_000;
    private static final Set<Refusal.Code> WITH_REASON =
            EnumSet.of(Refusal.Code.OUTCOME_UNKNOWN, Refusal.Code.READ_ONLY, Refusal.Code.BUSY);

    private enum How {
        ONCE(1),
        SEVERAL(4),
        FOR_GOOD(Fault.FOR_GOOD);

        private final long times;

        How(long times) {
            this.times = times;
        }
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void everyForceOfAFileMayFail() {
        SteppedNode.alone(() -> sweep("forces that fail", Operation.FORCE));
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void everyForceOfADirectoryMayFail() {
        SteppedNode.alone(() -> sweep("forces of directories that fail", Operation.FORCE_DIRECTORY));
    }

    private static void sweep(String name, Operation operation) {
        SeededRun.run(name, (random, progress) -> {
            Tally seen = new Tally();
            int spared = 0;
            int number = 1;
            // The order of things is not quite the same each time, so the number of forces is not, either.
            for (; spared < 3; number++) {
                boolean isHit = false;
                for (How how : How.values()) {
                    // Each force once and for good, and several times if there is time.
                    if (IS_FULL || how != How.SEVERAL || number % 4 == 0) {
                        progress.at(progress.step() + 1);
                        progress.note(operation + " " + number + " fails, " + how);
                        Run run = new Run(random, seen);
                        run.fails(Fault.of(operation).from(number).times(how.times));
                        isHit |= run.faults > 0;
                    }
                }
                spared = isHit ? 0 : spared + 1;
            }
            System.out.println(name + ": " + (number - spared - 1) + " forces, " + seen);
            assertThat(number).as("the script needs forces").isGreaterThan(operation == Operation.FORCE ? 40 : 5);
            assertThat(seen.kinds())
                    .as("what has come up")
                    .contains("power cut right behind it", "refused start", "dead letters");
            if (operation == Operation.FORCE) {
                assertThat(seen.kinds())
                        .contains("power cut later", "kill later", "refused: READ_ONLY", "refused: OUTCOME_UNKNOWN");
            }
        });
    }

    /** What was left of the disk at a moment. */
    private record Image(String what, boolean isPowerCut, MemoryDisk disk, Promises promises, long wallMillis) {}

    /** The script, once. */
    private static final class Run {
        private final RandomGenerator random;
        private final Tally seen;
        private final NodeFixture.VirtualTime time = new NodeFixture.VirtualTime();
        private final Promises promises = new Promises();
        private final List<Image> images = new ArrayList<>();
        private final long imageAt;
        private MemoryDisk disk = new MemoryDisk();
        private SteppedNode node;
        private SteppedNode.Client client;
        private long mutationsBehind;
        private int refusals;
        private long faults;
        private int sent;
        /** Whether its messages are consumed to be counted: what is under way then hides them for longer than a judge waits. */
        private boolean isCounted;
        /** How long what is out is asked to be out, while that is not answered. */
        private long extendingMillis;

        Run(RandomGenerator random, Tally seen) {
            this.random = random;
            this.seen = seen;
            imageAt = 1 + random.nextInt(40);
        }

        void fails(Fault fault) {
            MemoryDisk failing = disk;
            failing.arm(fault);
            failing.observe((operation, path, at, length) -> {
                if (operation.isMutation() && failing.faults() > 0) {
                    look(failing);
                }
            });
            long begin = time.millis();
            start();
            script();
            heal();
            faults += disk.faults();
            end();
            Proof.simulatedMillis.add(time.millis() - begin);
            for (Image image : images) {
                judge(image);
            }
        }

        /** What stands on the disk before an operation that comes behind the fault. */
        private void look(MemoryDisk of) {
            if (isCounted) {
                return;
            }
            if (mutationsBehind == 0) {
                keep("power cut right behind it", true, of.powerCutImage(random));
            }
            if (++mutationsBehind == imageAt) {
                boolean isPowerCut = random.nextBoolean();
                keep(
                        isPowerCut ? "power cut later" : "kill later",
                        isPowerCut,
                        isPowerCut ? of.powerCutImage(random) : of.killImage());
            }
        }

        private void keep(String what, boolean isPowerCut, MemoryDisk image) {
            Promises then = promises.copy();
            // A Pop, or an extension, may be under way.
            then.popUnknown(time.millis() + Math.max(INVISIBLE_MILLIS, extendingMillis));
            images.add(new Image(what, isPowerCut, image, then, time.millis()));
        }

        private void start() {
            try {
                node = SteppedNode.start(disk, Promises.SETTINGS, time, random);
            } catch (CompletionException e) {
                // It does not hide why, and the next start finds a device that works.
                assertThat(e).as("I8: refused start").hasStackTraceContaining("Input/output error");
                seen.saw("refused start");
                faults += disk.faults();
                MemoryDisk left = disk.killImage();
                disk.crash();
                disk = left;
                node = SteppedNode.start(disk, Promises.SETTINGS, time, random);
            }
            client = node.open(1);
        }

        private void heal() {
            disk.heal();
            // What is read-only tries again, and has succeeded when this is over.
            node.pass(200);
        }

        /** All of it is there: in the node as it is, or behind a clean stop and another start. */
        private void end() {
            boolean isRestarted = random.nextBoolean();
            if (!isRestarted) {
                isCounted = true;
                seen.saw("dead letters", promises.judgeNode(node, node.open(3)));
            }
            MemoryDisk left = node.stop();
            judgeLog("clean stop", left.killImage(), promises);
            if (isRestarted) {
                node = SteppedNode.start(left, Promises.SETTINGS, time, random);
                seen.saw("dead letters", promises.judgeNode(node, node.open(3)));
                node.gone();
            }
        }

        private void judge(Image image) {
            seen.saw(image.what);
            Proof.kills.add(image.isPowerCut ? 0 : 1);
            Proof.images.add(image.isPowerCut ? 1 : 0);
            Promises then = image.promises;
            if (image.isPowerCut) {
                then.powerWasCut();
            }
            judgeLog(image.what, image.disk.killImage(), then);
            NodeFixture.VirtualTime itsTime = new NodeFixture.VirtualTime();
            itsTime.shiftWall(image.wallMillis - itsTime.millis());
            try {
                SteppedNode next = SteppedNode.start(image.disk, Promises.SETTINGS, itsTime, random);
                then.judgeNode(next, next.open(2));
                next.gone();
            } catch (AssertionError e) {
                throw new AssertionError(image.what + ", " + imageAt + ": " + e.getMessage(), e);
            }
        }

        private static void judgeLog(String what, MemoryDisk image, Promises then) {
            try {
                then.judgeLog(image);
            } catch (IOException | AssertionError e) {
                throw new AssertionError(what + ", the log: " + e.getMessage(), e);
            }
        }

        // ---- the script ---------------------------------------------------------------------------------------------

        private void script() {
            create();
            send(Durability.FLUSHED, 3, 200);
            send(Durability.WRITTEN, 5, 200);
            List<Delivery> first = pop(5);
            ack(Durability.WRITTEN, some(first, 0, 2));
            nack(some(first, 2, 3));
            node.pass(30); // a flush
            send(Durability.WRITTEN, 2, 2_000);
            send(Durability.FLUSHED, 2, 2_000);
            giveBack(some(first, 3, 4));
            List<Delivery> second = pop(8);
            stale(some(first, 2, 3), second);
            ack(Durability.FLUSHED, some(second, 0, 2));
            node.pass(600); // a checkpoint, while idle
            send(Durability.WRITTEN, 5, 10_000);
            send(Durability.FLUSHED, 4, 12_000); // a new segment, and a checkpoint by size
            send(Durability.WRITTEN, 5, 12_000);
            List<Delivery> third = pop(4);
            extend(third, 10_000);
            nack(some(second, 2, 4));
            node.pass(30);
            List<Delivery> fourth = pop(10);
            nack(fourth); // some for the last time: dead letters
            List<Delivery> fifth = pop(10);
            ack(Durability.WRITTEN, some(fifth, 0, fifth.size() / 2));
            send(Durability.WRITTEN, 5, 12_000); // another segment
            send(Durability.FLUSHED, 1, 100);
            ack(Durability.FLUSHED, third);
            node.pass(INVISIBLE_MILLIS); // what was not settled goes out again, or is dead
            List<Delivery> late = pop(6);
            ack(Durability.WRITTEN, some(late, 0, late.size() / 2));
            node.pass(600);
            send(Durability.WRITTEN, 3, 300);
            send(Durability.FLUSHED, 2, 300);
            ack(Durability.FLUSHED, some(late, late.size() / 2, late.size()));
        }

        /** Those of them that there are: a Pop gives what one queue has. */
        private static List<Delivery> some(List<Delivery> deliveries, int from, int to) {
            int count = deliveries.size();
            return deliveries.subList(Math.min(from, count), Math.min(to, count));
        }

        private void create() {
            ask(
                    id -> new SessionCommand.CreateTopic(id, Promises.TOPIC, 2, Promises.TOPIC_SETTINGS),
                    SessionEvent.TopicCreated.class);
            ask(
                    id -> new SessionCommand.CreateGroup(id, Promises.GROUP, Promises.TOPIC, Promises.GROUP_SETTINGS),
                    SessionEvent.GroupCreated.class);
            ask(
                    id -> new SessionCommand.CreateGroup(id, Promises.AUDIT, Promises.TOPIC, Map.of()),
                    SessionEvent.GroupCreated.class);
            promises.topicCreated();
        }

        /** Until it is done: what is refused says why, and is asked for again. */
        private <T extends SessionEvent.Reply> T ask(
                LongFunction<? extends SessionCommand.Request> request, Class<T> answer) {
            for (int tries = 0; ; tries++) {
                SessionEvent.Reply reply = reply(request);
                if (answer.isInstance(reply)) {
                    return answer.cast(reply);
                }
                refused(((SessionEvent.Refused) reply).refusal(), tries);
            }
        }

        /**
         * What is repeated while its first copy has yet to be written waits for that, however long the device fails; when that works
         * again it is answered soon.
         */
        private SessionEvent.Reply reply(LongFunction<? extends SessionCommand.Request> request) {
            client.tell(request.apply(client.nextId()));
            node.runAll();
            for (int i = 0; i < ANSWER_WITHIN_MILLIS / 100 && client.events.isEmpty(); i++) {
                node.pass(100);
            }
            if (client.events.isEmpty() && disk.faults() > 0) {
                seen.saw("waits until the device works");
                disk.heal();
                node.pass(ANSWER_WITHIN_MILLIS);
            }
            return client.expect(SessionEvent.Reply.class);
        }

        private void refused(Refusal refusal, int tries) {
            assertThat(WITH_REASON).as("I8: %s", refusal).contains(refusal.code());
            assertThat(disk.faults() + faults)
                    .as("I8: without a fault: %s", refusal)
                    .isPositive();
            assertThat(tries).as("I8: %s, %s", refusal, node.health()).isLessThan(REFUSALS_MAX);
            seen.saw("refused: " + refusal.code());
            if (++refusals == REFUSALS_UNTIL_HEALED) {
                disk.heal();
            }
            node.pass(Math.max(20, refusal.retryAfterMillis()));
        }

        /** Keyed and others, in the order in which they are to lie. */
        private void send(Durability level, int count, int bytes) {
            List<Message> left = new ArrayList<>();
            for (int i = 0; i < count; i++, sent++) {
                left.add(promises.next(bytes, sent % 4 == 3 ? null : "k" + sent % 3));
            }
            for (int tries = 0; !left.isEmpty(); tries++) {
                List<Message> now = List.copyOf(left);
                List<SendResult> results = ask(
                                id -> new SessionCommand.Send(id, Promises.TOPIC, -1, now, level),
                                SessionEvent.SendReply.class)
                        .results();
                left.clear();
                Refusal refusal = null;
                for (int i = 0; i < now.size(); i++) {
                    if (results.get(i) instanceof Receipt receipt) {
                        assertThat(receipt.level()).isGreaterThanOrEqualTo(level);
                        promises.stored(now.get(i), receipt);
                    } else {
                        refusal = (Refusal) results.get(i);
                        left.add(now.get(i));
                    }
                }
                if (refusal != null) {
                    refused(refusal, tries);
                }
            }
            if (level == Durability.FLUSHED) {
                promises.allFlushed();
            }
        }

        private List<Delivery> pop(int count) {
            LongFunction<SessionCommand.Pop> request = id ->
                    new SessionCommand.Pop(id, Promises.TOPIC, Promises.GROUP, count, 1 << 20, INVISIBLE_MILLIS, 100);
            for (int tries = 0; ; tries++) {
                SessionEvent.Reply reply = reply(request);
                if (reply instanceof SessionEvent.Popped popped) {
                    popped.deliveries().forEach(delivery -> promises.delivered(delivery, INVISIBLE_MILLIS));
                    return popped.deliveries();
                }
                promises.popUnknown(time.millis() + INVISIBLE_MILLIS);
                refused(((SessionEvent.Refused) reply).refusal(), tries);
            }
        }

        private static List<ReceiptHandle> handles(List<Delivery> deliveries) {
            return NodeFixture.handles(deliveries);
        }

        /** The handle is good for it, whatever was written again since. */
        private void ack(Durability level, List<Delivery> deliveries) {
            deliveries.forEach(promises::ackAsked);
            List<Delivery> left = new ArrayList<>(deliveries);
            for (int tries = 0; !left.isEmpty(); tries++) {
                List<Delivery> now = List.copyOf(left);
                List<AckResult> results = ask(
                                id -> new SessionCommand.Ack(id, Promises.GROUP, handles(now), level),
                                SessionEvent.AckReply.class)
                        .results();
                left.clear();
                Refusal refusal = null;
                for (int i = 0; i < now.size(); i++) {
                    if (results.get(i) instanceof AckOutcome outcome) {
                        promises.acked(now.get(i), outcome, level);
                    } else if (((Refusal) results.get(i)).code() == Refusal.Code.STALE_HANDLE) {
                        // Its time was over meanwhile; who has it now may settle it.
                        seen.saw("ack too late");
                        assertThat(time.millis())
                                .isGreaterThanOrEqualTo(now.get(i).invisibleUntilMillis());
                    } else {
                        refusal = (Refusal) results.get(i);
                        left.add(now.get(i));
                    }
                }
                if (refusal != null) {
                    refused(refusal, tries);
                }
            }
            if (level == Durability.FLUSHED) {
                promises.allFlushed();
            }
        }

        private void nack(List<Delivery> deliveries) {
            deliveries.forEach(promises::ended);
            if (!deliveries.isEmpty()) {
                ask(
                        id -> new SessionCommand.ChangeInvisible(
                                id,
                                Promises.GROUP,
                                handles(deliveries),
                                SessionCommand.ChangeInvisible.BACKOFF,
                                true,
                                "no"),
                        SessionEvent.ChangeReply.class);
            }
        }

        private void extend(List<Delivery> deliveries, long millis) {
            if (!deliveries.isEmpty()) {
                extendingMillis = millis;
                SessionEvent.ChangeReply reply = ask(
                        id -> new SessionCommand.ChangeInvisible(
                                id, Promises.GROUP, handles(deliveries), millis, false, ""),
                        SessionEvent.ChangeReply.class);
                extendingMillis = 0;
                for (int i = 0; i < deliveries.size(); i++) {
                    if (reply.results().get(i) instanceof Changed changed) {
                        promises.extended(deliveries.get(i), changed.invisibleUntilMillis());
                    }
                }
            }
        }

        private void giveBack(List<Delivery> deliveries) {
            deliveries.forEach(promises::givenBack);
            SessionEvent.GiveBackReply reply = ask(
                    id -> new SessionCommand.GiveBack(id, Promises.GROUP, handles(deliveries)),
                    SessionEvent.GiveBackReply.class);
            for (int i = 0; i < deliveries.size(); i++) {
                if (reply.results().get(i) != GiveBackOutcome.GIVEN_BACK) {
                    promises.notGivenBack(deliveries.get(i));
                }
            }
        }

        /** I5: once it has gone out again. */
        private void stale(List<Delivery> earlier, List<Delivery> later) {
            for (Delivery delivery : later) {
                if (earlier.stream()
                        .anyMatch(one ->
                                one.message().id().equals(delivery.message().id()))) {
                    AckResult result = ask(
                                    id -> new SessionCommand.Ack(
                                            id, Promises.GROUP, handles(earlier), Durability.WRITTEN),
                                    SessionEvent.AckReply.class)
                            .results()
                            .get(0);
                    assertThat(result)
                            .as("I5: of the earlier attempt")
                            .isInstanceOfSatisfying(
                                    Refusal.class,
                                    refusal -> assertThat(refusal.code() == Refusal.Code.STALE_HANDLE
                                                    || WITH_REASON.contains(refusal.code()))
                                            .as("%s", refusal)
                                            .isTrue());
                    seen.saw("stale handle");
                }
            }
        }
    }
}
