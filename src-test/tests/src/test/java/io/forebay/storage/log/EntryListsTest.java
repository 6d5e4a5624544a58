package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/**
 * What a file says of a segment's entries is what was written of just that segment, or nothing: I2. Faults: every bit flipped, power
 * cut, forces that fail.
 */
class EntryListsTest {
    private static final int STRIPE = 3;
    private static final long BASE = 0x123_4567_0000L;
    private static final long END = BASE + 9_999 * 8;
    private static final String FILE = "entries-0000012345670000";

    private final MemoryDisk disk = new MemoryDisk();

    private static EntryList list(int count) {
        EntryList list = new EntryList();
        for (int i = 0; i < count; i++) {
            list.add(7 + i % 3, (1L << 40) + i, 2 + i % 5, (1L << 50) - i);
        }
        return list;
    }

    private static List<String> texts(EntryList list) {
        List<String> texts = new ArrayList<>();
        list.each((queueId, queueOffset, bodyQueueId, bodyOffset) ->
                texts.add(queueId + "/" + queueOffset + " names " + bodyQueueId + "/" + bodyOffset));
        return texts;
    }

    private void write(int count) throws IOException {
        EntryLists lists = new EntryLists(disk, STRIPE);
        lists.write(BASE, END, list(count));
        lists.forceNames();
    }

    @Test
    void whatWasWrittenIsReadAlsoBehindAPowerCut() throws IOException {
        for (int count : new int[] {0, 1, 8, 9, 1000}) {
            write(count);
            for (MemoryDisk each : List.of(disk, disk.killImage(), disk.powerCutImage(new Random(count)))) {
                EntryList read = new EntryLists(each, STRIPE).readOrNull(BASE, END);
                assertThat(texts(read)).hasSize(count).isEqualTo(texts(list(count)));
            }
            new EntryLists(disk, STRIPE).keepOnly(Set.of());
            assertThat(disk.list()).isEmpty();
        }
        assertThat(disk.openFiles()).isEmpty();
    }

    @Test
    void listOfAnotherSegmentOrAnotherEndIsNone() throws IOException {
        write(5);
        EntryLists lists = new EntryLists(disk, STRIPE);
        assertThat(lists.readOrNull(BASE, END)).isNotNull();
        assertThat(lists.readOrNull(BASE, END + 8)).isNull();
        assertThat(lists.readOrNull(BASE, -1)).isNull();
        assertThat(lists.readOrNull(BASE + 1, END)).isNull();
        assertThat(new EntryLists(disk, STRIPE + 1).readOrNull(BASE, END)).isNull();
        disk.rename(FILE, "entries-0000012345670008");
        assertThat(new EntryLists(disk, STRIPE).readOrNull(BASE + 8, END))
                .as("by its name alone")
                .isNull();
    }

    @Test
    void anyFlippedBitIsNoticed() throws IOException {
        write(3);
        int size = disk.content(FILE).length;
        for (int bit = 0; bit < 8 * size; bit++) {
            disk.flip(FILE, bit / 8, 1 << (bit % 8));
            assertThat(new EntryLists(disk, STRIPE).readOrNull(BASE, END))
                    .as("bit %s", bit)
                    .isNull();
            disk.flip(FILE, bit / 8, 1 << (bit % 8));
        }
        assertThat(new EntryLists(disk, STRIPE).readOrNull(BASE, END)).isNotNull();
    }

    @Test
    void whatCannotBeForcedIsNotLeftBehindAndCanBeWrittenAgain() throws IOException {
        EntryLists lists = new EntryLists(disk, STRIPE);
        disk.failNextForces(1);
        assertThatThrownBy(() -> lists.write(BASE, END, list(4))).isInstanceOf(IOException.class);
        assertThat(disk.list()).isEmpty();
        assertThat(lists.readOrNull(BASE, END)).isNull();
        lists.write(BASE, END, list(4));
        assertThat(texts(lists.readOrNull(BASE, END))).hasSize(4);
    }

    @Test
    void onlyThoseThatAreWantedAreKept() throws IOException {
        EntryLists lists = new EntryLists(disk, STRIPE);
        for (int i = 0; i < 4; i++) {
            lists.write(BASE + i, END, list(i));
        }
        disk.create("index-0", 8).close();
        lists.delete(BASE);
        lists.keepOnly(Set.of(BASE + 1, BASE + 3));
        assertThat(disk.list()).containsExactly("entries-0000012345670001", "entries-0000012345670003", "index-0");
    }
}
