package io.forebay.store;

import akka.Done;
import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.ChildFailed;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.PostStop;
import akka.actor.typed.Terminated;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.BehaviorBuilder;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.TimerScheduler;
import akka.japi.function.Function;
import io.forebay.config.StoreSettings;
import io.forebay.storage.io.StorageDirectory;
import io.forebay.storage.log.FlushRange;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.StripeLog;
import java.io.IOException;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.slf4j.Logger;

/**
 * The only writer of a stripe's log, on a thread of its own. It gives sequences and queue offsets to what it appends,
 * answers right after the append, and has the Flusher, its child, force behind it.
 *
 * <p>Order: the frames of one origin are appended in the order in which it sent them. What concerns durability ({@link Durable},
 * {@link FlushFailed}, {@link Rewritten}) is told by the Flusher, the rest by this actor; {@code Written} of a frame comes before
 * either of the first two that covers it, and {@link Rewritten} before what is written next. {@link Durable} and the {@link
 * Written} of later frames come as it happens. A frame sent once is appended once; nothing here is idempotent unless it says so.
 */
public final class StoreWriter {

    /** What the actor understands; the part that others may send is {@link Command}. */
    public sealed interface Message permits Command, Internal {}

    non-sealed interface Internal extends Message {}

    /** What owners of records send. */
    public sealed interface Command extends Message
            permits Append, AwaitDurable, Rewrite, Register, Forget, Snapshot, Stop {}

    /**
     * Appends a frame. The answer is {@link Written} as soon as it is in the page cache. Its bytes must have been reserved and
     * spent ({@link StripeBudget.Account#spend}). It is never refused while the stripe lives, only delayed: while a segment
     * is being prepared, while the stripe rewrites or is read-only.
     *
     * @param origin who is answered, and asked to send the frame again should its force fail; it has sent {@link Register} before, with
     *     any owner: else it is not told {@link Unavailable} if the stripe takes nothing already
     * @param wantsDurable whether somebody waits for FLUSHED: the force starts as soon as it can and {@link Durable} is told
     * @param tag comes back in the answer; any value
     */
    public record Append(Frame frame, ActorRef<Event> origin, boolean wantsDurable, long tag) implements Command {
        public Append {
            Objects.requireNonNull(frame);
            Objects.requireNonNull(origin);
        }
    }

    /**
     * Asks to be told {@link Durable} once everything up to this sequence is forced, at once if it is; for who was content with
     * WRITTEN when it was appended. Idempotent.
     */
    public record AwaitDurable(long sequence, ActorRef<Event> origin) implements Command {}

    /**
     * The answer to {@link FlushFailed}: every frame this origin has been told {@link Written} for and that lies above the named
     * sequence, whole and in order; empty if it has none. To be sent at once, before any further {@link Append}. Idempotent.
     */
    public record Rewrite(List<Frame> frames, ActorRef<Event> origin) implements Command {}

    /**
     * Says who is asked for the snapshots of an owner, and may own an account of the budget. The StoreWriter watches the origin:
     * when it stops, its registrations end and its account is closed. A later registration of the owner replaces the earlier
     * one. Idempotent.
     *
     * @param account closed when the origin stops; null if it has none
     */
    public record Register(Owner owner, ActorRef<Event> origin, StripeBudget.Account account) implements Command {}

    /** The owner exists no more (its topic or group was deleted): checkpoints need no snapshot of it. Idempotent. */
    public record Forget(Owner owner) implements Command {}

    /**
     * The answer to {@link SnapshotRequested}, taken with no batch of the owner outstanding. Its frames need no reservation,
     * are not answered with {@link Written} and are not the origin's to rewrite.
     *
     * @param frames all parts of one snapshot, in order; empty to say that there is none to be had now
     */
    public record Snapshot(long checkpointId, Owner owner, List<Frame> frames) implements Command {}

