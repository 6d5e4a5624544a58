package io.forebay.queue.core;

import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.DeduplicationRecord;
import io.forebay.storage.log.ExpiredRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.MessageView;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.QuarantinedRecord;
import io.forebay.storage.log.QueueSnapshot;
import io.forebay.storage.log.RecordType;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.SendWindow;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.List;
import java.util.TreeMap;

/**
 * What a queue knows besides its messages: up to where they may be delivered, from where on they are kept, which cannot be
 * read, which Sends it remembers. Restored from a snapshot and the records behind it, then {@link #begin begun}. Confined to
 * its actor; before that to the thread that recovers it.
 */
public final class QueueState {
    /** Written messages that become readable only with their durability. */
    private record Awaited(long endOffset, long lastSequence) {}

    /** Of so many quarantines, the highest offsets, it is kept what is wrong; of the others, that they are. */
    static final int QUARANTINES_KEPT = 100;

    private final QueueRetention retention;
    private final DedupWindow window = new DedupWindow();
    private final ArrayDeque<Awaited> awaited = new ArrayDeque<>();
    private boolean isReadableWhenDurable;
    private long writtenEnd;
    private long readableEnd;
    private long heldSequence = -1;
    private long heldOwnerNumber;
    private OffsetSet quarantined = OffsetSet.empty();
    /** What is wrong with them, by first offset, until somebody takes note; of no more than {@link #QUARANTINES_KEPT}. */
    private final TreeMap<Long, QuarantinedRecord> quarantines = new TreeMap<>();
    /** Whether the log, with what is on its way, says of which kind the window is. */
    private boolean isWindowNoted = true;
    /** Noted in records that are not written yet. */
    private OffsetSet quarantineDecided = OffsetSet.empty();

    /** Of recovery: used by {@link #replay}. */
    private MessageView view;

    private SendKey key;

    /** A queue without any message. */
    public QueueState() {
        retention = new QueueRetention();
    }

    private QueueState(QueueSnapshot snapshot, long heldSequence, long heldOwnerNumber, long snapshotMillis) {
        retention = QueueRetention.restore(snapshot, snapshotMillis);
        window.restore(snapshot.window());
        quarantined = snapshot.quarantined();
        snapshot.quarantines().forEach(this::keep);
        writtenEnd = snapshot.nextOffset();
        this.heldSequence = heldSequence;
        this.heldOwnerNumber = heldOwnerNumber;
    }

    // ---- recovery -------------------------------------------------------------------------------------------------

    /**
     * @param heldSequence the queue's records up to there are in the snapshot
     * @param heldOwnerNumber own number of the last of them
     * @param snapshotMillis log time of the snapshot's record
     */
    public static QueueState restore(
            QueueSnapshot snapshot, long heldSequence, long heldOwnerNumber, long snapshotMillis) {
        return new QueueState(snapshot, heldSequence, heldOwnerNumber, snapshotMillis);
    }

    /** Takes over a record of the queue; one that it holds already changes nothing. */
    public void replay(RecordView record) throws CorruptRecordException {
        if (record.sequence() <= heldSequence) {
            return;
        }
        if (record.hasOffset()) {
            long offset = record.queueOffset();
            writtenEnd = Math.max(writtenEnd, offset + 1);
            retention.written(offset + 1, record.logTimeMillis(), record.lengthBytes());
            if (window.kind() != SendWindow.Kind.OFF && record.type() == RecordType.MESSAGE) {
                remember(record);
            }
        } else {
            replay(record.decode());
        }
        heldSequence = record.sequence();
        heldOwnerNumber = record.ownerNumber();
    }

    /** Only the head of the message is looked at. */
    private void remember(RecordView record) throws CorruptRecordException {
        if (view == null) {
            view = new MessageView();
            key = new SendKey();
        }
        view.wrap(record.bytes(), record.bodyAt(), record.bodyBytes());
        if (key.read(window.kind(), view)) {
            window.replay(key, record.queueOffset(), record.sequence(), view.payloadCrc(), record.logTimeMillis());
        }
    }

