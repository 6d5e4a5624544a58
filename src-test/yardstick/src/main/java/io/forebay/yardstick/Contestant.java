package io.forebay.yardstick;

import java.util.List;
import java.util.Map;

/**
 * A system that is measured, as its users would use it from a JVM. A process has one, started once and loaded by several runs.
 * Has a constructor without parameters.
 */
public interface Contestant {
    /** Starts the system, or connects to a broker that it starts in a process of its own. Called once, before all else. */
    void start(Setup setup) throws Exception;

    /** How it is set up, as far as that bears on speed or safety: names as in its own manual. In the order to print. */
    Map<String, String> settings();

    /** New, empty queues with one group of consumers, for one run. */
    Channel open(Shape shape) throws Exception;

    /** Of the system's own processes beside this one; their processor time is the system's. */
    default List<ProcessHandle> processes() {
        return List.of();
    }

    /** Stops all that was started. */
    void close() throws Exception;

    /** The queues of one run. */
    interface Channel {
        /** @param index from 0; each sender has a thread of its own that alone calls it */
        Sender sender(int index) throws Exception;

        /**
         * Takes messages, hands each body to {@link Intake#take} and acks it, until {@link Intake#isOver}; then returns. Runs
         * in a thread of its own, and may use others.
         *
         * @param index from 0
         */
        void receive(int index, Intake intake) throws Exception;

        void close() throws Exception;
    }

    /** Puts messages in. */
    interface Sender {
        /**
         * Sends what is in a batch, spread over the queues as the system does it, and then or later tells {@link
         * Batch#confirmed} when all of it is stored at the level of {@link Setup#isFlushed}, or {@link Batch#failed}; from
         * whichever thread. Better returns at once than waits for that.
         */
        void send(Batch batch) throws Exception;

        default void close() throws Exception {}
    }
}
