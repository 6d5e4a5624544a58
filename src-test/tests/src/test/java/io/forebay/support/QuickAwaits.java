package io.forebay.support;

import java.time.Duration;
import org.awaitility.Awaitility;
import org.junit.platform.launcher.LauncherSession;
import org.junit.platform.launcher.LauncherSessionListener;

/**
 * Has whoever awaits something look at once, and often: Awaitility's own tenth of a second before each look is most of the time of a test
 * that awaits a hundred things. And nobody gives up after ten seconds what a busy machine takes longer for. JUnit finds this class by
 * {@code META-INF/services}.
 */
public final class QuickAwaits implements LauncherSessionListener {
    private static final Duration INTERVAL = Duration.ofMillis(10);
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    @Override
    public void launcherSessionOpened(LauncherSession session) {
        Awaitility.setDefaultPollDelay(Duration.ZERO);
        Awaitility.setDefaultPollInterval(INTERVAL);
        Awaitility.setDefaultTimeout(PATIENCE);
    }
}
