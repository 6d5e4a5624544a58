package io.forebay.client;

import akka.Done;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackResult;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongFunction;

/** The kinds of {@link Op}. Their {@code finish} methods run in {@link Completions}, one at a time. */
final class Ops {
    private Ops() {}

    /**
     * One of those that callers may ask for several at a time: its result goes to its own stage, or to that of all together.
     *
     * @param <R> what its own stage completes with
     */
    abstract static class Part<R> extends Op<R> {
        private final Many<?> many;
        private final int index;

        /** @param manyOrNull who waits for it; null if that is its own stage */
        Part(Many<?> manyOrNull, int index) {
            this.many = manyOrNull;
            this.index = index;
        }

        /** @param result an R or a {@link Refusal} */
        @SuppressWarnings("unchecked") // what it asks for says which kind of result the session gets
        final void finish(Object result) {
            if (many != null) {
                many.finish(index, result);
            } else if (result instanceof Refusal refusal) {
                completeExceptionally(refusal.toException());
            } else {
                complete((R) result);
            }
        }

        @Override
        final void refuse(Refusal reason) {
            finish(reason);
        }
    }

    /** One whose caller asks for no more than that the session has nothing to do with it any longer. */
    abstract static class Wish extends Op<Done> {
        @Override
        void refuse(Refusal reason) {
            complete(Done.done());
        }
    }

    /** One message. */
    static final class Send extends Part<Receipt> {
        final Message message;
        final Durability durability;
        /** What it counts for in limits: an upper bound of its wire form. */
        final int bytes;
        /** Which the session took first; order within a topic. Confined to the session. */
        long number;
        /** Whether a node refused it, or may have, so that what follows with its key is refused, too. Confined to the session. */
        boolean isRefused;
        /** Whether it must not be there twice: then a node that may have stored it is the only one that may get it again. */
        final boolean isStoredOnce;
        /** Whether the node may have stored it though it is not under way: an answer was lost. Confined to the session. */
        boolean isUncertain;

        Send(Message message, Durability durability, int bytes, boolean isStoredOnce, Many<?> many, int index) {
            super(many, index);
            this.message = message;
            this.durability = durability;
            this.bytes = bytes;
            this.isStoredOnce = isStoredOnce;
        }
    }

    /** What a settling request does. */
    enum SettleKind {
        ACK,
        EXTEND,
        NACK,
        GIVE_BACK
    }

    /** What handles must have in common to go in one request. */
    record SettleKey(SettleKind kind, String group, Durability durability, long millis, String reason) {}

    /**
     * One handle to settle, move or give back.
     *
     * @param <R> {@link AckResult}, {@link ChangeResult} or {@link GiveBackResult}
     */
    static final class Settle<R> extends Part<R> {
        final SettleKey key;
        final ReceiptHandle handle;

        Settle(SettleKey key, ReceiptHandle handle, Many<R> many, int index) {
            super(many, index);
            this.key = key;
            this.handle = handle;
        }
    }

    /** Several results that one caller waits for together. */
    static final class Many<R> extends CompletableFuture<List<R>> {
        private final Object[] results;
        private int missing;

        Many(int count) {
            results = new Object[count];
            missing = count;
        }

        /** @param result an R */
        @SuppressWarnings("unchecked") // only an R is ever put in
        void finish(int index, Object result) {
            results[index] = result;
            if (--missing == 0) {
                complete((List<R>) Collections.unmodifiableList(Arrays.asList(results)));
            }
        }
    }

    /** One pop. */
    static final class Pop extends Op<List<Delivery>> {
        final PopRequest request;
        final long invisibleMillis;
        final long waitMillis;
        /** Who answers for what is popped, besides the client; null for nobody. */
        final Object owner;
        /** Until when it waits for messages, by the session's clock. Confined to the session. */
        long waitUntilMillis;
        /** Its request while one is under way, else 0. Confined to the session. */
        long requestId;
        /** Whether nobody waits for its messages any more. Confined to the session. */
        boolean isCancelled;
        /** Whose it is if it is none of the application's own; null if it is. Hears of its end in the session. */
        final SubscriptionLane subscription;

        Pop(
                PopRequest request,
                long invisibleMillis,
                long waitMillis,
                Object owner,
                SubscriptionLane subscriptionOrNull) {
            this.request = request;
            this.invisibleMillis = invisibleMillis;
            this.waitMillis = waitMillis;
            this.owner = owner;
            this.subscription = subscriptionOrNull;
        }
    }

    /** Begins a subscription. */
    static final class Subscribe extends Op<Done> {
        final NodeSubscription subscription;

        Subscribe(NodeSubscription subscription) {
            this.subscription = subscription;
        }

        @Override
        void refuse(Refusal reason) {
            subscription.sink.ended(subscription, reason);
        }
    }

    /** A subscription wants more. */
    static final class Demand extends Wish {
        final NodeSubscription subscription;

        Demand(NodeSubscription subscription) {
            this.subscription = subscription;
        }
    }

    /** Ends a subscription; done when nothing more comes. */
    static final class Unsubscribe extends Wish {
        final NodeSubscription subscription;

        Unsubscribe(NodeSubscription subscription) {
            this.subscription = subscription;
        }
    }

    /** Ends the wait of a pop: it completes at once, with what it may have got by then or with nothing. */
    static final class Cancel extends Wish {
        final Pop pop;

        Cancel(Pop pop) {
            this.pop = pop;
        }
    }

    /** Gives back what was popped for an owner and never settled; done when that is answered. */
    static final class Release extends Wish {
        final Object owner;

        Release(Object owner) {
            this.owner = owner;
        }
    }

    /** An administrative request. */
    static final class Admin extends Op<SessionEvent.Reply> {
        final LongFunction<SessionCommand.Request> command;
        /** How often the node was asked: not at all if it was never found, more than once if it died. To be read when it has completed. */
        int sentCount;

        Admin(LongFunction<SessionCommand.Request> command) {
            this.command = command;
        }
    }

    /** The end of the client. */
    static final class Close extends Wish {
        final boolean isDetach;

        Close(boolean isDetach) {
            this.isDetach = isDetach;
        }
    }
}
