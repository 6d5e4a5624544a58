package io.forebay.queue.filter;

import io.forebay.queue.MessageForm;
import io.forebay.storage.log.MessageRecord;
import java.util.Map;

/** What an expression is evaluated for: a message, and what its entry adds. */
record SqlRow(MessageRecord message, Map<String, String> added) {
    /** Null if there is none. */
    String property(String name) {
        String value = added.isEmpty() ? null : added.get(name);
        return value != null ? value : message.properties().get(name);
    }

    /** Null if there are none. */
    String keys() {
        return message.keys() == null ? null : String.join(" ", MessageForm.split(message.keys()));
    }
}
