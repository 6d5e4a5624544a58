package io.forebay.persistence;

import akka.actor.typed.ActorRef;
import io.forebay.persistence.core.EventTable;
import io.forebay.persistence.core.UnreadableEventException;
import io.forebay.storage.log.OffsetSet;
import io.forebay.store.StripeHandle;
import java.util.ArrayDeque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import org.slf4j.Logger;

/**
 * Finds where deleted events lie, so that their space can be given back: one deletion at a time, away from the actor that writes.
 * What cannot be read for now, or is damaged, stays until the next start looks for it again. Confined to its actor.
 */
final class EventReleases {
    /**
     * They have been looked for; told to the actor.
     *
     * @param offsets null if that did not succeed
     */
    record Found(EventTable.Deletion deletion, OffsetSet offsets, CompletableFuture<Void> reply)
            implements Shard.Request {}

    private final StripeHandle stripe;
    private final int queueId;
    private final ActorRef<? super Found> shard;
    private final Executor reads;
    private final Logger log;
    private final ArrayDeque<EventTable.Deletion> waiting = new ArrayDeque<>();
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

    /** What was told by {@link Found} is done with. */
    void found() {
        isLooking = false;
        lookNext();
    }

    private void lookNext() {
        if (!isLooking && !waiting.isEmpty()) {
            isLooking = true;
            EventTable.Deletion deletion = waiting.pollFirst();
            reads.execute(() -> shard.tell(new Found(deletion, look(deletion), new CompletableFuture<>())));
        }
    }

    private OffsetSet look(EventTable.Deletion deletion) {
        try {
            return OffsetSet.of(new StoredEvents(
                            stripe,
                            queueId,
                            "",
                            deletion.place(),
                            deletion.fromSequenceNr(),
                            deletion.toSequenceNr(),
                            Long.MAX_VALUE)
                    .offsets());
        } catch (NotNowException | UnreadableEventException | RuntimeException e) {
            log.warn(
                    "events {} to {} of persistence id number {} are deleted, and their space is not given back before the"
                            + " next start: {}",
                    deletion.fromSequenceNr(),
                    deletion.toSequenceNr(),
                    deletion.place().number(),
                    e.getMessage());
            return null;
        }
    }
}
