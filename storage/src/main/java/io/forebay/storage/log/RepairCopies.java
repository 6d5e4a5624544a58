package io.forebay.storage.log;

import io.forebay.storage.index.QueueIndex;
import io.forebay.storage.io.DraftDirectory;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * The directory {@code repair-n} beside the files of a stripe: copies of the files that a repair changes, and which are which.
 * <pre> NAME.copy    a file as it was
 * checkpoint.after  what the checkpoint file will be
 * begun        what was copied, and what will be made; whole and forced before anything is changed
 * applied      the same files as the repair has left them; there when it is complete
 * undoing      while the copies are being put back
 * undone       when they are back </pre>
 * {@code begun} and {@code applied} are text, a file a line: {@code copied NAME BYTES CRC32C} or {@code made NAME BYTES CRC32C}, and
 * {@code end} behind the last. One caller at a time, who holds the directory's lock.
 */
final class RepairCopies {
    static final String PREFIX = "repair-";
    private static final String BEGUN = "begun";
    private static final String APPLIED = "applied";
    private static final String UNDOING = "undoing";
    private static final String UNDONE = "undone";
    private static final String COPY = ".copy";
    private static final String UNFINISHED = "unfinished-repair";
    /** Stands for the mark that the index is to be built anew. */
    private static final String INDEX_MARK = "index";

    private static final String CHECKPOINT_AFTER = "checkpoint.after";
    private static final int CHUNK_BYTES = 1 << 20;
    private static final int PAGE_BYTES = 4096;

    private final StorageDirectory stripe;
    private final int number;

    RepairCopies(StorageDirectory stripe, int number) {
        this.stripe = stripe;
        this.number = number;
    }

    /** A file and what it has to be. */
    private record Line(boolean isMade, String name, long bytes, long checksum) {
        @Override
        public String toString() {
            return (isMade ? "made " : "copied ") + name + " " + bytes + " " + String.format("%08x", checksum);
        }
    }

    /** Numbers of the repairs in a stripe's directory, ascending. */
    static List<Integer> numbers(StorageDirectory stripe) throws IOException {
        List<Integer> numbers = new ArrayList<>();
        for (String name : stripe.children()) {
            if (name.matches(PREFIX + "[1-9][0-9]{0,8}")) {
                numbers.add(Integer.parseInt(name.substring(PREFIX.length())));
            }
        }
        numbers.sort(null);
        return numbers;
    }

    private StorageDirectory directory() throws IOException {
        return stripe.child(PREFIX + number);
    }

    /** Whether files may have been changed, and not all of them. */
    boolean isUnfinished() throws IOException {
        List<String> names = directory().list();
        return names.contains(BEGUN)
                && !names.contains(UNDONE)
                && (!names.contains(APPLIED) || names.contains(UNDOING));
    }

    boolean isUndone() throws IOException {
        return directory().list().contains(UNDONE);
    }

    boolean isApplied() throws IOException {
        return directory().list().contains(APPLIED);
    }

    // ---------------------------------------------------------------------------------------------------------- apply

    /** Copies, then writes. A crash leaves the old files, or a repair that {@link #isUnfinished()}. */
    void apply(List<DraftDirectory.Change> drafted, boolean isIndexRebuilt) throws IOException {
        StorageDirectory copies = directory();
        for (String left : copies.list()) {
            copies.delete(left); // of one that has changed nothing yet
        }
        List<DraftDirectory.Change> changes = withCheckpoint(drafted);
        noteCheckpoint(copies, changes);
        List<Line> before = new ArrayList<>();
        for (DraftDirectory.Change change : changes) {
            if (change.isMade()) {
                before.add(new Line(true, change.name(), change.sizeBytes(), 0));
            } else {
                before.add(copy(copies, change.name()));
            }
        }
        boolean isMarked = isIndexRebuilt && !QueueIndex.isMarkedForRebuild(stripe.child(StripeLog.INDEX_DIRECTORY));
        if (isMarked) {
            before.add(new Line(true, INDEX_MARK, 0, 0));
        }
        copies.forceDirectory();
        write(copies, BEGUN, before);
        // What is new first: as long as a hole is there nobody is served by it.
        for (DraftDirectory.Change change : changes) {
            if (change.isMade()) {
                make(change);
            }
        }
        for (DraftDirectory.Change change : changes) {
            if (!change.isMade() && !change.name().equals(StripeLog.CHECKPOINT_FILE)) {
                change(change);
            }
        }
        for (DraftDirectory.Change change : changes) {
            if (!change.isMade() && change.name().equals(StripeLog.CHECKPOINT_FILE)) {
                change(change);
            }
        }
        if (isMarked) {
            QueueIndex.markForRebuild(stripe.child(StripeLog.INDEX_DIRECTORY));
        }
        List<Line> after = new ArrayList<>();
        for (DraftDirectory.Change change : changes) {
            after.add(line(change.isMade(), change.name()));
        }
        write(copies, APPLIED, after);
    }

