package io.forebay.testkit.check;

/**
 * A fact in a journal.
 *
 * @param writer who noted it
 * @param atMillis when, by the clock of the journal
 */
public record Noted(String writer, long atMillis, Fact fact) {}
