package io.forebay.config;

import static io.forebay.config.Checks.check;
import static io.forebay.config.Checks.checkCount;
import static io.forebay.config.Checks.checkDuration;
import static io.forebay.config.Checks.checkText;

import java.time.Duration;
import java.util.regex.Pattern;

/**
 * Section {@code forebay.node}: the node as others see it.
 *
 * @param name the node's own name, kept in its data directory
 * @param systemName name of the actor system of a node that is started alone
 * @param host host such a node binds and advertises
 * @param port Artery port of such a node, 0 for any free one
 * @param allowPlaintext whether it may listen beyond loopback without TLS
 * @param drainTimeout how long a stopping node waits for what it has begun
 */
public record NodeSettings(
        String name, String systemName, String host, int port, boolean allowPlaintext, Duration drainTimeout) {
    static final String SECTION = "forebay.node";
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,62}");
    private static final Pattern SYSTEM_NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,62}");

    public NodeSettings {
        check(
                NAME.matcher(name).matches(),
                SECTION + ".name",
                '"' + name + '"',
                "1 to 63 letters, digits, '.', '_' or '-', the first a letter or a digit");
        check(
                SYSTEM_NAME.matcher(systemName).matches(),
                SECTION + ".system-name",
                '"' + systemName + '"',
                "1 to 63 letters, digits, '_' or '-', the first a letter or a digit");
        checkText(SECTION + ".host", host);
        checkCount(SECTION + ".port", port, 0, 65_535);
        checkDuration(SECTION + ".drain-timeout", drainTimeout, Duration.ZERO, Duration.ofMinutes(10));
    }

    static NodeSettings from(Section section) {
        return new NodeSettings(
                section.text("name"),
                section.text("system-name"),
                section.text("host"),
                section.count("port"),
                section.flag("allow-plaintext"),
                section.duration("drain-timeout"));
    }
}
