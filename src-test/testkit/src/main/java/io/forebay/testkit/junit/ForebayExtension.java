package io.forebay.testkit.junit;

import io.forebay.client.ForebayClient;
import io.forebay.testkit.ForebayTestKit;
import java.lang.reflect.Method;
import java.util.Optional;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.LifecycleMethodExecutionExceptionHandler;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.extension.TestExecutionExceptionHandler;
import org.junit.platform.commons.support.AnnotationSupport;
import org.opentest4j.TestAbortedException;

/**
 * Passes a {@link ForebayTestKit}, or its client, to methods of tests, a fresh one to each test, and ends it behind the test. To be
 * used by way of {@link ForebayTest}, or with {@code @ExtendWith} alone. Tests may run at the same time.
 */
public final class ForebayExtension
        implements ParameterResolver,
                AfterEachCallback,
                TestExecutionExceptionHandler,
                LifecycleMethodExecutionExceptionHandler {
    private static final ExtensionContext.Namespace NAMESPACE =
            ExtensionContext.Namespace.create(ForebayExtension.class);

    private static final String SEED = "forebay.seed";

    /** Goes with the failure of a test, wherever that is shown. Has no place of its own. */
    private static final class Replay extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Replay(String message) {
            super(message, null, false, false);
        }
    }

    /** As JUnit makes it. */
    public ForebayExtension() {}

    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
        Class<?> type = parameter.getParameter().getType();
        return (type == ForebayTestKit.class || type == ForebayClient.class)
                && parameter.getDeclaringExecutable() instanceof Method
                && context.getTestMethod().isPresent();
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
        ForebayTestKit kit = kitOf(context);
        return parameter.getParameter().getType() == ForebayClient.class ? kit.client() : kit;
    }

    private static ForebayTestKit kitOf(ExtensionContext context) {
        ForebayTestKit kit = existing(context);
        if (kit == null) {
            ForebayTestKit.Builder builder = ForebayTestKit.builder();
            context.getConfigurationParameter(SEED).map(Long::valueOf).ifPresent(builder::seed);
            annotation(context).ifPresent(wanted -> {
                builder.settings(wanted.settings());
                if (wanted.seed() != 0) {
                    builder.seed(wanted.seed());
                }
            });
            kit = builder.start();
            store(context).put(ForebayTestKit.class, kit);
        }
        return kit;
    }

    private static ForebayTestKit existing(ExtensionContext context) {
        return store(context).get(ForebayTestKit.class, ForebayTestKit.class);
    }

    private static ExtensionContext.Store store(ExtensionContext context) {
        return context.getStore(NAMESPACE);
    }

    /** The one that is nearest: of the method, else of its class, else of a class around that. */
    private static Optional<ForebayTest> annotation(ExtensionContext context) {
        for (Optional<ExtensionContext> at = Optional.of(context);
                at.isPresent();
                at = at.get().getParent()) {
            Optional<ForebayTest> found =
                    AnnotationSupport.findAnnotation(at.get().getElement(), ForebayTest.class);
            if (found.isPresent()) {
                return found;
            }
        }
        return Optional.empty();
    }

    @Override
    public void handleTestExecutionException(ExtensionContext context, Throwable failure) throws Throwable {
        throw withSeed(context, failure);
    }

    @Override
    public void handleBeforeEachMethodExecutionException(ExtensionContext context, Throwable failure) throws Throwable {
        throw withSeed(context, failure);
    }

    @Override
    public void handleAfterEachMethodExecutionException(ExtensionContext context, Throwable failure) throws Throwable {
        throw withSeed(context, failure);
    }

    private static Throwable withSeed(ExtensionContext context, Throwable failure) {
        ForebayTestKit kit = existing(context);
        if (kit != null && !(failure instanceof TestAbortedException)) {
            String text = "repeat " + context.getRequiredTestMethod().getName() + " with @ForebayTest(seed = "
                    + kit.seed() + "L) or -D" + SEED + "=" + kit.seed();
            failure.addSuppressed(new Replay(text));
            context.publishReportEntry(SEED, Long.toString(kit.seed()));
            System.err.println(context.getRequiredTestClass().getSimpleName() + ": " + text);
        }
        return failure;
    }

    @Override
    public void afterEach(ExtensionContext context) {
        ForebayTestKit kit = existing(context);
        if (kit != null) {
            store(context).remove(ForebayTestKit.class);
            kit.close();
        }
    }
}
