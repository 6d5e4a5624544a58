package io.forebay.watch;

import static java.util.stream.Collectors.counting;
import static java.util.stream.Collectors.groupingBy;

import io.forebay.protocol.Refusal;
import io.forebay.queue.GroupQueue;
import io.forebay.storage.log.WrittenBytes;
import io.forebay.store.StripeHandle;
import io.forebay.store.StripeHealth;
import io.forebay.store.StripeMeters;
import io.forebay.store.StripePhase;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.ToDoubleFunction;
import java.util.function.ToLongFunction;

/**
 * A node's meters in one registry of Micrometer. What there is to be measured comes and goes (stripes when they are recovered, groups
 * at any time): {@link #refresh} has the registry follow, and sums up the groups; it is to be called before the values are read,
 * or every some seconds. Thread-safe.
 */
public final class NodeMeters implements AutoCloseable {
    private static final String STRIPE = "stripe";
    private static final Duration[] FORCE_BUCKETS = {
        Duration.ofNanos(500_000),
        Duration.ofMillis(1),
        Duration.ofMillis(2),
        Duration.ofMillis(5),
        Duration.ofMillis(10),
        Duration.ofMillis(20),
        Duration.ofMillis(50),
        Duration.ofMillis(100),
        Duration.ofMillis(200),
        Duration.ofMillis(500),
        Duration.ofSeconds(1),
        Duration.ofSeconds(2),
        Duration.ofSeconds(5),
        Duration.ofSeconds(10)
    };
    private static final double[] FRAME_BUCKETS = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

    private final NodeView node;
    private final MeterRegistry registry;
    private final GroupBook book;
    private final List<Meter> meters = new ArrayList<>();
    private final Map<Integer, ForStripe> stripes = new HashMap<>();
    private final Map<GroupBook.Row, List<Meter>> groups = new HashMap<>();
    private final Pulse sessions;
    /** By stripe, as of the last refresh. */
    private volatile Map<Integer, Long> stoppedQueues = Map.of();

    private volatile Map<Integer, Long> quarantined = Map.of();
    private boolean isClosed;

    /** @param groupsMax groups that have meters of their own, each in each topic */
    public NodeMeters(NodeView node, int groupsMax, MeterRegistry registry) {
        this.node = node;
        this.registry = registry;
        this.book = new GroupBook(groupsMax);
        this.sessions = new Pulse(node::countSessions, System::nanoTime);
        ofNode();
    }

    private void ofNode() {
        for (NodeView.State state : NodeView.State.values()) {
            meters.add(gauge("forebay.node.state", node, one -> one.state() == state ? 1 : 0)
                    .tag("state", HealthText.name(state))
                    .description("1 for the state that the node is in")
                    .register(registry));
        }
        meters.add(gauge("forebay.node.sessions", sessions, pulse -> Math.max(0, pulse.latest()))
                .description("Sessions of clients that are open")
                .register(registry));
        meters.add(gauge("forebay.node.held", node, NodeView::bytesHeld)
                .baseUnit("bytes")
                .description("Bytes of Sends that wait for their answers")
                .register(registry));
        meters.add(gauge("forebay.node.groups", book, GroupBook::count)
                .description("Groups, each counted once for each topic it reads")
                .register(registry));
        meters.add(gauge("forebay.node.groups.unnamed", book, GroupBook::unnamedCount)
                .description("Those that are summed as (other), see forebay.watch.groups-max")
                .register(registry));
        for (Refusal.Code code : Refusal.Code.values()) {
            meters.add(FunctionCounter.builder("forebay.refusals", node.refusals(), counts -> counts.count(code))
                    .tag("reason", HealthText.name(code))
                    .description("Requests, or items of them, that clients were refused")
                    .register(registry));
        }
    }

    private static <T> Gauge.Builder<T> gauge(String name, T of, ToDoubleFunction<T> value) {
        return Gauge.builder(name, of, value);
    }

