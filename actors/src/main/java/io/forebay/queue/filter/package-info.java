/**
 * What a group wants of a topic, as text and as a {@link io.forebay.queue.core.MessageFilter}: tag expressions and SQL-92 selectors.
 * Owns the meaning of an expression (NULL, numbers in texts, system fields); the words and the grammar of SQL are those of Apache
 * ActiveMQ Artemis' selectors. Knows no actor, no clock and no file; every filter is immutable and thread-safe.
 */
package io.forebay.queue.filter;
