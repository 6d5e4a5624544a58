package io.forebay.yardstick;

import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A JVM of the broker's own, with this one's class path. Ends with this one, however that ends: its stdin is a pipe from here. */
public final class BrokerProcess {
    private static final long READY_NANOS = TimeUnit.SECONDS.toNanos(60);

    private final Process process;
    private final Thread hook;

    private BrokerProcess(Process process) {
        this.process = process;
        hook = new Thread(process::destroyForcibly);
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /**
     * Starts a main class and waits until it has created a file.
     *
     * @param output file that takes what it prints
     */
    public static BrokerProcess start(
            List<String> jvmOptions, Class<?> main, List<String> arguments, Path output, Path ready)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(jvmOptions);
        command.addAll(List.of("-cp", absolute(System.getProperty("java.class.path")), main.getName()));
        command.addAll(arguments);
        BrokerProcess started = new BrokerProcess(new ProcessBuilder(command)
                .directory(output.getParent().toFile())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start());
        long limit = System.nanoTime() + READY_NANOS;
        while (!Files.exists(ready)) {
            if (!started.process.isAlive() || System.nanoTime() > limit) {
                started.close();
                throw new IllegalStateException("the broker has not come up; " + output + " says why");
            }
            TimeUnit.MILLISECONDS.sleep(50);
        }
        return started;
    }

    private static String absolute(String classPath) {
        List<String> entries = new ArrayList<>();
        for (String entry : classPath.split(File.pathSeparator)) {
            entries.add(Path.of(entry).toAbsolutePath().toString());
        }
        return String.join(File.pathSeparator, entries);
    }

    /** The first of so many ports in a row that nobody listens on. */
    public static int freePorts(int count) throws IOException {
        while (true) {
            List<ServerSocket> sockets = new ArrayList<>();
            try {
                sockets.add(listening(0));
                int first = sockets.get(0).getLocalPort();
                while (sockets.size() < count) {
                    sockets.add(listening(first + sockets.size()));
                }
                return first;
            } catch (IOException | IllegalArgumentException e) {
                if (sockets.isEmpty()) {
                    throw e;
                }
            } finally {
                for (ServerSocket socket : sockets) {
                    socket.close();
                }
            }
        }
    }

    private static ServerSocket listening(int port) throws IOException {
        return new ServerSocket(port, 1, InetAddress.getLoopbackAddress());
    }

    /** For its processor time. */
    public ProcessHandle handle() {
        return process.toHandle();
    }

    /** Kills it. */
    public void close() throws InterruptedException {
        process.destroyForcibly().waitFor();
        Runtime.getRuntime().removeShutdownHook(hook);
    }
}
