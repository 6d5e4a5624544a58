package io.forebay.simulation;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.queue.core.GroupQueueLimits;
import io.forebay.queue.core.GroupQueueModel;
import io.forebay.queue.core.GroupQueueState;
import io.forebay.queue.core.HandleOutcome;
import io.forebay.queue.core.PopCommand;
import io.forebay.queue.core.PopDecision;
import io.forebay.queue.core.TokenBatch;
import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.Checkpoint;
import io.forebay.storage.log.CorruptLogException;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.Evacuation;
import io.forebay.storage.log.FlushRange;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.GroupSnapshot;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.LogVerifier;
import io.forebay.storage.log.LogWalker;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.MovedBatch;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.Phase;
import io.forebay.storage.log.PopRecord;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.QueueReader;
import io.forebay.storage.log.QueueSnapshot;
import io.forebay.storage.log.RecordType;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RecoverySink;
import io.forebay.storage.log.SeekRecord;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.storage.log.StripeException;
import io.forebay.storage.log.StripeLog;
import io.forebay.storage.log.StripeOptions;
import io.forebay.testkit.faults.DiskCrashed;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.random.RandomGenerator;

/**
 * One stripe with its queues and groups on a disk in memory, driven by one thread that stands for StoreWriter, Flusher,
 * queues and groups. The log and the groups' state are the real ones. Beside them stands a journal: what was appended, in
 * order. After any crash what the log gives back must be the journal up to some sequence that is not below what was
 * promised.
 */
final class StripeWorld {
    static final int QUEUES = 3;
    static final int GROUPS = 2;
    /** Little is sent to it, and its groups are slow: what it needs pins segments. */
    private static final int SLOW_QUEUE = 3;

    private static final GroupQueueLimits LIMITS = new GroupQueueLimits(400, 300);
    private static final int HANDLES_MAX = 200;

    /** What an actor has decided and waits to see written. */
    private static final class Batch {
        final List<Owner> owners = new ArrayList<>();
        final List<LogRecord> records = new ArrayList<>();
        /** Of a message its number, of a Pop its checkpoint and its delivery in the model, else null. */
        final List<Object> origins = new ArrayList<>();

        Frame frame;
        long firstSequence;
        long logMillis;

        void add(Owner owner, LogRecord record, Object origin) {
            owners.add(owner);
            records.add(record);
            origins.add(origin);
        }

        long lastSequence() {
            return firstSequence + records.size() - 1;
        }

        Frame frame() {
            if (frame == null) {
                Frame.Builder builder = Frame.builder(256);
                for (int i = 0; i < records.size(); i++) {
                    builder.add(owners.get(i), records.get(i));
                }
                frame = builder.build();
            }
            return frame;
        }
    }

    private record Popped(io.forebay.queue.core.Checkpoint checkpoint, GroupQueueModel.Popped popped) {}

    private record Handle(Owner group, long offset, long epoch, long sequence, long nonce) {}

    /** A group of a queue: the real state, and what the plain model makes of the same records. */
    private static final class GroupSim {
        final Owner owner;
        GroupQueueState state = new GroupQueueState(LIMITS, 0);
        GroupQueueModel model = new GroupQueueModel(0);
        /** Of its last record that is no snapshot. */
        long heldSequence = -1;

        long heldNumber;
        /** Of its last record of any kind. */
        long lastNumber;

        /** As far as the group had settled everything when all its records were written. */
        long writtenFloor;

        GroupSim(Owner owner) {
            this.owner = owner;
        }
    }

    private static final class QueueSim {
        final Owner owner;
        /** The number of each message, by offset. */
        final List<Long> messages = new ArrayList<>();

        /** Of its last record that is no snapshot. */
        long heldSequence = -1;

        long heldNumber;
        /** Of its last record of any kind. */
        long lastNumber;

        long releasedBelow;

        QueueSim(Owner owner) {
            this.owner = owner;
        }
    }

    final RandomGenerator random;
    final StripeOptions options;
    MemoryDisk disk = new MemoryDisk();
    StripeLog log;
    long nowMillis = 5_000_000;

    private final List<Batch> journal = new ArrayList<>();
    private final ArrayDeque<Batch> mailbox = new ArrayDeque<>();
    private final Map<Integer, QueueSim> queues = new TreeMap<>();
    private final Map<Long, GroupSim> groups = new TreeMap<>();
    private final List<Handle> handles = new ArrayList<>();
    private final TokenBatch tokens = new TokenBatch(8);
    private FlushRange flushing;
    /** Forced, but nobody has said so yet: a failure may come in between. */
    private FlushRange forced;

    private Checkpoint checkpoint;
    private ArrayDeque<Owner> snapshotsWanted;
    private Evacuation evacuation;
    private MovedBatch movedBatch;
    private boolean isEvacuationRead;
    private long nextMessage;
    private long nextRequest;
    private boolean isEvictedSinceFailure;

    /** Not one sequence up to here may be missing after a kill. */
    private long promisedWritten;
    /** Not one sequence up to here may be missing after a power cut. */
    private long promisedDurable;

    // What a run has seen, to tell whether it was worth anything.
    long kills;
    long powerCuts;
    long rewrites;
    long checkpoints;
    long cleanStops;
    long openCrashes;
    long lateHandles;
    long messagesRead;
    long evacuations;
    long purges;
    long recordsWalked;

