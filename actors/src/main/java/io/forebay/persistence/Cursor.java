package io.forebay.persistence;

import akka.NotUsed;
import akka.stream.javadsl.Source;
import io.forebay.persistence.core.EventTable;
import io.forebay.persistence.core.UnreadableEventException;
import io.forebay.protocol.Refusal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/**
 * Where one running query is. Reads on when its stream asks for more, one batch at a time, and never beyond what is flushed. At
 * the end of that it ends, or, if it is live, sleeps until it is told that more is flushed.
 *
 * <p>{@link #prepare} and {@link #read} are called one after the other, on whichever thread of the read dispatcher.
 *
 * @param <T> what the stream is of
 */
abstract class Cursor<T> implements EventListeners.Listener {
    /** How far a call of {@link #read} has come. */
    enum Progress {
        /** There may be more. */
        MORE,
        /** All that {@link #prepare} has found is handed out. */
        CAUGHT_UP,
        /** There will never be more. */
        END
    }

    /** What runs later than now. */
    interface Later {
        void run(Duration delay, Runnable task);
    }

    /** Pauses between tries to read what the device does not give now; all together about a quarter of a minute. */
    private static final int READS_MAX = 300;

    private static final Duration READ_PAUSE = Duration.ofMillis(50);

    private final boolean isLive;
    private final List<EventListeners> listeners;
    private final Executor executor;
    private final Later later;

    private boolean isPrepared;
    private int failedReads;
    private volatile Refusal refusal;
    private volatile boolean isClosed;

    /** Guarded by this: told since it prepared last, and not asleep. */
    private boolean isWoken;

    /** Guarded by this: not null while it sleeps. */
    private Runnable sleeper;

    /**
     * @param listeners of the queues it reads
     * @param executor may wait for the device
     */
    Cursor(boolean isLive, List<EventListeners> listeners, Executor executor, Later later) {
        this.isLive = isLive;
        this.listeners = listeners;
        this.executor = executor;
        this.later = later;
    }

    /** A stream of what such a cursor finds, each time anew. */
    static <T> Source<T, NotUsed> source(Supplier<Cursor<T>> cursor) {
        return Source.fromGraph(new CursorStage<>(cursor));
    }

    /** Before anything else. */
    void open() {
        if (isLive) {
            listeners.forEach(of -> of.add(this));
        }
    }

    /** Nothing more is asked of it; an answer that is waited for is the end. Any thread. */
    void close() {
        isClosed = true;
        listeners.forEach(of -> of.remove(this));
        wake();
    }

    /**
     * Asks for the next batch, which is not empty; one at a time.
     *
     * @return empty when there is no more
     */
    CompletionStage<Optional<List<T>>> next() {
        CompletableFuture<Optional<List<T>>> batch = new CompletableFuture<>();
        executor.execute(() -> turn(batch));
        return batch;
    }

    /**
     * Finds out how far may be read. Again whenever a live query was told of more.
     *
     * @return kept when that is known
     */
    abstract CompletionStage<?> prepare();

    /**
     * Reads on, one batch. What it has added counts even if it throws; it goes on behind that.
     *
     * @throws NotNowException if the same call may go well later
     */
    abstract Progress read(List<T> batch) throws NotNowException, UnreadableEventException;

    private void turn(CompletableFuture<Optional<List<T>>> answer) {
        try {
            if (isClosed) {
                answer.complete(Optional.empty());
            } else if (isPrepared) {
                readOn(answer);
            } else {
                synchronized (this) {
                    isWoken = false;
                }
                prepare()
                        .whenCompleteAsync(
                                (done, failure) -> {
                                    if (failure != null) {
                                        answer.completeExceptionally(ForebayJournal.causeOf(failure));
                                        return;
                                    }
                                    isPrepared = true;
                                    turn(answer);
                                },
                                executor);
            }
        } catch (RuntimeException e) {
            answer.completeExceptionally(e);
        } catch (Error e) {
            answer.completeExceptionally(e);
            throw e;
        }
    }

    private void readOn(CompletableFuture<Optional<List<T>>> answer) {
        List<T> batch = new ArrayList<>();
        Progress progress = Progress.MORE;
        Exception problem = null;
        try {
            progress = read(batch);
        } catch (NotNowException | UnreadableEventException | RuntimeException e) {
            problem = e;
        }
        if (progress == Progress.CAUGHT_UP && isLive) {
            isPrepared = false;
        }
        if (!batch.isEmpty()) {
            // A problem, or the end, is found again by the next turn.
            failedReads = 0;
            answer.complete(Optional.of(batch));
        } else if (problem instanceof NotNowException && ++failedReads < READS_MAX && refusal == null) {
            later.run(READ_PAUSE, () -> executor.execute(() -> turn(answer)));
        } else if (problem != null) {
            answer.completeExceptionally(problem);
        } else if (progress == Progress.MORE) {
            failedReads = 0;
            executor.execute(() -> turn(answer));
        } else if (progress == Progress.END || !isLive) {
            answer.complete(Optional.empty());
        } else if (refusal != null) {
            answer.completeExceptionally(refusal.toException());
        } else {
            sleep(() -> executor.execute(() -> turn(answer)));
        }
    }

    private void sleep(Runnable woken) {
        synchronized (this) {
            if (!isWoken) {
                sleeper = woken;
                return;
            }
            isWoken = false;
        }
        woken.run();
    }

    private void wake() {
        Runnable woken;
        synchronized (this) {
            woken = sleeper;
            sleeper = null;
            isWoken = woken == null;
        }
        if (woken != null) {
            woken.run();
        }
    }

    @Override
    public void flushed(int shard, EventTable table) {
        if (hasMore(shard, table)) {
            wake();
        }
    }

    /** Whether it may find more than it has found: called in the thread of who writes. */
    abstract boolean hasMore(int shard, EventTable table);

    @Override
    public void closed(Refusal reason) {
        refusal = reason;
        wake();
    }
}
