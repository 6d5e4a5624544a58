package io.forebay.storage.log;

import io.forebay.storage.checkpoint.CheckpointSlot;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Which offsets of the queues of a damaged log are lost, and how far their offsets may have come at most: by the messages that are left,
 * the notes of earlier repairs and what these have given up, and the manifest. {@link RepairScan} hands over the records in the order of
 * the log, and says how many of a queue are lost between them.
 */
final class LostOffsets {
    /** What is given up of a queue since a message told how far its offsets had come. */
    private static final class GivenUp {
        /** The offset behind that message. */
        long next;
        /** Whether a start replays that message. */
        boolean isReplayed;
        /** By earlier repairs, known to be of the queue. */
        long count;
        /** What earlier repairs had given up of nobody, and of anybody, before that. */
        long ofNobodyBefore;

        long ofAnybodyBefore;
        /** Now, of what a snapshot was told of. */
        long lost;
        /** How many holes came before that message. */
        int holesBefore;
        /** Whether offsets are passed over now, and how many more records may have stood for some. */
        boolean isPassedOver;

        long againMax;
    }

    private final CheckpointSlot slot;
    private final ManifestRecord manifest;
    /** In the order of the log; of the scan, which finds more of them meanwhile. */
    private final List<RepairScan.Hole> holes;
    /** Per queue the next offset, by all messages that were seen, moved ones too. */
    private final Map<Integer, Long> nextOffsets = new HashMap<>();
    /** Per queue the offsets of messages that cleaning has moved: they lie behind holes that they have nothing to do with. */
    private final Map<Integer, OffsetSet.Builder> moved = new HashMap<>();
    /** First offset and count of what is lost, by queue. */
    private final Map<Integer, List<long[]>> lostOffsets = new TreeMap<>();
    /**
     * Per queue. Any of these records may have been a message, or stands for an offset that an earlier repair has passed over; the notes
     * that say which offsets those were may be lost by now.
     */
    private final Map<Integer, GivenUp> givenUp = new HashMap<>();

    private long givenUpOfNobody;
    private long givenUpOfAnybody;
    private long givenUpInReplay;
    /** Per queue, behind the last offset that a note of an earlier repair puts in quarantine. */
    private final Map<Integer, Long> notedEnds = new HashMap<>();
    /** Per queue, what such notes put in quarantine. */
    private final Map<Integer, OffsetSet> noted = new HashMap<>();

    LostOffsets(CheckpointSlot slotOrNull, ManifestRecord manifestOrNull, List<RepairScan.Hole> holes) {
        this.slot = slotOrNull;
        this.manifest = manifestOrNull;
        this.holes = holes;
    }

    /** By queue, first offset and count: also of what the note of an earlier repair has put in quarantine. */
    Map<Integer, List<long[]>> byQueue() {
        return lostOffsets;
    }

    /** Of a queue, without what an earlier repair has put in quarantine: that was given up then. */
    OffsetSet newlyLost(int queueId) {
        OffsetSet.Builder lost = OffsetSet.builder();
        lostOffsets.getOrDefault(queueId, List.of()).forEach(range -> lost.addRange(range[0], range[1]));
        return lost.build().minus(noted.getOrDefault(queueId, OffsetSet.empty()));
    }

    /** Queues of which an offset is known. */
    Set<Integer> queueIds() {
        return nextOffsets.keySet();
    }

    /** A sound record. */
    void take(RecordView view, boolean isMoved) throws CorruptRecordException {
        takeOlder(view, isMoved);
        if (isMoved && view.queueOffset() >= 0) {
            moved.computeIfAbsent(view.queueId(), id -> OffsetSet.builder()).add(view.queueOffset());
        }
    }

    /** A sound record of a segment of which it is not known whether it counts. */
    void takeOlder(RecordView view, boolean isMoved) throws CorruptRecordException {
        if (!isMoved) {
            takeGivenUp(view);
        }
        if (view.queueOffset() >= 0) {
            nextOffsets.merge(view.queueId(), view.queueOffset() + 1, Math::max);
        }
    }

    /** Whether a damaged message may have had that offset, in a hole of so many records. */
    boolean isPlausible(int queueId, long offset, long holeCount) {
        long next = nextOffsets.getOrDefault(queueId, -1L);
        long offsetMax = next >= 0 ? next : told(queueId) + holeCount;
        return offset <= Math.max(offsetMax, reached(queueId, 0)) && offset >= next;
    }