    StripeWorld(RandomGenerator random, StripeOptions options) throws IOException {
        this.random = random;
        this.options = options;
        for (int queueId = 1; queueId <= QUEUES; queueId++) {
            queues.put(queueId, new QueueSim(Owner.queue(queueId)));
            for (int groupId = 1; groupId <= GROUPS; groupId++) {
                Owner owner = Owner.group(queueId, groupId);
                groups.put(owner.key(), new GroupSim(owner));
            }
        }
        open(false);
    }

    // ---- what actors decide -------------------------------------------------------------------------------------

    /** Messages to one queue or two, in one frame. */
    void send(int count) {
        Batch batch = new Batch();
        int queueId = someQueue();
        for (int i = 0; i < count; i++) {
            if (random.nextInt(4) == 0) {
                queueId = someQueue();
            }
            long number = nextMessage++;
            batch.add(Owner.queue(queueId), message(number, -1), number);
        }
        mailbox.add(batch);
    }

    private int someQueue() {
        int queueId = 1 + random.nextInt(QUEUES);
        return queueId == SLOW_QUEUE && random.nextInt(10) > 0 ? 1 : queueId;
    }

    /** A Pop of some group; now and then with a message in the same frame. */
    void pop(int max, long invisibleMillis) {
        GroupSim group = someGroup();
        if (group.owner.queueId() == SLOW_QUEUE && random.nextInt(8) > 0) {
            return;
        }
        long readableEnd = queues.get(group.owner.queueId()).messages.size();
        PopDecision decision = group.state.decidePop(
                new PopCommand(random.nextInt(3), nextRequest++, max, Long.MAX_VALUE, invisibleMillis),
                nowMillis,
                readableEnd,
                log.epoch(),
                random.nextLong(),
                null);
        if (decision.record() != null) {
            Batch batch = new Batch();
            Popped popped = new Popped(group.state.apply(decision.record()), group.model.apply(decision.record()));
            batch.add(group.owner, decision.record(), popped);
            if (random.nextInt(10) == 0) {
                long number = nextMessage++;
                batch.add(Owner.queue(1 + random.nextInt(QUEUES)), message(number, -1), number);
            }
            mailbox.add(batch);
        }
    }

    /** Acks, extends, nacks or gives back what some handles stand for; old ones and forged ones too. */
    void settleSome() {
        GroupSim group = chooseHandles();
        if (group == null) {
            return;
        }
        LogRecord record;
        int dice = random.nextInt(10);
        if (dice < 7) {
            record = group.state.decideAck(tokens);
            checkOutcomes(group);
            if (record != null) {
                group.state.apply((AckRecord) record);
            }
        } else if (dice < 9) {
            int millis = random.nextInt(200);
            if (dice == 7) {
                // With an explicit delay there is one instant, and so one record.
                List<LogRecord> nacked = group.state.decideNack(tokens, nowMillis, millis, "r");
                record = nacked.isEmpty() ? null : nacked.get(0);
            } else {
                record = group.state.decideExtend(tokens, nowMillis, millis);
            }
            if (record != null) {
                group.state.apply((DeadlineRecord) record);
            }
        } else {
            record = group.state.decideGiveBack(tokens, nowMillis);
            if (record != null) {
                group.state.apply((GivenBackRecord) record);
            }
        }
        if (record != null) {
            group.model.apply(record);
            Batch batch = new Batch();
            batch.add(group.owner, record, null);
            mailbox.add(batch);
        }
    }

    /** Drops for a group what lies below some offset. */
    void purge() {
        GroupSim group = someGroup();
        long end = queues.get(group.owner.queueId()).messages.size();
        long below = Math.min(end, group.state.floor() + random.nextInt(100));
        PurgeRecord record = group.state.decidePurge(below, nowMillis);
        if (record != null) {
            purges++;
            group.state.apply(record);
            add(group, record);
        }
    }

    /** Sends a group to some offset that is still stored for it. */
    void seek() {
        GroupSim group = someGroup();
        QueueSim queue = queues.get(group.owner.queueId());
        long to = random.nextLong(queue.releasedBelow, queue.messages.size() + 1);
        SeekRecord record = group.state.decideSeek(to, nowMillis, SeekRecord.BY_OFFSET);
        group.state.apply(record);
        // Until it is written, and behind that, nothing from there on may be released.
        group.writtenFloor = Math.min(group.writtenFloor, to);
        add(group, record);
    }

    private void add(GroupSim group, LogRecord record) {
        group.model.apply(record);
        Batch batch = new Batch();
        batch.add(group.owner, record, null);
        mailbox.add(batch);
    }

    void consumerGone() {
        GroupSim group = someGroup();
        Batch batch = new Batch();
        for (GivenBackRecord record : group.state.decideConsumerGone(random.nextInt(3), nowMillis)) {
            group.state.apply(record);
            group.model.apply(record);
            batch.add(group.owner, record, null);
        }
        if (!batch.records.isEmpty()) {
            mailbox.add(batch);
        }
    }

    private GroupSim someGroup() {
        return groups.get(Owner.group(1 + random.nextInt(QUEUES), 1 + random.nextInt(GROUPS))
                .key());
    }

