package io.forebay.client;

import io.forebay.protocol.ForebayException;
import io.forebay.protocol.PoisonCommand;
import io.forebay.protocol.PoisonReply;
import io.forebay.protocol.RedrivenLetter;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionEvent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
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
 * whose outcome is not known is simply asked for again. With a limit each page is planned by a dry run first, and asked for as just that
 * range: however often nodes die and pages are repeated, no more letters go than the limit says. What it fails with says what was moved
 * before. Steps follow each other; nothing is shared.
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
    /** Whether other letters must not go in place of those that went unseen. */
    private final boolean isPlanned;

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
        this.isPlanned = !request.isDryRun() && request.limit() != Long.MAX_VALUE;
        // A dry run moves nothing that would have to be spread.
        this.pace = new Pace(request.isDryRun() ? 0 : request.ratePerSecond());
    }

    CompletableFuture<RedriveResult> begin() {
        next(0, "");
        return result;
    }

    private void next(int node, String cursor) {
        if (isEnd(node)) {
            if (isKnown || absent == null) {
                result.complete(new RedriveResult(movedCount, stayedCount));
            } else {
                result.completeExceptionally(absent);
            }
            return;
        }
        int countMax = (int) Math.min(PAGE_COUNT, request.limit() - movedCount - untoldCountMax);
        int count = pace.begin(nanoTime.getAsLong(), countMax);
        if (isPlanned) {
            ask(new Ask(node, cursor, count, true), plan -> planned(node, cursor, plan));
        } else {
            ask(new Ask(node, cursor, count, request.isDryRun()), page -> {
                untoldCountMax += isInDoubt ? count : 0;
                isInDoubt = false;
                took(page);
                goOn(node, cursor, page);
            });
        }
    }

    private boolean isEnd(int nextNode) {
        return movedCount + untoldCountMax >= request.limit() || nextNode >= Math.max(1, links.length);
    }

    private void goOn(int node, String cursor, PoisonReply.Redriven page) {
        boolean isStuck = page.cursor().equals(cursor) && !cursor.isEmpty();
        Duration pause =
                isStuck ? PAUSE : pace.end(nanoTime.getAsLong(), page.letters().size());
        int nextNode = page.cursor().isEmpty() ? node + 1 : node;
        after(isEnd(nextNode) ? Duration.ZERO : pause, () -> next(nextNode, page.cursor()));
    }

    private void took(PoisonReply.Redriven page) {
        movedCount += page.letters().size();
        if (!page.letters().isEmpty()) {
            movedByNode.merge(page.node(), (long) page.letters().size(), Long::sum);
        }
        stayedCount += page.stayedCount();
        pages.accept(page);
    }

    // ---- a page that is planned -----------------------------------------------------------------------------------

    private void planned(int node, String cursor, PoisonReply.Redriven plan) {
        int count = plan.letters().size();
        if (count == 0) {
            took(plan);
            goOn(node, cursor, plan);
            return;
        }
        ask(new Ask(node, plan.range(), count, false), page -> {
            int missingCount = count - page.letters().size();
            boolean isUntold = isInDoubt && missingCount > 0;
            isInDoubt = false;
            took(page);
            if (isUntold) {
                untoldCountMax += missingCount;
                lookForUntold(new Ask(node, plan.range(), count, true), plan, page, nanoTime.getAsLong(), () -> {
                    goOn(node, cursor, page);
                });
            } else {
                goOn(node, cursor, page);
            }
        });
    }

    /** A node that has just started may not know yet how far it can look: then it is asked again. */
    private void lookForUntold(
            Ask ask, PoisonReply.Redriven plan, PoisonReply.Redriven page, long sinceNanos, Runnable then) {
        ask(ask, left -> {
            if (!left.range().equals(plan.range()) && nanoTime.getAsLong() - sinceNanos < patienceNanos) {
                after(PAUSE, () -> lookForUntold(ask, plan, page, sinceNanos, then));
                return;
            }
            untoldCountMax -= plan.letters().size() - page.letters().size();
            tookUntold(plan, page, left);
            then.run();
        });
    }

    /** What was planned, and the page that was answered has not moved, and is not there any more, went before that page was repeated. */
    private void tookUntold(PoisonReply.Redriven plan, PoisonReply.Redriven page, PoisonReply.Redriven left) {
        List<RedrivenLetter> gone = new ArrayList<>(plan.letters());
        gone.removeAll(page.letters());
        gone.removeAll(left.letters());
        if (!left.range().equals(plan.range())) {
            untoldCountMax += gone.size(); // it ended early: some of them may be behind
        } else if (!gone.isEmpty()) {
            took(new PoisonReply.Redriven(
                    page.requestId(),
                    page.node(),
                    gone,
                    0,
                    List.of(),
                    page.doneCount(),
                    page.totalCount(),
                    page.cursor(),
                    ""));
        }
    }

    // ---- asking ---------------------------------------------------------------------------------------------------

    /** One request, and what it is repeated as. */
    private record Ask(int node, String cursor, int count, boolean isDryRun) {}

    private void ask(Ask ask, Consumer<PoisonReply.Redriven> then) {
        if (result.isDone()) {
            return; // whoever asked does not want any more
        }
        CompletionStage<SessionEvent.Reply> asked = asker.ask(
                ask.node < links.length ? links[ask.node] : null,
                id -> new PoisonCommand.Redrive(
                        id, request.group(), request.filter(), request.toTopic(), ask.count, ask.isDryRun, ask.cursor));
        asked.whenComplete((reply, failure) -> {
            int sentCount = asked instanceof Ops.Admin op ? op.sentCount : 1;
            try {
                if (failure != null) {
                    ForebayException refused = ForebayClient.exceptionOf(failure);
                    boolean mayBeDone = sentCount > 1 || (sentCount == 1 && !NOTHING_DONE.contains(refused.code()));
                    isInDoubt |= mayBeDone && !ask.isDryRun;
                    failed(ask, refused, then);
                } else if (reply instanceof PoisonReply.Redriven page) {
                    isKnown = true;
                    isTransient = false;
                    isInDoubt |= sentCount > 1 && !ask.isDryRun;
                    then.accept(page);
                } else {
                    isInDoubt |= !ask.isDryRun;
                    throw Refusal.of(Refusal.Code.UNSUPPORTED, "the node answers with " + reply)
                            .toException();
                }
            } catch (RuntimeException e) {
                result.completeExceptionally(e);
            }
        });
    }

    private void failed(Ask ask, ForebayException failure, Consumer<PoisonReply.Redriven> then) {
        Refusal refusal = failure.refusal();
        long now = nanoTime.getAsLong();
        if (refusal.code() == Refusal.Code.UNKNOWN_GROUP && ask.cursor.isEmpty()) {
            untoldCountMax += isInDoubt ? ask.count : 0;
            isInDoubt = false;
            absent = failure;
            next(ask.node + 1, "");
        } else if (refusal.isTransient() && (!isTransient || now - transientSinceNanos < patienceNanos)) {
            transientSinceNanos = isTransient ? transientSinceNanos : now;
            isTransient = true;
            after(Duration.ofMillis(Math.max(PAUSE.toMillis(), refusal.retryAfterMillis())), () -> ask(ask, then));
        } else {
            untoldCountMax += isInDoubt ? ask.count : 0;
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
            moved = untoldCountMax > 0
                    ? "up to " + letters(untoldCountMax) + " may have been moved"
                    : "nothing was moved";
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