    /**
     * Takes in what is new, lets go of what is gone, and sums up. Waits for nothing.
     *
     * @return completes when what had to be asked for is there, too; never fails
     */
    public CompletableFuture<Void> refresh() {
        List<CompletableFuture<?>> asked = new ArrayList<>();
        synchronized (this) {
            if (isClosed) {
                return CompletableFuture.completedFuture(null);
            }
            for (StripeHandle stripe : node.stripes()) {
                stripes.computeIfAbsent(stripe.stripeId(), id -> new ForStripe(stripe));
            }
            stoppedQueues = StoppedQueue.of(node).stream().collect(groupingBy(StoppedQueue::stripeId, counting()));
            Map<Integer, Long> unreadable = new HashMap<>();
            node.visitQueues(
                    queue -> unreadable.merge(queue.stripeId(), queue.marks().quarantinedCount(), Long::sum));
            quarantined = unreadable;
            List<GroupBook.Seen> seen = new ArrayList<>();
            node.visitGroupQueues(route ->
                    seen.add(new GroupBook.Seen(new GroupBook.Name(route.topic(), route.group()), route.marks())));
            GroupBook.Changes changes = book.update(seen);
            changes.removed().forEach(row -> groups.remove(row).forEach(registry::remove));
            changes.added().forEach(row -> groups.put(row, ofGroup(row)));
            for (GroupBook.Row row : book.named()) {
                for (GroupBook.Member member : row.members()) {
                    if (member.askForOldest()) {
                        asked.add(node.describe(
                                        member.marks().queueId(), member.marks().groupId())
                                .thenAccept(answer -> looked(member, answer))
                                .toCompletableFuture());
                    }
                }
            }
        }
        asked.add(sessions.beat());
        return CompletableFuture.allOf(asked.toArray(CompletableFuture[]::new)).exceptionally(failure -> null);
    }

    private static void looked(GroupBook.Member member, Optional<GroupQueue.Described> answer) {
        answer.ifPresentOrElse(
                described -> member.answered(described.counts().floor(), described.oldestBornMillis()),
                member::unanswered);
    }

    // ---- groups -----------------------------------------------------------------------------------------------------

    private List<Meter> ofGroup(GroupBook.Row row) {
        Tags tags = Tags.of("topic", row.name().topic(), "group", row.name().group());
        List<Meter> made = new ArrayList<>();
        made.add(ofGroup("depth", row, tags, "Messages not settled, in flight ones included", GroupBook.Sums::depth));
        made.add(ofGroup("in.flight", row, tags, "Messages out to consumers", GroupBook.Sums::inFlight));
        made.add(ofGroup("returned", row, tags, "Messages that came back and go out again", GroupBook.Sums::returned));
        if (!row.name().equals(GroupBook.Name.OTHERS)) {
            made.add(gauge("forebay.group.oldest.age", row, one -> one.oldestAgeSeconds(node.nowMillis()))
                    .tags(tags)
                    .baseUnit("seconds")
                    .description("Age of the oldest message that is not settled")
                    .register(registry));
        }
        made.add(counted("popped", row, tags, "Deliveries", GroupBook.Sums::popped));
        made.add(counted(
                "redelivered", row, tags, "Deliveries that were not a message's first", GroupBook.Sums::redelivered));
        made.add(counted("acked", row, tags, "Messages acked", GroupBook.Sums::acked));
        made.add(counted(
                "dead.lettered",
                row,
                tags,
                "Messages given up and moved to the dead letters",
                GroupBook.Sums::deadLettered));
        return made;
    }

    private Meter ofGroup(
            String name, GroupBook.Row row, Tags tags, String description, ToLongFunction<GroupBook.Sums> value) {
        return gauge("forebay.group." + name, row, one -> value.applyAsLong(one.sums()))
                .tags(tags)
                .description(description)
                .register(registry);
    }

