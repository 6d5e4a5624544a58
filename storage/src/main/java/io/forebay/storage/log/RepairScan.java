package io.forebay.storage.log;

import io.forebay.storage.checkpoint.CheckpointSlot;
import io.forebay.storage.log.LogFiles.Found;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Reads a log whose segments are all there, with sound headers, and finds the places in which something durable is lost, and of
 * whom: by the gaps in the own numbers of the owners, and by what can still be made out in the damaged bytes. Which offsets that may be,
 * of a queue, is told by {@link LostOffsets}. Changes nothing.
 */
final class RepairScan {
    /** A place whose records are lost. */
    static final class Hole {
        final Found segment;
        final long from;
        final String reason;
        final long firstSequence;
        final long epoch;
        final long durablePosition;
        final long logTimeMillis;
        /** Whether a start reads it only when somebody asks for a message in it. */
        final boolean isBelowReplay;

        long to;
        long count;
        /** Whether nothing sound follows, so that the count is what could have been there at most. */
        boolean isOpen;

        /** Key and own number of those lost records whose owner is known. */
        final List<long[]> owners = new ArrayList<>();

        Hole(Found segment, long from, String reason, RepairScan scan) {
            this.segment = segment;
            this.from = from;
            this.reason = reason;
            this.firstSequence = scan.sequence;
            this.epoch = Math.max(scan.epoch, segment.header.epoch());
            this.durablePosition = scan.frameDurable;
            this.logTimeMillis = scan.logTimeMillis;
            this.isBelowReplay = scan.isBelowReplay;
        }

        /** Lost records whose owner is not known. */
        long unknownCount() {
            return count - owners.size();
        }

        LostFrames.Place place() {
            return new LostFrames.Place(from, to, firstSequence, count, owners, epoch, durablePosition, logTimeMillis);
        }
    }

    /** What was seen of an owner last. */
    private static final class Seen {
        long number;
        /** Of a queue: records that are lost, of which nothing has told yet whether they were messages. */
        long lostNumbers;
        /** How many holes came before its last record. */
        int holesBefore;
    }

    private final LogFiles files;
    private final CheckpointSlot slot;
    private final ManifestRecord manifest;
    private final Set<String> remade;
    private final FrameWindow window = new FrameWindow();
    private final RecordView view = new RecordView();
    private final List<Hole> holes = new ArrayList<>();
    private final Map<Long, Seen> owners = new TreeMap<>();
    private final LostOffsets offsets;
    /** Per owner, how many of its records are lost. */
    private final Map<Long, Long> lostRecords = new TreeMap<>();

    private final List<String> notes = new ArrayList<>();

    private long durable;
    private long sequence;
    private long epoch;
    private long frameDurable;
    private long logTimeMillis;
    private boolean isBelowReplay;
    private Hole pending;
    /** Why the log cannot be mended this way, or null. */
    private String refusal;

    private Found endSegment;
    private long endPosition;

    /** @param remade names of segments that the repair has made anew, in whole or in part: what follows them says that they were there */
    RepairScan(LogFiles files, CheckpointSlot slotOrNull, ManifestRecord manifestOrNull, Set<String> remade) {
        this.files = files;
        this.slot = slotOrNull;
        this.manifest = manifestOrNull;
        this.remade = remade;
        this.offsets = new LostOffsets(slotOrNull, manifestOrNull, holes);
    }

    List<Hole> holes() {
        return holes;
    }

    LostOffsets offsets() {
        return offsets;
    }

    Map<Long, Long> lostRecords() {
        return lostRecords;
    }

    List<String> notes() {
        return notes;
    }

    String refusal() {
        return refusal;
    }

    /** The highest position that anything states to be durable. */
    static long durable(LogFiles files, CheckpointSlot slotOrNull) throws IOException {
        long durable = files.statedDurable();
        if (slotOrNull != null) {
            durable = Math.max(durable, Math.max(slotOrNull.durablePosition(), slotOrNull.cleanEnd()));
        }
        FrameWindow window = new FrameWindow();
        for (Found found : files.all()) {
            long limit = found.base + found.file.sizeBytes();
            for (long at = window.nextFrame(found.file, found.base, found.firstPosition(), limit); at < limit; ) {
                durable = Math.max(durable, FrameCodec.durablePosition(window.bytes(), window.at()));
                at = window.nextFrame(
                        found.file, found.base, at + FrameCodec.length(window.bytes(), window.at()), limit);
            }
        }
        return durable;
    }

