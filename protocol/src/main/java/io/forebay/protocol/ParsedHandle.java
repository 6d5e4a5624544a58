package io.forebay.protocol;

/** The outcome of {@link ReceiptHandle#parse}: a handle, or why the text is none. */
public sealed interface ParsedHandle permits ReceiptHandle, IllegalHandle {}