    /** It is copied always: it tells whether a node has started since. */
    private List<DraftDirectory.Change> withCheckpoint(List<DraftDirectory.Change> drafted) throws IOException {
        boolean isThere = stripe.list().contains(StripeLog.CHECKPOINT_FILE);
        if (!isThere || drafted.stream().anyMatch(change -> change.name().equals(StripeLog.CHECKPOINT_FILE))) {
            return drafted;
        }
        List<DraftDirectory.Change> changes = new ArrayList<>(drafted);
        try (StorageFile file = stripe.open(StripeLog.CHECKPOINT_FILE)) {
            changes.add(new DraftDirectory.Change(StripeLog.CHECKPOINT_FILE, false, file.sizeBytes(), Map.of()));
        }
        return changes;
    }

    private void noteCheckpoint(StorageDirectory copies, List<DraftDirectory.Change> changes) throws IOException {
        for (DraftDirectory.Change change : changes) {
            if (change.name().equals(StripeLog.CHECKPOINT_FILE)) {
                try (StorageFile file = copies.create(CHECKPOINT_AFTER, change.sizeBytes())) {
                    byte[] bytes = contentOrNull(stripe, StripeLog.CHECKPOINT_FILE);
                    if (bytes != null) {
                        file.write(0, bytes, 0, (int) Math.min(bytes.length, change.sizeBytes()));
                    }
                    for (var page : change.pages().entrySet()) {
                        file.write(page.getKey(), page.getValue(), 0, page.getValue().length);
                    }
                    file.force(0, change.sizeBytes());
                }
            }
        }
    }

    private static byte[] contentOrNull(StorageDirectory directory, String name) throws IOException {
        if (!directory.list().contains(name)) {
            return null;
        }
        try (StorageFile file = directory.open(name)) {
            byte[] bytes = new byte[Math.toIntExact(file.sizeBytes())];
            file.readCold(0, bytes, 0, bytes.length);
            return bytes;
        }
    }

    private Line copy(StorageDirectory copies, String name) throws IOException {
        CRC32C crc = new CRC32C();
        try (StorageFile from = stripe.open(name);
                StorageFile to = copies.create(name + COPY, from.sizeBytes())) {
            transfer(from, to, crc);
            return new Line(false, name, from.sizeBytes(), crc.getValue());
        }
    }

    private static void transfer(StorageFile from, StorageFile to, CRC32C crc) throws IOException {
        byte[] bytes = new byte[CHUNK_BYTES];
        for (long at = 0; at < from.sizeBytes(); at += bytes.length) {
            int count = (int) Math.min(bytes.length, from.sizeBytes() - at);
            from.readCold(at, bytes, 0, count);
            crc.update(bytes, 0, count);
            to.write(at, bytes, 0, count);
        }
        to.force(0, to.sizeBytes());
    }

    private void make(DraftDirectory.Change change) throws IOException {
        try (StorageFile file = fresh(change.sizeBytes())) {
            for (var page : change.pages().entrySet()) {
                file.write(page.getKey(), page.getValue(), 0, page.getValue().length);
            }
            file.force(0, change.sizeBytes());
        }
        stripe.rename(UNFINISHED, change.name());
        stripe.forceDirectory();
    }

    private StorageFile fresh(long bytes) throws IOException {
        if (stripe.list().contains(UNFINISHED)) {
            stripe.delete(UNFINISHED);
        }
        return stripe.create(UNFINISHED, bytes);
    }

    private void change(DraftDirectory.Change change) throws IOException {
        try (StorageFile file = stripe.open(change.name())) {
            if (file.sizeBytes() == change.sizeBytes()) {
                long from = Long.MAX_VALUE;
                long to = 0;
                for (var page : change.pages().entrySet()) {
                    file.write(page.getKey(), page.getValue(), 0, page.getValue().length);
                    from = Math.min(from, page.getKey());
                    to = Math.max(to, page.getKey() + page.getValue().length);
                }
                if (from < to) {
                    file.force(from, to - from);
                }
                return;
            }
        }
        // All of it is in the draft: it was made there with another size.
        stripe.delete(change.name());
        make(change);
    }

    private Line line(boolean isMade, String name) throws IOException {
        CRC32C crc = new CRC32C();
        byte[] bytes = new byte[CHUNK_BYTES];
        try (StorageFile file = stripe.open(name)) {
            for (long at = 0; at < file.sizeBytes(); at += bytes.length) {
                int count = (int) Math.min(bytes.length, file.sizeBytes() - at);
                file.readCold(at, bytes, 0, count);
                crc.update(bytes, 0, count);
            }
            return new Line(isMade, name, file.sizeBytes(), crc.getValue());
        }
    }

    // ----------------------------------------------------------------------------------------------------------- undo

    /** Names of the files that are not what the repair has left, so that somebody has written since. Of one that is applied. */
    List<String> changedSince() throws IOException {
        List<String> changed = new ArrayList<>();
        if (directory().list().contains(UNDOING)) {
            return changed; // by the undoing itself
        }
        List<String> there = stripe.list();
        for (Line line : read(directory(), APPLIED)) {
            if (!there.contains(line.name) || !line(line.isMade, line.name).equals(line)) {
                changed.add(line.name);
            }
        }
        return changed;
    }

