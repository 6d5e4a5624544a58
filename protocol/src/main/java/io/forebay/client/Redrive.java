package io.forebay.client;

import io.forebay.protocol.ForebayException;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionEvent;
import java.time.Duration;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;

/**
 * Moves dead letters page after page, one node after the other, no faster than asked. A page that is repeated moves nothing twice, so one
 * whose outcome is not known is simply asked for again. What it fails with says what was moved before. Steps follow each other; nothing
 * is shared.
 */
final class Redrive {
    /** Goes on later, on a thread that may run callbacks. */
    interface Later {
        void after(Duration pause, Runnable step);
    }

    private static final int PAGE_COUNT = 500;
    private static final Duration PAUSE = Duration.ofMillis(50);
    /** What a node refuses a page for before it has done anything. */
    private static final Set<Refusal.Code> NOTHING_DONE = EnumSet.of(
            Refusal.Code.UNKNOWN_TOPIC,
            Refusal.Code.UNKNOWN_GROUP,
            Refusal.Code.ILLEGAL_NAME,
            Refusal.Code.ILLEGAL_ARGUMENT);

    private final RedriveRequest request;
    private final NodeLink[] links;
    private final LookPages.Asker asker;
    private final long patienceNanos;
    private final Consumer<PoisonReply.Redriven> pages;
    private final LongSupplier nanoTime;
    private final Later later;
    private final Pace pace;
    private final CompletableFuture<RedriveResult> result = new CompletableFuture<>();
    /** By the node's name; in the order in which they were asked. */
    private final Map<String, Long> movedByNode = new LinkedHashMap<>();
    private long movedCount;
    private long stayedCount;
    /** Most letters that have gone without an answer that tells of them, as when a node died behind it. */
    private long untoldCountMax;
    /** Whether the page that is asked for may have been done before. */
    private boolean isInDoubt;
    private boolean isKnown;
    private ForebayException absent;
    private long transientSinceNanos;
    private boolean isTransient;

    /**
     * A real one, by the clock of this process.
     *
     * @param executor goes on after a pause
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
        this(
                request,
                links,
                asker,
                patience,
                pages,
                System::nanoTime,
                (pause, step) -> CompletableFuture.delayedExecutor(pause.toNanos(), TimeUnit.NANOSECONDS, executor)
                        .execute(step));
    }

    /** @param nanoTime monotonic */
    Redrive(
            RedriveRequest request,
            NodeLink[] links,
            LookPages.Asker asker,
            Duration patience,
            Consumer<PoisonReply.Redriven> pages,
            LongSupplier nanoTime,
            Later later) {
        this.request = request;
        this.links = links;
        this.asker = asker;
        this.patienceNanos = patience.toNanos();
        this.pages = pages;
        this.nanoTime = nanoTime;
        this.later = later;
        // A dry run moves nothing that would have to be spread.
        this.pace = new Pace(request.isDryRun() ? 0 : request.ratePerSecond());
    }

    CompletableFuture<RedriveResult> begin() {
        next(0, "");
        return result;
    }

    private void next(int node, String cursor) {
        if (result.isDone()) {
            return; // whoever asked does not want any more
        }
        if (isEnd(node)) {
            if (isKnown || absent == null) {
                result.complete(new RedriveResult(movedCount, stayedCount));
            } else {
                result.completeExceptionally(absent);
            }
            return;
        }
        int countMax = (int) Math.min(PAGE_COUNT, request.limit() - movedCount);
        int count = pace.begin(nanoTime.getAsLong(), countMax);
        NodeLink link = node < links.length ? links[node] : null;
        CompletionStage<SessionEvent.Reply> asked = asker.ask(
                link,
                id -> new PoisonCommand.Redrive(
                        id,
                        request.group(),
                        request.filter(),
                        request.toTopic(),
                        count,
                        request.isDryRun(),
                        cursor));
        asked.whenComplete((reply, failure) -> {
            int sentCount = asked instanceof Ops.Admin op ? op.sentCount : 1;
            try {
                if (failure == null) {
                    isInDoubt |= sentCount > 1;
                    answered(node, cursor, count, reply);
                } else {
                    ForebayException refused = ForebayClient.exceptionOf(failure);
                    isInDoubt |= sentCount > 1 || (sentCount == 1 && !NOTHING_DONE.contains(refused.code()));
                    failed(node, cursor, count, refused);
                }
            } catch (RuntimeException e) {
                result.completeExceptionally(e);
            }
        });
    }

    private boolean isEnd(int nextNode) {
        return movedCount >= request.limit() || nextNode >= Math.max(1, links.length);
    }

    private void answered(int node, String cursor, int count, SessionEvent.Reply reply) {
        if (!(reply instanceof PoisonReply.Redriven page)) {
            throw Refusal.of(Refusal.Code.UNSUPPORTED, "the node answers with " + reply)
                    .toException();
        }
        isKnown = true;
        isTransient = false;
        untoldCountMax += isInDoubt ? count : 0;
        isInDoubt = false;
        movedCount += page.letters().size();
        if (!page.letters().isEmpty()) {
            movedByNode.merge(page.node(), (long) page.letters().size(), Long::sum);
        }
        stayedCount += page.stayedCount();
        pages.accept(page);
        boolean isStuck = page.cursor().equals(cursor) && !cursor.isEmpty();
        Duration pause =
                isStuck ? PAUSE : pace.end(nanoTime.getAsLong(), page.letters().size());
        int nextNode = page.cursor().isEmpty() ? node + 1 : node;
        after(isEnd(nextNode) ? Duration.ZERO : pause, () -> next(nextNode, page.cursor()));
    }

    private void failed(int node, String cursor, int count, ForebayException failure) {
        Refusal refusal = failure.refusal();
        long now = nanoTime.getAsLong();
        if (refusal.code() == Refusal.Code.UNKNOWN_GROUP && cursor.isEmpty()) {
            untoldCountMax += isInDoubt ? count : 0;
            isInDoubt = false;
            absent = failure;
            next(node + 1, "");
        } else if (refusal.isTransient() && (!isTransient || now - transientSinceNanos < patienceNanos)) {
            transientSinceNanos = isTransient ? transientSinceNanos : now;
            isTransient = true;
            after(Duration.ofMillis(Math.max(PAUSE.toMillis(), refusal.retryAfterMillis())), () -> next(node, cursor));
        } else {
            untoldCountMax += isInDoubt ? count : 0;
            result.completeExceptionally(request.isDryRun() ? failure : withWhatWasMoved(refusal));
        }
    }

    private ForebayException withWhatWasMoved(Refusal refusal) {
        String moved;
        if (movedCount > 0) {
            moved = "before that " + letters(movedCount) + (movedCount == 1 ? " was" : " were") + " moved ("
                    + movedByNode.entrySet().stream()
                            .map(each -> each.getValue() + " on node '" + each.getKey() + "'")
                            .collect(Collectors.joining(", "))
                    + ")" + (untoldCountMax > 0 ? ", and up to " + untoldCountMax + " more may have been" : "");
        } else {
            moved = untoldCountMax > 0 ? "up to " + letters(untoldCountMax) + " may have been moved" : "nothing was moved";
        }
        return new Refusal(refusal.code(), refusal.text() + "; " + moved, refusal.retryAfterMillis()).toException();
    }

    private static String letters(long count) {
        return count + (count == 1 ? " letter" : " letters");
    }

    private void after(Duration pause, Runnable step) {
        if (pause.isZero()) {
            step.run();
        } else {
            later.after(pause, step);
        }
    }
}
