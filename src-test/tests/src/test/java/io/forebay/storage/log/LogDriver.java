package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.io.StorageDirectory;
import io.forebay.testkit.faults.DiskCrashed;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.random.RandomGenerator;

/** Drives a stripe's log as the StoreWriter does, beside a {@link LogModel}, and compares the two. */
final class LogDriver {
    static final StripeOptions OPTIONS = new StripeOptions(3, 64 * 1024, 64, 32 * 1024, 2, 4);
    private static final int QUEUES = 4;
    /** Little is sent to it, and that is kept for long. */
    private static final int SLOW_QUEUE = 1;
    /** It holds entries that name bodies in the others. */
    private static final int ENTRY_QUEUE = 5;

    private static final int GROUPS = 2;

    final LogModel model;
    StripeLog log;
    LogModel.Sink recovered;
    private final Map<Integer, Long> released;
    private FlushRange outstanding;
    private long nextId;

    /** Opens the log and checks that it holds what the model says, at least up to a sequence. */
    LogDriver(StorageDirectory disk, LogModel model, Map<Integer, Long> released, long promised) throws IOException {
        this(disk, OPTIONS, model, released, promised);
    }

    LogDriver(StorageDirectory disk, StripeOptions options, LogModel model, Map<Integer, Long> released, long promised)
            throws IOException {
        this.model = model;
        this.released = released;
        recovered = new LogModel.Sink();
        log = StripeLog.open(disk, options, 1_000, recovered);
        nextId = log.epoch() << 40;
        try {
            assertThat(log.report().keptToSequence())
                    .as("what was promised is there: %s", log.report())
                    .isBetween(promised, model.lastSequence());
            model.cutBehind(log.report().keptToSequence());
            assertThat(recovered.states).as("%s", log.report()).isEqualTo(model.states());
            assertThat(log.durableSequence()).isEqualTo(model.lastSequence());
            checkMessages();
        } catch (Throwable e) {
            log.close(false);
            throw e;
        }
    }

    static LogDriver fresh(StorageDirectory disk) throws IOException {
        return new LogDriver(disk, new LogModel(), new HashMap<>(), 0);
    }

    Map<Integer, Long> released() {
        return released;
    }

    /** Appends a frame of some records of some owners. */
    void append(RandomGenerator random) throws StripeException {
        Frame.Builder builder = Frame.builder(256);
        List<LogRecord> records = new ArrayList<>();
        int count = 1 + random.nextInt(4);
        for (int index = 0; index < count; index++) {
            Owner owner = owner(random);
            LogRecord record = record(owner, random);
            builder.add(owner, record);
            records.add(record);
        }
        EntryRecord entry = random.nextInt(20) == 0 ? entry(random) : null;
        if (entry != null) {
            builder.add(Owner.queue(ENTRY_QUEUE), entry);
            records.add(entry);
        }
        append(builder.build(), records);
    }

    /** One that names something that is still needed. */
    private EntryRecord entry(RandomGenerator random) {
        int queue = 1 + random.nextInt(QUEUES);
        long from = released.getOrDefault(queue, 0L);
        long next = model.queues().getOrDefault(queue, List.of()).size();
        if (from >= next) {
            return null;
        }
        long offset = random.nextLong(from, next);
        long sequence = model.entry(queue, offset).sequence();
        return new EntryRecord(-1, queue, offset, sequence, 0, Map.of());
    }

    void append(Frame frame, List<LogRecord> records) throws StripeException {
        try {
            log.append(frame, 2_000);
        } catch (DiskCrashed e) {
            // Nobody was told, but all of it may be there.
            if (frame.isAppended()) {
                model.appended(frame, records);
            }
            throw e;
        }
        model.appended(frame, records);
    }

    private static Owner owner(RandomGenerator random) {
        int queue = random.nextInt(QUEUES + 1);
        if (queue == SLOW_QUEUE && random.nextInt(8) > 0) {
            queue = SLOW_QUEUE + 1;
        }
        return queue == 0 ? Owner.STRIPE : new Owner(queue, random.nextInt(GROUPS + 1));
    }