    /**
     * Ends the stripe: reservations are refused from now on, a last checkpoint is taken (its snapshots are asked for as ever),
     * everything is forced, and the log is closed clean. What does not fit into the time limit is left to recovery. Appends are
     * taken until the checkpoint is there. Idempotent.
     *
     * @param within what it may take
     * @param replyTo told when the log is closed
     */
    public record Stop(Duration within, ActorRef<Done> replyTo) implements Command {}

    /** What the stripe tells the origin of records, which lives in its actor system. */
    public sealed interface Event
            permits Written, Durable, FlushFailed, Rewritten, Unavailable, Available, SnapshotRequested, Rejected {}

    /** The frame is in the page cache: it survives a crash of the process. Its sequences and queue offsets are set now. */
    public record Written(long tag, Frame frame) implements Event {}

    /** Every record up to this sequence is forced to the device. Told to those who asked for it, sequences never decrease. */
    public record Durable(long upToSequence) implements Event {}

    /**
     * What lies above this sequence may be lost on the device, and is to be sent again with {@link Rewrite}. Told to every origin
     * with a frame above it. Nothing that was answered is taken back: sequences, offsets and handles stay what they were.
     * From now until {@link Rewritten} answers at WRITTEN are held back: an event not yet told to anybody is not told now.
     */
    public record FlushFailed(long aboveSequence) implements Event {}

    /** All that {@link FlushFailed} covered is written again and durable; readers see it again. Told to the same origins. */
    public record Rewritten(long durableSequence) implements Event {}

    /**
     * Appends wait for longer than usual: who waits for an answer should be told that the outcome is unknown. What was sent stays
     * first in line. Told to every registered origin and to those with frames outstanding, and at once to who registers later; {@link
     * Available} follows.
     */
    public record Unavailable(StripeBudget.Reason reason, String detail) implements Event {}

    /** The end of {@link Unavailable}. */
    public record Available() implements Event {}

    /** A checkpoint needs a snapshot of this owner; the answer is {@link Snapshot} as soon as no batch of it is outstanding. */
    public record SnapshotRequested(long checkpointId, Owner owner) implements Event {}

    /** Why a frame was not appended. */
    public enum Refused {
        /** It is longer than a frame may be. */
        FRAME_TOO_LARGE,
        /** Recovery stopped its owner, because records of it are missing. */
        OWNER_STOPPED,
        /** The stripe is being closed, or was closed by a bug. */
        CLOSED
    }

    /**
     * The frame was not appended and never will be. (What was answered {@link Written} before is found again by recovery.) Its
     * room is given back.
     */
    public record Rejected(long tag, Frame frame, Refused refused, String detail) implements Event {}

    // --- the actor's own messages ---

    // From the Flusher:

    /** The range is durable and published, or a failed store has overtaken it; the Flusher is free. */
    record RangeForced(FlushRange range) implements Internal {}

    /** Nothing of the range may be taken for durable; the Flusher is free. */
    record RangeFailed(FlushRange range, IOException cause) implements Internal {}

    /** {@link Rewritten} lies in the mailboxes of those who were told {@link FlushFailed}. */
    enum RewrittenTold implements Internal {
        INSTANCE
    }

    // From itself:

    private enum IdleTick implements Internal {
        INSTANCE
    }

    /**
     * What one StoreWriter works with.
     *
     * @param directory asked for free space only
     * @param blocking runs what blocks, but for the forces
     * @param flushDispatcher path of the dispatcher on which the Flusher's stream forces
     */
    record Parts(
            int stripeId,
            StorageDirectory directory,
            StripeLog log,
            StoreSettings config,
            StripeBudget budget,
            StripeStatus status,
            LogClock clock,
            Executor blocking,
            String flushDispatcher) {}

    private final ActorContext<Message> context;
    private final TimerScheduler<Message> timers;
    private final ActorRef<Message> self;
    private final Parts parts;
    private final StripeLog log;
    private final StripeBudget budget;
    private final StripeStatus status;
    private final ActorRef<Flusher.Message> flusher;
    private final WriterTools tools = new Tools();

