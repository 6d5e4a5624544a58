package io.forebay.queue;

import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.Refusal;
import io.forebay.queue.core.DedupWindow;
import io.forebay.queue.core.QueueState;
import io.forebay.queue.core.RefusedKeys;
import io.forebay.queue.core.SendKey;
import io.forebay.queue.core.TopicPolicy;
import io.forebay.storage.log.DeduplicationRecord;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.SendWindow;
import io.forebay.store.StripeBudget;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What is sent to a queue, from its arrival to its answer: takes it, refuses it, or finds that it was stored before. Confined
 * to its queue's actor.
 */
final class QueueSends {
    /** Room for the record that may have to go before a message. */
    private static final int NOTE_BYTES = 128;

    /** A message that was sent before and waits for that one's receipt. */
    private record Joined(PendingSend send, int message) {}

    private final Queue.Identity identity;
    private final StripePort port;
    private final Outbox<QueuePart> outbox;
    private final QueueState state;
    private TopicPolicy policy;
    /** What is not answered, in order of arrival; answered ones leave when they come to the front. */
    private final ArrayDeque<PendingSend> unanswered = new ArrayDeque<>();
    /** By the number, in the window, of a Send that is not written yet. */
    private final Map<Long, List<Joined>> joined = new HashMap<>();

    private final RefusedKeys refusedKeys = new RefusedKeys();
    /** Made when first used. */
    private SendKey sendKey;

    QueueSends(Queue.Identity identity, StripePort port, Outbox<QueuePart> outbox, QueueState state) {
        this.identity = identity;
        this.port = port;
        this.outbox = outbox;
        this.state = state;
        this.policy = identity.policy();
    }

    void configure(TopicPolicy newPolicy) {
        policy = newPolicy;
    }

    RefusedKeys refusedKeys() {
        return refusedKeys;
    }

    // ---- taking ---------------------------------------------------------------------------------------------------

    void enqueue(Queue.Enqueue request) {
        PendingSend send = new PendingSend(request);
        if (state.window().kind() != SendWindow.Kind.OFF) {
            state.window().forgetBefore(nowMillis());
            sendKey = sendKey == null ? new SendKey() : sendKey;
            send.keys = new PendingSend.Keys(request.messages(), policy.deduplication(), sendKey);
        }
        MessageRecord[] records = new MessageRecord[send.results.length];
        long recordBytes = admit(send, records);
        if (recordBytes > 0) {
            // Each record might begin a frame of its own only if it is larger than a frame is filled.
            long reserved =
                    NOTE_BYTES + recordBytes + FrameSize.FRAME_BYTES * (2 + 2 * (recordBytes / identity.frameBytes()));
            if (port.account().tryReserve(reserved, StripeBudget.Tier.SEND)) {
                take(send, records, recordBytes, reserved);
            } else {
                refuse(send, records, StoreRefusals.of(port.stripe().budget().refusal(StripeBudget.Tier.SEND)));
            }
        }
        if (send.missing == 0) {
            complete(send);
        }
        if (!send.isAnswered) {
            unanswered.addLast(send);
        }
    }

    private long nowMillis() {
        return port.stripe().clock().millis();
    }

    /** Finds what was sent before and what may not be taken; the records of the rest, and their bytes. */
    private long admit(PendingSend send, MessageRecord[] records) {
        RefusedKeys.Pass pass = refusedKeys.pass(send.request.sessionId());
        MessageRecord.Builder builder = MessageRecord.builder();
        long recordBytes = 0;
        for (int i = 0; i < records.length; i++) {
            Message message = send.request.messages().get(i);
            String firstId = pass == null ? null : pass.firstBefore(message);
            if (isRepeated(send, i)) {
                continue;
            }
            if (firstId != null) {
                send.results[i] = Refusal.busy(
                        "message '" + firstId + "' of the same key was refused before and has to be sent first", 1);
                continue;
            }
            MessageRecord record = MessageForm.toRecord(message, builder);
            long bytes = FrameSize.ofRecord(record);
            if (bytes + FrameSize.FRAME_BYTES > outbox.frameBytesMax()) {
                send.results[i] = Refusal.tooLarge(
                        "message '" + record.id() + "'",
                        bytes + " bytes with its properties",
                        "at most " + (outbox.frameBytesMax() - FrameSize.FRAME_BYTES) + " in the node's segments");
                continue;
            }
            records[i] = record;
            recordBytes += bytes;
        }
        return recordBytes;
    }

    /** Whether it was sent before: then it has the first one's receipt, or waits for it. */
    private boolean isRepeated(PendingSend send, int message) {
        PendingSend.Keys keys = send.keys;
        if (keys == null || !keys.has(message)) {
            return false;
        }
        long number = state.window().find(keys.highs[message], keys.lows[message]);
        if (number == DedupWindow.NONE) {
            return false;
        }
        send.hasRepeated = true;
        if (state.window().isWritten(number)) {
            answerRepeated(send, message, number);
        } else {
            send.missing++;
            joined.computeIfAbsent(number, absent -> new ArrayList<>()).add(new Joined(send, message));
        }
        refusedKeys.taken(send.request.sessionId(), send.request.messages().get(message));
        return true;
    }

    private void answerRepeated(PendingSend send, int message, long number) {
        DedupWindow window = state.window();
        setReceipt(send, message, window.sequence(number), window.offset(number), window.payloadCrc(number));
    }

    private void setReceipt(PendingSend send, int message, long sequence, long queueOffset, int payloadCrc) {
        send.results[message] = new Receipt(
                send.request.level(),
                identity.nodeName(),
                port.stripe().stripeId(),
                sequence,
                identity.topic(),
                identity.number(),
                queueOffset,
                payloadCrc);
        send.lastSequence = Math.max(send.lastSequence, sequence);
    }

