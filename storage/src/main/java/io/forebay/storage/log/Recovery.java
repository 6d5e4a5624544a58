package io.forebay.storage.log;

import io.forebay.storage.checkpoint.CheckpointFile;
import io.forebay.storage.checkpoint.CheckpointSlot;
import io.forebay.storage.checkpoint.CorruptCheckpointException;
import io.forebay.storage.checkpoint.NewerCheckpointFormatException;
import io.forebay.storage.index.IndexOptions;
import io.forebay.storage.index.QueueIndex;
import io.forebay.storage.io.DiskFullException;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.log.LogFiles.Found;
import io.forebay.storage.log.StripeException.Reason;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.random.RandomGenerator;
import java.util.zip.CRC32C;

/**
 * One start of a stripe. First everything is read and judged, and nothing of the log is changed; only a log that can be
 * served is then given its new epoch, the copies of what was not stated durable, and a fresh segment. Used once.
 */
final class Recovery {
    private static final long NO_POSITION = -1;

    private final StorageDirectory directory;
    private final StripeOptions options;
    private final RecoverySink sink;
    private final List<String> findings = new ArrayList<>();
    private final OwnerTable owners = new OwnerTable();
    private final BodyPins pins = new BodyPins();
    private final Map<Integer, QueueMarks> marks = new HashMap<>();
    private final Set<Long> basesWithEntries = new HashSet<>();
    /** By base; of segments that were read. */
    private final Map<Long, EntryList> entries = new HashMap<>();
    /** Bases of segments whose entries a file has told. */
    private final Set<Long> listedBases = new HashSet<>();

    private final Set<Long> basesWithMoved = new HashSet<>();
    private final Set<Long> stopped = new HashSet<>();
    private final RecordView view = new RecordView();
    private long newestMillis;
    private long framesReplayed;
    private long bytesReplayed;
    private long recordsReplayed;
    private long framesCopied;
    private long bytesCopied;
    private long ownGaps;

    private final RandomGenerator random;
    private LogFiles files;
    private LogIdentity identity;
    /** Whether the newest slot is one without a number of the log. */
    private boolean isOfOlderBuild;

    private CheckpointFile checkpointFile;
    private QueueIndex index;
    private EntryLists entryLists;
    private IndexStamp indexStamp;
    private boolean isIndexOfThis;
    private SegmentStore segments;
    private ManifestRecord manifest;

    /** Frames from the highest stated durable position on, as far as known: what is to be copied. */
    private final Deque<Place> tail = new ArrayDeque<>();

    /** A frame. */
    private record Place(Found segment, long position, long sequence, boolean isMoved) {}

    /** Copies of moved frames, and where they went. */
    private final Map<Long, byte[]> movedCopies = new TreeMap<>();

    /** Of owners that the manifest does not know, those whose first number was seen. */
    private final Set<Long> known = new HashSet<>();

    Recovery(
            StorageDirectory directory,
            StripeOptions options,
            long nowMillis,
            RandomGenerator random,
            RecoverySink sink) {
        this.directory = directory;
        this.options = options;
        this.newestMillis = nowMillis;
        this.random = random;
        this.sink = sink;
    }

    StripeLog run() throws IOException {
        boolean isOpened = false;
        try {
            files = LogFiles.open(directory);
            openCheckpointFile();
            StripeLog log = open(checkpointFile.found().orElse(null));
            isOpened = true;
            return log;
        } finally {
            if (!isOpened) {
                closeQuietly();
            } else {
                files.close();
            }
        }
    }

    private void closeQuietly() {
        for (AutoCloseable each : new AutoCloseable[] {files, segments, index, checkpointFile}) {
            try {
                if (each != null) {
                    each.close();
                }
            } catch (Exception e) {
                // What is being thrown says more.
                continue;
            }
        }
    }

    private void openCheckpointFile() throws IOException {
        String path = directory.path() + "/" + StripeLog.CHECKPOINT_FILE;
        if (!files.isEmpty() && !directory.list().contains(StripeLog.CHECKPOINT_FILE)) {
            throw new CorruptLogException(path, NO_POSITION, "it is missing, but there are segments");
        }
        try {
            checkpointFile = CheckpointFile.open(directory, StripeLog.CHECKPOINT_FILE);
        } catch (NewerCheckpointFormatException e) {
            throw new StripeException(Reason.NEWER_FORMAT, e.getMessage(), e);
        } catch (CorruptCheckpointException e) {
            throw new CorruptLogException(path, NO_POSITION, e.getMessage());
        }
        if (checkpointFile.found().isEmpty()) {
            if (!files.isEmpty()) {
                throw new CorruptLogException(path, NO_POSITION, "it is empty, but there are segments");
            }
            // A start that died after making the file may not have forced its name; no segment may outlive it.
            directory.forceDirectory();
        }
    }

    private StripeLog open(CheckpointSlot slot) throws IOException {
        identify(slot);
        long stated =
                slot == null ? 0 : Math.max(Math.max(slot.durablePosition(), slot.cleanEnd()), files.statedDurable());
        ChainScanner scanner = new ChainScanner(files, stated);
        openIndex();
        if (manifest != null) {
            restoreOwners();
        }
        Found start = replayStart(slot, stated);
        if (start != null) {
            long position = slot.replayPosition() >= 0 ? slot.replayPosition() : start.firstPosition();
            scanner.scan(
                    start,
                    position,
                    Math.max(1, slot.replaySequence()),
                    Long.MAX_VALUE,
                    (found, bytes, at, place) -> replay(scanner, found, bytes, at, place));
        }
        dropDurable(scanner);
        judge(scanner, start);
        return begin(slot, scanner, start);
    }

