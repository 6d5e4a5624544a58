package io.forebay.yardstick;

/** What receivers tell of what they took. Thread-safe. */
public interface Intake {
    /** Whether to stop. */
    boolean isOver();

    /**
     * Enters a delivered body.
     *
     * @return whether to ack it; otherwise it is to be given back, to come again at once
     */
    boolean take(byte[] body);

    /** The system has answered that so many are acked, or, where it answers nothing, the ack was handed to it. */
    void acked(int count);

    /** The run cannot go on. */
    void failed(Throwable cause);
}
