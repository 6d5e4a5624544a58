package io.forebay.protocol.wire;

import akka.actor.ActorPath;
import akka.actor.typed.ActorRefResolver;
import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.Durability;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Message;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsDescribed;

/**
 * The wire form, version 1, of everything that crosses: a version byte, then the fields in the order of the record. Texts
 * that repeat within one form (topic, group, node) are sent once; of handles that follow each other only the difference.
 * A form of another version is refused. Which forms a peer knows beyond {@code OpenSession} and {@code OpenRefused}, which
 * stay as they are, {@link io.forebay.protocol.NodeProtocol#VERSION} says when a session is opened. Thread-safe, without state.
 */
final class WireCodec {
    static final int VERSION = 1;

    private static final int UNORDERED = 0;
    private static final int FIRST = 1;

    private WireCodec() {}

    // ---------------------------------------------------------------- write

    /** @param refs for the three forms that carry an actor's reference; may be null for the others */
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
            WireValues.writeProgress(out, credit.progress());
            out.u8(credit.mode().code());
        } else if (value instanceof SessionEvent.Pushed pushed) {
            out.varint(pushed.subscriptionId());
            out.varint(pushed.pushNumber());
            MessageCodec.writeDeliveries(out, pushed.deliveries());
        } else if (value instanceof SessionEvent.SubscriptionMode changed) {
            out.varint(changed.subscriptionId());
            out.u8(changed.mode().code());
        } else if (value instanceof SessionEvent.SubscriptionEnded ended) {
            out.varint(ended.subscriptionId());
            WireValues.writeRefusal(out, ended.refusal());
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
            WireValues.writeLimits(out, opened.limits());
            out.bool(opened.isResumed());
        } else if (value instanceof SessionEvent.OpenRefused refused) {
            out.int64(refused.sessionId());
            WireValues.writeRefusal(out, refused.refusal());
        } else if (value instanceof SessionEvent.SessionClosed closed) {
            out.int64(closed.sessionId());
            WireValues.writeRefusal(out, closed.reason());
        } else if (!(value instanceof SessionCommand.BeginAnew)
                && !(value instanceof SessionCommand.Detach)
                && !(value instanceof SessionCommand.Close)) {
            throw new AssertionError(value);
        }
    }

    private static void writeRequest(WireWriter out, SessionCommand.Request request) {
        out.varint(request.requestId());
        if (request instanceof SessionCommand.Send send) {
            out.shared(send.topic());
            out.zigzag(send.queue());
            WireValues.writeDurability(out, send.durability());
            out.varint(distanceOf(send));
            out.varint(send.messages().size());
            for (Message message : send.messages()) {
                MessageCodec.writeMessage(out, message, send.topic());
            }
        } else if (request instanceof SessionCommand.Withdraw withdraw) {
            out.text(withdraw.topic());
            WireValues.writeTexts(out, withdraw.messageIds());
        } else if (request instanceof SessionCommand.Pop pop) {
            out.text(pop.topic());
            out.text(pop.group());
            out.zigzag(pop.countMax());
            out.zigzag(pop.bytesMax());
            out.zigzag(pop.invisibleMillis());
            out.zigzag(pop.waitMillis());
        } else if (request instanceof SessionCommand.Ack ack) {
            out.text(ack.group());
            WireValues.writeDurability(out, ack.durability());
            HandleCodec.writeHandles(out, ack.handles());
        } else if (request instanceof SessionCommand.ChangeInvisible change) {
            out.text(change.group());
            out.zigzag(change.millis());
            out.bool(change.nack());
            out.text(change.reason());
            HandleCodec.writeHandles(out, change.handles());
        } else if (request instanceof SessionCommand.GiveBack giveBack) {
            out.text(giveBack.group());
            HandleCodec.writeHandles(out, giveBack.handles());
        } else if (request instanceof SessionCommand.CancelPop cancel) {
            out.varint(cancel.popRequestId());
        } else if (request instanceof SessionCommand.Subscribe subscribe) {
            out.zigzag(subscribe.subscriptionId());
            out.text(subscribe.topic());
            out.text(subscribe.group());
            out.zigzag(subscribe.countMax());
            out.zigzag(subscribe.bytesMax());
            out.zigzag(subscribe.invisibleMillis());
            WireValues.writeProgress(out, subscribe.progress());
        } else if (request instanceof SessionCommand.Unsubscribe unsubscribe) {
            out.zigzag(unsubscribe.subscriptionId());
            WireValues.writeProgress(out, unsubscribe.progress());
        } else if (request instanceof LookCommand look) {
            LookCodec.write(out, look);
        } else if (request instanceof PoisonCommand poison) {
            PoisonCodec.write(out, poison);
        } else if (request instanceof SettingsCommand settings) {
            SettingsCodec.write(out, settings);
        } else {
            TopicsCodec.write(out, request);
        }
    }

    private static void writeReply(WireWriter out, SessionEvent.Reply reply) {
        out.varint(reply.requestId());
        if (reply instanceof SessionEvent.Refused refused) {
            WireValues.writeRefusal(out, refused.refusal());
        } else if (reply instanceof SessionEvent.SendReply sent) {
            ResultCodec.writeSendResults(out, sent.results());
        } else if (reply instanceof SessionEvent.Popped popped) {
            MessageCodec.writeDeliveries(out, popped.deliveries());
        } else if (reply instanceof SessionEvent.PopCancelled cancelled) {
            out.bool(cancelled.found());
        } else if (reply instanceof SessionEvent.Subscribed subscribed) {
            out.zigzag(subscribed.subscriptionId());
            out.u8(subscribed.mode().code());
        } else if (reply instanceof SessionEvent.Unsubscribed unsubscribed) {
            out.zigzag(unsubscribed.subscriptionId());
        } else if (reply instanceof SessionEvent.AckReply acked) {
            ResultCodec.writeAckReply(out, acked);
        } else if (reply instanceof SessionEvent.ChangeReply changed) {
            ResultCodec.writeChangeReply(out, changed);
        } else if (reply instanceof SessionEvent.GiveBackReply givenBack) {
            ResultCodec.writeGiveBackReply(out, givenBack);
        } else if (reply instanceof LookReply look) {
            LookCodec.write(out, look);
        } else if (reply instanceof PoisonReply poison) {
            PoisonCodec.write(out, poison);
        } else if (reply instanceof SettingsDescribed described) {
            SettingsCodec.write(out, described.settings());
        } else if (!(reply instanceof SessionEvent.Withdrawn)) {
            TopicsCodec.write(out, reply);
        }
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
                        refs.resolveActorRef(reference(in)),
                        in.int64(),
                        in.text(),
                        WireValues.readLimits(in),
                        in.bool());
            case OPEN_REFUSED:
                return new SessionEvent.OpenRefused(in.int64(), WireValues.readRefusal(in));
            case CLIENT_HEARTBEAT:
                return new SessionCommand.Heartbeat(in.varint());
            case NODE_HEARTBEAT:
                return new SessionEvent.Heartbeat(in.varint());
            case BEGIN_ANEW:
                return new SessionCommand.BeginAnew();
            case DETACH:
                return new SessionCommand.Detach();
            case CLOSE:
                return new SessionCommand.Close();
            case SESSION_CLOSED:
                return new SessionEvent.SessionClosed(in.int64(), WireValues.readRefusal(in));
            case CHUNK:
                return new Chunk(in.varint(), in.varintInt(), in.varintInt(), in.block());
            case CHUNK_ACK:
                return new ChunkAck(in.varint(), in.varintInt());
            case CREDIT:
                return new SessionCommand.Credit(in.varintInt(), WireValues.readProgress(in), WireValues.readMode(in));
            case PUSHED:
                return new SessionEvent.Pushed(in.varintInt(), in.varint(), MessageCodec.readDeliveries(in));
            case SUBSCRIPTION_MODE:
                return new SessionEvent.SubscriptionMode(in.varintInt(), WireValues.readMode(in));
            case SUBSCRIPTION_ENDED:
                return new SessionEvent.SubscriptionEnded(in.varintInt(), WireValues.readRefusal(in));
            default:
                return readNumbered(type, in.varint(), in);
        }
    }

    private static Object readNumbered(WireType type, long requestId, WireReader in) throws MalformedWireException {
        switch (type) {
            case REFUSED:
                return new SessionEvent.Refused(requestId, WireValues.readRefusal(in));
            case SEND: {
                String topic = in.shared();
                int queue = in.zigzagInt();
                Durability durability = WireValues.readDurability(in);
                long after = readAfter(in, requestId);
                int count = in.count(3);
                Message[] messages = new Message[count];
                for (int i = 0; i < count; i++) {
                    messages[i] = MessageCodec.readMessage(in, topic);
                }
                return new SessionCommand.Send(requestId, topic, queue, WireValues.listOf(messages), durability, after);
            }
            case SEND_REPLY:
                return new SessionEvent.SendReply(requestId, ResultCodec.readSendResults(in));
            case WITHDRAW:
                return new SessionCommand.Withdraw(requestId, in.text(), WireValues.readTexts(in));
            case WITHDRAWN:
                return new SessionEvent.Withdrawn(requestId);
            case POP:
                return new SessionCommand.Pop(
                        requestId, in.text(), in.text(), in.zigzagInt(), in.zigzagInt(), in.zigzag(), in.zigzag());
            case POPPED:
                return new SessionEvent.Popped(requestId, MessageCodec.readDeliveries(in));
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
                        WireValues.readProgress(in));
            case SUBSCRIBED:
                return new SessionEvent.Subscribed(requestId, in.zigzagInt(), WireValues.readMode(in));
            case UNSUBSCRIBE:
                return new SessionCommand.Unsubscribe(requestId, in.zigzagInt(), WireValues.readProgress(in));
            case UNSUBSCRIBED:
                return new SessionEvent.Unsubscribed(requestId, in.zigzagInt());
            case ACK: {
                String group = in.text();
                Durability durability = WireValues.readDurability(in);
                return new SessionCommand.Ack(requestId, group, HandleCodec.readHandles(in), durability);
            }
            case ACK_REPLY:
                return ResultCodec.readAckReply(requestId, in);
            case CHANGE_INVISIBLE: {
                String group = in.text();
                long millis = in.zigzag();
                boolean nack = in.bool();
                String reason = in.text();
                return new SessionCommand.ChangeInvisible(
                        requestId, group, HandleCodec.readHandles(in), millis, nack, reason);
            }
            case CHANGE_REPLY:
                return ResultCodec.readChangeReply(requestId, in);
            case GIVE_BACK:
                return new SessionCommand.GiveBack(requestId, in.text(), HandleCodec.readHandles(in));
            case GIVE_BACK_REPLY:
                return ResultCodec.readGiveBackReply(requestId, in);
            case CREATE_TOPIC,
                    TOPIC_CREATED,
                    DELETE_TOPIC,
                    DELETED,
                    LIST_TOPICS,
                    NAME_PAGE,
                    DESCRIBE_TOPIC,
                    TOPIC_DESCRIBED,
                    CREATE_GROUP,
                    GROUP_CREATED,
                    DELETE_GROUP,
                    LIST_GROUPS,
                    DESCRIBE_GROUP,
                    GROUP_DESCRIBED:
                return TopicsCodec.read(type, requestId, in);
            case SEEK, SEEKED, PURGE, PURGED, RELEASE, RELEASED, PEEK, FIND, MESSAGE_PAGE, EXPLAIN, LIFE_PAGE:
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

    /** What a Send comes after, as a distance from its own request id: the numbers are small. */
    private static long distanceOf(SessionCommand.Send send) {
        if (send.after() == SessionCommand.Send.UNORDERED) {
            return UNORDERED;
        }
        return send.after() == SessionCommand.Send.FIRST ? FIRST : FIRST + send.requestId() - send.after();
    }

    private static long readAfter(WireReader in, long requestId) throws MalformedWireException {
        long distance = in.varint();
        if (distance == UNORDERED) {
            return SessionCommand.Send.UNORDERED;
        }
        if (distance == FIRST) {
            return SessionCommand.Send.FIRST;
        }
        long after = requestId - (distance - FIRST);
        if (distance < 0 || after <= 0 || after >= requestId) {
            throw in.malformed("a Send " + requestId + " after the one " + (distance - FIRST) + " before");
        }
        return after;
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

    private static String shown(String text) {
        return text.length() > 100 ? text.substring(0, 100) + "…" : text;
    }
}
