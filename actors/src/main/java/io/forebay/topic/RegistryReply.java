package io.forebay.topic;

import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionEvent;

/** What the registry answers. */
public sealed interface RegistryReply {
    /**
     * A topic, or a group in a topic, that was asked for is there, and found in the {@link TopicDirectory}.
     *
     * @param token as given
     * @param refusal why it is not there; null if it is
     */
    record Ensured(long token, Refusal refusal) implements RegistryReply {}

    /** The answer to a command of administration. */
    record Answer(SessionEvent.Reply reply) implements RegistryReply {}
}