    private GroupSim chooseHandles() {
        tokens.clear();
        if (handles.isEmpty()) {
            return null;
        }
        int at = random.nextInt(handles.size());
        Owner owner = handles.get(at).group();
        for (int count = 1 + random.nextInt(30); count > 0 && at < handles.size(); count--, at++) {
            Handle handle = handles.get(at);
            if (handle.group().equals(owner)) {
                long nonce = handle.nonce() + (random.nextInt(40) == 0 ? 1 : 0);
                tokens.add(handle.offset(), handle.epoch(), handle.sequence(), nonce);
                lateHandles += handle.epoch() < log.epoch() ? 1 : 0;
            }
        }
        return groups.get(owner.key());
    }

    /** What the state says to handles of any age is what the plain model says. */
    private void checkOutcomes(GroupSim group) {
        for (int i = 0; i < tokens.count(); i++) {
            HandleOutcome outcome = tokens.outcome(i);
            GroupQueueModel.Message message = group.model.message(tokens.queueOffset(i));
            boolean wasOut = message != null && message.last != null;
            if (outcome == HandleOutcome.ALREADY_SETTLED) {
                assertThat(wasOut)
                        .as("I1: %d of %s is not settled", tokens.queueOffset(i), group.owner)
                        .isFalse();
            } else if (outcome == HandleOutcome.STALE_HANDLE && !wasOut) {
                assertThat(group.model.judge(tokens.queueOffset(i), -1, -1, -1))
                        .as("%d is of before a seek of %s", tokens.queueOffset(i), group.owner)
                        .isEqualTo(outcome);
            } else if (outcome != HandleOutcome.UNKNOWN_OFFSET) {
                assertThat(wasOut)
                        .as("I4: %d of %s is settled", tokens.queueOffset(i), group.owner)
                        .isTrue();
            }
        }
    }

    // ---- StoreWriter --------------------------------------------------------------------------------------------

    /** Appends what waits, as far as the log takes it. */
    void write(int count) {
        for (int i = 0; i < count && !mailbox.isEmpty() && log.phase() == Phase.RUNNING; i++) {
            if (!append(mailbox.peekFirst())) {
                return;
            }
            mailbox.removeFirst();
        }
    }

    private boolean append(Batch batch) {
        batch.firstSequence = log.writtenSequence() + 1;
        batch.logMillis = nowMillis;
        // If the disk crashes in between, the frame may be there or not; recovery tells.
        journal.add(batch);
        try {
            log.append(batch.frame(), nowMillis);
        } catch (StripeException e) {
            journal.remove(journal.size() - 1);
            assertThat(e.reason())
                    .isIn(
                            StripeException.Reason.DISK_FULL,
                            StripeException.Reason.DEVICE_FAILED,
                            StripeException.Reason.STORE_FAILED);
            assertThat(log.phase())
                    .isEqualTo(e.reason() == StripeException.Reason.STORE_FAILED ? Phase.REWRITING : Phase.RUNNING);
            return false;
        }
        assertThat(batch.frame.firstSequence()).isEqualTo(batch.firstSequence);
        assertThat(log.writtenSequence()).isEqualTo(batch.lastSequence());
        promisedWritten = batch.lastSequence();
        written(batch);
        return true;
    }

    private void written(Batch batch) {
        for (int i = 0; i < batch.records.size(); i++) {
            long sequence = batch.firstSequence + i;
            Owner owner = batch.owners.get(i);
            LogRecord record = batch.records.get(i);
            long number = batch.frame.ownerNumber(i);
            if (owner.isQueue()) {
                QueueSim queue = queues.get(owner.queueId());
                if (record.type() == RecordType.MESSAGE) {
                    assertThat(batch.frame.queueOffset(i)).isEqualTo(queue.messages.size());
                    queue.messages.add((Long) batch.origins.get(i));
                }
                queue.lastNumber = nextNumber(owner, queue.lastNumber, number);
                if (record.type() != RecordType.SNAPSHOT) {
                    queue.heldNumber = number;
                    queue.heldSequence = sequence;
                }
            } else {
                GroupSim group = groups.get(owner.key());
                group.lastNumber = nextNumber(owner, group.lastNumber, number);
                if (record.type() != RecordType.SNAPSHOT) {
                    group.heldNumber = number;
                    group.heldSequence = sequence;
                }
                if (batch.origins.get(i) instanceof Popped popped) {
                    group.state.written(popped.checkpoint(), sequence);
                    popped.popped().sequence = sequence;
                    rememberHandles(group, (PopRecord) record, sequence);
                } else {
                    group.state.written(sequence);
                }
            }
        }
        release();
    }

    private static long nextNumber(Owner owner, long before, long number) {
        assertThat(number).as("own number of %s", owner).isEqualTo(before + 1);
        return number;
    }

    private void rememberHandles(GroupSim group, PopRecord record, long sequence) {
        for (DeliveryRange range : record.deliveries()) {
            for (long offset = range.firstOffset(); offset <= range.lastOffset(); offset++) {
                if (handles.size() >= HANDLES_MAX) {
                    handles.remove(random.nextInt(HANDLES_MAX / 4));
                }
                handles.add(new Handle(group.owner, offset, record.epoch(), sequence, record.nonce()));
            }
        }
    }

    /** Tells the log what no group needs, which may count only acks that are written. */
    private void release() {
        for (GroupSim group : groups.values()) {
            boolean isOutstanding = mailbox.stream().skip(1).anyMatch(batch -> batch.owners.contains(group.owner));
            if (!isOutstanding) {
                group.writtenFloor = group.state.floor();
            }
        }
        for (QueueSim queue : queues.values()) {
            long floor = Long.MAX_VALUE;
            for (int groupId = 1; groupId <= GROUPS; groupId++) {
                floor = Math.min(
                        floor,
                        groups.get(Owner.group(queue.owner.queueId(), groupId).key()).writtenFloor);
            }
            if (floor > queue.releasedBelow) {
                queue.releasedBelow = floor;
                log.releaseBelow(queue.owner.queueId(), floor);
            }
        }
    }