    /** Tells the files of this log from those of others, and reads the manifest. */
    private void identify(CheckpointSlot slot) throws IOException {
        if (slot != null && slot.stripeId() != options.stripeId()) {
            throw new StripeException(
                    Reason.FOREIGN,
                    directory.path() + "/" + StripeLog.CHECKPOINT_FILE + " belongs to stripe " + slot.stripeId()
                            + ", this is stripe " + options.stripeId());
        }
        identity = slot == null
                ? new LogIdentity(options.stripeId(), LogIdentity.UNKNOWN, 0)
                : new LogIdentity(options.stripeId(), slot.logId(), slot.logIdEpoch());
        files.identify(identity);
        if (files.isEmpty()) {
            refuseForeign();
        }
        manifest = readManifest(files, directory.path(), slot);
        isOfOlderBuild = slot != null && !identity.isKnown();
        if (!identity.isKnown()) {
            // A new log, or one that only older builds have written, whose headers carry no number.
            long logId = slot == null ? LogIdentity.UNKNOWN : numberOfSegments(slot);
            while (logId == LogIdentity.UNKNOWN) {
                logId = random.nextLong();
            }
            identity = new LogIdentity(options.stripeId(), logId, Long.MAX_VALUE);
            files.identify(identity);
        }
    }

    /** The number that the log's segments carry though its slots do not: an older build has run since it was given. */
    private long numberOfSegments(CheckpointSlot slot) throws StripeException {
        List<Found> needed = new ArrayList<>();
        needed.add(slot.replayPosition() < 0 ? files.first() : files.holding(slot.replayPosition()));
        if (manifest != null) {
            manifest.segments().forEach(listed -> needed.add(files.at(listed.basePosition())));
        }
        long logId = LogIdentity.UNKNOWN;
        for (Found found : needed) {
            long its = found == null || found.header == null ? LogIdentity.UNKNOWN : found.header.logId();
            if (its != LogIdentity.UNKNOWN && logId != LogIdentity.UNKNOWN && its != logId) {
                throw foreign(found, new LogIdentity(options.stripeId(), logId, 0));
            }
            logId = its == LogIdentity.UNKNOWN ? logId : its;
        }
        return logId;
    }

    /** Where the log has nothing of its own to go on with, it is not known which of the files is in the wrong place. */
    private void refuseForeign() throws StripeException {
        if (!files.foreign().isEmpty()) {
            throw foreign(files.foreign().get(0), identity);
        }
    }

    private StripeException foreign(Found found, LogIdentity wanted) {
        return new StripeException(
                Reason.FOREIGN,
                directory.path() + "/" + found.name + " belongs to "
                        + LogIdentity.name(found.claim.stripeId(), found.claim.logId()) + ", this is " + wanted);
    }

    // -------------------------------------------------------------------------------------- manifest and snapshots

    /** The manifest that a slot names, or null if it names none. */
    static ManifestRecord readManifest(LogFiles files, String path, CheckpointSlot slot) throws IOException {
        if (slot == null || slot.manifestPosition() < 0) {
            return null;
        }
        List<ManifestRecord> parts = new ArrayList<>();
        try {
            readRecords(files, new FrameWindow(), slot.manifestPosition(), slot.manifestSequence(), record -> {
                if (record.type() != RecordType.MANIFEST) {
                    return true;
                }
                ManifestRecord part = (ManifestRecord) record.decode();
                parts.add(part);
                return parts.size() < part.parts();
            });
            return ManifestRecord.join(parts);
        } catch (CorruptRecordException e) {
            Found found = files.holding(slot.manifestPosition());
            throw new CorruptLogException(
                    path + "/" + (found == null ? "a missing segment" : found.name),
                    slot.manifestPosition(),
                    "the manifest cannot be read: " + e.getMessage());
        }
    }

    /** Looks at records from a place on; says whether it wants more. */
    private interface RecordVisitor {
        boolean record(RecordView record) throws IOException;
    }

    /** Thrown to end a scan that has found what it was for. */
    private static final class Enough extends IOException {
        private static final long serialVersionUID = 1L;

        Enough() {
            super("enough");
        }

        /** Thrown for every snapshot of a start, and nobody looks where from. */
        @Override
        public synchronized Throwable fillInStackTrace() {
            return this;
        }
    }

    /** Reads records from one on, along the chain, until the visitor has enough or the log is not sound any more. */
    private static void readRecords(
            LogFiles files, FrameWindow window, long position, long firstSequence, RecordVisitor visitor)
            throws IOException {
        Found found = files.holding(position);
        if (found == null) {
            return;
        }
        if (window.check(found.file, found.base, position, found.limit() - position) != null) {
            return;
        }
        long frameSequence = FrameCodec.firstSequence(window.bytes(), window.at());
        try {
            new ChainScanner(files, 0, window)
                    .scan(found, position, frameSequence, Long.MAX_VALUE, (segment, bytes, at, place) -> {
                        int recordAt = at + FrameCodec.HEADER_BYTES;
                        for (int ordinal = 0; ordinal < FrameCodec.recordCount(bytes, at); ordinal++) {
                            RecordView record = new RecordView().wrap(bytes, at, recordAt, ordinal);
                            if (record.sequence() >= firstSequence && !visitor.record(record)) {
                                throw new Enough();
                            }
                            recordAt += record.lengthBytes();
                        }
                    });
        } catch (Enough e) {
            return;
        }
    }

