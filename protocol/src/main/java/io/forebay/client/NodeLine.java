package io.forebay.client;

import akka.actor.typed.ActorRef;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.protocol.wire.MalformedWireException;
import io.forebay.protocol.wire.WireCutter;
import io.forebay.protocol.wire.WireFrames;
import io.forebay.protocol.wire.WireJoiner;

/**
 * The line to a client's session on its node: where that is, what it takes, and the cutting and joining of what is larger than a
 * frame. While there is no session what is told goes nowhere. Confined to the client's session; times come in as values.
 */
final class NodeLine {
    /** Held against until a node has told its own. */
    private static final SessionLimits LIMITS_UNKNOWN = new SessionLimits(
            WireFrames.FRAME_BYTES_MIN, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, WireFrames.FRAME_BYTES_MIN, 0, 0, 1000, 10_000);

    private final int ownFrameBytes;

    private ActorRef<SessionCommand> session;
    private boolean isRemote;
    private SessionLimits limits = LIMITS_UNKNOWN;
    private WireCutter<SessionCommand> cutter;
    private WireJoiner<SessionEvent> joiner;
    /** When the last chunk was acknowledged, or nothing waited for that. */
    private long cutterMovedMillis;

    /** @param ownFrameBytes largest wire form that the own transport takes */
    NodeLine(int ownFrameBytes) {
        this.ownFrameBytes = ownFrameBytes;
    }

    int ownFrameBytes() {
        return ownFrameBytes;
    }

    /** There is a session, perhaps another one or one that was lost; both directions begin anew here. */
    void open(ActorRef<SessionCommand> newSession, SessionLimits newLimits) {
        session = newSession;
        limits = newLimits;
        isRemote = WireFrames.isRemote(newSession);
        int frameBytes = Math.min(ownFrameBytes, limits.frameBytes());
        if (cutter == null) {
            cutter = WireCutter.ofCommands(frameBytes, limits.chunkBytesInFlightMax());
            joiner = new WireJoiner<>(SessionEvent.class, joinedBytesMax());
        } else {
            cutter.reset(frameBytes, limits.chunkBytesInFlightMax());
            joiner.reset();
        }
    }

    /** There is no session any more. */
    void close() {
        session = null;
    }

    boolean isOpen() {
        return session != null;
    }

    /** Null while there is none. */
    ActorRef<SessionCommand> session() {
        return session;
    }

    /** Whether it leads out of this actor system, as far as known. */
    boolean isRemote() {
        return isRemote;
    }

    /** The node's limits, those of the last session while there is none. */
    SessionLimits limits() {
        return limits;
    }

    /** An answer is as large as a pop may ask for, or one body, with fields; it grows only as it is received. */
    private int joinedBytesMax() {
        long bytes = 2L * limits.popBytesMax() + 2L * limits.bodyBytesMax() + 65536L * limits.popCountMax();
        return (int) Math.min(1 << 30, Math.max(64 << 20, bytes));
    }

    void tell(SessionCommand command, long nowMillis) {
        if (session == null) {
            return;
        }
        if (isRemote) {
            if (cutter.waitingBytes() == 0) {
                cutterMovedMillis = nowMillis;
            }
            cutter.offer(command, session::tell);
        } else {
            session.tell(command);
        }
    }

    /** Behind nothing that waits. */
    void tellAtOnce(SessionCommand command) {
        if (session != null) {
            session.tell(command);
        }
    }

    /** @return the event that is complete now, null if it is not */
    SessionEvent join(Chunk chunk) throws MalformedWireException {
        if (session == null) {
            return null;
        }
        session.tell(new ChunkAck(chunk.streamId(), chunk.index()));
        return joiner.accept(chunk);
    }

    void acked(ChunkAck ack, long nowMillis) {
        if (session != null) {
            cutterMovedMillis = nowMillis;
            cutter.acked(ack, session::tell);
        }
    }

    /** Whether so much waits here that no more should be taken on. */
    boolean isCongested() {
        return cutter.isCongested();
    }

    /** For how long chunks have been waiting to be acknowledged; 0 if none do. */
    long stuckMillis(long nowMillis) {
        return isRemote && cutter.waitingBytes() > 0 ? nowMillis - cutterMovedMillis : 0;
    }

    /** Most bytes of one batch so that it fits a frame, if frames matter. */
    int frameBytesMax() {
        return isRemote
                ? Math.min(ownFrameBytes, limits.frameBytes()) - WireFrames.ENVELOPE_BYTES - 1024
                : Integer.MAX_VALUE;
    }
}
