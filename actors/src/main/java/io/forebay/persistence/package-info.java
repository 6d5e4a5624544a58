/**
 * Akka's persistence plugins on the segments of stripe 0. Each kind of thing that is stored (events, snapshots, durable states)
 * has reserved queues of its own, and each of those an actor that is the only one to write to it; reading happens beside them, on
 * the read dispatcher. Beside them there is a journal for the node's own registry, in a queue of its own and held in memory.
 */
package io.forebay.persistence;
