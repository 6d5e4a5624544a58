package io.forebay.protocol;

/** What became of one handle of a {@link SessionCommand.Ack}. */
public sealed interface AckResult permits AckOutcome, Refusal {}
