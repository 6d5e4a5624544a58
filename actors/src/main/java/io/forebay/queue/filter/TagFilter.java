package io.forebay.queue.filter;

import io.forebay.queue.core.MessageFilter;
import io.forebay.storage.log.MessageRecord;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/** Wants messages with one of some tags; one without a tag is wanted by nobody who names tags. Immutable, thread-safe. */
final class TagFilter implements MessageFilter {
    private final Set<String> tags;

    private TagFilter(Set<String> tags) {
        this.tags = Set.copyOf(tags);
    }

    /** @param from where in the text the tags begin */
    static MessageFilter parse(String text, int from) {
        if (text.substring(from).strip().equals("*")) {
            return ALL;
        }
        Set<String> tags = new HashSet<>();
        int at = from;
        while (true) {
            int bar = text.indexOf('|', at);
            int end = bar < 0 ? text.length() : bar;
            String tag = text.substring(at, end).strip();
            if (tag.isEmpty()) {
                throw new FilterSyntaxException(
                        text, end + 1, bar < 0 ? "the end" : "'|'", "a tag, as in 'tag: a || b'");
            }
            tags.add(tag);
            if (bar < 0) {
                return new TagFilter(tags);
            }
            if (bar + 1 >= text.length() || text.charAt(bar + 1) != '|') {
                throw new FilterSyntaxException(text, bar + 1, "a single '|'", "'||' between tags");
            }
            at = bar + 2;
        }
    }

    @Override
    public boolean matches(MessageRecord message, Map<String, String> added) {
        String tag = message.tag();
        return tag != null && tags.contains(tag);
    }

    @Override
    public String toString() {
        return "tag: " + String.join(" || ", tags.stream().sorted().toList());
    }
}
