package io.forebay.protocol;

/** The settings of a topic or a group, after the change if one was asked for. */
public record SettingsDescribed(long requestId, SettingsDescription settings) implements SessionEvent.Reply {}
