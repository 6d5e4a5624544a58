package io.forebay.look;

import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.StoredMessage;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.RecordView;
import io.forebay.store.StripeHandle;
import io.forebay.topic.TopicDirectory;
import java.util.ArrayList;
import java.util.List;

/** Stored messages as they lie, queue by queue. */
final class PeekJob implements ReadJob<LookReply> {
    private static final int NOTES_MAX = 100;

    private final LookCommand.Peek request;
    private final String node;
    private final TopicDirectory.TopicRoute topic;
    private final List<StripeHandle> stripes;

    PeekJob(LookCommand.Peek request, String node, TopicDirectory.TopicRoute topic, List<StripeHandle> stripes) {
        this.request = request;
        this.node = node;
        this.topic = topic;
        this.stripes = stripes;
    }

    @Override
    public Outcome<LookReply> run() {
        Cursor from = request.cursor().isEmpty() ? null : Cursor.parseOrNull(request.cursor());
        if (from == null && !request.cursor().isEmpty()) {
            return Outcome.refused(Cursor.illegal(request.cursor()));
        }
        boolean isEvery = request.queue() == LookCommand.EVERY_QUEUE;
        Page page = new Page();
        TopicScan.Result result = new TopicScan(topic, stripes)
                .read(isEvery ? 0 : request.queue(), isEvery ? topic.queues().size() - 1 : request.queue(), from, page);
        return result.isAgain()
                ? Outcome.again()
                : Outcome.of(new LookReply.MessagePage(
                        request.requestId(),
                        node,
                        page.messages,
                        page.notes,
                        result.doneCount(),
                        result.totalCount(),
                        result.cursor() == null ? "" : result.cursor().toString()));
    }

    /** What has been gathered. */
    private final class Page implements TopicScan.Page {
        private final List<StoredMessage> messages = new ArrayList<>();
        private final List<String> notes = new ArrayList<>();
        private final long endNanos = System.nanoTime() + NANOS_MAX;
        private int queue;
        private long bytes;

        @Override
        public void queue(int number) {
            queue = number;
        }

        @Override
        public long begin(QueueScan scan) {
            long first = scan.firstOffset();
            long next = scan.nextOffset();
            if (request.offset() >= 0 && (request.offset() < first || request.offset() > next)) {
                notes.add("queue " + request.queue() + " has offsets " + first + " to " + (next - 1) + ", not "
                        + request.offset());
            }
            return Math.min(next, Math.max(first, request.offset()));
        }

        @Override
        public boolean isFull() {
            return messages.size() >= request.countMax()
                    || bytes >= request.bytesMax()
                    || notes.size() >= NOTES_MAX
                    || System.nanoTime() >= endNanos;
        }

        @Override
        public boolean isEmpty() {
            return messages.isEmpty() && notes.isEmpty();
        }

        @Override
        public boolean message(long offset, RecordView view, RecordView body) throws CorruptRecordException {
            StoredMessage message = QueueScan.copy(topic.name(), queue, offset, view, body);
            bytes += message.message().body().length;
            messages.add(message);
            return !isFull();
        }

        @Override
        public boolean unreadable(long offset, String reason) {
            notes.add("queue " + queue + ", offset " + offset + " cannot be read: " + reason);
            return !isFull();
        }
    }

    /** Null if it can be answered. */
    static Refusal check(LookCommand.Peek request, TopicDirectory.TopicRoute topic) {
        Refusal refusal = LookDesk.checkQueue(request.queue(), topic);
        if (refusal != null) {
            return refusal;
        }
        if (request.offset() < -1) {
            return Refusal.illegalArgument("offset", request.offset(), "0 or more, or -1 for the oldest message");
        }
        if (request.offset() >= 0 && (request.queue() < 0 || !request.group().isEmpty())) {
            return Refusal.of(
                    Refusal.Code.ILLEGAL_ARGUMENT, "an offset to peek at needs the number of a queue and no group");
        }
        if (request.bytesMax() < 1) {
            return Refusal.illegalArgument("the number of bytes to peek at", request.bytesMax(), "at least 1");
        }
        return LookDesk.checkCount(request.countMax());
    }
}
