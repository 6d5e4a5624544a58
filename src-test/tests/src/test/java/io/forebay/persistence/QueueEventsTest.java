package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.persistence.core.EventDraft;
import io.forebay.persistence.core.EventTable;
import io.forebay.storage.log.FlushRange;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RecoverySink;
import io.forebay.storage.log.StripeLog;
import io.forebay.storage.log.StripeOptions;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.SeededRun;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * Events of several queues are read in the order in which they were written, from anywhere, while more is written, flushed, deleted
 * and given back. Invariants: I1 none that is flushed and not deleted is left out; I2 none is invented, told of twice, or told of
 * before it is flushed; I3 order.
 */
class QueueEventsTest {
    private static final int QUEUES = 3;
    private static final int READ_AT_ONCE = 5;

    /** An event of the model. */
    private record Written(int queue, long offset, String id, long sequenceNr, boolean isWanted, long millis) {}

    private static final class Nothing implements RecoverySink {
        @Override
        public void snapshot(RecordView part) {}

        @Override
        public void record(RecordView record) {}
    }

    private static final class Run {
        private final RandomGenerator random;
        private final StripeLog log;
        private final List<EventTable> tables = new ArrayList<>();
        /** By sequence. */
        private final TreeMap<Long, Written> written = new TreeMap<>();

        private long millis = 1_000;

        Run(RandomGenerator random) throws IOException {
            this.random = random;
            log = StripeLog.open(
                    new MemoryDisk(), new StripeOptions(0, 64 * 1024, 64, 32 * 1024, 2), millis, new Nothing());
            for (int queue = 0; queue < QUEUES; queue++) {
                tables.add(new EventTable(16));
            }
        }

        void append() throws IOException {
            int queue = random.nextInt(QUEUES);
            EventTable table = tables.get(queue);
            String id = "q" + queue + "|" + random.nextInt(4);
            List<EventDraft> drafts = new ArrayList<>();
            boolean isWanted = random.nextInt(3) > 0;
            long number = table.place(id).highestSequenceNr();
            for (int count = random.nextInt(1, 5); count > 0; count--) {
                drafts.add(EventDraft.of(
                        ++number,
                        1,
                        1,
                        "",
                        new byte[random.nextInt(3_000)],
                        "",
                        "",
                        isWanted ? List.of("t") : List.of()));
            }
            List<LogRecord> records = table.decideWrite(id, drafts, millis);
            Frame.Builder builder = Frame.builder(500);
            for (LogRecord record : records) {
                table.apply(record);
                builder.add(Owner.queue(queueId(queue)), record);
            }
            Frame frame = builder.build();
            millis += random.nextInt(3);
            log.append(frame, millis);
            int first = records.size() - drafts.size();
            for (int event = 0; event < drafts.size(); event++) {
                written.put(
                        frame.firstSequence() + first + event,
                        new Written(
                                queue,
                                frame.queueOffset(first + event),
                                id,
                                drafts.get(event).sequenceNr(),
                                isWanted,
                                millis));
            }
        }

        void flush() throws IOException {
            FlushRange range = log.takeUnflushed();
            if (range != null) {
                log.force(range);
                log.forced(range);
            }
        }

        /** All of one id, and what of the queue is deleted at its beginning is given back. */
        void delete() {
            int queue = random.nextInt(QUEUES);
            EventTable table = tables.get(queue);
            LogRecord record = table.decideDelete("q" + queue + "|" + random.nextInt(4), random.nextInt(1, 200));
            if (record != null) {
                table.apply(record);
            }
            long kept = written.values().stream()
                    .filter(of -> of.queue == queue && !isDeleted(of))
                    .mapToLong(Written::offset)
                    .min()
                    .orElse(0);
            log.releaseBelow(queueId(queue), kept);
        }

        private boolean isDeleted(Written event) {
            return event.sequenceNr <= tables.get(event.queue).place(event.id).deletedTo();
        }

        EventMerge merge(QueueEvents.Start start, QueueEvents.Filter filter) {
            List<QueueEvents> queues = new ArrayList<>();
            for (int queue = 0; queue < QUEUES; queue++) {
                queues.add(new QueueEvents(
                        log, queueId(queue), tables.get(queue).ids(), start, filter, READ_AT_ONCE, 4_096));
            }
            return new EventMerge(queues);
        }
    }

