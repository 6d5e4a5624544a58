package io.forebay.client;

import io.forebay.protocol.ForebayException;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionEvent;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Moves dead letters page after page, one node after the other, no faster than asked. A page that is repeated moves nothing twice, so one
 * whose outcome is not known is simply asked for again. Steps follow each other; nothing is shared.
 */
final class Redrive {
    private static final int PAGE_COUNT = 500;
    /** With a rate, pages are made so small that so many go in a second. */
    private static final int PAGES_PER_SECOND = 10;

    private static final Duration PAUSE = Duration.ofMillis(50);
    private static final long NANOS = 1_000_000_000L;

    private final RedriveRequest request;
    private final NodeLink[] links;
    private final LookPages.Asker asker;
    private final Executor executor;
    private final long patienceNanos;
    private final Consumer<PoisonReply.Redriven> pages;
    private final CompletableFuture<RedriveResult> result = new CompletableFuture<>();
    private final long beginNanos = System.nanoTime();
    private long movedCount;
    private long stayedCount;
    private boolean isKnown;
    private ForebayException absent;
    private long transientSinceNanos;
    private boolean isTransient;

    /**
     * @param patience how long what may succeed later is asked for again
     * @param pages told what each page did
     */
    Redrive(
            RedriveRequest request,
            NodeLink[] links,
            LookPages.Asker asker,
            Executor executor,
            Duration patience,
            Consumer<PoisonReply.Redriven> pages) {
        this.request = request;
        this.links = links;
        this.asker = asker;
        this.executor = executor;
        this.patienceNanos = patience.toNanos();
        this.pages = pages;
    }

    CompletableFuture<RedriveResult> begin() {
        next(0, "");
        return result;
    }

    private void next(int node, String cursor) {
        if (result.isDone()) {
            return; // whoever asked does not want any more
        }
        if (movedCount >= request.limit() || node >= Math.max(1, links.length)) {
            if (isKnown || absent == null) {
                result.complete(new RedriveResult(movedCount, stayedCount));
            } else {
                result.completeExceptionally(absent);
            }
            return;
        }
        long most = request.ratePerSecond() == 0
                ? PAGE_COUNT
                : Math.max(1, Math.min(PAGE_COUNT, request.ratePerSecond() / PAGES_PER_SECOND));
        int count = (int) Math.min(most, request.limit() - movedCount);
        NodeLink link = node < links.length ? links[node] : null;
        asker.ask(
                        link,
                        id -> new PoisonCommand.Redrive(
                                id,
                                request.group(),
                                request.filter(),
                                request.toTopic(),
                                count,
                                request.isDryRun(),
                                cursor))
                .whenComplete((reply, failure) -> {
                    try {
                        if (failure != null) {
                            failed(node, cursor, ForebayClient.exceptionOf(failure));
                        } else {
                            answered(node, cursor, reply);
                        }
                    } catch (RuntimeException e) {
                        result.completeExceptionally(e);
                    }
                });
    }

    private void answered(int node, String cursor, SessionEvent.Reply reply) {
        if (!(reply instanceof PoisonReply.Redriven page)) {
            throw Refusal.of(Refusal.Code.UNSUPPORTED, "the node answers with " + reply)
                    .toException();
        }
        isKnown = true;
        isTransient = false;
        movedCount += page.letters().size();
        stayedCount += page.stayedCount();
        pages.accept(page);
        Duration pause = Duration.ZERO;
        if (page.cursor().equals(cursor) && !cursor.isEmpty()) {
            pause = PAUSE;
        } else if (request.ratePerSecond() > 0 && !request.isDryRun()) {
            // How long what has been moved has to take; a slow node is not made up for by a burst.
            long dueNanos = (long) (movedCount * ((double) NANOS / request.ratePerSecond()));
            pause = Duration.ofNanos(Math.max(0, beginNanos + dueNanos - System.nanoTime()));
        }
        boolean isNodeDone = page.cursor().isEmpty();
        after(pause, () -> next(isNodeDone ? node + 1 : node, page.cursor()));
    }

    private void failed(int node, String cursor, ForebayException failure) {
        Refusal refusal = failure.refusal();
        long now = System.nanoTime();
        if (refusal.code() == Refusal.Code.UNKNOWN_GROUP && cursor.isEmpty()) {
            absent = failure;
            next(node + 1, "");
        } else if (refusal.isTransient() && (!isTransient || now - transientSinceNanos < patienceNanos)) {
            transientSinceNanos = isTransient ? transientSinceNanos : now;
            isTransient = true;
            after(Duration.ofMillis(Math.max(PAUSE.toMillis(), refusal.retryAfterMillis())), () -> next(node, cursor));
        } else {
            result.completeExceptionally(failure);
        }
    }

    private void after(Duration pause, Runnable step) {
        if (pause.isZero()) {
            step.run();
        } else {
            CompletableFuture.delayedExecutor(pause.toNanos(), TimeUnit.NANOSECONDS, executor)
                    .execute(step);
        }
    }
}
