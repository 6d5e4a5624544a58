package io.forebay.persistence;

import akka.actor.typed.ActorRef;
import io.forebay.persistence.core.EventTable;
import io.forebay.persistence.core.UnreadableEventException;
import io.forebay.storage.log.OffsetSet;
import io.forebay.store.StripeHandle;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Predicate;
import org.slf4j.Logger;

/**
 * Finds where deleted events lie, so that their space can be given back: one deletion at a time, away from the actor that writes.
 * What cannot be read for now is looked for {@linkplain #again} later; what is damaged stays until the next start looks for it. Confined
 * to its actor.
 */
final class EventReleases {
    /** How a search has ended. */
    enum End {
        FOUND,
        /** The stripe, or the device, does not give it now. */
        NOT_NOW,
        /** It will not be found by searching again. */
        FAILED
    }

    /**
     * They have been looked for; told to the actor.
     *
     * @param offsets null if that did not succeed
     */
    record Found(EventTable.Deletion deletion, End end, OffsetSet offsets, CompletableFuture<Void> reply)
            implements Shard.Request {}

    /** Of as many persistence ids; the others wait for the next start. */
    private static final int PUT_OFF_MAX = 100_000;

    private static final long PAUSE_MILLIS = 1_000;

    private final StripeHandle stripe;
    private final int queueId;
    private final ActorRef<? super Found> shard;
    private final Executor reads;
    private final Logger log;
    private final ArrayDeque<EventTable.Deletion> waiting = new ArrayDeque<>();
    /** By the number of the id: a later one covers what was not released before. */
    private final Map<Long, EventTable.Deletion> putOff = new LinkedHashMap<>();

    private long againFromMillis;
    private boolean isLooking;

    /** @param reads where reading may wait for the device */
    EventReleases(StripeHandle stripe, int queueId, ActorRef<? super Found> shard, Executor reads, Logger log) {
        this.stripe = stripe;
        this.queueId = queueId;
        this.shard = shard;
        this.reads = reads;
        this.log = log;
    }

    /** The deletion is flushed. */
    void add(EventTable.Deletion deletion) {
        waiting.addLast(deletion);
        lookNext();
    }

    /** What was told by {@link Found} is done with, or to be looked for again. */
    void found(Found found, long nowMillis) {
        isLooking = false;
        EventTable.Deletion deletion = found.deletion;
        if (found.end == End.NOT_NOW) {
            againFromMillis = nowMillis + PAUSE_MILLIS;
            if (putOff.size() < PUT_OFF_MAX
                    || putOff.containsKey(deletion.place().number())) {
                putOff.put(deletion.place().number(), deletion);
            }
        }
        lookNext();
    }

    /**
     * Looks again for what could not be read before, unless that was just now; cheap if there is nothing.
     *
     * @param isWanted of what was put off: of no other it is looked for
     */
    void again(long nowMillis, Predicate<EventTable.Deletion> isWanted) {
        if (putOff.isEmpty() || nowMillis < againFromMillis) {
            return;
        }
        for (Iterator<EventTable.Deletion> all = putOff.values().iterator(); all.hasNext(); ) {
            EventTable.Deletion deletion = all.next();
            if (isWanted.test(deletion)) {
                waiting.addLast(deletion);
            }
            all.remove();
        }
        lookNext();
    }

    private void lookNext() {
        if (!isLooking && !waiting.isEmpty()) {
            isLooking = true;
            EventTable.Deletion deletion = waiting.pollFirst();
            reads.execute(() -> shard.tell(look(deletion)));
        }
    }

    private Found look(EventTable.Deletion deletion) {
        End end;
        String problem;
        try {
            OffsetSet offsets = OffsetSet.of(new StoredEvents(
                            stripe,
                            queueId,
                            "",
                            deletion.place(),
                            deletion.fromSequenceNr(),
                            deletion.toSequenceNr(),
                            Long.MAX_VALUE)
                    .offsets());
            return new Found(deletion, End.FOUND, offsets, new CompletableFuture<>());
        } catch (NotNowException e) {
            end = End.NOT_NOW;
            problem = "looked for again: " + e.getMessage();
        } catch (UnreadableEventException | RuntimeException e) {
            end = End.FAILED;
            problem = "not given back before the next start: " + e.getMessage();
        }
        log.warn(
                "events {} to {} of persistence id number {} are deleted, and their space is {}",
                deletion.fromSequenceNr(),
                deletion.toSequenceNr(),
                deletion.place().number(),
                problem);
        return new Found(deletion, end, null, new CompletableFuture<>());
    }
}