    /** One step of rewriting, if there is any to do. */
    void rewrite(int frames) {
        for (int i = 0; i < frames && log.phase() == Phase.REWRITING; i++) {
            try {
                if (log.isRewriteComplete()) {
                    log.finishRewrite();
                    rewrites++;
                    isEvictedSinceFailure = false;
                    promisedDurable = Math.max(promisedDurable, log.durableSequence());
                    assertThat(log.durableSequence()).isEqualTo(log.writtenSequence());
                    assertThat(log.phase()).isEqualTo(Phase.RUNNING);
                } else {
                    long next = log.nextRewriteSequence();
                    Frame frame = log.retainedFrames().stream()
                            .filter(one -> one.firstSequence() == next)
                            .findFirst()
                            .orElseThrow(() -> new AssertionError("nobody holds the frame of sequence " + next));
                    log.rewrite(frame);
                    assertThat(frame.firstSequence()).as("sequences stay").isEqualTo(next);
                }
            } catch (IOException e) {
                // Given up; it begins again with the first frame, or tries this one again.
                assertThat(log.phase()).isEqualTo(Phase.REWRITING);
            }
        }
    }

    // ---- Flusher ------------------------------------------------------------------------------------------------

    void takeRange() {
        if (flushing == null && log.phase() == Phase.RUNNING) {
            flushing = log.takeUnflushed();
        }
    }

    /** @return whether a force was asked for and succeeded */
    boolean force() {
        publishForced();
        if (flushing == null) {
            return false;
        }
        FlushRange range = flushing;
        flushing = null;
        try {
            log.force(range);
        } catch (IOException e) {
            log.forceFailed(range);
            return false;
        }
        forced = range;
        return true;
    }

    void publishForced() {
        if (forced != null) {
            log.forced(forced);
            forced = null;
            promisedDurable = Math.max(promisedDurable, log.durableSequence());
        }
    }

    boolean flush() {
        takeRange();
        boolean isForced = force();
        publishForced();
        return isForced;
    }

    void prepare() {
        try {
            if (log.isPreparationNeeded()) {
                log.prepareNext();
            }
        } catch (IOException e) {
            // A full or failing disk: the append that finds no segment says so.
            return;
        }
    }

    // ---- checkpoints --------------------------------------------------------------------------------------------

    /** The next of the steps that make a checkpoint. */
    void checkpointStep() {
        if (checkpoint != null && checkpoint.isVoid()) {
            checkpoint = null;
        }
        if (log.phase() != Phase.RUNNING) {
            return;
        }
        try {
            if (checkpoint == null) {
                checkpoint = log.beginCheckpoint();
                snapshotsWanted = new ArrayDeque<>(checkpoint.changedOwners());
            } else if (!snapshotsWanted.isEmpty()) {
                snapshot(snapshotsWanted.peekFirst());
            } else if (checkpoint.manifestSequence() == 0) {
                log.writeManifest(checkpoint);
                promisedWritten = log.writtenSequence();
            } else if (log.durableSequence() >= checkpoint.manifestSequence() || random.nextInt(20) == 0) {
                Checkpoint finishing = checkpoint;
                checkpoint = null;
                log.finishCheckpoint(finishing);
                assertThat(log.durableSequence())
                        .as("a checkpoint counts when its manifest is durable")
                        .isGreaterThanOrEqualTo(finishing.manifestSequence());
                checkpoints++;
            } else {
                flush();
            }
        } catch (IOException e) {
            checkpoint = null;
        }
    }

    private void snapshot(Owner owner) {
        // Not with a batch of its own outstanding.
        while (mailbox.stream().anyMatch(batch -> batch.owners.contains(owner))) {
            if (log.phase() != Phase.RUNNING || !append(mailbox.peekFirst())) {
                return;
            }
            mailbox.removeFirst();
        }
        if (random.nextInt(25) == 0 || owner.equals(Owner.STRIPE)) {
            snapshotsWanted.removeFirst();
            return;
        }
        List<SnapshotRecord> parts;
        int partBytes = random.nextInt(3) == 0 ? 20 + random.nextInt(60) : 1 << 20;
        if (owner.isQueue()) {
            QueueSim queue = queues.get(owner.queueId());
            byte[] payload =
                    QueueSnapshot.of(queue.messages.size(), queue.releasedBelow).encode();
            parts = SnapshotRecord.split(
                    Math.max(0, queue.heldSequence), queue.heldNumber, queue.messages.size(), payload, partBytes);
        } else {
            GroupSim group = groups.get(owner.key());
            byte[] payload = group.state.snapshot().encode();
            parts = SnapshotRecord.split(Math.max(0, group.heldSequence), group.heldNumber, 0, payload, partBytes);
        }
        for (SnapshotRecord part : parts) {
            Batch batch = new Batch();
            batch.add(owner, part, null);
            if (!append(batch)) {
                return;
            }
        }
        snapshotsWanted.removeFirst();
    }

    // ---- cleaning -----------------------------------------------------------------------------------------------