    private void restoreOwners() throws IOException {
        files.listEnds(manifest);
        for (ManifestRecord.SegmentEntry listed : manifest.segments()) {
            if ((listed.flags() & ManifestRecord.SegmentEntry.HOLDS_ENTRIES) != 0) {
                basesWithEntries.add(listed.basePosition());
            }
            if ((listed.flags() & ManifestRecord.SegmentEntry.HOLDS_MOVED) != 0) {
                basesWithMoved.add(listed.basePosition());
            }
            if (files.at(listed.basePosition()) == null) {
                findings.add(Segment.fileName(listed.basePosition()) + " is missing: the manifest lists it");
            }
        }
        for (ManifestRecord.OwnerEntry listed : manifest.owners()) {
            long key = Owner.key(listed.queueId(), listed.groupId());
            int at = owners.slot(key);
            known.add(key);
            owners.lastNumber[at] = listed.nextOwnerNumber() - 1;
            owners.replayNumber[at] = listed.nextOwnerNumber() - 1;
            if (Owner.ofKey(key).isQueue()) {
                QueueMarks queue = queueMarks(at, listed.queueId());
                queue.raise(listed.nextOffset());
                queue.releaseBelow(listed.releasedBelow());
            }
        }
        // In the order of the log, through one window: what one checkpoint wrote lies together and is read once.
        List<ManifestRecord.OwnerEntry> inOrder = new ArrayList<>(manifest.owners());
        inOrder.sort(Comparator.comparingLong(ManifestRecord.OwnerEntry::snapshotPosition));
        FrameWindow window = new FrameWindow();
        for (ManifestRecord.OwnerEntry listed : inOrder) {
            if (listed.snapshotPosition() >= 0) {
                restoreSnapshot(listed, window);
            }
        }
        isIndexOfThis = isIndexOfThis();
        restorePins();
        if (!rebuildIndexIfNeeded()) {
            indexUnsettled();
        }
    }

    /** Frames that were moved before the replay start, while the checkpoint was made: their entries may be torn. */
    private void indexUnsettled() throws IOException {
        for (ManifestRecord.SegmentEntry listed : manifest.segments()) {
            Found found = files.at(listed.basePosition());
            boolean isUnsettled = (listed.flags() & ManifestRecord.SegmentEntry.HOLDS_UNSETTLED) != 0;
            if (isUnsettled && found != null && found.isLinked()) {
                // What lies behind is replayed.
                scanAlone(found, manifest.replayPosition(), (segment, bytes, at, place) -> {
                    if (FrameCodec.isMoved(bytes, at)) {
                        eachRecord(bytes, at, (record, ordinal) -> indexMessage(record, ordinal, place));
                    }
                });
            }
        }
    }

    private void restoreSnapshot(ManifestRecord.OwnerEntry listed, FrameWindow window) throws IOException {
        long key = Owner.key(listed.queueId(), listed.groupId());
        // Also of one that cannot be read: the next manifest has to name it again.
        OwnerTable.Snapshot snapshot = new OwnerTable.Snapshot(
                listed.snapshotPosition(),
                listed.snapshotSequence(),
                listed.heldSequence(),
                listed.heldOwnerNumber(),
                1);
        int slot = owners.slot(key);
        owners.current[slot] = snapshot;
        // Its last state record lies before what is replayed, or is replayed: a snapshot of the same must count again.
        owners.lastStateNumber[slot] = snapshot.heldNumber;
        // Kept apart: a snapshot counts only when all its parts are there.
        List<byte[]> frames = new ArrayList<>();
        List<int[]> places = new ArrayList<>();
        int[] wanted = {1};
        readRecords(files, window, listed.snapshotPosition(), listed.snapshotSequence(), record -> {
            if (record.type() == RecordType.SNAPSHOT
                    && record.ownerKey() == key
                    && record.decode() instanceof SnapshotRecord part
                    && part.heldOwnerNumber() == listed.heldOwnerNumber()
                    && part.part() == frames.size()) {
                wanted[0] = part.parts();
                frames.add(record.copyOfFrame());
                snapshot.lastPosition = record.position();
                places.add(new int[] {record.offsetInFrame(), record.ordinal()});
            }
            return frames.size() < wanted[0];
        });
        if (frames.size() < wanted[0]) {
            Found found = files.holding(listed.snapshotPosition());
            String where = found == null ? "a missing segment" : found.name;
            if (key == Owner.STRIPE.key()) {
                throw new CorruptLogException(
                        directory.path() + "/" + where,
                        listed.snapshotPosition(),
                        "the snapshot of the names cannot be read");
            }
            stopped.add(key);
            findings.add(where + ", position " + listed.snapshotPosition() + ": the snapshot of " + Owner.ofKey(key)
                    + " cannot be read; it is stopped");
            return;
        }
        for (int part = 0; part < frames.size(); part++) {
            sink.snapshot(view.wrap(frames.get(part), 0, places.get(part)[0], places.get(part)[1]));
        }
    }

    /** Entries older than the replay start pin their bodies, too. */
    private void restorePins() throws IOException {
        for (ManifestRecord.SegmentEntry listed : manifest.segments()) {
            Found found = files.at(listed.basePosition());
            if (found == null || !found.isLinked() || !basesWithEntries.contains(listed.basePosition())) {
                continue;
            }
            EntryList list = isIndexOfThis ? entryLists.readOrNull(listed.basePosition(), listed.endPosition()) : null;
            if (list != null) {
                listedBases.add(listed.basePosition());
                list.each(this::pin);
                continue;
            }
            // What lies behind is replayed.
            scanAlone(
                    found,
                    manifest.replayPosition(),
                    (segment, bytes, at, place) -> eachRecord(bytes, at, (record, ordinal) -> {
                        if (record.type() == RecordType.ENTRY && record.isKnown()) {
                            addEntry(found, record);
                        }
                    }));
        }
    }