    /** A record that is damaged, and may have been a message; its offset is -1 if it seems to have none. */
    void takeRemains(int queueId, long offset, boolean isOfQueue, int holesBefore) {
        long told = told(queueId);
        if (isOfQueue && reached(queueId, 0) > told) {
            // It may be a note of what was given up before, or have come behind one that is lost.
            passOver(queueId, 1, holesBefore);
            return;
        }
        long lost = offset < 0 ? told : offset;
        nextOffsets.put(queueId, lost + 1);
        addLost(queueId, lost, lost + 1);
        againMax(queueId, 1, holesBefore);
        tell(queueId, Math.max(lost + 1, told), true);
    }

    /** What cleaning has moved is stored, and not lost. */
    void dropMoved() {
        moved.forEach((queueId, offsets) -> dropFound(queueId, offsets.build()));
    }

    private void dropFound(int queueId, OffsetSet found) {
        List<long[]> ranges = lostOffsets.get(queueId);
        if (ranges == null) {
            return;
        }
        OffsetSet.Builder lost = OffsetSet.builder();
        ranges.forEach(range -> lost.addRange(range[0], range[1]));
        OffsetSet left = lost.build().minus(found);
        ranges.clear();
        for (int index = 0; index < left.rangeCount(); index++) {
            long first = left.rangeFirst(index);
            ranges.add(new long[] {first, left.rangeLast(index) - first + 1});
        }
        if (ranges.isEmpty()) {
            lostOffsets.remove(queueId);
        }
    }

    /** The offsets before one that was to be given next are lost; no more than records of the queue are. */
    void noteNext(int queueId, long next, long lostNumbers) {
        long known = nextOffsets.getOrDefault(queueId, 0L);
        long first = Math.max(known, next - lostNumbers);
        if (first < next && !holes.isEmpty()) {
            // What is lost may be the note of what was given up before.
            addLostUnlessNoted(queueId, Math.max(known, first - givenUpSinceMessage(queueId)), first);
            addLost(queueId, first, next);
        }
        // A snapshot is older than where it lies: what lies between is not in it.
        givenUp.computeIfAbsent(queueId, id -> new GivenUp()).lost += lostNumbers;
        nextOffsets.merge(queueId, next, Math::max);
    }

    private void addLost(int queueId, long first, long end) {
        if (first < end) {
            lostOffsets.computeIfAbsent(queueId, id -> new ArrayList<>()).add(new long[] {first, end - first});
        }
    }

    private void addLostUnlessNoted(int queueId, long first, long end) {
        OffsetSet left =
                OffsetSet.range(first, Math.max(0, end - first)).minus(noted.getOrDefault(queueId, OffsetSet.empty()));
        for (int index = 0; index < left.rangeCount(); index++) {
            addLost(queueId, left.rangeFirst(index), left.rangeLast(index) + 1);
        }
    }

    /** Offsets that may have been given, if as many records that are lost now may have been messages. */
    void passOver(int queueId, long lostCount, int holesBefore) {
        long told = told(queueId);
        long end = reached(queueId, lostCount);
        againMax(queueId, lostCount, holesBefore);
        long first = Math.min(told, end - lostCount - givenUpSinceMessage(queueId));
        addLostUnlessNoted(queueId, Math.max(nextOffsets.getOrDefault(queueId, 0L), first), end);
        nextOffsets.put(queueId, end);
        tell(queueId, bound(queueId, lostCount), true);
    }

    private void againMax(int queueId, long lostCount, int holesBefore) {
        GivenUp since = givenUp.computeIfAbsent(queueId, id -> new GivenUp());
        if (!since.isPassedOver) {
            since.isPassedOver = true;
            since.againMax =
                    !isToldByManifest(queueId) ? Long.MAX_VALUE : lostInReplay(0, holesBefore) - since.lost - lostCount;
        }
    }

    /**
     * What is lost before a queue's last record is none of its, but may be what an earlier repair has given up of it without knowing. Of
     * queues that have lost nothing since, notes tell how far they had come.
     */
    void passOverAgain(int queueId, int holesBefore) {
        GivenUp since = givenUp.get(queueId);
        if (since != null && since.isPassedOver) {
            long again = Math.min(since.againMax, unknownBetween(since.holesBefore, holesBefore));
            long next = nextOffsets.get(queueId);
            addLost(queueId, next, since.next + again);
            nextOffsets.put(queueId, Math.max(next, since.next + again));
        }
    }

    /** The highest offset that was to be given next by anything that is left, but for notes of repairs. */
    private long told(int queueId) {
        return Math.max(nextOffsets.getOrDefault(queueId, 0L), listedOffset(queueId));
    }

    /**
     * How far a queue's offsets may have come at most. Since a message or a manifest told it they came no further than there are records
     * that are given up, or lost now: each was a message, or stands for an offset that a repair has passed over, or neither. What
     * this passes over keeps that true.
     */
    private long reached(int queueId, long lostCount) {
        long noted = notedEnds.getOrDefault(queueId, 0L);
        return Math.max(Math.max(told(queueId), noted), bound(queueId, lostCount));
    }

