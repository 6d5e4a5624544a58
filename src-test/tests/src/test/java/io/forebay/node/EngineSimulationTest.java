package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.client.ClientSettings;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.Message;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.queue.DeadLetterForm;
import io.forebay.testkit.check.Fact;
import io.forebay.testkit.check.Invariant;
import io.forebay.testkit.check.Journal;
import io.forebay.testkit.check.Judge;
import io.forebay.testkit.check.Rules;
import io.forebay.testkit.check.Verdict;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.MemoryDisk;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/**
 * A whole node, the clients of an application in it, and everything that can go wrong with process, disk and clock, judged by I1 to I8
 * when all is consumed: kills, power cuts, crashes in the middle of an operation of the disk, forces, writes and directory forces that
 * fail, slow forces, a full disk, pauses of the process, and wall clocks that are days off at a start. {@code -Dforebay.steps} says how
 * many steps.
 */
class EngineSimulationTest {
    private static final String SETTINGS = """
        forebay {
          storage { stripes = 2, segment-size = 256 KiB, low-space = 0 B, index-extent-entries = 64, index-file-size = 64 KiB }
          store { flush-bytes = 64 KiB, max-unflushed = 1 MiB, checkpoint-bytes = 512 KiB }
          queue { body-max = 16 KiB, batch-bytes-max = 64 KiB }
          group.pop-bytes-max = 64 KiB
          client { send { timeout = 1 h, deduplicated = on }, ack.timeout = 1 h, request-timeout = 10 s }
        }
        """;
    private static final int STEPS_OF_A_WORLD = 300;
    /** A wall clock that is days ahead must not make messages too old to be kept. */
    private static final String AGE_MAX = "3000 d";
    private static final int CLIENTS = 3;
    private static final int ATTEMPTS_MAX = 4;
    private static final int KEYS = 6;
    private static final int BODY_MAX = 1500;
    private static final long DAY_MILLIS = TimeUnit.DAYS.toMillis(1);
    private static final Duration INVISIBLE = Duration.ofSeconds(2);
    private static final Rules RULES = Rules.of(Duration.ofSeconds(30), Duration.ofSeconds(30))
            .withGroup(LoadClient.WORKERS, new Rules.Group(ATTEMPTS_MAX, false, Durability.WRITTEN))
            .withGroup(LoadClient.LINES, new Rules.Group(0, true, Durability.WRITTEN))
            .withDeduplicated(LoadClient.KEYED);

    @Test
    void whatWasPromisedHoldsWhateverGoesWrong() {
        SteppedWorld.liveInMany(
                "engine",
                3_000,
                World::new,
                "crash at an operation",
                "kill",
                "power cut",
                "force fails",
                "write fails",
                "disk full",
                "pause",
                "wall clock set");
    }

    private static final class World extends SteppedWorld {
        private final Journal journal = Journal.inMemory(() -> TimeUnit.NANOSECONDS.toMillis(time.nanos()));
        private final List<User> users = new ArrayList<>();
        private long lastNumber;
        private int life;

        World(Run run) {
            super(run);
        }

        @Override
        void live() {
            start(SETTINGS);
            ForebayClient admin = client();
            await(admin.createTopic(LoadClient.PLAIN, 2, new TreeMap<>(Map.of("max-age", AGE_MAX))));
            await(admin.createTopic(LoadClient.KEYED, 3, new TreeMap<>(Map.of("ordered", "on", "deduplication", "producer", "max-age", AGE_MAX))));
            await(admin.createGroup(
                    LoadClient.WORKERS,
                    LoadClient.PLAIN,
                    new TreeMap<>(
                            Map.of("max-attempts", String.valueOf(ATTEMPTS_MAX), "retry-backoff", "fixed 20 ms"))));
            await(admin.createGroup(
                    LoadClient.LINES,
                    LoadClient.KEYED,
                    new TreeMap<>(Map.of("ordered", "on", "max-attempts", "0", "retry-backoff", "none"))));
            connect();
            for (int step = 0; step < STEPS_OF_A_WORLD; step++) {
                countStep();
                try {
                    step();
                } catch (DiskCrashed e) {
                    down("crash at an operation", Fact.Fault.Kind.KILL, disk.killImage());
                }
            }
            end();
        }

