package io.forebay.yardstick;

import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.Recorder;

/**
 * One run of a plan: senders and receivers in threads of their own, the windows between them, and the book of what came.
 *
 * <p>At a rate, the times of messages are those at which they were to be sent, whether the sender was in time or not, and no
 * window holds it up: nothing is left out because the system was slow (Gil Tene's "coordinated omission").
 */
final class Run implements Intake {
    private static final long BYTES_OF_A_MEGABYTE = 1 << 20;

    private final Plan plan;
    private final List<ProcessHandle> processes;
    private final Book book;
    private final Semaphore unconfirmed;
    private final Semaphore backlog;
    private final LongAdder sent = new LongAdder();
    private final LongAdder confirmed = new LongAdder();
    private final LongAdder acked = new LongAdder();
    private final Recorder confirmMicros = new Recorder(3);
    private final Recorder popMicros = new Recorder(3);
    private final AtomicReference<Throwable> failure = new AtomicReference<>();
    /** Times are taken of messages that were to be sent from here on, and before {@link #measuredUntilNanos}. */
    private volatile long measuredFromNanos = Long.MAX_VALUE;

    private volatile long measuredUntilNanos = Long.MAX_VALUE;
    private volatile boolean isSendingOver;
    private volatile boolean isOver;

    Run(Plan plan, List<ProcessHandle> processes) {
        this.plan = plan;
        this.processes = processes;
        book = new Book(plan.bodyBytes(), plan.keyCount());
        unconfirmed = new Semaphore(plan.unconfirmedMax());
        backlog = new Semaphore(plan.fillCount() > 0 ? Integer.MAX_VALUE : plan.backlogMax());
    }

    Outcome run(Contestant.Channel channel) throws InterruptedException {
        List<Thread> threads = new ArrayList<>();
        long[] isBegun = {0};
        for (int index = 0; index < plan.senders(); index++) {
            int sender = index;
            threads.add(thread("sender-" + index, () -> send(channel, sender, isBegun)));
        }
        List<Thread> receivers = new ArrayList<>();
        for (int index = 0; index < plan.receivers(); index++) {
            int receiver = index;
            receivers.add(thread("receiver-" + index, () -> channel.receive(receiver, this)));
        }
        isBegun[0] = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(plan.perSecond() > 0 ? 100 : 0);
        Outcome outcome;
        try {
            outcome = plan.fillCount() > 0 ? drain(threads, receivers) : both(threads, receivers);
        } finally {
            isSendingOver = true;
            isOver = true;
        }
        for (Thread thread : threads) {
            thread.join(30_000);
        }
        for (Thread thread : receivers) {
            thread.join(30_000);
        }
        return outcome;
    }

    private Outcome both(List<Thread> senders, List<Thread> receivers) throws InterruptedException {
        receivers.forEach(Thread::start);
        senders.forEach(Thread::start);
        pause(plan.warmUpSeconds());
        Usage before = Usage.now(processes);
        long ackedBefore = acked.sum();
        measuredFromNanos = before.nanos();
        pause(plan.seconds());
        Usage after = Usage.now(processes);
        long ackedWhile = acked.sum() - ackedBefore;
        measuredUntilNanos = after.nanos();
        isSendingOver = true;
        for (Thread sender : senders) {
            sender.join();
        }
        awaitAcked(receivers);
        return outcome(before, after, ackedWhile, -1);
    }

    private Outcome drain(List<Thread> senders, List<Thread> receivers) throws InterruptedException {
        senders.forEach(Thread::start);
        for (Thread sender : senders) {
            sender.join();
        }
        await(confirmed::sum, sent.sum(), "confirmed");
        long heap = heapAfterCollection();
        Usage before = Usage.now(processes);
        receivers.forEach(Thread::start);
        awaitAllAcked();
        Usage after = Usage.now(processes);
        awaitAcked(receivers);
        return outcome(before, after, acked.sum(), heap);
    }

    private static long heapAfterCollection() throws InterruptedException {
        long used = Long.MAX_VALUE;
        for (int i = 0; i < 3; i++) {
            System.gc();
            TimeUnit.MILLISECONDS.sleep(200); // what references queues give free takes a moment
            used = Math.min(
                    used,
                    ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed());
        }
        return used;
    }

    private Thread thread(String name, Work work) {
        Thread thread = new Thread(
                () -> {
                    try {
                        work.run();
                    } catch (Throwable e) {
                        failed(e);
                    }
                },
                plan.name() + "-" + name);
        thread.setDaemon(true);
        return thread;
    }

