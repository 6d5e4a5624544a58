/**
 * The shells around a stripe: StoreWriter, the only writer of its log, Flusher, which forces behind it and announces what
 * is durable, and the cleaner. The layout of bytes is told in {@link io.forebay.storage.log}; what a record means is known
 * to its owner alone. One of each per stripe; the StoreWriter on a thread of its own, forces on a blocking dispatcher. An origin
 * is told by the StoreWriter what concerns appending, by the Flusher what concerns durability; {@code Flusher} says in which order.
 */
package io.forebay.store;
