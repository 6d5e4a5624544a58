package io.forebay.topic.core;

import io.forebay.storage.log.LogRecord;

/**
 * @param outcome what became of the command
 * @param record what is to be applied and written when {@link RegistryOutcome#DECIDED}, what is there already when {@link
 *     RegistryOutcome#EXISTS}, else null
 * @param detail names the thing, its value and what is allowed when the command is refused, else empty
 */
public record RegistryDecision<R extends LogRecord>(RegistryOutcome outcome, R record, String detail) {
    static <R extends LogRecord> RegistryDecision<R> decided(R record) {
        return new RegistryDecision<>(RegistryOutcome.DECIDED, record, "");
    }

    static <R extends LogRecord> RegistryDecision<R> exists(R record) {
        return new RegistryDecision<>(RegistryOutcome.EXISTS, record, "");
    }

    static <R extends LogRecord> RegistryDecision<R> refused(RegistryOutcome outcome, String detail) {
        return new RegistryDecision<>(outcome, null, detail);
    }

    public boolean isDecided() {
        return outcome == RegistryOutcome.DECIDED;
    }

    /** @return whether {@link #record()} is there, new or not */
    public boolean isAccepted() {
        return record != null;
    }
}
