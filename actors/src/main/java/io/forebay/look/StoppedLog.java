package io.forebay.look;

import io.forebay.look.core.LifeReader;
import io.forebay.look.core.RegistryNames;
import io.forebay.protocol.LifeEvent;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.MessageLife;
import io.forebay.protocol.MessagePlace;
import io.forebay.protocol.StoredMessage;
import io.forebay.queue.MessageForm;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.log.LogWalker;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.MessageView;
import io.forebay.storage.log.RecordType;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.TopicRecord;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/**
 * Looks into the data directory of a node that does not run, or into a copy of it: reads the whole log, several times, and changes
 * nothing. What is found counts as durable. Confined to one thread.
 */
public final class StoppedLog {
    private static final LogWalker.Span EVERYTHING = LogWalker.Span.everything();

    /** The directories of the stripes of one node. */
    public interface Stripes {
        /** Does something in each of them. */
        void forEach(Task task) throws IOException;

        /** What is done in a stripe. */
        interface Task {
            void in(StorageDirectory stripe) throws IOException;
        }
    }

    private final Stripes stripes;
    private final RegistryNames names = new RegistryNames();
    private final List<String> notes = new ArrayList<>();
    private long lastMillis;

    private StoppedLog(Stripes stripes) {
        this.stripes = stripes;
    }

    /** Reads what topics and groups there are. */
    public static StoppedLog open(Stripes stripes) throws IOException {
        StoppedLog log = new StoppedLog(stripes);
        stripes.forEach(stripe -> {
            LogWalker.Result result = LogWalker.walk(stripe, EVERYTHING, record -> {
                log.lastMillis = Math.max(log.lastMillis, record.logTimeMillis());
                log.names.record(record);
                return true;
            });
            log.notes.addAll(result.problems());
        });
        return log;
    }

    /** The newest topic of that name, null if the log tells of none. */
    public TopicRecord topic(String name) {
        return names.topic(name);
    }

    /** The topic that has a queue, null if the log tells of none. */
    public TopicRecord topicOfQueue(int queueId) {
        return names.topicOfQueue(queueId);
    }

    /** Where the messages of a topic lie that have an id; those that are still stored. */
    public List<MessagePlace> find(TopicRecord topic, String id) throws IOException {
        List<MessagePlace> found = new ArrayList<>();
        MessageView fields = new MessageView();
        stripes.forEach(stripe -> LogWalker.walk(stripe, EVERYTHING, record -> {
            int number = record.type() == RecordType.MESSAGE ? RegistryNames.numberOf(topic, record.queueId()) : -1;
            if (number >= 0) {
                fields.wrap(record.bytes(), record.bodyAt(), record.bodyBytes());
                if (fields.id().equals(id)) {
                    found.add(new MessagePlace("", topic.name(), number, record.queueOffset()));
                }
            }
            return true;
        }));
        return found;
    }

    /**
     * The life of a message.
     *
     * @param number of the queue within its topic
     */
    public MessageLife explain(TopicRecord topic, int number, long offset) throws IOException {
        int queueId = topic.queueIds()[number];
        StoredMessage[] message = {null};
        stripes.forEach(stripe -> LogWalker.walk(stripe, EVERYTHING, record -> {
            if (record.type() == RecordType.MESSAGE && record.queueId() == queueId && record.queueOffset() == offset) {
                message[0] = stored(topic.name(), number, record);
            }
            return message[0] == null;
        }));
        List<LifeEvent> events = new ArrayList<>();
        String key = message[0] == null ? "" : message[0].message().messageGroup();
        LifeReader reader = new LifeReader(queueId, offset, key, Long.MAX_VALUE, names, events::add);
        List<String> all = new ArrayList<>(notes);
        stripes.forEach(stripe -> {
            long[] begin = {-1, 0};
            boolean[] isHome = {false};
            LogWalker.walk(stripe, EVERYTHING, record -> {
                if (begin[0] < 0 && !record.isMoved()) {
                    begin[0] = record.sequence();
                    begin[1] = record.logTimeMillis();
                }
                isHome[0] |= record.queueId() == queueId;
                reader.record(record);
                return true;
            });
            if (isHome[0] && (message[0] == null || begin[0] > message[0].sequence())) {
                String begins = "the log begins at sequence " + begin[0] + ", " + Instant.ofEpochMilli(begin[1]);
                all.add(
                        message[0] == null
                                ? "the message is not stored, or it is an entry; " + begins
                                : begins + ": what happened before is not stored any more");
            }
        });
        return new MessageLife.Builder()
                .add(new LookReply.LifePage(
                        0,
                        new MessagePlace("", topic.name(), number, offset),
                        message[0],
                        List.of(),
                        events,
                        all,
                        0,
                        0,
                        lastMillis,
                        ""))
                .build();
    }

    private static StoredMessage stored(String topic, int number, RecordView record) throws IOException {
        return new StoredMessage(
                number,
                record.queueOffset(),
                record.sequence(),
                record.logTimeMillis(),
                MessageForm.toMessage(topic, (MessageRecord) record.decode()));
    }
}
