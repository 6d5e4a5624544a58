package io.forebay.protocol;

/** What became of one handle of a {@link SessionCommand.GiveBack}. */
public sealed interface GiveBackResult permits GiveBackOutcome, Refusal {}
