package io.forebay.storage.log;

import io.forebay.storage.checkpoint.CheckpointFile;
import io.forebay.storage.checkpoint.CheckpointSlot;
import io.forebay.storage.checkpoint.CorruptCheckpointException;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.io.StorageFile;
import java.io.IOException;
import java.util.List;

/** Mends the checkpoint file: a damaged slot takes the state of the other one. */
final class RepairSlots {
    private final StorageDirectory directory;
    private final List<String> notes;
    private boolean isFoundAgain;

    RepairSlots(StorageDirectory directory, List<String> notes) {
        this.directory = directory;
        this.notes = notes;
    }

    /** Whether the slot was made out of the log: of a checkpoint that may not have been finished, so that the index is not to be trusted. */
    boolean isFoundAgain() {
        return isFoundAgain;
    }

    void mend() throws IOException {
        String name = StripeLog.CHECKPOINT_FILE;
        CheckpointSlot slot = null;
        if (directory.list().contains(name)) {
            try (CheckpointFile file = CheckpointFile.open(directory, name)) {
                slot = file.found().orElse(null);
                if (slot != null && isWhole()) {
                    if (!areBothSound()) {
                        file.write(slot);
                        notes.add("one slot of the checkpoint file is damaged: it takes the state of the other");
                    }
                    return;
                }
            } catch (CorruptCheckpointException e) {
                slot = null;
            }
            directory.delete(name);
        }
        if (slot == null) {
            slot = new LostSlot(directory, notes).find();
            isFoundAgain = true;
        }
        try (CheckpointFile file = CheckpointFile.open(directory, name)) {
            file.write(slot);
            file.write(slot);
        }
    }

    private boolean isWhole() throws IOException {
        try (StorageFile file = directory.open(StripeLog.CHECKPOINT_FILE)) {
            return file.sizeBytes() == CheckpointFile.FILE_BYTES;
        }
    }

    private boolean areBothSound() throws IOException {
        return LogVerifier.verify(directory).problems().stream()
                .noneMatch(problem -> problem.file().equals(StripeLog.CHECKPOINT_FILE));
    }
}
