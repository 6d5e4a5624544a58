package io.forebay.protocol;

import java.util.List;
import java.util.Map;

/**
 * The settings of a topic or a group on one node.
 *
 * @param name of the topic or group
 * @param node name of the node
 * @param version 1 when it was created, one more with each change
 * @param own those that it has of its own, as they were given
 * @param effective all there are, own or not, in order of name: what holds; {@code queues} of a topic among them
 * @param history the last changes, newest first
 */
public record SettingsDescription(
        SettingsScope scope,
        String name,
        String node,
        long version,
        Map<String, String> own,
        Map<String, String> effective,
        List<SettingsChange> history) {}
