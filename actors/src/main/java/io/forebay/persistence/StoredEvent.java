package io.forebay.persistence;

import io.forebay.storage.log.PersistenceEventRecord;

/**
 * An event as the log holds it.
 *
 * @param sequence of its record: the order of all events, whichever queue they lie in
 * @param logTimeMillis when it was appended; does not decrease with the sequence
 */
record StoredEvent(String persistenceId, PersistenceEventRecord event, long sequence, long logTimeMillis) {}
