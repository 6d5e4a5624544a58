package io.forebay.topic;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ChildFailed;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.Terminated;
import akka.actor.typed.javadsl.ActorContext;
import akka.persistence.RecoveryTimedOut;
import io.forebay.persistence.NodeEvent;
import io.forebay.persistence.NodeEvents;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Refusal;
import io.forebay.queue.OwnerLog;
import io.forebay.queue.StoreRefusals;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.RegistrySnapshot;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import io.forebay.topic.core.RegistryHistory;
import io.forebay.topic.core.RegistryLimits;
import io.forebay.topic.core.RegistryState;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/**
 * The registry's side of its {@link RegistryBook}: has stored what was decided, lets it have its effect when it is flushed and in the
 * order in which it was decided, then answers who waits for it. What could not be stored is stored when the stripe takes something again.
 * Puts a snapshot of the state among the events when they have become many more than that, and then lets go of those before it.
 *
 * <p>What an older version has written as records of the stripe's own becomes events first; from then on those records only say which ids
 * are not to be given again. Confined to the registry's actor.
 */
final class RegistryJournal {
    private static final String BOOK = "book";
    private static final Duration PAUSE = Duration.ofSeconds(1);
    /** What is stored at once is filled up to this. */
    private static final int STORE_BYTES_MAX = 64 * 1024;

    private static final int PARTS_IN_A_STORE = 4;
    /** Events up to this are no reason for a snapshot. */
    private static final int EVENT_BYTES_MIN = 16 * 1024;
    /** A snapshot is due when the events take so often what it takes. */
    private static final int SNAPSHOTS_IN_EVENTS = 3;

    private static final StripeBudget.Tier TIER = StripeBudget.Tier.EXTENSION;

    /** Who is told whether everything decided so far is flushed; one of the two, once. */
    private record Waiting(Runnable flushed, Consumer<Refusal> otherwise) {}

    /** Events that were decided together. */
    private static final class Commit {
        final List<NodeEvent> events;
        final long bytes;
        /** Number of the last of them. */
        final long lastSequenceNr;

        final Runnable flushed;
        final List<Waiting> waiting = new ArrayList<>();

        Commit(List<NodeEvent> events, long lastSequenceNr, Runnable flushed) {
            this.events = events;
            this.lastSequenceNr = lastSequenceNr;
            this.flushed = flushed;
            bytes = bytesOf(events);
        }
    }

    private final ActorContext<Registry.Command> context;
    private final StripeHandle stripe;
    private final String nodeName;
    private final RegistryLimits limits;
    private final ActorRef<RegistryBook.Told> fromBook;
    /** What older versions have written; nothing is added. */
    private final OwnerLog records;

    private final RegistrySnapshot recorded;
    private final int storeBytesMax;
    /** Decided and not known to be flushed, in order. */
    private final ArrayDeque<Commit> commits = new ArrayDeque<>();

    private long committedBytes;
    /** Null while there is none. */
    private ActorRef<RegistryBook.Store> book;

    private boolean isBookReady;
    /** Whether the book has not answered what it was asked last. */
    private boolean isStoring;

    private boolean isToTryAgain;
    private boolean isMoved;
    private Refusal closed;
    /** Null before {@link #begin}. */
    private RegistryState state;

    /** Number of the last event that was decided. */
    private long lastSequenceNr;

    private long eventBytes;
    private long snapshotBytes;

    /**
     * @param recorded what older versions have written
     * @param held how far that goes
     */
    RegistryJournal(
            ActorContext<Registry.Command> context,
            Registry.Environment environment,
            RegistryLimits limits,
            RegistrySnapshot recorded,
            OwnerLog.Held held) {
        this.context = context;
        this.limits = limits;
        this.recorded = recorded;
        stripe = environment.stripes().get(0);
        nodeName = environment.settings().node().name();
        storeBytesMax = Math.min(STORE_BYTES_MAX, stripe.log().frameBytesMax() / 2);
        fromBook = context.messageAdapter(RegistryBook.Told.class, Registry.FromBook::new);
        records = new OwnerLog(
                stripe,
                Owner.STRIPE,
                context.messageAdapter(StoreWriter.Event.class, Registry.FromStore::new),
                STORE_BYTES_MAX,
                held,
                () -> (isMoved ? RegistryHistory.remainder(recorded) : recorded).encode(),
                () -> {},
                () -> false,
                () -> {});
        open();
    }

