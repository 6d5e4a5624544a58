package io.forebay.protocol.wire;

import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * The sending end of a session's direction between two actor systems: passes on what fits a frame, cuts the rest into
 * {@link Chunk}s, and keeps the order of everything offered. At most {@code creditBytes} of chunks are without their
 * {@link ChunkAck}; what must wait, waits here, encoded, and so does everything offered behind it. Signs of life and
 * {@link ChunkAck}s are not to be offered but sent directly: they may overtake.
 *
 * <p>Events count whole ones, too: a transport keeps for a client that takes nothing whatever it is given. Now and then one goes as
 * a chunk though it would fit a frame, and its acknowledgement covers what went before it.
 *
 * <p>Whoever offers looks at {@link #isCongested()} first and takes on no more work while it holds: that bounds what is
 * held here. Confined to its actor.
 *
 * @param <T> {@link SessionCommand} or {@link SessionEvent}
 */
public final class WireCutter<T> {
    private final Function<Chunk, T> asT;
    private int payloadBytesMax;
    private long creditBytes;
    /** So much may go whole before something has to go as a chunk. */
    private long uncoveredBytesMax;

    private final boolean isWholeCounted;
    /** What went whole since the newest chunk, whose acknowledgement says nothing of it. */
    private long uncoveredBytes;
    /** Values behind a stream that waits, and that stream's encoded rest in front of them. */
    private final ArrayDeque<Object> waiting = new ArrayDeque<>();

    private final ArrayDeque<Sent> unacked = new ArrayDeque<>();
    private long unackedBytes;
    private long waitingBytes;
    private long lastStreamId;

    /** @param bytes its own, and those of whole values that went between the chunk before and this one */
    private record Sent(long streamId, int index, long bytes) {}

    /** A stream on its way. */
    private static final class Stream {
        final long id;
        final byte[] bytes;
        final int size;
        int at;
        int index;

        Stream(long id, byte[] bytes, int size) {
            this.id = id;
            this.bytes = bytes;
            this.size = size;
        }
    }

    /** A value that waits behind a stream. */
    private record Whole(Object value, long bytes) {}

    private WireCutter(int frameBytes, long creditBytes, boolean isWholeCounted, Function<Chunk, T> asT) {
        this.asT = asT;
        this.isWholeCounted = isWholeCounted;
        limit(frameBytes, creditBytes);
    }

    private void limit(int frameBytes, long credit) {
        payloadBytesMax = Math.max(frameBytes, WireFrames.FRAME_BYTES_MIN) - WireFrames.ENVELOPE_BYTES;
        creditBytes = Math.max(credit, payloadBytesMax);
        uncoveredBytesMax = creditBytes / 4;
    }

    /**
     * For a client.
     *
     * @param frameBytes what both transports take: the smaller of the two
     * @param creditBytes most bytes of chunks that are not acknowledged; at least one chunk is always allowed
     */
    public static WireCutter<SessionCommand> ofCommands(int frameBytes, long creditBytes) {
        return new WireCutter<>(frameBytes, creditBytes, false, chunk -> chunk);
    }

    /**
     * For a session.
     *
     * @param frameBytes as of {@link #ofCommands}
     * @param creditBytes most bytes of all events that are not acknowledged, but for what fits a frame and a quarter of it
     */
    public static WireCutter<SessionEvent> ofEvents(int frameBytes, long creditBytes) {
        return new WireCutter<>(frameBytes, creditBytes, true, chunk -> chunk);
    }

    /**
     * Sends a value, or as much of it as credit allows.
     *
     * @param out gets the value itself, or its chunks
     */
    public void offer(T value, Consumer<? super T> out) {
        if (!waiting.isEmpty()) {
            // Its size counts towards congestion only, so an estimate will do where the exact one would need encoding
            // twice.
            int atMost = WireSizes.bytesAtMost(value);
            int bytes = atMost == Integer.MAX_VALUE ? payloadBytesMax : atMost;
            waiting.addLast(new Whole(value, bytes));
            waitingBytes += bytes;
            return;
        }
        start(value, out);
    }

    /** Takes credit back and sends what now may go. An acknowledgement that is old or was never asked for changes nothing. */
    public void acked(ChunkAck ack, Consumer<? super T> out) {
        while (!unacked.isEmpty()) {
            Sent oldest = unacked.peekFirst();
            boolean isCovered = oldest.streamId < ack.streamId()
                    || (oldest.streamId == ack.streamId() && oldest.index <= ack.index());
            if (!isCovered) {
                break;
            }
            unackedBytes -= oldest.bytes;
            unacked.removeFirst();
        }
        while (!waiting.isEmpty()) {
            Object first = waiting.peekFirst();
            if (first instanceof Stream stream) {
                if (!advance(stream, out)) {
                    return;
                }
                waiting.removeFirst();
            } else {
                Whole whole = (Whole) waiting.removeFirst();
                waitingBytes -= whole.bytes;
                @SuppressWarnings("unchecked") // only offer() adds it
                T value = (T) whole.value;
                if (start(value, out)) {
                    return;
                }
            }
        }
    }

    /** Bytes that wait here for credit, what was cut and what came behind it. */
    public long waitingBytes() {
        return waitingBytes;
    }

    /** Bytes that wait here, and those that are on their way and not acknowledged. */
    public long heldBytes() {
        return waitingBytes + unackedBytes;
    }

    /** Whether more waits here than may be on its way: time to take on no more work for this peer. */
    public boolean isCongested() {
        return waitingBytes > creditBytes;
    }

    /**
     * After the peer attached again, perhaps with other limits: forgets what was on its way and what waits. Stream ids go
     * on, so that acknowledgements from before mean nothing.
     */
    public void reset(int frameBytes, long credit) {
        limit(frameBytes, credit);
        waiting.clear();
        unacked.clear();
        unackedBytes = 0;
        uncoveredBytes = 0;
        waitingBytes = 0;
    }

    /** @return whether a rest of it waits, now first in line */
    private boolean start(T value, Consumer<? super T> out) {
        int bytesAtMost = WireSizes.bytesAtMost(value);
        if (goesWhole(bytesAtMost)) {
            passOn(value, bytesAtMost, out);
            return false;
        }
        WireType type = WireType.of(value);
        // The opening of a session carries references; like its end it is small by its limits and never cut.
        if (type == WireType.OPENED || type == WireType.SESSION_CLOSED || type == WireType.OPEN_REFUSED) {
            out.accept(value);
            return false;
        }
        WireWriter writer = new WireWriter(bytesAtMost == Integer.MAX_VALUE ? 1024 : bytesAtMost);
        writer.u8(type.number());
        WireCodec.write(writer, value, null);
        if (goesWhole(writer.size())) {
            passOn(value, writer.size(), out);
            return false;
        }
        Stream stream = new Stream(++lastStreamId, writer.array(), writer.size());
        waitingBytes += stream.size;
        if (advance(stream, out)) {
            return false;
        }
        waiting.addFirst(stream);
        return true;
    }

    private boolean goesWhole(int bytes) {
        return bytes <= payloadBytesMax && (!isWholeCounted || uncoveredBytes + bytes <= uncoveredBytesMax);
    }

    private void passOn(T value, int bytes, Consumer<? super T> out) {
        out.accept(value);
        uncoveredBytes += isWholeCounted ? bytes : 0;
    }

    /** @return whether the whole stream is sent */
    private boolean advance(Stream stream, Consumer<? super T> out) {
        while (stream.at < stream.size) {
            int length = Math.min(stream.size - stream.at, payloadBytesMax);
            long bytes = length + uncoveredBytes;
            if (unackedBytes > 0 && unackedBytes + bytes > creditBytes) {
                return false;
            }
            byte[] piece = Arrays.copyOfRange(stream.bytes, stream.at, stream.at + length);
            out.accept(asT.apply(new Chunk(stream.id, stream.index, stream.size, piece)));
            unacked.addLast(new Sent(stream.id, stream.index, bytes));
            unackedBytes += bytes;
            uncoveredBytes = 0;
            waitingBytes -= length;
            stream.at += length;
            stream.index++;
        }
        return true;
    }
}
