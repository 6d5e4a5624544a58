package io.forebay.peers.chronicle;

import io.forebay.yardstick.Batch;
import io.forebay.yardstick.Contestant;
import io.forebay.yardstick.Intake;
import io.forebay.yardstick.Setup;
import io.forebay.yardstick.Shape;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.bytes.SyncMode;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptAppender;
import net.openhft.chronicle.queue.ExcerptTailer;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueueBuilder;
import net.openhft.chronicle.wire.DocumentContext;

/**
 * Chronicle Queue: what a mapped file in Java can do without acknowledgements. A queue is a directory of its own; each sender
 * appends, each receiver tails its share of the queues. Nothing is acked and nothing comes again: where a tailer is, is all
 * that is known.
 *
 * <p>A send is confirmed when it is in the map, which survives a kill of the process; flushed, behind {@code sync()} of each
 * batch with {@link SyncMode#SYNC}, without which that call does nothing.
 */
public final class ChronicleContestant implements Contestant {
    private static final long IDLE_NANOS = 20_000;

    private final Map<String, String> settings = new LinkedHashMap<>();
    private Path directory;
    private SyncMode syncMode;

    @Override
    public void start(Setup setup) {
        directory = setup.directory();
        syncMode = setup.isFlushed() ? SyncMode.SYNC : SyncMode.NONE;
        settings.put("syncMode", syncMode.toString());
        settings.put("sync()", setup.isFlushed() ? "after each batch" : "never");
        settings.put("doubleBuffer", "false");
        settings.put("tailers", "one for each queue, polled");
    }

    @Override
    public Map<String, String> settings() {
        return settings;
    }

    @Override
    public Channel open(Shape shape) {
        return new Queues(shape);
    }

    @Override
    public void close() {
        // Each run has closed its own.
    }

    private final class Queues implements Channel {
        private final Shape shape;
        private final List<ChronicleQueue> queues = new ArrayList<>();

        Queues(Shape shape) {
            this.shape = shape;
            for (int number = 0; number < shape.queues(); number++) {
                queues.add(SingleChronicleQueueBuilder.single()
                        .path(directory.resolve(shape.name()).resolve("queue-" + number))
                        .syncMode(syncMode)
                        .build());
            }
        }

        @Override
        public Sender sender(int index) {
            return new Appenders(queues);
        }

        @Override
        public void receive(int index, Intake intake) {
            List<ExcerptTailer> tailers = new ArrayList<>();
            for (int number = index; number < queues.size(); number += shape.receivers()) {
                tailers.add(queues.get(number).createTailer());
            }
            while (!intake.isOver()) {
                int count = 0;
                for (ExcerptTailer tailer : tailers) {
                    count += read(tailer, intake);
                }
                if (count == 0) {
                    LockSupport.parkNanos(IDLE_NANOS);
                } else {
                    intake.acked(count);
                }
            }
            tailers.forEach(ExcerptTailer::close);
        }

        private int read(ExcerptTailer tailer, Intake intake) {
            int count = 0;
            while (count < shape.popCountMax()) {
                try (DocumentContext document = tailer.readingDocument()) {
                    if (!document.isPresent()) {
                        return count;
                    }
                    Bytes<?> bytes = document.wire().bytes();
                    byte[] body = new byte[(int) bytes.readRemaining()];
                    bytes.read(body);
                    if (!intake.take(body)) {
                        throw new UnsupportedOperationException("what a tailer has read does not come again");
                    }
                    count++;
                }
            }
            return count;
        }

        @Override
        public void close() {
            queues.forEach(ChronicleQueue::close);
        }
    }

    /** Confined to its sender's thread. */
    private final class Appenders implements Sender {
        private final List<ChronicleQueue> queues;
        private final Map<Integer, ExcerptAppender> appenders = new LinkedHashMap<>();

        Appenders(List<ChronicleQueue> queues) {
            this.queues = queues;
        }

        @Override
        public void send(Batch batch) {
            ExcerptAppender appender = appenders.computeIfAbsent(
                    batch.queue(), number -> queues.get(number).createAppender());
            for (int i = 0; i < batch.count(); i++) {
                try (DocumentContext document = appender.writingDocument()) {
                    document.wire().bytes().write(batch.body(i));
                }
            }
            if (syncMode == SyncMode.SYNC) {
                appender.sync();
            }
            batch.confirmed();
        }

        @Override
        public void close() {
            appenders.values().forEach(ExcerptAppender::close);
        }
    }
}
