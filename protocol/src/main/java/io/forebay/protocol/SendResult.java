package io.forebay.protocol;

/** What became of one message of a {@link SessionCommand.Send}. */
public sealed interface SendResult permits Receipt, Refusal {}