    private Meter counted(
            String name, GroupBook.Row row, Tags tags, String description, ToLongFunction<GroupBook.Sums> value) {
        return FunctionCounter.builder("forebay.group." + name, row, one -> value.applyAsLong(one.sums()))
                .tags(tags)
                .description(description)
                .register(registry);
    }

    // ---- stripes ----------------------------------------------------------------------------------------------------

    /** The meters of one stripe; told of what takes time as it happens. */
    private final class ForStripe implements StripeMeters.Listener {
        private final StripeHandle stripe;
        private final Tags tags;
        private final Timer force;
        private final DistributionSummary forceFrames;
        private final DistributionSummary forceBytes;
        private final Timer preparation;
        private final Timer checkpoint;
        private final Timer rewrite;

        ForStripe(StripeHandle stripe) {
            this.stripe = stripe;
            tags = Tags.of(STRIPE, String.valueOf(stripe.stripeId()));
            force = kept(Timer.builder("forebay.stripe.force")
                    .tags(tags)
                    .serviceLevelObjectives(FORCE_BUCKETS)
                    .description("What a force of the device takes")
                    .register(registry));
            forceFrames = kept(DistributionSummary.builder("forebay.stripe.force.frames")
                    .tags(tags)
                    .serviceLevelObjectives(FRAME_BUCKETS)
                    .description("Appends that shared a force")
                    .register(registry));
            forceBytes = kept(DistributionSummary.builder("forebay.stripe.force.size")
                    .tags(tags)
                    .baseUnit("bytes")
                    .description("Bytes of a force")
                    .register(registry));
            preparation = kept(Timer.builder("forebay.stripe.segment.preparation")
                    .tags(tags)
                    .description("What it takes to have the next segment ready")
                    .register(registry));
            checkpoint = kept(Timer.builder("forebay.stripe.checkpoint")
                    .tags(tags)
                    .description("What a checkpoint takes")
                    .register(registry));
            rewrite = kept(Timer.builder("forebay.stripe.rewrite")
                    .tags(tags)
                    .description("What it takes, behind a failed force, to have everything written again")
                    .register(registry));
            registerWhatIsRead();
            stripe.meters().listen(this);
        }

        private <M extends Meter> M kept(M meter) {
            meters.add(meter);
            return meter;
        }

