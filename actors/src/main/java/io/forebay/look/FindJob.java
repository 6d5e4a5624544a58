package io.forebay.look;

import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.MessageLimits;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.StoredMessage;
import io.forebay.queue.MessageForm;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.MessageView;
import io.forebay.storage.log.RecordType;
import io.forebay.storage.log.RecordView;
import io.forebay.store.StripeHandle;
import io.forebay.topic.TopicDirectory;
import java.util.ArrayList;
import java.util.List;

/** Looks through a topic, queue by queue, for messages with an id or a key. */
final class FindJob implements ReadJob<LookReply> {
    /** Most bytes of bodies of one page; one message is given however large it is. */
    private static final long BYTES_MAX = 4 << 20;

    private static final int NOTES_MAX = 100;

    private final LookCommand.Find request;
    private final String node;
    private final TopicDirectory.TopicRoute topic;
    private final List<StripeHandle> stripes;

    FindJob(LookCommand.Find request, String node, TopicDirectory.TopicRoute topic, List<StripeHandle> stripes) {
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
        Page page = new Page();
        TopicScan.Result result =
                new TopicScan(topic, stripes).read(0, topic.queues().size() - 1, from, page);
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
        private final MessageView fields = new MessageView();
        private final long endNanos = System.nanoTime() + NANOS_MAX;
        private int queue;
        private long bytes;
        private int lookedAtCount;

        @Override
        public void queue(int number) {
            queue = number;
        }

        @Override
        public long begin(QueueScan scan) {
            return request.sinceMillis() == LookCommand.NO_TIME
                    ? scan.firstOffset()
                    : scan.offsetAt(request.sinceMillis());
        }

        @Override
        public boolean isFull() {
            return messages.size() >= request.countMax()
                    || bytes >= BYTES_MAX
                    || notes.size() >= NOTES_MAX
                    || System.nanoTime() >= endNanos;
        }

        @Override
        public boolean isEmpty() {
            return messages.isEmpty() && notes.isEmpty();
        }

        @Override
        public boolean message(long offset, RecordView view, RecordView body) throws CorruptRecordException {
            if (request.untilMillis() != LookCommand.NO_TIME && view.logTimeMillis() >= request.untilMillis()) {
                return false;
            }
            if (body != null && isWanted(body)) {
                StoredMessage message = QueueScan.copy(topic.name(), queue, offset, view, body);
                bytes += message.message().body().length;
                messages.add(message);
                return !isFull();
            }
            // Most messages are passed over in less time than it takes to ask the clock.
            return (++lookedAtCount & 63) != 0 || !isFull();
        }

        private boolean isWanted(RecordView body) throws CorruptRecordException {
            if (body.type() != RecordType.MESSAGE) {
                return false;
            }
            fields.wrap(body.bytes(), body.bodyAt(), body.bodyBytes());
            if (!request.id().isEmpty() && !request.id().equals(fields.id())) {
                return false;
            }
            if (request.key().isEmpty()) {
                return true;
            }
            String keys = fields.keys();
            return keys != null && MessageForm.split(keys).contains(request.key());
        }

        @Override
        public boolean unreadable(long offset, String reason) {
            notes.add("queue " + queue + ", offset " + offset + " cannot be read: " + reason);
            return !isFull();
        }
    }

    /** Null if it can be answered. */
    static Refusal check(LookCommand.Find request) {
        if (request.id().isEmpty() && request.key().isEmpty()) {
            return Refusal.of(Refusal.Code.ILLEGAL_ARGUMENT, "an id or a key to find is needed");
        }
        if (request.id().length() > MessageLimits.ID_CHARS_MAX) {
            return Refusal.tooLarge(
                    "the id to find", request.id().length() + " characters", "at most " + MessageLimits.ID_CHARS_MAX);
        }
        if (request.key().length() > MessageLimits.KEY_CHARS_MAX) {
            return Refusal.tooLarge(
                    "the key to find",
                    request.key().length() + " characters",
                    "at most " + MessageLimits.KEY_CHARS_MAX);
        }
        Refusal refusal = checkTime("since", request.sinceMillis());
        refusal = refusal != null ? refusal : checkTime("until", request.untilMillis());
        return refusal != null ? refusal : LookDesk.checkCount(request.countMax());
    }

    private static Refusal checkTime(String what, long millis) {
        return millis >= LookCommand.NO_TIME
                ? null
                : Refusal.illegalArgument(what, millis, "milliseconds since 1970, or -1 for no bound");
    }
}