    // Each owns what it tells of; this actor owns nothing but the phase.
    private final Registrations<Owner, ActorRef<Event>> registrations = new Registrations<>();
    /** The manifests are known to the log alone. */
    private final Unflushed unflushed;

    private final BlockingCalls blockingCalls;
    private final Availability availability;
    private final SegmentPreparation preparation;
    private final AppendGate gate;
    private final Flushing flushing;
    private final Rewriting rewriting;
    private final Checkpointing checkpoints;
    private final Cleaning cleaning;
    private final AppendLine line;
    private final StripeEnd end;

    static Behavior<Message> create(Parts parts) {
        return Behaviors.setup(
                context -> Behaviors.withTimers(timers -> new StoreWriter(context, timers, parts).running()));
    }

    private StoreWriter(ActorContext<Message> context, TimerScheduler<Message> timers, Parts parts) {
        this.context = context;
        context.setLoggerName(StoreWriter.class); // else it is that of whichever part logs first
        this.timers = timers;
        this.self = context.getSelf();
        this.parts = parts;
        this.log = parts.log;
        this.budget = parts.budget;
        this.status = parts.status;
        // The origin of the stripe's own frames, which it writes again by itself.
        ActorRef<Event> ownOrigin = context.getSystem().<Event>ignoreRef();
        this.unflushed = new Unflushed(parts.config.flushBytes());
        this.blockingCalls = new BlockingCalls(parts.blocking);
        this.availability = new Availability(parts.stripeId, budget, status, context::getLog, this::concerned);
        this.preparation = new SegmentPreparation(parts, tools, availability);
        this.gate = new AppendGate(parts.stripeId, preparation);
        this.flusher = context.spawn(
                Flusher.create(self, parts.flushDispatcher, log, budget, status.meters()),
                "forebay-flusher", // reference.conf names it
                DispatcherSelector.fromConfig(StoreSettings.FLUSHER_DISPATCHER));
        context.watch(flusher);
        this.flushing = new Flushing(parts, tools, gate, unflushed, flusher);
        this.rewriting = new Rewriting(parts, tools, availability, unflushed, flusher, ownOrigin);
        this.checkpoints = new Checkpointing(parts, tools, gate, registrations, unflushed, ownOrigin);
        this.cleaning = new Cleaning(parts, tools, gate, unflushed, checkpoints);
        this.line = new AppendLine(parts, gate, registrations, unflushed, checkpoints, cleaning);
        this.end = new StripeEnd(parts, tools, availability, flushing, cleaning, line, flusher);
        timers.startTimerWithFixedDelay(IdleTick.INSTANCE, parts.config.checkpointIdleInterval());
        preparation.prepareIfNeeded();
        self.tell(SegmentPreparation.MeasureAgain.INSTANCE);
    }

    // --- phases ---

