package io.forebay.look;

import io.forebay.protocol.LookReply;
import io.forebay.protocol.StoredMessage;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.RecordView;
import io.forebay.store.LogClock;
import java.util.ArrayList;
import java.util.List;

/** A page of a topic's messages as it is gathered: it ends when there is enough of them, or when it took long enough. */
abstract class MessagePage implements TopicScan.Page {
    private static final int NOTES_MAX = 100;

    private final String topic;
    private final int countMax;
    private final long bytesMax;
    private final List<StoredMessage> messages = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();
    private final LogClock clock;
    private final long endMillis;
    private int queue;
    private long bytes;

    /** @param bytesMax of bodies; one message is given however large it is */
    MessagePage(String topic, int countMax, long bytesMax, LogClock clock) {
        this.topic = topic;
        this.countMax = countMax;
        this.bytesMax = bytesMax;
        this.clock = clock;
        endMillis = clock.millis() + ReadJob.MILLIS_MAX;
    }

    /**
     * Reads it, as {@link TopicScan#read}.
     *
     * @param cursor "" to begin, or as the last page gave it
     */
    final ReadJob.Outcome<LookReply> read(
            TopicScan scan, int firstQueue, int lastQueue, String cursor, long requestId, String node) {
        Cursor from = cursor.isEmpty() ? null : Cursor.parseOrNull(cursor);
        if (from == null && !cursor.isEmpty()) {
            return ReadJob.Outcome.refused(Cursor.illegal(cursor));
        }
        TopicScan.Result result = scan.read(firstQueue, lastQueue, from, this);
        return result.isAgain()
                ? ReadJob.Outcome.again()
                : ReadJob.Outcome.of(new LookReply.MessagePage(
                        requestId,
                        node,
                        messages,
                        notes,
                        result.doneCount(),
                        result.totalCount(),
                        result.cursor() == null ? "" : result.cursor().toString()));
    }

    /** Takes a message; returns whether there is room for more. */
    final boolean add(long offset, RecordView view, RecordView body) throws CorruptRecordException {
        StoredMessage message = QueueScan.copy(topic, queue, offset, view, body);
        bytes += message.message().body().length;
        messages.add(message);
        return !isFull();
    }

    final void note(String note) {
        notes.add(note);
    }

    @Override
    public final void queue(int number) {
        queue = number;
    }

    @Override
    public final boolean isFull() {
        return messages.size() >= countMax
                || bytes >= bytesMax
                || notes.size() >= NOTES_MAX
                || clock.millis() >= endMillis;
    }

    @Override
    public final boolean isEmpty() {
        return messages.isEmpty() && notes.isEmpty();
    }

    @Override
    public final boolean unreadable(long offset, String reason) {
        note("queue " + queue + ", offset " + offset + " cannot be read: " + reason);
        return !isFull();
    }
}
