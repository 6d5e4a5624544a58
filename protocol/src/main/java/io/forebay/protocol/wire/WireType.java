package io.forebay.protocol.wire;

import io.forebay.protocol.Chunk;
import io.forebay.protocol.ChunkAck;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SettingsCommand;
import io.forebay.protocol.SettingsDescribed;
import java.util.HashMap;
import java.util.Map;

/** Every class that crosses, with its stable number, which is its manifest, too. Numbers are given once, never reused. */
enum WireType {
    OPEN_SESSION(1, NodeProtocol.OpenSession.class),
    OPENED(2, SessionEvent.Opened.class),
    OPEN_REFUSED(3, SessionEvent.OpenRefused.class),
    CLIENT_HEARTBEAT(4, SessionCommand.Heartbeat.class),
    NODE_HEARTBEAT(5, SessionEvent.Heartbeat.class),
    DETACH(6, SessionCommand.Detach.class),
    CLOSE(7, SessionCommand.Close.class),
    SESSION_CLOSED(8, SessionEvent.SessionClosed.class),
    CHUNK(9, Chunk.class),
    CHUNK_ACK(10, ChunkAck.class),
    REFUSED(11, SessionEvent.Refused.class),
    FIND_SESSION(12, NodeProtocol.FindSession.class),
    SESSION_UNKNOWN(13, SessionEvent.SessionUnknown.class),
    BEGIN_ANEW(14, SessionCommand.BeginAnew.class),
    SEND(20, SessionCommand.Send.class),
    SEND_REPLY(21, SessionEvent.SendReply.class),
    WITHDRAW(22, SessionCommand.Withdraw.class),
    POP(23, SessionCommand.Pop.class),
    POPPED(24, SessionEvent.Popped.class),
    CANCEL_POP(25, SessionCommand.CancelPop.class),
    POP_CANCELLED(26, SessionEvent.PopCancelled.class),
    ACK(27, SessionCommand.Ack.class),
    ACK_REPLY(28, SessionEvent.AckReply.class),
    CHANGE_INVISIBLE(29, SessionCommand.ChangeInvisible.class),
    CHANGE_REPLY(30, SessionEvent.ChangeReply.class),
    GIVE_BACK(31, SessionCommand.GiveBack.class),
    GIVE_BACK_REPLY(32, SessionEvent.GiveBackReply.class),
    SUBSCRIBE(33, SessionCommand.Subscribe.class),
    SUBSCRIBED(34, SessionEvent.Subscribed.class),
    CREDIT(35, SessionCommand.Credit.class),
    PUSHED(36, SessionEvent.Pushed.class),
    UNSUBSCRIBE(37, SessionCommand.Unsubscribe.class),
    UNSUBSCRIBED(38, SessionEvent.Unsubscribed.class),
    SUBSCRIPTION_MODE(39, SessionEvent.SubscriptionMode.class),
    SUBSCRIPTION_ENDED(40, SessionEvent.SubscriptionEnded.class),
    WITHDRAWN(41, SessionEvent.Withdrawn.class),
    CREATE_TOPIC(50, SessionCommand.CreateTopic.class),
    TOPIC_CREATED(51, SessionEvent.TopicCreated.class),
    DELETE_TOPIC(52, SessionCommand.DeleteTopic.class),
    DELETED(53, SessionEvent.Deleted.class),
    LIST_TOPICS(54, SessionCommand.ListTopics.class),
    NAME_PAGE(55, SessionEvent.NamePage.class),
    DESCRIBE_TOPIC(56, SessionCommand.DescribeTopic.class),
    TOPIC_DESCRIBED(57, SessionEvent.TopicDescribed.class),
    CREATE_GROUP(58, SessionCommand.CreateGroup.class),
    GROUP_CREATED(59, SessionEvent.GroupCreated.class),
    DELETE_GROUP(60, SessionCommand.DeleteGroup.class),
    LIST_GROUPS(61, SessionCommand.ListGroups.class),
    DESCRIBE_GROUP(62, SessionCommand.DescribeGroup.class),
    GROUP_DESCRIBED(63, SessionEvent.GroupDescribed.class),
    SEEK(100, LookCommand.Seek.class),
    SEEKED(101, LookReply.Seeked.class),
    PURGE(102, LookCommand.Purge.class),
    PURGED(103, LookReply.Purged.class),
    PEEK(104, LookCommand.Peek.class),
    FIND(105, LookCommand.Find.class),
    MESSAGE_PAGE(106, LookReply.MessagePage.class),
    EXPLAIN(107, LookCommand.Explain.class),
    LIFE_PAGE(108, LookReply.LifePage.class),
    RELEASE(109, LookCommand.Release.class),
    RELEASED(110, LookReply.Released.class),
    LIST_PARKED(120, PoisonCommand.ListParked.class),
    PARKED_PAGE(121, PoisonReply.ParkedPage.class),
    UNPARK(122, PoisonCommand.Unpark.class),
    UNPARKED(123, PoisonReply.Unparked.class),
    LIST_LETTERS(124, PoisonCommand.ListLetters.class),
    REDRIVE(125, PoisonCommand.Redrive.class),
    REDRIVEN(126, PoisonReply.Redriven.class),
    CHANGE_SETTINGS(70, SettingsCommand.ChangeSettings.class),
    DESCRIBE_SETTINGS(71, SettingsCommand.DescribeSettings.class),
    SETTINGS_DESCRIBED(72, SettingsDescribed.class);

    private static final Map<Class<?>, WireType> BY_CLASS = new HashMap<>();
    private static final Map<String, WireType> BY_MANIFEST = new HashMap<>();
    private static final WireType[] BY_NUMBER = new WireType[256];

    static {
        for (WireType type : values()) {
            BY_CLASS.put(type.javaType, type);
            BY_MANIFEST.put(type.manifest, type);
            BY_NUMBER[type.number] = type;
        }
    }

    private final int number;
    private final String manifest;
    private final Class<?> javaType;

    WireType(int number, Class<?> javaType) {
        this.number = number;
        this.manifest = Integer.toString(number);
        this.javaType = javaType;
    }

    int number() {
        return number;
    }

    String manifest() {
        return manifest;
    }

    /** Whether its form has a reference to an actor: such a one is never cut. */
    boolean hasReference() {
        return this == OPEN_SESSION || this == FIND_SESSION || this == OPENED;
    }

    /** Whether it is a request to a session: its form begins with its id. */
    boolean isRequest() {
        return SessionCommand.Request.class.isAssignableFrom(javaType);
    }

    /** The type of a value, or null if it never crosses. */
    static WireType of(Object value) {
        return BY_CLASS.get(value.getClass());
    }

    /** The type with this manifest, or null. */
    static WireType ofManifest(String manifest) {
        return BY_MANIFEST.get(manifest);
    }

    /** The type with this number, or null. */
    static WireType ofNumber(int number) {
        return number >= 0 && number < BY_NUMBER.length ? BY_NUMBER[number] : null;
    }
}