    private void replay(LogRecord record) {
        if (record instanceof ExpiredRecord expired) {
            retention.apply(expired);
        } else if (record instanceof PurgeRecord purge) {
            retention.apply(purge);
        } else if (record instanceof QuarantinedRecord quarantine) {
            apply(quarantine);
        } else if (record instanceof DeduplicationRecord deduplication) {
            window.replay(deduplication.kind());
        }
    }

    /**
     * The queue's actor takes over.
     *
     * @param nextOffset as the log says; all below are readable, because recovery has made them durable
     * @param releasedBelow what the log may have freed
     * @param groupIds groups that will attach
     * @param nowMillis log time
     */
    public void begin(
            long nextOffset, long releasedBelow, Collection<Integer> groupIds, TopicPolicy policy, long nowMillis) {
        view = null;
        key = null;
        if (nextOffset > retention.marks().endOffset()) {
            // Known to the log alone; written at some time before now.
            retention.written(nextOffset, nowMillis, 0);
        }
        retention.raiseFirstOffset(Math.min(releasedBelow, nextOffset));
        retention.await(groupIds);
        writtenEnd = nextOffset;
        readableEnd = nextOffset;
        isReadableWhenDurable = policy.isReadableWhenDurable();
        configure(policy);
        window.forgetBefore(nowMillis);
    }

    /** What Sends are remembered, and for how long. */
    public void configure(TopicPolicy policy) {
        isWindowNoted &= !window.configure(
                DedupWindow.kindOf(policy.deduplication()), policy.dedupWindowMillis(), policy.dedupCountMax());
    }

    /**
     * A record that has to be written before the next message, so that a start knows what is remembered; null if it does
     * already. It counts as decided.
     */
    public DeduplicationRecord decideWindowNote(long nowMillis) {
        if (isWindowNoted) {
            return null;
        }
        isWindowNoted = true;
        return new DeduplicationRecord(window.kind(), nowMillis);
    }

    /** What a start needs to know; of what is decided and not written there is nothing in it. */
    public QueueSnapshot toSnapshot() {
        return new QueueSnapshot(
                writtenEnd,
                retention.firstOffset(),
                retention.expiredCount(),
                retention.marks().toSnapshot(),
                retention.settled(),
                quarantined.from(retention.firstOffset()),
                quarantines(),
                window.toSnapshot());
    }

    /** @return sequence of the last record that is known, -1 if there is none */
    public long heldSequence() {
        return heldSequence;
    }

    /** @return own number of the last record that is known, 0 if there is none */
    public long heldOwnerNumber() {
        return heldOwnerNumber;
    }

    /** @return when something has to be dropped or forgotten, {@link QueueRetention#NEVER} if nothing */
    public long nextDueMillis(TopicPolicy policy) {
        long due = retention.nextDueMillis(policy.graceMillis(), policy.maxAgeMillis());
        long newest = window.newestMillis();
        return newest < 0 ? due : Math.min(due, newest + policy.dedupWindowMillis());
    }

    // ---- what is written --------------------------------------------------------------------------------------------

    /**
     * Records up to a sequence are written. Those that append to the queue may tell in any order: what is known already
     * changes nothing.
     *
     * @param sequence of the last of them
     * @param ownerNumber the queue's own number of it
     */
    public void held(long sequence, long ownerNumber) {
        heldSequence = Math.max(heldSequence, sequence);
        heldOwnerNumber = Math.max(heldOwnerNumber, ownerNumber);
    }

    /**
     * Messages up to an offset are written; what is known already changes nothing.
     *
     * @param endOffset exclusive; the log gives out offsets in its own order, so that everything below is written
     * @param lastSequence the highest sequence among them
     * @return whether more is readable than before
     */
    public boolean written(long endOffset, long lastSequence, long logMillis, long bytes) {
        retention.written(endOffset, logMillis, bytes);
        if (endOffset <= writtenEnd) {
            return false;
        }
        writtenEnd = endOffset;
        if (isReadableWhenDurable) {
            awaited.add(new Awaited(endOffset, lastSequence));
            return false;
        }
        boolean isMore = endOffset > readableEnd;
        readableEnd = endOffset;
        return isMore;
    }

