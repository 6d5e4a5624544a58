package io.forebay.storage.log;

/** A record of a type or version that this code does not know: in a valid frame, the mark of a newer writer. */
public final class UnknownRecordException extends CorruptRecordException {
    private static final long serialVersionUID = 1L;

    public UnknownRecordException(String message) {
        super(message);
    }
}
