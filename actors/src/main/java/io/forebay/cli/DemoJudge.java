package io.forebay.cli;

/**
 * Knows every message of the demo by its number, and at the end what became of it. Whatever the messages say, it believes
 * only the checksum of the body that was read from the file. Thread-safe.
 *
 * <p>Named after the invariants: nothing acknowledged is missing (I1, <em>lost</em>), nothing is invented or altered (I2),
 * order per key (I3), an acked message does not come back (I4).
 */
final class DemoJudge {
    private static final byte SENT = 1;
    private static final byte CONFIRMED = 2;
    private static final byte POPPED = 4;
    private static final byte ACKED = 8;
    /** In flight, on its way to the node or from it, when the node was killed. */
    private static final byte AT_KILL = 16;

    private final byte[] states;
    private final int[] checksums;
    private final long[] sentNanos;
    /** Lowest queue offset seen of each message, -1 before. */
    private final long[] offsets;

    private final short[] queues;
    private final LatencyHistogram sendToPop = new LatencyHistogram();

    private int sentCount;
    private int confirmedCount;
    private int poppedCount;
    private int ackedCount;
    private int duplicateAtKillCount;
    private int duplicateElsewhereCount;
    private int afterAckCount;
    private int alteredCount;
    private boolean isNodeAway;

    DemoJudge(int messageCount) {
        states = new byte[messageCount];
        checksums = new int[messageCount];
        sentNanos = new long[messageCount];
        offsets = new long[messageCount];
        java.util.Arrays.fill(offsets, -1);
        queues = new short[messageCount];
    }

    /** @param checksum CRC-32C of the body as it was read */
    synchronized void sent(int number, int checksum, long nowNanos) {
        checksums[number] = checksum;
        sentNanos[number] = nowNanos;
        states[number] |= SENT;
        sentCount++;
        markIfAway(number);
    }

    synchronized void confirmed(int number) {
        markIfAway(number);
        if ((states[number] & CONFIRMED) == 0) {
            states[number] |= CONFIRMED;
            confirmedCount++;
        }
    }

    /**
     * @param number as the message says, any value
     * @param checksum CRC-32C of the body that came
     */
    synchronized void popped(int number, int checksum, int queue, long queueOffset, long nowNanos) {
        if (number < 0 || number >= states.length || (states[number] & SENT) == 0 || checksums[number] != checksum) {
            alteredCount++;
            return;
        }
        byte state = states[number];
        if ((state & POPPED) == 0) {
            states[number] |= POPPED;
            poppedCount++;
            offsets[number] = queueOffset;
            queues[number] = (short) queue;
            sendToPop.record(nowNanos - sentNanos[number]);
        } else {
            boolean isSameCopy = queues[number] == (short) queue && offsets[number] == queueOffset;
            if ((state & ACKED) != 0 && isSameCopy) {
                afterAckCount++;
            } else if ((state & AT_KILL) != 0) {
                duplicateAtKillCount++;
            } else {
                duplicateElsewhereCount++;
            }
            if (queues[number] == (short) queue && queueOffset < offsets[number]) {
                offsets[number] = queueOffset;
            }
        }
        markIfAway(number);
    }

    /** @return whether this is its first ack */
    synchronized boolean acked(int number) {
        if (number < 0 || number >= states.length) {
            return false;
        }
        markIfAway(number);
        if ((states[number] & ACKED) != 0) {
            return false;
        }
        states[number] |= ACKED;
        ackedCount++;
        return true;
    }

    /** The node is being killed: what is under way now may come twice. */
    synchronized void nodeKilled() {
        isNodeAway = true;
        for (int number = 0; number < states.length; number++) {
            boolean isSending = (states[number] & (SENT | CONFIRMED)) == SENT;
            boolean isOut = (states[number] & (POPPED | ACKED)) == POPPED;
            if (isSending || isOut) {
                states[number] |= AT_KILL;
            }
        }
    }

    /** The node serves again. Answers that were on the wire at the kill have arrived by now. */
    synchronized void nodeBack() {
        isNodeAway = false;
    }

    private void markIfAway(int number) {
        if (isNodeAway) {
            states[number] |= AT_KILL;
        }
    }

    synchronized int sentCount() {
        return sentCount;
    }

    synchronized int confirmedCount() {
        return confirmedCount;
    }

    synchronized int poppedCount() {
        return poppedCount;
    }

    synchronized int ackedCount() {
        return ackedCount;
    }

    /** Popped and not known to be acked. */
    synchronized int inFlightCount() {
        return poppedCount - ackedCount;
    }

    synchronized boolean isWhole() {
        return poppedCount == sentCount && ackedCount == sentCount && confirmedCount == sentCount;
    }

    /** What became of all messages. Call it when nothing is under way any more. */
    synchronized Verdict verdict(DemoInput input) {
        int lost = 0;
        for (byte state : states) {
            if ((state & CONFIRMED) != 0 && (state & POPPED) == 0) {
                lost++;
            }
        }
        return new Verdict(
                sentCount,
                confirmedCount,
                poppedCount,
                ackedCount,
                lost,
                alteredCount,
                duplicateAtKillCount,
                duplicateElsewhereCount,
                afterAckCount,
                orderBreakCount(input),
                sendToPop.percentileNanos(0.50),
                sendToPop.percentileNanos(0.99));
    }

    /** Lines of one file share a key, so a queue, and lie in it in the order they were sent in. */
    private int orderBreakCount(DemoInput input) {
        int breaks = 0;
        for (DemoInput.Source source : input.sources()) {
            int previous = -1;
            for (int pass = 0; pass < input.passCount(); pass++) {
                for (int line = 0; line < source.lineCount(); line++) {
                    int number = input.number(pass, source, line);
                    if (offsets[number] < 0) {
                        continue;
                    }
                    if (previous >= 0 && (queues[number] != queues[previous] || offsets[number] <= offsets[previous])) {
                        breaks++;
                    }
                    previous = number;
                }
            }
        }
        return breaks;
    }

    /**
     * @param lostCount confirmed to the producer and never popped
     * @param alteredCount popped with a body, or a number, that was not sent
     * @param duplicateAtKillCount came again, having been in flight when the node was killed: allowed
     * @param duplicateElsewhereCount came again without that excuse, though not yet acked: at-least-once, worth a look
     * @param afterAckCount came again after its ack was answered
     * @param orderBreakCount stored before a message of its key that was sent earlier
     */
    record Verdict(
            int sentCount,
            int confirmedCount,
            int poppedCount,
            int ackedCount,
            int lostCount,
            int alteredCount,
            int duplicateAtKillCount,
            int duplicateElsewhereCount,
            int afterAckCount,
            int orderBreakCount,
            long sendToPopP50Nanos,
            long sendToPopP99Nanos) {
        /** Every message sent was confirmed, popped and acked, unaltered, in order, and none came back after its ack. */
        boolean isGood() {
            return sentCount > 0
                    && confirmedCount == sentCount
                    && poppedCount == sentCount
                    && ackedCount == sentCount
                    && lostCount == 0
                    && alteredCount == 0
                    && afterAckCount == 0
                    && orderBreakCount == 0;
        }
    }
}
