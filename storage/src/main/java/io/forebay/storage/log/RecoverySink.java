package io.forebay.storage.log;

/**
 * Who takes over what recovery finds. First the newest snapshots, part by part, then the records in order of sequence;
 * what an owner's snapshot already holds is left out, and so are snapshots and manifests themselves.
 */
public interface RecoverySink {
    /** One part of an owner's newest complete snapshot; the parts of one snapshot come in order, one after the other. */
    void snapshot(RecordView part) throws CorruptRecordException;

    /** A record that no snapshot holds. */
    void record(RecordView record) throws CorruptRecordException;
}
