package io.forebay.bench;

import akka.actor.typed.ActorSystem;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.SendResult;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.HdrHistogram.ConcurrentHistogram;
import org.HdrHistogram.Histogram;

/**
 * Sends, pops and acks a number of messages through one client and measures it: as fast as it goes with a bounded number in
 * flight, or at a fixed rate. A message is done when its ack is answered at the level, or, if its group does not want it,
 * when it is sent; its time runs from the call of send.
 */
final class Load {
    /**
     * @param topic with its group made before
     * @param traffic what the messages look like and what becomes of them
     * @param count messages
     * @param inFlightMax sent and not acked, at most
     * @param batchCount messages given to the client in one call
     * @param perSecond rate, 0 for as fast as it goes
     */
    record Plan(
            String topic,
            String group,
            Durability level,
            Traffic traffic,
            int bodyBytes,
            int count,
            int inFlightMax,
            int batchCount,
            int perSecond,
            int popsInFlight,
            int popCountMax) {}

    /**
     * @param perSecond messages done per second
     * @param sendMicros call of send to its receipt
     * @param totalMicros call of send to the answer to the ack
     */
    record Outcome(double perSecond, Histogram sendMicros, Histogram totalMicros, Payload.Verdict verdict) {}

    private static final Duration LIMIT = Duration.ofMinutes(10);

    private final ForebayClient client;
    private final Plan plan;
    private final Traffic traffic;
    private final Payload payload;
    private final long[] sentAtNanos;
    private final Histogram sendMicros = new ConcurrentHistogram(3);
    private final Histogram totalMicros = new ConcurrentHistogram(3);
    private final Semaphore inFlight;
    private final AtomicInteger done = new AtomicInteger();
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    private volatile boolean isOver;
    private volatile long endNanos;

    private Load(ForebayClient client, Plan plan) {
        this.client = client;
        this.plan = plan;
        this.traffic = plan.traffic;
        this.payload = new Payload(plan.bodyBytes, plan.count, traffic);
        this.sentAtNanos = new long[plan.count];
        this.inFlight = new Semaphore(plan.inFlightMax);
    }

    static Outcome run(ForebayClient client, Plan plan) throws InterruptedException {
        return new Load(client, plan).run(null);
    }

    /** The same with messages that are pushed: to a node in this system, with a group that is set to that. */
    static Outcome runPushed(ActorSystem<?> system, ForebayClient client, Plan plan) throws InterruptedException {
        return new Load(client, plan).run(system);
    }

    /** @param pushingOrNull whose node pushes; null to pop */
    private Outcome run(ActorSystem<?> pushingOrNull) throws InterruptedException {
        long start = System.nanoTime();
        Runnable end = () -> {};
        if (pushingOrNull != null) {
            end = PushConsumer.start(pushingOrNull, plan, this::settle, this::fail);
        }
        for (int i = 0; i < plan.popsInFlight && pushingOrNull == null; i++) {
            pop();
        }
        for (int number = 0; number < plan.count; number += plan.batchCount) {
            int batch = Math.min(plan.batchCount, plan.count - number);
            if (plan.perSecond > 0) {
                awaitNanos(start + (long) (number * 1e9 / plan.perSecond));
            }
            if (!inFlight.tryAcquire(batch, LIMIT.toSeconds(), TimeUnit.SECONDS)) {
                throw new IllegalStateException("nothing was acked for " + LIMIT + "; " + payload.verdict());
            }
            check();
            send(number, batch);
        }
        long limit = System.nanoTime() + LIMIT.toNanos();
        while (done.get() < plan.count) {
            check();
            if (System.nanoTime() > limit) {
                throw new IllegalStateException("not everything was acked after " + LIMIT + "; " + payload.verdict());
            }
            LockSupport.parkNanos(100_000);
        }
        isOver = true;
        check();
        end.run();
        countWhatIsLeft();
        return new Outcome(plan.count * 1e9 / (endNanos - start), sendMicros, totalMicros, payload.verdict());
    }

