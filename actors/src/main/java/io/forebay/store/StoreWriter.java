package io.forebay.store;

import akka.actor.typed.ActorRef;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.Owner;
import java.util.List;
import java.util.Objects;

/**
 * The only writer of a stripe's log, on a thread of its own. It gives sequences and queue offsets to what it appends,
 * answers right after the append, and has the Flusher force behind it.
 *
 * <p>Order: the frames of one origin are appended in the order in which it sent them, and everything told to an origin comes
 * in the order in which it happened. A frame sent once is appended once; nothing here is idempotent unless it says so.
 */
public final class StoreWriter {
    private StoreWriter() {}

    /** What the actor understands; the part that others may send is {@link Command}. */
    public sealed interface Message permits Command, Internal {}

    non-sealed interface Internal extends Message {}

    /** What owners of records send. */
    public sealed interface Command extends Message permits Append, Rewrite, Register, Forget, Snapshot {}

    /**
     * Appends a frame. The answer is {@link Written} as soon as it is in the page cache. Its bytes must have been reserved and
     * spent ({@link StripeBudget.Account#spend}). It is never refused while the stripe lives, only delayed: while a segment
     * is being prepared, while the stripe rewrites or is read-only.
     *
     * @param origin who is answered, and asked to send the frame again should its force fail
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

    /** What the stripe tells the origin of records. */
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
     * first in line. Told to every registered origin and to those with frames outstanding; {@link Available} follows.
     */
    public record Unavailable(StripeBudget.Reason reason, String detail) implements Event {}

    /** The end of {@link Unavailable}. */
    public record Available() implements Event {}

    /** A checkpoint needs a snapshot of this owner; the answer is {@link Snapshot} as soon as no batch of it is outstanding. */
    public record SnapshotRequested(long checkpointId, Owner owner) implements Event {}

    /**
     * The stripe is closed or closes: the frame was not appended and never will be by this stripe's StoreWriter. (What was
     * answered {@link Written} before is found again by recovery.)
     */
    public record Rejected(long tag, Frame frame, StripeBudget.Reason reason, String detail) implements Event {}
}
