package io.forebay.protocol;

import java.util.Map;

/** What a client asks about the settings of a topic or a group. Answered by {@link SettingsDescribed}. */
public sealed interface SettingsCommand extends SessionCommand.Request {

    /**
     * Changes settings while the node runs; what is not named stays. The whole is judged: if one value cannot be used, or
     * what comes out contradicts itself, it is refused and nothing is changed. Answered when the change is flushed and holds.
     * What is so already is a success and no change, so it may be repeated.
     *
     * @param changes names and values as in the settings of a new topic or group, and {@code queues} of a topic, which only
     *     grows; an empty value takes a setting back to the node's default
     * @param expectedVersion refused with {@link Refusal.Code#OTHER_VERSION} unless the settings have this version; 0 for any
     * @param who is said to have changed them, for people
     */
    record ChangeSettings(
            long requestId,
            SettingsScope scope,
            String name,
            Map<String, String> changes,
            long expectedVersion,
            String who)
            implements SettingsCommand {}

    /**
     * Tells the settings.
     *
     * @param historyMax how many of the last changes to tell, 0 for none
     */
    record DescribeSettings(long requestId, SettingsScope scope, String name, int historyMax)
            implements SettingsCommand {}
}