    private void addEntry(Found found, RecordView record) throws IOException {
        EntryRecord entry = (EntryRecord) record.decode();
        entries.computeIfAbsent(found.base, base -> new EntryList())
                .add(record.queueId(), record.queueOffset(), entry.bodyQueueId(), entry.bodyOffset());
        pin(record.queueId(), record.queueOffset(), entry.bodyQueueId(), entry.bodyOffset());
    }

    /** The sound frames of one segment, up to a position, whatever lies between them. */
    private void scanAlone(Found found, long stopPosition, ChainScanner.Visitor visitor) throws IOException {
        long end = Math.min(files.end(found), stopPosition);
        FrameWindow window = new FrameWindow();
        for (long at = window.nextFrame(found.file, found.base, found.firstPosition(), end); at < end; ) {
            int length = FrameCodec.length(window.bytes(), window.at());
            visitor.frame(found, window.bytes(), window.at(), at);
            at = window.nextFrame(found.file, found.base, at + length, end);
        }
    }

    /** Whether the queue of the record is there, as far as was read. */
    private boolean isKnown(int queueId) {
        return owners.find(Owner.key(queueId, 0)) >= 0;
    }

    private void pin(int queueId, long queueOffset, int bodyQueueId, long bodyOffset) {
        if (!isKnown(queueId)) {
            return; // it is gone
        }
        QueueMarks queue = queueMarks(owners.slot(Owner.key(queueId, 0)), queueId);
        if (queueOffset >= queue.releasedBelow()) {
            pins.add(queue, queueOffset, bodyQueueId, bodyOffset);
        }
    }

    private QueueMarks queueMarks(int slot, int queueId) {
        QueueMarks queue = owners.marks[slot];
        if (queue == null) {
            queue = marks.computeIfAbsent(queueId, QueueMarks::new);
            owners.marks[slot] = queue;
        }
        return queue;
    }

    // ------------------------------------------------------------------------------------------------------ index

    private void openIndex() throws IOException {
        StorageDirectory derived = directory.child(StripeLog.INDEX_DIRECTORY);
        index = QueueIndex.open(
                derived, options.stripeId(), new IndexOptions(options.indexFileBytes(), options.indexExtentEntries()));
        entryLists = new EntryLists(derived, options.stripeId());
        indexStamp = new IndexStamp(derived);
        findings.addAll(index.droppedOnOpen());
    }

    /** The log is read from its oldest segment if the index does not reach over all that is stored. */
    private boolean rebuildIndexIfNeeded() throws IOException {
        boolean isCovered = isIndexOfThis && index.droppedOnOpen().isEmpty() && isCoveredForPins();
        for (ManifestRecord.OwnerEntry listed : manifest.owners()) {
            if (listed.queueId() != 0 && listed.groupId() == 0 && listed.releasedBelow() < listed.nextOffset()) {
                // Of a reserved queue all but the first may be released and gone, and an index that is built anew
                // has no entry for it then.
                long to = Owner.isReserved(listed.queueId()) ? listed.releasedBelow() + 1 : listed.nextOffset();
                isCovered &= index.covers(listed.queueId(), listed.releasedBelow(), to);
            }
        }
        if (isCovered) {
            return false;
        }
        findings.add("the queue index is built anew");
        index.beginRebuild();
        for (ManifestRecord.SegmentEntry listed : manifest.segments()) {
            Found found = files.at(listed.basePosition());
            if (found != null && found.isLinked()) {
                // What lies behind is replayed, as far as the log reaches: a copy behind its end would stand in for
                // what is there.
                scanAlone(
                        found,
                        manifest.replayPosition(),
                        (segment, bytes, at, place) ->
                                eachRecord(bytes, at, (record, ordinal) -> indexMessage(record, ordinal, place)));
            }
        }
        index.endRebuild();
        stampIndex();
        return true;
    }

    /** Whether the index belongs to this log and to its newest checkpoint. */
    private boolean isIndexOfThis() throws IOException {
        if (isOfOlderBuild && !indexStamp.isThere()) {
            stampIndex();
            return true; // it had none to give
        }
        return indexStamp.isOf(identity.logId(), manifest.checkpointNumber());
    }

    private void stampIndex() {
        try {
            indexStamp.write(identity.logId(), manifest.checkpointNumber(), manifest.checkpointNumber());
        } catch (IOException e) {
            reportStamp(e);
        }
    }

    /** A full disk must not keep checkpoints from being made later, nor this start from serving. */
    private void makeStamp() {
        try {
            indexStamp.make();
        } catch (IOException e) {
            reportStamp(e);
        }
    }

    private void reportStamp(IOException e) {
        String finding = StripeLog.INDEX_DIRECTORY + "/" + IndexStamp.NAME
                + " cannot be written, so that the next start may have to build the queue index anew: "
                + e.getMessage();
        if (!findings.contains(finding)) {
            findings.add(finding);
        }
    }

    private boolean isCoveredForPins() {
        boolean isCovered = true;
        for (Map.Entry<Integer, long[]> queue : pins.bodies().entrySet()) {
            for (long offset : queue.getValue()) {
                isCovered &= index.covers(queue.getKey(), offset, offset + 1);
            }
        }
        return isCovered;
    }

