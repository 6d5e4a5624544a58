package io.forebay.protocol;

/** What became of one handle of a {@link SessionCommand.ChangeInvisible}. */
public sealed interface ChangeResult permits Changed, Refusal {}
