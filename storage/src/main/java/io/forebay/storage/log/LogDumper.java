package io.forebay.storage.log;

import io.forebay.storage.io.StorageDirectory;
import java.io.IOException;
import java.time.Instant;
import java.util.function.Consumer;

/** Prints a stripe's log, one line a record, and changes nothing. */
public final class LogDumper {
    private LogDumper() {}

    /**
     * Prints everything from the oldest segment to the log's end. Lines that begin with {@code #} are about the log, not
     * of it; the last ones name damage and say why the log ends where it does.
     */
    public static LogVerifier.Report dump(StorageDirectory directory, Consumer<String> line) throws IOException {
        line.accept("# position sequence epoch time owner number type fields");
        LogVerifier.Report report = LogVerifier.verify(directory, (segment, position, record) -> {
            String fields;
            try {
                fields = fields(record);
            } catch (CorruptRecordException e) {
                fields = "cannot be read: " + e.getMessage();
            }
            line.accept(String.format(
                    "%d %d %d %s %s #%d %s %s",
                    position,
                    record.sequence(),
                    record.epoch(),
                    Instant.ofEpochMilli(record.logTimeMillis()),
                    record.owner(),
                    record.ownerNumber(),
                    record.type(),
                    fields));
        });
        report.notes().forEach(note -> line.accept("# note: " + note));
        report.problems().forEach(problem -> line.accept("# damaged: " + problem));
        line.accept("# end at position " + report.endPosition() + ", last sequence " + report.lastSequence()
                + ", durable up to position " + report.durablePosition() + ": " + report.endReason());
        return report;
    }

    /** An event of the registry with what it says. */
    private static String fields(RecordView record) throws CorruptRecordException {
        LogRecord decoded = record.decode();
        return record.queueId() == Owner.REGISTRY_QUEUE && decoded instanceof PersistenceEventRecord event
                ? event + " " + RegistryEvents.decode(event.serializerManifest(), event.payload())
                : decoded.toString();
    }
}
