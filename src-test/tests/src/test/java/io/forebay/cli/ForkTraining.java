package io.forebay.cli;

import io.forebay.node.ForebayNode;
import io.forebay.node.NodeOptions;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * What the processes of the tests do: a node serves, commands create, send and take. Its argument is a directory for the node. It ends with
 * 0 if all went well.
 */
public final class ForkTraining {
    private static final int LINES = 1000;

    private ForkTraining() {}

    public static void main(String[] arguments) throws Exception {
        ForebayNode node = ForebayNode.start(NodeOptions.of(Path.of(arguments[0]))
                .withPort(0)
                .withOverrides(Map.of(
                        "forebay.storage.segment-size", "4 MiB",
                        "forebay.queue.body-max", "1 MiB",
                        "forebay.queue.batch-bytes-max", "2 MiB",
                        "forebay.storage.low-space", "0 B",
                        "akka.coordinated-shutdown.run-by-jvm-shutdown-hook", "off")));
        String address = node.address();
        int code = CliRunner.run("topic", "create", "t", "--connect", address).code()
                + CliRunner.run("group", "create", "g", "--topic", "t", "--connect", address)
                        .code()
                + CliRunner.runWith("a line\n".repeat(LINES).getBytes(), "send", "t", "--connect", address)
                        .code()
                + CliRunner.run("pop", "t", "--group", "g", "--count", String.valueOf(LINES), "--connect", address)
                        .code()
                + CliRunner.run("group", "describe", "g", "--json", "--connect", address)
                        .code();
        node.stop().toCompletableFuture().get(60, TimeUnit.SECONDS);
        node.whenTerminated().toCompletableFuture().get(60, TimeUnit.SECONDS);
        System.exit(code == 0 ? 0 : 1);
    }
}
