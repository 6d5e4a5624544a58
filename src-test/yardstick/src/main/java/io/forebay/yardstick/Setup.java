package io.forebay.yardstick;

import java.nio.file.Path;
import java.util.Map;

/**
 * How a contestant is to be started.
 *
 * @param directory of its own and empty, for its data and its logs
 * @param isFlushed whether a send is confirmed only when it would survive a power cut; otherwise as soon as it would survive a
 *     kill of the system's process, which the page cache does, or, where a system cannot say so, as soon as it says anything
 * @param options a contestant's own, like whether its broker is in this process
 */
public record Setup(Path directory, boolean isFlushed, Map<String, String> options) {
    /** An option's value, or what holds without it. */
    public String option(String name, String otherwise) {
        return options.getOrDefault(name, otherwise);
    }
}
