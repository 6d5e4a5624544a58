package io.forebay.cli;

import io.forebay.node.ForebayNode;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StripeHealth;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;

/**
 * Prints a line of JSON about a node's stripes every so often, on a thread of its own. It looks at the published values once
 * a millisecond: the time from written to durable is that of the newest record at each look, so it is exact to about 1 ms.
 */
final class StripeReporter {
    private static final long LOOK_NANOS = 1_000_000;
    private static final int TIMES_MAX = 2000;
    private static final int PENDING_MAX = 10_000;

    private final Shell shell;
    private final ForebayNode node;
    private final long everyNanos;
    private final Map<Integer, ArrayDeque<Look>> pending = new HashMap<>();
    private final List<Long> timesMicros = new ArrayList<>();

    private record Look(long writtenSequence, long atNanos) {}

    private StripeReporter(Shell shell, ForebayNode node, Duration every) {
        this.shell = shell;
        this.node = node;
        this.everyNanos = every.toNanos();
    }

    /** Goes on until the node has ended, or nobody reads stdout any more. */
    static void start(Shell shell, ForebayNode node, Duration every) {
        Thread thread = new Thread(new StripeReporter(shell, node, every)::run, "forebay-report");
        thread.setDaemon(true);
        thread.start();
    }

    private void run() {
        ForebayStorage storage = ForebayStorage.get(node.system());
        long nextReport = shell.nanos() + everyNanos;
        while (!node.whenTerminated().toCompletableFuture().isDone()) {
            List<StripeHealth> stripes = storage.health();
            long now = shell.nanos();
            for (StripeHealth stripe : stripes) {
                look(stripe, now);
            }
            if (now - nextReport >= 0) {
                nextReport = now + everyNanos;
                try {
                    shell.console().println(Json.write(json(stripes)));
                    shell.console().flush();
                } catch (Console.OutputGoneException e) {
                    // Nobody listens: the node goes on.
                    return;
                }
                timesMicros.clear();
            }
            LockSupport.parkNanos(LOOK_NANOS);
        }
    }

    private void look(StripeHealth stripe, long now) {
        ArrayDeque<Look> looks = pending.computeIfAbsent(stripe.stripeId(), id -> new ArrayDeque<>());
        while (!looks.isEmpty() && looks.peekFirst().writtenSequence() <= stripe.durableSequence()) {
            long micros = (now - looks.pollFirst().atNanos()) / 1000;
            if (timesMicros.size() < TIMES_MAX) {
                timesMicros.add(micros);
            }
        }
        boolean isNew = looks.isEmpty() || looks.peekLast().writtenSequence() < stripe.writtenSequence();
        if (isNew && stripe.writtenSequence() > stripe.durableSequence() && looks.size() < PENDING_MAX) {
            looks.addLast(new Look(stripe.writtenSequence(), now));
        }
    }

    private Map<String, Object> json(List<StripeHealth> stripes) {
        List<Map<String, Object>> all = new ArrayList<>();
        for (StripeHealth stripe : stripes) {
            Map<String, Object> one = new LinkedHashMap<>();
            one.put("stripe", stripe.stripeId());
            one.put("phase", stripe.phase());
            one.put("epoch", stripe.epoch());
            one.put("writtenSequence", stripe.writtenSequence());
            one.put("durableSequence", stripe.durableSequence());
            one.put("unflushedBytes", stripe.unflushedBytes());
            one.put("flushFailures", stripe.flushFailureCount());
            all.add(one);
        }
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("stripes", all);
        json.put("writtenToDurableMicros", timesMicros);
        return json;
    }
}
