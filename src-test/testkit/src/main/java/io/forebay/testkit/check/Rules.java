package io.forebay.testkit.check;

import io.forebay.protocol.Durability;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * What was set up, as far as the promises depend on it. Immutable; {@code with…} methods give changed copies.
 *
 * @param serveWithinMillis within which time after a fault the node has to serve or say why not
 * @param goneAfterMillis how long a node may go on giving messages to a consumer that is {@link Fact.Gone}: its
 *     {@code forebay.session.timeout}
 * @param groups by name; every group of the journal
 * @param deduplicatedTopics those that know a repeated Send again, for longer than the journal lasts
 */
public record Rules(
        long serveWithinMillis, long goneAfterMillis, Map<String, Group> groups, Set<String> deduplicatedTopics) {
    /**
     * @param attemptsMax {@code max-attempts}, 0 for no limit
     * @param isOrdered {@code ordered}
     * @param popDurability {@code pop-durability}
     */
    public record Group(int attemptsMax, boolean isOrdered, Durability popDurability) {}

    public Rules {
        groups = Map.copyOf(groups);
        deduplicatedTopics = Set.copyOf(deduplicatedTopics);
    }

    public static Rules of(Duration serveWithin, Duration goneAfter) {
        return new Rules(serveWithin.toMillis(), goneAfter.toMillis(), Map.of(), Set.of());
    }

    public Rules withGroup(String name, Group group) {
        Map<String, Group> more = new HashMap<>(groups);
        more.put(name, group);
        return new Rules(serveWithinMillis, goneAfterMillis, more, deduplicatedTopics);
    }

    public Rules withDeduplicated(String topic) {
        Set<String> more = new HashSet<>(deduplicatedTopics);
        more.add(topic);
        return new Rules(serveWithinMillis, goneAfterMillis, groups, more);
    }

    Group group(String name) {
        Group group = groups.get(name);
        if (group == null) {
            throw new IllegalArgumentException("the journal speaks of group " + name + ", the rules do not");
        }
        return group;
    }
}