    LogRecord record(Owner owner, RandomGenerator random) {
        if (owner.isQueue()) {
            byte[] body = new byte[random.nextInt(8) == 0 ? random.nextInt(9_000) : random.nextInt(300)];
            random.nextBytes(body);
            return MessageRecord.builder()
                    .id("m" + nextId++)
                    .tag("t")
                    .body(body)
                    .build();
        }
        return new SeekRecord(nextId++, 7, 9);
    }

    void force() throws IOException {
        if (outstanding == null) {
            outstanding = log.takeUnflushed();
        }
        if (outstanding != null) {
            FlushRange range = outstanding;
            log.force(range);
            log.forced(range);
            outstanding = null;
        }
    }

    void take() {
        if (outstanding == null) {
            outstanding = log.takeUnflushed();
        }
    }

    /** What the StoreWriter does when a force or a store has failed. */
    void fail() {
        log.forceFailed(outstanding);
        outstanding = null;
    }

    /** Rewrites some or all of what is to be rewritten. True if the log runs again. */
    boolean rewrite(int framesMax) throws IOException {
        int count = 0;
        for (Frame frame : log.retainedFrames()) {
            if (frame.firstSequence() >= log.nextRewriteSequence()) {
                if (count++ == framesMax) {
                    return false;
                }
                log.rewrite(frame);
            }
        }
        assertThat(log.isRewriteComplete()).isTrue();
        log.finishRewrite();
        return true;
    }

    /** A whole checkpoint; some owners may keep quiet. */
    void checkpoint(RandomGenerator random, boolean isQuietAllowed) throws IOException {
        Checkpoint checkpoint = log.beginCheckpoint();
        for (Owner owner : checkpoint.changedOwners()) {
            if (!isQuietAllowed || random.nextInt(10) > 0) {
                snapshot(owner, random.nextInt(4) == 0 ? 1 + random.nextInt(3) : 1, random);
            }
        }
        if (random.nextInt(4) == 0) {
            append(random);
        }
        try {
            log.writeManifest(checkpoint);
        } catch (DiskCrashed e) {
            noteManifests(model.lastSequence() + 1);
            throw e;
        }
        noteManifests(checkpoint.manifestSequence());
        force();
        log.finishCheckpoint(checkpoint);
    }

    private void noteManifests(long lastSequence) {
        long number = model.entries().stream()
                .filter(entry -> entry.owner().equals(Owner.STRIPE))
                .mapToLong(LogModel.Entry::ownerNumber)
                .max()
                .orElse(0);
        for (long sequence = model.lastSequence() + 1; sequence <= lastSequence; sequence++) {
            model.manifest(sequence, ++number);
        }
    }

    private void snapshot(Owner owner, int parts, RandomGenerator random) throws StripeException {
        LogModel.Entry last = null;
        for (LogModel.Entry entry : model.entries()) {
            last = entry.owner().equals(owner) && entry.isState() ? entry : last;
        }
        byte[] payload = LogModel.encode(model.state(owner), parts == 1 ? 0 : 100);
        List<SnapshotRecord> records = SnapshotRecord.split(
                last == null ? 0 : last.sequence(),
                last == null ? 0 : last.ownerNumber(),
                owner.isQueue() ? log.nextOffset(owner.queueId()) : 0,
                payload,
                Math.max(1, (payload.length + parts - 1) / parts));
        for (SnapshotRecord record : records) {
            append(Frame.builder(200).add(owner, record).build(), List.of(record));
            if (random.nextInt(3) == 0) {
                append(random);
            }
        }
    }

    void release(RandomGenerator random) {
        int queue = 1 + random.nextInt(ENTRY_QUEUE);
        boolean isSlow = queue == SLOW_QUEUE || queue == ENTRY_QUEUE;
        long next = log.nextOffset(queue);
        long from = released.getOrDefault(queue, 0L);
        long below = isSlow ? Math.min(next, from + random.nextInt(3)) : Math.max(from, next - random.nextInt(30));
        if (below > 0 && below <= next) {
            released.put(queue, below);
            log.releaseBelow(queue, below);
        }
    }