        private void registerWhatIsRead() {
            int id = stripe.stripeId();
            for (StripePhase phase : StripePhase.values()) {
                kept(gauge("forebay.stripe.phase", stripe, one -> one.health().phase() == phase ? 1 : 0)
                        .tags(tags.and("phase", HealthText.name(phase)))
                        .description("1 for the phase that the stripe is in")
                        .register(registry));
            }
            read("serving", null, "Whether appends are answered", health -> health.isServing() ? 1 : 0);
            read("epoch", null, "Starts of the stripe", StripeHealth::epoch);
            read("written.sequence", null, "The newest record that is written", StripeHealth::writtenSequence);
            read("durable.sequence", null, "The newest record that is forced", StripeHealth::durableSequence);
            read("unflushed", "bytes", "Reserved or written, and not forced", StripeHealth::unflushedBytes);
            read("unflushed.limit", "bytes", "What of that is allowed", StripeHealth::unflushedBytesMax);
            read(
                    "unflushed.age",
                    "seconds",
                    "How long the oldest of what is written has not been forced",
                    health -> health.unflushedAge().toNanos() / 1e9);
            read(
                    "append.wait",
                    "seconds",
                    "How long the first of the appends that wait has waited",
                    health -> health.appendWait().toNanos() / 1e9);
            read("stored", "bytes", "The log's files", StripeHealth::storedBytes);
            read(
                    "disk.free",
                    "bytes",
                    "What can still be written, as measured last",
                    health -> health.freeDiskBytes() == Long.MAX_VALUE ? Double.NaN : health.freeDiskBytes());
            read("disk.free.limit", "bytes", "With less than that free Sends are refused", StripeHealth::lowDiskBytes);
            read(
                    "disk.low",
                    null,
                    "Whether Sends are refused for want of disk",
                    health -> health.diskRefuses().isEmpty() ? 0 : 1);
            kept(gauge("forebay.stripe.stopped.queues", NodeMeters.this, one -> one.stoppedQueues.getOrDefault(id, 0L))
                    .tags(tags)
                    .description("Queues, and groups in queues, that are not served")
                    .register(registry));
            kept(gauge(
                            "forebay.stripe.quarantined.messages",
                            NodeMeters.this,
                            one -> one.quarantined.getOrDefault(id, 0L))
                    .tags(tags)
                    .description("Messages stored that cannot be read, and are not delivered")
                    .register(registry));
            count(
                    "force.failures",
                    "Forces, and stores, that failed",
                    one -> one.health().flushFailureCount());
            count("rewrites", "Rewrites begun", one -> one.meters().rewriteCount());
            count(
                    "stalls",
                    "Times in which appends had to wait",
                    one -> one.meters().stallCount());
            count(
                    "stalled.seconds",
                    "How long they were together",
                    one -> one.meters().stalledNanosTotal() / 1e9);
            count(
                    "segment.preparation.failures",
                    "Segments that could not be made",
                    one -> one.meters().failedPreparationCount());
            count(
                    "checkpoint.failures",
                    "Checkpoints that could not be taken",
                    one -> one.meters().failedCheckpointCount());
            count(
                    "cleaned.segments",
                    "Segments emptied because little of them was needed",
                    one -> one.health().evacuationCount());
            count(
                    "freed.segments",
                    "Segments that nothing needed any more",
                    one -> one.health().freedSegmentCount());
            count(
                    "cleaning.failures",
                    "Segments that could not be emptied",
                    one -> one.meters().failedEvacuationCount());
            appended("messages", WrittenBytes::messages);
            appended("groups", WrittenBytes::groups);
            appended("checkpoints", WrittenBytes::checkpoints);
            appended("moved", WrittenBytes::moved);
            appended("others", WrittenBytes::others);
        }

        private void read(String name, String unit, String description, ToDoubleFunction<StripeHealth> value) {
            kept(gauge("forebay.stripe." + name, stripe, one -> value.applyAsDouble(one.health()))
                    .tags(tags)
                    .baseUnit(unit)
                    .description(description)
                    .register(registry));
        }

        private void count(String name, String description, ToDoubleFunction<StripeHandle> value) {
            kept(FunctionCounter.builder("forebay.stripe." + name, stripe, value)
                    .tags(tags)
                    .description(description)
                    .register(registry));
        }

        private void appended(String kind, ToLongFunction<WrittenBytes> value) {
            kept(FunctionCounter.builder(
                            "forebay.stripe.appended",
                            stripe,
                            one -> value.applyAsLong(one.health().writtenBytes()))
                    .tags(tags.and("kind", kind))
                    .baseUnit("bytes")
                    .description("What was written into the log, by what it is for")
                    .register(registry));
        }

        @Override
        public void forced(long nanos, int frames, long bytes) {
            force.record(Duration.ofNanos(nanos));
            forceFrames.record(frames);
            forceBytes.record(bytes);
        }

        @Override
        public void segmentPrepared(long nanos) {
            preparation.record(Duration.ofNanos(nanos));
        }

        @Override
        public void checkpointTaken(long nanos) {
            checkpoint.record(Duration.ofNanos(nanos));
        }

        @Override
        public void rewritten(long nanos) {
            rewrite.record(Duration.ofNanos(nanos));
        }
    }

    /** Takes everything out of the registry again. */
    @Override
    public synchronized void close() {
        isClosed = true;
        stripes.values().forEach(one -> one.stripe.meters().stopListening(one));
        stripes.clear();
        groups.values().forEach(row -> row.forEach(registry::remove));
        groups.clear();
        meters.forEach(registry::remove);
        meters.clear();
    }
}
