package io.forebay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.support.ForkedJvm;
import io.forebay.testkit.sim.Proof;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** A command in a JVM of its own; its stderr goes to a file. */
final class Fork implements AutoCloseable {
    /** A thread for each task that blocks: with two cores the common pool may have one thread for all of them. */
    static final Executor THREADS = task -> new Thread(task).start();

    private final Process process;
    private final Path err;

    private Fork(Process process, Path err) {
        this.process = process;
        this.err = err;
    }

    static Fork start(Path folder, String... arguments) throws IOException {
        return start(builder -> {}, folder, arguments);
    }

    interface Change {
        void to(ProcessBuilder builder);
    }

    static Fork start(Change change, Path folder, String... arguments) throws IOException {
        List<String> command = ForkedJvm.command(Main.class, "-Xmx256m", "-XX:-UsePerfData");
        command.addAll(List.of(arguments));
        Path err = Files.createTempFile(folder, arguments[0] + "-", ".err");
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(err.toFile());
        change.to(builder);
        return new Fork(builder.start(), err);
    }

    Process process() {
        return process;
    }

    String err() throws IOException {
        return Files.readString(err);
    }

    /** Everything it prints, once it has ended. */
    CompletableFuture<byte[]> out() {
        return CompletableFuture.supplyAsync(
                () -> {
                    try {
                        return process.getInputStream().readAllBytes();
                    } catch (IOException e) {
                        throw new java.io.UncheckedIOException(e);
                    }
                },
                THREADS);
    }

    int awaitExit(long seconds) throws InterruptedException, IOException {
        assertThat(process.waitFor(seconds, TimeUnit.SECONDS))
                .as(() -> "still running; it said: " + quietErr())
                .isTrue();
        return process.exitValue();
    }

    private String quietErr() {
        try {
            return err();
        } catch (IOException e) {
            return e.toString();
        }
    }

    /** Kills it, and waits until it writes no more: its folder may be deleted next. */
    @Override
    public void close() {
        process.destroyForcibly().onExit().join();
    }

    /** A node that can be killed and started again on the same directory and port. */
    static final class Node implements AutoCloseable {
        private final Path folder;
        private final Path data;
        private final List<String> settings;
        private Fork fork;
        private String address;
        private BufferedReader out;

        Node(Path folder, String... settings) {
            this.folder = folder;
            this.data = folder.resolve("data");
            this.settings = List.of(settings);
        }

        Node start() throws Exception {
            List<String> arguments = new ArrayList<>(List.of("node", "--data", data.toString(), "--port", port()));
            // Small files: a test makes and removes many nodes.
            arguments.addAll(List.of("--set", "forebay.storage.segment-size=16 MiB"));
            arguments.addAll(List.of("--set", "forebay.storage.low-space=1 MiB"));
            for (String setting : settings) {
                arguments.addAll(List.of("--set", setting));
            }
            fork = Fork.start(folder, arguments.toArray(String[]::new));
            out = new BufferedReader(new InputStreamReader(fork.process().getInputStream(), UTF_8));
            String ready;
            try {
                ready = CompletableFuture.supplyAsync(this::line, THREADS).get(60, TimeUnit.SECONDS);
            } catch (TimeoutException e) {
                throw new AssertionError("the node does not serve; it said: " + fork.err() + "\n" + threads(), e);
            }
            assertThat(ready).as(fork.err()).isNotNull().startsWith("ready akka://");
            address = ready.substring("ready ".length());
            return this;
        }

        /** What a node that hangs is doing. */
        private String threads() throws IOException {
            String jstack =
                    Path.of(System.getProperty("java.home"), "bin", "jstack").toString();
            Process dump = new ProcessBuilder(
                            jstack, String.valueOf(fork.process().pid()))
                    .redirectErrorStream(true)
                    .start();
            return new String(dump.getInputStream().readAllBytes(), UTF_8);
        }

        private String line() {
            try {
                return out.readLine();
            } catch (IOException e) {
                return e.toString();
            }
        }

        String port() {
            return address == null ? "0" : address.substring(address.lastIndexOf(':') + 1);
        }

        String address() {
            return address;
        }

        Path data() {
            return data;
        }

        void kill() throws InterruptedException {
            fork.process().destroyForcibly().waitFor();
            Proof.kills.increment();
        }

        /** SIGTERM. Returns the exit code; nothing but the ready line was printed. */
        int stop() throws Exception {
            // Unlike Process.destroy this leaves the streams open.
            fork.process().toHandle().destroy();
            int code = fork.awaitExit(60);
            assertThat(line()).as("stdout after the ready line").isNull();
            return code;
        }

        @Override
        public void close() {
            fork.close();
        }
    }
}