    /** The next of the steps that empty a segment. */
    void evacuationStep() {
        if (log.phase() != Phase.RUNNING || (evacuation != null && evacuation.isVoid())) {
            endEvacuation();
            return;
        }
        try {
            if (evacuation == null) {
                evacuation = log.planEvacuation(20 + random.nextInt(60));
            } else if (movedBatch != null) {
                prepare();
                log.appendMoved(movedBatch, nowMillis);
                movedBatch = null;
            } else if (!isEvacuationRead) {
                movedBatch = evacuation.read(1 + random.nextInt(12_000));
                isEvacuationRead = movedBatch == null;
            } else if (evacuation.isDurable()) {
                evacuation.finish();
                evacuations++;
                endEvacuation();
            } else {
                flush();
            }
        } catch (StripeException e) {
            // A batch that found no segment waits; anything else gives the segment up.
            if (e.reason() != StripeException.Reason.NOT_PREPARED) {
                assertThat(e.reason())
                        .as("%s", e)
                        .isIn(StripeException.Reason.STORE_FAILED, StripeException.Reason.CHECKPOINT_VOID);
                endEvacuation();
            }
        } catch (IOException e) {
            endEvacuation();
        }
    }

    private void endEvacuation() {
        if (evacuation != null) {
            evacuation.close();
        }
        evacuation = null;
        movedBatch = null;
        isEvacuationRead = false;
    }

    /** I1, I2: a walk gives each record at most once and as it was appended, and every message that is needed. */
    void walk() throws IOException {
        TreeMap<Long, Batch> bySequence = new TreeMap<>();
        journal.forEach(batch -> bySequence.put(batch.firstSequence, batch));
        Map<Integer, BitSet> walked = new HashMap<>();
        Map<Long, Boolean> seen = new HashMap<>();
        LogWalker.Result result = log.newWalker().walk(LogWalker.Span.everything(), record -> {
            recordsWalked++;
            assertThat(seen.put(record.sequence(), true))
                    .as("%s comes twice", record)
                    .isNull();
            Map.Entry<Long, Batch> entry = bySequence.floorEntry(record.sequence());
            if (entry != null && record.sequence() <= entry.getValue().lastSequence()) {
                int at = (int) (record.sequence() - entry.getKey());
                assertThat(record.owner()).isEqualTo(entry.getValue().owners.get(at));
                assertThat(record.logTimeMillis()).isEqualTo(entry.getValue().logMillis);
            } else {
                assertThat(record.type()).isEqualTo(RecordType.MANIFEST);
            }
            if (record.hasOffset()) {
                walked.computeIfAbsent(record.queueId(), id -> new BitSet()).set((int) record.queueOffset());
            }
            return true;
        });
        if (log.phase() != Phase.RUNNING || !result.isComplete()) {
            return;
        }
        assertThat(result.problems()).isEmpty();
        for (QueueSim queue : queues.values()) {
            BitSet found = walked.getOrDefault(queue.owner.queueId(), new BitSet());
            for (long offset = queue.releasedBelow; offset < queue.messages.size(); offset++) {
                assertThat(found.get((int) offset))
                        .as("I1: message %d of %s is met", offset, queue.owner)
                        .isTrue();
            }
        }
    }

    // ---- reading ------------------------------------------------------------------------------------------------

    /** I2: what can be read is what was sent, and what is needed can be read. */
    void read() throws IOException {
        QueueSim queue = queues.get(1 + random.nextInt(QUEUES));
        if (queue.messages.isEmpty()) {
            return;
        }
        long from = random.nextInt(queue.messages.size());
        readFrom(queue, from, 1 + random.nextInt(20));
    }

    private void readFrom(QueueSim queue, long from, int count) throws IOException {
        List<Long> offsets = new ArrayList<>();
        QueueReader.Result result = log.newReader(queue.owner.queueId())
                .read(from, count, Long.MAX_VALUE, (offset, view, body) -> {
                    assertThat(view.decode())
                            .as("I2: message %d of %s", offset, queue.owner)
                            .isEqualTo(message(queue.messages.get((int) offset), offset));
                    offsets.add(offset);
                });
        messagesRead += offsets.size();
        assertThat(result.count()).isEqualTo(offsets.size());
        long expected = from;
        for (long offset : offsets) {
            assertThat(offset).isEqualTo(expected++);
        }
        switch (result.status()) {
            case READ -> assertThat(result.nextOffset()).isEqualTo(Math.min(from + count, queue.messages.size()));
            case NOT_READABLE -> assertThat(log.phase()).isEqualTo(Phase.REWRITING);
            case FAILED -> throw new AssertionError("the disk gives everything: " + result);
            case GONE ->
                assertThat(result.nextOffset())
                        .as("I1: a message of %s that is needed is gone", queue.owner)
                        .isLessThan(queue.releasedBelow);
            case QUARANTINED ->
                assertThat(result.nextOffset())
                        .as("I1: a message of %s that is needed is unreadable: %s", queue.owner, result.problem())
                        .isLessThan(queue.releasedBelow);
        }
    }

    private void readEverythingNeeded() throws IOException {
        for (QueueSim queue : queues.values()) {
            for (long from = queue.releasedBelow; from < queue.messages.size(); from += 50) {
                readFrom(queue, from, 50);
            }
        }
    }

