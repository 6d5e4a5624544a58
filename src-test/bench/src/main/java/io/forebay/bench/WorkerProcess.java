package io.forebay.bench;

import io.forebay.yardstick.Outcome;
import io.forebay.yardstick.Plan;
import io.forebay.yardstick.Worker;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** Runs plans with one entrant in a process of its own, with the class path that it brings. */
final class WorkerProcess {
    /**
     * What came of it.
     *
     * @param outcomes of the first plans; the others were not reached
     * @param failureOrNull why not
     */
    record Result(Map<String, String> settings, List<Outcome> outcomes, String failureOrNull) {}

    private static final int START_SECONDS = 120;
    private static final int SLACK_SECONDS_PER_PLAN = 90;

    private final Path peers;
    private final Path directory;

    /**
     * @param peers where the modules of the peers lie, built
     * @param directory for data and logs
     */
    WorkerProcess(Path peers, Path directory) {
        this.peers = peers;
        this.directory = directory;
    }

    /** Whether the entrant has been built. */
    boolean isThere(Entrant entrant) {
        return entrant.isForebay() || Files.isDirectory(target(entrant).resolve("lib"));
    }

    private Path target(Entrant entrant) {
        return peers.resolve(entrant.moduleOrNull()).resolve("target");
    }

    Result run(Entrant entrant, List<Plan> plans, int timeLimitSeconds) throws IOException, InterruptedException {
        return run(entrant, Worker.class, plans.stream().map(Plan::toString).toList(), timeLimitSeconds);
    }

    /**
     * The same with a main class that is told, and tells, what {@link Worker} is told and tells.
     *
     * @param plans in the words of that class
     */
    Result run(Entrant entrant, Class<?> main, List<String> plans, int timeLimitSeconds)
            throws IOException, InterruptedException {
        String name = entrant.toString().replaceAll("[^A-Za-z0-9]+", "-").toLowerCase(java.util.Locale.ROOT);
        Path data = directory.resolve(name);
        Path log = directory.resolve(name + ".log");
        Process process = new ProcessBuilder(command(entrant, main, data, plans))
                .redirectErrorStream(true)
                .start();
        Thread killer = new Thread(() -> kill(process));
        Runtime.getRuntime().addShutdownHook(killer); // whoever is told to end leaves no load behind
        ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor();
        int limit = START_SECONDS + plans.size() * SLACK_SECONDS_PER_PLAN + timeLimitSeconds;
        clock.schedule(() -> kill(process), limit, TimeUnit.SECONDS);
        try (BufferedReader lines =
                        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
                PrintWriter logged = new PrintWriter(Files.newBufferedWriter(log), true)) {
            Map<String, String> settings = new LinkedHashMap<>();
            List<Outcome> outcomes = new ArrayList<>();
            String failure = null;
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                logged.println(line);
                if (line.startsWith(Outcome.LINE)) {
                    outcomes.add(Outcome.parse(line));
                } else if (line.startsWith("setting ") && line.indexOf('=') > 0) {
                    int equals = line.indexOf('=');
                    settings.put(line.substring("setting ".length(), equals), line.substring(equals + 1));
                } else if (line.startsWith("failed ")) {
                    failure = line.substring("failed ".length());
                }
            }
            int exit = process.waitFor();
            if (failure == null && outcomes.size() < plans.size()) {
                failure = "ended with exit code " + exit + " before its time, see " + log;
            }
            return new Result(settings, outcomes, failure);
        } finally {
            clock.shutdownNow();
            kill(process);
            removeHook(killer);
            Directories.delete(data);
        }
    }

    private static void removeHook(Thread hook) {
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // This process ends already, and the hook has nothing left to do.
        }
    }

    private static void kill(Process process) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }

    private List<String> command(Entrant entrant, Class<?> main, Path data, List<String> plans) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-Xmx2g");
        if (entrant.isForebay()) {
            command.addAll(List.of("-cp", System.getProperty("java.class.path")));
        } else {
            Path flags = peers.resolve(entrant.moduleOrNull()).resolve("jvm-flags");
            if (Files.exists(flags)) {
                Files.readAllLines(flags).stream()
                        .map(String::strip)
                        .filter(line -> !line.isEmpty() && !line.startsWith("#"))
                        .forEach(command::add);
            }
            Path target = target(entrant);
            command.addAll(List.of("-cp", target.resolve("classes") + ":" + target.resolve("lib") + "/*"));
        }
        command.add(main.getName());
        command.add(entrant.className());
        command.add(data.toString());
        command.add(entrant.isFlushed() ? "flushed" : "written");
        command.addAll(entrant.options());
        command.add("--");
        command.addAll(plans);
        return command;
    }
}
