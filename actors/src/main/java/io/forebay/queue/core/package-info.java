/**
 * What a queue and a group of it decide, as plain state: what a Pop returns, what an Ack settles, when a message comes
 * back, and which queue serves a Pop next. Knows no Akka, no clock and no file: time comes in as a value, events go out. Confined to the actor (or the
 * simulation) that owns it.
 */
package io.forebay.queue.core;
