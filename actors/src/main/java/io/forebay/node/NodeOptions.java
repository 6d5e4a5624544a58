package io.forebay.node;

import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * What a node started alone is told from outside; everything else is HOCON.
 *
 * @param data directory of the node's log; created when missing
 * @param host host to bind and to advertise, or null for the configured one (loopback by default)
 * @param port Artery port, 0 for a free one, -1 for the configured one
 * @param systemName name of the actor system, or null for the configured one ({@code forebay})
 * @param configFile a HOCON file laid over the defaults
 * @param overrides single keys laid over everything, e.g. {@code forebay.topic.auto-create -> on}
 */
public record NodeOptions(
        Path data, String host, int port, String systemName, Optional<Path> configFile, Map<String, String> overrides) {

    public NodeOptions {
        overrides = Map.copyOf(overrides);
    }

    /** A node on a directory, at a free port of loopback, with the defaults. */
    public static NodeOptions of(Path data) {
        return new NodeOptions(data, null, 0, null, Optional.empty(), Map.of());
    }

    public NodeOptions withPort(int newPort) {
        return new NodeOptions(data, host, newPort, systemName, configFile, overrides);
    }

    public NodeOptions withConfigFile(Path file) {
        return new NodeOptions(data, host, port, systemName, Optional.of(file), overrides);
    }

    public NodeOptions withOverrides(Map<String, String> newOverrides) {
        return new NodeOptions(data, host, port, systemName, configFile, newOverrides);
    }
}
