package io.forebay.protocol;

/**
 * One piece of a command or an event whose wire form is larger than a frame; in both directions, only between different
 * actor systems. Pieces of one stream follow each other by index and are not mixed with those of another; a piece with
 * index 0 begins a new stream and gives up an unfinished one. Made and joined by {@code WireCutter} and {@code
 * WireJoiner} of {@code io.forebay.protocol.wire}. Every chunk is answered by a {@link ChunkAck}, also one that is of no
 * use: it is the receiver's credit, not its consent.
 *
 * @param streamId number of the stream, growing over the life of its sender
 * @param index number of this piece, from 0
 * @param totalBytes size of the whole wire form; the stream ends with the piece that reaches it
 * @param bytes this piece; not copied, not to be changed
 */
public record Chunk(long streamId, int index, int totalBytes, byte[] bytes) implements SessionCommand, SessionEvent {}
