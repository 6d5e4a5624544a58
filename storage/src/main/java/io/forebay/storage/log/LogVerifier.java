package io.forebay.storage.log;

import io.forebay.storage.checkpoint.CheckpointFile;
import io.forebay.storage.checkpoint.CheckpointSlot;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import io.forebay.storage.log.LogFiles.Found;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Reads a stripe's log from its oldest segment to its end and changes nothing. For stopped nodes and for copies of a
 * directory: of a running one it may see a tail that is being written.
 */
public final class LogVerifier {
    private final StorageDirectory directory;
    private final List<Problem> problems = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();
    private LogFiles files;
    private CheckpointSlot slot;
    private LogIdentity identity = new LogIdentity(-1, LogIdentity.UNKNOWN, 0);
    private ManifestRecord manifest;

    private LogVerifier(StorageDirectory directory) {
        this.directory = directory;
    }

    /**
     * A bad place.
     *
     * @param file with the damage
     * @param position address of the frame, -1 where it is no frame
     * @param reason what is wrong
     */
    public record Problem(String file, long position, String reason) {
        @Override
        public String toString() {
            return file + (position < 0 ? "" : ", position " + position) + ": " + reason;
        }
    }

    /**
     * What was found.
     *
     * @param stripeId whose log it is, -1 if nothing says
     * @param segments in the chain
     * @param frames read
     * @param records in them
     * @param bytes of the frames
     * @param firstSequence of the log as it is stored
     * @param lastSequence of the log
     * @param durablePosition the highest that anything states
     * @param durableSequence the last sequence below it
     * @param endPosition where the log ends
     * @param endReason why it ends there
     * @param problems damage, the first bad place first; empty if all is well
     * @param notes what is odd but harmless
     */
    public record Report(
            long stripeId,
            int segments,
            long frames,
            long records,
            long bytes,
            long firstSequence,
            long lastSequence,
            long durablePosition,
            long durableSequence,
            long endPosition,
            String endReason,
            List<Problem> problems,
            List<String> notes) {
        public boolean isSound() {
            return problems.isEmpty();
        }
    }

    /** Takes every record of a log in order. */
    public interface RecordSink {
        /**
         * Takes one record.
         *
         * @param segment name of its file
         * @param position address of its frame
         */
        void record(String segment, long position, RecordView record) throws IOException;
    }

    /** Whether there is a stripe's log in that directory. */
    public static boolean isStripe(StorageDirectory directory) throws IOException {
        for (String name : directory.list()) {
            if (name.equals(StripeLog.CHECKPOINT_FILE) || Segment.baseOf(name) >= 0) {
                return true;
            }
        }
        return false;
    }

    /** Verifies the stripe in that directory. */
    public static Report verify(StorageDirectory directory) throws IOException {
        return verify(directory, (segment, position, record) -> {});
    }

    /**
     * Verifies the stripe in that directory and hands out what is sound.
     *
     * @throws StripeException if it is of a newer format
     */
    public static Report verify(StorageDirectory directory, RecordSink sink) throws IOException {
        return new LogVerifier(directory).run(sink);
    }

    /** Takes frames in order. */
    interface FrameSink {
        /** @return whether it wants more */
        boolean frame(Found segment, byte[] bytes, int at, long position) throws IOException;
    }

    /** Thrown to end a scan whose taker has had enough. */
    private static final class Enough extends IOException {
        private static final long serialVersionUID = 1L;

        Enough() {
            super("enough");
        }
    }

    /**
     * Hands out the frames of the stripe in that directory, from the oldest segment to the log's end.
     *
     * @return the damage that was met
     */
    static List<String> frames(StorageDirectory directory, FrameSink sink) throws IOException {
        LogVerifier verifier = new LogVerifier(directory);
        try {
            verifier.read((segment, bytes, at, position) -> {
                if (!sink.frame(segment, bytes, at, position)) {
                    throw new Enough();
                }
            });
        } catch (Enough e) {
            // What lies behind was not asked for.
            return verifier.problems.stream().map(Problem::toString).toList();
        }
        return verifier.problems.stream().map(Problem::toString).toList();
    }

