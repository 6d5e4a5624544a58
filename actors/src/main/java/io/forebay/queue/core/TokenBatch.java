package io.forebay.queue.core;

import java.util.Arrays;

/**
 * The receipt handles of one command as plain numbers, and what became of each: (queue offset, epoch, sequence of the
 * checkpoint record, nonce). Made to be reused: {@link #clear()} keeps the arrays. Confined to its owner.
 */
public final class TokenBatch {
    private long[] queueOffsets;
    private long[] epochs;
    private long[] sequences;
    private long[] nonces;
    private HandleOutcome[] outcomes;
    private int count;

    public TokenBatch(int expectedCount) {
        int capacity = Math.max(1, expectedCount);
        queueOffsets = new long[capacity];
        epochs = new long[capacity];
        sequences = new long[capacity];
        nonces = new long[capacity];
        outcomes = new HandleOutcome[capacity];
    }

    public void clear() {
        count = 0;
    }

    public TokenBatch add(long queueOffset, long epoch, long sequence, long nonce) {
        if (count == queueOffsets.length) {
            grow();
        }
        queueOffsets[count] = queueOffset;
        epochs[count] = epoch;
        sequences[count] = sequence;
        nonces[count] = nonce;
        outcomes[count++] = null;
        return this;
    }

    public int count() {
        return count;
    }

    public long queueOffset(int index) {
        return queueOffsets[index];
    }

    /** @return null before a command has judged this batch */
    public HandleOutcome outcome(int index) {
        if (index >= count) {
            throw new IndexOutOfBoundsException(index + " of " + count);
        }
        return outcomes[index];
    }

    long epoch(int index) {
        return epochs[index];
    }

    long sequence(int index) {
        return sequences[index];
    }

    long nonce(int index) {
        return nonces[index];
    }

    void judge(int index, HandleOutcome outcome) {
        outcomes[index] = outcome;
    }

    private void grow() {
        int capacity = count * 2;
        queueOffsets = Arrays.copyOf(queueOffsets, capacity);
        epochs = Arrays.copyOf(epochs, capacity);
        sequences = Arrays.copyOf(sequences, capacity);
        nonces = Arrays.copyOf(nonces, capacity);
        outcomes = Arrays.copyOf(outcomes, capacity);
    }
}
