package io.forebay.support;

import io.forebay.testkit.faults.ForceLedger;
import java.util.List;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * On in every test: one during which a force was repeated as a cure fails, whichever thread has forced and whatever became of
 * that thread. Registered as a service.
 */
public final class ForceLedgerCheck implements AfterEachCallback, AfterAllCallback {
    @Override
    public void afterEach(ExtensionContext context) {
        check(context);
    }

    /** For what still ran when the last test was over. */
    @Override
    public void afterAll(ExtensionContext context) {
        check(context);
    }

    private static void check(ExtensionContext context) {
        List<AssertionError> breaches = ForceLedger.takeBreaches();
        if (!breaches.isEmpty()) {
            throw new AssertionError(
                    context.getDisplayName() + ", or what another test has left running: "
                            + breaches.get(0).getMessage()
                            + (breaches.size() == 1 ? "" : "; and " + (breaches.size() - 1) + " more"),
                    breaches.get(0));
        }
    }
}
