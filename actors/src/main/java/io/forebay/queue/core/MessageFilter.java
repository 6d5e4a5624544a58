package io.forebay.queue.core;

import io.forebay.storage.log.MessageRecord;
import java.util.Map;

/**
 * Which messages a group wants. Evaluated before a message is popped; what it does not want is passed over and holds nobody
 * back. Must be pure and must not throw; thread-safe.
 */
public interface MessageFilter {
    /** Wants everything; recognised by identity, so that nothing is read for it. */
    MessageFilter ALL = (message, added) -> true;

    /**
     * @param added properties of an entry, before the message's own; empty for a plain message
     */
    boolean matches(MessageRecord message, Map<String, String> added);
}