    private Behavior<Message> running() {
        return inAnyPhase(BehaviorBuilder.<Message>create()
                        .onMessage(Append.class, guarded(this::onAppend))
                        .onMessage(RangeForced.class, guarded(this::onRangeForced))
                        .onMessage(AwaitDurable.class, guarded(this::onAwaitDurable))
                        .onMessage(Snapshot.class, guarded(line::snapshot, this::proceed))
                        .onMessage(Forget.class, guarded(line::forget, this::proceed))
                        .onMessage(Flushing.FlushDue.class, guarded(due -> flushing.onFlushDue(), this::proceed))
                        .onMessage(RangeFailed.class, guarded(this::onRangeFailed))
                        .onMessage(SegmentPreparation.SegmentPrepared.class, guarded(this::onSegmentPrepared))
                        .onMessage(
                                SegmentPreparation.PrepareAgain.class,
                                guarded(again -> preparation.onPrepareAgain(), this::proceed))
                        .onMessage(IdleTick.class, guarded(this::onIdleTick))
                        .onMessage(
                                Checkpointing.SnapshotsTimedOut.class,
                                guarded(checkpoints::onSnapshotsTimedOut, this::proceed))
                        .onMessage(
                                Checkpointing.CheckpointPauseOver.class,
                                guarded(over -> checkpoints.pauseOver(), this::proceed))
                        .onMessage(
                                Checkpointing.CheckpointFinished.class,
                                guarded(checkpoints::onCheckpointFinished, this::proceed))
                        .onMessage(
                                Cleaning.EvacuationPlanned.class, guarded(cleaning::onEvacuationPlanned, this::proceed))
                        .onMessage(Cleaning.EvacuationRead.class, guarded(cleaning::onEvacuationRead, this::proceed))
                        .onMessage(
                                Cleaning.EvacuationFinished.class,
                                guarded(cleaning::onEvacuationFinished, this::proceed))
                        .onMessage(Stop.class, guarded(asked -> end.ask(asked, false), this::proceed))
                        .onMessage(StripeEnd.StopTimedOut.class, guarded(timeout -> end.timeOver(), this::proceed))
                        .onMessage(Rewrite.class, guarded(rewritten -> Behaviors.same())) // answers one that has ended
                        .onMessage(Rewriting.RewriteTimedOut.class, guarded(timeout -> Behaviors.same())))
                .build();
    }

    /** Also while the stripe is read-only: appends wait for what has to be written again. */
    private Behavior<Message> rewriting() {
        return inAnyPhase(BehaviorBuilder.<Message>create()
                        .onMessage(Append.class, guarded(line::add, Behaviors::same))
                        .onMessage(Snapshot.class, guarded(line::add, Behaviors::same))
                        .onMessage(Forget.class, guarded(line::add, Behaviors::same))
                        .onMessage(AwaitDurable.class, guarded(flushing::awaitAtFlusher, Behaviors::same))
                        .onMessage(Rewrite.class, guarded(rewriting::onRewrite, Behaviors::same))
                        .onMessage(
                                Rewriting.RewriteTimedOut.class,
                                guarded(timeout -> rewriting.onRewriteTimedOut(), Behaviors::same))
                        .onMessage(
                                Rewriting.RewriteAgain.class,
                                guarded(again -> rewriting.onRewriteAgain(), Behaviors::same))
                        .onMessage(
                                Rewriting.RewriteFinished.class, guarded(rewriting::onRewriteFinished, Behaviors::same))
                        .onMessage(RewrittenTold.class, guarded(this::onRewrittenTold))
                        .onMessage(
                                Flushing.FlushDue.class,
                                guarded(due -> flushing.onFlushDueRewriting(), Behaviors::same))
                        .onMessage(
                                SegmentPreparation.SegmentPrepared.class,
                                guarded(preparation::onSegmentPrepared, this::finishRewriteIfComplete))
                        .onMessage(
                                SegmentPreparation.PrepareAgain.class,
                                guarded(again -> preparation.onPrepareAgain(), Behaviors::same))
                        .onMessage(IdleTick.class, guarded(tick -> Behaviors.same()))
                        .onMessage(Checkpointing.SnapshotsTimedOut.class, guarded(timeout -> Behaviors.same()))
                        .onMessage(
                                Checkpointing.CheckpointPauseOver.class,
                                guarded(over -> checkpoints.pauseOver(), Behaviors::same))
                        .onMessage(
                                Checkpointing.CheckpointFinished.class,
                                guarded(checkpoints::onCheckpointFinished, this::finishRewriteIfComplete))
                        .onMessage(
                                Cleaning.EvacuationPlanned.class,
                                guarded(cleaning::onPlannedTooLate, this::finishRewriteIfComplete))
                        .onMessage(
                                Cleaning.EvacuationRead.class,
                                guarded(read -> cleaning.endEvacuation(), this::finishRewriteIfComplete))
                        .onMessage(
                                Cleaning.EvacuationFinished.class,
                                guarded(finished -> cleaning.endEvacuation(), this::finishRewriteIfComplete))
                        .onMessage(Stop.class, guarded(asked -> end.ask(asked, true), Behaviors::same))
                        .onMessage(StripeEnd.StopTimedOut.class, guarded(timeout -> beginClosing(false))))
                .build();
    }

