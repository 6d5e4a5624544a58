package io.forebay.store;

import io.forebay.storage.log.Frame;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Bounds what a stripe may hold that is not flushed yet: memory of frames in bytes, reserved before an event is decided and given
 * back when they are durable. What is rewritten after a failed force stays counted, because its frames are retained.
 *
 * <p>The tiers say who is refused first. Sends stop at the high-water mark, acks are taken longest, because refusing an
 * ack costs a redelivery. Each tier has a limit on unflushed bytes and a floor of free disk space.
 *
 * <p>Who cannot be refused waits in line. While somebody waits, nobody of its tier, or of one that is refused before it, takes room
 * that comes free: it may be much that is waited for, and others would take it bit by bit for ever.
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

    private record Waiter(Account account, Tier tier, long bytes, Runnable wakeUp) {}

    /**
     * Nothing is taken now.
     *
     * @param detail one line for people
     */
    public record Unavailability(Reason reason, String detail) {}

    private static final Tier[] TIERS = Tier.values();
    private static final long RETRY_AFTER_MILLIS_MIN = 5;
    private static final long RETRY_AFTER_MILLIS_MAX = 5_000;
    private static final long RETRY_AFTER_MILLIS_FAILING = 1_000;
    /** A device no force has measured yet is taken for a slow one: 10 MB/s, in bytes per millisecond. */
    private static final double FLUSH_RATE_AT_FIRST = 10_000;

    private final int stripeId;
    private final long[] unflushedLimits = new long[TIERS.length];
    private final long[] freeDiskFloors = new long[TIERS.length];
    private final long maxUnflushedBytes;
    private final AtomicLong unflushedBytes = new AtomicLong();
    private final Queue<Waiter> waiters = new ArrayDeque<>();
    /** Read without the lock of {@link #waiters}, so that giving back costs no lock while nobody waits. */
    private volatile boolean somebodyWaits;

    /** The highest of the tiers of those who wait, by its ordinal; -1 if nobody does. */
    private volatile int waitingTier = -1;

    private volatile Unavailability unavailability;
    private volatile long freeDiskBytes = Long.MAX_VALUE;
    /** Bytes per millisecond, moving average; written by the Flusher only. */
    private volatile double flushRate = FLUSH_RATE_AT_FIRST;

    /**
     * @param sendHighWaterPercent share of {@code maxUnflushedBytes} up to which Sends are taken; acks are taken up to all
     *     of it, what is between in equal steps
     * @param diskReserveBytes free space below which Sends are refused; deliveries, extensions and acks at 3/4, 1/2 and 1/4
     * @param segmentBytes of which the log has two ready when the disk has no more to give: extensions are taken until less than
     *     both are left, and acks until less than one is, at the latest
     */
    public StripeBudget(
            int stripeId, long maxUnflushedBytes, int sendHighWaterPercent, long diskReserveBytes, long segmentBytes) {
        this.stripeId = stripeId;
        this.maxUnflushedBytes = maxUnflushedBytes;
        long sendLimit = maxUnflushedBytes / 100 * sendHighWaterPercent;
        int last = TIERS.length - 1;
        for (int i = 0; i <= last; i++) {
            unflushedLimits[i] = sendLimit + (maxUnflushedBytes - sendLimit) * i / last;
            freeDiskFloors[i] = diskReserveBytes * (TIERS.length - i) / TIERS.length;
        }
        lowerFloor(Tier.EXTENSION, 2 * segmentBytes);
        lowerFloor(Tier.ACK, segmentBytes);
    }

    private void lowerFloor(Tier tier, long bytes) {
        freeDiskFloors[tier.ordinal()] = Math.min(freeDiskFloors[tier.ordinal()], bytes);
    }

    /** Opens the account of one actor. What it holds when the actor stops is given back by {@link Account#close()}. */
    public Account open() {
        return new Account();
    }

    /** Why {@link Account#tryReserve} just said no, or would say no now; never null. */
    public NoRoom refusal(Tier tier) {
        Unavailability gone = unavailability;
        if (gone != null) {
            return new NoRoom(gone.reason, RETRY_AFTER_MILLIS_FAILING, gone.detail);
        }
        long free = freeDiskBytes;
        long floor = freeDiskFloors[tier.ordinal()];
        if (free < floor) {
            String detail = "stripe " + stripeId + ": " + free + " bytes of disk are free, " + tier + " needs " + floor;
            return new NoRoom(Reason.DISK_FULL, RETRY_AFTER_MILLIS_FAILING, detail);
        }
        long limit = unflushedLimits[tier.ordinal()];
        long unflushed = unflushedBytes.get();
        // Wait until an eighth is free, not just a byte: who comes back should find room for a batch.
        long excess = unflushed - (limit - limit / 8);
        long millis = (long) (Math.max(0, excess) / flushRate);
        String detail =
                "stripe " + stripeId + ": " + unflushed + " bytes are not flushed, " + tier + " may add up to " + limit;
        return new NoRoom(
                Reason.BUSY, Math.min(Math.max(millis, RETRY_AFTER_MILLIS_MIN), RETRY_AFTER_MILLIS_MAX), detail);
    }

    /** Whether a reservation of this tier would be granted now; a hint. */
    public boolean hasRoom(Tier tier, long bytes) {
        return tier.ordinal() > waitingTier && fits(tier, bytes, unflushedBytes.get());
    }

    /** Bytes reserved or appended and not flushed. */
    public long unflushedBytes() {
        return unflushedBytes.get();
    }

    /** Why nothing is taken, whoever asks; empty while it depends on the tier. */
    public Optional<Unavailability> unavailability() {
        return Optional.ofNullable(unavailability);
    }

    /** What the log can still write, as measured last; {@link Long#MAX_VALUE} if it never was. */
    public long freeDiskBytes() {
        return freeDiskBytes;
    }

    /** Who is refused because so little of the disk is free. */
    public Set<Tier> diskRefuses() {
        long free = freeDiskBytes;
        Set<Tier> refused = EnumSet.noneOf(Tier.class);
        for (Tier tier : TIERS) {
            if (free < freeDiskFloors[tier.ordinal()]) {
                refused.add(tier);
            }
        }
        return refused;
    }

    /** Bytes that may be unflushed at most (forebay.store.max-unflushed). */
    public long unflushedBytesMax() {
        return maxUnflushedBytes;
    }

    /** Of that the share up to which this tier may add: more at once finds room only while nothing else is unflushed. */
    public long unflushedBytesMax(Tier tier) {
        return unflushedLimits[tier.ordinal()];
    }

    /** How many wait for room; at once out of date. */
    public int waiterCount() {
        synchronized (waiters) {
            return waiters.size();
        }
    }

    /** Whether the tier is refused, however little is unflushed. */
    private boolean isClosedTo(Tier tier) {
        return unavailability != null || freeDiskBytes < freeDiskFloors[tier.ordinal()];
    }

    private boolean fits(Tier tier, long bytes, long unflushed) {
        if (isClosedTo(tier)) {
            return false;
        }
        // One batch larger than the limit would never fit: it is taken when nothing else is there.
        return unflushed + bytes <= unflushedLimits[tier.ordinal()] || unflushed == 0;
    }

    private boolean tryAddInTurn(long bytes, Tier tier) {
        return tier.ordinal() > waitingTier && tryAdd(bytes, tier);
    }

    private boolean tryAdd(long bytes, Tier tier) {
        while (true) {
            long unflushed = unflushedBytes.get();
            if (!fits(tier, bytes, unflushed)) {
                return false;
            }
            if (unflushedBytes.compareAndSet(unflushed, unflushed + bytes)) {
                return true;
            }
        }
    }

    /** Takes room without asking: for what was decided already, and for the stripe's own snapshots. */
    void take(long bytes) {
        unflushedBytes.addAndGet(bytes);
    }

    /** Gives back bytes that are durable, or that were never used. */
    void release(long bytes) {
        long left = unflushedBytes.addAndGet(-bytes);
        if (left < 0) {
            throw new AssertionError("stripe " + stripeId + ": gave back more than was taken: " + left);
        }
        wakeThoseWithRoom();
    }

    /** As {@link #release}, and says how long the force of these bytes took. One thread at a time. */
    void flushed(long bytes, long forceNanos) {
        double rate = bytes * 1e6 / Math.max(1, forceNanos);
        flushRate = Math.max(1, flushRate * 0.8 + rate * 0.2);
        release(bytes);
    }

    /** Refuses everything, for this reason, until {@link #available()}. */
    void unavailable(Reason reason, String detail) {
        unavailability = new Unavailability(reason, detail);
        wakeThoseWithRoom();
    }

    void available() {
        unavailability = null;
        wakeThoseWithRoom();
    }

    /** What the log can still write: free space of the file system and of its prepared segments. */
    void freeDisk(long bytes) {
        freeDiskBytes = bytes;
        wakeThoseWithRoom();
    }

    /** Free space below which Sends are refused (forebay.storage.low-space). */
    long lowDiskBytes() {
        return freeDiskFloors[0];
    }

    /** Whether Sends are refused for want of disk space. */
    boolean isDiskLow() {
        return freeDiskBytes < freeDiskFloors[0];
    }

    private void wakeThoseWithRoom() {
        if (!somebodyWaits) {
            return;
        }
        List<Waiter> woken = new ArrayList<>();
        synchronized (waiters) {
            int waiting = -1;
            for (var i = waiters.iterator(); i.hasNext(); ) {
                Waiter waiter = i.next();
                int tier = waiter.tier.ordinal();
                boolean isGranted = tier > waiting && tryAdd(waiter.bytes, waiter.tier);
                if (isGranted) {
                    waiter.account.granted = new Grant(waiter.tier, waiter.bytes);
                }
                if (isGranted || isClosedTo(waiter.tier)) {
                    woken.add(waiter);
                    i.remove();
                } else {
                    waiting = Math.max(waiting, tier);
                }
            }
            waitingTier = waiting;
            somebodyWaits = !waiters.isEmpty();
        }
        woken.forEach(waiter -> waiter.wakeUp.run());
    }

    /** What was reserved for one who waited. */
    private record Grant(Tier tier, long bytes) {}

    /** What one actor has reserved and not yet handed to the StoreWriter. */
    public final class Account implements AutoCloseable {
        private final AtomicLong reservedBytes = new AtomicLong();
        /** Written under the lock of {@link #waiters}. */
        private volatile Grant granted;

        /** Written under that lock. */
        private volatile boolean isClosed;

        private Account() {}

        /**
         * Waits in line for room that {@link #tryReserve} has just refused for being {@link Reason#BUSY}. Once there is, first come,
         * first served, it is kept for this account until {@link #endTurn}, and {@code wakeUp} is called; at once if there is now. It
         * is called, too, when there is another reason for refusing, so that who waits hears of it by asking again. It runs on
         * whatever thread brought that about and must do no more than send a message. One wait at a time.
         */
        public void awaitTurn(long bytes, Tier tier, Runnable wakeUp) {
            endTurn();
            synchronized (waiters) {
                if (isClosed) {
                    return;
                }
                waiters.add(new Waiter(this, tier, bytes, wakeUp));
                waitingTier = Math.max(waitingTier, tier.ordinal());
                somebodyWaits = true;
            }
            wakeThoseWithRoom();
        }

        /** Who waited has asked again, or does not want it any more: what was kept for it is for others. */
        public void endTurn() {
            Grant grant = granted;
            if (grant != null && takeGranted(grant)) {
                release(grant.bytes);
            }
        }

        private boolean takeGranted(Grant grant) {
            synchronized (waiters) {
                boolean isThere = granted == grant;
                granted = isThere ? null : granted;
                return isThere;
            }
        }

        private boolean takeGranted(long bytes, Tier tier) {
            Grant grant = granted;
            return grant != null && grant.bytes == bytes && grant.tier == tier && takeGranted(grant);
        }

        /**
         * Reserves room for the frames an event needs, before it is decided. All or nothing; never waits. What was kept for who waited
         * is taken if it is just this.
         *
         * @param bytes upper bound of {@code Frame.lengthBytes()} of what will be appended
         * @return false if the tier has no room; {@link StripeBudget#refusal} says why
         */
        public boolean tryReserve(long bytes, Tier tier) {
            if (isClosed || !takeGranted(bytes, tier) && !tryAddInTurn(bytes, tier)) {
                return false;
            }
            reservedBytes.addAndGet(bytes);
            return true;
        }

        /**
         * Gives back what was not needed, at most what the account holds: a frame that became longer than what was reserved
         * for it has taken from the rest.
         */
        public void giveBack(long bytes) {
            long given = Math.min(bytes, reservedBytes.get());
            if (given > 0) {
                reservedBytes.addAndGet(-given);
                release(given);
            }
        }

        /**
         * Moves a frame's bytes ({@code lengthBytes()}) from this account to the stripe, which gives back what the frame holds
         * when it is durable. Call it once for each frame, right before the {@link StoreWriter.Append} is told. What the
         * reservations do not cover, and the memory that the frame holds beyond its bytes, is taken all the same (a decided
         * event is never refused).
         */
        public void spend(Frame frame) {
            long covered = Math.min(reservedBytes.get(), frame.lengthBytes());
            reservedBytes.addAndGet(-covered);
            take(frame.retainedBytes() - covered);
        }

        /** Reserved and neither spent nor given back. */
        public long reservedBytes() {
            return reservedBytes.get();
        }

        /** Gives everything back, and waits no longer; idempotent. The StoreWriter does it when the registered actor has stopped. */
        @Override
        public void close() {
            synchronized (waiters) {
                isClosed = true;
                waiters.removeIf(waiter -> waiter.account == this);
            }
            endTurn();
            wakeThoseWithRoom();
            long left = reservedBytes.getAndSet(0);
            if (left > 0) {
                release(left);
            }
        }
    }
}
