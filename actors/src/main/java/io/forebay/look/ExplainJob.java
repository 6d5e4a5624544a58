package io.forebay.look;

import io.forebay.look.core.LifeNames;
import io.forebay.look.core.LifeReader;
import io.forebay.protocol.LifeEvent;
import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.MessagePlace;
import io.forebay.protocol.StoredMessage;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.LogWalker;
import io.forebay.storage.log.RecordType;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.StripeLog;
import io.forebay.store.StripeHandle;
import io.forebay.topic.TopicDirectory;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What the log of a stripe tells of one message: the message itself, found by the queue's index, then the records behind it. What
 * cleaning has moved forward is passed over, for only messages are moved, and no message tells anything of another one but
 * entries, which are new when they do.
 */
final class ExplainJob implements ReadJob<LookReply> {
    private static final int EVENTS_MAX = 1000;
    private static final int NOTES_MAX = 100;

    private final LookCommand.Explain request;
    private final MessagePlace place;
    private final TopicDirectory directory;
    private final TopicDirectory.QueueRoute route;
    private final StripeHandle stripe;

    private final List<LifeEvent> events = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();
    private StoredMessage message;
    private LifeReader reader;

    ExplainJob(
            LookCommand.Explain request,
            MessagePlace place,
            TopicDirectory directory,
            TopicDirectory.QueueRoute route,
            StripeHandle stripe) {
        this.request = request;
        this.place = place;
        this.directory = directory;
        this.route = route;
        this.stripe = stripe;
    }

    @Override
    public Outcome<LookReply> run() throws IOException {
        events.clear();
        notes.clear();
        message = null;
        Cursor cursor = request.cursor().isEmpty() ? null : Cursor.parseOrNull(request.cursor());
        if (cursor == null && !request.cursor().isEmpty()) {
            return Outcome.refused(Cursor.illegal(request.cursor()));
        }
        StripeLog log = stripe.log();
        if (!readMessage(cursor == null)) {
            return Outcome.again();
        }
        long first = message == null ? 0 : message.sequence();
        long from = cursor == null ? first : Math.max(first, cursor.first());
        long until = cursor == null ? log.writtenSequence() : Math.min(cursor.second(), log.writtenSequence());
        if (cursor == null) {
            begin();
            long kept = route.marks().firstOffset();
            if (message != null && place.offset() < kept) {
                notes.add(
                        "the queue begins at offset " + kept + ": the message is dropped, and on the disk for a while");
            }
        }
        Page page = new Page(from);
        LogWalker.Result result = log.newWalker().walk(LogWalker.Span.ofSequences(from, until), page);
        if (!result.isComplete() && page.nextSequence == from) {
            return Outcome.again();
        }
        result.problems().stream().limit(NOTES_MAX).forEach(notes::add);
        boolean isOver = result.isComplete() && !result.isStopped();
        long done = (isOver ? until + 1 : page.nextSequence) - first;
        return Outcome.of(new LookReply.LifePage(
                request.requestId(),
                place,
                cursor == null ? message : null,
                cursor == null ? directory.groupsOf(place.topic()) : List.of(),
                events,
                notes,
                done,
                until + 1 - first,
                stripe.clock().millis(),
                isOver ? "" : new Cursor(page.nextSequence, until).toString()));
    }

    /**
     * The message's own record, which may have been moved out of the walk's way.
     *
     * @param isToTell whether no earlier page has told of it
     * @return false if the stripe cannot be read for now
     */
    private boolean readMessage(boolean isToTell) {
        long durableSequence = stripe.log().durableSequence();
        reader = reader("", LifeReader.Subject.NOT_STORED, durableSequence);
        QueueScan scan = new QueueScan(route, stripe);
        if (place.offset() >= scan.nextOffset()) {
            return true;
        }
        scan.read(place.offset(), place.offset() + 1, new QueueScan.Sink() {
            @Override
            public boolean message(long offset, RecordView view, RecordView body) throws CorruptRecordException {
                message = QueueScan.copy(place.topic(), place.queue(), offset, view, body);
                reader = reader(message.message().messageGroup(), message.sequence(), durableSequence);
                if (isToTell) {
                    reader.sent(LifeReader.Origin.of(view), view.decode());
                }
                return false;
            }

            @Override
            public boolean unreadable(long offset, String reason) {
                notes.add("the message cannot be read: " + reason);
                return false;
            }
        });
        return !scan.isNotReadable();
    }

    private LifeReader reader(String messageGroup, long sequence, long durableSequence) {
        LifeReader.Subject subject = new LifeReader.Subject(route.queueId(), place.offset(), messageGroup, sequence);
        return new LifeReader(subject, durableSequence, new Names(), events::add);
    }

    /** Notes it when the log begins behind the message. */
    private void begin() throws IOException {
        stripe.log().newWalker().walk(LogWalker.Span.everything(), record -> {
            if (record.isMoved()) {
                return true;
            }
            String begins = "the log begins at sequence " + record.sequence() + ", "
                    + Instant.ofEpochMilli(record.logTimeMillis());
            if (message == null) {
                notes.add("the message is not stored any more; " + begins);
            } else if (record.sequence() > message.sequence()) {
                notes.add(begins + ": what happened before is not stored any more");
            }
            return false;
        });
    }

    /** What a walk takes. */
    private final class Page implements LogWalker.Sink {
        private final long endMillis = stripe.clock().millis() + MILLIS_MAX;
        private long nextSequence;
        private int lookedAtCount;

        Page(long from) {
            nextSequence = from;
        }

        @Override
        public boolean record(RecordView record) throws IOException {
            if (record.isMoved()) {
                return true;
            }
            nextSequence = record.sequence() + 1;
            try {
                reader.record(record);
            } catch (CorruptRecordException e) {
                notes.add(record + " cannot be read: " + e.getMessage());
            }
            if (record.type() == RecordType.ENTRY) {
                return true; // what it is there for is said by the record behind it
            }
            if (events.size() >= EVENTS_MAX || notes.size() >= NOTES_MAX) {
                return false;
            }
            // Most records are passed over in less time than it takes to ask the clock.
            return (++lookedAtCount & 255) != 0 || stripe.clock().millis() < endMillis;
        }
    }

    /** By the directory, which is asked once for each id. */
    private final class Names implements LifeNames {
        private final Map<Integer, String> queues = new HashMap<>();

        @Override
        public String group(int groupId) {
            TopicDirectory.GroupQueueRoute group = directory.groupQueue(route.queueId(), groupId);
            return group == null ? UNKNOWN.group(groupId) : group.group();
        }

        @Override
        public String queue(int queueId) {
            return queues.computeIfAbsent(queueId, this::lookUp);
        }

        private String lookUp(int queueId) {
            TopicDirectory.TopicRoute topic = directory.topicOfQueue(queueId);
            if (topic != null) {
                for (TopicDirectory.QueueRoute queue : topic.queues()) {
                    if (queue.queueId() == queueId) {
                        return topic.name() + "/" + queue.number();
                    }
                }
            }
            return UNKNOWN.queue(queueId);
        }
    }
}
