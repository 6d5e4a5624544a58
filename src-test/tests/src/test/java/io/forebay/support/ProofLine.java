package io.forebay.support;

import io.forebay.testkit.sim.Proof;
import org.junit.platform.launcher.LauncherSession;
import org.junit.platform.launcher.LauncherSessionListener;

/**
 * Prints one line at the end of a test run: what all its tests have gone through, and what came of it. JUnit finds this class by
 * {@code META-INF/services}. It covers the tests of one JVM, so they all run in one.
 */
public final class ProofLine implements LauncherSessionListener {
    /** What the line begins with. */
    static final String BEGINNING = "proof: ";

    /** What it says if no test has counted anything. */
    private final String nothing = Proof.line();

    @Override
    public void launcherSessionClosed(LauncherSession session) {
        String line = Proof.line();
        if (!line.equals(nothing)) {
            // Whoever printed last may not have ended the line.
            System.out.println(System.lineSeparator() + BEGINNING + line);
        }
    }
}
