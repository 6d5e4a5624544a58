package io.forebay.queue;

import io.forebay.protocol.Delivery;
import io.forebay.protocol.Message;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.queue.core.Checkpoint;
import io.forebay.queue.core.GroupQueueState;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.EntryRecord;
import io.forebay.storage.log.MessageView;
import io.forebay.storage.log.QueueReader;
import io.forebay.storage.log.RecordView;
import io.forebay.store.StripeHandle;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Makes deliveries of a checkpoint's messages. What a {@link Job} reads was fixed when it was made, so that it may run
 * on another thread while the group goes on deciding; at most one job runs at a time.
 */
final class DeliveryReader {

    /** What to read: ranges of offsets with the attempt and the deadline of each. */
    static final class Job {
        private final Checkpoint checkpoint;
        private final long sequence;
        private final long bytesMax;
        private long[] firstOffsets = new long[4];
        private int[] counts = new int[4];
        private int[] attempts = new int[4];
        private long[] deadlines = new long[4];
        private int rangeCount;
        private int messageCount;

        private Job(Checkpoint checkpoint, long bytesMax) {
            this.checkpoint = checkpoint;
            this.sequence = checkpoint.sequence();
            this.bytesMax = bytesMax;
        }

        boolean isEmpty() {
            return rangeCount == 0;
        }

        /** The oldest message to read: if that is in memory all are. */
        long lowestOffset() {
            long lowest = Long.MAX_VALUE;
            for (int range = 0; range < rangeCount; range++) {
                lowest = Math.min(lowest, firstOffsets[range]);
            }
            return lowest;
        }

        private void add(long offset, int attempt, long deadlineMillis) {
            messageCount++;
            int last = rangeCount - 1;
            if (last >= 0
                    && firstOffsets[last] + counts[last] == offset
                    && attempts[last] == attempt
                    && deadlines[last] == deadlineMillis) {
                counts[last]++;
                return;
            }
            if (rangeCount == counts.length) {
                firstOffsets = Arrays.copyOf(firstOffsets, rangeCount * 2);
                counts = Arrays.copyOf(counts, rangeCount * 2);
                attempts = Arrays.copyOf(attempts, rangeCount * 2);
                deadlines = Arrays.copyOf(deadlines, rangeCount * 2);
            }
            firstOffsets[rangeCount] = offset;
            counts[rangeCount] = 1;
            attempts[rangeCount] = attempt;
            deadlines[rangeCount++] = deadlineMillis;
        }
    }

    /**
     * What a job gave.
     *
     * @param tooMany what is beyond the bytes asked for, or behind what the device does not give: nobody has seen it
     * @param unreadable what is damaged, or not there
     * @param failedOrNull what the device does not give for now; it is among {@code tooMany}
     * @param isRewriting whether the stripe cannot be read for now; the rest is void then
     */
    record Outcome(
            List<Delivery> deliveries,
            long bodyBytes,
            List<ReceiptHandle> tooMany,
            List<Unreadable> unreadable,
            Unreadable failedOrNull,
            boolean isRewriting) {}

    private final GroupQueue.Identity identity;
    private final StripeHandle stripe;
    /** Made when first used: most queues of many are idle. */
    private QueueReader reader;

    DeliveryReader(GroupQueue.Identity identity, StripeHandle stripe) {
        this.identity = identity;
        this.stripe = stripe;
    }

    /** The deliveries of the checkpoint that are in flight now. */
    Job job(GroupQueueState state, Checkpoint checkpoint, long bytesMax) {
        Job job = new Job(checkpoint, bytesMax);
        state.visitInFlight(checkpoint, job::add);
        return job;
    }

    /** Reads and decodes; may wait for the device if the messages are cold. */
    Outcome read(Job job) {
        QueueReader bodies = reader();
        Assembly assembly = new Assembly(job);
        for (int range = 0; range < job.rangeCount; range++) {
            assembly.begin(range);
            long next = job.firstOffsets[range];
            long end = next + job.counts[range];
            while (next < end) {
                if (assembly.isFull()) {
                    assembly.tooMany(next++);
                    continue;
                }
                QueueReader.Result result = bodies.read(next, (int) (end - next), assembly.bytesLeft(), assembly);
                next = result.nextOffset();
                switch (result.status()) {
                    case READ -> {
                        if (result.count() == 0) {
                            assembly.unreadable.add(Unreadable.missing(next++, "it is not stored"));
                        }
                    }
                    case NOT_READABLE -> {
                        return new Outcome(List.of(), 0, List.of(), List.of(), null, true);
                    }
                    case FAILED -> assembly.failed = Unreadable.of(result);
                    case QUARANTINED, GONE -> {
                        assembly.unreadable.add(Unreadable.of(result));
                        next++;
                    }
                }
            }
        }
        return new Outcome(
                assembly.deliveries, assembly.bodyBytes, assembly.tooMany, assembly.unreadable, assembly.failed, false);
    }

