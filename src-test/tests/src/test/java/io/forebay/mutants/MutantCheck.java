package io.forebay.mutants;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import io.forebay.testkit.sim.SeededRun;
import java.lang.annotation.Annotation;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/**
 * Runs what tests run, on the classes beside which it was loaded itself: a class loader of {@link MutantClasses} has one of its
 * own.
 */
public final class MutantCheck {
    private static final int TEXT_CHARS_MAX = 110;

    private MutantCheck() {}

    /**
     * @param typeName of a class of tests
     * @param methodName a test without parameters, or a static method that takes some of these: a generator of random numbers, a
     *     number of steps, actors, and what can be made without an argument
     * @return what it found, null if nothing
     * @throws AssertionError if it could not be run, whatever the classes do
     */
    public static String run(
            String typeName, String methodName, RandomGenerator random, long steps, ActorTestKit actors) {
        SeededRun.Progress progress = new SeededRun.Progress();
        try {
            Method method = method(Class.forName(typeName), methodName);
            if (Modifier.isStatic(method.getModifiers())) {
                Object[] arguments = new Object[method.getParameterCount()];
                for (int at = 0; at < arguments.length; at++) {
                    arguments[at] = argument(method.getParameterTypes()[at], random, steps, actors, progress);
                }
                method.invoke(null, arguments);
            } else {
                runTest(method);
            }
            return null;
        } catch (InvocationTargetException e) {
            return (progress.step() > 0 ? "step " + progress.step() + ": " : "") + found(e.getCause());
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(typeName + "." + methodName + " cannot be run", e);
        }
    }

    /**
     * What a failure says, in a line.
     *
     * @throws AssertionError if it is none of what a test looks at
     */
    public static String found(Throwable failure) {
        if (!(failure instanceof Exception || failure instanceof AssertionError)) {
            throw new AssertionError("no test has found this", failure);
        }
        String text = String.valueOf(failure.getMessage()).strip().replaceAll("\\s+", " ");
        return failure.getClass().getSimpleName() + " "
                + (text.length() > TEXT_CHARS_MAX ? text.substring(0, TEXT_CHARS_MAX) + "…" : text);
    }

    private static Method method(Class<?> type, String name) {
        Method found = Arrays.stream(type.getDeclaredMethods())
                .filter(method -> method.getName().equals(name) && !method.isSynthetic())
                .findFirst()
                .orElseThrow(() -> new AssertionError(type.getName() + " has no " + name));
        found.setAccessible(true);
        return found;
    }

    private static Object argument(
            Class<?> type, RandomGenerator random, long steps, ActorTestKit actors, SeededRun.Progress progress)
            throws ReflectiveOperationException {
        if (type == RandomGenerator.class) {
            return random;
        }
        if (type == long.class) {
            return steps;
        }
        if (type == ActorTestKit.class) {
            return actors;
        }
        return type == SeededRun.Progress.class ? progress : make(type);
    }

    private static Object make(Class<?> type) throws ReflectiveOperationException {
        Constructor<?> constructor = type.getDeclaredConstructor();
        constructor.setAccessible(true);
        return constructor.newInstance();
    }

    /** As JUnit does. */
    private static void runTest(Method test) throws ReflectiveOperationException {
        Object instance = make(test.getDeclaringClass());
        boolean isPassed = false;
        try {
            each(BeforeEach.class, instance);
            test.invoke(instance);
            isPassed = true;
        } finally {
            try {
                each(AfterEach.class, instance);
            } catch (InvocationTargetException e) {
                // What failed before says more.
                if (isPassed) {
                    throw e;
                }
            }
        }
    }

    private static void each(Class<? extends Annotation> marker, Object instance) throws ReflectiveOperationException {
        for (Method method : instance.getClass().getDeclaredMethods()) {
            if (method.isAnnotationPresent(marker)) {
                method.setAccessible(true);
                method.invoke(instance);
            }
        }
    }
}