    void scan() throws IOException {
        durable = durable(files, slot);
        Found start = slot != null && slot.replayPosition() >= 0 ? files.holding(slot.replayPosition()) : files.first();
        if (start == null || !start.isLinked()) {
            return;
        }
        isBelowReplay = true;
        scanOlder(start);
        long replayFrom = slot == null || slot.replayPosition() < 0 ? start.firstPosition() : slot.replayPosition();
        sequence = start.header.firstSequence();
        epoch = start.header.epoch();
        walk(start, start.firstPosition(), replayFrom, true);
        close(slot == null || slot.replayPosition() < 0 ? sequence : slot.replaySequence());
        beginReplay();
        if (slot != null && slot.replayPosition() >= 0) {
            sequence = slot.replaySequence();
        }
        for (Found found = start; found != null && refusal == null; ) {
            Found next = files.successor(found);
            if (found != start) {
                close(found.header.firstSequence());
                if (found.header.firstSequence() != sequence) {
                    refusal = found.name + " begins with sequence " + found.header.firstSequence()
                            + ", the log before it ends with " + (sequence - 1);
                    return;
                }
                epoch = Math.max(epoch, found.header.epoch());
            }
            long end = next == null ? found.limit() : Math.min(found.limit(), next.header.predecessorEnd());
            long from = found == start ? replayFrom : found.firstPosition();
            boolean isAtEnd = walk(found, from, end, next != null);
            endSegment = found;
            found = isAtEnd ? next : null;
        }
        passOverUntold();
        attributeByBytes();
        offsets.dropMoved();
    }

    /** What the manifest lists below the replay start, each on its own. */
    private void scanOlder(Found start) throws IOException {
        if (manifest == null) {
            noteOlderOffsets(start);
            return;
        }
        for (ManifestRecord.SegmentEntry listed : manifest.segments()) {
            Found found = files.at(listed.basePosition());
            if (found == null || !found.isLinked() || found.base >= start.base) {
                continue;
            }
            sequence = found.header.firstSequence();
            epoch = found.header.epoch();
            walk(found, found.firstPosition(), files.end(found), true);
            Found next = files.successor(found);
            boolean isFollowed = next != null && files.end(found) == next.header.predecessorEnd();
            // Where cleaning has taken out what follows, nobody counts on these sequences any more.
            long least = pending == null ? 0 : LostFrames.Place.countMin(pending.to - pending.from);
            close(isFollowed ? Math.max(sequence, next.header.firstSequence()) : sequence + least);
        }
    }

    /** Which of those segments count is not known; offsets that were given are not given again, whether they do or not. */
    private void noteOlderOffsets(Found start) throws IOException {
        for (Found found : files.all()) {
            if (!found.isLinked() || found.base >= start.base) {
                continue;
            }
            long end = files.end(found);
            for (long at = window.nextFrame(found.file, found.base, found.firstPosition(), end); at < end; ) {
                byte[] bytes = window.bytes();
                int frameAt = window.at();
                int recordAt = frameAt + FrameCodec.HEADER_BYTES;
                for (int ordinal = 0; ordinal < FrameCodec.recordCount(bytes, frameAt); ordinal++) {
                    view.wrap(bytes, frameAt, recordAt, ordinal);
                    recordAt += view.lengthBytes();
                    offsets.takeOlder(view, FrameCodec.isMoved(bytes, frameAt));
                }
                at = window.nextFrame(found.file, found.base, at + FrameCodec.length(bytes, frameAt), end);
            }
        }
    }

    private void beginReplay() {
        isBelowReplay = false;
        owners.clear();
        if (manifest != null) {
            for (ManifestRecord.OwnerEntry listed : manifest.owners()) {
                seen(Owner.key(listed.queueId(), listed.groupId())).number = listed.nextOwnerNumber() - 1;
            }
        }
    }

    private Seen seen(long key) {
        return owners.computeIfAbsent(key, missing -> new Seen());
    }