    private void open() {
        book = context.spawn(RegistryBook.create(nodeName, limits, fromBook), BOOK, DispatcherSelector.sameAsParent());
        context.watch(book);
    }

    /** The book is recovered for the first time. Returns the state, which its owner changes with what it commits. */
    RegistryState begin(RegistryBook.Recovered recovered) {
        isBookReady = true;
        lastSequenceNr = recovered.sequenceNr();
        eventBytes = recovered.eventBytes();
        RegistryHistory history = recovered.history();
        List<LogRecord> missing = history.missing(recorded, partBytesMax());
        try {
            for (LogRecord event : missing) {
                history.apply(event);
            }
        } catch (CorruptRecordException e) {
            throw new AssertionError(e);
        }
        state = history.state();
        if (missing.isEmpty()) {
            isMoved = true;
        } else {
            add(missing, () -> isMoved = true);
        }
        snapshotBytes = eventBytes > EVENT_BYTES_MIN ? state.snapshot().encode().length : 0;
        sendNext();
        return state;
    }

    /** Why nothing is stored any more; null while it is. */
    Refusal closed() {
        if (closed == null) {
            closed = stripe.budget()
                    .unavailability()
                    .filter(gone -> gone.reason() == StripeBudget.Reason.CLOSED)
                    .map(gone -> Refusal.of(Refusal.Code.FAILED, gone.detail()))
                    .orElse(null);
        }
        return closed;
    }

    /** Null if there is room for what is to be decided beside what was. */
    Refusal reserve(long bytes) {
        StripeBudget budget = stripe.budget();
        return budget.hasRoom(TIER, committedBytes + bytes) ? null : StoreRefusals.of(budget.refusal(TIER));
    }

    /** @param flushed run when the record is flushed, after whatever was committed before */
    void commit(LogRecord record, Runnable flushed) {
        commit(List.of(record), flushed);
    }

    /** As {@link #commit(LogRecord, Runnable)}, of records that are stored all or none; they have been applied. */
    void commit(List<LogRecord> together, Runnable flushed) {
        add(new Commit(
                together.stream().map(RegistryBook::toEvent).toList(), lastSequenceNr + together.size(), flushed));
        if (eventBytes > EVENT_BYTES_MIN + SNAPSHOTS_IN_EVENTS * snapshotBytes) {
            snapshot();
        }
    }

    private void add(Commit commit) {
        commits.addLast(commit);
        committedBytes += commit.bytes;
        lastSequenceNr = commit.lastSequenceNr;
        eventBytes += commit.bytes;
    }

    /** Adds as many as it takes, each of which is stored alone. */
    private void add(List<LogRecord> parts, Runnable allFlushed) {
        for (int i = 0; i < parts.size(); i++) {
            add(new Commit(
                    List.of(RegistryBook.toEvent(parts.get(i))),
                    lastSequenceNr + 1,
                    i == parts.size() - 1 ? allFlushed : () -> {}));
        }
    }

    /** Of all that was decided: the events before it are needed until all of it is flushed. */
    private void snapshot() {
        long before = lastSequenceNr;
        eventBytes = 0;
        add(
                RegistryHistory.events(state.snapshot(), partBytesMax()),
                () -> NodeEvents.get(context.getSystem())
                        .deleteTo(RegistryBook.idOf(nodeName).id(), before)
                        .exceptionally(failure -> {
                            // They are only not needed; the next snapshot lets go of them, too.
                            return null;
                        }));
        snapshotBytes = eventBytes;
    }

    private int partBytesMax() {
        return storeBytesMax / PARTS_IN_A_STORE;
    }

    private static long bytesOf(List<NodeEvent> events) {
        return events.stream().mapToLong(RegistryBook::bytesOf).sum();
    }

