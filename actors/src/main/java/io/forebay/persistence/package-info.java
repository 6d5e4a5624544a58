/**
 * Akka's persistence plugins on the segments of stripe 0. Each kind of thing that is stored (events, snapshots, durable states)
 * has reserved queues of its own, and each of those an actor that is the only one to write to it; reading happens beside them, on
 * the read dispatcher.
 */
package io.forebay.persistence;
