package io.forebay.cluster.core;

import io.forebay.protocol.SubscriptionProgress;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;

/**
 * The pushes of one subscription. Each push has a number and is one Pop, whose request id is made of it: so what was pushed
 * and got lost is had again by asking for the same number, also after a restart of the node, as long as its deadline has not
 * passed. Numbers are asked for from the lowest on, so whoever begins anew with what the client has comes by all of them.
 *
 * <p>A number waits to be asked for, is asked for, or is pushed and not known to be received; then it is forgotten. Credits
 * pay for what is asked for and what is pushed; only where it begins anew with pushes on their way, of which it cannot know
 * how large they were, it may ask for as much as two pushes too many. Confined to its session; time comes in as a value.
 */
public final class PushWindow {
    /** Pops that wait for messages at a time: while what one got is on its way the other one waits. */
    static final int ASKED_MAX = 2;

    /**
     * A Pop to make.
     *
     * @param number of the push
     * @param count most messages
     * @param servedBy id of the queue that is known to have answered it before, 0 if none is
     * @param isWaiting whether it waits for messages; else it is only for what was pushed under this number before
     */
    public record Ask(long number, int count, int servedBy, boolean isWaiting) {}

    private enum Phase {
        TO_ASK,
        ASKED,
        PUSHED
    }

    private static final class Push {
        final long number;
        Phase phase = Phase.TO_ASK;
        /** Most messages it may bring, or those it has brought. */
        int count;

        long bytes;
        int servedBy;
        /** Counted up with each push, because they are received in this order. */
        long order;

        long pushedMillis;
        /** It was pushed, and the client has not got it. */
        boolean isLost;
        /** Whether it was that when it was asked for. */
        boolean wasLost;

        Push(long number) {
            this.number = number;
        }
    }

    private final int countMax;
    /** Those that are not received; by number. */
    private final TreeMap<Long, Push> pushes = new TreeMap<>();

    private SubscriptionProgress progress;
    private long nextNumber;
    private long lastOrder;
    private int askedCount;
    private long owedCount;
    private long bytes;
    private long restUntilMillis = Long.MIN_VALUE;
    private boolean isSuspended;

    /**
     * @param countMax most messages of one push
     * @param progress what the client has
     */
    public PushWindow(int countMax, SubscriptionProgress progress) {
        this.countMax = countMax;
        this.progress = progress;
        nextNumber = progress.receivedUpTo() + 1;
    }

    /** Bytes of bodies that were pushed and are not known to be received. */
    public long bytes() {
        return bytes;
    }

    /** Whether a Pop is under way. */
    public boolean isAsking() {
        return askedCount > 0;
    }

    /** Whether nothing is asked for because the client has to subscribe again. */
    public boolean isSuspended() {
        return isSuspended;
    }

    /** Whether what a Pop for that number brings has never been pushed: then nobody can have it. */
    public boolean isUnseen(long number) {
        Push push = pushes.get(number);
        return push != null && push.phase == Phase.ASKED && !push.wasLost;
    }

    /** Numbers of the Pops that are under way. */
    public List<Long> asked() {
        List<Long> numbers = new ArrayList<>(askedCount);
        for (Push push : pushes.values()) {
            if (push.phase == Phase.ASKED) {
                numbers.add(push.number);
            }
        }
        return numbers;
    }

    /** Until when nothing is asked for; it may have passed. */
    public long restUntilMillis() {
        return restUntilMillis;
    }

    /**
     * The next Pop to make; it counts as made.
     *
     * @param mayTakeNew whether it may be one for new messages
     * @return null if there is none for now
     */
    public Ask nextAsk(long nowMillis, boolean mayTakeNew) {
        if (isSuspended || nowMillis < restUntilMillis) {
            return null;
        }
        Push lost = firstLost();
        if (lost != null) {
            return ask(lost, lost.count, false);
        }
        if (!mayTakeNew || askedCount >= ASKED_MAX) {
            return null;
        }
        long credits = progress.openCredits() - owedCount;
        if (credits <= 0) {
            return null;
        }
        Push next = firstToAsk();
        int slots = ASKED_MAX - askedCount;
        return next == null ? null : ask(next, (int) Math.min(countMax, (credits + slots - 1) / slots), true);
    }

    private Push firstLost() {
        for (Push push : pushes.values()) {
            if (push.phase == Phase.TO_ASK && push.isLost) {
                return push;
            }
        }
        return null;
    }

