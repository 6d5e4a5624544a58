package io.forebay.cli;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a node is: {@code HOST:PORT} (the system is then called {@value #DEFAULT_SYSTEM}) or
 * {@code akka://SYSTEM@HOST:PORT}, as the node's {@code ready} line shows it. An IPv6 host stands in brackets.
 */
record NodeAddress(String system, String host, int port) {
    static final String DEFAULT_SYSTEM = "forebay";
    private static final Pattern FORM = Pattern.compile(
            "(?:akka://(?<system>[a-zA-Z0-9][a-zA-Z0-9_-]*)@)?(?<host>\\[[0-9a-fA-F:.]+]|[^:/@\\[\\]\\s]+):(?<port>[0-9]{1,9})/?");

    /** @throws CliException naming the text and both forms that are taken */
    static NodeAddress parse(String option, String text) {
        Matcher form = FORM.matcher(text);
        if (!form.matches()) {
            throw CliException.usage(option + " is '" + text + "'; an address is HOST:PORT or akka://SYSTEM@HOST:PORT");
        }
        int port = Integer.parseInt(form.group("port"));
        if (port < 1 || port > 65535) {
            throw CliException.usage(option + " is '" + text + "'; a port is 1 to 65535");
        }
        String system = form.group("system");
        return new NodeAddress(system == null ? DEFAULT_SYSTEM : system, form.group("host"), port);
    }

    /** {@code akka://SYSTEM@HOST:PORT}. */
    @Override
    public String toString() {
        return "akka://" + system + "@" + host + ":" + port;
    }
}
