package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsScope;
import io.forebay.support.ForkedJvm;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * One seed replays one run: every thing that a whole stepped node does, what it asks of its disk, and the bytes that lie there in the end
 * are the same, in this process and in another one. Survives: kills, power cuts, crashes in
 * the middle of an operation, failing forces, clients that are gone, settings that change. Without it a failure that a machine elsewhere
 * has seen cannot be looked into.
 */
@Tag("proof")
class ReplayTest {
    private static final int LIVES = 3;
    private static final int STEPS_OF_A_LIFE = 40;
    private static final int CONSUMERS = 7;
    private static final long PATIENCE_SECONDS = 60;
    private static final String SETTINGS =
            "forebay { storage.stripes = 2, session { heartbeat-interval = 1 s, timeout = 3 s } }";

    @TempDir
    Path folder;

    @Test
    void oneSeedReplaysOneRunInOneProcess() {
        long seed = SeededRun.newSeed();
        List<String> first = traceOf(seed);
        List<String> second = traceOf(seed);
        assertSame(seed, first, second);
        // What differs is seen: another seed does something else.
        assertThat(traceOf(seed + 1)).isNotEqualTo(first);
    }

    @Test
    void oneSeedReplaysOneRunOfTheEnginesSimulation() {
        long seed = SeededRun.newSeed();
        List<String> first = EngineSimulationTest.trace(seed);
        assertThat(first).hasSizeGreaterThan(1_000);
        assertSame(seed, first, EngineSimulationTest.trace(seed));
    }

