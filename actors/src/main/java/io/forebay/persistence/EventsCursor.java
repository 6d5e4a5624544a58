package io.forebay.persistence;

import io.forebay.persistence.core.EventTable;
import io.forebay.persistence.core.UnreadableEventException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/** Hands out the events of neighbouring queues in the order of their sequences. */
final class EventsCursor<E> extends Cursor<E> {
    private final QuerySide side;
    private final int firstShard;
    private final int lastShard;
    private final QueueEvents.Start start;
    private final QueueEvents.Filter filter;
    private final EventsByIdCursor.Mapping<E> mapping;
    /** Null before it is known where to begin. */
    private EventMerge merge;
    /** All up to this sequence is flushed, and in place in every queue. */
    private long flushedTo;

    /** @param start says where, by halves; what comes before it may be looked at, so the filter has to know, too */
    EventsCursor(
            QuerySide side,
            boolean isLive,
            int firstShard,
            int lastShard,
            QueueEvents.Start start,
            QueueEvents.Filter filter,
            EventsByIdCursor.Mapping<E> mapping) {
        super(isLive, side.listeners(firstShard, lastShard), side.executor(), side.later());
        this.side = side;
        this.firstShard = firstShard;
        this.lastShard = lastShard;
        this.start = start;
        this.filter = filter;
        this.mapping = mapping;
    }

    /**
     * The first time by asking who writes: what was written before is flushed then, and of what is written later a live query is
     * told.
     */
    @Override
    CompletionStage<?> prepare() {
        if (merge != null) {
            flushedTo = side.stripe().log().durableSequence();
            return CompletableFuture.completedFuture(null);
        }
        List<CompletableFuture<Integer>> flushed = new ArrayList<>();
        for (int shard = firstShard; shard <= lastShard; shard++) {
            flushed.add(side.awaitFlushed(shard));
        }
        return CompletableFuture.allOf(flushed.toArray(CompletableFuture[]::new))
                .thenAccept(done -> {
                    // Before any queue is looked at: what has a lower sequence is in its queue then.
                    flushedTo = side.stripe().log().durableSequence();
                    int shards = lastShard - firstShard + 1;
                    List<QueueEvents> queues = new ArrayList<>();
                    for (int shard = firstShard; shard <= lastShard; shard++) {
                        queues.add(side.queue(shard, shards, start, filter));
                    }
                    merge = new EventMerge(queues);
                });
    }

    @Override
    Progress read(List<E> batch) throws NotNowException, UnreadableEventException {
        boolean hasMore =
                merge.handOut(flushedTo, side.batchEvents(), side.batchBytes(), stored -> mapping.add(stored, batch));
        return hasMore ? Progress.MORE : Progress.CAUGHT_UP;
    }

    @Override
    boolean hasMore(int shard, EventTable table) {
        return true;
    }
}