    /** Only looks whether a message can be read; waits for the device. */
    QueueReader.Result probe(long offset) {
        return reader().read(offset, 1, 1, (at, message, body) -> {});
    }

    /** Of all that a job is to read. */
    List<ReceiptHandle> handles(Job job) {
        List<ReceiptHandle> handles = new ArrayList<>(job.messageCount);
        for (int range = 0; range < job.rangeCount; range++) {
            for (int i = 0; i < job.counts[range]; i++) {
                handles.add(handle(job, job.firstOffsets[range] + i));
            }
        }
        return handles;
    }

    private QueueReader reader() {
        if (reader == null) {
            reader = stripe.log().newReader(identity.queueId());
        }
        return reader;
    }

    private final class Assembly implements QueueReader.Sink {
        private final Job job;
        private final MessageView stored = new MessageView();
        private final List<Delivery> deliveries;
        private final List<Unreadable> unreadable = new ArrayList<>(0);
        private List<ReceiptHandle> tooMany = List.of();
        private int attempt;
        private long deadlineMillis;
        private long bodyBytes;
        private Unreadable failed;

        Assembly(Job job) {
            this.job = job;
            deliveries = new ArrayList<>(job.messageCount);
        }

        void begin(int range) {
            attempt = job.attempts[range];
            deadlineMillis = job.deadlines[range];
        }

        boolean isFull() {
            return failed != null || (!deliveries.isEmpty() && bodyBytes >= job.bytesMax);
        }

        long bytesLeft() {
            return Math.max(1, job.bytesMax - bodyBytes);
        }

        void tooMany(long offset) {
            if (tooMany.isEmpty()) {
                tooMany = new ArrayList<>();
            }
            tooMany.add(handle(job, offset));
        }

        @Override
        public void message(long offset, RecordView view, RecordView bodyView) throws CorruptRecordException {
            if (bodyView == null) {
                unreadable.add(Unreadable.withoutBody(offset));
                return;
            }
            bodyView.show(stored);
            Message message = MessageForm.toMessage(identity.topic(), stored);
            if (view != bodyView
                    && view.decode() instanceof EntryRecord entry
                    && !entry.properties().isEmpty()) {
                message = withProperties(message, entry.properties());
            }
            long size = message.body().length;
            if (!deliveries.isEmpty() && bodyBytes + size > job.bytesMax) {
                // Full from here on: order within the queue is kept for what goes back.
                bodyBytes = Math.max(bodyBytes, job.bytesMax);
                tooMany(offset);
                return;
            }
            bodyBytes += size;
            deliveries.add(new Delivery(
                    message,
                    identity.group(),
                    identity.queueNumber(),
                    offset,
                    attempt,
                    handle(job, offset),
                    deadlineMillis,
                    job.checkpoint.poppedMillis()));
        }
    }

    private ReceiptHandle handle(Job job, long offset) {
        return new ReceiptHandle(
                identity.nodeId(),
                stripe.stripeId(),
                identity.queueId(),
                identity.groupId(),
                offset,
                job.checkpoint.epoch(),
                job.sequence,
                job.checkpoint.nonce());
    }

    private static Message withProperties(Message message, Map<String, String> added) {
        Map<String, String> properties = new LinkedHashMap<>(message.properties());
        properties.putAll(added);
        return Message.unchecked(
                message.topic(),
                message.id(),
                message.body(),
                message.tag(),
                message.keys(),
                message.messageGroup(),
                message.deliverAtMillis(),
                message.lane(),
                message.priority(),
                java.util.Collections.unmodifiableMap(properties),
                message.bornMillis(),
                message.bornHost(),
                message.traceContext(),
                message.producerId(),
                message.producerSequence());
    }
}
