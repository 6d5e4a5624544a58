package io.forebay.look;

import io.forebay.store.StripeHandle;
import io.forebay.topic.TopicDirectory;
import java.util.List;

/** Reads the queues of a topic one after the other, from a cursor to wherever a page is full. Confined to one thread. */
final class TopicScan {
    /** What a page takes. */
    interface Page extends QueueScan.Sink {
        /** A queue begins. */
        void queue(int number);

        /** Where to begin in a queue that no earlier page has begun. */
        long begin(QueueScan scan);

        /** Whether it ends here; a sink that wants no more and is not full is done with this queue only. */
        boolean isFull();

        boolean isEmpty();
    }

    /**
     * How it ended.
     *
     * @param cursor null if there is nothing further
     * @param doneCount messages before the cursor, in all queues
     * @param isAgain whether nothing was read because a stripe cannot be read for now
     */
    record Result(Cursor cursor, long doneCount, long totalCount, boolean isAgain) {}

    private final TopicDirectory.TopicRoute topic;
    private final List<StripeHandle> stripes;

    TopicScan(TopicDirectory.TopicRoute topic, List<StripeHandle> stripes) {
        this.topic = topic;
        this.stripes = stripes;
    }

    QueueScan queue(int number) {
        TopicDirectory.QueueRoute route = topic.queues().get(number);
        return new QueueScan(route, stripes.get(route.stripeId()));
    }

    /**
     * @param lastQueue inclusive
     * @param from where to go on; null to begin
     */
    Result read(int firstQueue, int lastQueue, Cursor from, Page page) {
        Cursor cursor = null;
        Cursor before = null;
        long doneCount = 0;
        long totalCount = 0;
        for (int number = firstQueue; number <= lastQueue; number++) {
            QueueScan scan = queue(number);
            long first = scan.firstOffset();
            long end = scan.nextOffset();
            totalCount += end - first;
            if (from != null && number < from.first()) {
                doneCount += end - first;
            }
            if (cursor != null || (from != null && number < from.first())) {
                continue;
            }
            boolean isContinued = from != null && number == from.first();
            long offset = isContinued ? Math.max(first, from.second()) : page.begin(scan);
            if (scan.isNotReadable()) {
                if (before == null) {
                    return new Result(null, 0, 0, true);
                }
                cursor = before;
                continue;
            }
            page.queue(number);
            long next = offset < end ? scan.read(offset, end, page) : offset;
            doneCount += Math.max(0, Math.min(next, end) - first);
            before = new Cursor(number, Math.max(next, end));
            if (scan.isNotReadable()) {
                if (page.isEmpty() && next == offset) {
                    return new Result(null, 0, 0, true);
                }
                cursor = new Cursor(number, next);
            } else if (page.isFull() && (next < end || number < lastQueue)) {
                cursor = new Cursor(number, next);
            }
        }
        return new Result(cursor, doneCount, totalCount, false);
    }
}
