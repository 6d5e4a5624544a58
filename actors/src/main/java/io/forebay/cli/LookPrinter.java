package io.forebay.cli;

import io.forebay.protocol.Message;
import io.forebay.protocol.StoredMessage;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Prints stored messages: a line each, or JSON with the whole body. Used by one thread. */
final class LookPrinter {
    private static final int BODY_CHARS_MAX = 200;

    private final Shell shell;
    private final boolean isJson;
    private final ProgressLine progress;

    LookPrinter(Shell shell, boolean isJson, boolean isProgressAsked) {
        this.shell = shell;
        this.isJson = isJson;
        progress = new ProgressLine(shell, isProgressAsked);
    }

    void print(String node, List<StoredMessage> messages, List<String> notes) {
        for (StoredMessage stored : messages) {
            shell.console().println(isJson ? Json.write(json(node, stored)) : line(stored));
        }
        for (String note : notes) {
            shell.console().say("forebay: " + node + ": " + note);
        }
    }

    /** Place, time, id and body, with tabs between them. */
    static String line(StoredMessage stored) {
        return place(stored) + "\t" + Instant.ofEpochMilli(stored.storedMillis()) + "\t"
                + stored.message().id() + "\t" + body(stored.message().body());
    }

    static String place(StoredMessage stored) {
        return stored.message().topic() + "/" + stored.queue() + "/" + stored.offset();
    }

    /** The body if it is a line that can be shown, else its size. */
    static String body(byte[] body) {
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(body))
                    .toString();
            if (text.chars().noneMatch(c -> Character.isISOControl(c) && c != '\t')) {
                return text.length() <= BODY_CHARS_MAX
                        ? text
                        : text.substring(0, BODY_CHARS_MAX) + "… (" + body.length + " bytes)";
            }
        } catch (CharacterCodingException e) {
            return "(" + body.length + " bytes)";
        }
        return "(" + body.length + " bytes)";
    }

    static Map<String, Object> json(String node, StoredMessage stored) {
        Message message = stored.message();
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("node", node);
        json.put("topic", message.topic());
        json.put("queue", stored.queue());
        json.put("offset", stored.offset());
        json.put("sequence", stored.sequence());
        json.put("storedMillis", stored.storedMillis());
        json.put("id", message.id());
        json.put("bornMillis", message.bornMillis());
        if (!message.bornHost().isEmpty()) {
            json.put("bornHost", message.bornHost());
        }
        if (message.isKeyed()) {
            json.put("messageGroup", message.messageGroup());
        }
        if (!message.tag().isEmpty()) {
            json.put("tag", message.tag());
        }
        if (!message.keys().isEmpty()) {
            json.put("keys", message.keys());
        }
        if (!message.properties().isEmpty()) {
            json.put("properties", message.properties());
        }
        json.put("body", Base64.getEncoder().encodeToString(message.body()));
        return json;
    }

    /** Tells a person how far a scan has come, on stderr, when there is something to tell. */
    void progress(String what, long doneCount, long totalCount) {
        progress.tell(
                () -> String.format(java.util.Locale.ROOT, "%,d of %,d %s looked at", doneCount, totalCount, what));
    }
}
