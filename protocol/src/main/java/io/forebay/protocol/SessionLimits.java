package io.forebay.protocol;

/**
 * What a node takes from one session; told in {@link SessionEvent.Opened}. A client that keeps to it is never
 * disconnected for what it sends. Where bytes of messages are limited, each counts with its body and 200 bytes.
 *
 * @param frameBytes largest wire form the node's transport takes; larger ones travel as {@link Chunk}s
 * @param bodyBytesMax largest body of a message
 * @param batchCountMax most messages of one Send, most handles of one Ack, change or give-back
 * @param batchBytesMax most bytes of bodies and fields of one Send, except that one message always may be sent alone
 * @param popCountMax most messages a Pop may ask for
 * @param popBytesMax most bytes of bodies a Pop may ask for
 * @param invisibleMillisMin shortest invisible duration of a Pop or a change (a nack may be shorter)
 * @param invisibleMillisMax longest invisible duration
 * @param waitMillisMax longest wait of a Pop
 * @param requestsInFlightMax most requests without an answer at once, waiting pops included
 * @param bytesInFlightMax most bytes of Sends without an answer at once
 * @param chunkBytesInFlightMax most bytes of chunks without a {@link ChunkAck}, in each direction
 * @param subscriptionsMax most subscriptions of the session at once
 * @param creditsMax most credits of a subscription beyond what it has received
 * @param heartbeatMillis the client sends a {@link SessionCommand.Heartbeat} at least this often
 * @param sessionTimeoutMillis the node gives up a session that it has not heard of for so long, and the client one of
 *     which it got no answer
 */
public record SessionLimits(
        int frameBytes,
        int bodyBytesMax,
        int batchCountMax,
        int batchBytesMax,
        int popCountMax,
        int popBytesMax,
        long invisibleMillisMin,
        long invisibleMillisMax,
        long waitMillisMax,
        int requestsInFlightMax,
        int bytesInFlightMax,
        int chunkBytesInFlightMax,
        int subscriptionsMax,
        int creditsMax,
        long heartbeatMillis,
        long sessionTimeoutMillis) {}
