package io.forebay.client;

import io.forebay.protocol.Delivery;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.SubscriptionProgress;
import java.util.List;

/**
 * What a subscription has come by at one node, and what follows: how many credits the node has, how much is popped, and when the
 * node is told what has come. What is wanted in all, less what has come or was asked for otherwise, is the node's credit; so no
 * more is under way than is wanted, but for a moment when the group's mode changes. Confined to its session; times come in as
 * values.
 */
final class SubscriptionBook {
    /** Pushes, and bytes of their bodies, after which the node is told that they have come. */
    private static final int UNREPORTED_MAX = 8;

    private static final long UNREPORTED_BYTES_MAX = 256 * 1024;

    /** What is taken for so until the node has said it: so the first request brings the credits. */
    private DeliveryMode mode = DeliveryMode.PUSH;

    private SubscriptionProgress progress = SubscriptionProgress.begin(0);
    private long poppedCount;
    private long popsAskedCount;
    private int unreportedCount;
    private long unreportedBytes;
    private long reportAtMillis = Long.MAX_VALUE;
    private boolean isReportDue;

    DeliveryMode mode() {
        return mode;
    }

    /** @return whether it is another one than before; then the node is told that it has been understood */
    boolean changeMode(DeliveryMode newMode) {
        boolean isChanged = mode != newMode;
        mode = newMode;
        isReportDue |= isChanged;
        return isChanged;
    }

    SubscriptionProgress progress() {
        return progress;
    }

    /** Whether a push with that number has not come. */
    boolean isNew(long pushNumber) {
        return !progress.hasReceived(pushNumber) && pushNumber <= progress.receivedUpTo() + SubscriptionProgress.WINDOW;
    }

    /**
     * A push has come that is new.
     *
     * @param reportWithinMillis how soon the node has to be told
     */
    void received(long pushNumber, List<Delivery> deliveries, long nowMillis, long reportWithinMillis) {
        progress = progress.received(pushNumber, deliveries.size());
        unreportedCount++;
        for (Delivery delivery : deliveries) {
            unreportedBytes += delivery.body().length;
        }
        if (reportAtMillis == Long.MAX_VALUE) {
            reportAtMillis = nowMillis + reportWithinMillis;
        }
    }

    /** A pop is made. */
    void asked(int countMax) {
        popsAskedCount += countMax;
    }

    /** A pop has ended. */
    void popped(int countMax, int count) {
        popsAskedCount -= countMax;
        poppedCount += count;
    }

    /** Messages that are wanted and neither have come nor are asked for by pops. */
    long freeCount(long wantedTotal) {
        return wantedTotal - progress.receivedCount() - poppedCount - popsAskedCount;
    }

    /** With the credits of now, for whoever subscribes. */
    SubscriptionProgress progressToSubscribe(long wantedTotal, int creditsMax) {
        progress = progress.withTotalCredits(credits(wantedTotal, creditsMax));
        return progress;
    }

    /** The node has to be told, whatever it knows. */
    void reportIsDue() {
        isReportDue = true;
    }

    /** What to tell the node now, null for nothing; it counts as told. */
    SubscriptionProgress takeReport(long nowMillis, long wantedTotal, int creditsMax) {
        long credits = credits(wantedTotal, creditsMax);
        boolean isDue = isReportDue
                || credits != progress.totalCredits()
                || unreportedCount >= UNREPORTED_MAX
                || unreportedBytes >= UNREPORTED_BYTES_MAX
                || nowMillis >= reportAtMillis;
        if (!isDue) {
            return null;
        }
        progress = progress.withTotalCredits(credits);
        isReportDue = false;
        unreportedCount = 0;
        unreportedBytes = 0;
        reportAtMillis = Long.MAX_VALUE;
        return progress;
    }

    /** When there will be something to tell at the latest, {@link Long#MAX_VALUE} for never. */
    long reportAtMillis() {
        return reportAtMillis;
    }

    /** Messages that the node may push in all. */
    private long credits(long wantedTotal, int creditsMax) {
        long received = progress.receivedCount();
        if (mode == DeliveryMode.POP) {
            return received;
        }
        return Math.max(received, Math.min(received + freeCount(wantedTotal), received + creditsMax));
    }
}
