package io.forebay.support;

import io.forebay.testkit.sim.Proof;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.launcher.LauncherSession;
import org.junit.platform.launcher.LauncherSessionListener;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;

/**
 * Prints one line at the end of a test run: what all its tests have gone through, and what came of it; if some failed, that they did, for
 * what a test finds it need not have counted. JUnit finds this class by {@code META-INF/services}. It covers the tests of one JVM, so they
 * all run in one.
 */
public final class ProofLine implements LauncherSessionListener {
    /** What the line begins with. */
    static final String BEGINNING = "proof: ";

    static final LongAdder failed = new LongAdder();

    /** What it says if no test has counted anything. */
    private final String nothing = Proof.line();

    private final long failedBefore = failed.sum();

    /** JUnit makes one for each launcher: also for those of tests that run tests, whose failures are meant to be. */
    public static final class Failures implements TestExecutionListener {
        private static final AtomicInteger OF_THIS_JVM = new AtomicInteger();

        private final AtomicInteger running;
        private boolean isOutermost;

        public Failures() {
            this(OF_THIS_JVM);
        }

        /** @param running how many runs are under way */
        Failures(AtomicInteger running) {
            this.running = running;
        }

        @Override
        public void testPlanExecutionStarted(TestPlan plan) {
            isOutermost = running.getAndIncrement() == 0;
        }

        @Override
        public void executionFinished(TestIdentifier test, TestExecutionResult result) {
            if (isOutermost && result.getStatus() == TestExecutionResult.Status.FAILED) {
                failed.increment();
            }
        }

        @Override
        public void testPlanExecutionFinished(TestPlan plan) {
            running.decrementAndGet();
        }
    }

    @Override
    public void launcherSessionClosed(LauncherSession session) {
        String line = Proof.line();
        long failures = failed.sum() - failedBefore;
        if (!line.equals(nothing) || failures > 0) {
            // Whoever printed last may not have ended the line.
            System.out.println(System.lineSeparator()
                    + BEGINNING
                    + line
                    + (failures == 0 ? "" : "; PROVES NOTHING: " + failures + " failed"));
        }
    }
}
