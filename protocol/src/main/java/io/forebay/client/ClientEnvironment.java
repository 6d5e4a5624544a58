package io.forebay.client;

import java.security.SecureRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * What a client takes from the world, so that a test can give it another one. Thread-safe if its parts are.
 *
 * @param monotonicMillis never goes back; its origin means nothing
 * @param wallMillis milliseconds since 1970
 * @param randomLong for ids of sessions: must differ between clients of all processes
 */
record ClientEnvironment(LongSupplier monotonicMillis, LongSupplier wallMillis, LongSupplier randomLong) {
    /** The real one. */
    static ClientEnvironment system() {
        SecureRandom random = new SecureRandom();
        return new ClientEnvironment(
                () -> TimeUnit.NANOSECONDS.toMillis(System.nanoTime()), System::currentTimeMillis, random::nextLong);
    }

    /** A random number that is not 0. */
    long sessionId() {
        long id;
        do {
            id = randomLong.getAsLong();
        } while (id == 0);
        return id;
    }
}