    static MessageRecord message(long number, long offset) {
        SplittableRandom content = new SplittableRandom(number);
        int size = content.nextInt(40) == 0 ? content.nextInt(20_000) : content.nextInt(600);
        byte[] body = new byte[size];
        content.nextBytes(body);
        return MessageRecord.builder()
                .id("m" + number)
                .keys(number % 3 == 0 ? "k" + number % 7 : null)
                .bornMillis(number)
                .queueOffset(offset)
                .body(body)
                .build();
    }

    // ---- faults -------------------------------------------------------------------------------------------------

    void evict() {
        if (log.phase() == Phase.REWRITING) {
            // What the kernel holds of the failed range is gone; the process alone has it now.
            isEvictedSinceFailure = true;
        }
        disk.evictCleanPages();
    }

    void kill() throws IOException {
        kills++;
        down();
        imageAfterKill();
        open(random.nextInt(3) == 0);
    }

    void powerCut() throws IOException {
        powerCuts++;
        down();
        imageAfterPowerCut();
        open(random.nextInt(3) == 0);
    }

    void stopCleanly() throws IOException {
        if (log.phase() != Phase.RUNNING) {
            return;
        }
        try {
            log.close(true);
        } catch (IOException e) {
            // A force failed at the very end: as if killed.
            kill();
            return;
        }
        cleanStops++;
        assertThat(disk.openFiles()).as("files left open").isEmpty();
        promisedDurable = promisedWritten;
        down();
        if (open(false) == 1) {
            assertThat(log.report().isCleanStop()).isTrue();
        }
    }

    /** The process is gone: what was decided and not written was never promised. */
    private void down() {
        mailbox.clear();
        flushing = null;
        forced = null;
        checkpoint = null;
        evacuation = null;
        movedBatch = null;
        isEvacuationRead = false;
    }

    private void imageAfterKill() {
        disk.crash();
        disk = disk.killImage();
        if (isEvictedSinceFailure) {
            // A failing device and a crash before the rewrite: only what was forced is left.
            promisedWritten = promisedDurable;
        }
    }

    private void imageAfterPowerCut() {
        disk.crash();
        disk = disk.powerCutImage(random);
        promisedWritten = promisedDurable;
    }

    // ---- starting -----------------------------------------------------------------------------------------------

    /**
     * Opens the log on the disk as it is; with faults the disk may crash meanwhile, and it is opened again.
     *
     * @return how many attempts it took
     */
    int open(boolean isFaulty) throws IOException {
        for (int attempt = 0; ; attempt++) {
            if (isFaulty && attempt < 3) {
                disk.crashAtOperation(disk.operations() + 1 + random.nextInt(40), random);
            }
            Recovered recovered = new Recovered();
            try {
                log = StripeLog.open(disk, options, nowMillis, recovered);
            } catch (DiskCrashed e) {
                openCrashes++;
                if (random.nextBoolean()) {
                    imageAfterKill();
                } else {
                    imageAfterPowerCut();
                }
                continue;
            } catch (IOException e) {
                // A full disk or a failing force: it says so, leaves nothing open, and the next attempt is free to try.
                assertThat(e).as("I8").isNotInstanceOf(CorruptLogException.class);
                assertThat(disk.openFiles()).as("files left open").isEmpty();
                assertThat(attempt).as("I8: %s", e).isLessThan(12);
                disk.roomAgain();
                continue;
            }
            disk.crashAtOperation(Long.MAX_VALUE);
            isEvictedSinceFailure = false;
            if (Boolean.getBoolean("forebay.trace")) {
                System.out.println("opened: " + log.report());
            }
            check(recovered);
            return attempt + 1;
        }
    }

    /** Takes what recovery hands over. */
    private static final class Recovered implements RecoverySink {
        final Map<Long, GroupQueueState> groups = new HashMap<>();
        final Map<Long, Long> snapshotHeld = new HashMap<>();
        final Map<Long, Long> heldNumber = new HashMap<>();
        private final List<SnapshotRecord> parts = new ArrayList<>();
        private long lastSequence = -1;

        @Override
        public void snapshot(RecordView view) throws CorruptRecordException {
            SnapshotRecord part = (SnapshotRecord) view.decode();
            parts.add(part);
            if (part.part() + 1 < part.parts()) {
                return;
            }
            byte[] payload = SnapshotRecord.join(parts);
            parts.clear();
            Owner owner = view.owner();
            snapshotHeld.put(owner.key(), part.heldSequence());
            heldNumber.put(owner.key(), part.heldOwnerNumber());
            if (owner.isGroup()) {
                groups.put(
                        owner.key(),
                        GroupQueueState.restore(
                                LIMITS, GroupSnapshot.decode(payload), part.heldSequence(), view.logTimeMillis()));
            }
        }

        @Override
        public void record(RecordView view) throws CorruptRecordException {
            long key = view.owner().key();
            assertThat(view.sequence()).as("records come in order").isGreaterThan(lastSequence);
            lastSequence = view.sequence();
            assertThat(view.sequence()).isGreaterThan(snapshotHeld.getOrDefault(key, -1L));
            heldNumber.put(key, view.ownerNumber());
            if (view.owner().isGroup()) {
                groups.computeIfAbsent(key, owner -> new GroupQueueState(LIMITS, 0))
                        .replay(view.decode(), view.sequence(), view.logTimeMillis());
            }
        }
    }

