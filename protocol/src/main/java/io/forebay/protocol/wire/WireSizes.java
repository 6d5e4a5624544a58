package io.forebay.protocol.wire;

import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.GiveBackResult;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import java.util.List;
import java.util.Map;

/**
 * How large the wire form of a value may be, told before it is written. Thread-safe, without state.
 */
final class WireSizes {
    private WireSizes() {}

    /**
     * An upper bound of the wire form's size, cheap to get; {@link Integer#MAX_VALUE} if only encoding can tell. Used to
     * see whether a value can go in one frame, and as the first size of the array it is written to.
     */
    static int bytesAtMost(Object value) {
        long bytes;
        if (value instanceof SessionCommand.Send send) {
            bytes = 64 + 3L * send.topic().length();
            for (Message message : send.messages()) {
                bytes += bytesAtMost(message, send.topic());
            }
        } else if (value instanceof SessionEvent.Popped popped) {
            bytes = bytesAtMost(popped.deliveries());
        } else if (value instanceof SessionEvent.Pushed pushed) {
            bytes = bytesAtMost(pushed.deliveries());
        } else if (value instanceof SessionCommand.Ack ack) {
            bytes = 64 + 3L * ack.group().length() + 80L * ack.handles().size();
        } else if (value instanceof SessionCommand.ChangeInvisible change) {
            bytes = 64
                    + 3L * (change.group().length() + change.reason().length())
                    + 80L * change.handles().size();
        } else if (value instanceof SessionCommand.GiveBack giveBack) {
            bytes = 64
                    + 3L * giveBack.group().length()
                    + 80L * giveBack.handles().size();
        } else if (value instanceof SessionEvent.SendReply reply) {
            bytes = 64;
            for (SendResult result : reply.results()) {
                bytes += result instanceof Receipt receipt
                        ? 64 + 3L * (receipt.topic().length() + receipt.node().length())
                        : bytesAtMost((Refusal) result);
            }
        } else if (value instanceof SessionEvent.AckReply reply) {
            bytes = 64;
            if (!ResultCodec.isAllAcked(reply.results())) {
                for (AckResult result : reply.results()) {
                    bytes += result instanceof Refusal refusal ? bytesAtMost(refusal) : 1;
                }
            }
        } else if (value instanceof SessionEvent.ChangeReply reply) {
            bytes = 64;
            for (ChangeResult result : reply.results()) {
                bytes += result instanceof Refusal refusal ? bytesAtMost(refusal) : 11;
            }
        } else if (value instanceof SessionEvent.GiveBackReply reply) {
            bytes = 64;
            for (GiveBackResult result : reply.results()) {
                bytes += result instanceof Refusal refusal ? bytesAtMost(refusal) : 1;
            }
        } else if (value instanceof SessionEvent.Refused refused) {
            bytes = 64 + bytesAtMost(refused.refusal());
        } else if (value instanceof Chunk chunk) {
            bytes = 64 + chunk.bytes().length;
        } else if (value instanceof SessionCommand.Pop
                || value instanceof SessionCommand.CancelPop
                || value instanceof SessionEvent.PopCancelled
                || value instanceof SessionEvent.Withdrawn
                || value instanceof SessionEvent.Subscribed
                || value instanceof SessionEvent.Unsubscribed
                || value instanceof SessionEvent.Deleted
                || value instanceof SessionCommand.Credit
                || value instanceof SessionCommand.Heartbeat
                || value instanceof SessionEvent.Heartbeat
                || value instanceof ChunkAck) {
            bytes = 1024;
        } else {
            return Integer.MAX_VALUE;
        }
        return (int) Math.min(Integer.MAX_VALUE, bytes);
    }

    private static long bytesAtMost(List<Delivery> deliveries) {
        long bytes = 64;
        for (Delivery delivery : deliveries) {
            bytes += 128 + 3L * delivery.group().length() + bytesAtMost(delivery.message(), "");
        }
        return bytes;
    }

    static long bytesAtMost(Message m, String topic) {
        long bytes = 96L + m.body().length + 3L * m.id().length();
        if (!m.topic().equals(topic)) {
            bytes += 3L * m.topic().length();
        }
        bytes += 3L
                * (m.tag().length()
                        + m.messageGroup().length()
                        + m.lane().length()
                        + m.bornHost().length()
                        + m.traceContext().length());
        for (String key : m.keys()) {
            bytes += 5 + 3L * key.length();
        }
        if (!m.properties().isEmpty()) {
            for (Map.Entry<String, String> property : m.properties().entrySet()) {
                bytes += 10
                        + 3L * (property.getKey().length() + property.getValue().length());
            }
        }
        return bytes;
    }

    private static long bytesAtMost(Refusal refusal) {
        return 32 + 3L * refusal.text().length();
    }
}