    /** @return whether the log goes on behind it */
    private boolean walk(Found found, long from, long end, boolean isEndKnown) throws IOException {
        long position = from;
        while (position < end) {
            String problem = problemAt(found, position, end);
            if (problem == null) {
                take(found, position);
                position += FrameCodec.length(window.bytes(), window.at());
                continue;
            }
            long next = nextSound(found, position + 8, end);
            boolean isDurable = durable > position || found.isCutShort();
            if (!isDurable && !(isEndKnown && (isBelowReplay || remade.contains(found.name)))) {
                // The log's tail, also if a header that names the segment's end was sooner on the device than its
                // frames.
                endPosition = position;
                return false;
            }
            Hole hole = new Hole(found, position, problem, this);
            holes.add(hole);
            if (next < end) {
                hole.to = next;
                hole.count = FrameCodec.firstSequence(window.bytes(), window.at()) - sequence;
                sequence += hole.count;
                position = next;
            } else if (isEndKnown) {
                hole.to = end;
                pending = hole;
                return true;
            } else {
                closeOpen(hole, end);
                position = hole.to;
                break;
            }
        }
        endPosition = position;
        return isEndKnown;
    }

    private String problemAt(Found found, long position, long end) throws IOException {
        String problem = window.check(found.file, found.base, position, end - position);
        if (problem != null) {
            return problem;
        }
        if (FrameCodec.epoch(window.bytes(), window.at()) < epoch) {
            return "a frame of epoch " + FrameCodec.epoch(window.bytes(), window.at()) + " lies behind epoch " + epoch;
        }
        long first = FrameCodec.firstSequence(window.bytes(), window.at());
        return first == sequence ? null : "the frame begins with sequence " + first + ", expected was " + sequence;
    }

    private long nextSound(Found found, long from, long end) throws IOException {
        long at = window.nextCandidate(found.file, found.base, from, end);
        while (at + FrameCodec.HEADER_BYTES <= end) {
            if (window.check(found.file, found.base, at, end - at) == null
                    && FrameCodec.firstSequence(window.bytes(), window.at()) >= sequence
                    && FrameCodec.epoch(window.bytes(), window.at()) >= epoch) {
                return at;
            }
            at = window.nextCandidate(found.file, found.base, at + 8, end);
        }
        return end;
    }

    /** The sequence behind a hole that reaches to the end of its segment is known now. */
    private void close(long nextSequence) {
        if (pending != null) {
            pending.count = Math.max(0, nextSequence - sequence);
            sequence += pending.count;
            pending = null;
        }
    }

    /** Nothing follows: all that could have been there counts, so that no sequence is given twice. */
    private void closeOpen(Hole hole, long limit) throws IOException {
        hole.isOpen = true;
        long used = Math.max(Math.min(durable, limit), lastByteUsed(hole.segment, hole.from, limit));
        long bytes = Math.max(used - hole.from, 2 * LostRecord.BYTES_MIN + FrameCodec.HEADER_BYTES) + 7 & ~7L;
        hole.to = Math.min(hole.from + bytes, limit);
        hole.count = LostFrames.Place.countMax(hole.to - hole.from);
        boolean isClean = slot != null && slot.isClean() && slot.cleanEnd() >= hole.from && slot.cleanEnd() <= limit;
        if (isClean) {
            hole.isOpen = false;
            hole.to = slot.cleanEnd();
            hole.count = slot.nextSequence() - sequence;
        }
        sequence += hole.count;
    }

    /** Behind the last place where a frame of this use of the file may have begun. */
    private long lastByteUsed(Found found, long from, long limit) throws IOException {
        long end = from;
        long at = window.nextCandidate(found.file, found.base, from, limit);
        while (at + FrameCodec.HEADER_BYTES <= limit) {
            int in = window.load(found.file, at - found.base, FrameCodec.HEADER_BYTES);
            boolean isPlausible = FrameCodec.headerProblem(window.bytes(), in, at, limit - at) == null;
            end = at + (isPlausible ? FrameCodec.length(window.bytes(), in) : FrameCodec.HEADER_BYTES);
            at = window.nextCandidate(found.file, found.base, at + 8, limit);
        }
        return end;
    }

