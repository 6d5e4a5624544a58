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
        /**
         * Whether a copy of it may have been carried out, whatever is answered from now on: an answer was lost, or told no outcome.
         * Confined to the session, and for good when it is decided.
         */
        boolean isUncertain;

        /** @param manyOrNull who waits for it; null if that is its own stage */
        Part(Many<?> manyOrNull, int index) {
            this.many = manyOrNull;
            this.index = index;
        }

        /**
         * Whether it is true of every copy, though the node said it of the last one only.
         *
         * @param refusal of one that {@link #isUncertain}
         */
        boolean isTrueOfAllCopies(Refusal refusal) {
            return refusal.code().isOutcomeOpen();
        }

        /**
         * A refusal of the last copy is no refusal of what an earlier one may have done: then it is {@code OUTCOME_UNKNOWN}, and the
         * text says what the last one was answered.
         *
         * @param result an R or a {@link Refusal}
         */
        @SuppressWarnings("unchecked") // what it asks for says which kind of result the session gets
        final void finish(Object result) {
            Object told = result;
            if (isUncertain && result instanceof Refusal refusal && !isTrueOfAllCopies(refusal)) {
                told = new Refusal(
                        Refusal.Code.OUTCOME_UNKNOWN,
                        "whether it happened is not known: an answer was lost or left that open, and the last one was "
                                + refusal.code() + ": " + refusal.text(),
                        refusal.retryAfterMillis());
            }
            if (many != null) {
                many.finish(index, told);
            } else if (told instanceof Refusal refusal) {
                completeExceptionally(refusal.toException());
            } else {
                complete((R) told);
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

        /**
         * A stale handle is the end of an ack and of an extension: what is settled would have been answered so, and what was held
         * longer is not held any more. But a nack or a give-back that was carried out makes its own handle stale.
         */
        @Override
        boolean isTrueOfAllCopies(Refusal refusal) {
            return super.isTrueOfAllCopies(refusal)
                    || refusal.code() == Refusal.Code.STALE_HANDLE
                            && (key.kind() == SettleKind.ACK || key.kind() == SettleKind.EXTEND);
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