        private ForebayClient client() {
            return ForebayClient.connect(
                    node.system(), Target.node(node.entry()), ClientSettings.of(node.system()), notice -> {});
        }

        private void connect() {
            life++;
            users.clear();
            for (int i = 0; i < CLIENTS; i++) {
                users.add(new User("user-" + i + "-" + life, client()));
            }
        }

        private <T> T await(CompletionStage<T> stage) {
            CompletableFuture<T> future = stage.toCompletableFuture();
            node.runAll();
            for (int i = 0; i < 10_000 && !future.isDone(); i++) {
                node.pass(20);
            }
            assertThat(future.isDone()).as("I8: an answer comes, %s", node.health()).isTrue();
            return future.join();
        }

        // ---- steps ------------------------------------------------------------------------------------------------

        private void step() {
            int dice = random.nextInt(100);
            User user = users.get(random.nextInt(CLIENTS));
            if (dice < 35) {
                progress.note("send");
                for (int i = random.nextInt(5); i >= 0; i--) {
                    user.send();
                }
            } else if (dice < 65) {
                progress.note("pop");
                user.pop();
            } else if (dice < 80) {
                progress.note("time");
                node.pass(random.nextInt(8) == 0 ? random.nextInt(3_000) : random.nextInt(50));
            } else if (dice < 97) {
                fault(random.nextInt(16));
            } else {
                node.runAll();
            }
            node.run(random.nextInt(150));
        }

        private void fault(int which) {
            switch (which) {
                case 0, 1 -> {
                    note("force fails");
                    disk.failNextForces(1 + random.nextInt(3));
                }
                case 2 -> {
                    note("directory force fails");
                    disk.failNextDirectoryForces(1);
                }
                case 3 -> {
                    note("write fails");
                    disk.failNextWrites(1);
                }
                case 4 -> {
                    note("name change fails");
                    disk.failNextNameChanges(1);
                }
                case 5 -> {
                    note("disk full");
                    disk.fullAfter(random.nextInt(300_000));
                }
                case 6, 7, 8 -> disk.roomAgain();
                case 9 -> node.slowForces(1 + random.nextInt(300));
                case 10 -> {
                    // The process stands still; its monotonic clock does not.
                    note("pause");
                    time.pass(random.nextInt(5) == 0 ? TimeUnit.HOURS.toMillis(3) : random.nextInt(10_000));
                }
                case 11 -> {
                    note("crash is armed");
                    disk.crashAtOperation(disk.operations() + 1 + random.nextInt(200), random);
                }
                case 12 -> down("kill", Fact.Fault.Kind.KILL, node.kill());
                case 13 -> down("power cut", Fact.Fault.Kind.POWER_CUT, node.cutPower());
                default -> node.slowForces(1);
            }
        }

        private void down(String what, Fact.Fault.Kind kind, MemoryDisk image) {
            note(what);
            node.gone();
            users.forEach(User::leave);
            journal.note(new Fact.Fault(kind));
            if (random.nextInt(4) == 0) {
                note("wall clock set");
                time.shiftWall((random.nextInt(5) - 2) * DAY_MILLIS);
            }
            disk = image;
            if (!isDraining && random.nextInt(4) == 0) {
                disk.crashAtOperation(1 + random.nextInt(60), random);
            } else {
                disk.roomAgain();
            }
            try {
                start(SETTINGS);
            } catch (DiskCrashed e) {
                disk = disk.killImage();
                disk.roomAgain();
                journal.note(new Fact.Fault(Fact.Fault.Kind.KILL));
                note("crash while it starts");
                start(SETTINGS);
            }
            journal.note(new Fact.Serving());
            connect();
        }