    /**
     * The stripe is durable up to a sequence.
     *
     * @return whether more is readable than before
     */
    public boolean durable(long sequence) {
        boolean isMore = false;
        while (!awaited.isEmpty() && awaited.peekFirst().lastSequence() <= sequence) {
            readableEnd = awaited.removeFirst().endOffset();
            isMore = true;
        }
        return isMore;
    }

    /** @return exclusive; messages below may be delivered */
    public long readableEnd() {
        return readableEnd;
    }

    /** @return exclusive; messages below are written */
    public long writtenEnd() {
        return writtenEnd;
    }

    /** @return whether written messages wait for their durability before they may be delivered */
    public boolean awaitsDurability() {
        return !awaited.isEmpty();
    }

    public QueueRetention retention() {
        return retention;
    }

    public DedupWindow window() {
        return window;
    }

    // ---- what cannot be read ----------------------------------------------------------------------------------------

    /** @return offsets that are never delivered, as records say that are written */
    public OffsetSet quarantined() {
        return quarantined;
    }

    /** @return what was wrong, in order, as far as it is kept; of what is not stored any more, too, until it is released */
    public List<QuarantinedRecord> quarantines() {
        return List.copyOf(quarantines.values());
    }

    private void keep(QuarantinedRecord bad) {
        // One that begins in the same place and reaches further, as a repair notes, says it of more.
        quarantines.merge(bad.firstOffset(), bad, (told, next) -> next.count() > told.count() ? next : told);
        if (quarantines.size() > QUARANTINES_KEPT) {
            quarantines.pollFirstEntry();
        }
    }

    /** @return whether these offsets are news, so that a record has to be written; they count as decided from now on */
    public boolean decideQuarantine(long firstOffset, long count) {
        long end = firstOffset + count;
        if (firstOffset < 0 || count < 1 || end > writtenEnd || end <= retention.firstOffset()) {
            return false;
        }
        OffsetSet asked = OffsetSet.range(firstOffset, count);
        if (asked.minus(quarantined).minus(quarantineDecided).isEmpty()) {
            return false;
        }
        quarantineDecided = quarantineDecided.union(asked);
        return true;
    }

    /** @return which of the offsets that a record releases are stored, and are in quarantine */
    public OffsetSet quarantinedIn(QuarantinedRecord released) {
        return within(quarantined.from(retention.firstOffset()), released.firstOffset(), released.count());
    }

    private static OffsetSet within(OffsetSet offsets, long firstOffset, long count) {
        OffsetSet from = offsets.from(firstOffset);
        return count > OffsetSet.OFFSET_MAX - firstOffset ? from : from.minus(from.from(firstOffset + count));
    }

    /**
     * @param firstOffset not negative
     * @return the record that takes back the quarantine of those of these offsets that are in it, or are told to have been; null if
     *     none is
     */
    public QuarantinedRecord decideRelease(long firstOffset, long count, long nowMillis) {
        OffsetSet known = quarantined;
        for (QuarantinedRecord told : quarantines.values()) {
            known = known.union(OffsetSet.range(told.firstOffset(), told.count()));
        }
        OffsetSet released = within(known, firstOffset, count);
        if (released.isEmpty()) {
            return null;
        }
        return new QuarantinedRecord(
                released.first(),
                released.last() - released.first() + 1,
                -1,
                -1,
                nowMillis,
                QuarantinedRecord.Cause.RELEASED,
                "",
                "");
    }

    /** Its record is written, or replayed. Idempotent. */
    public void apply(QuarantinedRecord record) {
        OffsetSet offsets = OffsetSet.range(record.firstOffset(), record.count());
        if (record.cause() != QuarantinedRecord.Cause.RELEASED) {
            quarantined = quarantined.union(offsets);
            keep(record);
        } else {
            quarantined = quarantined.minus(offsets);
            // What cannot be read all the same is to be noted again.
            quarantineDecided = quarantineDecided.minus(offsets);
            quarantines.keySet().removeIf(offsets::contains);
        }
    }

    /** No record that was decided and is not written will be. */
    public void forgetDecided() {
        quarantineDecided = OffsetSet.empty();
        retention.forgetDecided();
        window.dropTaken();
    }
}