    /** As it is when another machine has seen a failure. */
    @Test
    void oneSeedReplaysOneRunInAnotherProcess() throws Exception {
        long seed = SeededRun.newSeed();
        Path file = folder.resolve("trace");
        List<String> command = ForkedJvm.command(ReplayTest.class, "-Xmx512m");
        command.addAll(List.of(String.valueOf(seed), file.toString()));
        Process other = new ProcessBuilder(command).inheritIO().start();
        List<String> here = traceOf(seed);
        assertThat(other.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)).isTrue();
        assertThat(other.exitValue()).isZero();
        assertSame(seed, here, Files.readAllLines(file));
    }

    /** Writes the trace of a seed into a file. */
    public static void main(String[] arguments) throws IOException {
        Files.write(Path.of(arguments[1]), traceOf(Long.parseLong(arguments[0])));
    }

    private static void assertSame(long seed, List<String> first, List<String> second) {
        int same = 0;
        while (same < Math.min(first.size(), second.size()) && first.get(same).equals(second.get(same))) {
            same++;
        }
        assertThat(second.subList(same, Math.min(same + 5, second.size())))
                .as(
                        "seed %d, behind %d same steps, the last ones %s",
                        seed, same, first.subList(Math.max(0, same - 5), same))
                .isEqualTo(first.subList(same, Math.min(same + 5, first.size())));
        assertThat(second).hasSameSizeAs(first);
    }

    private static List<String> traceOf(long seed) {
        List<String> trace = new ArrayList<>();
        // What the process has drawn before is another matter each time.
        ThreadLocalRandom.current().nextLong();
        SteppedNode.alone(() -> new World(SeededRun.randomOf(seed), trace).live());
        return trace;
    }

    private static final class World {
        private final RandomGenerator random;
        private final List<String> trace;
        private final NodeFixture.VirtualTime time = new NodeFixture.VirtualTime();
        private final List<SteppedNode.Client> consumers = new ArrayList<>();
        private MemoryDisk disk = new MemoryDisk();
        private SteppedNode node;
        private SteppedNode.Client producer;
        private long lastSession;

        World(RandomGenerator random, List<String> trace) {
            this.random = random;
            this.trace = trace;
        }

        void live() {
            for (int life = 0; life < LIVES; life++) {
                disk.observe(
                        (operation, path, at, length) -> trace.add(operation + " " + path + " " + at + " " + length));
                try {
                    start();
                    for (int step = 0; step < STEPS_OF_A_LIFE; step++) {
                        step();
                    }
                    disk = random.nextBoolean() ? node.kill() : node.cutPower();
                } catch (DiskCrashed e) {
                    disk = disk.killImage();
                }
                addBytes();
            }
        }

        private void start() {
            node = SteppedNode.start(disk, SETTINGS, time, random);
            node.trace(trace::add);
            producer = node.open(++lastSession);
            producer.listen(event -> trace.add(event.getClass().getSimpleName()));
            consumers.clear();
            for (int i = 0; i < CONSUMERS; i++) {
                consumers.add(consumer());
            }
            if (lastSession == CONSUMERS + 1) {
                for (int i = 0; i < 3; i++) {
                    String topic = "t" + i;
                    tell(id -> new SessionCommand.CreateTopic(
                            id, topic, 3, ordered("max-age", "1 h", "max-bytes", "10 MiB")));
                    tell(id -> new SessionCommand.CreateGroup(
                            id, "g" + topic, topic, ordered("max-attempts", "3", "in-flight-max", "100")));
                }
                node.runAll();
            }
            // The client of an application, too, draws and has timers.
            ForebayClient client = ForebayClient.connect(node.system(), Target.node(node.entry()));
            client.subscribe(PopRequest.of("t0", "gt0", 3), delivery -> client.ack(delivery));
        }

        private SteppedNode.Client consumer() {
            SteppedNode.Client consumer = node.open(++lastSession);
            List<Delivery> held = new ArrayList<>();
            consumer.listen(event -> {
                trace.add(event.getClass().getSimpleName());
                if (event instanceof SessionEvent.Popped popped
                        && !popped.deliveries().isEmpty()) {
                    held.addAll(popped.deliveries());
                    popped.deliveries()
                            .forEach(delivery -> trace.add(delivery.handle().toString()));
                    if (random.nextInt(4) != 0) {
                        consumer.tell(new SessionCommand.Ack(
                                consumer.nextId(),
                                popped.deliveries().get(0).group(),
                                NodeFixture.handles(popped.deliveries()),
                                random.nextBoolean() ? Durability.WRITTEN : Durability.FLUSHED));
                    }
                }
            });
            return consumer;
        }

        private void tell(java.util.function.LongFunction<? extends SessionCommand.Request> request) {
            producer.tell(request.apply(producer.nextId()));
        }

        /** In an order that is the same in each process; that of Map.of is not, and settings are stored in the order they come in. */
        private static Map<String, String> ordered(String key, String value, String otherKey, String otherValue) {
            return new TreeMap<>(Map.of(key, value, otherKey, otherValue));
        }

        private void step() {
            int at = random.nextInt(3);
            String topic = "t" + at;
            switch (random.nextInt(10)) {
                case 0, 1, 2 -> {
                    List<Message> messages = new ArrayList<>();
                    for (int i = random.nextInt(6); i >= 0; i--) {
                        messages.add(Message.builder(topic)
                                .body(new byte[random.nextInt(3000)])
                                .messageGroup(random.nextBoolean() ? "k" + random.nextInt(5) : "")
                                .property("a", "1")
                                .property("b", "2")
                                .build());
                    }
                    tell(id -> new SessionCommand.Send(
                            id, topic, -1, messages, random.nextBoolean() ? Durability.WRITTEN : Durability.FLUSHED));
                }
                case 3, 4, 5 -> {
                    SteppedNode.Client consumer = consumers.get(random.nextInt(CONSUMERS));
                    consumer.tell(new SessionCommand.Pop(
                            consumer.nextId(),
                            topic,
                            "g" + topic,
                            1 + random.nextInt(5),
                            1 << 20,
                            1_000,
                            random.nextInt(2_000)));
                }
                case 6 -> {
                    int gone = random.nextInt(CONSUMERS);
                    consumers.get(gone).vanish();
                    consumers.set(gone, consumer());
                }
                case 7 -> node.passOnly(random.nextInt(3_000));
                case 8 -> {
                    if (random.nextInt(3) == 0) {
                        disk.failNextForces(1);
                    } else if (random.nextInt(10) == 0) {
                        disk.crashAtOperation(disk.operations() + random.nextInt(200), random);
                    }
                    node.slowForces(1 + random.nextInt(100));
                }
                default ->
                    tell(id -> new SettingsCommand.ChangeSettings(
                            id,
                            SettingsScope.GROUP,
                            "g" + topic,
                            ordered("max-attempts", "4", "in-flight-max", "50"),
                            0,
                            "test"));
            }
            if (random.nextInt(4) == 0) {
                node.pass(random.nextInt(500));
            } else {
                node.run(random.nextInt(200));
            }
        }

        private void addBytes() {
            for (String file : disk.files()) {
                try {
                    trace.add(file + " " + Arrays.hashCode(disk.content(file)));
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            }
        }
    }
}