    private void read(ChainScanner.Visitor visitor) throws IOException {
        try (LogFiles opened = LogFiles.open(directory)) {
            files = opened;
            readCheckpointFile();
            identify();
            readManifest();
            scan(runs(), visitor);
        }
    }

    private long stated() {
        return slot == null
                ? files.statedDurable()
                : Math.max(files.statedDurable(), Math.max(slot.durablePosition(), slot.cleanEnd()));
    }

    /** Reads the runs in order; the last one to the log's end. */
    private ChainScanner scan(List<Run> runs, ChainScanner.Visitor visitor) throws IOException {
        long stated = stated();
        ChainScanner scanner = new ChainScanner(files, stated);
        for (Run run : runs) {
            Found start = run.segments.get(0);
            scanner.scan(start, start.firstPosition(), start.header.firstSequence(), run.end, visitor);
        }
        scanner.holes().forEach(this::report);
        if (!runs.isEmpty()) {
            noteEnd(scanner);
        } else if (stated > 0) {
            problems.add(new Problem(
                    directory.path(), -1, "no segment holds the log's beginning, durable was position " + stated));
        }
        return scanner;
    }

    private Report run(RecordSink sink) throws IOException {
        try (LogFiles opened = LogFiles.open(directory)) {
            files = opened;
            readCheckpointFile();
            identify();
            readManifest();
            List<Run> runs = runs();
            Found start = runs.isEmpty() ? null : runs.get(0).segments.get(0);
            Counter counter = new Counter(sink);
            ChainScanner scanner = scan(runs, counter);
            checkFiles(runs, scanner);
            return new Report(
                    slot == null ? -1 : slot.stripeId(),
                    counter.segments.size(),
                    counter.frames,
                    counter.records,
                    counter.bytes,
                    start == null ? 0 : start.header.firstSequence(),
                    start == null ? 0 : scanner.nextSequence() - 1,
                    scanner.durable(),
                    counter.durableSequence(scanner.durable()),
                    start == null ? 0 : scanner.endPosition(),
                    start == null ? "nothing was logged" : scanner.endReason(),
                    List.copyOf(problems),
                    List.copyOf(notes));
        }
    }

    private void report(ChainScanner.Hole hole) {
        problems.add(new Problem(
                hole.file(),
                hole.position(),
                hole.reason()
                        + (hole.isOpen()
                                ? "; it was durable, and nothing sound follows"
                                : hole.resumedAt() == hole.missingFrom()
                                        ? "; no record is missing"
                                        : "; sequences " + hole.missingFrom() + " to " + (hole.resumedAt() - 1)
                                                + " are missing")));
    }

    private void noteEnd(ChainScanner scanner) {
        String reason = scanner.endReason();
        if (slot != null && slot.isClean() && slot.cleanEnd() == scanner.endPosition()) {
            // What lies behind is of the file's earlier use.
            return;
        }
        if (scanner.cutOff() != null) {
            notes.add(scanner.cutOff().toString());
        } else if (scanner.holes().isEmpty()
                && !reason.equals(FrameCodec.UNWRITTEN)
                && !reason.equals(FrameWindow.FULL)) {
            notes.add(scanner.endSegment().name + ", position " + scanner.endPosition() + ": the log ends here, "
                    + reason + "; nothing says that more was durable");
        }
    }