    private void check(Recovered recovered) throws IOException {
        long kept = log.report().keptToSequence();
        assertThat(log.report().stoppedOwners()).isEmpty();
        assertThat(kept)
                .as("I1: promised after a kill %d, after a power cut %d", promisedWritten, promisedDurable)
                .isGreaterThanOrEqualTo(promisedWritten);
        assertThat(log.durableSequence()).as("rule 5: served is forced").isEqualTo(kept);
        assertThat(log.writtenSequence()).isEqualTo(kept);
        journal.removeIf(batch -> batch.firstSequence > kept);
        for (Batch batch : journal) {
            assertThat(batch.lastSequence()).as("frames are whole or not there").isLessThanOrEqualTo(kept);
        }
        promisedWritten = kept;
        promisedDurable = kept;
        nowMillis = Math.max(nowMillis, log.logTimeMillis());

        for (QueueSim queue : queues.values()) {
            queue.messages.clear();
        }
        for (GroupSim group : groups.values()) {
            group.model = new GroupQueueModel(0);
            group.state = recovered.groups.getOrDefault(group.owner.key(), new GroupQueueState(LIMITS, 0));
        }
        Map<Long, Long> heldSequences = new HashMap<>();
        Map<Long, Long> heldNumbers = new HashMap<>();
        Map<Long, Long> lastNumbers = new HashMap<>();
        for (Batch batch : journal) {
            for (int i = 0; i < batch.records.size(); i++) {
                Owner owner = batch.owners.get(i);
                long number = lastNumbers.merge(owner.key(), 1L, Long::sum);
                LogRecord record = batch.records.get(i);
                if (record.type() != RecordType.SNAPSHOT) {
                    heldSequences.put(owner.key(), batch.firstSequence + i);
                    heldNumbers.put(owner.key(), number);
                }
                if (record.type() == RecordType.MESSAGE) {
                    queues.get(owner.queueId()).messages.add((Long) batch.origins.get(i));
                } else if (record instanceof PopRecord pop) {
                    groups.get(owner.key()).model.apply(pop).sequence = batch.firstSequence + i;
                } else if (record.type() != RecordType.SNAPSHOT) {
                    groups.get(owner.key()).model.apply(record);
                }
            }
        }
        for (QueueSim queue : queues.values()) {
            long key = queue.owner.key();
            assertThat(log.nextOffset(queue.owner.queueId()))
                    .as("I1: next offset of %s", queue.owner)
                    .isEqualTo(queue.messages.size());
            queue.heldSequence = heldSequences.getOrDefault(key, -1L);
            queue.heldNumber = heldNumbers.getOrDefault(key, 0L);
            queue.lastNumber = lastNumbers.getOrDefault(key, 0L);
            queue.releasedBelow = Math.min(queue.releasedBelow, queue.messages.size());
        }
        for (GroupSim group : groups.values()) {
            long key = group.owner.key();
            group.heldSequence = heldSequences.getOrDefault(key, -1L);
            group.heldNumber = heldNumbers.getOrDefault(key, 0L);
            group.lastNumber = lastNumbers.getOrDefault(key, 0L);
            assertThat(recovered.heldNumber.getOrDefault(key, 0L))
                    .as("own number that %s holds", group.owner)
                    .isEqualTo(group.heldNumber);
            assertThat(Math.max(0, group.state.heldSequence()))
                    .as("sequence that %s holds", group.owner)
                    .isEqualTo(Math.max(0, group.heldSequence));
            checkGroup(group);
            group.state.recovered(nowMillis);
            checkGroup(group);
            group.writtenFloor = group.state.floor();
        }
        for (QueueSim queue : queues.values()) {
            // Acks that a power cut has undone make their messages needed again.
            queue.releasedBelow = Long.MAX_VALUE;
            for (int groupId = 1; groupId <= GROUPS; groupId++) {
                queue.releasedBelow = Math.min(
                        queue.releasedBelow,
                        groups.get(Owner.group(queue.owner.queueId(), groupId).key()).writtenFloor);
            }
            assertThat(log.releasedBelow(queue.owner.queueId()))
                    .as("nothing needed of %s is released", queue.owner)
                    .isLessThanOrEqualTo(queue.releasedBelow);
            log.releaseBelow(queue.owner.queueId(), queue.releasedBelow);
        }
        readEverythingNeeded();
    }

    /** I1, I4, I5, I6: the recovered group is what its records say. */
    private static void checkGroup(GroupSim group) {
        assertThat(group.state.floor()).as("floor of %s", group.owner).isEqualTo(group.model.floor());
        assertThat(group.state.cursor()).as("cursor of %s", group.owner).isEqualTo(group.model.cursor);
        Map<Long, String> expected = new LinkedHashMap<>();
        for (GroupQueueModel.Message message : group.model.unsettled()) {
            expected.put(
                    message.offset,
                    delivery(
                            message.isReturned(),
                            message.attempts,
                            message.dueMillis,
                            message.last.record.epoch(),
                            message.last.sequence,
                            message.last.record.nonce()));
        }
        Map<Long, String> found = new TreeMap<>();
        GroupSnapshot snapshot = group.state.snapshot();
        for (GroupSnapshot.CheckpointState state : snapshot.checkpoints()) {
            for (DeliveryRange range : state.ranges()) {
                for (long offset = range.firstOffset(); offset <= range.lastOffset(); offset++) {
                    if (snapshot.acked().contains(offset)) {
                        continue;
                    }
                    long dueMillis = state.deadlineMillis();
                    for (GroupSnapshot.MovedDeadline moved : state.moved()) {
                        dueMillis = moved.offsets().contains(offset) ? moved.deadlineMillis() : dueMillis;
                    }
                    found.put(
                            offset,
                            delivery(
                                    false, range.attempt(), dueMillis, state.epoch(), state.sequence(), state.nonce()));
                }
            }
        }
        for (GroupSnapshot.Redelivery one : snapshot.redeliveries()) {
            found.put(
                    one.offset(),
                    delivery(true, one.attempts(), one.dueMillis(), one.epoch(), one.sequence(), one.nonce()));
        }
        assertThat(found).as("deliveries of %s", group.owner).isEqualTo(expected);
    }