    /** Answers when everything decided so far is flushed. */
    void await(Runnable flushed, Consumer<Refusal> otherwise) {
        if (commits.isEmpty()) {
            flushed.run();
        } else {
            commits.peekLast().waiting.add(new Waiting(flushed, otherwise));
        }
    }

    /** Has stored what was decided, unless something is on its way. */
    void sendNext() {
        if (!isBookReady || isStoring || commits.isEmpty() || isToTryAgain) {
            return;
        }
        StripeBudget budget = stripe.budget();
        StripeBudget.NoRoom noRoom = budget.hasRoom(TIER, committedBytes) ? null : budget.refusal(TIER);
        if (noRoom != null && noRoom.reason() != StripeBudget.Reason.BUSY) {
            // For room it can wait on its way; what is refused would end the book.
            refuseWaiting(noRoom.detail());
            tryAgainLater();
            return;
        }
        List<NodeEvent> events = new ArrayList<>();
        long bytes = 0;
        for (Commit commit : commits) {
            bytes += commit.bytes;
            if (!events.isEmpty() && bytes > storeBytesMax) {
                break;
            }
            events.addAll(commit.events);
        }
        isStoring = true;
        book.tell(new RegistryBook.Store(events));
    }

    void onTold(RegistryBook.Told told) {
        if (told instanceof RegistryBook.Stored stored) {
            isStoring = false;
            flushed(stored.sequenceNr());
        } else if (told instanceof RegistryBook.Recovered recovered) {
            isBookReady = true;
            flushed(recovered.sequenceNr());
        } else {
            throw new AssertionError(told);
        }
        sendNext();
    }

    private void flushed(long sequenceNr) {
        while (!commits.isEmpty() && commits.peekFirst().lastSequenceNr <= sequenceNr) {
            Commit commit = commits.pollFirst();
            committedBytes -= commit.bytes;
            commit.flushed.run();
            commit.waiting.forEach(waiting -> waiting.flushed.run());
        }
    }

    /**
     * The book has ended: what was on its way is stored, or not.
     *
     * @return why it will not be tried again, null if it will
     */
    Throwable onEnded(Terminated ended) {
        book = null;
        isBookReady = false;
        isStoring = false;
        Throwable reason = ended instanceof ChildFailed failed ? reasonOf(failed.getCause()) : null;
        String text = reason == null ? "the registry's book has ended" : String.valueOf(reason.getMessage());
        refuseWaiting(text);
        if (mayPass(reason)) {
            context.getLog().warn("topics and groups: what was decided is stored later: {}", text);
            tryAgainLater();
            return null;
        }
        closed = Refusal.of(
                reason instanceof ForebayException refused ? refused.refusal().code() : Refusal.Code.FAILED,
                (state == null ? "topics and groups cannot be read: " : "topics and groups are not stored any more: ")
                        + text);
        return closed.toException();
    }

    private void refuseWaiting(String why) {
        Refusal refusal = StoreRefusals.outcomeUnknown(why);
        for (Commit commit : commits) {
            commit.waiting.forEach(waiting -> waiting.otherwise.accept(refusal));
            commit.waiting.clear();
        }
    }

    /** What Akka's failure says nothing about: its cause. */
    private static Throwable reasonOf(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof ForebayException || cause.getCause() == null) {
                return cause;
            }
        }
        return failure;
    }

    private static boolean mayPass(Throwable reason) {
        if (reason instanceof ForebayException refused) {
            return switch (refused.refusal().code()) {
                case OUTCOME_UNKNOWN, BUSY, DISK_FULL, READ_ONLY -> true;
                default -> false;
            };
        }
        return reason instanceof TimeoutException || reason instanceof RecoveryTimedOut;
    }

    private void tryAgainLater() {
        if (!isToTryAgain) {
            isToTryAgain = true;
            context.scheduleOnce(PAUSE, context.getSelf(), Registry.OpenBook.INSTANCE);
        }
    }

    void tryAgain() {
        isToTryAgain = false;
        if (book == null) {
            open();
        } else {
            sendNext();
        }
    }

    void onStoreEvent(StoreWriter.Event event) {
        records.onEvent(event);
    }
}
