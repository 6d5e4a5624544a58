package io.forebay.protocol.wire;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackOutcome;
import io.forebay.protocol.GiveBackResult;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionEvent;
import java.util.Collections;
import java.util.List;

/**
 * The wire form of what a Send, an Ack, a change or a give-back came to, message by message. Thread-safe, without state.
 */
final class ResultCodec {
    private static final int RESULT_OK = 0;
    private static final int RESULT_REFUSAL = 255;

    /** No list of one form has more elements; senders keep far below it. */
    private static final int ELEMENTS_MAX = 1 << 20;

    private ResultCodec() {}

    static void writeSendResults(WireWriter out, List<SendResult> results) {
        out.varint(results.size());
        long sequence = 0;
        long queueOffset = 0;
        for (SendResult result : results) {
            if (result instanceof Receipt receipt) {
                out.u8(receipt.level().code());
                out.shared(receipt.node());
                out.zigzag(receipt.stripe());
                out.zigzag(receipt.sequence() - sequence);
                out.shared(receipt.topic());
                out.zigzag(receipt.queue());
                out.zigzag(receipt.queueOffset() - queueOffset);
                out.int32(receipt.payloadCrc());
                sequence = receipt.sequence();
                queueOffset = receipt.queueOffset();
            } else {
                out.u8(RESULT_REFUSAL);
                WireValues.writeRefusal(out, (Refusal) result);
            }
        }
    }

    static List<SendResult> readSendResults(WireReader in) throws MalformedWireException {
        SendResult[] results = new SendResult[in.count(4)];
        long sequence = 0;
        long queueOffset = 0;
        for (int i = 0; i < results.length; i++) {
            int code = in.u8();
            if (code == RESULT_REFUSAL) {
                results[i] = WireValues.readRefusal(in);
                continue;
            }
            Durability level = WireValues.durability(code, in);
            String node = in.shared();
            int stripe = in.zigzagInt();
            sequence += in.zigzag();
            String topic = in.shared();
            int queue = in.zigzagInt();
            queueOffset += in.zigzag();
            results[i] = new Receipt(level, node, stripe, sequence, topic, queue, queueOffset, in.int32());
        }
        return WireValues.listOf(results);
    }

    static void writeAckReply(WireWriter out, SessionEvent.AckReply acked) {
        WireValues.writeDurability(out, acked.level());
        boolean isAllAcked = isAllAcked(acked.results());
        out.bool(isAllAcked);
        out.varint(acked.results().size());
        if (!isAllAcked) {
            for (AckResult result : acked.results()) {
                if (result instanceof AckOutcome outcome) {
                    out.u8(outcome.code());
                } else {
                    out.u8(RESULT_REFUSAL);
                    WireValues.writeRefusal(out, (Refusal) result);
                }
            }
        }
    }

    static SessionEvent.AckReply readAckReply(long requestId, WireReader in) throws MalformedWireException {
        Durability level = WireValues.readDurability(in);
        if (in.bool()) {
            int count = in.varintInt();
            if (count > ELEMENTS_MAX) {
                throw in.malformed(count + " acks");
            }
            return new SessionEvent.AckReply(requestId, Collections.nCopies(count, AckOutcome.ACKED), level);
        }
        AckResult[] results = new AckResult[in.count(1)];
        for (int i = 0; i < results.length; i++) {
            int code = in.u8();
            if (code == AckOutcome.ACKED.code()) {
                results[i] = AckOutcome.ACKED;
            } else if (code == AckOutcome.ALREADY_SETTLED.code()) {
                results[i] = AckOutcome.ALREADY_SETTLED;
            } else if (code == RESULT_REFUSAL) {
                results[i] = WireValues.readRefusal(in);
            } else {
                throw in.malformed("an ack's outcome of " + code);
            }
        }
        return new SessionEvent.AckReply(requestId, WireValues.listOf(results), level);
    }

    /** True only for what {@link SessionEvent.AckReply#allAcked} makes, or a list that is the same. */
    static boolean isAllAcked(List<AckResult> results) {
        for (AckResult result : results) {
            if (result != AckOutcome.ACKED) {
                return false;
            }
        }
        return true;
    }

    static void writeChangeReply(WireWriter out, SessionEvent.ChangeReply changed) {
        out.varint(changed.results().size());
        for (ChangeResult result : changed.results()) {
            if (result instanceof Changed moved) {
                out.u8(RESULT_OK);
                out.zigzag(moved.invisibleUntilMillis());
            } else {
                out.u8(RESULT_REFUSAL);
                WireValues.writeRefusal(out, (Refusal) result);
            }
        }
    }

    static SessionEvent.ChangeReply readChangeReply(long requestId, WireReader in) throws MalformedWireException {
        ChangeResult[] results = new ChangeResult[in.count(2)];
        for (int i = 0; i < results.length; i++) {
            results[i] = readResult(in) == RESULT_OK ? new Changed(in.zigzag()) : WireValues.readRefusal(in);
        }
        return new SessionEvent.ChangeReply(requestId, WireValues.listOf(results));
    }

    private static int readResult(WireReader in) throws MalformedWireException {
        int code = in.u8();
        if (code != RESULT_OK && code != RESULT_REFUSAL) {
            throw in.malformed("an outcome of " + code);
        }
        return code;
    }

    static void writeGiveBackReply(WireWriter out, SessionEvent.GiveBackReply givenBack) {
        out.varint(givenBack.results().size());
        for (GiveBackResult result : givenBack.results()) {
            if (result instanceof GiveBackOutcome outcome) {
                out.u8(outcome.code());
            } else {
                out.u8(RESULT_REFUSAL);
                WireValues.writeRefusal(out, (Refusal) result);
            }
        }
    }

    static SessionEvent.GiveBackReply readGiveBackReply(long requestId, WireReader in) throws MalformedWireException {
        GiveBackResult[] results = new GiveBackResult[in.count(1)];
        for (int i = 0; i < results.length; i++) {
            results[i] = readGiveBackResult(in);
        }
        return new SessionEvent.GiveBackReply(requestId, WireValues.listOf(results));
    }

    private static GiveBackResult readGiveBackResult(WireReader in) throws MalformedWireException {
        int code = in.u8();
        if (code == GiveBackOutcome.GIVEN_BACK.code()) {
            return GiveBackOutcome.GIVEN_BACK;
        }
        if (code == GiveBackOutcome.ALREADY_SETTLED.code()) {
            return GiveBackOutcome.ALREADY_SETTLED;
        }
        if (code != RESULT_REFUSAL) {
            throw in.malformed("a give-back's outcome of " + code);
        }
        return WireValues.readRefusal(in);
    }
}
