package io.forebay.look;

import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.MessageLimits;
import io.forebay.protocol.Refusal;
import io.forebay.queue.MessageForm;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.MessageView;
import io.forebay.storage.log.RecordType;
import io.forebay.storage.log.RecordView;
import io.forebay.store.StripeHandle;
import io.forebay.topic.TopicDirectory;
import java.util.List;

/** Looks through a topic, queue by queue, for messages with an id or a key. */
final class FindJob implements ReadJob<LookReply> {
    /** Most bytes of bodies of one page; one message is given however large it is. */
    private static final long BYTES_MAX = 4 << 20;

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
        return new Page()
                .read(
                        new TopicScan(topic, stripes),
                        0,
                        topic.queues().size() - 1,
                        request.cursor(),
                        request.requestId(),
                        node);
    }

    /** What is meant. */
    private final class Page extends MessagePage {
        private final MessageView fields = new MessageView();
        private int lookedAtCount;

        Page() {
            super(topic.name(), request.countMax(), BYTES_MAX, stripes.get(0).clock());
        }

        @Override
        public long begin(QueueScan scan) {
            return request.sinceMillis() == LookCommand.NO_TIME
                    ? scan.firstOffset()
                    : scan.offsetAt(request.sinceMillis());
        }

        @Override
        public boolean message(long offset, RecordView view, RecordView body) throws CorruptRecordException {
            if (request.untilMillis() != LookCommand.NO_TIME && view.logTimeMillis() >= request.untilMillis()) {
                return false;
            }
            if (body != null && isWanted(body)) {
                return add(offset, view, body);
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
