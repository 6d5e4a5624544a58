package io.forebay.protocol;

/** A request that was refused, as an exception: what the completion stages of {@code io.forebay.client} fail with. */
public final class ForebayException extends RuntimeException {
    private final Refusal refusal;

    public ForebayException(Refusal refusal) {
        // No stack trace: a refusal says what is wrong with a request, not with the code, and there may be thousands a
        // second.
        super(refusal.text(), null, false, false);
        this.refusal = refusal;
    }

    public Refusal refusal() {
        return refusal;
    }

    public Refusal.Code code() {
        return refusal.code();
    }

    @Override
    public String toString() {
        return refusal.code() + ": " + refusal.text();
    }
}
