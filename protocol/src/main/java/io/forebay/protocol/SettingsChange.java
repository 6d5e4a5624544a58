package io.forebay.protocol;

import java.util.Map;

/**
 * One change of settings.
 *
 * @param version what the settings had after it
 * @param changedMillis when, in milliseconds since 1970
 * @param who as the one who changed them has said; "" if not known
 * @param before what each changed setting was, "" for the node's default
 * @param after what it became, "" for the node's default
 */
public record SettingsChange(
        long version, long changedMillis, String who, Map<String, String> before, Map<String, String> after) {}
