package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/** A node that is started alone: its ready line, and every obstacle as one clear line. */
class ForebayNodeTest {
    private static final Map<String, String> SMALL = Map.of(
            "forebay.storage.segment-size", "4 MiB",
            "forebay.queue.body-max", "1 MiB",
            "forebay.queue.batch-bytes-max", "2 MiB",
            "forebay.storage.low-space", "0 B",
            "akka.coordinated-shutdown.run-by-jvm-shutdown-hook", "off");

    @TempDir
    Path directory;

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aNodeServesAtTheAddressOfItsReadyLineAndStopsCleanly() throws Exception {
        ForebayNode node = ForebayNode.start(options());
        assertThat(node.readyLine()).matches("ready akka://forebay@127\\.0\\.0\\.1:[1-9][0-9]*");
        assertThat(node.address()).isEqualTo(node.readyLine().substring("ready ".length()));
        stop(node);
        assertThat(Files.isDirectory(directory.resolve("stripe-0"))).isTrue();
        // A second start finds nothing locked.
        stop(ForebayNode.start(options()));
    }

    @Test
    void aPortInUseIsNamed() throws IOException {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            NodeStartException failure = failure(options().withPort(taken.getLocalPort()));
            assertThat(failure.reason()).isEqualTo(NodeStartException.Reason.ADDRESS);
            assertThat(failure.getMessage()).contains(String.valueOf(taken.getLocalPort()), "in use");
        }
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aDirectoryThatIsOpenElsewhereIsNamed() throws Exception {
        ForebayNode node = ForebayNode.start(options());
        try {
            NodeStartException failure = failure(options());
            assertThat(failure.reason()).isEqualTo(NodeStartException.Reason.DIRECTORY);
            assertThat(failure.getMessage()).contains(directory.toString());
        } finally {
            stop(node);
        }
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aDirectoryOfAnotherNodeIsNamed() throws Exception {
        stop(ForebayNode.start(options()));
        NodeStartException failure = failure(options("forebay.node.name", "somebody-else"));
        assertThat(failure.reason()).isEqualTo(NodeStartException.Reason.DIRECTORY);
        assertThat(failure.getMessage()).contains("somebody-else", "forebay-1");
    }

    @Test
    void aValueOutOfRangeIsNamedWithWhatIsAllowed() {
        NodeStartException failure = failure(options("forebay.topic.default-queues", "0"));
        assertThat(failure.reason()).isEqualTo(NodeStartException.Reason.CONFIGURATION);
        assertThat(failure.getMessage()).contains("forebay.topic.default-queues", "0");
        assertThat(failure(options("forebay.topic.colour", "red")).getMessage()).contains("forebay.topic");
        assertThat(failure(options("forebay.node.port", "banana")).getMessage()).contains("banana");
    }

    @Test
    void aConfigurationFileThatIsMissingOrBrokenIsNamed() throws IOException {
        Path missing = directory.resolve("no.conf");
        assertThat(failure(options().withConfigFile(missing)).getMessage()).contains(missing.toString());
        Path broken = Files.writeString(directory.resolve("broken.conf"), "forebay { topic {");
        NodeStartException failure = failure(options().withConfigFile(broken));
        assertThat(failure.reason()).isEqualTo(NodeStartException.Reason.CONFIGURATION);
        assertThat(failure.getMessage()).contains("broken.conf");
    }

    @Test
    void aHostThatIsNotLoopbackNeedsAWord() {
        NodeStartException failure = failure(options("forebay.node.host", "0.0.0.0"));
        assertThat(failure.reason()).isEqualTo(NodeStartException.Reason.CONFIGURATION);
        assertThat(failure.getMessage()).contains("0.0.0.0", "allow-plaintext");
        assertThat(failure(options("forebay.node.host", "no.such.host.invalid")).getMessage())
                .contains("no.such.host.invalid");
    }

    @Test
    @Execution(ExecutionMode.CONCURRENT)
    void aDirectoryThatIsAFileIsNamed() throws IOException {
        Path file = Files.writeString(directory.resolve("file"), "x");
        NodeStartException failure = failure(NodeOptions.of(file).withOverrides(SMALL));
        assertThat(failure.reason()).isEqualTo(NodeStartException.Reason.DIRECTORY);
        assertThat(failure.getMessage()).contains(file.toString());
        assertThat(Files.readString(file)).isEqualTo("x");
    }

    private NodeOptions options() {
        return NodeOptions.of(directory).withOverrides(SMALL);
    }

    private NodeOptions options(String key, String value) {
        Map<String, String> values = new HashMap<>(SMALL);
        values.put(key, value);
        NodeOptions options = NodeOptions.of(directory).withOverrides(values);
        return key.equals("forebay.node.port") ? options.withPort(-1) : options;
    }

    private static NodeStartException failure(NodeOptions options) {
        NodeStartException failure =
                catchThrowableOfType(NodeStartException.class, () -> stop(ForebayNode.start(options)));
        assertThat(failure.getMessage()).doesNotContain("\n").isNotBlank();
        return failure;
    }

    private static void stop(ForebayNode node) throws Exception {
        node.stop().toCompletableFuture().get(60, TimeUnit.SECONDS);
        node.whenTerminated().toCompletableFuture().get(60, TimeUnit.SECONDS);
    }
}
