package io.forebay.client;

import io.forebay.protocol.ForebayException;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.Refusal;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a node is reached from outside its cluster: what its {@code ready} line shows. Host and system name must be those
 * that the node advertises; another name of the same machine will not do.
 *
 * @param system name of the node's actor system
 * @param host name or address; an IPv6 address in brackets
 * @param port 1 to 65535
 */
public record ContactPoint(String system, String host, int port) {
    /** Name of the actor system that the launcher starts. */
    public static final String DEFAULT_SYSTEM = "forebay";

    private static final Pattern FORM = Pattern.compile(
            "(?:akka://([A-Za-z0-9][A-Za-z0-9_-]*)@)?(\\[[0-9A-Fa-f:.%]+]|[^\\s:/@\\[\\]]+):([0-9]{1,5})(?:"
                    + Pattern.quote(NodeProtocol.CONTACT_PATH) + ")?/?");

    /** As {@link #parse(String, String)} with {@link #DEFAULT_SYSTEM}. */
    public static ContactPoint parse(String text) {
        return parse(text, DEFAULT_SYSTEM);
    }

    /**
     * Reads {@code HOST:PORT} or {@code akka://SYSTEM@HOST:PORT}, with or without the path of the contact point.
     *
     * @param defaultSystem the system's name if the text has none
     * @throws ForebayException ({@link Refusal.Code#ILLEGAL_ARGUMENT}) if it is neither
     */
    public static ContactPoint parse(String text, String defaultSystem) {
        Matcher matcher = FORM.matcher(text == null ? "" : text.strip());
        int port = matcher.matches() ? Integer.parseInt(matcher.group(3)) : 0;
        if (port < 1 || port > 65535) {
            throw Refusal.illegalArgument(
                            "the node's address",
                            text,
                            "HOST:PORT or akka://SYSTEM@HOST:PORT with a port of 1 to 65535")
                    .toException();
        }
        return new ContactPoint(matcher.group(1) == null ? defaultSystem : matcher.group(1), matcher.group(2), port);
    }

    /** {@code akka://SYSTEM@HOST:PORT}. */
    public String address() {
        return "akka://" + system + "@" + host + ":" + port;
    }

    /** The address of the entry actor. */
    public String path() {
        return address() + NodeProtocol.CONTACT_PATH;
    }

    @Override
    public String toString() {
        return address();
    }
}
