package io.forebay.cli;

import java.io.InputStream;

/** What a command has of the process it runs in. A test gives it another one. */
record Shell(InputStream in, Console console, Interruption interruption) {}
