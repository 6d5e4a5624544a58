package io.forebay.node;

import io.forebay.support.ForkedJvm;
import io.forebay.testkit.check.Journal;
import io.forebay.testkit.sim.Proof;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A {@link LoadClient} in a process of its own, that can be killed. It notes what it sees in a journal that others write, too. */
final class ForkedLoadClient implements AutoCloseable {
    private static final String QUIET = "quiet";

    private final Process process;
    private final BufferedReader output;

    private ForkedLoadClient(Process process) {
        this.process = process;
        output = process.inputReader(StandardCharsets.UTF_8);
    }

    /** It is on its way then, and takes what it is told when it is there. */
    static ForkedLoadClient start(String name, String address, Path journal) throws IOException {
        List<String> command = ForkedJvm.command(Main.class, "-Xmx256m");
        command.addAll(List.of(name, address, journal.toString()));
        return new ForkedLoadClient(new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start());
    }

    /** That many messages more. */
    void send(int count) throws IOException {
        tell(String.valueOf(count));
    }

    /** Until everything that was to be sent is answered. It goes on consuming. */
    void awaitQuiet() throws IOException {
        tell(QUIET);
        for (String line = output.readLine(); !QUIET.equals(line); line = output.readLine()) {
            if (line == null) {
                throw new IOException("the client has ended before it was quiet");
            }
        }
    }

    private void tell(String line) throws IOException {
        process.outputWriter().write(line + "\n");
        process.outputWriter().flush();
    }

    /** kill -9, and waits until the process is gone. */
    void kill() throws InterruptedException {
        end();
        Proof.kills.increment();
    }

    /** When it has nothing more to do: nothing is noted by it from now on. */
    void end() throws InterruptedException {
        process.destroyForcibly();
        if (!process.waitFor(30, TimeUnit.SECONDS)) {
            throw new AssertionError("a killed process goes on");
        }
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    /** What runs in the process. It ends with whoever started it. */
    static final class Main {
        private Main() {}

        public static void main(String[] arguments) {
            try {
                Journal journal = Journal.toFile(Path.of(arguments[2]), arguments[0], System::currentTimeMillis);
                LoadClient client = new LoadClient(arguments[0], arguments[1], journal);
                client.start();
                BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
                for (String line = input.readLine(); line != null; line = input.readLine()) {
                    if (line.equals(QUIET)) {
                        KillLoopTest.await("answers to what was sent", client::isQuiet);
                        System.out.println(QUIET);
                    } else {
                        client.send(Integer.parseInt(line));
                    }
                }
            } catch (IOException | RuntimeException | AssertionError e) {
                e.printStackTrace();
            } finally {
                Runtime.getRuntime().halt(2);
            }
        }
    }
}
