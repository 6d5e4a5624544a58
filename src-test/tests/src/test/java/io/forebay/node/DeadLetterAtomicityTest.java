package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Changed;
import io.forebay.protocol.DeadLetterFilter;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.RedrivenLetter;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.DiskObserver;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * A message that failed for the last time becomes a dead letter and is settled in one step; a letter that is sent again is back in
 * its queue and settled in one step. Faults: the process is killed, and the power is cut, at <em>every</em> operation of the disk
 * while that goes on, between forces and checkpoints, and a node starts on what is left. It must hold of each message:
 *
 * <ul>
 *   <li>I1, I2: it is delivered again or it is a dead letter: never both, never neither, and a letter is there once.
 *   <li>I4: acked, at a level that survives the fault, it is neither.
 *   <li>I6: it is a letter after exactly the attempts that it has, and no attempt that was answered (after a power cut: and flushed)
 *       is counted again.
 * </ul>
 */
class DeadLetterAtomicityTest {
    private static final long HOUR = 3_600_000;
    private static final long INVISIBLE = 30_000;
    private static final int COUNT = 36;
    private static final int ATTEMPTS_MAX = 2;
    /** Of those of a run that are looked at in the default run. */
    private static final int IMAGES = 70;

    /** Asked for, at most, until one has come to its end. */
    private static final int PAGES_MAX = 50;

    private static final boolean IS_FULL = "full".equals(System.getProperty("forebay.sweep"));
    private static final String SETTINGS = """
        forebay {
          topic { default-queues = 1, max-age = 0 s, dead-letter-max-age = 0 s }
          store { checkpoint-bytes = 64 KiB, checkpoint-idle-interval = 500 ms, flush-interval = 20 ms }
          storage { segment-size = 128 KiB, index-file-size = 64 KiB }
          queue { body-max = 16 KiB, batch-bytes-max = 64 KiB }
          group.pop-bytes-max = 64 KiB
        }
        """;

    /** What had been answered when an operation began. */
    private record Told(
            Map<String, Integer> attempts,
            Map<String, Integer> attemptsFlushed,
            Set<String> acked,
            Set<String> ackedFlushed,
            Set<String> ackAsked,
            List<PoisonReply.Redriven> plans) {
        Told() {
            this(
                    new HashMap<>(),
                    new HashMap<>(),
                    new HashSet<>(),
                    new HashSet<>(),
                    new HashSet<>(),
                    new ArrayList<>());
        }

        Told copy() {
            return new Told(
                    Map.copyOf(attempts),
                    Map.copyOf(attemptsFlushed),
                    Set.copyOf(acked),
                    Set.copyOf(ackedFlushed),
                    Set.copyOf(ackAsked),
                    List.copyOf(plans));
        }
    }

    private record Image(MemoryDisk disk, boolean isPowerCut, Told told, String at) {}

    private final NodeFixture.VirtualTime time = new NodeFixture.VirtualTime();
    private final List<Image> images = new ArrayList<>();

    /** What is left before each operation of the disk, killed and without power. */
    private void imagesOfEveryOperation(MemoryDisk disk, Told told, RandomGenerator random) {
        disk.observe((operation, path, at, length) -> {
            if (operation.isMutation() && (operation != DiskObserver.Operation.WRITE || length > 0)) {
                String where = operation + " of " + path + " at " + at;
                images.add(new Image(disk.killImage(), false, told.copy(), where));
                images.add(new Image(disk.powerCutImage(new Random(random.nextLong())), true, told.copy(), where));
            }
        });
    }

    /** Looks at as many as the run allows, of all of them by chance. */
    private List<Image> chosen(RandomGenerator random) {
        Collections.shuffle(images, new Random(random.nextLong()));
        return IS_FULL ? images : images.subList(0, Math.min(IMAGES, images.size()));
    }

    // ---- becoming a dead letter -------------------------------------------------------------------------------------

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void messageIsInItsQueueOrInTheDeadLettersAtEveryOperationOfTheDisk() {
        SteppedNode.alone(this::die);
    }

