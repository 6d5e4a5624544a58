package io.forebay.queue;

import akka.actor.typed.ActorRef;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.TimerScheduler;
import io.forebay.protocol.Refusal;
import io.forebay.queue.core.GroupPolicy;
import io.forebay.queue.core.GroupQueueState;
import io.forebay.store.StripeHandle;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiFunction;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/** What the parts of one group's queue share. Confined to its actor. */
final class GroupEnvironment {
    /** Before something is read again that a failed force has made unreadable for now. */
    static final Duration READ_RETRY = Duration.ofMillis(20);

    final ActorContext<GroupQueue.Command> context;
    final TimerScheduler<GroupQueue.Command> timers;
    final GroupQueue.Identity identity;
    final StripeHandle stripe;
    final GroupQueueState state;
    final ActorRef<? super Queue.Command> queue;
    private final Executor readExecutor;
    private final AtomicLong stripeBytes;
    private final BooleanSupplier mayDecide;
    /** Of the bodies of what was popped: nothing can be popped while it lasts. */
    final ReadTrouble deliveryTrouble;
    /** Of what the group has to look at: nothing behind it can be popped while it lasts. */
    final ReadTrouble scanTrouble;

    private HotOffsets hotOffsets;
    private GroupPolicy policy;
    private long readableEnd;

    /**
     * @param stripeBytes bytes of messages written to the stripe since the start
     * @param mayDecide whether nothing stands against a decision now: no snapshot is wanted, and the stripe is open
     */
    GroupEnvironment(
            ActorContext<GroupQueue.Command> context,
            TimerScheduler<GroupQueue.Command> timers,
            GroupQueue.Identity identity,
            StripeHandle stripe,
            GroupQueueState state,
            ActorRef<? super Queue.Command> queue,
            AtomicLong stripeBytes,
            BooleanSupplier mayDecide) {
        this.context = context;
        this.timers = timers;
        this.identity = identity;
        this.stripe = stripe;
        this.state = state;
        this.queue = queue;
        this.stripeBytes = stripeBytes;
        this.mayDecide = mayDecide;
        this.policy = identity.policy();
        readExecutor =
                context.getSystem().dispatchers().lookup(DispatcherSelector.fromConfig(identity.readDispatcher()));
        deliveryTrouble = new ReadTrouble(this);
        scanTrouble = new ReadTrouble(this);
    }

    long now() {
        return stripe.clock().millis();
    }

    GroupPolicy policy() {
        return policy;
    }

    void policy(GroupPolicy newPolicy) {
        policy = newPolicy;
    }

    boolean mayDecide() {
        return mayDecide.getAsBoolean();
    }

    /** Whether the queue has said how far it goes. */
    boolean isEndKnown() {
        return hotOffsets != null;
    }

    /** Exclusive; 0 until {@link #isEndKnown()}. */
    long readableEnd() {
        return readableEnd;
    }

    void readable(long endOffset) {
        if (hotOffsets == null) {
            hotOffsets = new HotOffsets(stripeBytes, identity.segmentBytes(), endOffset);
        } else {
            hotOffsets.written(endOffset);
        }
        readableEnd = Math.max(readableEnd, endOffset);
    }

    /** Whether a message, and all behind it, can be read without waiting for the device, as far as is known. */
    boolean isHot(long offset) {
        return hotOffsets != null && hotOffsets.isHot(offset);
    }

    /** Reads where reading may block; the outcome comes back as a message. */
    <T> void read(Supplier<T> reading, BiFunction<T, Throwable, GroupQueue.Command> ended) {
        context.pipeToSelf(CompletableFuture.supplyAsync(reading, readExecutor), ended::apply);
    }

    /** Why messages cannot be read for now, null if nothing is known to be in the way. */
    Refusal readRefusalOrNull() {
        Refusal refusal = deliveryTrouble.refusalOrNull();
        return refusal != null ? refusal : scanTrouble.refusalOrNull();
    }

    /** The group's queue, for people. */
    String name() {
        return "topic " + identity.topic() + " queue " + identity.queueNumber() + " group " + identity.group();
    }

    /** A message cannot be read: says so, passes it over, and has its queue note it for good. */
    void unreadable(Unreadable bad) {
        context.getLog()
                .error(
                        "{}: offset {} cannot be read and is passed over: {}",
                        name(),
                        bad.offset(),
                        bad.problem().text());
        state.quarantine(bad.offset(), 1);
        queue.tell(new Queue.Quarantine(bad.offset(), 1, bad.problem()));
    }
}
