package io.forebay.queue.core;

import io.forebay.storage.log.PopRecord;

/**
 * What a Pop gets.
 *
 * @param reason why
 * @param record the checkpoint to apply and to write; null unless {@link PopReason#DELIVERED}
 * @param repeated the checkpoint whose deliveries in flight are the answer, once it is written; null unless {@link
 *     PopReason#REPEATED}
 */
public record PopDecision(PopReason reason, PopRecord record, Checkpoint repeated) {
    static final PopDecision EMPTY = new PopDecision(PopReason.EMPTY, null, null);
    static final PopDecision LOOK_AHEAD_FULL = new PopDecision(PopReason.LOOK_AHEAD_FULL, null, null);
    static final PopDecision IN_FLIGHT_LIMIT = new PopDecision(PopReason.IN_FLIGHT_LIMIT, null, null);
}
