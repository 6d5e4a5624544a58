package io.forebay.protocol.wire;

import akka.actor.ActorPath;
import akka.actor.typed.ActorRefResolver;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.BlockedQueue;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackOutcome;
import io.forebay.protocol.GiveBackResult;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Message;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.QueueDescription;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SendResult;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SessionLimits;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsDescribed;
import io.forebay.protocol.SubscriptionProgress;
import io.forebay.protocol.TopicDescription;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The wire form, version 1, of everything that crosses: a version byte, then the fields in the order of the record. Texts
 * that repeat within one form (topic, group, node) are sent once; of handles that follow each other only the difference.
 * A form of another version is refused, so a node can be newer than its clients only by a new version byte.
 *
 * <p>A message is a varint of flags for the fields that are set, the id, the body, and those fields:
 * <pre> 1 tag   2 keys   4 messageGroup   8 deliverAt   16 lane   32 priority   64 properties
 * 128 born   256 bornHost   512 traceContext   1024 producer   2048 topic (if not the one of the form) </pre>
 * Thread-safe, without state.
 */
final class WireCodec {
    static final int VERSION = 1;

    private static final int TAG = 1;
    private static final int KEYS = 2;
    private static final int MESSAGE_GROUP = 4;
    private static final int DELIVER_AT = 8;
    private static final int LANE = 16;
    private static final int PRIORITY = 32;
    private static final int PROPERTIES = 64;
    private static final int BORN = 128;
    private static final int BORN_HOST = 256;
    private static final int TRACE_CONTEXT = 512;
    private static final int PRODUCER = 1024;
    private static final int OTHER_TOPIC = 2048;
    private static final int FLAGS_ALL = 4095;

    private static final int SAME_CHECKPOINT = 1;
    private static final int OTHER_OFFSET = 2;
    private static final int FIRST_ATTEMPT = 4;

    private static final int RESULT_OK = 0;
    private static final int RESULT_REFUSAL = 255;

    /** No list of one form has more elements; senders keep far below it. */
    private static final int ELEMENTS_MAX = 1 << 20;

    private WireCodec() {}

