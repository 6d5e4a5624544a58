package io.forebay.testkit.faults;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.forebay.storage.checkpoint.CheckpointFile;
import io.forebay.storage.checkpoint.CheckpointSlot;
import io.forebay.storage.index.IndexEntry;
import io.forebay.storage.index.IndexOptions;
import io.forebay.storage.index.QueueIndex;
import io.forebay.storage.io.FileStorageDirectory;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The disk in memory and the real one, mapped or not, answer alike, so that what holds on one holds on the other. */
@Tag("proof")
class DisksAgreeTest {
    enum Kind {
        MEMORY,
        MAPPED,
        POSITIONAL
    }

    @TempDir
    Path folder;

    private StorageDirectory disk(Kind kind) throws Exception {
        return switch (kind) {
            case MEMORY -> new MemoryDisk();
            case MAPPED -> FileStorageDirectory.at(folder.toString());
            case POSITIONAL -> FileStorageDirectory.positional(folder.toString());
        };
    }

    @ParameterizedTest
    @EnumSource
    void filesAreMadeReadAndRenamedAlike(Kind kind) throws Exception {
        StorageDirectory disk = disk(kind);
        byte[] bytes = {1, 2, 3, 4, 5, 6, 7, 8};
        try (StorageFile file = disk.create("b", 10_000)) {
            assertThat(file.name()).isEqualTo("b");
            assertThat(file.sizeBytes()).isEqualTo(10_000);
            file.write(9_995, bytes, 2, 5);
            file.force(9_995, 5);
            byte[] read = new byte[10];
            file.read(9_990, read, 0, 10);
            assertThat(read).containsExactly(0, 0, 0, 0, 0, 3, 4, 5, 6, 7);
            file.write(0, bytes, 0, 8);
            file.readCold(2, read, 3, 4);
            assertThat(read).containsExactly(0, 0, 0, 3, 4, 5, 6, 5, 6, 7);
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> file.write(9_999, bytes, 0, 2));
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> file.read(9_999, read, 0, 2));
        }
        assertThatExceptionOfType(FileAlreadyExistsException.class).isThrownBy(() -> disk.create("b", 1));
        assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> disk.open("c"));
        assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> disk.delete("c"));
        disk.create("a", 512).close();
        assertThat(disk.list()).containsExactly("a", "b");
        assertThatExceptionOfType(FileAlreadyExistsException.class).isThrownBy(() -> disk.rename("a", "b"));
        disk.rename("b", "c");
        disk.delete("a");
        disk.forceDirectory();
        assertThat(disk.list()).containsExactly("c");
        try (StorageFile file = disk.open("c")) {
            byte[] read = new byte[2];
            file.read(9_998, read, 0, 2);
            assertThat(read).containsExactly(6, 7);
            disk.delete("c");
            file.read(9_998, read, 0, 2);
            assertThat(read).containsExactly(6, 7);
        }
        StorageDirectory child = disk.child("stripe-0");
        child.create("x", 1).close();
        assertThat(disk.list()).isEmpty();
        assertThat(disk.children()).containsExactly("stripe-0");
        assertThat(disk.child("stripe-0").list()).containsExactly("x");
    }

    @ParameterizedTest
    @EnumSource
    void checkpointFilesAndTheIndexLiveOnBoth(Kind kind) throws Exception {
        StorageDirectory disk = disk(kind);
        CheckpointSlot slot = new CheckpointSlot(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
        try (CheckpointFile file = CheckpointFile.open(disk, "checkpoint")) {
            assertThat(file.found()).isEmpty();
            file.write(slot);
        }
        try (QueueIndex index = QueueIndex.open(disk, 1, new IndexOptions(8192, 16))) {
            for (long offset = 0; offset < 500; offset++) {
                index.put(1, offset, 1000 + offset, 3, 96, 7);
            }
            index.releaseBelow(1, 200);
            index.force();
        }
        try (CheckpointFile file = CheckpointFile.open(disk, "checkpoint");
                QueueIndex index = QueueIndex.open(disk, 1, new IndexOptions(8192, 16))) {
            assertThat(file.found()).contains(slot);
            assertThat(index.droppedOnOpen()).isEmpty();
            IndexEntry entry = new IndexEntry();
            assertThat(index.lookup(1, 100, entry)).isFalse();
            assertThat(index.lookup(1, 499, entry)).isTrue();
            assertThat(entry.position()).isEqualTo(1499);
            assertThat(index.lookupCold(1, 200, entry)).isTrue();
            assertThat(entry.position()).isEqualTo(1200);
        }
    }
}