    private static int queueId(int queue) {
        return Owner.RESERVED_FROM + queue;
    }

    /** One reader, from somewhere. */
    private static final class Reader {
        private final Run run;
        private final EventMerge merge;
        private long toldTo;

        Reader(Run run) {
            this.run = run;
            long from = run.random.nextLong(run.written.isEmpty() ? 1 : run.written.lastKey() + 3);
            toldTo = from;
            merge = run.merge(
                    (sequence, millis) -> sequence <= from,
                    stored -> stored.sequence() > from && !stored.event().tags().isEmpty());
        }

        /** Reads on, some or all of it, and compares. */
        void read(boolean isAll) throws Exception {
            long durable = run.log.durableSequence();
            List<StoredEvent> told = new ArrayList<>();
            boolean hasMore;
            do {
                int before = told.size();
                int eventsMax = run.random.nextInt(1, 30);
                hasMore = merge.handOut(durable, eventsMax, Long.MAX_VALUE, told::add);
                assertThat(told.size() - before).isLessThanOrEqualTo(eventsMax);
            } while (isAll && hasMore);
            long end = hasMore
                    ? told.isEmpty() ? toldTo : told.get(told.size() - 1).sequence()
                    : durable;
            List<Long> expected = new ArrayList<>();
            run.written.subMap(toldTo, false, Math.max(toldTo, end), true).forEach((sequence, event) -> {
                if (event.isWanted && !run.isDeleted(event)) {
                    expected.add(sequence);
                }
            });
            assertThat(told).extracting(StoredEvent::sequence).isEqualTo(expected);
            for (StoredEvent event : told) {
                Written of = run.written.get(event.sequence());
                assertThat(event.persistenceId()).isEqualTo(of.id);
                assertThat(event.event().sequenceNr()).isEqualTo(of.sequenceNr);
                assertThat(event.logTimeMillis()).isEqualTo(of.millis);
            }
            toldTo = Math.max(toldTo, end);
        }
    }

    @Test
    void whatIsFlushedIsToldOfOnceInOrder() {
        SeededRun.run("events of several queues", (random, progress) -> {
            Run run = new Run(random);
            List<Reader> readers = new ArrayList<>();
            long steps = SeededRun.steps(1_500);
            for (int step = 0; step < steps; step++) {
                progress.at(step);
                int choice = random.nextInt(100);
                if (choice < 50) {
                    run.append();
                } else if (choice < 65) {
                    run.flush();
                } else if (choice < 70) {
                    run.delete();
                } else if (choice < 80) {
                    readers.add(new Reader(run));
                    if (readers.size() > 6) {
                        readers.remove(0);
                    }
                } else if (!readers.isEmpty()) {
                    readers.get(random.nextInt(readers.size())).read(random.nextInt(3) == 0);
                }
            }
            run.flush();
            for (Reader reader : readers) {
                reader.read(true);
            }
            run.log.close(false);
        });
    }

    /** From any time on, and nothing is read that lies before it but for the search. */
    @Test
    void aStartIsFoundInHalves() {
        SeededRun.run("starts", (random, progress) -> {
            Run run = new Run(random);
            for (int step = 0; step < 500; step++) {
                run.append();
            }
            run.flush();
            for (int step = 0; step < 50; step++) {
                progress.at(step);
                long from = random.nextLong(990, run.millis + 10);
                int[] looked = {0};
                List<Long> told = new ArrayList<>();
                List<StoredEvent> filtered = new ArrayList<>();
                EventMerge merge = run.merge(
                        (sequence, millis) -> {
                            looked[0]++;
                            return millis < from;
                        },
                        stored -> {
                            filtered.add(stored);
                            return true;
                        });
                while (merge.handOut(
                        run.log.durableSequence(), 10, Long.MAX_VALUE, event -> told.add(event.sequence()))) {
                    assertThat(filtered.size() - told.size())
                            .as("read ahead")
                            .isLessThanOrEqualTo(QUEUES * READ_AT_ONCE);
                }
                assertThat(told)
                        .isEqualTo(run.written.entrySet().stream()
                                .filter(of -> of.getValue().millis >= from)
                                .map(java.util.Map.Entry::getKey)
                                .toList());
                assertThat(filtered).hasSameSizeAs(told);
                assertThat(looked[0]).isLessThanOrEqualTo(QUEUES * 12);
            }
            run.log.close(false);
        });
    }
}