    private void die() {
        SeededRun.run("dead letters, every operation", (random, progress) -> {
            MemoryDisk disk = new MemoryDisk();
            Told told = new Told();
            SteppedNode node = SteppedNode.start(disk, SETTINGS, time, random);
            SteppedNode.Client client = node.open(1);
            client.createTopic("t", 1, Map.of());
            client.createGroup("g", "t", Map.of("max-attempts", String.valueOf(ATTEMPTS_MAX), "retry-backoff", "none"));
            assertThat(client.send("t", messages(), Durability.FLUSHED)).allMatch(Receipt.class::isInstance);
            imagesOfEveryOperation(disk, told, random);
            SteppedNode.Client mortal = node.open(2);
            dieInEveryWay(node, client, mortal, told, random);
            disk.observe((operation, path, at, length) -> {});
            node.gone();
            List<Image> chosen = chosen(random);
            int[] dead = {0};
            for (Image image : chosen) {
                progress.at(progress.step() + 1);
                progress.note((image.isPowerCut ? "power cut before " : "killed before ") + image.at);
                dead[0] += judge(image, random);
            }
            System.out.println("dead letters: " + chosen.size() + " of " + images.size() + " images, " + dead[0]
                    + " of " + chosen.size() * COUNT + " messages were dead in them");
        });
    }

    private void dieInEveryWay(
            SteppedNode node, SteppedNode.Client client, SteppedNode.Client mortal, Told told, RandomGenerator random) {
        List<Delivery> all = pop(client, told, COUNT);
        ack(client, told, all.subList(0, 2), Durability.FLUSHED);
        // Some have one attempt behind them, some both, when the others die.
        nack(client, all.subList(2, 24));
        List<Delivery> second = pop(client, told, 22);
        for (int from = 0; from < 12; from += 3) {
            nack(client, second.subList(from, from + 3));
            ack(
                    client,
                    told,
                    second.subList(12 + from / 3, 13 + from / 3),
                    random.nextBoolean() ? Durability.FLUSHED : Durability.WRITTEN);
            if (random.nextBoolean()) {
                node.pass(600); // a flush, and a checkpoint
            }
        }
        // One dies of its consumer, others of their deadline.
        nack(client, all.subList(24, 30));
        pop(mortal, told, 3);
        pop(client, told, 3);
        mortal.vanish();
        node.pass(INVISIBLE);
        node.runAll();
        node.pass(600);
        ack(client, told, all.subList(30, 31), Durability.FLUSHED);
        node.pass(600);
    }

    private static List<Delivery> pop(SteppedNode.Client client, Told told, int count) {
        List<Delivery> deliveries = client.pop("t", "g", count, INVISIBLE);
        assertThat(deliveries).hasSize(count);
        deliveries.forEach(delivery -> told.attempts.put(NodeFixture.text(delivery), delivery.attempt()));
        return deliveries;
    }

    private static void nack(SteppedNode.Client client, List<Delivery> deliveries) {
        assertThat(client.ask(
                                id -> new SessionCommand.ChangeInvisible(
                                        id,
                                        "g",
                                        NodeFixture.handles(deliveries),
                                        SessionCommand.ChangeInvisible.BACKOFF,
                                        true,
                                        "no"),
                                SessionEvent.ChangeReply.class)
                        .results())
                .allMatch(Changed.class::isInstance);
    }

    private static void ack(SteppedNode.Client client, Told told, List<Delivery> deliveries, Durability level) {
        List<String> texts = deliveries.stream().map(NodeFixture::text).toList();
        Map<String, Integer> before = Map.copyOf(told.attempts);
        Set<String> ackedBefore = Set.copyOf(told.acked);
        told.ackAsked.addAll(texts);
        assertThat(client.ack("g", deliveries, level).results()).allMatch(AckOutcome.class::isInstance);
        told.acked.addAll(texts);
        if (level == Durability.FLUSHED) {
            // The log is forced in order: whatever was answered before is flushed, too.
            told.ackedFlushed.addAll(texts);
            told.ackedFlushed.addAll(ackedBefore);
            told.attemptsFlushed.putAll(before);
        }
    }