    /**
     * Moves what is needed of a segment forward, among other work; may give up half-way.
     *
     * @return whether one was evacuated
     */
    boolean evacuate(RandomGenerator random) throws IOException {
        try (Evacuation evacuation = log.planEvacuation(10 + random.nextInt(90))) {
            if (evacuation == null) {
                return false;
            }
            int bytesMax = 1 + random.nextInt(8_000);
            for (MovedBatch batch = evacuation.read(bytesMax); batch != null; batch = evacuation.read(bytesMax)) {
                appendMoved(batch);
                switch (random.nextInt(12)) {
                    case 0, 1 -> append(random);
                    case 2 -> force();
                    case 3 -> release(random);
                    case 4 -> take();
                    default -> {}
                }
                if (random.nextInt(60) == 0) {
                    return false;
                }
            }
            while (!evacuation.isDurable()) {
                force();
            }
            evacuation.finish();
            return true;
        }
    }

    void appendMoved(MovedBatch batch) throws IOException {
        try {
            log.appendMoved(batch, 2_000);
        } catch (StripeException e) {
            if (e.reason() != StripeException.Reason.NOT_PREPARED) {
                throw e;
            }
            log.prepareNext();
            log.appendMoved(batch, 2_000);
        }
    }

    /** A walk gives each record at most once, as it was appended, and every message that is needed. */
    void checkWalk() throws IOException {
        Map<Long, LogModel.Entry> bySequence = new HashMap<>();
        model.entries().forEach(entry -> bySequence.put(entry.sequence(), entry));
        Set<Long> walked = new HashSet<>();
        LogWalker.Result result = log.newWalker().walk(LogWalker.Span.everything(), record -> {
            assertThat(walked.add(record.sequence()))
                    .as("%s comes twice", record)
                    .isTrue();
            LogModel.Entry entry = bySequence.get(record.sequence());
            assertThat(entry).as("%s", record).isNotNull();
            assertThat(record.owner()).isEqualTo(entry.owner());
            assertThat(record.ownerNumber()).isEqualTo(entry.ownerNumber());
            assertThat(record.queueOffset()).isEqualTo(entry.queueOffset());
            if (entry.isState()) {
                assertThat(LogModel.content(record.decode())).isEqualTo(entry.content());
            }
            return true;
        });
        assertThat(result.problems()).isEmpty();
        if (result.isComplete() && log.phase() == Phase.RUNNING) {
            for (LogModel.Entry entry : model.entries()) {
                if (entry.queueOffset() >= 0
                        && entry.queueOffset()
                                >= released.getOrDefault(entry.owner().queueId(), 0L)) {
                    assertThat(walked).as("%s", entry).contains(entry.sequence());
                }
            }
        }
    }

    /** Every message that nobody has released can be read and is what was appended. */
    void checkMessages() throws IOException {
        Set<Integer> queues = new HashSet<>(model.queues().keySet());
        for (int queue : queues) {
            List<Long> wanted = model.queues().get(queue);
            assertThat(log.nextOffset(queue))
                    .as("next offset of queue %d", queue)
                    .isEqualTo(wanted.size());
            long from = Math.min(released.getOrDefault(queue, 0L), wanted.size());
            List<Long> found = new ArrayList<>();
            QueueReader.Result result = log.newReader(queue)
                    .read(from, Integer.MAX_VALUE, Long.MAX_VALUE, (offset, message, body) -> {
                        assertThat(offset).isEqualTo(from + found.size());
                        found.add(LogModel.content(body.decode()));
                    });
            assertThat(result.status()).as("%s", result).isEqualTo(QueueReader.Status.READ);
            assertThat(found).as("queue %d from %d", queue, from).isEqualTo(wanted.subList((int) from, wanted.size()));
        }
    }
}