    /** Nothing more is appended; the log is closed as soon as nothing works on it. Also after a bug, then for good. */
    private Behavior<Message> closing() {
        return inAnyPhase(BehaviorBuilder.<Message>create()
                        .onMessage(
                                Append.class,
                                guarded(append -> line.reject(append, Refused.CLOSED, end.because()), Behaviors::same))
                        .onMessage(
                                AwaitDurable.class,
                                guarded(await -> await.origin.tell(availability.announced()), Behaviors::same))
                        .onMessage(Snapshot.class, guarded(snapshot -> Behaviors.same()))
                        .onMessage(Forget.class, guarded(forget -> Behaviors.same()))
                        .onMessage(Rewrite.class, guarded(rewritten -> Behaviors.same()))
                        .onMessage(Stop.class, guarded(end::askClosing, this::stopIfOver))
                        .onMessage(StripeEnd.LogClosed.class, guarded(end::onLogClosed, this::stopIfOver))
                        .onMessage(RangeForced.class, guarded(forced -> end.backFromFlusher(true), this::close))
                        .onMessage(RangeFailed.class, guarded(failed -> end.backFromFlusher(false), this::close))
                        .onMessage(StripeEnd.StopTimedOut.class, guarded(timeout -> end.timeOver(), this::close)))
                .onMessage(Internal.class, guarded(ended -> close())) // whatever has ended now
                .build();
    }

    /** What is the same in every phase. */
    private BehaviorBuilder<Message> inAnyPhase(BehaviorBuilder<Message> phase) {
        return phase.onMessage(Register.class, guarded(this::onRegister))
                .onMessage(SegmentPreparation.DiskMeasured.class, guarded(this::onDiskMeasured))
                .onMessage(SegmentPreparation.MeasureAgain.class, guarded(this::onMeasureAgain))
                .onSignal(Terminated.class, guarded(this::onTerminated))
                .onSignal(PostStop.class, guarded(this::onPostStop));
    }

    /**
     * A bug closes this stripe and nothing else: it is neither restarted away nor does it stop the actor silently. So does a page
     * that the device has not given: its {@link InternalError} may come late, when nobody can tell what is behind it any more.
     */
    private <T> Function<T, Behavior<Message>> guarded(Function<T, Behavior<Message>> handler) {
        return message -> {
            status.meters().messageBegins();
            try {
                return handler.apply(message);
            } catch (RuntimeException | AssertionError | InternalError bug) {
                return closeByBug(bug);
            } finally {
                status.meters().messageDone();
            }
        };
    }

    /** Has a part take the message, then does what follows. */
    private <T> Function<T, Behavior<Message>> guarded(Consumer<T> part, Supplier<Behavior<Message>> next) {
        return guarded(message -> {
            part.accept(message);
            return next.get();
        });
    }

    // --- appending ---

    private Behavior<Message> onAppend(Append append) {
        line.append(append);
        return proceed();
    }

    /** Looks at everything that may be due now; the end of each handler while running. */
    private Behavior<Message> proceed() {
        if (gate.hasStoreFailed()) {
            // The range at the Flusher must come back first: it may still turn out durable.
            return flushing.isAtFlusher() ? Behaviors.same() : beginRewrite(null, gate.storeFailure());
        }
        if (checkpoints.isDue()) {
            beginCheckpoint();
        }
        if (!end.isAsked()) {
            cleaning.evacuateFurther(line.canAppend());
        }
        flushing.flushIfDue();
        preparation.prepareIfNeeded();
        return end.isAsked() ? proceedToStop() : Behaviors.same();
    }

