package io.forebay.testkit.sim;

import java.util.concurrent.atomic.LongAdder;

/**
 * What all tests of one process have gone through together, and what came of it. A test adds what it did; one that counts messages adds
 * what it found missing, altered or out of order as well, before it fails. Others just fail: {@link #line()} is of a run that is green.
 * Thread-safe.
 */
public final class Proof {
    /** Processes, whole nodes on virtual time, and machines that were ended without a warning. */
    public static final LongAdder kills = new LongAdder();
    /** Disks as a power cut leaves them that were recovered and compared with what had been promised. */
    public static final LongAdder images = new LongAdder();
    /** Of both, those on virtual time, of whole nodes and of single logs: thousands take a minute. */
    public static final LongAdder simulatedCrashes = new LongAdder();
    /** Forces, of files and of directories, that were made to fail. */
    public static final LongAdder forceFaults = new LongAdder();
    /** Bytes that were flipped, cut off, zeroed or moved. */
    public static final LongAdder corruptBytes = new LongAdder();
    /** Milliseconds of virtual time that nodes lived through. */
    public static final LongAdder simulatedMillis = new LongAdder();
    /** Messages whose storing or settling was answered and that were looked for afterwards. */
    public static final LongAdder messagesAcknowledged = new LongAdder();
    /** Of those: missing. */
    public static final LongAdder lost = new LongAdder();
    /** Of those: not what was sent. */
    public static final LongAdder altered = new LongAdder();
    /** Of those: before one that was sent, or stored, earlier. */
    public static final LongAdder orderBreaks = new LongAdder();
    /** Changes to the engine that break a promise. */
    public static final LongAdder mutantsMade = new LongAdder();
    /** Of those: found out by a test. */
    public static final LongAdder mutantsCaught = new LongAdder();

    private static final double MILLIS_PER_HOUR = 3_600_000;

    private Proof() {}

    /** Everything in one line, with no line break; it may miss what other threads add meanwhile. */
    public static String line() {
        return "kills " + kills + ", images " + images + ", of these simulated " + simulatedCrashes + ", force faults "
                + forceFaults + ", corrupt bytes "
                + corruptBytes
                + ", simulated hours " + Math.round(simulatedMillis.sum() / MILLIS_PER_HOUR * 10) / 10.0
                + ", messages acknowledged " + messagesAcknowledged + ", lost " + lost + ", altered " + altered
                + ", order breaks " + orderBreaks + ", mutants caught " + mutantsCaught + "/" + mutantsMade;
    }
}
