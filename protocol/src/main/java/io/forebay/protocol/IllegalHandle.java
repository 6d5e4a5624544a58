package io.forebay.protocol;

/**
 * A text that is not a receipt handle.
 *
 * @param reason one line that says what is wrong with it
 */
public record IllegalHandle(String reason) implements ParsedHandle {
    /** As the answer to the request that carried it. */
    public Refusal toRefusal() {
        return Refusal.of(Refusal.Code.ILLEGAL_HANDLE, reason);
    }
}