    // --- flushing ---

    private Behavior<Message> onRangeForced(RangeForced forced) {
        long durable = flushing.backFromFlusher(false);
        if (gate.hasStoreFailed() && durable < forced.range.toSequence()) {
            return beginRewrite(null, gate.storeFailure());
        }
        checkpoints.durable(durable);
        return proceed();
    }

    private Behavior<Message> onAwaitDurable(AwaitDurable await) {
        return flushing.await(await) ? proceed() : Behaviors.same();
    }

    // --- segments ---

    private Behavior<Message> onMeasureAgain(SegmentPreparation.MeasureAgain again) {
        if (!end.isClosing()) {
            preparation.measure();
        }
        return Behaviors.same();
    }

    private Behavior<Message> onDiskMeasured(SegmentPreparation.DiskMeasured measured) {
        if (end.isClosing()) {
            return close();
        }
        preparation.measured();
        if (rewriting.isUnderWay()) {
            return finishRewriteIfComplete();
        }
        if (budget.isDiskLow()) {
            cleaning.wantPlan();
        }
        return proceed();
    }

    private Behavior<Message> onSegmentPrepared(SegmentPreparation.SegmentPrepared prepared) {
        preparation.onSegmentPrepared(prepared);
        if (prepared.failure() == null) {
            resume();
        }
        return proceed();
    }

    /** Appends what waited; tells that it is over if nothing waits any more. */
    private void resume() {
        line.appendWaiting();
        checkpoints.writeManifestIfGathered();
        if (gate.isOpen()) {
            availability.available();
        }
    }

    // --- rewriting ---

    private Behavior<Message> onRangeFailed(RangeFailed failed) {
        flushing.backFromFlusher(true);
        return gate.hasStoreFailed()
                ? beginRewrite(null, gate.storeFailure())
                : beginRewrite(failed.range, failed.cause);
    }

    private Behavior<Message> beginRewrite(FlushRange range, IOException cause) {
        if (end.isTimeOver()) {
            return beginClosing(false);
        }
        context.getLog()
                .error(
                        "stripe {}: a force failed, everything above sequence {} is written again: {}",
                        parts.stripeId,
                        log.durableSequence(),
                        cause.getMessage());
        status.flushFailed(cause.getMessage());
        status.phase(StripePhase.REWRITING);
        gate.rewriting();
        checkpoints.overtaken();
        cleaning.overtaken();
        rewriting.begin(range);
        Behavior<Message> phase = rewriting();
        rewriting.further();
        return phase;
    }

    private Behavior<Message> finishRewriteIfComplete() {
        rewriting.finishIfComplete();
        return Behaviors.same();
    }

    /** Only now, so that Rewritten comes before what is told of the appends that waited. */
    private Behavior<Message> onRewrittenTold(RewrittenTold told) {
        status.phase(end.isAsked() ? StripePhase.CLOSING : StripePhase.RUNNING);
        rewriting.told();
        resume();
        return switchTo(running(), this::proceed);
    }

    // --- checkpoints ---

    private void beginCheckpoint() {
        if (line.canAppend()) {
            checkpoints.begin();
        }
    }

    private Behavior<Message> onIdleTick(IdleTick tick) {
        if (budget.isDiskLow() && checkpoints.hasChanges()) {
            checkpoints.want(); // what was acked since may free segments
        }
        if (checkpoints.isDueWhenIdle()) {
            beginCheckpoint();
        }
        cleaning.onIdleTick();
        self.tell(SegmentPreparation.MeasureAgain.INSTANCE); // others fill the disk, too
        return proceed();
    }

    // --- owners ---

    private Behavior<Message> onRegister(Register register) {
        Owner owner = register.owner;
        if (registrations.register(owner, register.origin, register.account)) {
            context.watch(register.origin);
        }
        if (availability.announced() != null) {
            register.origin.tell(availability.announced());
        }
        checkpoints.registered(owner, register.origin);
        return Behaviors.same();
    }

