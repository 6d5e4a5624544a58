package io.forebay.support;

import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;

/**
 * In a run of many classes some will start processes: what these start with is made beside the first tests, of which most have one thread.
 * JUnit finds this class by {@code META-INF/services}.
 */
public final class EarlyArchive implements TestExecutionListener {
    private static final int CLASSES_MIN = 20;

    @Override
    public void testPlanExecutionStarted(TestPlan plan) {
        if (plan.countTestIdentifiers(TestIdentifier::isContainer) >= CLASSES_MIN) {
            Thread thread = new Thread(ForkedJvm::prepare, "archive of classes");
            thread.setDaemon(true);
            thread.start();
        }
    }
}