    /** Returns how many are dead. */
    private int judge(Image image, RandomGenerator random) {
        Told told = image.told;
        SteppedNode node = SteppedNode.start(image.disk, SETTINGS, time, random);
        SteppedNode.Client client = node.open(3);
        client.describe("g", "t");
        node.pass(INVISIBLE);
        Map<String, Integer> again = new HashMap<>();
        for (Delivery delivery : client.popAll("t", "g", 10, HOUR)) {
            assertThat(again.put(NodeFixture.text(delivery), delivery.attempt()))
                    .as("%s comes twice", NodeFixture.text(delivery))
                    .isNull();
        }
        Set<String> letters = new HashSet<>();
        for (Delivery letter : client.popAll("%DLQ%g", "undertaker", 10, HOUR)) {
            assertThat(letters.add(NodeFixture.text(letter)))
                    .as("I2: %s is dead twice", NodeFixture.text(letter))
                    .isTrue();
            assertThat(letter.message().properties())
                    .as("I6: %s", NodeFixture.text(letter))
                    .containsEntry("dead-letter.attempts", String.valueOf(ATTEMPTS_MAX));
        }
        Set<String> surelyAcked = image.isPowerCut ? told.ackedFlushed : told.acked;
        Map<String, Integer> surelyTried = image.isPowerCut ? told.attemptsFlushed : told.attempts;
        for (int i = 0; i < COUNT; i++) {
            String text = "m" + i;
            boolean comesAgain = again.containsKey(text);
            boolean isDead = letters.contains(text);
            assertThat(comesAgain && isDead).as("I2: %s is in both", text).isFalse();
            if (surelyAcked.contains(text)) {
                assertThat(comesAgain || isDead).as("I4: %s was acked", text).isFalse();
            } else if (!told.ackAsked.contains(text)) {
                assertThat(comesAgain || isDead)
                        .as("I1: %s is in neither", text)
                        .isTrue();
            }
            if (comesAgain) {
                assertThat(again.get(text))
                        .as("I6: attempt of %s", text)
                        .isGreaterThan(surelyTried.getOrDefault(text, 0))
                        .isLessThanOrEqualTo(Math.min(ATTEMPTS_MAX, told.attempts.getOrDefault(text, 0) + 2));
            }
            if (isDead) {
                assertThat(told.attempts.getOrDefault(text, 0))
                        .as("I6: attempts of %s, which is dead", text)
                        .isGreaterThanOrEqualTo(ATTEMPTS_MAX - 1);
            }
        }
        node.gone();
        return letters.size();
    }

    // ---- going back -------------------------------------------------------------------------------------------------

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void letterThatGoesBackIsThereOnceAtEveryOperationOfTheDisk() {
        SteppedNode.alone(() -> redrive("", 3));
    }

