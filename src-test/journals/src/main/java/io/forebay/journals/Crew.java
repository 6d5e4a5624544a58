package io.forebay.journals;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import org.HdrHistogram.Recorder;

/** What the actors of one generation, from their start to their stop, do and tell. Thread-safe. */
final class Crew {
    final CountDownLatch started;
    /** Counted down by each of them, as those below. */
    final CountDownLatch recovered;

    final CountDownLatch idle;
    final CountDownLatch stopped;

    final LongAdder persists = new LongAdder();
    final Recorder micros;
    final AtomicLong recoveredEvents = new AtomicLong();
    final AtomicLong altered = new AtomicLong();
    final AtomicLong orderBreaks = new AtomicLong();
    final AtomicReference<String> failure = new AtomicReference<>();
    /** How many events each of them has; an actor writes its own, and is heard of by a latch. */
    final long[] counts;

    private volatile boolean isOver;

    /** @param micros of each persist, from the command to the handler */
    Crew(int actors, Recorder micros) {
        this.micros = micros;
        counts = new long[actors];
        started = new CountDownLatch(actors);
        recovered = new CountDownLatch(actors);
        idle = new CountDownLatch(actors);
        stopped = new CountDownLatch(actors);
    }

    /** Whoever has a persist under way ends behind it, and is idle. */
    void end() {
        isOver = true;
    }

    boolean isOver() {
        return isOver;
    }

    void failed(String why) {
        failure.compareAndSet(null, why);
    }
}