    private void refuse(PendingSend send, MessageRecord[] records, Refusal refusal) {
        for (int i = 0; i < records.length; i++) {
            if (records[i] != null) {
                send.results[i] = refusal;
                refusedKeys.refused(
                        send.request.sessionId(), send.request.messages().get(i));
            }
        }
    }

    private void take(PendingSend send, MessageRecord[] records, long recordBytes, long reserved) {
        long bytes = recordBytes;
        for (int i = 0; i < records.length; i++) {
            if (records[i] == null) {
                continue;
            }
            if (isRepeated(send, i)) {
                // Twice in one request.
                bytes -= FrameSize.ofRecord(records[i]);
                records[i] = null;
                continue;
            }
            PendingSend.Keys keys = send.keys;
            if (keys != null && keys.has(i)) {
                keys.numbers[i] = state.window().take(keys.highs[i], keys.lows[i]);
            }
            send.missing++;
            refusedKeys.taken(send.request.sessionId(), send.request.messages().get(i));
        }
        gather(send, records, bytes, reserved);
    }

    private void gather(PendingSend send, MessageRecord[] records, long recordBytes, long reserved) {
        boolean wantsDurable = send.request.level() == Durability.FLUSHED || policy.isReadableWhenDurable();
        long left = reserved - noteWindow(recordBytes);
        long following = recordBytes;
        Outbox.Batch<QueuePart> batch = null;
        int partFirst = 0;
        int partRecord = 0;
        for (int i = 0; i < records.length; i++) {
            if (records[i] == null) {
                endPart(batch, send, partFirst, i, partRecord);
                batch = null;
                continue;
            }
            long bytes = FrameSize.ofRecord(records[i]);
            Outbox.Batch<QueuePart> next = outbox.batchFor(bytes, following);
            following -= bytes;
            if (next != batch) {
                endPart(batch, send, partFirst, i, partRecord);
                batch = next;
                partFirst = i;
                partRecord = batch.recordCount();
                if (wantsDurable) {
                    batch.wantDurable();
                }
            }
            left -= outbox.add(batch, records[i], bytes, true);
            send.payloadCrcs[i] = records[i].payloadCrc();
        }
        endPart(batch, send, partFirst, records.length, partRecord);
        if (left < 0) {
            throw new AssertionError("reserved " + reserved + " bytes, " + (reserved - left) + " needed");
        }
        port.account().giveBack(left);
    }

    private void endPart(
            Outbox.Batch<QueuePart> batchOrNull, PendingSend send, int firstMessage, int end, int firstRecord) {
        if (batchOrNull != null) {
            int count = end - firstMessage;
            batchOrNull.parts.add(frame -> receipts(frame, send, firstMessage, count, firstRecord));
        }
    }

    /** Before the first message that is remembered in another way than those before it. Returns what it takes. */
    private long noteWindow(long followingBytes) {
        DeduplicationRecord note = state.decideWindowNote(nowMillis());
        return note == null ? 0 : outbox.add(note, followingBytes, frame -> {});
    }

    // ---- answering ------------------------------------------------------------------------------------------------

    /** Everything of it is known: answers when the level holds. */
    private void complete(PendingSend send) {
        // While a failed force is made good nothing is promised that lies behind what is durable.
        boolean needsDurable = send.request.level() == Durability.FLUSHED || send.hasRepeated && port.isRewriting();
        if (!needsDurable || send.lastSequence < 0) {
            send.answer();
        } else if (send.hasRepeated) {
            port.awaitDurable(send.lastSequence, send::answer);
        } else {
            port.whenDurable(send.lastSequence, send::answer);
        }
    }

    private void receipts(Frame frame, PendingSend send, int firstMessage, int count, int firstRecord) {
        for (int i = 0; i < count; i++) {
            int message = firstMessage + i;
            int record = firstRecord + i;
            long sequence = frame.firstSequence() + record;
            setReceipt(send, message, sequence, frame.queueOffset(record), send.payloadCrcs[message]);
            if (send.keys != null && send.keys.isNumbered(message)) {
                long number = send.keys.numbers[message];
                state.window()
                        .written(
                                number,
                                frame.queueOffset(record),
                                sequence,
                                send.payloadCrcs[message],
                                frame.logTimeMillis());
                if (!joined.isEmpty()) {
                    answerJoined(number, (Receipt) send.results[message]);
                }
            }
        }
        send.missing -= count;
        if (send.missing == 0 && !send.isAnswered) {
            complete(send);
        }
    }

    private void answerJoined(long number, Receipt first) {
        List<Joined> repetitions = joined.remove(number);
        if (repetitions == null) {
            return;
        }
        for (Joined one : repetitions) {
            setReceipt(one.send, one.message, first.sequence(), first.queueOffset(), first.payloadCrc());
            if (--one.send.missing == 0 && !one.send.isAnswered) {
                complete(one.send);
            }
        }
    }

    void refuseUnanswered(Refusal refusal) {
        for (PendingSend send : unanswered) {
            send.refuse(refusal);
        }
        unanswered.clear();
    }

    /** Nothing that is on its way will be written. */
    void forgetUnwritten() {
        joined.clear();
    }

    /** Whether nobody waits for an answer. */
    boolean isIdle() {
        while (!unanswered.isEmpty() && unanswered.peekFirst().isAnswered) {
            unanswered.pollFirst();
        }
        return unanswered.isEmpty();
    }
}
