package io.forebay.protocol.wire;

import io.forebay.protocol.BlockedQueue;
import io.forebay.protocol.GroupDescription;
import io.forebay.protocol.Quarantine;
import io.forebay.protocol.QueueDescription;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.TopicDescription;
import java.util.List;

/**
 * The wire form of what is asked and told of topics and groups. Thread-safe, without state.
 */
final class TopicsCodec {
    private TopicsCodec() {}

    static void write(WireWriter out, SessionCommand.Request request) {
        if (request instanceof SessionCommand.CreateTopic create) {
            out.text(create.topic());
            out.zigzag(create.queues());
            WireValues.writeMap(out, create.settings());
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
            WireValues.writeMap(out, create.settings());
        } else if (request instanceof SessionCommand.DeleteGroup delete) {
            out.text(delete.group());
        } else if (request instanceof SessionCommand.ListGroups list) {
            out.text(list.topic());
            out.text(list.after());
            out.zigzag(list.countMax());
        } else if (request instanceof SessionCommand.DescribeGroup describe) {
            out.text(describe.group());
            out.text(describe.topic());
        } else {
            throw new AssertionError(request);
        }
    }

    static void write(WireWriter out, SessionEvent.Reply reply) {
        if (reply instanceof SessionEvent.TopicCreated created) {
            writeTopic(out, created.topic());
        } else if (reply instanceof SessionEvent.GroupCreated created) {
            out.text(created.group());
        } else if (reply instanceof SessionEvent.NamePage page) {
            WireValues.writeTexts(out, page.names());
            out.bool(page.hasMore());
        } else if (reply instanceof SessionEvent.TopicDescribed described) {
            writeTopic(out, described.topic());
        } else if (reply instanceof SessionEvent.GroupDescribed described) {
            out.varint(described.topics().size());
            for (GroupDescription group : described.topics()) {
                writeGroup(out, group);
            }
        } else if (!(reply instanceof SessionEvent.Deleted)) {
            throw new AssertionError(reply);
        }
    }

    static Object read(WireType type, long requestId, WireReader in) throws MalformedWireException {
        switch (type) {
            case CREATE_TOPIC:
                return new SessionCommand.CreateTopic(requestId, in.text(), in.zigzagInt(), WireValues.readMap(in));
            case TOPIC_CREATED:
                return new SessionEvent.TopicCreated(requestId, readTopic(in));
            case DELETE_TOPIC:
                return new SessionCommand.DeleteTopic(requestId, in.text());
            case DELETED:
                return new SessionEvent.Deleted(requestId);
            case LIST_TOPICS:
                return new SessionCommand.ListTopics(requestId, in.text(), in.zigzagInt());
            case NAME_PAGE:
                return new SessionEvent.NamePage(requestId, WireValues.readTexts(in), in.bool());
            case DESCRIBE_TOPIC:
                return new SessionCommand.DescribeTopic(requestId, in.text());
            case TOPIC_DESCRIBED:
                return new SessionEvent.TopicDescribed(requestId, readTopic(in));
            case CREATE_GROUP:
                return new SessionCommand.CreateGroup(requestId, in.text(), in.text(), WireValues.readMap(in));
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
                return new SessionEvent.GroupDescribed(requestId, WireValues.listOf(groups));
            }
            default:
                throw new AssertionError(type);
        }
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
            writeQuarantines(out, queue.quarantines());
            WireValues.writeTexts(out, queue.unserved());
        }
        WireValues.writeTexts(out, topic.groups());
        WireValues.writeMap(out, topic.settings());
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
        WireValues.writeMap(out, group.settings());
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

    private static TopicDescription readTopic(WireReader in) throws MalformedWireException {
        String topic = in.text();
        String node = in.text();
        QueueDescription[] queues = new QueueDescription[in.count(9)];
        for (int i = 0; i < queues.length; i++) {
            queues[i] = new QueueDescription(
                    in.zigzagInt(),
                    in.zigzagInt(),
                    in.zigzag(),
                    in.zigzag(),
                    in.zigzag(),
                    in.zigzag(),
                    in.zigzag(),
                    readQuarantines(in),
                    WireValues.readTexts(in));
        }
        return new TopicDescription(
                topic,
                node,
                WireValues.listOf(queues),
                WireValues.readTexts(in),
                WireValues.readMap(in),
                in.zigzag(),
                in.zigzag());
    }

    private static void writeQuarantines(WireWriter out, List<Quarantine> quarantines) {
        out.varint(quarantines.size());
        for (Quarantine quarantine : quarantines) {
            out.zigzag(quarantine.firstOffset());
            out.zigzag(quarantine.count());
            out.varint(quarantine.cause().number());
            out.text(quarantine.segment());
            out.zigzag(quarantine.position());
            out.zigzag(quarantine.notedMillis());
            out.text(quarantine.reason());
        }
    }

    private static List<Quarantine> readQuarantines(WireReader in) throws MalformedWireException {
        Quarantine[] quarantines = new Quarantine[in.count(7)];
        for (int i = 0; i < quarantines.length; i++) {
            quarantines[i] = new Quarantine(
                    in.zigzag(),
                    in.zigzag(),
                    Quarantine.Cause.of(in.varintInt()),
                    in.text(),
                    in.zigzag(),
                    in.zigzag(),
                    in.text());
        }
        return WireValues.listOf(quarantines);
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
                WireValues.readMap(in),
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
        return WireValues.listOf(queues);
    }
}