    private void indexMessage(RecordView record, int ordinal, long position) throws IOException {
        // What the queue has released, too: an entry of another queue may name it as its body.
        if (!record.hasOffset() || record.bodyBytes() < 12) {
            return;
        }
        int queueId = record.queueId();
        if (record.isMoved()) {
            index.putMoved(queueId, record.queueOffset(), position, ordinal, record.lengthBytes(), record.tagHash());
        } else {
            index.put(queueId, record.queueOffset(), position, ordinal, record.lengthBytes(), record.tagHash());
        }
    }

    private interface OrdinalVisitor {
        void record(RecordView record, int ordinal) throws IOException;
    }

    private void eachRecord(byte[] bytes, int at, OrdinalVisitor visitor) throws IOException {
        int recordAt = at + FrameCodec.HEADER_BYTES;
        for (int ordinal = 0; ordinal < FrameCodec.recordCount(bytes, at); ordinal++) {
            view.wrap(bytes, at, recordAt, ordinal);
            int length = view.lengthBytes();
            visitor.record(view, ordinal);
            recordAt += length;
        }
    }

    // ----------------------------------------------------------------------------------------------------- replay

    /** The segment that holds the first frame to replay; null if nothing was ever logged. */
    private Found replayStart(CheckpointSlot slot, long stated) throws StripeException {
        if (slot == null) {
            return null;
        }
        boolean isFromBeginning = slot.replayPosition() < 0;
        Found start = isFromBeginning ? files.first() : files.holding(slot.replayPosition());
        if (start != null && start.isLinked()) {
            return start;
        }
        if (isFromBeginning && stated <= 0) {
            refuseForeign();
            return null;
        }
        String others = files.foreign().isEmpty()
                ? ""
                : "; " + foreign(files.foreign().get(0), identity).getMessage();
        throw new CorruptLogException(
                directory.path() + "/" + (start == null ? "a segment" : start.name),
                slot.replayPosition(),
                "the segment with the replay start is " + (start == null ? "missing" : "bad: " + start.problem)
                        + others);
    }

    private void replay(ChainScanner scanner, Found found, byte[] bytes, int at, long position) throws IOException {
        framesReplayed++;
        bytesReplayed += FrameCodec.length(bytes, at);
        newestMillis = Math.max(newestMillis, FrameCodec.logTimeMillis(bytes, at));
        boolean isMoved = FrameCodec.isMoved(bytes, at);
        tail.addLast(new Place(found, position, FrameCodec.firstSequence(bytes, at), isMoved));
        dropDurable(scanner);
        if (isMoved) {
            basesWithMoved.add(found.base);
        }
        eachRecord(bytes, at, (record, ordinal) -> {
            recordsReplayed++;
            if (!record.isKnown()) {
                throw new StripeException(
                        Reason.NEWER_FORMAT,
                        directory.path() + "/" + found.name + ", position " + position + ": record type "
                                + record.typeNumber() + " version " + record.version() + " is not known");
            }
            if (record.hasOffset()) {
                if (!isMoved) {
                    queueMarks(owners.slot(Owner.key(record.queueId(), 0)), record.queueId())
                            .raise(record.queueOffset() + 1);
                    indexMessage(record, ordinal, position);
                }
                // A moved one may be of a queue that has gone since.
                if (record.type() == RecordType.ENTRY && isKnown(record.queueId())) {
                    basesWithEntries.add(found.base);
                    addEntry(found, record);
                }
            } else if (record.type() == RecordType.QUARANTINED && record.ownerKey() == Owner.key(record.queueId(), 0)) {
                // A repair notes offsets that were given and of which no message is left.
                QuarantinedRecord noted = (QuarantinedRecord) record.decode();
                if (noted.cause() != QuarantinedRecord.Cause.RELEASED) {
                    queueMarks(owners.slot(record.ownerKey()), record.queueId())
                            .raise(noted.firstOffset() + noted.count());
                }
            }
            if (!isMoved) {
                replay(scanner, found, position, record);
            }
        });
    }

    private void dropDurable(ChainScanner scanner) throws IOException {
        while (!tail.isEmpty() && tail.peekFirst().position < scanner.durable()) {
            Place place = tail.pollFirst();
            if (place.isMoved) {
                indexMoved(place);
            }
        }
    }

    /**
     * The index may name a moved frame only when it is known to be durable: a power cut in the middle of this start could
     * take the copy and leave the entry, or half of it, while the record is still in its first place.
     */
    private void indexMoved(Place place) throws IOException {
        FrameWindow window = new FrameWindow(0);
        String problem = window.checkAlone(
                place.segment.file, place.segment.base, place.position, place.segment.limit() - place.position);
        if (problem != null) {
            throw new CorruptLogException(
                    directory.path() + "/" + place.segment.name,
                    place.position,
                    "what was sound a moment ago is not any more: " + problem);
        }
        eachRecord(window.bytes(), window.at(), (record, ordinal) -> indexMessage(record, ordinal, place.position));
    }

