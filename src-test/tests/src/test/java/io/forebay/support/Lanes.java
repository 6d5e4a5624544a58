package io.forebay.support;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Has the pieces of a long test, of which none asks for another, done by as many threads as there are processors. Not by JUnit's own
 * threads, which would begin other tests while they wait for a piece.
 */
public final class Lanes {
    private Lanes() {}

    /** One piece. */
    public interface Work<T, R> {
        R of(T piece) throws Exception;
    }

    /**
     * @return what came out of each piece, in their order
     * @throws Exception of the first piece that failed; those that had not begun by then are left out
     */
    public static <T, R> List<R> map(List<T> pieces, Work<T, R> work) throws Exception {
        List<AtomicReference<R>> results = new ArrayList<>();
        pieces.forEach(piece -> results.add(new AtomicReference<>()));
        AtomicInteger next = new AtomicInteger();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        List<Thread> threads = new ArrayList<>();
        for (int lane = 0; lane < Runtime.getRuntime().availableProcessors(); lane++) {
            Thread thread = new Thread(
                    () -> {
                        try {
                            for (int at = next.getAndIncrement();
                                    at < pieces.size() && failure.get() == null;
                                    at = next.getAndIncrement()) {
                                results.get(at).set(work.of(pieces.get(at)));
                            }
                        } catch (Throwable e) {
                            failure.compareAndSet(null, e);
                        }
                    },
                    "lane-" + lane);
            thread.setContextClassLoader(Lanes.class.getClassLoader());
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) {
            thread.join();
        }
        if (failure.get() instanceof Error error) {
            throw error;
        }
        if (failure.get() != null) {
            throw (Exception) failure.get();
        }
        return results.stream().map(AtomicReference::get).toList();
    }
}
