package io.forebay.queue;

import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackResult;
import io.forebay.protocol.Refusal;
import java.util.Collections;
import java.util.List;
import java.util.function.Consumer;

/** Somebody who waits for a record of a group's queue. Confined to its actor. */
abstract class Waiting {
    private final Durability level;
    private boolean isAnswered;
    private boolean isRefused;

    /** @param level what has to hold of the record before the answer */
    Waiting(Durability level) {
        this.level = level;
    }

    /** Its own record is written, whatever the level, and whether or not it is answered already. */
    void recordWritten(long sequence) {
        // Of interest to few.
    }

    /** Tells the answer. The level holds. */
    abstract void answer(long sequence);

    abstract void refuse(Refusal refusal);

    final Durability level() {
        return level;
    }

    final boolean isAnswered() {
        return isAnswered;
    }

    /** Whether it was told a refusal: with an unknown outcome what it asked for may still happen. */
    final boolean isRefused() {
        return isRefused;
    }

    final void answerOnce(long sequence) {
        if (!isAnswered) {
            isAnswered = true;
            answer(sequence);
        }
    }

    final void refuseOnce(Refusal refusal) {
        if (!isAnswered) {
            isAnswered = true;
            isRefused = true;
            refuse(refusal);
        }
    }

    /** An Ack. */
    static final class Ack extends Waiting {
        private final GroupQueue.Ack request;
        private final List<AckResult> results;

        Ack(GroupQueue.Ack request, List<AckResult> resultsOrNull) {
            super(request.level());
            this.request = request;
            this.results = resultsOrNull;
        }

        @Override
        void answer(long sequence) {
            request.replyTo().tell(new QueueReply.Acked(request.token(), results, request.level()));
        }

        @Override
        void refuse(Refusal refusal) {
            request.replyTo()
                    .tell(new QueueReply.Acked(
                            request.token(),
                            Collections.nCopies(request.handles().size(), refusal),
                            request.level()));
        }
    }

    /** A change of deadlines. */
    static final class Change extends Waiting {
        private final GroupQueue.Change request;
        private final List<ChangeResult> results;

        Change(GroupQueue.Change request, List<ChangeResult> results) {
            super(Durability.WRITTEN);
            this.request = request;
            this.results = results;
        }

        @Override
        void answer(long sequence) {
            request.replyTo().tell(new QueueReply.Changed(request.token(), results));
        }

        @Override
        void refuse(Refusal refusal) {
            request.replyTo()
                    .tell(new QueueReply.Changed(
                            request.token(),
                            Collections.nCopies(request.handles().size(), refusal)));
        }
    }

    /** Deliveries given back. */
    static final class GiveBack extends Waiting {
        private final GroupQueue.GiveBack request;
        private final List<GiveBackResult> results;

        GiveBack(GroupQueue.GiveBack request, List<GiveBackResult> results) {
            super(Durability.WRITTEN);
            this.request = request;
            this.results = results;
        }

        @Override
        void answer(long sequence) {
            request.replyTo().tell(new QueueReply.GivenBack(request.token(), results));
        }

        @Override
        void refuse(Refusal refusal) {
            request.replyTo()
                    .tell(new QueueReply.GivenBack(
                            request.token(),
                            Collections.nCopies(request.handles().size(), refusal)));
        }
    }

    /** A session that closes in good order: it is told either way. */
    static final class Close extends Waiting {
        private final GroupQueue.SessionClosed request;

        Close(GroupQueue.SessionClosed request) {
            super(Durability.WRITTEN);
            this.request = request;
        }

        @Override
        void answer(long sequence) {
            request.replyTo().tell(new QueueReply.ConsumerReleased(request.token()));
        }

        @Override
        void refuse(Refusal refusal) {
            answer(-1);
        }
    }

    /** An operator's command, whose answer is known when it is decided. */
    static final class Told extends Waiting {
        private final Runnable answer;
        private final Consumer<Refusal> refusal;

        Told(Runnable answer, Consumer<Refusal> refusal) {
            this(Durability.WRITTEN, answer, refusal);
        }

        Told(Durability level, Runnable answer, Consumer<Refusal> refusal) {
            super(level);
            this.answer = answer;
            this.refusal = refusal;
        }

        @Override
        void answer(long sequence) {
            answer.run();
        }

        @Override
        void refuse(Refusal why) {
            refusal.accept(why);
        }
    }
}
