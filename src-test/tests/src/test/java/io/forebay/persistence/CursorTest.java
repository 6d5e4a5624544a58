package io.forebay.persistence;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.forebay.persistence.core.EventTable;
import io.forebay.persistence.core.UnreadableEventException;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Refusal;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.Test;

/**
 * Nothing that is flushed is missed, nothing is read without need, nobody is left listening. In one thread: every step is taken by
 * hand.
 */
class CursorTest {
    private final EventTable table = new EventTable(16);
    private final EventListeners listeners = new EventListeners(0);
    private final ArrayDeque<Runnable> tasks = new ArrayDeque<>();
    private final ArrayDeque<Runnable> timers = new ArrayDeque<>();

    /** Hands out the numbers up to what is flushed. */
    private final class Numbers extends Cursor<Integer> {
        private int flushed;
        private int found;
        private int handedOut;
        private int prepared;
        private Exception problem;
        private Runnable whenPrepared = () -> {};

        Numbers(boolean isLive) {
            super(isLive, List.of(listeners), tasks::addLast, (delay, task) -> timers.addLast(task));
        }

        @Override
        CompletionStage<?> prepare() {
            prepared++;
            found = flushed;
            whenPrepared.run();
            return CompletableFuture.completedFuture(null);
        }

        @Override
        Progress read(List<Integer> batch) throws NotNowException, UnreadableEventException {
            while (handedOut < found) {
                batch.add(++handedOut);
                if (batch.size() == 2) {
                    return Progress.MORE;
                }
            }
            if (problem instanceof NotNowException notNow) {
                throw notNow;
            }
            if (problem instanceof UnreadableEventException unreadable) {
                throw unreadable;
            }
            return Progress.CAUGHT_UP;
        }

        @Override
        boolean hasMore(int shard, EventTable known) {
            return true;
        }
    }

    private void runAll() {
        while (!tasks.isEmpty()) {
            tasks.pollFirst().run();
        }
    }

    private CompletableFuture<Optional<List<Integer>>> next(Numbers cursor) {
        CompletableFuture<Optional<List<Integer>>> next = cursor.next().toCompletableFuture();
        runAll();
        return next;
    }

    /** What is answered by now: waiting would be for ever. */
    private static Optional<List<Integer>> got(CompletableFuture<Optional<List<Integer>>> answer) {
        assertTrue(answer.isDone(), "nothing is answered");
        return answer.join();
    }

    @Test
    void currentEndsAtWhatWasFlushed() {
        Numbers cursor = new Numbers(false);
        cursor.open();
        assertTrue(listeners.isEmpty());
        cursor.flushed = 3;
        assertEquals(Optional.of(List.of(1, 2)), got(next(cursor)));
        cursor.flushed = 5;
        assertEquals(Optional.of(List.of(3)), got(next(cursor)));
        assertEquals(Optional.empty(), got(next(cursor)));
        assertEquals(1, cursor.prepared);
    }

    @Test
    void liveSleepsUntilItIsWoken() {
        Numbers cursor = new Numbers(true);
        cursor.open();
        CompletableFuture<Optional<List<Integer>>> first = next(cursor);
        assertFalse(first.isDone());
        assertEquals(1, cursor.prepared);
        assertTrue(timers.isEmpty());
        cursor.flushed = 1;
        listeners.flushed(table);
        runAll();
        assertEquals(Optional.of(List.of(1)), got(first));
        assertEquals(2, cursor.prepared);
        assertFalse(next(cursor).isDone());
        assertEquals(3, cursor.prepared);
        assertTrue(timers.isEmpty());
    }

    /** Told between finding out and falling asleep. */
    @Test
    void whatIsFlushedMeanwhileIsNotSleptOver() {
        Numbers cursor = new Numbers(true);
        cursor.open();
        cursor.whenPrepared = () -> {
            cursor.whenPrepared = () -> {};
            cursor.flushed = 1;
            listeners.flushed(table);
        };
        assertEquals(Optional.of(List.of(1)), got(next(cursor)));
    }

    @Test
    void whoCancelsListensNoMore() {
        Numbers cursor = new Numbers(true);
        cursor.open();
        CompletableFuture<Optional<List<Integer>>> asleep = next(cursor);
        assertEquals(1, listeners.count());
        cursor.close();
        runAll();
        assertEquals(0, listeners.count());
        assertEquals(Optional.empty(), got(asleep));
        assertEquals(1, cursor.prepared);
    }

    @Test
    void whatCannotBeReadNowIsReadLater() {
        Numbers cursor = new Numbers(true);
        cursor.open();
        cursor.flushed = 1;
        cursor.problem = new NotNowException("not now");
        assertEquals(Optional.of(List.of(1)), got(next(cursor)));
        CompletableFuture<Optional<List<Integer>>> second = next(cursor);
        for (int tries = 0; tries < 100; tries++) {
            assertFalse(second.isDone());
            timers.pollFirst().run();
            runAll();
        }
        cursor.found = 2;
        cursor.problem = null;
        timers.pollFirst().run();
        runAll();
        assertEquals(Optional.of(List.of(2)), got(second));
    }

    @Test
    void whatIsNeverReadFailsTheStreamInTheEnd() {
        Numbers cursor = new Numbers(true);
        cursor.open();
        cursor.problem = new NotNowException("never");
        CompletableFuture<Optional<List<Integer>>> first = next(cursor);
        while (!first.isDone()) {
            timers.removeFirst().run();
            runAll();
        }
        assertSame(
                cursor.problem,
                assertThrows(CompletionException.class, () -> got(first)).getCause());
    }

    @Test
    void whatIsDamagedFailsTheStreamBehindWhatIsNot() {
        Numbers cursor = new Numbers(false);
        cursor.open();
        cursor.flushed = 1;
        cursor.problem = new UnreadableEventException("damaged");
        assertEquals(Optional.of(List.of(1)), got(next(cursor)));
        assertSame(
                cursor.problem,
                assertThrows(CompletionException.class, () -> got(next(cursor))).getCause());
    }

    @Test
    void whenNothingIsStoredAnyMoreTheRestIsHandedOutFirst() {
        Numbers cursor = new Numbers(true);
        cursor.open();
        CompletableFuture<Optional<List<Integer>>> first = next(cursor);
        cursor.flushed = 1;
        listeners.closed(Refusal.of(Refusal.Code.FAILED, "closed"));
        runAll();
        assertEquals(Optional.of(List.of(1)), got(first));
        Throwable cause =
                assertThrows(CompletionException.class, () -> got(next(cursor))).getCause();
        assertEquals(Refusal.Code.FAILED, ((ForebayException) cause).refusal().code());
    }

    @Test
    void manyWakeUpsAreOne() {
        Numbers cursor = new Numbers(true);
        cursor.open();
        List<CompletableFuture<Optional<List<Integer>>>> answers = new ArrayList<>();
        answers.add(next(cursor));
        for (int told = 0; told < 100; told++) {
            listeners.flushed(table);
        }
        runAll();
        assertFalse(answers.get(0).isDone());
        assertEquals(2, cursor.prepared, "once at the start, and once for all that was told");
    }
}
