package io.forebay.persistence;

import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Refusal;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import scala.concurrent.Future;
import scala.jdk.javaapi.FutureConverters;

/**
 * What Akka is told of the writes of a journal. Empty: the events are stored. An exception: they are <em>rejected</em>, nothing of them is
 * stored, and their actor goes on. A future that fails: they may be stored, and their actor stops. Thread-safe.
 */
final class JournalWrites {
    private static final Iterable<Optional<Exception>> ONE_STORED = List.of(Optional.empty());

    private JournalWrites() {}

    /** @param stored as the one who writes keeps its promise: what no frame holds is rejected, whatever else went wrong is a failure */
    static CompletableFuture<Optional<Exception>> outcome(CompletableFuture<Void> stored) {
        return stored.handle((done, failure) -> {
            if (failure == null) {
                return Optional.empty();
            }
            Throwable cause = ForebayJournal.causeOf(failure);
            if (cause instanceof ForebayException refused && refused.refusal().code() == Refusal.Code.TOO_LARGE) {
                return Optional.of(new UnsupportedOperationException(refused.getMessage(), refused));
            }
            throw new CompletionException(cause);
        });
    }

    /** The outcomes of all writes, in their order; fails if one of them does. */
    static Future<Iterable<Optional<Exception>>> all(List<CompletableFuture<Optional<Exception>>> outcomes) {
        if (outcomes.size() == 1) {
            return FutureConverters.asScala(
                    outcomes.get(0).thenApply(outcome -> outcome.isEmpty() ? ONE_STORED : List.of(outcome)));
        }
        CompletableFuture<Iterable<Optional<Exception>>> all = CompletableFuture.allOf(
                        outcomes.toArray(CompletableFuture[]::new))
                .thenApply(
                        done -> outcomes.stream().map(CompletableFuture::join).toList());
        return FutureConverters.asScala(all);
    }
}