    // ---------------------------------------------------------------- sizes

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
            if (!isAllAcked(reply.results())) {
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
        } else if (value instanceof Chunk chunk) {
            bytes = 64 + chunk.bytes().length;
        } else if (value instanceof SessionCommand.Pop
                || value instanceof SessionCommand.CancelPop
                || value instanceof SessionEvent.PopCancelled
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

    // ---------------------------------------------------------------- write

    /** @param refs for the two forms that carry an actor's reference; may be null for the others */
    static void write(WireWriter out, Object value, ActorRefResolver refs) {
        out.u8(VERSION);
        if (value instanceof SessionCommand.Request request) {
            writeRequest(out, request);
        } else if (value instanceof SessionEvent.Reply reply) {
            writeReply(out, reply);
        } else if (value instanceof Chunk chunk) {
            out.varint(chunk.streamId());
            out.varint(chunk.index());
            out.varint(chunk.totalBytes());
            out.block(chunk.bytes());
        } else if (value instanceof ChunkAck ack) {
            out.varint(ack.streamId());
            out.varint(ack.index());
        } else if (value instanceof SessionCommand.Credit credit) {
            out.varint(credit.subscriptionId());
            writeProgress(out, credit.progress());
            out.u8(credit.mode().code());
        } else if (value instanceof SessionEvent.Pushed pushed) {
            out.varint(pushed.subscriptionId());
            out.varint(pushed.pushNumber());
            writeDeliveries(out, pushed.deliveries());
        } else if (value instanceof SessionEvent.SubscriptionMode changed) {
            out.varint(changed.subscriptionId());
            out.u8(changed.mode().code());
        } else if (value instanceof SessionEvent.SubscriptionEnded ended) {
            out.varint(ended.subscriptionId());
            writeRefusal(out, ended.refusal());
        } else if (value instanceof SessionCommand.Heartbeat heartbeat) {
            out.varint(heartbeat.number());
        } else if (value instanceof SessionEvent.Heartbeat heartbeat) {
            out.varint(heartbeat.number());
        } else if (value instanceof NodeProtocol.OpenSession open) {
            out.varint(open.protocolVersion());
            out.int64(open.sessionId());
            out.text(open.clientName());
            out.varint(open.frameBytes());
            out.text(refs.toSerializationFormat(open.client()));
        } else if (value instanceof NodeProtocol.FindSession find) {
            out.int64(find.sessionId());
            out.varint(find.number());
            out.text(refs.toSerializationFormat(find.client()));
        } else if (value instanceof SessionEvent.SessionUnknown unknown) {
            out.int64(unknown.sessionId());
            out.varint(unknown.number());
        } else if (value instanceof SessionEvent.Opened opened) {
            out.text(refs.toSerializationFormat(opened.session()));
            out.int64(opened.sessionId());
            out.text(opened.nodeName());
            writeLimits(out, opened.limits());
            out.bool(opened.isResumed());
        } else if (value instanceof SessionEvent.OpenRefused refused) {
            out.int64(refused.sessionId());
            writeRefusal(out, refused.refusal());
        } else if (value instanceof SessionEvent.SessionClosed closed) {
            out.int64(closed.sessionId());
            writeRefusal(out, closed.reason());
        } else if (!(value instanceof SessionCommand.Detach) && !(value instanceof SessionCommand.Close)) {
            throw new AssertionError(value);
        }
    }

    private static void writeRequest(WireWriter out, SessionCommand.Request request) {
        out.varint(request.requestId());
        if (request instanceof SessionCommand.Send send) {
            out.shared(send.topic());
            out.zigzag(send.queue());
            writeDurability(out, send.durability());
            out.varint(send.messages().size());
            for (Message message : send.messages()) {
                writeMessage(out, message, send.topic());
            }
        } else if (request instanceof SessionCommand.Withdraw withdraw) {
            out.text(withdraw.topic());
            writeTexts(out, withdraw.messageIds());
        } else if (request instanceof SessionCommand.Pop pop) {
            out.text(pop.topic());
            out.text(pop.group());
            out.zigzag(pop.countMax());
            out.zigzag(pop.bytesMax());
            out.zigzag(pop.invisibleMillis());
            out.zigzag(pop.waitMillis());
        } else if (request instanceof SessionCommand.Ack ack) {
            out.text(ack.group());
            writeDurability(out, ack.durability());
            writeHandles(out, ack.handles());
        } else if (request instanceof SessionCommand.ChangeInvisible change) {
            out.text(change.group());
            out.zigzag(change.millis());
            out.bool(change.nack());
            out.text(change.reason());
            writeHandles(out, change.handles());
        } else if (request instanceof SessionCommand.GiveBack giveBack) {
            out.text(giveBack.group());
            writeHandles(out, giveBack.handles());
        } else if (request instanceof SessionCommand.CancelPop cancel) {
            out.varint(cancel.popRequestId());
        } else if (request instanceof SessionCommand.Subscribe subscribe) {
            out.zigzag(subscribe.subscriptionId());
            out.text(subscribe.topic());
            out.text(subscribe.group());
            out.zigzag(subscribe.countMax());
            out.zigzag(subscribe.bytesMax());
            out.zigzag(subscribe.invisibleMillis());
            writeProgress(out, subscribe.progress());
        } else if (request instanceof SessionCommand.Unsubscribe unsubscribe) {
            out.zigzag(unsubscribe.subscriptionId());
            writeProgress(out, unsubscribe.progress());
        } else if (request instanceof SessionCommand.CreateTopic create) {
            out.text(create.topic());
            out.zigzag(create.queues());
            writeMap(out, create.settings());
        } else if (request instanceof SessionCommand.DeleteTopic delete) {
            out.text(delete.topic());
        } else if (request instanceof SessionCommand.ListTopics list) {
            out.text(list.after());
            out.zigzag(list.countMax());
        } else if (request instanceof SessionCommand.DescribeTopic describe) {
            out.text(describe.topic());
        } else if (request instanceof SessionCommand.CreateGroup create) {
            out.text(create.group());
            out.text(create.topic());
            writeMap(out, create.settings());
        } else if (request instanceof SessionCommand.DeleteGroup delete) {
            out.text(delete.group());
        } else if (request instanceof SessionCommand.ListGroups list) {
            out.text(list.topic());
            out.text(list.after());
            out.zigzag(list.countMax());
        } else if (request instanceof SessionCommand.DescribeGroup describe) {
            out.text(describe.group());
            out.text(describe.topic());
        } else if (request instanceof LookCommand look) {
            LookCodec.write(out, look);
        } else if (request instanceof PoisonCommand poison) {
            PoisonCodec.write(out, poison);
        } else if (request instanceof SettingsCommand settings) {
            SettingsCodec.write(out, settings);
        } else {
            throw new AssertionError(request);
        }
    }

    private static void writeReply(WireWriter out, SessionEvent.Reply reply) {
        out.varint(reply.requestId());
        if (reply instanceof SessionEvent.Refused refused) {
            writeRefusal(out, refused.refusal());
        } else if (reply instanceof SessionEvent.SendReply sent) {
            writeSendResults(out, sent.results());
        } else if (reply instanceof SessionEvent.Popped popped) {
            writeDeliveries(out, popped.deliveries());
        } else if (reply instanceof SessionEvent.PopCancelled cancelled) {
            out.bool(cancelled.found());
        } else if (reply instanceof SessionEvent.Subscribed subscribed) {
            out.zigzag(subscribed.subscriptionId());
            out.u8(subscribed.mode().code());
        } else if (reply instanceof SessionEvent.Unsubscribed unsubscribed) {
            out.zigzag(unsubscribed.subscriptionId());
        } else if (reply instanceof SessionEvent.AckReply acked) {
            writeDurability(out, acked.level());
            boolean isAllAcked = isAllAcked(acked.results());
            out.bool(isAllAcked);
            out.varint(acked.results().size());
            if (!isAllAcked) {
                for (AckResult result : acked.results()) {
                    if (result instanceof AckOutcome outcome) {
                        out.u8(outcome.code());
                    } else {
                        out.u8(RESULT_REFUSAL);
                        writeRefusal(out, (Refusal) result);
                    }
                }
            }
        } else if (reply instanceof SessionEvent.ChangeReply changed) {
            out.varint(changed.results().size());
            for (ChangeResult result : changed.results()) {
                if (result instanceof Changed moved) {
                    out.u8(RESULT_OK);
                    out.zigzag(moved.invisibleUntilMillis());
                } else {
                    out.u8(RESULT_REFUSAL);
                    writeRefusal(out, (Refusal) result);
                }
            }
        } else if (reply instanceof SessionEvent.GiveBackReply givenBack) {
            out.varint(givenBack.results().size());
            for (GiveBackResult result : givenBack.results()) {
                if (result instanceof GiveBackOutcome outcome) {
                    out.u8(outcome.code());
                } else {
                    out.u8(RESULT_REFUSAL);
                    writeRefusal(out, (Refusal) result);
                }
            }
        } else if (reply instanceof SessionEvent.TopicCreated created) {
            writeTopic(out, created.topic());
        } else if (reply instanceof SessionEvent.GroupCreated created) {
            out.text(created.group());
        } else if (reply instanceof SessionEvent.NamePage page) {
            writeTexts(out, page.names());
            out.bool(page.hasMore());
        } else if (reply instanceof SessionEvent.TopicDescribed described) {
            writeTopic(out, described.topic());
        } else if (reply instanceof SessionEvent.GroupDescribed described) {
            out.varint(described.topics().size());
            for (GroupDescription group : described.topics()) {
                writeGroup(out, group);
            }
        } else if (reply instanceof LookReply look) {
            LookCodec.write(out, look);
        } else if (reply instanceof PoisonReply poison) {
            PoisonCodec.write(out, poison);
        } else if (reply instanceof SettingsDescribed described) {
            SettingsCodec.write(out, described.settings());
        } else if (!(reply instanceof SessionEvent.Deleted) && !(reply instanceof SessionEvent.Withdrawn)) {
            throw new AssertionError(reply);
        }
    }

    static void writeMessage(WireWriter out, Message m, String topic) {
        int flags = (m.tag().isEmpty() ? 0 : TAG)
                | (m.keys().isEmpty() ? 0 : KEYS)
                | (m.messageGroup().isEmpty() ? 0 : MESSAGE_GROUP)
                | (m.deliverAtMillis() == 0 ? 0 : DELIVER_AT)
                | (m.lane().isEmpty() ? 0 : LANE)
                | (m.priority() == 0 ? 0 : PRIORITY)
                | (m.properties().isEmpty() ? 0 : PROPERTIES)
                | (m.bornMillis() == 0 ? 0 : BORN)
                | (m.bornHost().isEmpty() ? 0 : BORN_HOST)
                | (m.traceContext().isEmpty() ? 0 : TRACE_CONTEXT)
                | (m.producerId() == 0 && m.producerSequence() == 0 ? 0 : PRODUCER)
                | (m.topic().equals(topic) ? 0 : OTHER_TOPIC);
        out.varint(flags);
        out.text(m.id());
        out.block(m.body());
        if ((flags & TAG) != 0) {
            out.shared(m.tag());
        }
        if ((flags & KEYS) != 0) {
            writeTexts(out, m.keys());
        }
        if ((flags & MESSAGE_GROUP) != 0) {
            out.shared(m.messageGroup());
        }
        if ((flags & DELIVER_AT) != 0) {
            out.zigzag(m.deliverAtMillis());
        }
        if ((flags & LANE) != 0) {
            out.shared(m.lane());
        }
        if ((flags & PRIORITY) != 0) {
            out.zigzag(m.priority());
        }
        if ((flags & PROPERTIES) != 0) {
            writeMap(out, m.properties());
        }
        if ((flags & BORN) != 0) {
            out.zigzag(m.bornMillis());
        }
        if ((flags & BORN_HOST) != 0) {
            out.shared(m.bornHost());
        }
        if ((flags & TRACE_CONTEXT) != 0) {
            out.text(m.traceContext());
        }
        if ((flags & PRODUCER) != 0) {
            out.int64(m.producerId());
            out.int64(m.producerSequence());
        }
        if ((flags & OTHER_TOPIC) != 0) {
            out.shared(m.topic());
        }
    }

    private static void writeDeliveries(WireWriter out, List<Delivery> deliveries) {
        out.varint(deliveries.size());
        ReceiptHandle last = null;
        String topic = null;
        long poppedMillis = 0;
        long invisibleUntilMillis = 0;
        for (Delivery delivery : deliveries) {
            if (topic == null) {
                topic = delivery.topic();
                out.shared(topic);
            }
            out.shared(delivery.group());
            out.zigzag(delivery.queue());
            last = writeHandle(
                    out, delivery.handle(), last, delivery.queueOffset(), delivery.attempt() == 1 ? FIRST_ATTEMPT : 0);
            out.zigzag(delivery.queueOffset());
            if (delivery.attempt() != 1) {
                out.zigzag(delivery.attempt());
            }
            out.zigzag(delivery.poppedMillis() - poppedMillis);
            out.zigzag(delivery.invisibleUntilMillis() - invisibleUntilMillis);
            poppedMillis = delivery.poppedMillis();
            invisibleUntilMillis = delivery.invisibleUntilMillis();
            writeMessage(out, delivery.message(), topic);
        }
    }

    /**
     * Flags; the offset if it is not the expected one; the rest if it is of another checkpoint than the last handle's. The
     * node and stripe, queue and group are four bytes each: ids are hashes or numbers that need not be small.
     */
    static ReceiptHandle writeHandle(
            WireWriter out, ReceiptHandle handle, ReceiptHandle last, long expectedOffset, int otherFlags) {
        boolean isSame = last != null
                && last.checkpointSequence() == handle.checkpointSequence()
                && last.nonce() == handle.nonce()
                && last.epoch() == handle.epoch()
                && last.queueId() == handle.queueId()
                && last.groupId() == handle.groupId()
                && last.stripe() == handle.stripe()
                && last.nodeId() == handle.nodeId();
        boolean isExpected = handle.queueOffset() == expectedOffset;
        out.u8((isSame ? SAME_CHECKPOINT : 0) | (isExpected ? 0 : OTHER_OFFSET) | otherFlags);
        if (!isExpected) {
            out.zigzag(handle.queueOffset() - expectedOffset);
        }
        if (!isSame) {
            out.int32(handle.nodeId());
            out.zigzag(handle.stripe());
            out.zigzag(handle.queueId());
            out.zigzag(handle.groupId());
            out.zigzag(handle.epoch());
            out.zigzag(handle.checkpointSequence());
            out.int64(handle.nonce());
        }
        return handle;
    }

    static void writeHandles(WireWriter out, List<ReceiptHandle> handles) {
        out.varint(handles.size());
        ReceiptHandle last = null;
        for (ReceiptHandle handle : handles) {
            last = writeHandle(out, handle, last, last == null ? 0 : last.queueOffset() + 1, 0);
        }
    }

    private static void writeSendResults(WireWriter out, List<SendResult> results) {
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
                writeRefusal(out, (Refusal) result);
            }
        }
    }

    static void writeRefusal(WireWriter out, Refusal refusal) {
        out.varint(refusal.code().number());
        out.text(refusal.text());
        out.zigzag(refusal.retryAfterMillis());
    }

    private static void writeDurability(WireWriter out, Durability durability) {
        out.u8(durability == null ? 0 : durability.code());
    }

    private static void writeLimits(WireWriter out, SessionLimits limits) {
        out.zigzag(limits.frameBytes());
        out.zigzag(limits.bodyBytesMax());
        out.zigzag(limits.batchCountMax());
        out.zigzag(limits.batchBytesMax());
        out.zigzag(limits.popCountMax());
        out.zigzag(limits.popBytesMax());
        out.zigzag(limits.invisibleMillisMin());
        out.zigzag(limits.invisibleMillisMax());
        out.zigzag(limits.waitMillisMax());
        out.zigzag(limits.requestsInFlightMax());
        out.zigzag(limits.bytesInFlightMax());
        out.zigzag(limits.chunkBytesInFlightMax());
        out.zigzag(limits.subscriptionsMax());
        out.zigzag(limits.creditsMax());
        out.zigzag(limits.heartbeatMillis());
        out.zigzag(limits.sessionTimeoutMillis());
    }

    private static void writeTopic(WireWriter out, TopicDescription topic) {
        out.text(topic.topic());
        out.text(topic.node());
        out.varint(topic.queues().size());
        for (QueueDescription queue : topic.queues()) {
            out.zigzag(queue.number());
            out.zigzag(queue.stripe());
            out.zigzag(queue.firstOffset());
            out.zigzag(queue.nextOffset());
            out.zigzag(queue.depth());
            out.zigzag(queue.expired());
            out.zigzag(queue.quarantined());
        }
        writeTexts(out, topic.groups());
        writeMap(out, topic.settings());
        out.zigzag(topic.settingsVersion());
        out.zigzag(topic.createdMillis());
    }

    private static void writeGroup(WireWriter out, GroupDescription group) {
        out.shared(group.group());
        out.shared(group.topic());
        out.shared(group.node());
        out.zigzag(group.depth());
        out.zigzag(group.inFlight());
        out.zigzag(group.waitingRedelivery());
        out.zigzag(group.redelivered());
        out.zigzag(group.deadLettered());
        out.zigzag(group.oldestAgeMillis());
        out.zigzag(group.sessions());
        writeMap(out, group.settings());
        out.zigzag(group.settingsVersion());
        out.zigzag(group.parkedKeys());
        out.zigzag(group.filtered());
        out.zigzag(group.purged());
        out.zigzag(group.waitingPops());
        out.bool(group.isPaused());
        out.bool(group.isBreakerOpen());
        out.varint(group.blocked().size());
        for (BlockedQueue queue : group.blocked()) {
            out.zigzag(queue.queue());
            out.zigzag(queue.offset());
            out.text(queue.messageGroup());
        }
    }

    private static void writeProgress(WireWriter out, SubscriptionProgress progress) {
        out.zigzag(progress.totalCredits());
        out.zigzag(progress.receivedCount());
        out.zigzag(progress.receivedUpTo());
        out.varint(progress.receivedBits());
    }

    static void writeTexts(WireWriter out, List<String> texts) {
        out.varint(texts.size());
        for (String text : texts) {
            out.text(text);
        }
    }

    static void writeMap(WireWriter out, Map<String, String> map) {
        out.varint(map.size());
        for (Map.Entry<String, String> entry : map.entrySet()) {
            out.shared(entry.getKey());
            out.text(entry.getValue());
        }
    }

    /** True only for what {@link SessionEvent.AckReply#allAcked} makes, or a list that is the same. */
    private static boolean isAllAcked(List<AckResult> results) {
        for (AckResult result : results) {
            if (result != AckOutcome.ACKED) {
                return false;
            }
        }
        return true;
    }

    // ---------------------------------------------------------------- read

    static Object read(WireType type, WireReader in, ActorRefResolver refs) throws MalformedWireException {
        int version = in.u8();
        if (version != VERSION) {
            throw in.malformed("version " + version + " where " + VERSION + " is known");
        }
        Object value = readBody(type, in, refs);
        in.expectEnd();
        return value;
    }

    private static Object readBody(WireType type, WireReader in, ActorRefResolver refs) throws MalformedWireException {
        switch (type) {
            case OPEN_SESSION: {
                int protocolVersion = in.varintInt();
                long sessionId = in.int64();
                String clientName = in.text();
                int frameBytes = in.varintInt();
                return new NodeProtocol.OpenSession(
                        protocolVersion, sessionId, clientName, frameBytes, refs.resolveActorRef(reference(in)));
            }
            case FIND_SESSION:
                return new NodeProtocol.FindSession(in.int64(), in.varint(), refs.resolveActorRef(reference(in)));
            case SESSION_UNKNOWN:
                return new SessionEvent.SessionUnknown(in.int64(), in.varint());
            case OPENED:
                return new SessionEvent.Opened(
                        refs.resolveActorRef(reference(in)), in.int64(), in.text(), readLimits(in), in.bool());
            case OPEN_REFUSED:
                return new SessionEvent.OpenRefused(in.int64(), readRefusal(in));
            case CLIENT_HEARTBEAT:
                return new SessionCommand.Heartbeat(in.varint());
            case NODE_HEARTBEAT:
                return new SessionEvent.Heartbeat(in.varint());
            case DETACH:
                return new SessionCommand.Detach();
            case CLOSE:
                return new SessionCommand.Close();
            case SESSION_CLOSED:
                return new SessionEvent.SessionClosed(in.int64(), readRefusal(in));
            case CHUNK:
                return new Chunk(in.varint(), in.varintInt(), in.varintInt(), in.block());
            case CHUNK_ACK:
                return new ChunkAck(in.varint(), in.varintInt());
            case CREDIT:
                return new SessionCommand.Credit(in.varintInt(), readProgress(in), readMode(in));
            case PUSHED:
                return new SessionEvent.Pushed(in.varintInt(), in.varint(), readDeliveries(in));
            case SUBSCRIPTION_MODE:
                return new SessionEvent.SubscriptionMode(in.varintInt(), readMode(in));
            case SUBSCRIPTION_ENDED:
                return new SessionEvent.SubscriptionEnded(in.varintInt(), readRefusal(in));
            default:
                return readNumbered(type, in.varint(), in);
        }
    }

    private static Object readNumbered(WireType type, long requestId, WireReader in) throws MalformedWireException {
        switch (type) {
            case REFUSED:
                return new SessionEvent.Refused(requestId, readRefusal(in));
            case SEND: {
                String topic = in.shared();
                int queue = in.zigzagInt();
                Durability durability = readDurability(in);
                int count = in.count(3);
                Message[] messages = new Message[count];
                for (int i = 0; i < count; i++) {
                    messages[i] = readMessage(in, topic);
                }
                return new SessionCommand.Send(requestId, topic, queue, listOf(messages), durability);
            }
            case SEND_REPLY:
                return new SessionEvent.SendReply(requestId, readSendResults(in));
            case WITHDRAW:
                return new SessionCommand.Withdraw(requestId, in.text(), readTexts(in));
            case WITHDRAWN:
                return new SessionEvent.Withdrawn(requestId);
            case POP:
                return new SessionCommand.Pop(
                        requestId, in.text(), in.text(), in.zigzagInt(), in.zigzagInt(), in.zigzag(), in.zigzag());
            case POPPED:
                return new SessionEvent.Popped(requestId, readDeliveries(in));
            case CANCEL_POP:
                return new SessionCommand.CancelPop(requestId, in.varint());
            case POP_CANCELLED:
                return new SessionEvent.PopCancelled(requestId, in.bool());
            case SUBSCRIBE:
                return new SessionCommand.Subscribe(
                        requestId,
                        in.zigzagInt(),
                        in.text(),
                        in.text(),
                        in.zigzagInt(),
                        in.zigzagInt(),
                        in.zigzag(),
                        readProgress(in));
            case SUBSCRIBED:
                return new SessionEvent.Subscribed(requestId, in.zigzagInt(), readMode(in));
            case UNSUBSCRIBE:
                return new SessionCommand.Unsubscribe(requestId, in.zigzagInt(), readProgress(in));
            case UNSUBSCRIBED:
                return new SessionEvent.Unsubscribed(requestId, in.zigzagInt());
            case ACK: {
                String group = in.text();
                Durability durability = readDurability(in);
                return new SessionCommand.Ack(requestId, group, readHandles(in), durability);
            }
            case ACK_REPLY:
                return readAckReply(requestId, in);
            case CHANGE_INVISIBLE: {
                String group = in.text();
                long millis = in.zigzag();
                boolean nack = in.bool();
                String reason = in.text();
                return new SessionCommand.ChangeInvisible(requestId, group, readHandles(in), millis, nack, reason);
            }
            case CHANGE_REPLY: {
                ChangeResult[] results = new ChangeResult[in.count(2)];
                for (int i = 0; i < results.length; i++) {
                    results[i] = readResult(in) == RESULT_OK ? new Changed(in.zigzag()) : readRefusal(in);
                }
                return new SessionEvent.ChangeReply(requestId, listOf(results));
            }
            case GIVE_BACK:
                return new SessionCommand.GiveBack(requestId, in.text(), readHandles(in));
            case GIVE_BACK_REPLY: {
                GiveBackResult[] results = new GiveBackResult[in.count(1)];
                for (int i = 0; i < results.length; i++) {
                    results[i] = readGiveBackResult(in);
                }
                return new SessionEvent.GiveBackReply(requestId, listOf(results));
            }
            case CREATE_TOPIC:
                return new SessionCommand.CreateTopic(requestId, in.text(), in.zigzagInt(), readMap(in));
            case TOPIC_CREATED:
                return new SessionEvent.TopicCreated(requestId, readTopic(in));
            case DELETE_TOPIC:
                return new SessionCommand.DeleteTopic(requestId, in.text());
            case DELETED:
                return new SessionEvent.Deleted(requestId);
            case LIST_TOPICS:
                return new SessionCommand.ListTopics(requestId, in.text(), in.zigzagInt());
            case NAME_PAGE:
                return new SessionEvent.NamePage(requestId, readTexts(in), in.bool());
            case DESCRIBE_TOPIC:
                return new SessionCommand.DescribeTopic(requestId, in.text());
            case TOPIC_DESCRIBED:
                return new SessionEvent.TopicDescribed(requestId, readTopic(in));
            case CREATE_GROUP:
                return new SessionCommand.CreateGroup(requestId, in.text(), in.text(), readMap(in));
            case GROUP_CREATED:
                return new SessionEvent.GroupCreated(requestId, in.text());
            case DELETE_GROUP:
                return new SessionCommand.DeleteGroup(requestId, in.text());
            case LIST_GROUPS:
                return new SessionCommand.ListGroups(requestId, in.text(), in.text(), in.zigzagInt());
            case DESCRIBE_GROUP:
                return new SessionCommand.DescribeGroup(requestId, in.text(), in.text());
            case GROUP_DESCRIBED: {
                GroupDescription[] groups = new GroupDescription[in.count(19)];
                for (int i = 0; i < groups.length; i++) {
                    groups[i] = readGroup(in);
                }
                return new SessionEvent.GroupDescribed(requestId, listOf(groups));
            }
            case SEEK, SEEKED, PURGE, PURGED, PEEK, FIND, MESSAGE_PAGE, EXPLAIN, LIFE_PAGE:
                return LookCodec.read(type, requestId, in);
            case LIST_PARKED, PARKED_PAGE, UNPARK, UNPARKED, LIST_LETTERS, REDRIVE, REDRIVEN:
                return PoisonCodec.read(type, requestId, in);
            case CHANGE_SETTINGS:
                return SettingsCodec.readChange(in, requestId);
            case DESCRIBE_SETTINGS:
                return SettingsCodec.readDescribe(in, requestId);
            case SETTINGS_DESCRIBED:
                return new SettingsDescribed(requestId, SettingsCodec.readSettings(in));
            default:
                throw new AssertionError(type);
        }
    }

    /** An actor's address; what is no address would be an exception inside Akka. */
    private static String reference(WireReader in) throws MalformedWireException {
        String text = in.text();
        try {
            ActorPath.fromString(text);
            return text;
        } catch (Exception notAPath) { // Scala does not declare what it throws
            throw in.malformed("an actor's address of '" + shown(text) + "'");
        }
    }

    static Message readMessage(WireReader in, String formTopic) throws MalformedWireException {
        long flags = in.varint();
        if ((flags & ~FLAGS_ALL) != 0) {
            throw in.malformed("message flags " + flags);
        }
        String id = in.text();
        byte[] body = in.block();
        String tag = (flags & TAG) != 0 ? in.shared() : "";
        List<String> keys = (flags & KEYS) != 0 ? readTexts(in) : List.of();
        String messageGroup = (flags & MESSAGE_GROUP) != 0 ? in.shared() : "";
        long deliverAtMillis = (flags & DELIVER_AT) != 0 ? in.zigzag() : 0;
        String lane = (flags & LANE) != 0 ? in.shared() : "";
        int priority = (flags & PRIORITY) != 0 ? in.zigzagInt() : 0;
        Map<String, String> properties = (flags & PROPERTIES) != 0 ? readMap(in) : Map.of();
        long bornMillis = (flags & BORN) != 0 ? in.zigzag() : 0;
        String bornHost = (flags & BORN_HOST) != 0 ? in.shared() : "";
        String traceContext = (flags & TRACE_CONTEXT) != 0 ? in.text() : "";
        long producerId = (flags & PRODUCER) != 0 ? in.int64() : 0;
        long producerSequence = (flags & PRODUCER) != 0 ? in.int64() : 0;
        String topic = (flags & OTHER_TOPIC) != 0 ? in.shared() : formTopic;
        return Message.unchecked(
                topic,
                id,
                body,
                tag,
                keys,
                messageGroup,
                deliverAtMillis,
                lane,
                priority,
                properties,
                bornMillis,
                bornHost,
                traceContext,
                producerId,
                producerSequence);
    }

    private static List<Delivery> readDeliveries(WireReader in) throws MalformedWireException {
        int count = in.count(9);
        if (count == 0) {
            return List.of();
        }
        Delivery[] deliveries = new Delivery[count];
        String topic = in.shared();
        ReceiptHandle last = null;
        long poppedMillis = 0;
        long invisibleUntilMillis = 0;
        for (int i = 0; i < count; i++) {
            String group = in.shared();
            int queue = in.zigzagInt();
            int flags = handleFlags(in, SAME_CHECKPOINT | OTHER_OFFSET | FIRST_ATTEMPT, last);
            long difference = (flags & OTHER_OFFSET) != 0 ? in.zigzag() : 0;
            ReceiptHandle checkpoint = (flags & SAME_CHECKPOINT) != 0 ? last : readCheckpoint(in);
            long queueOffset = in.zigzag();
            last = withOffset(checkpoint, queueOffset + difference);
            int attempt = (flags & FIRST_ATTEMPT) != 0 ? 1 : in.zigzagInt();
            poppedMillis += in.zigzag();
            invisibleUntilMillis += in.zigzag();
            Message message = readMessage(in, topic);
            deliveries[i] =
                    new Delivery(message, group, queue, queueOffset, attempt, last, invisibleUntilMillis, poppedMillis);
        }
        return listOf(deliveries);
    }

    static List<ReceiptHandle> readHandles(WireReader in) throws MalformedWireException {
        ReceiptHandle[] handles = new ReceiptHandle[in.count(1)];
        ReceiptHandle last = null;
        for (int i = 0; i < handles.length; i++) {
            long expected = last == null ? 0 : last.queueOffset() + 1;
            int flags = handleFlags(in, SAME_CHECKPOINT | OTHER_OFFSET, last);
            long difference = (flags & OTHER_OFFSET) != 0 ? in.zigzag() : 0;
            ReceiptHandle checkpoint = (flags & SAME_CHECKPOINT) != 0 ? last : readCheckpoint(in);
            last = withOffset(checkpoint, expected + difference);
            handles[i] = last;
        }
        return listOf(handles);
    }

    private static int handleFlags(WireReader in, int known, ReceiptHandle last) throws MalformedWireException {
        int flags = in.u8();
        if ((flags & ~known) != 0 || ((flags & SAME_CHECKPOINT) != 0 && last == null)) {
            throw in.malformed("handle flags " + flags);
        }
        return flags;
    }

    private static ReceiptHandle readCheckpoint(WireReader in) throws MalformedWireException {
        return new ReceiptHandle(
                in.int32(), in.zigzagInt(), in.zigzagInt(), in.zigzagInt(), 0, in.zigzag(), in.zigzag(), in.int64());
    }

    private static ReceiptHandle withOffset(ReceiptHandle of, long queueOffset) {
        return new ReceiptHandle(
                of.nodeId(),
                of.stripe(),
                of.queueId(),
                of.groupId(),
                queueOffset,
                of.epoch(),
                of.checkpointSequence(),
                of.nonce());
    }

    private static List<SendResult> readSendResults(WireReader in) throws MalformedWireException {
        SendResult[] results = new SendResult[in.count(4)];
        long sequence = 0;
        long queueOffset = 0;
        for (int i = 0; i < results.length; i++) {
            int code = in.u8();
            if (code == RESULT_REFUSAL) {
                results[i] = readRefusal(in);
                continue;
            }
            Durability level = durability(code, in);
            String node = in.shared();
            int stripe = in.zigzagInt();
            sequence += in.zigzag();
            String topic = in.shared();
            int queue = in.zigzagInt();
            queueOffset += in.zigzag();
            results[i] = new Receipt(level, node, stripe, sequence, topic, queue, queueOffset, in.int32());
        }
        return listOf(results);
    }

    private static SessionEvent.AckReply readAckReply(long requestId, WireReader in) throws MalformedWireException {
        Durability level = readDurability(in);
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
                results[i] = readRefusal(in);
            } else {
                throw in.malformed("an ack's outcome of " + code);
            }
        }
        return new SessionEvent.AckReply(requestId, listOf(results), level);
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
        return readRefusal(in);
    }

    private static int readResult(WireReader in) throws MalformedWireException {
        int code = in.u8();
        if (code != RESULT_OK && code != RESULT_REFUSAL) {
            throw in.malformed("an outcome of " + code);
        }
        return code;
    }

    static Refusal readRefusal(WireReader in) throws MalformedWireException {
        return new Refusal(Refusal.Code.of(in.varintInt()), in.text(), in.zigzag());
    }

    /** Null for 0. */
    private static Durability readDurability(WireReader in) throws MalformedWireException {
        int code = in.u8();
        return code == 0 ? null : durability(code, in);
    }

    private static Durability durability(int code, WireReader in) throws MalformedWireException {
        if (code == Durability.WRITTEN.code()) {
            return Durability.WRITTEN;
        }
        if (code == Durability.FLUSHED.code()) {
            return Durability.FLUSHED;
        }
        throw in.malformed("a durability of " + code);
    }

    private static SubscriptionProgress readProgress(WireReader in) throws MalformedWireException {
        return new SubscriptionProgress(in.zigzag(), in.zigzag(), in.zigzag(), in.varint());
    }

    private static DeliveryMode readMode(WireReader in) throws MalformedWireException {
        int code = in.u8();
        if (code == DeliveryMode.POP.code()) {
            return DeliveryMode.POP;
        }
        if (code == DeliveryMode.PUSH.code()) {
            return DeliveryMode.PUSH;
        }
        throw in.malformed("a delivery mode of " + code);
    }

    private static SessionLimits readLimits(WireReader in) throws MalformedWireException {
        return new SessionLimits(
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzag(),
                in.zigzag(),
                in.zigzag(),
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzagInt(),
                in.zigzag(),
                in.zigzag());
    }

    private static TopicDescription readTopic(WireReader in) throws MalformedWireException {
        String topic = in.text();
        String node = in.text();
        QueueDescription[] queues = new QueueDescription[in.count(7)];
        for (int i = 0; i < queues.length; i++) {
            queues[i] = new QueueDescription(
                    in.zigzagInt(), in.zigzagInt(), in.zigzag(), in.zigzag(), in.zigzag(), in.zigzag(), in.zigzag());
        }
        return new TopicDescription(topic, node, listOf(queues), readTexts(in), readMap(in), in.zigzag(), in.zigzag());
    }

    private static GroupDescription readGroup(WireReader in) throws MalformedWireException {
        return new GroupDescription(
                in.shared(),
                in.shared(),
                in.shared(),
                in.zigzag(),
                in.zigzag(),
                in.zigzag(),
                in.zigzag(),
                in.zigzag(),
                in.zigzag(),
                in.zigzagInt(),
                readMap(in),
                in.zigzag(),
                in.zigzagInt(),
                in.zigzag(),
                in.zigzag(),
                in.zigzagInt(),
                in.bool(),
                in.bool(),
                readBlocked(in));
    }

    private static List<BlockedQueue> readBlocked(WireReader in) throws MalformedWireException {
        BlockedQueue[] queues = new BlockedQueue[in.count(3)];
        for (int i = 0; i < queues.length; i++) {
            queues[i] = new BlockedQueue(in.zigzagInt(), in.zigzag(), in.text());
        }
        return listOf(queues);
    }

    static List<String> readTexts(WireReader in) throws MalformedWireException {
        String[] texts = new String[in.count(1)];
        for (int i = 0; i < texts.length; i++) {
            texts[i] = in.text();
        }
        return listOf(texts);
    }

    static Map<String, String> readMap(WireReader in) throws MalformedWireException {
        int count = in.count(2);
        if (count == 0) {
            return Map.of();
        }
        Map<String, String> map = new LinkedHashMap<>();
        for (int i = 0; i < count; i++) {
            if (map.put(in.shared(), in.text()) != null) {
                throw in.malformed("a key that comes twice");
            }
        }
        return Collections.unmodifiableMap(map);
    }

    static <T> List<T> listOf(T[] elements) {
        return elements.length == 0 ? List.of() : Collections.unmodifiableList(Arrays.asList(elements));
    }

    private static String shown(String text) {
        return text.length() > 100 ? text.substring(0, 100) + "…" : text;
    }
}
