package io.forebay.protocol;

import java.util.List;
import java.util.Map;

/**
 * A topic as one node has it.
 *
 * @param topic its name
 * @param node name of the node
 * @param queues in order of their numbers
 * @param groups names of the groups that are subscribed, in order
 * @param settings those of its own, as they were given
 * @param settingsVersion 1 when it was created, one more with each change of settings
 * @param createdMillis milliseconds since 1970
 */
public record TopicDescription(
        String topic,
        String node,
        List<QueueDescription> queues,
        List<String> groups,
        Map<String, String> settings,
        long settingsVersion,
        long createdMillis) {
    /** Most quarantines that a description names. */
    public static final int QUARANTINES_MAX = 20;

    /** Most queues, and groups in queues, of which a description says why they are not served. */
    public static final int UNSERVED_MAX = 20;
}
