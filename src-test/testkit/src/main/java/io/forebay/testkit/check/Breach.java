package io.forebay.testkit.check;

/** A promise that was not kept: which, and by what it shows. */
public record Breach(Invariant invariant, String text) {
    @Override
    public String toString() {
        return invariant + ": " + text;
    }
}
