package io.forebay.journals;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.Behaviors;
import io.forebay.yardstick.Outcome;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.Recorder;

/** Runs one plan. Confined to its thread. */
final class JournalRun {
    /** To the guardian: start one of a crew, and tell. */
    record Spawn(
            String name,
            Behavior<Member.Command> behavior,
            List<ActorRef<Member.Command>> members,
            CountDownLatch started) {}

    private static final int LIMIT_SECONDS = 120;

    private final ActorSystem<Spawn> system;
    private final JournalPlan plan;
    private final Recorder micros = new Recorder(3);
    private int generations;
    private Crew crew;
    private List<ActorRef<Member.Command>> members = List.of();
    /** How many events each of them has to have when it is there again. */
    private long[] expected;

    private long altered;
    private long orderBreaks;
    private long lost;
    private long duplicated;

    JournalRun(ActorSystem<Spawn> system, JournalPlan plan) {
        this.system = system;
        this.plan = plan;
        expected = new long[plan.actors()];
    }

    /** The behavior of the actor system that it is run in. */
    static Behavior<Spawn> guardian() {
        return Behaviors.setup(context -> Behaviors.receive(Spawn.class)
                .onMessage(Spawn.class, spawn -> {
                    spawn.members.add(context.spawn(spawn.behavior, spawn.name));
                    spawn.started.countDown();
                    return Behaviors.same();
                })
                .build());
    }

    Outcome run() throws Exception {
        Map<String, String> values = new LinkedHashMap<>();
        if (plan.isRecovery()) {
            recover(values);
        } else {
            persist(values);
        }
        values.put("lost", Long.toString(lost));
        values.put("duplicated", Long.toString(duplicated));
        values.put("altered", Long.toString(altered));
        values.put("orderBreaks", Long.toString(orderBreaks));
        return new Outcome(values);
    }

    private void persist(Map<String, String> values) throws Exception {
        start();
        members.forEach(member -> member.tell(Member.Persist.INSTANCE));
        pass(plan.warmUpSeconds());
        micros.getIntervalHistogram();
        long before = crew.persists.sum();
        long begin = System.nanoTime();
        long cpu = cpuNanos();
        pass(plan.seconds());
        double seconds = (System.nanoTime() - begin) / 1e9;
        long persists = crew.persists.sum() - before;
        cpu = cpuNanos() - cpu;
        Histogram histogram = micros.getIntervalHistogram();
        crew.end();
        await(crew.idle, "the end of persisting");
        stop();
        start(); // each event is there once, in order
        stop();
        values.put("perSecond", number(persists / seconds));
        values.put("persisted", Long.toString(sum(expected)));
        values.put("persistP50Micros", Long.toString(histogram.getValueAtPercentile(50)));
        values.put("persistP99Micros", Long.toString(histogram.getValueAtPercentile(99)));
        values.put("cpuMicros", String.format(Locale.ROOT, "%.1f", cpu / 1e3 / Math.max(1, persists)));
    }

    private void recover(Map<String, String> values) throws Exception {
        start();
        members.forEach(member -> member.tell(new Member.Fill(plan.eventsEach())));
        await(crew.idle, "the end of filling");
        stop();
        recoverFor(plan.warmUpSeconds());
        long cpu = cpuNanos();
        double[] measured = recoverFor(plan.seconds());
        cpu = cpuNanos() - cpu;
        values.put("perSecond", number(measured[0] / measured[1]));
        values.put("persisted", Long.toString(sum(expected)));
        values.put("cpuMicros", String.format(Locale.ROOT, "%.1f", cpu / 1e3 / Math.max(1, measured[0])));
    }

    /** At least once. Returns events, and the seconds from the first start to the last recovery of each time. */
    private double[] recoverFor(int seconds) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        long nanos = 0;
        double events = 0;
        do {
            long begin = System.nanoTime();
            start();
            nanos += System.nanoTime() - begin;
            events += crew.recoveredEvents.get();
            stop();
        } while (System.nanoTime() < end);
        return new double[] {events, nanos / 1e9};
    }

    /** All actors, from what is stored; returns when they have recovered, which has to be what they had. */
    private void start() throws Exception {
        crew = new Crew(plan.actors(), micros);
        int generation = generations++;
        List<ActorRef<Member.Command>> started = new ArrayList<>(plan.actors());
        for (int index = 0; index < plan.actors(); index++) {
            String id = plan.name() + "-" + index;
            system.tell(new Spawn(id + "-" + generation, Member.create(crew, id, index), started, crew.started));
        }
        await(crew.started, "the start of actors");
        members = started;
        await(crew.recovered, "recovery");
        for (int index = 0; index < expected.length; index++) {
            lost += Math.max(0, expected[index] - crew.counts[index]);
            duplicated += Math.max(0, crew.counts[index] - expected[index]);
        }
    }

    private void stop() throws Exception {
        members.forEach(member -> member.tell(Member.Stop.INSTANCE));
        await(crew.stopped, "the end of actors");
        check();
        expected = crew.counts;
        altered += crew.altered.get();
        orderBreaks += crew.orderBreaks.get();
    }

    private void pass(int seconds) throws Exception {
        TimeUnit.SECONDS.sleep(seconds);
        check();
    }

    private void await(CountDownLatch latch, String what) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
        while (!latch.await(1, TimeUnit.SECONDS)) {
            check();
            if (System.nanoTime() > end) {
                throw new TimeoutException(what + " takes more than " + LIMIT_SECONDS + " s for " + latch.getCount()
                        + " of " + plan.actors() + " actors");
            }
        }
        check();
    }

    private void check() {
        if (crew.failure.get() != null) {
            throw new IllegalStateException(crew.failure.get());
        }
    }

    private static long cpuNanos() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
                .getProcessCpuTime();
    }

    private static long sum(long[] counts) {
        long sum = 0;
        for (long count : counts) {
            sum += count;
        }
        return sum;
    }

    private static String number(double value) {
        return String.format(Locale.ROOT, "%.0f", value);
    }
}
