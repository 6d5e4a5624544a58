package io.forebay.cli;

import io.forebay.client.ContactPoint;
import io.forebay.protocol.ForebayException;
import java.time.Duration;
import picocli.CommandLine.Option;

/** How a command finds its node. */
final class ConnectOptions {
    @Option(
            names = "--connect",
            paramLabel = "ADDRESS",
            defaultValue = "${env:FOREBAY_CONNECT:-127.0.0.1:25570}",
            description = {
                "Where the node is: HOST:PORT, or akka://SYSTEM@HOST:PORT as its ready line shows it.",
                "Default: FOREBAY_CONNECT, else 127.0.0.1:25570."
            })
    private String address;

    @Option(
            names = "--connect-timeout",
            paramLabel = "TIME",
            description = "How long to wait for a first answer of the node. Default: 30s for send and pop, else 5s.")
    private String timeout;

    @Option(
            names = "--config",
            paramLabel = "FILE",
            description =
                    "HOCON over the client's defaults, for example akka.remote.artery for a node that speaks TLS.")
    private String configFile;

    ContactPoint contactPoint() {
        try {
            return ContactPoint.parse(address);
        } catch (ForebayException e) {
            throw Refusals.toException("--connect: ", e.refusal());
        }
    }

    Duration timeout(Duration defaultTimeout) {
        return timeout == null
                ? defaultTimeout
                : Durations.parse("--connect-timeout", timeout, Duration.ofMillis(100), Durations.MAX);
    }

    /** Null when none was given. */
    String configFile() {
        return configFile;
    }
}
