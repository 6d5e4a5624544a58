package io.forebay.storage.log;

import java.io.IOException;

/** Reads the messages of one queue by offset. Each record is checked before it is handed out. One actor's own. */
public final class QueueReader {
    QueueReader() {}

    /** Takes messages in order of offset. */
    public interface Sink {
        /**
         * @param offset the message's number in its queue
         * @param message a {@link RecordType#MESSAGE} or {@link RecordType#ENTRY}; valid during the call
         * @param body of an entry the message it names, or null if that cannot be read any more; of a message itself
         */
        void message(long offset, RecordView message, RecordView body) throws CorruptRecordException;
    }

    /** How a read ended. */
    public enum Status {
        /** Count or bytes reached, or nothing further is stored. */
        READ,
        /** The stripe is rewriting what a failed force lost: ask again when it runs. */
        NOT_READABLE,
        /** The message at {@link Result#nextOffset()} is damaged: name it, count it, never deliver it, never call it acked. */
        QUARANTINED,
        /** The messages from {@link Result#nextOffset()} on are not stored any more (cleaned). */
        GONE
    }

    /**
     * @param status how it ended
     * @param count messages handed out
     * @param bytes length of their records
     * @param nextOffset the first offset not handed out
     * @param reason of a quarantine, else null
     */
    public record Result(Status status, int count, long bytes, long nextOffset, String reason) {}

    /**
     * Hands out messages from an offset on, at least one if the first is readable, until count or bytes are reached. The
     * caller goes no further than what it knows to be readable.
     *
     * @throws IOException only if the sink or a decode throws; what the disk does wrong becomes QUARANTINED
     */
    public Result read(long fromOffset, int countMax, long bytesMax, Sink sink) throws IOException {
        throw new AssertionError("skeleton");
    }

    public int queueId() {
        throw new AssertionError("skeleton");
    }
}