    private Behavior<Message> onTerminated(Terminated terminated) {
        if (terminated.getRef().equals(flusher)) {
            return onFlusherEnded(terminated instanceof ChildFailed failed ? failed.cause() : null);
        }
        ActorRef<Event> origin = terminated.getRef().unsafeUpcast();
        for (Owner owner : registrations.gone(origin)) {
            checkpoints.gone(owner);
        }
        if (end.isClosing()) {
            return Behaviors.same();
        }
        if (rewriting.isUnderWay()) {
            rewriting.gone(origin);
            return Behaviors.same();
        }
        checkpoints.writeManifestIfGathered();
        return proceed();
    }

    private Set<ActorRef<Event>> concerned() {
        Set<ActorRef<Event>> all = new HashSet<>(registrations.origins());
        unflushed.addOriginsTo(all);
        line.addOriginsTo(all);
        return all;
    }

    // --- stopping ---

    private Behavior<Message> proceedToStop() {
        if (end.isTimeOver()) {
            return beginClosing(false);
        }
        if (checkpoints.isUnderWay() || !line.isEmpty()) {
            return Behaviors.same();
        }
        if (end.takeLastCheckpoint()) {
            checkpoints.pauseOver();
            if (checkpoints.hasChanges()) {
                beginCheckpoint();
                flushing.flushIfDue();
                if (checkpoints.isUnderWay()) {
                    return Behaviors.same();
                }
            }
        }
        return beginClosing(true);
    }

    private Behavior<Message> beginClosing(boolean clean) {
        end.beginClosing(clean);
        return switchTo(closing(), this::close);
    }

    private Behavior<Message> closeByBug(Throwable bug) {
        end.beginClosingByBug(bug);
        return switchTo(closing(), this::close);
    }

    private Behavior<Message> close() {
        end.close();
        return Behaviors.same();
    }

    private Behavior<Message> stopIfOver() {
        return end.tellIfOver() ? Behaviors.stopped() : Behaviors.same();
    }

    private Behavior<Message> onFlusherEnded(Throwable cause) {
        return end.onFlusherEnded() ? stopIfOver() : closeByBug(new AssertionError("the Flusher has ended", cause));
    }

    /** Without a {@link Stop} before, the ActorSystem ends abruptly: let go of the files when nobody touches them any more. */
    private Behavior<Message> onPostStop(PostStop signal) {
        if (end.endAbruptly()) {
            // The Flusher, a child, has ended before, and so has its force.
            blockingCalls.whenEnded().whenComplete((done, failure) -> {
                try {
                    log.close(false);
                } catch (IOException e) {
                    status.failed("close: " + e.getMessage());
                }
            });
        }
        return Behaviors.same();
    }

    // --- tools ---

    /** Enters a phase and lets its first step decide what comes next. */
    private Behavior<Message> switchTo(Behavior<Message> phase, Supplier<Behavior<Message>> firstStep) {
        Behavior<Message> next = firstStep.get();
        return next == Behaviors.<Message>same() ? phase : next;
    }

    private final class Tools implements WriterTools {
        @Override
        public Logger logger() {
            return context.getLog();
        }

        @Override
        public void startTimer(Object key, Message message, Duration delay) {
            timers.startSingleTimer(key, message, delay);
        }

        @Override
        public void cancelTimer(Object key) {
            timers.cancel(key);
        }

        @Override
        public void tellSelf(Message message) {
            self.tell(message);
        }

        @Override
        public void offload(BlockingCalls.Call call, java.util.function.Function<Throwable, Message> ended) {
            blockingCalls.start(call, failure -> self.tell(ended.apply(failure)));
        }

        @Override
        public boolean isAnyCallRunning() {
            return blockingCalls.isAnyRunning();
        }

        @Override
        public void watch(ActorRef<?> target) {
            context.watch(target);
        }
    }
}
