package io.forebay.look;

import io.forebay.protocol.LookCommand;
import io.forebay.protocol.LookReply;
import io.forebay.protocol.Refusal;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.RecordView;
import io.forebay.store.StripeHandle;
import io.forebay.topic.TopicDirectory;
import java.util.List;

/** Stored messages as they lie, queue by queue. */
final class PeekJob implements ReadJob<LookReply> {
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
        boolean isEvery = request.queue() == LookCommand.EVERY_QUEUE;
        int first = isEvery ? 0 : request.queue();
        int last = isEvery ? topic.queues().size() - 1 : request.queue();
        return new Page().read(new TopicScan(topic, stripes), first, last, request.cursor(), request.requestId(), node);
    }

    /** Every message. */
    private final class Page extends MessagePage {
        Page() {
            super(
                    topic.name(),
                    request.countMax(),
                    request.bytesMax(),
                    stripes.get(0).clock());
        }

        @Override
        public long begin(QueueScan scan) {
            long first = scan.firstOffset();
            long next = scan.nextOffset();
            if (request.offset() >= 0 && (request.offset() < first || request.offset() > next)) {
                note("queue " + request.queue() + " has offsets " + first + " to " + (next - 1) + ", not "
                        + request.offset());
            }
            return Math.min(next, Math.max(first, request.offset()));
        }

        @Override
        public boolean message(long offset, RecordView view, RecordView body) throws CorruptRecordException {
            return add(offset, view, body);
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
