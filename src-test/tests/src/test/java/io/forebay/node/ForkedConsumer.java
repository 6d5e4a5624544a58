package io.forebay.node;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.ConfigFactory;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Refusal;
import io.forebay.support.ForkedJvm;
import io.forebay.testkit.sim.Proof;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** A consumer of topic {@code t} in group {@code g} in a process of its own, that can be killed or stand still. */
final class ForkedConsumer implements AutoCloseable {
    private static final String HELD = "held ";
    private static final String TOLD = "told ";

    private final Process process;
    private final BufferedReader output;

    private ForkedConsumer(Process process) {
        this.process = process;
        output = process.inputReader(StandardCharsets.UTF_8);
    }

    static ForkedConsumer start(NodeFixture node, int count) throws IOException {
        List<String> command = ForkedJvm.command(Main.class, "-Xmx256m");
        command.addAll(List.of(node.system.address().toString(), String.valueOf(count)));
        return new ForkedConsumer(new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start());
    }

    /** Until it holds everything. Returns a time, by the node's clock, at which the node has heard of it. */
    long awaitHeld() throws IOException {
        return Long.parseLong(says(HELD));
    }

    /** What its log says goes by. */
    private String says(String beginning) throws IOException {
        for (String line = output.readLine(); line != null; line = output.readLine()) {
            if (line.startsWith(beginning)) {
                return line.substring(beginning.length());
            }
        }
        throw new IOException("the consumer has ended before it said '" + beginning + "'");
    }

    /** Acks everything, in order of the offsets; what each was answered. */
    List<String> ackAll() throws IOException {
        process.outputWriter().write("ack\n");
        process.outputWriter().flush();
        return List.of(says(TOLD).split(","));
    }

    /** kill -9, and waits until the process is gone. */
    void kill() throws InterruptedException {
        process.destroyForcibly();
        if (!process.waitFor(30, TimeUnit.SECONDS)) {
            throw new AssertionError("a killed process goes on");
        }
        Proof.kills.increment();
    }

    void suspend() throws IOException, InterruptedException {
        signal("-STOP");
    }

    void resume() throws IOException, InterruptedException {
        signal("-CONT");
    }

    private void signal(String name) throws IOException, InterruptedException {
        int exit = new ProcessBuilder("kill", name, String.valueOf(process.pid()))
                .start()
                .waitFor();
        if (exit != 0) {
            throw new AssertionError("kill " + name + " ends with " + exit);
        }
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    /** What runs in the process. It ends with whoever started it. */
    static final class Main {
        private Main() {}

        public static void main(String[] arguments) throws IOException {
            ActorSystem<Void> system = ActorSystem.create(
                    Behaviors.empty(),
                    "consumer",
                    ConfigFactory.parseString("""
                        akka.actor.provider = remote
                        akka.remote.warn-about-direct-use = off
                        akka.remote.artery.canonical { hostname = 127.0.0.1, port = 0 }
                        akka.loglevel = OFF
                        akka.coordinated-shutdown.run-by-jvm-shutdown-hook = off
                        forebay.client.lookup { retry-min = 50 ms, retry-max = 200 ms }
                        """).withFallback(ConfigFactory.load()));
            ForebayClient client = ForebayClient.connect(system, Target.contact(arguments[0]));
            int count = Integer.parseInt(arguments[1]);
            List<Delivery> held = new ArrayList<>();
            while (held.size() < count) {
                held.addAll(
                        client.pop(PopRequest.of("t", "g", count - held.size()).withInvisible(Duration.ofHours(1)))
                                .toCompletableFuture()
                                .join());
            }
            System.out.println(
                    HELD + held.stream().mapToLong(Delivery::poppedMillis).max().orElseThrow());
            held.sort(Comparator.comparingLong(Delivery::queueOffset));
            BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            while (input.readLine() != null) {
                List<AckResult> results = client.ackBatch(
                                "g", held.stream().map(Delivery::handle).toList(), Durability.WRITTEN)
                        .toCompletableFuture()
                        .join();
                System.out.println(TOLD
                        + results.stream()
                                .map(result -> result instanceof Refusal refusal
                                        ? refusal.code().name()
                                        : result.toString())
                                .collect(Collectors.joining(",")));
            }
            Runtime.getRuntime().halt(2);
        }
    }
}
