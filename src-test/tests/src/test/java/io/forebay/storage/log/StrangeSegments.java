package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;

/**
 * Segments that somebody copies into the directory of another stripe, and what becomes of them: a start sets each aside, and nobody ever
 * changes or deletes it. Confined to one thread.
 */
public final class StrangeSegments {
    private final List<Stranger> all = new ArrayList<>();

    private record Stranger(String stripe, String name, byte[] content) {
        private boolean isIn(MemoryDisk disk, boolean isSetAside) throws IOException {
            for (String path : disk.files()) {
                boolean isHere = isSetAside
                        ? path.startsWith(stripe + "/strange-") && path.endsWith(name)
                        : path.startsWith(stripe + "/") && path.endsWith(name);
                if (isHere && Arrays.equals(disk.content(path), content)) {
                    return true;
                }
            }
            return false;
        }
    }

    /**
     * Copies a segment of one stripe, chosen by chance, into the other, under a name that is free there: somewhere in the middle of its log.
     * Not one that was copied itself: back where it came from it counts as freed, as docs/on-disk-format.md says, and is used again.
     *
     * @return what was done, null if there is nothing to copy
     */
    public String put(MemoryDisk disk, RandomGenerator random, int fromStripe, int toStripe) throws IOException {
        String from = "stripe-" + fromStripe;
        String to = "stripe-" + toStripe;
        List<String> sources = segments(disk, from).stream()
                .filter(name ->
                        all.stream().noneMatch(stranger -> stranger.stripe.equals(from) && stranger.name.equals(name)))
                .filter(name -> SegmentHeader.problem(page(disk, from + "/" + name)) == null)
                .toList();
        List<String> places = segments(disk, to);
        if (sources.isEmpty() || places.isEmpty()) {
            return null;
        }
        String source = from + "/" + sources.get(random.nextInt(sources.size()));
        long base = Segment.baseOf(places.get(random.nextInt(places.size())));
        String name = Segment.fileName(base + SegmentHeader.PAGE_BYTES);
        if (disk.files().contains(to + "/" + name)) {
            return null;
        }
        byte[] content = disk.content(source);
        StorageDirectory directory = disk.child(to);
        try (StorageFile file = directory.create(name, content.length)) {
            file.write(0, content, 0, content.length);
            file.force(0, content.length);
        }
        directory.forceDirectory();
        all.add(new Stranger(to, name, content));
        return source + " copied to " + to + "/" + name;
    }

    private static List<String> segments(MemoryDisk disk, String stripe) {
        return disk.files().stream()
                .filter(path -> path.startsWith(stripe + "/"))
                .map(path -> path.substring(stripe.length() + 1))
                .filter(name -> Segment.baseOf(name) >= 0)
                .toList();
    }

    private static byte[] page(MemoryDisk disk, String path) {
        try {
            return Arrays.copyOf(disk.content(path), SegmentHeader.PAGE_BYTES);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /**
     * Holds what lies on a disk against what was put there.
     *
     * @param isSetAside whether a node has started with all of it
     * @return how many there are
     */
    public int check(MemoryDisk disk, boolean isSetAside) throws IOException {
        for (Stranger stranger : all) {
            assertThat(stranger.isIn(disk, isSetAside))
                    .as(
                            "I8: %s of %s is kept%s: %s",
                            stranger.name, stranger.stripe, isSetAside ? ", aside" : "", disk.files())
                    .isTrue();
        }
        return all.size();
    }
}