    /** Half of the keys have their queue in the other stripe than their letters. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void letterThatGoesBackToAnotherStripeIsThereOnceAtEveryOperationOfTheDisk() {
        SteppedNode.alone(() -> redrive("forebay.storage.stripes = 2", 4));
    }

    private void redrive(String settings, int queues) {
        String all = settings + "\n" + SETTINGS;
        String target = settings.isEmpty() ? "t" : "other";
        SeededRun.run("redrive, every operation" + (settings.isEmpty() ? "" : ", two stripes"), (random, progress) -> {
            MemoryDisk disk = new MemoryDisk();
            Told told = new Told();
            SteppedNode node = SteppedNode.start(disk, all, time, random);
            SteppedNode.Client client = withLetters(node, settings, queues, target);
            imagesOfEveryOperation(disk, told, random);
            // Back is surely what was answered.
            String cursor = "";
            do {
                String from = cursor;
                PoisonReply.Redriven page = client.ask(
                        id -> new PoisonCommand.Redrive(
                                id, "g", DeadLetterFilter.ALL, target.equals("t") ? "" : target, 7, false, from),
                        PoisonReply.Redriven.class);
                page.letters().stream().map(RedrivenLetter::messageId).forEach(told.ackedFlushed::add);
                cursor = page.cursor();
                if (random.nextBoolean()) {
                    node.pass(600);
                }
            } while (!cursor.isEmpty());
            disk.observe((operation, path, at, length) -> {});
            node.gone();
            List<Image> chosen = chosen(random);
            int back = 0;
            for (Image image : chosen) {
                progress.at(progress.step() + 1);
                progress.note((image.isPowerCut ? "power cut before " : "killed before ") + image.at);
                back += judgeRedrive(image, all, target, random);
            }
            System.out.println("redrive: " + chosen.size() + " of " + images.size() + " images, " + back + " of "
                    + chosen.size() * COUNT + " letters were back in them");
        });
    }

    /** As many letters as there are messages, and a witness of what goes back. */
    private static SteppedNode.Client withLetters(SteppedNode node, String settings, int queues, String target) {
        SteppedNode.Client client = node.open(1);
        client.createTopic("t", settings.isEmpty() ? queues : 1, Map.of());
        client.createGroup("g", "t", Map.of("max-attempts", "1", "retry-backoff", "none"));
        if (!settings.isEmpty()) {
            client.createTopic("other", queues, Map.of());
        }
        assertThat(client.send("t", messages(), Durability.FLUSHED)).allMatch(Receipt.class::isInstance);
        nack(client, client.popAll("t", "g", COUNT, INVISIBLE));
        node.pass(600);
        client.createGroup("witness", target, Map.of("start", "latest"));
        assertThat(client.pop(target, "witness", 1, HOUR)).isEmpty();
        client.ack("g", List.of(), Durability.FLUSHED);
        return client;
    }