    private interface Work {
        void run() throws Exception;
    }

    // ---- sending --------------------------------------------------------------------------------------------------

    private void send(Contestant.Channel channel, int index, long[] begin) throws Exception {
        Contestant.Sender sender = channel.sender(index);
        try {
            long stepNanos = plan.perSecond() == 0 ? 0 : TimeUnit.SECONDS.toNanos(plan.senders()) / plan.perSecond();
            long firstNanos = begin[0] + stepNanos * index / plan.senders();
            long share = plan.fillCount() == 0 ? Long.MAX_VALUE : plan.fillCount() / plan.senders();
            int queue = index;
            for (long done = 0; done < share; ) {
                long intended = stepNanos == 0 ? System.nanoTime() : firstNanos + done * stepNanos;
                if (isOverBefore(intended)) {
                    break;
                }
                int count = (int) Math.min(plan.batchCount(), share - done);
                if (stepNanos > 0) {
                    long now = awaitNanos(intended);
                    count = (int) Math.min(plan.batchCount(), 1 + (now - intended) / stepNanos);
                }
                if (!acquire(backlog, count, "acked", intended)
                        || !acquire(unconfirmed, count, "confirmed", intended)) {
                    break;
                }
                if (stepNanos == 0) {
                    intended = System.nanoTime();
                }
                sender.send(batch(index, done, count, queue, intended, stepNanos));
                sent.add(count);
                done += count;
                queue = (queue + plan.senders()) % plan.queues();
            }
            await(confirmed::sum, sent.sum(), "confirmed"); // nobody hears of what comes to a sender that is closed
        } finally {
            sender.close();
        }
    }

    private Batch batch(int sender, long done, int count, int queue, long intendedNanos, long stepNanos) {
        byte[][] bodies = new byte[count][];
        String[] keys = plan.keyCount() == 0 ? null : new String[count];
        for (int i = 0; i < count; i++) {
            long number = (done + i) * plan.senders() + sender;
            bodies[i] = book.body(number, intendedNanos + i * stepNanos);
            if (keys != null) {
                keys[i] = "key-" + number % plan.keyCount();
            }
        }
        return new Batch(this, queue % plan.queues(), bodies, keys);
    }

    /** Whether a message that is to be sent then is none of the run's: what was due before the end is sent, however late. */
    private boolean isOverBefore(long intendedNanos) {
        return failure.get() != null || isSendingOver && (plan.perSecond() == 0 || intendedNanos >= measuredUntilNanos);
    }

    /** Says whether the run goes on. */
    private boolean acquire(Semaphore window, int count, String what, long intendedNanos) throws InterruptedException {
        long limit = System.nanoTime() + TimeUnit.SECONDS.toNanos(plan.stallSeconds());
        while (!window.tryAcquire(count, 100, TimeUnit.MILLISECONDS)) {
            if (isOverBefore(intendedNanos)) {
                return false;
            }
            if (System.nanoTime() > limit) {
                throw new IllegalStateException("nothing was " + what + " for " + plan.stallSeconds() + " s; sent "
                        + sent.sum() + ", acked " + acked.sum());
            }
        }
        return true;
    }

    void confirmed(Batch batch) {
        int count = batch.count();
        long now = System.nanoTime();
        for (int i = 0; i < count; i++) {
            record(confirmMicros, Book.intendedNanos(batch.body(i)), now);
        }
        confirmed.add(count);
        unconfirmed.release(count);
    }

    // ---- receiving ------------------------------------------------------------------------------------------------

    @Override
    public boolean isOver() {
        return isOver;
    }

    @Override
    public boolean take(byte[] body) {
        long number = book.numberOf(body);
        if (number < 0) {
            book.altered();
            return true;
        }
        if (isNacked(number) && book.isFirst(number)) {
            return false;
        }
        book.enter(number);
        record(popMicros, Book.intendedNanos(body), System.nanoTime());
        return true;
    }

    /** However late: what is slow must not fall out because the run has ended meanwhile. */
    private void record(Recorder micros, long intendedNanos, long nowNanos) {
        if (intendedNanos >= measuredFromNanos && intendedNanos < measuredUntilNanos) {
            micros.recordValue(Math.max(nowNanos - intendedNanos, 0) / 1000);
        }
    }

    private boolean isNacked(long number) {
        return plan.nackedOfThousand() > 0
                && Math.floorMod(number * 0x9E3779B97F4A7C15L >>> 33, 1000) < plan.nackedOfThousand();
    }

