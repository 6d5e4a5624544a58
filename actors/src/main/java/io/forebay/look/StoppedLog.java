package io.forebay.look;

import io.forebay.look.core.LifeReader;
import io.forebay.look.core.RegistryNames;
import io.forebay.protocol.LifeEvent;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.MessageLife;
import io.forebay.protocol.MessagePlace;
import io.forebay.protocol.StoredMessage;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.EntryRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.LogWalker;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.MessageView;
import io.forebay.storage.log.RecordType;
import io.forebay.storage.log.TopicRecord;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

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
        stripes.forEach(stripe -> {
            Set<Body> bodies = new HashSet<>();
            Map<MessagePlace, Body> entries = new LinkedHashMap<>();
            LogWalker.walk(stripe, EVERYTHING, record -> {
                int number = RegistryNames.numberOf(topic, record.queueId());
                if (record.type() == RecordType.MESSAGE) {
                    fields.wrap(record.bytes(), record.bodyAt(), record.bodyBytes());
                    if (fields.id().equals(id)) {
                        bodies.add(new Body(record.queueId(), record.queueOffset()));
                        if (number >= 0) {
                            found.add(new MessagePlace("", topic.name(), number, record.queueOffset()));
                        }
                    }
                } else if (record.type() == RecordType.ENTRY && number >= 0) {
                    EntryRecord entry = (EntryRecord) record.decode();
                    entries.put(
                            new MessagePlace("", topic.name(), number, entry.queueOffset()),
                            new Body(entry.bodyQueueId(), entry.bodyOffset()));
                }
                return true;
            });
            entries.forEach((place, body) -> {
                if (bodies.contains(body)) {
                    found.add(place);
                }
            });
        });
        return found;
    }

    /** Where a body lies: it may be that of a message in another queue of the stripe. */
    private record Body(int queueId, long offset) {}

    /** What is to be found of a message before its life is told. */
    private static final class Own {
        /** The stripe that has its queue, by their order; -1 if none tells anything of it. */
        int stripe = -1;

        LifeReader.Origin origin;
        LogRecord record;
        MessageRecord body;
        long beginSequence = -1;
        long beginMillis;
    }

    /**
     * The life of a message.
     *
     * @param number of the queue within its topic
     */
    public MessageLife explain(TopicRecord topic, int number, long offset) throws IOException {
        int queueId = topic.queueIds()[number];
        Own own = own(queueId, offset);
        List<String> all = new ArrayList<>(notes);
        StoredMessage message = null;
        if (own.body != null) {
            EntryRecord entry = own.record instanceof EntryRecord named ? named : null;
            long sequence = own.origin.sequence();
            message = QueueScan.stored(topic.name(), number, offset, sequence, own.origin.logMillis(), own.body, entry);
        } else if (own.record != null) {
            all.add("the message cannot be read: the message that its entry names is not stored any more");
        }
        List<LifeEvent> events = new ArrayList<>();
        LifeReader reader = new LifeReader(
                new LifeReader.Subject(
                        queueId,
                        offset,
                        message == null ? "" : message.message().messageGroup(),
                        own.record == null ? LifeReader.Subject.NOT_STORED : own.origin.sequence()),
                Long.MAX_VALUE,
                names,
                events::add);
        if (own.record != null) {
            reader.sent(own.origin, own.record);
        }
        in(own.stripe, record -> {
            if (own.beginSequence < 0 && !record.isMoved()) {
                own.beginSequence = record.sequence();
                own.beginMillis = record.logTimeMillis();
            }
            try {
                reader.record(record);
            } catch (CorruptRecordException e) {
                all.add(record + " cannot be read: " + e.getMessage());
            }
            return true;
        });
        String begins =
                "the log begins at sequence " + own.beginSequence + ", " + Instant.ofEpochMilli(own.beginMillis);
        if (own.stripe < 0) {
            all.add("the message is not stored, and nothing tells of its queue");
        } else if (own.record == null) {
            all.add("the message is not stored; " + begins);
        } else if (own.beginSequence > own.origin.sequence()) {
            all.add(begins + ": what happened before is not stored any more");
        }
        return new MessageLife.Builder()
                .add(new LookReply.LifePage(
                        0,
                        new MessagePlace("", topic.name(), number, offset),
                        message,
                        List.of(),
                        events,
                        all,
                        0,
                        0,
                        lastMillis,
                        ""))
                .build();
    }

    private Own own(int queueId, long offset) throws IOException {
        Own own = new Own();
        int[] index = {-1};
        stripes.forEach(stripe -> {
            index[0]++;
            LogWalker.walk(stripe, EVERYTHING, record -> {
                if (own.record == null && record.queueId() == queueId) {
                    own.stripe = index[0];
                    if (record.hasOffset() && record.queueOffset() == offset) {
                        own.origin = LifeReader.Origin.of(record);
                        own.record = record.decode();
                    }
                }
                return own.record == null;
            });
        });
        if (own.record instanceof MessageRecord message) {
            own.body = message;
        } else if (own.record instanceof EntryRecord entry) {
            in(own.stripe, record -> {
                if (record.type() == RecordType.MESSAGE
                        && record.queueId() == entry.bodyQueueId()
                        && record.queueOffset() == entry.bodyOffset()) {
                    own.body = (MessageRecord) record.decode();
                }
                return own.body == null;
            });
        }
        return own;
    }

    /** Sequences are a stripe's own. */
    private void in(int index, LogWalker.Sink sink) throws IOException {
        int[] next = {0};
        stripes.forEach(stripe -> {
            if (next[0]++ == index) {
                LogWalker.walk(stripe, EVERYTHING, sink);
            }
        });
    }
}
