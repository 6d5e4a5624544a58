package io.forebay.cli;

import io.forebay.node.ForebayNode;
import io.forebay.node.NodeOptions;
import io.forebay.node.NodeStartException;
import java.io.IOException;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code forebay node}: a node in this process, until a signal. */
@Command(
        name = "node",
        description = {
            "Run a node. Prints 'ready akka://SYSTEM@HOST:PORT' on stdout when it serves; logs go to stderr.",
            "SIGTERM and SIGINT stop it cleanly, with exit code 0. kill -9 loses nothing that was confirmed.",
            "How it is, it tells at http://127.0.0.1:25580, as /metrics, /ready and /alive; see forebay.watch."
        })
final class NodeCommand implements Callable<Integer> {
    private final Shell shell;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            required = true,
            description = "The data directory; made when it is missing. One node at a time.")
    private String data;

    @Option(
            names = "--port",
            paramLabel = "N",
            description = "The port, 0 for a free one. Default: forebay.node.port, which is 25570 unless set.")
    private Integer port;

    @Option(
            names = "--host",
            paramLabel = "HOST",
            description =
                    "The host to bind and to advertise. Default: forebay.node.host, which is loopback unless set.")
    private String host;

    @Option(names = "--system", paramLabel = "NAME", description = "Name of the actor system. Default: forebay.")
    private String system;

    @Option(names = "--config", paramLabel = "FILE", description = "HOCON over the defaults.")
    private String configFile;

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description = "One setting over all others, for example forebay.topic.auto-create=on. May be given several"
                    + " times.")
    private Map<String, String> settings = new LinkedHashMap<>();

    @Option(
            names = "--report",
            paramLabel = "TIME",
            description =
                    "After the ready line, print a line of JSON about the stripes so often: what is written, durable"
                            + " and unflushed, and how long the latest records took from written to durable.")
    private String reportText;

    private volatile boolean hasEndedByItself;

    NodeCommand(Shell shell) {
        this.shell = shell;
    }

    @Override
    public Integer call() throws InterruptedException {
        if (port != null && (port < 0 || port > 65535)) {
            throw CliException.usage("--port is " + port + "; allowed is 0 to 65535, 0 for a free one");
        }
        Duration reportEvery = reportText == null
                ? null
                : Durations.parse("--report", reportText, Duration.ofMillis(10), Durations.MAX);
        Map<String, String> overrides = new LinkedHashMap<>(settings);
        // A signal stops the node from here; the transport's own hook would cut off clients whose answers are being
        // drained.
        overrides.putIfAbsent("akka.jvm-shutdown-hooks", "off");
        NodeOptions options = new NodeOptions(
                path("--data", data),
                host,
                port == null ? -1 : port,
                system,
                configFile == null ? Optional.empty() : Optional.of(path("--config", configFile)),
                overrides);
        ForebayNode node;
        try {
            node = ForebayNode.start(options);
        } catch (NodeStartException e) {
            LoggerFactory.getLogger(NodeCommand.class).debug("the node did not start", e);
            IOException file = LocalFiles.fileFailureBehind(e);
            throw new CliException(
                    exitCode(e),
                    file == null
                            ? CliException.reasonOf(e)
                            : "the data directory '" + data + "' cannot be used: "
                                    + (file instanceof NoSuchFileException
                                            ? "it is missing and cannot be made"
                                            : LocalFiles.reasonOf(file)));
        }
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(node), "forebay-stop"));
        shell.console().println(node.readyLine());
        shell.console().flush();
        if (reportEvery != null) {
            StripeReporter.start(shell, node, reportEvery);
        }
        try {
            node.whenTerminated().toCompletableFuture().get();
            if (!shell.interruption().isRequested()) {
                hasEndedByItself = true;
                throw new CliException(ExitCode.LOCAL, "the node has ended by itself; its log says why");
            }
        } catch (ExecutionException e) {
            throw new AssertionError("the node's end", e.getCause());
        } catch (InterruptedException e) {
            // A signal: the hook stops the node and then ends the process.
            node.whenTerminated().toCompletableFuture().join();
        }
        return ExitCode.OK;
    }

    /** The last thing that runs in this process: a clean stop is exit code 0, whichever signal asked for it. */
    private void stop(ForebayNode node) {
        try {
            node.stop().toCompletableFuture().get(2, TimeUnit.MINUTES);
            node.whenTerminated().toCompletableFuture().get(1, TimeUnit.MINUTES);
            if (!hasEndedByItself) {
                Runtime.getRuntime().halt(ExitCode.OK);
            }
        } catch (ExecutionException | TimeoutException e) {
            shell.console()
                    .say("forebay: the node did not stop cleanly (" + CliException.reasonOf(e)
                            + "); its next start recovers, and nothing that was confirmed is lost");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static Path path(String option, String text) {
        try {
            return Path.of(text);
        } catch (InvalidPathException e) {
            throw CliException.usage(option + " is '" + text + "', which is no path: " + e.getReason());
        }
    }

    private static int exitCode(NodeStartException e) {
        return e.reason() == NodeStartException.Reason.CONFIGURATION ? ExitCode.USAGE : ExitCode.LOCAL;
    }
}
