package io.forebay.bench;

import io.forebay.node.ForebayNode;
import io.forebay.node.NodeOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A node in a JVM of its own: {@code BenchNode DIR [SETTING=VALUE ...]}. Prints its ready line and stops when its stdin ends. */
final class BenchNode {
    private BenchNode() {}

    public static void main(String[] arguments) throws Exception {
        Map<String, String> overrides = new LinkedHashMap<>();
        overrides.put("forebay.storage.low-space", "0 B");
        for (String setting : List.of(arguments).subList(1, arguments.length)) {
            int equals = setting.indexOf('=');
            overrides.put(setting.substring(0, equals), setting.substring(equals + 1));
        }
        ForebayNode node =
                ForebayNode.start(NodeOptions.of(Path.of(arguments[0])).withOverrides(overrides));
        System.out.println(node.readyLine());
        awaitEndOfInput();
        node.stop().toCompletableFuture().join();
    }

    private static void awaitEndOfInput() throws IOException {
        while (System.in.read() >= 0) {
            // Nothing is said to it.
        }
    }
}
