package io.forebay.bench;

import io.forebay.node.ForebayNode;
import io.forebay.node.NodeOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/** A node in a JVM of its own: {@code BenchNode DIR}. Prints its ready line and stops when its stdin ends. */
final class BenchNode {
    private BenchNode() {}

    public static void main(String[] arguments) throws Exception {
        ForebayNode node = start(Path.of(arguments[0]));
        System.out.println(node.readyLine());
        awaitEndOfInput();
        node.stop().toCompletableFuture().join();
    }

    static ForebayNode start(Path directory) throws Exception {
        return ForebayNode.start(NodeOptions.of(directory).withOverrides(Map.of("forebay.storage.low-space", "0 B")));
    }

    private static void awaitEndOfInput() throws IOException {
        while (System.in.read() >= 0) {
            // Nothing is said to it.
        }
    }
}
