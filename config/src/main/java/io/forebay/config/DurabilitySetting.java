package io.forebay.config;

/**
 * How far a record has got when the answer goes out, as a setting. The names are those of the durabilities of the protocol,
 * which this room does not know.
 */
public enum DurabilitySetting {
    /** In the operating system's page cache: survives the death of the process. */
    WRITTEN,
    /** Forced to the device: survives a power cut. */
    FLUSHED
}