        // ---- the end ----------------------------------------------------------------------------------------------

        private void end() {
            isDraining = true;
            progress.note("the end");
            disk.failNextForces(0);
            disk.failNextDirectoryForces(0);
            disk.failNextWrites(0);
            disk.failNextNameChanges(0);
            disk.crashAtOperation(Long.MAX_VALUE);
            disk.roomAgain();
            node.slowForces(1);
            User last = users.get(0);
            for (int i = 0; i < 3_000 && !isDone(last.client); i++) {
                users.forEach(User::pop);
                node.pass(200);
            }
            assertThat(isDone(last.client)).as("I8: everything comes to an end, %s", node.health()).isTrue();
            ForebayClient undertaker = client();
            PopRequest request =
                    PopRequest.of(LoadClient.LETTERS, "undertakers", 100).withWaitMax(Duration.ZERO);
            if (await(undertaker.listTopics()).contains(LoadClient.LETTERS)) {
                await(undertaker.createGroup("undertakers", LoadClient.LETTERS, Map.of("start", "earliest")));
                for (List<Delivery> some = await(undertaker.pop(request));
                        !some.isEmpty();
                        some = await(undertaker.pop(request))) {
                    some.forEach(letter -> journal.note(letter(letter)));
                    await(undertaker.ackBatch(
                            "undertakers", some.stream().map(Delivery::handle).toList(), Durability.WRITTEN));
                }
            }
            journal.note(new Fact.Drained(LoadClient.PLAIN, LoadClient.WORKERS));
            journal.note(new Fact.Drained(LoadClient.KEYED, LoadClient.LINES));
            Verdict verdict = Judge.judge(journal.noted(), RULES);
            verdict.prove();
            for (Invariant invariant : Invariant.values()) {
                saw("tried " + invariant, verdict.triedOn(invariant));
            }
        }

        private boolean isDone(ForebayClient client) {
            return users.stream().allMatch(user -> user.unanswered == 0)
                    && depth(client, LoadClient.WORKERS, LoadClient.PLAIN) == 0
                    && depth(client, LoadClient.LINES, LoadClient.KEYED) == 0;
        }

        private long depth(ForebayClient client, String group, String topic) {
            return await(client.describeGroup(group, topic)).stream()
                    .mapToLong(GroupDescription::depth)
                    .sum();
        }

        private static Fact.Letter letter(Delivery delivery) {
            Map<String, String> properties = delivery.message().properties();
            return new Fact.Letter(
                    properties.get(DeadLetterForm.GROUP),
                    delivery.queue(),
                    delivery.queueOffset(),
                    ReceiptHandle.nodeIdOf(properties.get(DeadLetterForm.NODE)),
                    properties.get(DeadLetterForm.TOPIC),
                    Integer.parseInt(properties.get(DeadLetterForm.QUEUE)),
                    Long.parseLong(properties.get(DeadLetterForm.OFFSET)),
                    Integer.parseInt(properties.get(DeadLetterForm.ATTEMPTS)),
                    delivery.message().id(),
                    Message.crcOf(delivery.body()));
        }

        // ---- one client, in one life of the process ---------------------------------------------------------------

        private final class User {
            private final String name;
            private final ForebayClient client;
            private boolean isGone;
            private int unanswered;

            User(String name, ForebayClient client) {
                this.name = name;
                this.client = client;
            }

            void leave() {
                isGone = true;
            }