    private void readCheckpointFile() throws IOException {
        String name = StripeLog.CHECKPOINT_FILE;
        if (!directory.list().contains(name)) {
            if (!files.isEmpty()) {
                problems.add(new Problem(name, -1, "it is missing, but there are segments"));
            }
            return;
        }
        try (StorageFile file = directory.open(name)) {
            CheckpointFile.Check check = CheckpointFile.check(file);
            check.damages().forEach(damage -> problems.add(new Problem(name, -1, damage)));
            check.notes().forEach(note -> notes.add(name + ": " + note));
        }
        try (CheckpointFile file = CheckpointFile.open(directory, name)) {
            slot = file.found().orElse(null);
        } catch (IOException e) {
            problems.add(new Problem(name, -1, e.getMessage()));
        }
    }

    /** Without a slot that can be read nobody knows whose log it is. */
    private void identify() {
        if (slot == null) {
            return;
        }
        identity = new LogIdentity(slot.stripeId(), slot.logId(), slot.logIdEpoch());
        files.identify(identity);
        for (Found found : files.foreign()) {
            notes.add(found.name + " belongs to " + LogIdentity.name(found.claim.stripeId(), found.claim.logId())
                    + ", this is " + identity);
        }
        if (files.isEmpty() && !files.foreign().isEmpty()) {
            problems.add(new Problem(StripeLog.CHECKPOINT_FILE, -1, "every segment belongs to another log than it"));
        }
    }

    private void readManifest() throws IOException {
        try {
            manifest = Recovery.readManifest(files, directory.path(), slot);
        } catch (CorruptLogException e) {
            problems.add(new Problem(e.file(), e.position(), e.problem()));
        }
        if (manifest == null) {
            return;
        }
        files.listEnds(manifest);
        for (ManifestRecord.SegmentEntry listed : manifest.segments()) {
            if (files.at(listed.basePosition()) == null) {
                problems.add(new Problem(
                        Segment.fileName(listed.basePosition()), -1, "it is missing, the manifest lists it"));
            }
        }
    }

    /**
     * Segments that follow one another in the chain. Between two runs cleaning has taken some out.
     *
     * @param end where it ends, as far as is known
     */
    private record Run(List<Found> segments, long end) {}

    /** All that is stored: what the manifest lists below the replay start, and the chain from there on. */
    private List<Run> runs() {
        List<Run> runs = new ArrayList<>();
        Found start = slot != null && slot.replayPosition() >= 0 ? files.holding(slot.replayPosition()) : files.first();
        if (start == null) {
            return runs;
        }
        if (!start.isLinked()) {
            problems.add(new Problem(start.name, -1, "it holds the replay start, but " + start.problem));
            return runs;
        }
        List<Found> run = new ArrayList<>();
        for (Found found : listedBelow(start)) {
            if (!run.isEmpty() && found.header.predecessorBase() != run.get(run.size() - 1).base) {
                runs.add(new Run(run, files.end(run.get(run.size() - 1))));
                run = new ArrayList<>();
            }
            run.add(found);
        }
        if (!run.isEmpty() && start.header.predecessorBase() != run.get(run.size() - 1).base) {
            runs.add(new Run(run, files.end(run.get(run.size() - 1))));
            run = new ArrayList<>();
        }
        for (Found found = start; found != null; found = files.successor(found)) {
            run.add(found);
        }
        runs.add(new Run(run, Long.MAX_VALUE));
        return runs;
    }

    /** An older one that no manifest lists is free already. */
    private List<Found> listedBelow(Found start) {
        List<Found> found = new ArrayList<>();
        if (manifest != null) {
            for (ManifestRecord.SegmentEntry listed : manifest.segments()) {
                Found one = files.at(listed.basePosition());
                if (one != null && one.isLinked() && one.base < start.base) {
                    found.add(one);
                }
            }
        }
        return found;
    }