    private void take(Found found, long position) throws CorruptRecordException {
        byte[] bytes = window.bytes();
        int at = window.at();
        boolean isMoved = FrameCodec.isMoved(bytes, at);
        epoch = FrameCodec.epoch(bytes, at);
        frameDurable = FrameCodec.durablePosition(bytes, at);
        logTimeMillis = Math.max(logTimeMillis, FrameCodec.logTimeMillis(bytes, at));
        int count = FrameCodec.recordCount(bytes, at);
        int recordAt = at + FrameCodec.HEADER_BYTES;
        for (int ordinal = 0; ordinal < count; ordinal++) {
            view.wrap(bytes, at, recordAt, ordinal);
            recordAt += view.lengthBytes();
            if (!isMoved && !isBelowReplay) {
                takeNumber();
            }
            offsets.take(view, isMoved);
        }
        if (!isMoved) {
            sequence = FrameCodec.firstSequence(bytes, at) + count;
        }
        endSegment = found;
        endPosition = position + FrameCodec.length(bytes, at);
    }

    private void takeNumber() throws CorruptRecordException {
        if (view.type() == RecordType.LOST && view.ownerNumber() == 0) {
            return;
        }
        long key = view.ownerKey();
        // Where a manifest that cannot be read would say where the numbers stood, the first one met proves no gap.
        boolean isFromBeginning = slot == null || slot.replayPosition() < 0;
        long number = view.ownerNumber();
        // One that a manifest does not list is new, unless it was deleted: then its numbers are higher than all that is
        // lost.
        boolean isNew = manifest != null && number - 1 <= unknownCount();
        boolean isKnown = owners.containsKey(key) || isNew || (manifest == null && isFromBeginning);
        Seen seen = seen(key);
        if (isKnown && number > seen.number + 1) {
            attribute(key, seen.number + 1, number - 1, seen.holesBefore);
        }
        long gap = Math.max(0, number - 1 - seen.number);
        if (!isKnown && view.queueOffset() < 0) {
            gap = manifest == null ? Math.min(gap, offsets.unknownFrom(0)) : 0;
        }
        seen.lostNumbers += gap;
        if (view.queueOffset() >= 0) {
            noteNext(seen, view.queueOffset());
        } else if (view.type() == RecordType.SNAPSHOT && Owner.ofKey(key).isQueue()) {
            noteNext(seen, ((SnapshotRecord) view.decode()).nextOffset());
        }
        seen.number = Math.max(seen.number, number);
        seen.holesBefore = holes.size();
    }

    /** Lost records, of those that a start replays, whose owner is not known so far. */
    private long unknownCount() {
        return holes.stream()
                .filter(hole -> !hole.isBelowReplay)
                .mapToLong(Hole::unknownCount)
                .sum();
    }

    /** Gives lost numbers to the holes between an owner's records, as far as those have room. */
    private void attribute(long key, long from, long to, int firstHole) {
        long number = from;
        for (int index = firstHole; index < holes.size() && number <= to; index++) {
            Hole hole = holes.get(index);
            for (; !hole.isBelowReplay && number <= to && hole.owners.size() < hole.count; number++) {
                hole.owners.add(new long[] {key, number});
                lostRecords.merge(key, 1L, Long::sum);
            }
        }
    }

    /** Of the record's queue, by the record. */
    private void noteNext(Seen seen, long nextOffset) {
        offsets.noteNext(view.queueId(), nextOffset, seen.lostNumbers);
        seen.lostNumbers = 0;
    }

    /** How many holes came before the last record of a queue. */
    private int holesBefore(int queueId) {
        Seen seen = owners.get(Owner.key(queueId, 0));
        return seen == null ? 0 : seen.holesBefore;
    }

    /** Of queues whose later records do not say how far their offsets had come: all that is lost may have been messages. */
    private void passOverUntold() {
        owners.forEach((key, seen) -> {
            if (Owner.ofKey(key).isQueue() && seen.lostNumbers > 0 && !holes.isEmpty()) {
                offsets.passOver(Owner.ofKey(key).queueId(), seen.lostNumbers, seen.holesBefore);
                seen.lostNumbers = 0;
            }
        });
    }

    // ------------------------------------------------------------------------------- what the damaged bytes still tell

    /**
     * Records without a later one of their owner are told by what is left of them: a record whose owner is known and whose number is
     * the owner's next is not invented by damage. Of what stays unknown every queue without a later record may have lost offsets.
     */
    private void attributeByBytes() throws IOException {
        for (int index = 0; index < holes.size(); index++) {
            Hole hole = holes.get(index);
            if (!hole.isBelowReplay && hole.unknownCount() > 0) {
                readRemains(hole, index);
            }
        }
        if (offsets.unknownFrom(0) > 0) {
            passOverUnknown();
            owners.forEach((key, seen) -> {
                if (Owner.ofKey(key).isQueue()) {
                    offsets.passOverAgain(Owner.ofKey(key).queueId(), seen.holesBefore);
                }
            });
        }
    }

