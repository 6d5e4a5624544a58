package io.forebay.persistence;

import io.forebay.persistence.core.EventIds;
import io.forebay.persistence.core.EventTable;
import io.forebay.persistence.core.LostNames;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicIntegerArray;

/** Hands out the persistence ids of all queues of events, each once; nothing of them is copied. */
final class PersistenceIdsCursor extends Cursor<String> {
    private final QuerySide side;
    /** How many of each queue may be handed out. */
    private final int[] counts = new int[ShardKind.COUNT];

    private final AtomicIntegerArray handedOut = new AtomicIntegerArray(ShardKind.COUNT);

    PersistenceIdsCursor(QuerySide side, boolean isLive) {
        super(isLive, side.listeners(0, ShardKind.COUNT - 1), side.executor(), side.later());
        this.side = side;
    }

    @Override
    CompletionStage<?> prepare() {
        List<CompletableFuture<?>> flushed = new ArrayList<>();
        for (int shard = 0; shard < ShardKind.COUNT; shard++) {
            int of = shard;
            flushed.add(side.awaitFlushed(shard).thenAccept(count -> counts[of] = count));
        }
        return CompletableFuture.allOf(flushed.toArray(CompletableFuture[]::new));
    }

    @Override
    Progress read(List<String> batch) {
        for (int shard = 0; shard < ShardKind.COUNT; shard++) {
            EventIds ids = side.ids(shard);
            int at = handedOut.get(shard);
            while (at < counts[shard]) {
                if (batch.size() >= side.batchEvents()) {
                    handedOut.set(shard, at);
                    return Progress.MORE;
                }
                String persistenceId = ids.persistenceId(++at);
                if (!LostNames.isOne(persistenceId)) {
                    batch.add(persistenceId);
                }
            }
            handedOut.set(shard, at);
        }
        return Progress.CAUGHT_UP;
    }

    @Override
    boolean hasMore(int shard, EventTable table) {
        return table.count() > handedOut.get(shard);
    }
}
