package io.forebay.client;

/** Told how far a look at stored messages has come. Called in the client's callbacks; must not block. */
public interface LookProgress {
    /** Nobody wants to know. */
    LookProgress NONE = (doneCount, totalCount) -> {};

    /**
     * One more page is there.
     *
     * @param doneCount messages or records looked at so far
     * @param totalCount all of them, as far as it is known now
     */
    void at(long doneCount, long totalCount);
}