    /** Whether a node has started since an unfinished repair began: then its files are not to be put back. */
    boolean isOvertaken() throws IOException {
        byte[] now = contentOrNull(stripe, StripeLog.CHECKPOINT_FILE);
        if (now == null || directory().list().contains(UNDOING)) {
            return false;
        }
        byte[] before = contentOrNull(directory(), StripeLog.CHECKPOINT_FILE + COPY);
        byte[] after = contentOrNull(directory(), CHECKPOINT_AFTER);
        for (int at = 0; at < now.length; at += PAGE_BYTES) {
            if (!isSame(now, before, at) && !isSame(now, after, at)) {
                return true;
            }
        }
        return false;
    }

    private static boolean isSame(byte[] one, byte[] otherOrNull, int pageAt) {
        int end = Math.min(one.length, pageAt + PAGE_BYTES);
        return otherOrNull != null
                && otherOrNull.length >= end
                && Arrays.equals(one, pageAt, end, otherOrNull, pageAt, end);
    }

    /** Puts back the copies and removes what was made. Can be repeated after a crash. */
    void undo() throws IOException {
        StorageDirectory copies = directory();
        List<Line> before = read(copies, BEGUN);
        for (Line line : before) {
            if (!line.isMade) {
                checkCopy(copies, line);
            }
        }
        if (!copies.list().contains(UNDOING)) {
            write(copies, UNDOING, List.of());
        }
        for (Line line : before) {
            if (line.name.equals(INDEX_MARK)) {
                QueueIndex.unmarkForRebuild(stripe.child(StripeLog.INDEX_DIRECTORY));
            } else if (line.isMade) {
                if (stripe.list().contains(line.name)) {
                    stripe.delete(line.name);
                }
            } else {
                putBack(copies, line);
            }
        }
        stripe.forceDirectory();
        write(copies, UNDONE, List.of());
    }

    private void checkCopy(StorageDirectory copies, Line line) throws IOException {
        CRC32C crc = new CRC32C();
        byte[] bytes = new byte[CHUNK_BYTES];
        try (StorageFile file = copies.open(line.name + COPY)) {
            for (long at = 0; at < file.sizeBytes(); at += bytes.length) {
                int count = (int) Math.min(bytes.length, file.sizeBytes() - at);
                file.readCold(at, bytes, 0, count);
                crc.update(bytes, 0, count);
            }
            if (file.sizeBytes() != line.bytes || crc.getValue() != line.checksum) {
                throw new IOException(copies.path() + "/" + line.name + COPY + " is not what was copied: it has "
                        + file.sizeBytes() + " bytes and checksum " + String.format("%08x", crc.getValue())
                        + ", wanted is: " + line);
            }
        }
    }

    private void putBack(StorageDirectory copies, Line line) throws IOException {
        try (StorageFile from = copies.open(line.name + COPY);
                StorageFile to = fresh(line.bytes)) {
            transfer(from, to, new CRC32C());
        }
        if (stripe.list().contains(line.name)) {
            stripe.delete(line.name);
        }
        stripe.rename(UNFINISHED, line.name);
        stripe.forceDirectory();
    }

    /** Says that what it began is nobody's business any more: a node has gone on from there. */
    void giveUp() throws IOException {
        write(directory(), UNDONE, List.of());
    }

    // ---------------------------------------------------------------------------------------------------------- lists

    private static void write(StorageDirectory copies, String name, List<Line> lines) throws IOException {
        StringBuilder text = new StringBuilder();
        lines.forEach(line -> text.append(line).append('\n'));
        byte[] bytes = text.append("end\n").toString().getBytes(StandardCharsets.UTF_8);
        String unfinished = name + ".unfinished";
        if (copies.list().contains(unfinished)) {
            copies.delete(unfinished);
        }
        try (StorageFile file = copies.create(unfinished, bytes.length)) {
            file.write(0, bytes, 0, bytes.length);
            file.force(0, bytes.length);
        }
        copies.rename(unfinished, name);
        copies.forceDirectory();
    }

    private static List<Line> read(StorageDirectory copies, String name) throws IOException {
        byte[] bytes;
        try (StorageFile file = copies.open(name)) {
            bytes = new byte[Math.toIntExact(file.sizeBytes())];
            file.readCold(0, bytes, 0, bytes.length);
        }
        List<Line> lines = new ArrayList<>();
        for (String text : new String(bytes, StandardCharsets.UTF_8).split("\n")) {
            if (text.equals("end")) {
                return lines;
            }
            String[] parts = text.split(" ");
            if (parts.length != 4) {
                throw new IOException(copies.path() + "/" + name + " has a line that is none: " + text);
            }
            lines.add(new Line(
                    parts[0].equals("made"), parts[1], Long.parseLong(parts[2]), Long.parseLong(parts[3], 16)));
        }
        throw new IOException(copies.path() + "/" + name + " does not end");
    }
}
