package io.forebay.client;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/**
 * I1: what was added comes out once, in the order in which each thread added it. I2: what was taken out belongs to
 * nobody: it may be added again, to the same queue or to another one.
 */
class OpQueueTest {
    private static final class Numbered extends Op<Void> {
        private final int producer;
        private final int number;

        Numbered(int producer, int number) {
            this.producer = producer;
            this.number = number;
        }
    }

    private static Numbered op(int number) {
        return new Numbered(0, number);
    }

    private static List<Op<?>> drained(OpQueue queue) {
        List<Op<?>> all = new ArrayList<>();
        for (Op<?> op = queue.poll(); op != null; op = queue.poll()) {
            all.add(op);
        }
        return all;
    }

    @Test
    void givesInTheOrderOfAdding() {
        OpQueue queue = new OpQueue();
        assertThat(queue.poll()).isNull();
        for (int round = 0; round < 3; round++) {
            List<Op<?>> added = List.of(op(0), op(1), op(2));
            added.forEach(queue::add);
            assertThat(drained(queue)).as("I1").isEqualTo(added);
            assertThat(queue.poll()).isNull();
        }
    }

    /** A Send that one node did not answer goes to another one; both queues are used on. */
    @Test
    void whatGoesOnToAnotherQueueTiesTheTwoTogetherInNoWay() {
        OpQueue one = new OpQueue();
        OpQueue two = new OpQueue();
        Op<?> moved = op(0);
        one.add(moved);
        assertThat(one.poll()).isSameAs(moved);
        two.add(moved);
        Op<?> later = op(1);
        Op<?> behind = op(2);
        one.add(later);
        two.add(behind);
        assertThat(drained(two)).as("I2").containsExactly(moved, behind);
        assertThat(drained(one)).as("I2").containsExactly(later);
    }

    @Test
    void whatWasTakenMayBeAddedToTheSameQueueAgain() {
        OpQueue queue = new OpQueue();
        Op<?> first = op(0);
        Op<?> second = op(1);
        queue.add(first);
        for (int round = 0; round < 3; round++) {
            assertThat(queue.poll()).isSameAs(first);
            queue.add(first);
        }
        queue.add(second);
        assertThat(drained(queue)).as("I2").containsExactly(first, second);
    }

    @Test
    void manyThreadsAddWhileOneTakesAndPassesOn() throws InterruptedException {
        int producers = 3;
        int count = 100_000;
        OpQueue queue = new OpQueue();
        OpQueue next = new OpQueue();
        AtomicBoolean isBroken = new AtomicBoolean();
        List<Thread> threads = new ArrayList<>();
        for (int p = 0; p < producers; p++) {
            int producer = p;
            threads.add(new Thread(() -> {
                for (int i = 0; i < count; i++) {
                    queue.add(new Numbered(producer, i));
                }
            }));
        }
        Thread passingOn = new Thread(() -> {
            for (int taken = 0; taken < producers * count && !isBroken.get(); ) {
                Op<?> op = queue.poll();
                if (op == null) {
                    Thread.onSpinWait();
                } else {
                    next.add(op);
                    taken++;
                }
            }
        });
        threads.add(passingOn);
        threads.forEach(Thread::start);
        int[] expected = new int[producers];
        int received = 0;
        long endNanos = System.nanoTime() + 60_000_000_000L;
        while (received < producers * count && System.nanoTime() < endNanos) {
            if (next.poll() instanceof Numbered op) {
                if (op.number != expected[op.producer]++) {
                    break;
                }
                received++;
            }
        }
        isBroken.set(true);
        for (Thread thread : threads) {
            thread.join();
        }
        assertThat(received).as("I1").isEqualTo(producers * count);
        assertThat(queue.poll()).isNull();
        assertThat(next.poll()).isNull();
    }
}