    private void checkFiles(List<Run> runs, ChainScanner scanner) {
        Set<Found> chain = new HashSet<>();
        for (Run run : runs) {
            for (Found found : run.segments) {
                chain.add(found);
                if (found == scanner.endSegment()) {
                    break;
                }
            }
        }
        Set<Long> bases = new HashSet<>();
        chain.forEach(found -> bases.add(found.base));
        Set<Long> listed = new HashSet<>();
        if (manifest != null) {
            manifest.segments().forEach(entry -> listed.add(entry.basePosition()));
        }
        Leftovers leftovers = new Leftovers(files, identity, scanner, bases, listed, manifest != null);
        leftovers.misnamed().forEach((name, reason) -> problems.add(new Problem(name, -1, reason)));
        leftovers.lost().forEach((name, reason) -> problems.add(new Problem(name, -1, reason)));
        files.strange().forEach(name -> notes.add(name + " was set aside by a start"));
        for (Found found : files.all()) {
            // Before the chain's end what neither it nor the manifest names was given up, torn or not.
            boolean isGivenUp = scanner.endSegment() != null
                    && found.base < scanner.endSegment().base
                    && !chain.contains(found)
                    && !listed.contains(found.base);
            if (found.isDamaged(scanner.durable()) && !isGivenUp) {
                problems.add(new Problem(found.name, -1, found.problem));
            } else if (found.isCutShort() && chain.contains(found)) {
                problems.add(new Problem(
                        found.name,
                        -1,
                        "it has " + found.file.sizeBytes() + " bytes, its header says " + found.header.sizeBytes()));
            } else if (!chain.contains(found) && (found.problem != null || found.isLinked())) {
                notes.add(found.name + " is no part of the log" + (found.problem == null ? "" : ": " + found.problem));
            }
        }
    }

    private final class Counter implements ChainScanner.Visitor {
        private final RecordSink sink;
        private final Set<Long> segments = new HashSet<>();
        private final RecordView view = new RecordView();
        private final Map<Long, Long> numbers = new HashMap<>();
        private final List<long[]> ends = new ArrayList<>();
        private long frames;
        private long records;
        private long bytes;

        Counter(RecordSink sink) {
            this.sink = sink;
        }

        @Override
        public void frame(Found segment, byte[] source, int at, long position) throws IOException {
            frames++;
            bytes += FrameCodec.length(source, at);
            segments.add(segment.base);
            boolean isMoved = FrameCodec.isMoved(source, at);
            int recordAt = at + FrameCodec.HEADER_BYTES;
            for (int ordinal = 0; ordinal < FrameCodec.recordCount(source, at); ordinal++) {
                view.wrap(source, at, recordAt, ordinal);
                recordAt += view.lengthBytes();
                records++;
                try {
                    view.decode();
                } catch (CorruptRecordException e) {
                    problems.add(new Problem(segment.name, position, view + ": " + e.getMessage()));
                }
                if (!isMoved) {
                    checkNumber(segment, position);
                } else if (view.sequence() >= FrameCodec.firstSequence(source, at)) {
                    problems.add(new Problem(segment.name, position, view + " was moved before it was written"));
                }
                sink.record(segment.name, position, view);
            }
            if (!isMoved) {
                noteEnd(
                        position + FrameCodec.length(source, at),
                        view.sequence(),
                        FrameCodec.durablePosition(source, at));
            }
        }

        private void checkNumber(Found segment, long position) {
            if (view.type() == RecordType.LOST && view.ownerNumber() == 0) {
                return; // nobody knows whose it was
            }
            Long last = numbers.put(view.ownerKey(), view.ownerNumber());
            if (last != null && view.ownerNumber() <= last) {
                problems.add(new Problem(segment.name, position, view + " comes again, the last number was " + last));
            }
        }

        /** Only the ends above what is stated durable are kept, and the last one below. */
        private void noteEnd(long end, long sequence, long stated) {
            while (ends.size() > 1 && ends.get(1)[0] <= stated) {
                ends.remove(0);
            }
            ends.add(new long[] {end, sequence});
        }

        private long durableSequence(long durable) {
            long sequence = 0;
            for (long[] end : ends) {
                if (end[0] <= durable) {
                    sequence = end[1];
                }
            }
            return sequence;
        }
    }
}
