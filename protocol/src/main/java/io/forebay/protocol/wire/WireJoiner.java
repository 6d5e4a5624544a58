package io.forebay.protocol.wire;

import io.forebay.protocol.Chunk;
import java.util.Arrays;

/**
 * The receiving end of {@link WireCutter}: joins chunks to the value they were cut from. Holds one unfinished stream, at
 * most as large as was received of it, whatever it announces. Confined to its actor.
 *
 * @param <T> what is expected: {@link io.forebay.protocol.SessionCommand} or {@link io.forebay.protocol.SessionEvent}
 */
public final class WireJoiner<T> {
    /** In front stand the type, the version and, of a request, its id. */
    private static final int REQUEST_ID_END = 1 + 1 + 10;

    private final Class<T> expected;
    private final int streamBytesMax;
    private long streamId = -1;
    private int nextIndex;
    private int totalBytes;
    private byte[] bytes;
    private int size;

    /**
     * @param streamBytesMax most bytes of one joined value
     */
    public WireJoiner(Class<T> expected, int streamBytesMax) {
        this.expected = expected;
        this.streamBytesMax = streamBytesMax;
    }

    /**
     * Takes a chunk. One that continues nothing (its beginning was lost, or belonged to an earlier connection) is dropped.
     *
     * @return the joined value if this was its last chunk, else null
     * @throws MalformedWireException if the stream is over the limit, or what was joined is no value of the expected kind;
     *     the stream is forgotten
     */
    public T accept(Chunk chunk) throws MalformedWireException {
        if (chunk.index() == 0) {
            begin(chunk);
        } else if (chunk.streamId() != streamId || chunk.index() != nextIndex || chunk.totalBytes() != totalBytes) {
            reset();
            return null;
        }
        int length = chunk.bytes().length;
        if (length == 0 || length > totalBytes - size) {
            reset();
            throw new MalformedWireException("chunk " + chunk.index() + " of stream " + chunk.streamId() + " has "
                    + length + " bytes where " + (totalBytes - size) + " are missing");
        }
        if (bytes.length - size < length) {
            long doubled = Math.max(size + (long) length, bytes.length * 2L);
            bytes = Arrays.copyOf(bytes, (int) Math.min(totalBytes, doubled));
        }
        System.arraycopy(chunk.bytes(), 0, bytes, size, length);
        size += length;
        nextIndex++;
        return size < totalBytes ? null : join();
    }

    /** Bytes held of an unfinished stream. */
    public int heldBytes() {
        return bytes == null ? 0 : bytes.length;
    }

    /** Id of the request whose chunks are being joined; -1 if it is none, or too little of it is here to tell. */
    public long requestId() {
        if (bytes == null || size < REQUEST_ID_END) {
            return -1;
        }
        WireType type = WireType.ofNumber(bytes[0] & 0xff);
        if (type == null || !type.isRequest()) {
            return -1;
        }
        try {
            return new WireReader(bytes, 2, size - 2).varint();
        } catch (MalformedWireException e) {
            return -1;
        }
    }

    /** Forgets an unfinished stream. */
    public void reset() {
        streamId = -1;
        bytes = null;
        size = 0;
    }

    private void begin(Chunk chunk) throws MalformedWireException {
        reset();
        if (chunk.totalBytes() < 2 || chunk.totalBytes() > streamBytesMax) {
            throw new MalformedWireException("stream " + chunk.streamId() + " announces " + chunk.totalBytes()
                    + " bytes, allowed is 2 to " + streamBytesMax);
        }
        streamId = chunk.streamId();
        totalBytes = chunk.totalBytes();
        nextIndex = 0;
        bytes = new byte[Math.min(totalBytes, chunk.bytes().length)];
    }

    private T join() throws MalformedWireException {
        byte[] joined = bytes;
        int length = size;
        reset();
        WireType type = WireType.ofNumber(joined[0] & 0xff);
        if (type == null || type == WireType.CHUNK || type.hasReference()) {
            throw new MalformedWireException("a joined stream of type " + (joined[0] & 0xff));
        }
        Object value = WireCodec.read(type, new WireReader(joined, 1, length - 1), null);
        if (!expected.isInstance(value)) {
            throw new MalformedWireException(
                    "a joined stream of type " + type + " where a " + expected.getSimpleName() + " is expected");
        }
        return expected.cast(value);
    }
}
