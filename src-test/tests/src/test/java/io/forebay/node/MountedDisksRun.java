package io.forebay.node;

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;
import static org.junit.platform.launcher.EngineFilter.includeEngines;

import java.io.PrintWriter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/**
 * Runs {@link MountedDisksTest} in a process that may mount. The last line says {@code ran N, left out M}; ends with 1 if a test
 * failed.
 */
final class MountedDisksRun {
    static final String RAN = "ran ";

    private MountedDisksRun() {}

    public static void main(String[] arguments) {
        SummaryGeneratingListener summary = new SummaryGeneratingListener();
        TestExecutionListener begun = new TestExecutionListener() {
            @Override
            public void executionStarted(TestIdentifier test) {
                if (test.isTest()) {
                    System.out.println(test.getDisplayName());
                }
            }
        };
        LauncherFactory.create()
                .execute(
                        LauncherDiscoveryRequestBuilder.request()
                                .selectors(selectClass(MountedDisksTest.class))
                                .filters(includeEngines("junit-jupiter"))
                                .build(),
                        summary,
                        begun);
        TestExecutionSummary all = summary.getSummary();
        all.printFailuresTo(new PrintWriter(System.out, true));
        System.out.println(RAN + all.getTestsSucceededCount() + ", left out "
                + (all.getTestsAbortedCount() + all.getTestsSkippedCount()));
        System.exit(all.getTotalFailureCount() == 0 ? 0 : 1);
    }
}
