package io.forebay.persistence;

import io.forebay.persistence.core.EventTable;
import io.forebay.protocol.Refusal;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Who is told when more of a queue of events is flushed. Thread-safe. Of a frame that was written before a listener came, that one
 * is not told: it asks once {@link EventShard.AwaitFlushed} when it has come.
 */
final class EventListeners {
    /** Hears of one queue, or of some. Called in the thread of who writes to the queue: it must not wait, and look only at the table. */
    interface Listener {
        /**
         * More is flushed. May be told without need.
         *
         * @param table which knows of more than what is flushed
         */
        void flushed(int shard, EventTable table);

        /** Nothing will be flushed any more. */
        void closed(Refusal reason);
    }

    private final int shard;
    private final List<Listener> listeners = new CopyOnWriteArrayList<>();

    /** @param shard the queue's number among those of events */
    EventListeners(int shard) {
        this.shard = shard;
    }

    void add(Listener listener) {
        listeners.add(listener);
    }

    void remove(Listener listener) {
        listeners.remove(listener);
    }

    boolean isEmpty() {
        return listeners.isEmpty();
    }

    int count() {
        return listeners.size();
    }

    void flushed(EventTable table) {
        for (Listener listener : listeners) {
            listener.flushed(shard, table);
        }
    }

    void closed(Refusal reason) {
        for (Listener listener : listeners) {
            listener.closed(reason);
        }
    }
}