    private long bound(int queueId, long lostCount) {
        GivenUp since = givenUp.getOrDefault(queueId, new GivenUp());
        long lost = since.lost + lostCount;
        long next = isToldByManifest(queueId) ? listedOffset(queueId) : since.next;
        return next + givenUp(queueId) + lost;
    }

    // ------------------------------------------------------------------------ what earlier repairs have given up

    private void takeGivenUp(RecordView view) throws CorruptRecordException {
        int queueId = view.queueId();
        boolean isOfQueue = Owner.ofKey(view.ownerKey()).isQueue();
        if (view.type() == RecordType.LOST) {
            givenUpOfAnybody++;
            givenUpOfNobody += view.ownerNumber() == 0 ? 1 : 0;
            givenUpInReplay += isReplayed(view.sequence()) ? 1 : 0;
            if (isOfQueue && view.ownerNumber() != 0) {
                givenUp.computeIfAbsent(queueId, id -> new GivenUp()).count++;
            }
        } else if (view.queueOffset() >= 0) {
            tell(queueId, view.queueOffset() + 1, isReplayed(view.sequence()));
        } else if (view.type() == RecordType.QUARANTINED && isOfQueue) {
            QuarantinedRecord note = (QuarantinedRecord) view.decode();
            OffsetSet before = noted.getOrDefault(queueId, OffsetSet.empty());
            OffsetSet offsets = OffsetSet.range(note.firstOffset(), note.count());
            if (note.cause() == QuarantinedRecord.Cause.RELEASED) {
                noted.put(queueId, before.minus(offsets));
            } else if (note.position() < 0 && note.segment().isEmpty()) {
                // Of a repair: a node notes the place.
                noted.put(queueId, before.union(offsets));
                notedEnds.merge(queueId, note.firstOffset() + note.count(), Math::max);
            }
        }
    }

    /** How many offsets may have been given, or passed over by repairs, since a message or a manifest told how far they had come. */
    private long givenUp(int queueId) {
        GivenUp since = givenUp.getOrDefault(queueId, new GivenUp());
        if (isToldByManifest(queueId)) {
            return givenUpInReplay; // whose it was may be mistaken where the manifest lies between
        }
        return isManifestLost() ? givenUpOfAnybody - since.ofAnybodyBefore : givenUpSinceMessage(queueId);
    }

    private long givenUpSinceMessage(int queueId) {
        GivenUp since = givenUp.getOrDefault(queueId, new GivenUp());
        return since.count + givenUpOfNobody - since.ofNobodyBefore;
    }

    private boolean isToldByManifest(int queueId) {
        return manifest != null && !givenUp.getOrDefault(queueId, new GivenUp()).isReplayed;
    }

    /** Whether earlier repairs may have gone by one that cannot be read now. */
    private boolean isManifestLost() {
        return manifest == null && (slot == null || slot.manifestSequence() >= 0);
    }

    private boolean isReplayed(long recordSequence) {
        // A node that had stopped a queue made manifests that do not know what it was missing.
        return manifest == null || recordSequence >= manifest.replaySequence();
    }

    private long lostInReplay(int firstHole, int endHole) {
        return holes.subList(firstHole, endHole).stream()
                .filter(hole -> isReplayed(hole.firstSequence))
                .mapToLong(hole -> hole.count)
                .sum();
    }

    private void tell(int queueId, long next, boolean isReplayed) {
        GivenUp since = givenUp.computeIfAbsent(queueId, id -> new GivenUp());
        since.next = Math.max(since.next, next);
        since.isReplayed = isReplayed;
        since.count = 0;
        since.ofNobodyBefore = givenUpOfNobody;
        since.ofAnybodyBefore = givenUpOfAnybody;
        since.lost = 0;
        since.holesBefore = since.isPassedOver ? since.holesBefore : holes.size();
    }

    /** Lost records whose owner is not known and which may have been messages, from a hole on. */
    long unknownFrom(int firstHole) {
        return unknownBetween(firstHole, holes.size());
    }

    private long unknownBetween(int firstHole, int endHole) {
        long unknown = 0;
        for (RepairScan.Hole hole : holes.subList(Math.min(firstHole, endHole), endHole)) {
            // A manifest says which offsets were given below the replay start.
            unknown += isReplayed(hole.firstSequence) ? hole.unknownCount() : 0;
        }
        return unknown;
    }

    private long listedOffset(int queueId) {
        long next = 0;
        for (ManifestRecord.OwnerEntry listed :
                manifest == null ? List.<ManifestRecord.OwnerEntry>of() : manifest.owners()) {
            next = listed.queueId() == queueId && listed.groupId() == 0 ? listed.nextOffset() : next;
        }
        return next;
    }
}
