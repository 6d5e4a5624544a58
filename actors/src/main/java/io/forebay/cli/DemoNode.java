package io.forebay.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A node in a process of its own, which can be killed: {@code forebay node} on the class path of this JVM. Thread-safe. */
final class DemoNode {
    private static final String READY = "ready ";
    private static final Pattern NUMBER =
            Pattern.compile("\"(durableSequence|unflushedBytes|writtenToDurableMicros)\":(?:(\\d+)|\\[([\\d,]*)])");

    private final Path directory;
    private final Map<String, String> settings;
    private final LatencyHistogram writtenToDurable = new LatencyHistogram();
    private volatile Process process;
    private volatile String address;
    private volatile long durableSequence;
    private volatile long unflushedBytes;

    /** @param directory holds the node's data and its log */
    DemoNode(Path directory, Map<String, String> settings) {
        this.directory = directory;
        this.settings = settings;
    }

    /**
     * Starts the process and waits until it serves; on the port of the last start, if there was one.
     *
     * @throws CliException when it does not, with the last it said
     */
    void start(Duration patience) throws InterruptedException {
        int port = address == null ? 0 : Integer.parseInt(address.substring(address.lastIndexOf(':') + 1));
        Process started;
        try {
            started = new ProcessBuilder(command(port))
                    .redirectError(LocalFiles.appendTo(log()))
                    .start();
            started.getOutputStream().close();
        } catch (IOException e) {
            throw new CliException(ExitCode.LOCAL, "no process can be started: " + CliException.reasonOf(e), e);
        }
        process = started;
        CompletableFuture<String> ready = new CompletableFuture<>();
        Thread reader = new Thread(() -> read(started, ready), "forebay-demo-node");
        reader.setDaemon(true);
        reader.start();
        try {
            address = ready.get(patience.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            throw new CliException(
                    ExitCode.LOCAL, "the node did not serve within " + Durations.print(patience) + lastWords());
        } catch (ExecutionException e) {
            throw new CliException(ExitCode.LOCAL, "the node ended before it served" + lastWords());
        }
    }

    private List<String> command(int port) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-Xmx512m");
        command.add("-XX:-UsePerfData");
        if (Runtime.version().feature() >= 24) {
            command.add("--sun-misc-unsafe-memory-access=allow");
        }
        String more = System.getenv("FOREBAY_JAVA_OPTS");
        if (more != null && !more.isBlank()) {
            command.addAll(List.of(more.strip().split("\\s+")));
        }
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
        command.addAll(
                List.of("node", "--data", data().toString(), "--port", String.valueOf(port), "--report", "100ms"));
        // Its port may be somebody else's.
        command.addAll(List.of("--set", "forebay.watch.enabled=off"));
        settings.forEach((key, value) -> command.addAll(List.of("--set", key + "=" + value)));
        return command;
    }

    private void read(Process from, CompletableFuture<String> ready) {
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(from.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.startsWith(READY)) {
                    ready.complete(line.substring(READY.length()).strip());
                } else {
                    report(line);
                }
            }
        } catch (IOException e) {
            // It was killed in the middle of a line.
            ready.completeExceptionally(e);
        }
        ready.completeExceptionally(new IOException("the node's process has ended"));
    }

    /** Sums over the stripes, of which a demo has one. */
    private void report(String line) {
        long durable = 0;
        long unflushed = 0;
        Matcher matcher = NUMBER.matcher(line);
        while (matcher.find()) {
            switch (matcher.group(1)) {
                case "durableSequence" -> durable += Long.parseLong(matcher.group(2));
                case "unflushedBytes" -> unflushed += Long.parseLong(matcher.group(2));
                default -> {
                    for (String micros : matcher.group(3).split(",")) {
                        if (!micros.isEmpty()) {
                            writtenToDurable.record(Long.parseLong(micros) * 1000);
                        }
                    }
                }
            }
        }
        durableSequence = durable;
        unflushedBytes = unflushed;
    }

    private String lastWords() {
        List<String> words = new ArrayList<>();
        for (String line : LocalFiles.lastLines(log(), 200)) {
            if (!line.isBlank() && !line.startsWith("\tat ") && !line.startsWith("\t...")) {
                words.add(line.strip());
            }
        }
        return words.isEmpty() ? "" : "; the last it said: " + words.get(words.size() - 1);
    }

    /** {@code kill -9}, and waits for the end. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
        unflushedBytes = 0;
    }

    /** SIGTERM, then, should that take too long, SIGKILL. Returns whether the first was enough. */
    boolean stop(Duration patience) throws InterruptedException {
        process.destroy();
        if (process.waitFor(patience.toMillis(), TimeUnit.MILLISECONDS)) {
            return process.exitValue() == ExitCode.OK;
        }
        kill();
        return false;
    }

    /** For a shutdown hook: no process of ours outlives us. */
    void destroyNow() {
        Process current = process;
        if (current != null) {
            try {
                // Gone for good, or it might still make files in a directory that is being removed.
                current.destroyForcibly().waitFor(5, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    boolean isAlive() {
        return process != null && process.isAlive();
    }

    Path data() {
        return directory.resolve("data");
    }

    Path log() {
        return directory.resolve("node.log");
    }

    /** {@code akka://SYSTEM@HOST:PORT}. */
    String address() {
        return address;
    }

    long durableSequence() {
        return durableSequence;
    }

    long unflushedBytes() {
        return unflushedBytes;
    }

    LatencyHistogram writtenToDurable() {
        return writtenToDurable;
    }
}
