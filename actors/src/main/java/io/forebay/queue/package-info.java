/**
 * The actors of queues and of consumer groups: they take Send, Pop, Ack and ChangeInvisibleDuration, and hand the records
 * to the StoreWriter. The rules are in {@link io.forebay.queue.core}; files are the store's. One actor per queue and one
 * per queue and group, on a dispatcher of our own; nothing here blocks.
 */
package io.forebay.queue;