    private void send(int first, int batch) {
        List<Message> messages = new ArrayList<>(batch);
        for (int number = first; number < first + batch; number++) {
            messages.add(traffic.message(plan.topic, number, payload.body(number)));
        }
        long now = System.nanoTime();
        for (int number = first; number < first + batch; number++) {
            sentAtNanos[number] = now;
        }
        client.sendBatch(messages, plan.level).whenComplete((results, failed) -> {
            if (failed != null) {
                fail(failed);
                return;
            }
            sendMicros.recordValueWithCount((System.nanoTime() - now) / 1000, batch);
            for (SendResult result : results) {
                if (!(result instanceof Receipt receipt) || receipt.level().compareTo(plan.level) < 0) {
                    fail(new IllegalStateException("sent, but answered " + result));
                }
            }
            done(batch - traffic.countWanted(first, first + batch));
        });
    }

    private void pop() {
        if (isOver || failure.get() != null) {
            return;
        }
        PopRequest request = PopRequest.of(plan.topic, plan.group, plan.popCountMax)
                .withWaitMax(Duration.ofSeconds(1))
                .withInvisible(Duration.ofMinutes(1));
        client.pop(request).whenComplete((deliveries, failed) -> {
            if (failed != null) {
                fail(failed);
                return;
            }
            if (!deliveries.isEmpty()) {
                settle(deliveries);
            }
            pop();
        });
    }

    /** Nacks what is to be nacked, and acks the rest. */
    private void settle(List<Delivery> deliveries) {
        if (!traffic.isNacking()) {
            ack(deliveries);
            return;
        }
        List<Delivery> acked = new ArrayList<>(deliveries.size());
        for (Delivery delivery : deliveries) {
            if (delivery.attempt() == 1 && traffic.isNackedOnce().test(payload.numberOf(delivery.body()))) {
                nack(delivery);
            } else {
                acked.add(delivery);
            }
        }
        if (!acked.isEmpty()) {
            ack(acked);
        }
    }

    private void nack(Delivery delivery) {
        client.nack(delivery, Duration.ZERO, "").whenComplete((changed, failed) -> {
            if (failed != null) {
                fail(failed);
            }
        });
    }

    private void ack(List<Delivery> deliveries) {
        List<ReceiptHandle> handles = new ArrayList<>(deliveries.size());
        int[] numbers = new int[deliveries.size()];
        for (int i = 0; i < numbers.length; i++) {
            Delivery delivery = deliveries.get(i);
            numbers[i] = payload.take(delivery.body());
            handles.add(delivery.handle());
        }
        client.ackBatch(plan.group, handles, plan.level).whenComplete((results, failed) -> {
            if (failed != null) {
                fail(failed);
                return;
            }
            long now = System.nanoTime();
            for (int i = 0; i < numbers.length; i++) {
                AckResult result = results.get(i);
                if (result != AckOutcome.ACKED) {
                    fail(new IllegalStateException("acked, but answered " + result));
                }
                if (numbers[i] >= 0) {
                    totalMicros.recordValue((now - sentAtNanos[numbers[i]]) / 1000);
                }
            }
            done(numbers.length);
        });
    }

    private void done(int count) {
        if (count > 0) {
            endNanos = System.nanoTime();
            done.addAndGet(count);
            inFlight.release(count);
        }
    }

    /** What comes now was delivered once before. */
    private void countWhatIsLeft() {
        try {
            PopRequest request =
                    PopRequest.of(plan.topic, plan.group, plan.popCountMax).withWaitMax(Duration.ZERO);
            for (Delivery delivery : client.pop(request).toCompletableFuture().get(30, TimeUnit.SECONDS)) {
                payload.take(delivery.body());
            }
        } catch (InterruptedException | ExecutionException | TimeoutException e) {
            throw new IllegalStateException("the last pop failed", e);
        }
    }

    private void fail(Throwable cause) {
        failure.compareAndSet(
                null, cause instanceof CompletionException && cause.getCause() != null ? cause.getCause() : cause);
        inFlight.release(plan.inFlightMax); // who waits for room looks at the failure
    }

    private void check() {
        Throwable cause = failure.get();
        if (cause != null) {
            throw new IllegalStateException("the run failed: " + cause.getMessage(), cause);
        }
    }

    private static void awaitNanos(long nanos) {
        long left;
        while ((left = nanos - System.nanoTime()) > 0) {
            LockSupport.parkNanos(left);
        }
    }
}
