package io.forebay.node;

import io.forebay.support.ForkedJvm;
import io.forebay.testkit.sim.Proof;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A node in a process of its own, that can be killed. */
final class ForkedNode implements AutoCloseable {
    private static final String READY = "ready ";

    private final Process process;
    private final BufferedReader output;
    private String readyLine;

    private ForkedNode(Process process) {
        this.process = process;
        output = process.inputReader(StandardCharsets.UTF_8);
    }

    /** Starts one and waits for its ready line. */
    static ForkedNode start(Path directory, int port) throws IOException {
        return start(directory, port, Map.of());
    }

    /** @param settings beside those that all of them have, or in their place */
    static ForkedNode start(Path directory, int port, Map<String, String> settings) throws IOException {
        return start(directory, port, settings, List.of(), null);
    }

    /**
     * @param jvmOptions beside those that all of them have, or in their place
     * @param log gets what the process says from its ready line on, and all of its errors; null: errors are the test's own
     */
    static ForkedNode start(Path directory, int port, Map<String, String> settings, List<String> jvmOptions, Path log)
            throws IOException {
        ForkedNode node = begin(directory, port, settings, jvmOptions, log);
        node.awaitReady();
        if (log != null) {
            Thread copying = new Thread(() -> copy(node.output, log), "log of a node");
            copying.setDaemon(true);
            copying.start();
        }
        return node;
    }

    /** Starts one, which is on its way then: {@link #awaitReady} waits for it. */
    static ForkedNode startWithoutWaiting(Path directory, int port, Map<String, String> settings) throws IOException {
        return begin(directory, port, settings, List.of(), null);
    }

    private static ForkedNode begin(
            Path directory, int port, Map<String, String> settings, List<String> jvmOptions, Path log)
            throws IOException {
        List<String> options = new ArrayList<>(List.of("-Xmx512m"));
        options.addAll(jvmOptions);
        List<String> command = ForkedJvm.command(Main.class, options.toArray(String[]::new));
        command.addAll(List.of(directory.toString(), String.valueOf(port)));
        settings.forEach((key, value) -> command.add(key + "=" + value));
        return new ForkedNode(new ProcessBuilder(command)
                .redirectError(log == null ? ProcessBuilder.Redirect.INHERIT : ProcessBuilder.Redirect.to(log.toFile()))
                .start());
    }

    /** @throws IOException if it says something else; it is ended then */
    void awaitReady() throws IOException {
        String line = output.readLine();
        if (line == null || !line.startsWith(READY)) {
            process.destroyForcibly();
            throw new IOException("the node says '" + line + "' instead of its ready line");
        }
        readyLine = line;
    }

    /** Lets time pass in which it is on its way. */
    void leaveAlone(long millis) throws InterruptedException {
        if (process.waitFor(millis, TimeUnit.MILLISECONDS)) {
            throw new AssertionError("the node has ended by itself with " + process.exitValue());
        }
    }

    /** Of one that has been killed: whether it ever said that it serves. */
    boolean wasReady() throws IOException {
        if (readyLine == null) {
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                if (line.startsWith(READY)) {
                    readyLine = line;
                }
            }
        }
        return readyLine != null;
    }

    /** Whoever does not read what a process says has it stand still. */
    private static void copy(BufferedReader output, Path log) {
        try (BufferedWriter copy = Files.newBufferedWriter(log, StandardOpenOption.CREATE, StandardOpenOption.APPEND)) {
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                copy.write(line);
                copy.newLine();
                copy.flush();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    boolean isAlive() {
        return process.isAlive();
    }

    long pid() {
        return process.pid();
    }

    /** {@code akka://SYSTEM@HOST:PORT}. */
    String address() {
        return readyLine.substring(READY.length());
    }

    int port() {
        return Integer.parseInt(readyLine.substring(readyLine.lastIndexOf(':') + 1));
    }

    /** kill -9, and waits until the process is gone. */
    void kill() throws InterruptedException {
        // Unlike Process.destroyForcibly this leaves open what it has said.
        process.toHandle().destroyForcibly();
        if (!process.waitFor(30, TimeUnit.SECONDS)) {
            throw new AssertionError("a killed process goes on");
        }
        Proof.kills.increment();
    }

    /** Has it stand still. */
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

    /** Waits until it is gone: it must not make a file in a directory that is being deleted. */
    @Override
    public void close() {
        try {
            if (!process.destroyForcibly().waitFor(30, TimeUnit.SECONDS)) {
                throw new AssertionError("a killed process goes on");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** What runs in the process. It ends with whoever started it. */
    static final class Main {
        private Main() {}

        public static void main(String[] arguments) {
            Thread parent = new Thread(Main::endWithParent, "parent");
            parent.setDaemon(true);
            parent.start();
            try {
                Map<String, String> settings = new HashMap<>(Map.of(
                        "forebay.topic.auto-create", "on",
                        "forebay.topic.default-queues", "4",
                        "forebay.storage.low-space", "0 B",
                        // A client outside notices by silence alone that its node is gone.
                        "forebay.session.heartbeat-interval", "400 ms",
                        "forebay.session.timeout", "2 s",
                        "forebay.storage.segment-size", "16 MiB",
                        "forebay.store.checkpoint-bytes", "8 MiB"));
                for (int i = 2; i < arguments.length; i++) {
                    int equals = arguments[i].indexOf('=');
                    settings.put(arguments[i].substring(0, equals), arguments[i].substring(equals + 1));
                }
                ForebayNode node = ForebayNode.start(NodeOptions.of(Path.of(arguments[0]))
                        .withPort(Integer.parseInt(arguments[1]))
                        .withOverrides(settings));
                System.out.println(node.readyLine());
                node.whenTerminated().toCompletableFuture().join();
            } catch (NodeStartException e) {
                System.out.println("failed " + e.getMessage());
                Runtime.getRuntime().halt(1);
            }
        }

        private static void endWithParent() {
            try {
                while (System.in.read() >= 0) {
                    // The parent says nothing.
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            } finally {
                Runtime.getRuntime().halt(2);
            }
        }
    }
}
