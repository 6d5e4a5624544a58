package io.forebay.store;

import io.forebay.storage.io.MappedAccessException;
import java.io.IOException;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Consumer;

/** The calls of one stripe that block, but for the forces, and which of them are under way. Confined to the StoreWriter. */
final class BlockingCalls {
    /** A call that blocks. */
    interface Call {
        void run() throws IOException;
    }

    private final Executor executor;
    private final Set<CompletableFuture<Void>> running = new HashSet<>();

    BlockingCalls(Executor executor) {
        this.executor = executor;
    }

    /** @param ended told, on the other thread, what the call threw or null; the call does not count as running any more then */
    void start(Call call, Consumer<Throwable> ended) {
        CompletableFuture<Void> one = new CompletableFuture<>();
        running.add(one);
        executor.execute(() -> {
            Throwable failure = null;
            try {
                call.run();
            } catch (InternalError e) {
                failure = new MappedAccessException("a page of a mapped file could not be had", e);
            } catch (IOException | RuntimeException | AssertionError e) {
                failure = e;
            }
            one.complete(null);
            ended.accept(failure);
        });
    }

    boolean isAnyRunning() {
        running.removeIf(CompletableFuture::isDone);
        return !running.isEmpty();
    }

    /** Completes when all have ended that are under way now. */
    CompletableFuture<Void> whenEnded() {
        return CompletableFuture.allOf(running.toArray(CompletableFuture[]::new));
    }
}
