package io.forebay.client;

import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.TimerScheduler;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * What a client takes from the world, so that a test can give it another one. Thread-safe if its parts are.
 *
 * @param monotonicMillis never goes back; its origin means nothing
 * @param wallMillis milliseconds since 1970
 * @param randomLong for ids of sessions: must differ between clients of all processes
 * @param alarm rings sessions
 */
record ClientEnvironment(LongSupplier monotonicMillis, LongSupplier wallMillis, LongSupplier randomLong, Alarm alarm) {
    /** Sends a session its {@link ClientSession.Tick}. */
    interface Alarm {
        /** After that time, once; replaces what was set for this session before. */
        void set(
                TimerScheduler<ClientSession.Message> timers,
                ActorRef<ClientSession.Message> session,
                long delayMillis);
    }

    /** The real one. */
    static ClientEnvironment system() {
        SecureRandom random = new SecureRandom();
        return new ClientEnvironment(
                () -> TimeUnit.NANOSECONDS.toMillis(System.nanoTime()),
                System::currentTimeMillis,
                random::nextLong,
                (timers, session, delayMillis) -> timers.startSingleTimer(
                        ClientSession.Tick.INSTANCE, ClientSession.Tick.INSTANCE, Duration.ofMillis(delayMillis)));
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