    private void replay(ChainScanner scanner, Found found, long position, RecordView record) throws IOException {
        long key = record.ownerKey();
        int slot = owners.slot(key);
        long number = record.ownerNumber();
        if (record.type() == RecordType.LOST && number == 0) {
            return; // nobody knows whose it was
        }
        long last = owners.lastNumber[slot];
        if (number <= last) {
            throw new CorruptLogException(
                    directory.path() + "/" + found.name,
                    position,
                    record + " comes again: the last number of " + record.owner() + " was " + last);
        }
        boolean isGap = number != last + 1;
        if (isGap && !scanner.holes().isEmpty()) {
            ownGaps += number - last - 1;
            stopped.add(key);
        } else if (isGap && (last > 0 || known.contains(key) || manifest == null)) {
            // Not of one that was forgotten: it is not in the manifest, and where its numbers stood is not known.
            findings.add(found.name + ", position " + position + ": the last number of " + record.owner() + " was "
                    + last + ", now comes " + number + ", but no sequence is missing");
        }
        owners.lastNumber[slot] = number;
        RecordType type = record.type();
        if (type == RecordType.SNAPSHOT || type == RecordType.MANIFEST) {
            return;
        }
        owners.lastStateNumber[slot] = Math.max(owners.lastStateNumber[slot], number);
        if (number > owners.heldNumber(slot) && !stopped.contains(key)) {
            try {
                sink.record(record);
            } catch (CorruptRecordException e) {
                throw new CorruptLogException(
                        directory.path() + "/" + found.name, position, record + " cannot be read: " + e.getMessage());
            }
        }
    }

    /** Refuses a log whose missing records cannot be told. */
    private void judge(ChainScanner scanner, Found start) throws IOException {
        Leftovers leftovers = leftovers(scanner, start);
        refuseIfAny(leftovers.misnamed());
        long missing = 0;
        for (ChainScanner.Hole hole : scanner.holes()) {
            missing += hole.isOpen() ? 0 : hole.resumedAt() - hole.missingFrom();
            if (hole.isOpen()) {
                throw new CorruptLogException(
                        directory.path() + "/" + hole.file(),
                        hole.position(),
                        hole.reason() + "; the log was durable up to position " + scanner.durable()
                                + ", and nothing sound follows");
            }
            findings.add(hole.file() + ", position " + hole.position() + ": " + hole.reason() + "; "
                    + (hole.resumedAt() == hole.missingFrom()
                            ? "no record is missing"
                            : "sequences " + hole.missingFrom() + " to " + (hole.resumedAt() - 1) + " are missing"));
        }
        if (missing != ownGaps || (missing > 0 && stopped.contains(Owner.STRIPE.key()))) {
            ChainScanner.Hole first = scanner.holes().get(0);
            throw new CorruptLogException(
                    directory.path() + "/" + first.file(),
                    first.position(),
                    first.reason() + "; " + missing
                            + " records are missing, the gaps in the numbers of their owners say " + ownGaps);
        }
        refuseIfAny(leftovers.lost());
        for (Found found : files.all()) {
            if (found.isDamaged(scanner.durable())) {
                if (start == null || found.base > scanner.endSegment().base) {
                    throw new CorruptLogException(
                            directory.path() + "/" + found.name,
                            NO_POSITION,
                            found.problem + "; the log could go on in this segment");
                }
                findings.add(found.name + ": " + found.problem);
            }
        }
    }

    private void refuseIfAny(Map<String, String> problems) throws CorruptLogException {
        if (!problems.isEmpty()) {
            String name = problems.keySet().iterator().next();
            throw new CorruptLogException(directory.path() + "/" + name, NO_POSITION, problems.get(name));
        }
    }

    private Leftovers leftovers(ChainScanner scanner, Found start) {
        Set<Long> chain = new HashSet<>();
        chain(start, scanner).forEach(found -> chain.add(found.base));
        return new Leftovers(files, identity, scanner, chain, listedEnds().keySet(), manifest != null);
    }

    /** The segments of the log, oldest first. */
    private List<Found> chain(Found start, ChainScanner scanner) {
        List<Found> chain = new ArrayList<>();
        Set<Long> listed = listedEnds().keySet();
        for (Found found : files.all()) {
            if (start != null && found.base < start.base && listed.contains(found.base) && found.header != null) {
                chain.add(found);
            }
        }
        for (Found found = start;
                found != null;
                found = found == scanner.endSegment() ? null : files.successor(found)) {
            chain.add(found);
        }
        return chain;
    }

    /** By base, where the segments end that the manifest names. */
    private Map<Long, Long> listedEnds() {
        Map<Long, Long> ends = new LinkedHashMap<>();
        if (manifest != null) {
            manifest.segments().forEach(listed -> ends.put(listed.basePosition(), listed.endPosition()));
        }
        return ends;
    }

    // ---------------------------------------------------------------------------------------------------- starting

    private StripeLog begin(CheckpointSlot slot, ChainScanner scanner, Found start) throws IOException {
        long epoch = 1 + Math.max(slot == null ? 0 : slot.epoch(), Math.max(files.epochMax(), scanner.epoch()));
        long addressLimit =
                Math.max(files.addressLimit(), slot == null ? 0 : Math.max(slot.addressLimit(), scanner.durable()));
        if (slot != null) {
            newestMillis = Math.max(newestMillis, slot.logTimeMillis());
        }
        long durable = scanner.durable();
        long nextSequence = start == null ? 1 : scanner.nextSequence();
        long durableSequence = tail.isEmpty() ? nextSequence : tail.peekFirst().sequence;
        boolean isNumbered = slot != null && !isOfOlderBuild;
        identity = new LogIdentity(options.stripeId(), identity.logId(), isNumbered ? slot.logIdEpoch() : epoch);
        // The epoch is forced before anything is written that carries it.
        writeSlot(slot, epoch, durable, durableSequence, addressLimit);
        if (isOfOlderBuild) {
            // Nor may a header carry the log's number that the older slot, should the newer one be damaged, does not
            // know.
            writeSlot(slot, epoch, durable, durableSequence, addressLimit);
        }
        segments = new SegmentStore(directory, options, identity.logId(), epoch, addressLimit);
        List<Found> cutOff = keepChain(start, scanner);
        FreshRun run = new FreshRun(segments, epoch);
        boolean isLinked = false;
        try {
            copyTail(scanner, run, epoch, durable, nextSequence);
            link(run, scanner, start, durable);
            isLinked = true;
            for (Map.Entry<Long, byte[]> copy : movedCopies.entrySet()) {
                eachRecord(copy.getValue(), 0, (record, ordinal) -> indexMessage(record, ordinal, copy.getKey()));
            }
        } catch (DiskFullException e) {
            throw diskFull(e);
        } finally {
            if (!isLinked) {
                run.giveUp();
            }
        }
        run.segments().forEach(segments::add);
        discard(cutOff);
        deleteGivenUp();
        entryLists.keepOnly(listedBases);
        makeStamp();
        writeSlot(slot, epoch, run.last().end(), nextSequence, segments.addressLimit());
        return log(slot, epoch, scanner, run, nextSequence, start);
    }

