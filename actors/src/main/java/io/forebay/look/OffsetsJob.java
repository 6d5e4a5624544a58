package io.forebay.look;

import io.forebay.queue.Queue;
import io.forebay.store.StripeHandle;
import io.forebay.topic.TopicDirectory;
import java.util.List;

/** Finds in each of some queues the first message that was stored at a log time or later. */
final class OffsetsJob implements ReadJob<long[]> {
    private final List<TopicDirectory.QueueRoute> queues;
    private final List<Object> ranges;
    private final List<StripeHandle> stripes;
    private final long millis;
    private final long[] offsets;
    private int foundCount;

    /** @param ranges what each queue has said: an {@link Queue.OffsetRange}, or anything else if it does not know */
    OffsetsJob(List<TopicDirectory.QueueRoute> queues, List<Object> ranges, List<StripeHandle> stripes, long millis) {
        this.queues = queues;
        this.ranges = ranges;
        this.stripes = stripes;
        this.millis = millis;
        offsets = new long[queues.size()];
    }

    /** Not bounded by time: some reads for each queue. */
    @Override
    public Outcome<long[]> run() {
        for (; foundCount < offsets.length; foundCount++) {
            TopicDirectory.QueueRoute queue = queues.get(foundCount);
            QueueScan scan = new QueueScan(queue, stripes.get(queue.stripeId()));
            offsets[foundCount] = ranges.get(foundCount) instanceof Queue.OffsetRange range
                    ? scan.offsetAt(millis, range.low(), range.high())
                    : scan.offsetAt(millis);
            if (scan.isNotReadable()) {
                return Outcome.again();
            }
        }
        return Outcome.of(offsets);
    }
}