    private void readRemains(Hole hole, int index) throws IOException {
        long at = hole.from;
        boolean isWhole = true;
        while (at + FrameCodec.HEADER_BYTES + FrameCodec.RECORD_HEADER_BYTES <= hole.to) {
            int length = remainsOfFrame(hole, index, at);
            if (length <= 0) {
                isWhole = false;
                break;
            }
            at += length;
        }
        if (isWhole && hole.isOpen && !hole.owners.isEmpty()) {
            sequence -= hole.unknownCount();
            hole.count = hole.owners.size();
        }
    }

    /** @return its length if all of its records are made out, 0 if not */
    private int remainsOfFrame(Hole hole, int index, long position) throws IOException {
        int room = (int) Math.min(hole.to - position, Integer.MAX_VALUE - 8);
        FrameWindow remains = new FrameWindow(0);
        int at = remains.load(hole.segment.file, position - hole.segment.base, FrameCodec.HEADER_BYTES);
        if (FrameCodec.headerProblem(remains.bytes(), at, position, room) != null) {
            return 0;
        }
        int length = FrameCodec.length(remains.bytes(), at);
        at = remains.load(hole.segment.file, position - hole.segment.base, length);
        byte[] bytes = remains.bytes();
        int end = at + length;
        if (FrameCodec.isMoved(bytes, at)) {
            return length; // what it held was elsewhere first
        }
        int recordAt = at + FrameCodec.HEADER_BYTES;
        while (recordAt < end) {
            int recordLength = end - recordAt < FrameCodec.RECORD_HEADER_BYTES
                    ? 0
                    : view.wrap(bytes, at, recordAt, 0).lengthBytes();
            if (recordLength < FrameCodec.RECORD_HEADER_BYTES
                    || (recordLength & 7) != 0
                    || recordLength > end - recordAt
                    || !takeRemains(hole, index)) {
                return 0;
            }
            recordAt += recordLength;
        }
        return length;
    }

    /** @return whether it can be told whose record it was */
    private boolean takeRemains(Hole hole, int index) {
        long key = view.ownerKey();
        long number = view.ownerNumber();
        for (long[] owner : hole.owners) {
            if (owner[0] == key && owner[1] == number) {
                return true;
            }
        }
        Seen seen = owners.get(key);
        boolean isFromBeginning = slot == null || slot.replayPosition() < 0;
        boolean isPlausible = view.queueId() > 0 && view.groupId() >= 0;
        boolean isFirst = seen == null && number == 1 && isPlausible && (manifest != null || isFromBeginning);
        if (!isFirst && (seen == null || number != seen.number + 1 || seen.holesBefore > index)) {
            return false;
        }
        int queueId = view.queueId();
        long offset = view.queueOffset();
        boolean isOfQueue = Owner.ofKey(key).isQueue();
        if (offset >= 0 && !offsets.isPlausible(queueId, offset, hole.count)) {
            return false;
        }
        // A damaged type may name another kind of record: any record of a queue may have been a message.
        if (offset >= 0 || isOfQueue) {
            offsets.takeRemains(queueId, offset, isOfQueue, holesBefore(queueId));
        }
        seen(key).number = number;
        if (hole.owners.size() < hole.count) {
            hole.owners.add(new long[] {key, number});
            lostRecords.merge(key, 1L, Long::sum);
        }
        return true;
    }

    /** Offsets that may have been given are not given again: what is lost before a queue's last record is none of its. */
    private void passOverUnknown() {
        Set<Integer> queueIds = new TreeSet<>();
        if (manifest == null) {
            queueIds.addAll(offsets.queueIds()); // also those of which nothing is replayed
        }
        owners.keySet().stream()
                .map(Owner::ofKey)
                .filter(Owner::isQueue)
                .forEach(owner -> queueIds.add(owner.queueId()));
        for (int queueId : queueIds) {
            int holesBefore = holesBefore(queueId);
            long unknown = offsets.unknownFrom(holesBefore);
            if (unknown > 0) {
                offsets.passOver(queueId, unknown, holesBefore);
            }
        }
        notes.add("whose " + offsets.unknownFrom(0)
                + " of the lost records were cannot be told; as many offsets are passed over"
                + " in each queue that has no later record");
    }
}
