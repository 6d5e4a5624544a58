package io.forebay.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Lets SIGINT and SIGTERM end a command in order: the thread of the command is interrupted, and the JVM stays until the
 * command has settled what it held, or until it has had long enough. The exit code is the signal's. Thread-safe.
 */
final class Interruption {
    /** A second signal kills at once, so this may be as long as what a client may wait for its last answers. */
    private static final long ENDING_SECONDS_MAX = 15;

    private final CountDownLatch ended = new CountDownLatch(1);
    private Thread command;
    private volatile boolean isRequested;

    /** The calling thread is the one that a signal interrupts. */
    synchronized void install() {
        command = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(this::request, "forebay-signal"));
    }

    /** Whether a signal asked for the end. */
    boolean isRequested() {
        return isRequested;
    }

    /** The command has settled everything; the JVM may go. */
    void ended() {
        ended.countDown();
    }

    private void request() {
        // Also runs when the command has ended by itself; then there is nothing to wait for.
        if (ended.getCount() == 0) {
            return;
        }
        isRequested = true;
        synchronized (this) {
            command.interrupt();
        }
        try {
            ended.await(ENDING_SECONDS_MAX, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