            void send() {
                byte[] body = new byte[random.nextInt(BODY_MAX)];
                random.nextBytes(body);
                Message.Builder builder = random.nextBoolean()
                        ? Message.builder(LoadClient.PLAIN)
                        : Message.builder(LoadClient.KEYED).messageGroup("key-" + random.nextInt(KEYS));
                long number = ++lastNumber;
                Message message = builder.id("m" + number).body(body).build();
                Durability level = random.nextBoolean() ? Durability.WRITTEN : Durability.FLUSHED;
                journal.note(Fact.Sending.of(message, name, number));
                unanswered++;
                client.send(message, level).whenComplete((receipt, refused) -> {
                    if (isGone) {
                        return;
                    }
                    unanswered--;
                    journal.note(
                            refused == null
                                    ? new Fact.Stored(message.id(), level, receipt)
                                    : new Fact.NotStored(message.id(), ((ForebayException) refused).code()));
                });
            }

            void pop() {
                boolean isPlain = random.nextBoolean();
                String topic = isPlain ? LoadClient.PLAIN : LoadClient.KEYED;
                String group = isPlain ? LoadClient.WORKERS : LoadClient.LINES;
                PopRequest request = PopRequest.of(topic, group, 1 + random.nextInt(8))
                        .withInvisible(INVISIBLE)
                        .withWaitMax(Duration.ofMillis(random.nextInt(500)))
                        .withExtend(false);
                client.pop(request).whenComplete((deliveries, refused) -> {
                    if (isGone) {
                        return;
                    }
                    if (refused != null) {
                        journal.note(new Fact.PopFailed(name, topic, group));
                        return;
                    }
                    deliveries.forEach(delivery -> journal.note(Fact.Popped.of(name, delivery)));
                    take(group, deliveries);
                });
            }

            private void take(String group, List<Delivery> deliveries) {
                List<ReceiptHandle> done = new ArrayList<>();
                for (Delivery delivery : deliveries) {
                    boolean isPoison = group.equals(LoadClient.WORKERS)
                            && Long.parseLong(delivery.message().id().substring(1)) % 13 == 0;
                    switch (isPoison ? 0 : isDraining ? 4 : random.nextInt(20)) {
                        case 0 -> nack(group, delivery.handle());
                        case 1 -> {
                            journal.note(new Fact.GivingBack(delivery.handle()));
                            client.giveBack(group, List.of(delivery.handle()));
                        }
                        case 2 -> extend(group, delivery.handle());
                        case 3 -> {} // forgotten: its deadline brings it back
                        default -> done.add(delivery.handle());
                    }
                }
                ack(group, done);
            }

            private void ack(String group, List<ReceiptHandle> handles) {
                Durability level = random.nextBoolean() ? Durability.WRITTEN : Durability.FLUSHED;
                handles.forEach(handle -> journal.note(new Fact.Acking(handle)));
                client.ackBatch(group, handles, level).whenComplete((results, refused) -> {
                    for (int i = 0; !isGone && refused == null && i < results.size(); i++) {
                        noteAcked(handles.get(i), level, results.get(i));
                    }
                });
            }

            private void noteAcked(ReceiptHandle handle, Durability level, AckResult result) {
                journal.note(
                        result instanceof AckOutcome outcome
                                ? new Fact.Acked(handle, level, outcome)
                                : new Fact.NotAcked(handle, ((Refusal) result).code()));
            }

            private void nack(String group, ReceiptHandle handle) {
                journal.note(new Fact.Nacking(handle));
                client.nack(group, handle, Duration.ofMillis(30), "poison").whenComplete((result, refused) -> {
                    if (!isGone && result instanceof Changed changed) {
                        journal.note(new Fact.Nacked(handle, changed.invisibleUntilMillis()));
                    }
                });
            }

            private void extend(String group, ReceiptHandle handle) {
                journal.note(new Fact.Extending(handle));
                client.extend(group, handle, INVISIBLE.plusSeconds(1)).whenComplete((result, refused) -> {
                    if (isGone) {
                        return;
                    }
                    if (result instanceof Changed changed) {
                        journal.note(new Fact.Extended(handle, changed.invisibleUntilMillis()));
                    }
                    ack(group, List.of(handle));
                });
            }
        }
    }
}