    private StripeException diskFull(IOException e) {
        return new StripeException(
                Reason.DISK_FULL,
                "no room to start stripe " + options.stripeId() + " in " + directory.path() + ": " + e.getMessage(),
                e);
    }

    private void writeSlot(CheckpointSlot slot, long epoch, long durable, long nextSequence, long addressLimit)
            throws IOException {
        checkpointFile.write(new CheckpointSlot(
                options.stripeId(),
                epoch,
                slot == null ? NO_POSITION : slot.replayPosition(),
                slot == null ? 1 : slot.replaySequence(),
                slot == null ? NO_POSITION : slot.manifestPosition(),
                slot == null ? NO_POSITION : slot.manifestSequence(),
                durable,
                nextSequence,
                addressLimit,
                newestMillis,
                -1,
                identity.logId(),
                identity.firstEpoch()));
    }

    /**
     * Takes over the segments of the log. What is proved to be superseded is kept for reuse or removed; what is not is set
     * aside.
     *
     * @return superseded ones that may go only when the log has passed them: nothing else proves it of those behind them
     */
    private List<Found> keepChain(Found start, ChainScanner scanner) throws IOException {
        Leftovers leftovers = leftovers(scanner, start);
        List<Found> chain = chain(start, scanner);
        Map<Long, Long> ends = listedEnds();
        for (Found found : chain) {
            if (found.base < start.base) {
                keep(found, Math.max(found.firstPosition(), ends.get(found.base)));
            } else {
                boolean isLast = found == scanner.endSegment();
                keep(
                        found,
                        isLast
                                ? scanner.endPosition()
                                : files.successor(found).header.predecessorEnd());
            }
        }
        for (String name : files.strange()) {
            findings.add(name + ": an earlier start has set it aside; it is no part of the log");
        }
        List<Found> free = new ArrayList<>();
        List<Found> cutOff = new ArrayList<>();
        TreeMap<Long, String> strange = new TreeMap<>();
        for (Found found : files.all()) {
            // Below the replay start only a manifest can say that a segment is free. From there on the chain says it.
            boolean isBeside = start == null || found.base > start.base || manifest != null;
            if (chain.contains(found) || ends.containsKey(found.base) || !isBeside) {
                continue;
            }
            String strangeness = leftovers.strangeness(found);
            if (strangeness != null) {
                strange.put(found.base, strangeness);
            } else {
                (leftovers.isNeededAsProof(found, start == null ? NO_POSITION : start.base) ? cutOff : free).add(found);
            }
        }
        // Should this start die meanwhile, none of those left may name one that is gone.
        for (Map.Entry<Long, String> each : strange.descendingMap().entrySet()) {
            setAside(files.at(each.getKey()), each.getValue());
        }
        for (Found found : files.foreign()) {
            setAside(
                    found,
                    "it belongs to " + LogIdentity.name(found.claim.stripeId(), found.claim.logId()) + ", this is "
                            + identity + (ends.containsKey(found.base) ? "; the manifest lists one of that name" : ""));
        }
        discardSpares();
        discard(free);
        return cutOff;
    }

    private void setAside(Found found, String reason) throws IOException {
        found.take().close();
        findings.add(found.name + ": " + reason + "; it is kept as " + segments.setAside(found.name));
        directory.forceDirectory();
    }

    private void discardSpares() throws IOException {
        for (Map.Entry<String, SegmentHeader> spare : files.spares().entrySet()) {
            SegmentHeader header = spare.getValue();
            if (header == null || identity.isOf(header)) {
                segments.discard(spare.getKey(), true, options.segmentBytes());
            } else {
                findings.add(spare.getKey() + ": it belongs to " + LogIdentity.name(header.stripeId(), header.logId())
                        + ", this is " + identity + "; it is kept as " + segments.setAside(spare.getKey()));
            }
        }
        if (!files.spares().isEmpty()) {
            directory.forceDirectory();
        }
    }

    /** Once the log has passed their addresses nothing has to be told by them. */
    private void deleteGivenUp() throws IOException {
        for (String name : files.givenUp().values()) {
            directory.delete(name);
        }
        if (!files.givenUp().isEmpty()) {
            directory.forceDirectory();
        }
    }

    private void discard(List<Found> superseded) throws IOException {
        for (Found found : superseded) {
            long size = found.file.sizeBytes();
            found.take().close();
            segments.discard(found.name, true, size);
        }
        if (!superseded.isEmpty()) {
            directory.forceDirectory();
        }
    }

