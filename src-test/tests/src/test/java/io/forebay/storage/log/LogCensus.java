package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.checkpoint.CheckpointFile;
import io.forebay.storage.checkpoint.CheckpointSlot;
import io.forebay.storage.io.StorageDirectory;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What a sound log of a stopped node holds, frame by frame: what a test has to know that damages it, and wants to say what must follow.
 * Read once, then immutable.
 */
public final class LogCensus {
    /**
     * One record.
     *
     * @param queueOffset -1 if it has none
     */
    public record Entry(
            RecordType type, Owner owner, long ownerNumber, long sequence, long queueOffset, LogRecord content) {
        public boolean hasOffset() {
            return queueOffset >= 0;
        }
    }

    /**
     * One frame.
     *
     * @param file its segment
     * @param at first byte in that file
     * @param position the same as an address of the log
     * @param durablePosition what it says to have been durable when it was written
     */
    public record Piece(
            String file,
            long at,
            long position,
            int lengthBytes,
            boolean isMoved,
            long durablePosition,
            List<Entry> entries) {
        /** Behind its last byte, as an address. */
        public long end() {
            return position + lengthBytes;
        }

        /** Whether any of these bytes of its file is one of its own. */
        public boolean overlaps(long from, long to) {
            return at < to && from < at + lengthBytes;
        }
    }

    /** In the order of the log. */
    public final List<Piece> pieces;

    /** Where a start begins to replay; -1 if it begins with the first frame. */
    public final long replayPosition;

    /** What the newest checkpoint slot says to be durable. */
    public final long durableBySlot;

    /** Sequences of records that are there more than once: cleaning has moved them, and their first place is not free yet. */
    private final Set<Long> twice = new HashSet<>();

    private final Map<Long, Long> snapshots = new HashMap<>();
    private final long manifestSequence;

    private LogCensus(StorageDirectory stripe) throws IOException {
        List<Piece> found = new ArrayList<>();
        Set<Long> once = new HashSet<>();
        List<String> problems = LogVerifier.frames(stripe, (segment, bytes, at, position) -> {
            Piece piece = piece(segment.name, position - segment.base, position, bytes, at);
            piece.entries.forEach(entry -> {
                if (!once.add(entry.sequence)) {
                    twice.add(entry.sequence);
                }
            });
            found.add(piece);
            return true;
        });
        assertThat(problems)
                .as("a log that nobody has damaged, %s", stripe.path())
                .isEmpty();
        pieces = List.copyOf(found);
        CheckpointSlot slot;
        try (CheckpointFile file = CheckpointFile.open(stripe, StripeLog.CHECKPOINT_FILE)) {
            slot = file.found().orElse(null);
        }
        replayPosition = slot == null ? -1 : slot.replayPosition();
        durableBySlot = slot == null ? 0 : Math.max(slot.durablePosition(), slot.cleanEnd());
        manifestSequence = slot == null ? Long.MAX_VALUE : slot.manifestSequence();
        try (LogFiles files = LogFiles.open(stripe)) {
            ManifestRecord manifest = Recovery.readManifest(files, stripe.path(), slot);
            if (manifest != null) {
                manifest.owners()
                        .forEach(owner -> snapshots.put(
                                Owner.key(owner.queueId(), owner.groupId()),
                                owner.snapshotPosition() < 0 ? Long.MAX_VALUE : owner.snapshotSequence()));
            }
        }
    }

    /** @throws AssertionError if it is damaged */
    public static LogCensus of(StorageDirectory stripe) throws IOException {
        return new LogCensus(stripe);
    }

    private static Piece piece(String file, long at, long position, byte[] bytes, int in) throws IOException {
        List<Entry> entries = new ArrayList<>();
        int recordAt = in + FrameCodec.HEADER_BYTES;
        for (int ordinal = 0; ordinal < FrameCodec.recordCount(bytes, in); ordinal++) {
            RecordView view = new RecordView().wrap(bytes, in, recordAt, ordinal);
            recordAt += view.lengthBytes();
            entries.add(new Entry(
                    view.type(),
                    view.owner(),
                    view.ownerNumber(),
                    view.sequence(),
                    view.hasOffset() ? view.queueOffset() : -1,
                    view.decode()));
        }
        return new Piece(
                file,
                at,
                position,
                FrameCodec.length(bytes, in),
                FrameCodec.isMoved(bytes, in),
                FrameCodec.durablePosition(bytes, in),
                List.copyOf(entries));
    }

    /** Whether a start replays it. */
    public boolean isReplayed(Piece piece) {
        return piece.position >= replayPosition;
    }

    /** Whether there is a second copy of the record. */
    public boolean isTwice(Entry entry) {
        return twice.contains(entry.sequence);
    }

    /** Whether it is, or could become by the checkpoint that is being made, what tells of somebody's state. */
    public boolean isState(Piece piece, Entry entry) {
        return switch (entry.type) {
            case SNAPSHOT ->
                isReplayed(piece) || entry.sequence >= snapshots.getOrDefault(entry.owner.key(), Long.MAX_VALUE);
            case MANIFEST -> isReplayed(piece) || entry.sequence >= manifestSequence;
            default -> false;
        };
    }
}
