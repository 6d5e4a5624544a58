package io.forebay.testkit.check;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;

/**
 * One thing that a client asked or was told, or that was done to the node, as it is noted in a {@link Journal}. What is asked is
 * noted before it is asked, what is told when it has been told: so of two facts that depend on each other the cause comes first,
 * whoever notes them.
 *
 * <p>Times are milliseconds in log time of the node, as deliveries carry them. Components are texts, numbers, enums,
 * {@link Receipt} and {@link ReceiptHandle}: that is what the file form of a journal can hold.
 */
public sealed interface Fact {
    /**
     * A message is about to be sent, for the first time by the application.
     *
     * @param messageId unique in the journal
     * @param key its message group, "" for none
     * @param producer who sends it; one producer's calls have an order
     * @param number of the call, ascending within a producer
     * @param payloadCrc see {@link Message#crcOf}
     */
    record Sending(String messageId, String topic, String key, String producer, long number, int payloadCrc)
            implements Fact {
        public static Sending of(Message message, String producer, long number) {
            return new Sending(
                    message.id(),
                    message.topic(),
                    message.messageGroup(),
                    producer,
                    number,
                    Message.crcOf(message.body()));
        }
    }

    /**
     * The answer to a Send.
     *
     * @param asked the level it had to reach
     */
    record Stored(String messageId, Durability asked, Receipt receipt) implements Fact {}

    /** A Send failed. Some codes leave open whether the message is there. */
    record NotStored(String messageId, Refusal.Code code) implements Fact {}

    /**
     * A delivery has come.
     *
     * @param consumer whose session holds it
     */
    record Popped(
            String consumer,
            String group,
            String topic,
            int queue,
            long queueOffset,
            int attempt,
            ReceiptHandle handle,
            long poppedMillis,
            long invisibleUntilMillis,
            String messageId,
            int payloadCrc)
            implements Fact, OfDelivery {
        public static Popped of(String consumer, Delivery delivery) {
            return new Popped(
                    consumer,
                    delivery.group(),
                    delivery.topic(),
                    delivery.queue(),
                    delivery.queueOffset(),
                    delivery.attempt(),
                    delivery.handle(),
                    delivery.poppedMillis(),
                    delivery.invisibleUntilMillis(),
                    delivery.message().id(),
                    Message.crcOf(delivery.body()));
        }
    }

    /** A Pop failed: what it may have been given nobody has seen. */
    record PopFailed(String consumer, String topic, String group) implements Fact {}

    /** A delivery is about to be acked. */
    record Acking(ReceiptHandle handle) implements Fact, OfDelivery {}

    /**
     * The answer to an ack.
     *
     * @param level the one it was asked for, which the answer proves
     */
    record Acked(ReceiptHandle handle, Durability level, AckOutcome outcome) implements Fact, OfDelivery {}

    /** An ack failed. Some codes leave open whether the message is settled. */
    record NotAcked(ReceiptHandle handle, Refusal.Code code) implements Fact, OfDelivery {}

    /** An attempt is about to be given up; the message may go out again from now on, when its delay is over. */
    record Nacking(ReceiptHandle handle) implements Fact, OfDelivery {}

    /**
     * The answer to that.
     *
     * @param dueMillis not before
     */
    record Nacked(ReceiptHandle handle, long dueMillis) implements Fact, OfDelivery {}

    /** The deadline of a delivery is about to be moved. */
    record Extending(ReceiptHandle handle) implements Fact, OfDelivery {}

    /**
     * The answer to that.
     *
     * @param invisibleUntilMillis the new deadline
     */
    record Extended(ReceiptHandle handle, long invisibleUntilMillis) implements Fact, OfDelivery {}

    /** A delivery is about to be given back: it may go out again from now on, and the attempt does not count. */
    record GivingBack(ReceiptHandle handle) implements Fact, OfDelivery {}

    /**
     * From now on the node may take this consumer for gone: it is about to be ended, or has been silent for too long. What it holds may
     * come back before its deadline, and what it is given nobody sees.
     */
    record Gone(String consumer) implements Fact {}

    /**
     * A dead letter has been found.
     *
     * @param letterQueue where it lies, in the topic of the group's dead letters
     * @param letterOffset where it lies
     * @param nodeId {@link ReceiptHandle#nodeIdOf} of the node it comes from
     * @param topic where it comes from
     * @param queue where it comes from
     * @param queueOffset where it comes from
     * @param attempts as the letter says
     */
    record Letter(
            String group,
            int letterQueue,
            long letterOffset,
            int nodeId,
            String topic,
            int queue,
            long queueOffset,
            int attempts,
            String messageId,
            int payloadCrc)
            implements Fact {}

    /** What was done to the node or to the line to it. Noted when it is done: nothing of the node's next life comes before it. */
    record Fault(Kind kind) implements Fact {
        /** What it may take along. */
        public enum Kind {
            /** The process is gone. What was answered stays; what was under way may have happened or not. */
            KILL,
            /** What was not flushed may be gone. */
            POWER_CUT,
            /** Answers may be lost on their way; the node goes on. */
            LINE;

            /** Whether the node has to come back afterwards. */
            boolean isDown() {
                return this != LINE;
            }
        }
    }

    /**
     * Bytes of the node's log are damaged. What was in them may be given up, and nothing else.
     *
     * @param group whose notes they are; "" if they are none
     * @param nodeId {@link ReceiptHandle#nodeIdOf} of the node
     * @param queueOffset of the message concerned; -1 if that is every one of the queue
     */
    record Damaged(What what, String group, int nodeId, String topic, int queue, long queueOffset) implements Fact {
        /** What was in them. */
        public enum What {
            /** The message: who has not got it need not, and from the next start of the node on nobody gets it. */
            MESSAGE,
            /** The same, but a second copy may be somewhere, and be found. */
            DOUBTFUL_MESSAGE,
            /** What was said to be damaged is whole again: it may come, or have been passed over. */
            MENDED_MESSAGE,
            /** Nobody is in that place any more, and a repair has given it up: it is given to nobody again. What was in it need not be damaged. */
            PASSED_OVER,
            /** The dead letter that the message has become: it may never be found. */
            LETTER,
            /** Something that the group had noted of the message: it may come again as if that had not happened. */
            NOTES
        }
    }

    /**
     * What else was done to the node, or seen of it. It proves nothing and allows nothing, and is there for the reader of a breach.
     */
    record Remark(String text) implements Fact {}

    /** The node serves again. */
    record Serving() implements Fact {}

    /** The node does not serve, and says why; "" if it does not say. */
    record NotServing(String why) implements Fact {}

    /**
     * Nothing of the topic is left for the group: no message that is not settled, none that is out; and its dead letters have been
     * noted.
     */
    record Drained(String topic, String group) implements Fact {}
}
