package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.Proof;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * A node lives several lives on one disk, each ended by a kill, a power cut or a clean stop, while messages are sent,
 * popped, acked, nacked and given back, forces fail and checkpoints are taken. After each life: I1 what was confirmed at a
 * level that survives it is there, I2 nothing else is, I4 what was acked at such a level does not come back, I5 what is
 * out is out once. The seed is in the failure's text; {@code -Dforebay.seed} draws the same
 * again, which on real threads and clocks is not the same run.
 *
 * <p>A force that fails while appends wait for the file that it is for makes the stripe read-only for a moment. What was under way then
 * is told to be of unknown outcome, and may be there; what comes then is refused, and is not.
 */
@Tag("proof")
class RandomLivesTest {
    private static final int LIVES = 8;
    private static final int STEPS = 60;
    private static final long LONG = 3_600_000;
    private static final long JUDGE_WAIT_MILLIS = 20_000;
    private static final String SETTINGS = """
        forebay.store { checkpoint-bytes = 64 KiB, retry-backoff = 10 ms, rewrite-timeout = 200 ms,
          checkpoint-idle-interval = 200 ms }
        forebay.storage { segment-size = 128 KiB, index-file-size = 64 KiB }
            forebay.queue { body-max = 16 KiB, batch-bytes-max = 64 KiB }
            forebay.group.pop-bytes-max = 64 KiB
        """;

    /** What may be said of one message, by its text. */
    private static final class Known {
        boolean isFlushed;
        boolean isAckedWritten;
        boolean isAckedFlushed;
        /** It was only written, or its ack was, when the power was cut; or the outcome of one of these was not known. */
        boolean isUnsure;

        Delivery out;
    }

    @Test
    void whatWasPromisedHoldsOverManyLives() {
        long seed = Long.getLong("forebay.seed", System.nanoTime());
        try {
            run(new Random(seed));
        } catch (AssertionError e) {
            throw new AssertionError("seed " + seed + ": " + e.getMessage(), e);
        }
    }

    private static void run(Random random) {
        MemoryDisk disk = new MemoryDisk();
        Map<String, Known> messages = new HashMap<>();
        int number = 0;
        for (int life = 0; life < LIVES; life++) {
            MemoryDisk next;
            try (NodeFixture node = NodeFixture.inMemory(disk, SETTINGS)) {
                NodeFixture.Client client = node.open();
                for (int step = 0; step < STEPS; step++) {
                    number = step(random, disk, client, messages, number, life + "." + step);
                }
                int end = random.nextInt(3);
                if (end == 0) {
                    next = node.kill();
                } else if (end == 1) {
                    next = disk.powerCutImage(random);
                    node.kill();
                    Proof.images.increment();
                    afterPowerCut(messages);
                } else {
                    node.stop();
                    next = disk;
                }
            }
            disk = next;
        }
        judge(disk, messages);
    }