    @Override
    public void acked(int count) {
        acked.add(count);
        if (plan.fillCount() == 0) {
            backlog.release(count);
        }
    }

    @Override
    public void failed(Throwable cause) {
        failure.compareAndSet(null, cause);
    }

    // ---- waiting and counting -------------------------------------------------------------------------------------

    private void pause(int seconds) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        for (long left = seconds; left > 0; left = end - System.nanoTime()) {
            check();
            LockSupport.parkNanos(Math.min(end - System.nanoTime(), 100_000_000));
        }
    }

    /** Then what comes twice is none of a run's any more; until then it is found. */
    private void awaitAcked(List<Thread> receivers) throws InterruptedException {
        awaitAllAcked();
        isOver = true;
        for (Thread receiver : receivers) {
            receiver.join(30_000);
        }
        check();
    }

    private void awaitAllAcked() throws InterruptedException {
        await(acked::sum, sent.sum(), "acked");
        // As many acks, but some of what came twice, or was altered: what else may come?
        long limit = System.nanoTime() + TimeUnit.SECONDS.toNanos(plan.stallSeconds());
        while (book.distinct() < sent.sum() && System.nanoTime() < limit) {
            check();
            LockSupport.parkNanos(100_000);
        }
    }

    /** Waits as long as it goes on. */
    private void await(LongSupplier counter, long count, String what) throws InterruptedException {
        long last = -1;
        long lastNanos = System.nanoTime();
        for (long now = counter.getAsLong(); now < count; now = counter.getAsLong()) {
            check();
            if (now != last) {
                last = now;
                lastNanos = System.nanoTime();
            } else if (System.nanoTime() - lastNanos > TimeUnit.SECONDS.toNanos(plan.stallSeconds())) {
                throw new IllegalStateException("of " + count + " messages sent " + now + " were " + what
                        + ", and none more for " + plan.stallSeconds() + " s");
            }
            LockSupport.parkNanos(100_000);
        }
        check();
    }

    private void check() throws InterruptedException {
        if (Thread.interrupted()) {
            throw new InterruptedException();
        }
        Throwable cause = failure.get();
        if (cause != null) {
            throw new IllegalStateException("the run failed: " + cause, cause);
        }
    }

    private static long awaitNanos(long nanos) {
        long now;
        while ((now = System.nanoTime()) < nanos) {
            LockSupport.parkNanos(nanos - now);
        }
        return now;
    }

    private Outcome outcome(Usage before, Usage after, long count, long waitingHeapBytes) {
        Map<String, String> values = new LinkedHashMap<>();
        double messages = Math.max(count, 1);
        values.put("perSecond", number(count * 1e9 / (after.nanos() - before.nanos())));
        Book.Verdict verdict = book.verdict(sent.sum());
        values.put("sent", Long.toString(sent.sum()));
        values.put("lost", Long.toString(verdict.lost()));
        values.put("duplicated", Long.toString(verdict.duplicated()));
        values.put("altered", Long.toString(verdict.altered()));
        values.put("orderBreaks", Long.toString(verdict.orderBreaks()));
        times("confirm", confirmMicros.getIntervalHistogram(), values);
        times("pop", popMicros.getIntervalHistogram(), values);
        values.put("loaderCpuMicros", number((after.loaderCpuNanos() - before.loaderCpuNanos()) / 1e3 / messages));
        values.put("systemCpuMicros", number((after.systemCpuNanos() - before.systemCpuNanos()) / 1e3 / messages));
        values.put("allocatedBytes", number(after.allocatedBytesSince(before) / messages));
        values.put("gcMillis", Long.toString(after.gcMillis() - before.gcMillis()));
        if (waitingHeapBytes >= 0) {
            values.put("waitingHeapMegabytes", number(waitingHeapBytes / (double) BYTES_OF_A_MEGABYTE));
        }
        return new Outcome(values);
    }

    private static void times(String name, Histogram micros, Map<String, String> values) {
        if (micros.getTotalCount() > 0) {
            values.put(name + "P50Micros", Long.toString(micros.getValueAtPercentile(50)));
            values.put(name + "P99Micros", Long.toString(micros.getValueAtPercentile(99)));
            values.put(name + "P999Micros", Long.toString(micros.getValueAtPercentile(99.9)));
            values.put(name + "MaxMicros", Long.toString(micros.getMaxValue()));
        }
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.3f", value);
    }
}