    private static String delivery(
            boolean isReturned, int attempts, long dueMillis, long epoch, long sequence, long nonce) {
        return (isReturned ? "returned" : "out") + " attempts " + attempts + " due " + dueMillis + " token " + epoch
                + "/" + sequence + "/" + nonce;
    }

    // ---- the end ------------------------------------------------------------------------------------------------

    /** Ends all faults and brings what waits to the disk. */
    void settleDown() {
        disk.failNextForces(0);
        disk.failNextWrites(0);
        disk.failNextDirectoryForces(0);
        disk.crashAtOperation(Long.MAX_VALUE);
        disk.roomAgain();
        for (int i = 0; i < 100_000; i++) {
            rewrite(1_000);
            prepare();
            write(Integer.MAX_VALUE);
            flush();
            if (mailbox.isEmpty() && log.phase() == Phase.RUNNING && log.durableSequence() == log.writtenSequence()) {
                return;
            }
        }
        throw new AssertionError("I8: the stripe does not recover: " + log.phase() + ", " + mailbox.size() + " wait");
    }

    /** I1, I4: in the end every group gets every message it has not settled, and none twice. */
    void drain() throws IOException {
        settleDown();
        nowMillis += 1_000_000;
        for (GroupSim group : groups.values()) {
            QueueSim queue = queues.get(group.owner.queueId());
            List<Long> left = new ArrayList<>();
            group.model.unsettled().forEach(message -> left.add(message.offset));
            for (long offset = group.model.cursor; offset < queue.messages.size(); offset++) {
                left.add(offset);
            }
            List<Long> got = new ArrayList<>();
            while (true) {
                PopDecision decision = group.state.decidePop(
                        new PopCommand(9, nextRequest++, 50, Long.MAX_VALUE, 10_000),
                        nowMillis,
                        queue.messages.size(),
                        log.epoch(),
                        random.nextLong(),
                        null);
                if (decision.record() == null) {
                    break;
                }
                Batch batch = new Batch();
                batch.add(
                        group.owner,
                        decision.record(),
                        new Popped(group.state.apply(decision.record()), group.model.apply(decision.record())));
                mailbox.add(batch);
                settleDown();
                tokens.clear();
                for (DeliveryRange range : decision.record().deliveries()) {
                    readFrom(queue, range.firstOffset(), range.count());
                    for (long offset = range.firstOffset(); offset <= range.lastOffset(); offset++) {
                        got.add(offset);
                        tokens.add(
                                offset,
                                log.epoch(),
                                batch.firstSequence,
                                decision.record().nonce());
                    }
                }
                AckRecord record = group.state.decideAck(tokens);
                group.state.apply(record);
                group.model.apply(record);
                Batch ack = new Batch();
                ack.add(group.owner, record, null);
                mailbox.add(ack);
            }
            settleDown();
            assertThat(got).as("I1, I4: %s", group.owner).isEqualTo(left);
            assertThat(group.state.floor()).isEqualTo(queue.messages.size());
        }
        walk();
        endEvacuation();
        // A store of a slot that failed half-way has left that slot torn; this writes it again.
        log.close(true);
        assertThat(disk.openFiles()).as("files left open").isEmpty();
        assertThat(LogVerifier.verify(disk).problems()).as("what verify says").isEmpty();
    }

    // ---- for scripts --------------------------------------------------------------------------------------------

    long written() {
        return log.writtenSequence();
    }

    long durable() {
        return log.durableSequence();
    }

    int handleCount() {
        return handles.size();
    }

    /** Acks with one handle, whatever its age. */
    HandleOutcome ack(int handleIndex) {
        Handle handle = handles.get(handleIndex);
        GroupSim group = groups.get(handle.group().key());
        tokens.clear();
        tokens.add(handle.offset(), handle.epoch(), handle.sequence(), handle.nonce());
        AckRecord record = group.state.decideAck(tokens);
        if (record != null) {
            group.state.apply(record);
            group.model.apply(record);
            Batch batch = new Batch();
            batch.add(group.owner, record, null);
            mailbox.add(batch);
        }
        return tokens.outcome(0);
    }

    /**
     * Kills the process, and the next one at an operation of its recovery.
     *
     * @return whether recovery came that far
     */
    boolean killAndCrashAgainAt(int operation) throws IOException {
        down();
        imageAfterKill();
        disk.crashAtOperation(disk.operations() + operation, random);
        long before = openCrashes;
        open(false);
        return openCrashes > before;
    }

    void checkpoint() {
        long before = checkpoints;
        for (int i = 0; i < 1_000 && checkpoints == before; i++) {
            checkpointStep();
        }
        assertThat(checkpoints).isEqualTo(before + 1);
    }
}
