package io.forebay.protocol;

/**
 * Gives back the credit of every {@link Chunk} up to and including this one, in the order they were sent. Cumulative, so
 * a lost one is healed by the next.
 *
 * @param streamId stream of the newest chunk received
 * @param index index of that chunk
 */
public record ChunkAck(long streamId, int index) implements SessionCommand, SessionEvent {}