    private void keep(Found found, long end) {
        Segment segment = new Segment(found.base, found.take(), end);
        segment.setOrigin(found.header.firstSequence(), found.header.epoch());
        segment.setHeaderForced(true);
        if (basesWithEntries.contains(found.base)) {
            segment.setHoldsEntries(
                    listedBases.contains(found.base) ? null : entries.getOrDefault(found.base, new EntryList()));
        }
        if (basesWithMoved.contains(found.base)) {
            segment.setHoldsMoved();
        }
        segments.add(segment);
    }

    /** What no one stated durable may exist in memory only: it is written again, with the new epoch, and forced. */
    private void copyTail(ChainScanner scanner, FreshRun run, long epoch, long durable, long nextSequence)
            throws IOException {
        CRC32C crc = new CRC32C();
        if (!tail.isEmpty()) {
            Place first = tail.peekFirst();
            ChainScanner copied = new ChainScanner(files, durable);
            copied.scan(
                    first.segment, first.position, first.sequence, scanner.endPosition(), (found, bytes, at, place) -> {
                        int length = FrameCodec.length(bytes, at);
                        long position = run.placeFor(length, FrameCodec.firstSequence(bytes, at), durable);
                        byte[] copy = new byte[length];
                        System.arraycopy(bytes, at, copy, 0, length);
                        FrameCodec.place(copy, 0, length, epoch, position, durable, crc);
                        run.write(copy, 0, length);
                        framesCopied++;
                        bytesCopied += length;
                        boolean isMoved = FrameCodec.isMoved(copy, 0);
                        if (isMoved) {
                            run.last().setHoldsMoved();
                            movedCopies.put(position, copy);
                        }
                        eachRecord(copy, 0, (record, ordinal) -> {
                            if (!isMoved) {
                                indexMessage(record, ordinal, position);
                            }
                            if (record.type() == RecordType.ENTRY) {
                                EntryRecord entry = (EntryRecord) record.decode();
                                run.last()
                                        .addEntry(
                                                record.queueId(),
                                                record.queueOffset(),
                                                entry.bodyQueueId(),
                                                entry.bodyOffset());
                            }
                        });
                    });
            if (copied.endPosition() != scanner.endPosition()) {
                // The kernel may drop pages whose force had failed at any time; what was replayed has to be what is
                // copied.
                throw new StripeException(
                        Reason.DEVICE_FAILED,
                        "the end of the log in " + directory.path() + " could be read up to position "
                                + scanner.endPosition() + ", now up to " + copied.endPosition() + " only ("
                                + copied.endReason() + "): start again");
            }
        }
        run.begin(nextSequence, durable);
        run.force();
    }

    /** The header that names the old log's end comes last. */
    private void link(FreshRun run, ChainScanner scanner, Found start, long durable) throws IOException {
        if (start == null) {
            run.link(SegmentHeader.NONE, SegmentHeader.NONE, durable);
            return;
        }
        long cut = tail.isEmpty() ? scanner.endPosition() : tail.peekFirst().position;
        Segment predecessor = segments.floor(cut);
        // A segment without a durable frame may have a header that is not durable either: the chain must not hang on
        // it.
        while (predecessor != null && cut == predecessor.firstPosition() && durable < cut) {
            Found found = files.at(predecessor.base());
            long before = found.header.predecessorBase();
            cut = found.header.predecessorEnd();
            predecessor = before == SegmentHeader.NONE ? null : segments.find(before);
        }
        if (predecessor != null) {
            predecessor.setEnd(cut);
        }
        run.link(
                predecessor == null ? SegmentHeader.NONE : predecessor.base(),
                predecessor == null ? SegmentHeader.NONE : cut,
                durable);
        // What the copies replace is no part of the log any more.
        segments.replaceTail(predecessor, List.of());
    }

    private StripeLog log(
            CheckpointSlot slot, long epoch, ChainScanner scanner, FreshRun run, long nextSequence, Found start) {
        StripeLog.Opened opened = new StripeLog.Opened();
        opened.directory = directory;
        opened.options = options;
        opened.identity = identity;
        opened.checkpointFile = checkpointFile;
        opened.index = index;
        opened.entryLists = entryLists;
        opened.indexStamp = indexStamp;
        opened.segments = segments;
        opened.active = run.last();
        opened.owners = owners;
        opened.pins = pins;
        opened.marks = marks;
        opened.stopped = stopped;
        opened.checkpointNumber = manifest == null ? 0 : manifest.checkpointNumber();
        opened.replayPosition = slot == null ? NO_POSITION : slot.replayPosition();
        opened.replaySequence = slot == null ? 1 : slot.replaySequence();
        opened.manifestPosition = slot == null ? NO_POSITION : slot.manifestPosition();
        opened.manifestSequence = slot == null ? NO_POSITION : slot.manifestSequence();
        opened.nextSequence = nextSequence;
        opened.durablePosition = run.last().end();
        opened.replayedBytes = bytesReplayed;
        boolean isCleanStop =
                slot != null && slot.isClean() && start != null && slot.cleanEnd() == scanner.endPosition();
        opened.report = new RecoveryReport(
                options.stripeId(),
                epoch,
                slot == null,
                isCleanStop,
                framesReplayed,
                recordsReplayed,
                framesCopied,
                bytesCopied,
                nextSequence - 1,
                newestMillis,
                start == null ? "nothing was logged" : scanner.endReason(),
                isCleanStop ? Optional.empty() : Optional.ofNullable(scanner.cutOff()),
                stopped.stream().map(Owner::ofKey).toList(),
                List.copyOf(findings));
        return new StripeLog(opened);
    }
}
