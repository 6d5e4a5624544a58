package io.forebay.testkit.check;

import java.util.List;

/**
 * A promise that was not kept.
 *
 * @param text by what it shows
 * @param story how it came about: what the journal says of the messages and places concerned, and of what was done to the node in
 *     between, a line for each fact; empty where the text says all, or where the same invariant has a breach that is told already
 */
public record Breach(Invariant invariant, String text, List<String> story) {
    public Breach {
        story = List.copyOf(story);
    }

    @Override
    public String toString() {
        return invariant + ": " + text
                + (story.isEmpty() ? "" : ". What the journal says of it:\n    " + String.join("\n    ", story));
    }
}