    private static int step(
            Random random,
            MemoryDisk disk,
            NodeFixture.Client client,
            Map<String, Known> messages,
            int number,
            String at) {
        int next = number;
        switch (random.nextInt(10)) {
            case 0, 1, 2 -> {
                Durability level = random.nextBoolean() ? Durability.FLUSHED : Durability.WRITTEN;
                int count = 1 + random.nextInt(50);
                List<SendResult> results = client.trySend("t", NodeFixture.messages("t", count, at + "-"), level);
                for (int i = 0; i < count; i++) {
                    boolean isReceipt = results.get(i) instanceof Receipt;
                    if (isReceipt || isUnknown((Refusal) results.get(i))) {
                        Known known = new Known();
                        known.isFlushed = isReceipt && level == Durability.FLUSHED;
                        known.isUnsure = !isReceipt;
                        messages.put(at + "-" + i, known);
                    }
                }
                next += count;
            }
            case 3, 4, 5 -> {
                client.tell(
                        new SessionCommand.Pop(client.nextId(), "t", "g", 1 + random.nextInt(40), 1 << 20, LONG, 0));
                SessionEvent event = client.expect(SessionEvent.class);
                if (event instanceof SessionEvent.Refused refused) {
                    isUnknown(refused.refusal()); // what it got nobody has seen: it can be had again
                    return next;
                }
                for (Delivery delivery : ((SessionEvent.Popped) event).deliveries()) {
                    Known known = messages.get(NodeFixture.text(delivery));
                    assertThat(known)
                            .as("I2: nobody sent %s", NodeFixture.text(delivery))
                            .isNotNull();
                    assertThat(known.isAckedWritten)
                            .as("I4: acked before: %s", NodeFixture.text(delivery))
                            .isFalse();
                    assertThat(known.out)
                            .as("I5: out already: %s", NodeFixture.text(delivery))
                            .isNull();
                    known.out = delivery;
                }
            }
            case 6, 7 -> {
                List<Delivery> some = held(random, messages);
                Durability level = random.nextInt(4) == 0 ? Durability.FLUSHED : Durability.WRITTEN;
                List<AckResult> results = client.ack("g", NodeFixture.handles(some), level);
                for (int i = 0; i < some.size(); i++) {
                    Known known = messages.get(NodeFixture.text(some.get(i)));
                    if (results.get(i) instanceof AckOutcome) {
                        known.isAckedWritten = true;
                        known.isAckedFlushed |= level == Durability.FLUSHED;
                        known.out = null;
                    } else if (isUnknown((Refusal) results.get(i))) {
                        known.isUnsure = true;
                        known.out = null;
                    }
                }
            }
            case 8 -> {
                List<Delivery> some = held(random, messages);
                if (random.nextBoolean()) {
                    client.tell(new SessionCommand.GiveBack(client.nextId(), "g", NodeFixture.handles(some)));
                    client.expect(SessionEvent.GiveBackReply.class);
                } else {
                    client.tell(new SessionCommand.ChangeInvisible(
                            client.nextId(), "g", NodeFixture.handles(some), 0, true, "no"));
                    client.expect(SessionEvent.ChangeReply.class);
                }
                some.forEach(delivery -> messages.get(NodeFixture.text(delivery)).out = null);
            }
            default -> disk.failNextForces(1);
        }
        return next;
    }

    private static boolean isUnknown(Refusal refusal) {
        assertThat(refusal.code()).isIn(Refusal.Code.OUTCOME_UNKNOWN, Refusal.Code.READ_ONLY);
        return refusal.code() == Refusal.Code.OUTCOME_UNKNOWN;
    }

    private static List<Delivery> held(Random random, Map<String, Known> messages) {
        List<Delivery> some = new ArrayList<>();
        for (Known known : messages.values()) {
            if (known.out != null && random.nextInt(3) == 0) {
                some.add(known.out);
            }
        }
        return some;
    }

    /** Of what was only written nothing can be said any more. */
    private static void afterPowerCut(Map<String, Known> messages) {
        for (Known known : messages.values()) {
            known.isUnsure |= !known.isFlushed || (known.isAckedWritten && !known.isAckedFlushed);
            known.isAckedWritten = known.isAckedFlushed;
            known.out = null;
        }
    }

    private static void judge(MemoryDisk disk, Map<String, Known> messages) {
        Set<String> got = new HashSet<>();
        // So late that every deadline is over: whatever is not settled must come.
        long later = System.currentTimeMillis() + 2 * LONG;
        try (NodeFixture node = NodeFixture.inMemory(disk, SETTINGS, NodeFixture.at(later))) {
            NodeFixture.Client client = node.open();
            Set<String> sure = new HashSet<>();
            messages.forEach((text, known) -> {
                if (!known.isAckedWritten && !known.isUnsure) {
                    sure.add(text);
                }
            });
            // A queue that the group has not heard from yet looks empty: what is sure to come is waited for.
            List<Delivery> some;
            do {
                long waitMillis = got.containsAll(sure) ? 0 : JUDGE_WAIT_MILLIS;
                some = client.pop("t", "g", 1000, LONG, waitMillis);
                some.forEach(delivery -> got.add(NodeFixture.text(delivery)));
            } while (!some.isEmpty());
        }
        assertThat(messages.keySet()).as("I2").containsAll(got);
        messages.forEach((text, known) -> {
            if (known.isAckedWritten) {
                assertThat(got).as("I4").doesNotContain(text);
            } else if (!known.isUnsure) {
                assertThat(got).as("I1").contains(text);
            }
        });
    }
}
