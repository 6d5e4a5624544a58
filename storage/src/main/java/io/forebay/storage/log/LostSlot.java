package io.forebay.storage.log;

import io.forebay.storage.checkpoint.CheckpointSlot;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.log.LogFiles.Found;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Finds out again what the checkpoint file said, when neither of its slots can be read: from the newest manifest in the log. */
final class LostSlot {
    private final StorageDirectory directory;
    private final List<String> notes;

    LostSlot(StorageDirectory directory, List<String> notes) {
        this.directory = directory;
        this.notes = notes;
    }

    private static final class Newest {
        ManifestRecord manifest;
        long position;
        long sequence;
        private final List<ManifestRecord> parts = new ArrayList<>();
        private long partsPosition;
        private long partsSequence;

        void add(RecordView view, ManifestRecord part) {
            if (part.part() == 0) {
                parts.clear();
                partsPosition = view.position();
                partsSequence = view.sequence();
            }
            parts.add(part);
            if (parts.size() != part.parts()) {
                return;
            }
            try {
                ManifestRecord whole = ManifestRecord.join(parts);
                if (manifest == null || whole.checkpointNumber() > manifest.checkpointNumber()) {
                    manifest = whole;
                    position = partsPosition;
                    sequence = partsSequence;
                }
            } catch (CorruptRecordException e) {
                parts.clear(); // a part of it is lost
            }
        }
    }

    CheckpointSlot find() throws IOException {
        try (LogFiles files = LogFiles.open(directory)) {
            refuseTwo(files);
            Newest newest = new Newest();
            long logTimeMillis = 0;
            FrameWindow window = new FrameWindow();
            RecordView view = new RecordView();
            for (Found found : files.all()) {
                if (!found.isLinked()) {
                    continue;
                }
                long end = found.base + found.file.sizeBytes();
                for (long at = window.nextFrame(found.file, found.base, found.firstPosition(), end); at < end; ) {
                    byte[] bytes = window.bytes();
                    int in = window.at();
                    logTimeMillis = Math.max(logTimeMillis, FrameCodec.logTimeMillis(bytes, in));
                    int recordAt = in + FrameCodec.HEADER_BYTES;
                    for (int ordinal = 0; ordinal < FrameCodec.recordCount(bytes, in); ordinal++) {
                        view.wrap(bytes, in, recordAt, ordinal);
                        recordAt += view.lengthBytes();
                        if (view.type() == RecordType.MANIFEST && view.ownerKey() == Owner.STRIPE.key()) {
                            newest.add(view, (ManifestRecord) view.decode());
                        }
                    }
                    at = window.nextFrame(found.file, found.base, at + FrameCodec.length(bytes, in), end);
                }
            }
            return slot(files, newest, logTimeMillis);
        }
    }

    /** Without a slot it is not known which of two logs it is. */
    private void refuseTwo(LogFiles files) throws CorruptLogException {
        Found first = null;
        for (Found found : files.all()) {
            if (found.claim != null && found.claim.logId() != LogIdentity.UNKNOWN) {
                if (first != null
                        && (first.claim.logId() != found.claim.logId()
                                || first.claim.stripeId() != found.claim.stripeId())) {
                    throw new CorruptLogException(
                            directory.path() + "/" + found.name,
                            -1,
                            "it belongs to " + LogIdentity.name(found.claim.stripeId(), found.claim.logId()) + ", "
                                    + first.name + " to "
                                    + LogIdentity.name(first.claim.stripeId(), first.claim.logId())
                                    + ", and the checkpoint file says nothing; take away what does not belong here");
                }
                first = first == null ? found : first;
            }
        }
    }

    private CheckpointSlot slot(LogFiles files, Newest newest, long logTimeMillis) throws IOException {
        long stripeId = 0;
        for (Found found : files.all()) {
            stripeId = found.header == null ? stripeId : found.header.stripeId();
        }
        ManifestRecord manifest = newest.manifest;
        notes.add("the checkpoint file says nothing: "
                + (manifest == null
                        ? "the log is replayed from its beginning"
                        : "the log is replayed from where checkpoint " + manifest.checkpointNumber() + " began"));
        return new CheckpointSlot(
                (int) stripeId,
                files.epochMax(),
                manifest == null ? -1 : manifest.replayPosition(),
                manifest == null ? 1 : manifest.replaySequence(),
                manifest == null ? -1 : newest.position,
                manifest == null ? -1 : newest.sequence,
                RepairScan.durable(files, null),
                manifest == null ? 1 : manifest.nextSequence(),
                Math.max(files.addressLimit(), manifest == null ? 0 : manifest.addressLimit()),
                logTimeMillis,
                -1);
    }
}