    private Push firstToAsk() {
        for (Push push : pushes.values()) {
            if (push.phase == Phase.TO_ASK) {
                return push;
            }
        }
        nextNumber = Math.max(nextNumber, progress.receivedUpTo() + 1);
        while (progress.hasReceived(nextNumber)) {
            nextNumber++;
        }
        if (nextNumber > progress.receivedUpTo() + SubscriptionProgress.WINDOW) {
            return null;
        }
        Push push = new Push(nextNumber++);
        pushes.put(push.number, push);
        return push;
    }

    private Ask ask(Push push, int count, boolean isWaiting) {
        push.phase = Phase.ASKED;
        push.wasLost = push.isLost;
        push.isLost = false;
        push.count = count;
        askedCount++;
        owedCount += count;
        return new Ask(push.number, count, push.servedBy, isWaiting);
    }

    /**
     * A Pop has brought messages.
     *
     * @param count how many
     * @param bodyBytes bytes of their bodies
     * @param queueId where from
     * @return whether they are to be pushed now: not while the client has yet to subscribe again, then they are asked for anew
     */
    public boolean onDelivered(long nowMillis, long number, int count, long bodyBytes, int queueId) {
        Push push = pushes.get(number);
        if (push == null || push.phase == Phase.PUSHED) {
            // A second copy of one that was taken for lost: the client tells the two apart.
            return !isSuspended;
        }
        leave(push);
        push.isLost = false;
        push.phase = Phase.PUSHED;
        push.count = count;
        push.bytes = bodyBytes;
        push.servedBy = queueId;
        push.order = ++lastOrder;
        push.pushedMillis = nowMillis;
        owedCount += count;
        bytes += bodyBytes;
        return !isSuspended;
    }

    /**
     * A Pop has brought nothing: its number is asked for again.
     *
     * @param restUntilMillis nothing is asked for until then
     */
    public void onNothing(long number, long restUntilMillis) {
        Push push = pushes.get(number);
        if (push != null && push.phase == Phase.ASKED) {
            leave(push);
            push.phase = Phase.TO_ASK;
            this.restUntilMillis = Math.max(this.restUntilMillis, restUntilMillis);
        }
    }

    /** As {@link #onNothing}, but it was not even looked whether there is anything. */
    public void onRefused(long number, long restUntilMillis) {
        Push push = pushes.get(number);
        if (push != null && push.phase == Phase.ASKED) {
            int count = push.count;
            onNothing(number, restUntilMillis);
            push.isLost = push.wasLost;
            push.count = count;
        }
    }

    /** The client says what it has, and what it is willing to take. What it must have lost is asked for again. */
    public void onProgress(SubscriptionProgress newest) {
        progress = newest;
        long receivedOrder = 0;
        for (Push push : List.copyOf(pushes.values())) {
            if (newest.hasReceived(push.number)) {
                leave(push);
                pushes.remove(push.number);
                receivedOrder = Math.max(receivedOrder, push.order);
            }
        }
        for (Push push : pushes.values()) {
            // What comes later was received, and nothing overtakes.
            if (push.phase == Phase.PUSHED && push.order < receivedOrder) {
                lose(push);
            }
        }
    }

    /** The client has attached again: what is on its way may be lost, and what it has is known when it subscribes again. */
    public void suspend() {
        isSuspended = true;
    }

    /** The client has subscribed again after {@link #suspend}. Whatever it does not have is lost. */
    public void onSubscribedAgain(SubscriptionProgress newest) {
        onProgress(newest);
        isSuspended = false;
        for (Push push : pushes.values()) {
            if (push.phase == Phase.PUSHED) {
                lose(push);
            }
        }
    }

    /** What was pushed before that instant and was not received since is lost. */
    public void onSilence(long pushedBeforeMillis) {
        for (Push push : pushes.values()) {
            if (push.phase == Phase.PUSHED && push.pushedMillis < pushedBeforeMillis) {
                lose(push);
            }
        }
    }

    private void lose(Push push) {
        int count = push.count;
        leave(push);
        push.phase = Phase.TO_ASK;
        push.isLost = true;
        push.count = count;
    }

    /** It owes nothing any more. */
    private void leave(Push push) {
        if (push.phase == Phase.ASKED) {
            askedCount--;
            owedCount -= push.count;
        } else if (push.phase == Phase.PUSHED) {
            owedCount -= push.count;
            bytes -= push.bytes;
        }
        push.bytes = 0;
        push.count = 0;
    }

    @Override
    public String toString() {
        return "PushWindow[" + progress + ", next=" + nextNumber + ", asked=" + asked() + ", owed=" + owedCount
                + ", bytes=" + bytes + "]";
    }
}