    /** A redrive with a limit asks for the range of a dry run, and again for the same one when the node has died over it. */
    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void rangeThatIsAskedForAgainMovesNoOthersAtEveryOperationOfTheDisk() {
        SteppedNode.alone(() -> redriveSome("", 3));
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void rangeThatGoesToAnotherStripeAndIsAskedForAgainMovesNoOthersAtEveryOperationOfTheDisk() {
        SteppedNode.alone(() -> redriveSome("forebay.storage.stripes = 2", 4));
    }

    private void redriveSome(String settings, int queues) {
        String all = settings + "\n" + SETTINGS;
        String target = settings.isEmpty() ? "t" : "other";
        String to = settings.isEmpty() ? "" : target;
        SeededRun.run("limited redrive" + (settings.isEmpty() ? "" : ", two stripes"), (random, progress) -> {
            MemoryDisk disk = new MemoryDisk();
            Told told = new Told();
            SteppedNode node = SteppedNode.start(disk, all, time, random);
            SteppedNode.Client client = withLetters(node, settings, queues, target);
            imagesOfEveryOperation(disk, told, random);
            String cursor = "";
            for (int page = 0; page < 3; page++) {
                PoisonReply.Redriven plan = redrive(client, to, 1 + random.nextInt(7), true, cursor);
                told.plans.add(plan);
                PoisonReply.Redriven moved = null;
                // A group that has just been made does not know how far it may read.
                for (int i = 0;
                        i < PAGES_MAX && (moved == null || moved.letters().isEmpty());
                        i++) {
                    moved = redrive(client, to, plan.letters().size(), false, plan.range());
                }
                assertThat(moved.letters()).isEqualTo(plan.letters());
                cursor = moved.cursor();
                if (random.nextBoolean()) {
                    node.pass(600);
                }
            }
            disk.observe((operation, path, at, length) -> {});
            node.gone();
            int back = 0;
            List<Image> chosen = chosen(random);
            for (Image image : chosen) {
                progress.at(progress.step() + 1);
                progress.note((image.isPowerCut ? "power cut before " : "killed before ") + image.at);
                back += judgeRange(image, all, target, to, random);
            }
            System.out.println("limited redrive: " + chosen.size() + " of " + images.size() + " images, " + back
                    + " letters had gone in them");
        });
    }

    private static PoisonReply.Redriven redrive(
            SteppedNode.Client client, String to, int countMax, boolean isDryRun, String cursor) {
        return client.ask(
                id -> new PoisonCommand.Redrive(id, "g", DeadLetterFilter.ALL, to, countMax, isDryRun, cursor),
                PoisonReply.Redriven.class);
    }

    private int judgeRange(Image image, String settings, String target, String to, RandomGenerator random) {
        List<PoisonReply.Redriven> plans = image.told.plans;
        SteppedNode node = SteppedNode.start(image.disk, settings, time, random);
        SteppedNode.Client client = node.open(3);
        List<String> planned = plans.stream()
                .flatMap(plan -> plan.letters().stream())
                .map(RedrivenLetter::messageId)
                .toList();
        List<String> back = new ArrayList<>();
        client.popAll(target, "witness", 10, HOUR).forEach(delivery -> back.add(NodeFixture.text(delivery)));
        int before = back.size();
        if (!plans.isEmpty()) {
            PoisonReply.Redriven last = plans.get(plans.size() - 1);
            List<String> again = new ArrayList<>();
            boolean isDone = false;
            for (int i = 0; i < PAGES_MAX && !isDone; i++) {
                redrive(client, to, last.letters().size(), false, last.range())
                        .letters()
                        .forEach(letter -> again.add(letter.messageId()));
                PoisonReply.Redriven left = redrive(client, to, COUNT, true, last.range());
                isDone = left.letters().isEmpty() && left.range().equals(last.range());
            }
            assertThat(isDone).as("I8: the range comes to its end").isTrue();
            assertThat(again)
                    .as("those that were planned, and none of those that were back")
                    .doesNotHaveDuplicates()
                    .isSubsetOf(planned)
                    .noneMatch(back::contains);
        }
        client.popAll(target, "witness", 10, HOUR).forEach(delivery -> back.add(NodeFixture.text(delivery)));
        assertThat(back).as("I1, I2: those that were planned, each once").containsExactlyInAnyOrderElementsOf(planned);
        if (!plans.isEmpty()) {
            assertThat(redrive(client, to, COUNT, true, "").letters())
                    .as("I1: the others stay")
                    .hasSize(COUNT - planned.size());
        }
        node.gone();
        return before;
    }

    private int judgeRedrive(Image image, String settings, String target, RandomGenerator random) {
        SteppedNode node = SteppedNode.start(image.disk, settings, time, random);
        SteppedNode.Client client = node.open(3);
        List<String> back = new ArrayList<>();
        client.popAll(target, "witness", 10, HOUR).forEach(delivery -> back.add(NodeFixture.text(delivery)));
        assertThat(back).as("I2: there once").doesNotHaveDuplicates().containsAll(image.told.ackedFlushed);
        int before = back.size();
        // The same redrive goes on with it.
        String cursor = "";
        do {
            String from = cursor;
            cursor = client.ask(
                            id -> new PoisonCommand.Redrive(
                                    id, "g", DeadLetterFilter.ALL, target.equals("t") ? "" : target, 10, false, from),
                            PoisonReply.Redriven.class)
                    .cursor();
        } while (!cursor.isEmpty());
        client.popAll(target, "witness", 10, HOUR).forEach(delivery -> back.add(NodeFixture.text(delivery)));
        assertThat(back).as("I2: there once").doesNotHaveDuplicates();
        assertThat(back).as("I1: none is lost").hasSize(COUNT);
        node.gone();
        return before;
    }

    private static List<Message> messages() {
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < COUNT; i++) {
            messages.add(Message.builder("t")
                    .id("m" + i)
                    .body(("m" + i).getBytes(StandardCharsets.UTF_8))
                    .property("padding", "x".repeat(200))
                    .messageGroup("k" + i % 5)
                    .build());
        }
        return messages;
    }
}
