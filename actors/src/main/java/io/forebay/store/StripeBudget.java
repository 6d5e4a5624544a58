package io.forebay.store;

import java.util.function.LongSupplier;

/**
 * Bounds what a stripe may hold that is not flushed yet: bytes of frames, reserved before an event is decided and given
 * back when they are durable. What is rewritten after a failed force stays counted, because its frames are retained.
 *
 * <p>The tiers say who is refused first. Sends stop at the high-water mark, acks are taken longest, because refusing an
 * ack costs a redelivery. Each tier has a limit on unflushed bytes and a floor of free disk space.
 *
 * <p>Thread-safe. An {@link Account} is confined to its actor, but for {@link Account#close()}.
 */
public final class StripeBudget {
    /** Who reserves, in the order in which they are refused. */
    public enum Tier {
        /** New messages. */
        SEND,
        /** Pop checkpoints: new deliveries. */
        DELIVERY,
        /** Deadlines moved, messages given back, dead letters, administration. */
        EXTENSION,
        /** Acks. */
        ACK
    }

    /** Why there is no room now. */
    public enum Reason {
        /** More is unflushed than the tier may add to: the disk is slower than its writers. */
        BUSY,
        /** The tier's reserve of disk space is reached. */
        DISK_FULL,
        /** The device fails; the stripe comes back by itself when writing works. */
        READ_ONLY,
        /** The stripe stops. */
        SHUTTING_DOWN,
        /** The stripe is closed because of a bug or a failure it cannot come back from. */
        CLOSED
    }

    /**
     * A refusal: what a client is told.
     *
     * @param retryAfterMillis estimate of when there will be room, never 0
     * @param detail one line for people
     */
    public record NoRoom(Reason reason, long retryAfterMillis, String detail) {}

    private StripeBudget() {}

    static StripeBudget create(StoreConfig config, LongSupplier nanoTime) {
        throw new AssertionError("skeleton");
    }

    /** Opens the account of one actor. What it holds when the actor stops is given back by {@link Account#close()}. */
    public Account open() {
        throw new AssertionError("skeleton");
    }

    /** Why {@link Account#tryReserve} just said no, or would say no now; never null. */
    public NoRoom refusal(Tier tier) {
        throw new AssertionError("skeleton");
    }

    /** Whether a reservation of this tier would be granted now; a hint. */
    public boolean hasRoom(Tier tier) {
        throw new AssertionError("skeleton");
    }

    /**
     * Calls {@code wakeUp} once when the tier has room again, at once if it has it now. It runs on whatever thread made the
     * room and must do no more than send a message. There is no promise that the room lasts until the message is read.
     */
    public void whenRoom(Tier tier, Runnable wakeUp) {
        throw new AssertionError("skeleton");
    }

    /** Bytes reserved or appended and not flushed. */
    public long unflushedBytes() {
        throw new AssertionError("skeleton");
    }

    /** Bytes that may be unflushed at most (forebay.store.max-unflushed). */
    public long unflushedBytesMax() {
        throw new AssertionError("skeleton");
    }

    /** What one actor has reserved and not yet handed to the StoreWriter. */
    public final class Account implements AutoCloseable {
        private Account() {}

        /**
         * Reserves room for the frames an event needs, before it is decided. All or nothing; never waits.
         *
         * @param bytes upper bound of {@code Frame.lengthBytes()} of what will be appended
         * @return false if the tier has no room; {@link StripeBudget#refusal} says why
         */
        public boolean tryReserve(long bytes, Tier tier) {
            throw new AssertionError("skeleton");
        }

        /** Gives back what was not needed. */
        public void giveBack(long bytes) {
            throw new AssertionError("skeleton");
        }

        /**
         * Moves the bytes of a frame from this account to the stripe, which gives them back when the frame is durable. Call it
         * right before the {@link StoreWriter.Append} is told. What the reservations do not cover is taken all the same (a
         * decided event is never refused).
         */
        public void spend(long frameBytes) {
            throw new AssertionError("skeleton");
        }

        /** Reserved and neither spent nor given back. */
        public long reservedBytes() {
            throw new AssertionError("skeleton");
        }

        /** Gives everything back; idempotent, thread-safe. The StoreWriter does it when the registered actor stops. */
        @Override
        public void close() {
            throw new AssertionError("skeleton");
        }
    }
}
