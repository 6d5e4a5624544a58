package io.forebay.node;

import io.forebay.client.ForebayClient;
import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.queue.DeadLetterForm;
import io.forebay.testkit.check.Fact;
import io.forebay.testkit.check.Journal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.function.ToIntFunction;
import java.util.random.RandomGenerator;

/**
 * Does with deliveries all that a consumer can do: acks, at both levels, nacks, gives back, extends, and forgets. What it asks and what
 * it is told goes into a journal. As thread-safe as what it is given.
 */
final class JournaledConsumer {
    /** What a delivery is nacked for. */
    static final int POISON = 0;
    /** What a delivery is acked for, and whatever is above it. */
    static final int ACK = 4;

    private static final int GIVE_BACK = 1;
    private static final int EXTEND = 2;
    /** Its deadline brings it back. */
    private static final int FORGET = 3;

    private final ForebayClient client;
    private final Journal journal;
    private final Duration extension;
    private final Supplier<RandomGenerator> random;
    private final BooleanSupplier isGone;
    private final Runnable beforeAnswer;
    private final Consumer<Throwable> fail;

    /**
     * @param extension from when a delivery is extended
     * @param random asked for in the thread that draws
     * @param isGone from then on nothing is noted any more
     * @param beforeAnswer is run before an answer is noted
     * @param fail is told what should not have happened
     */
    JournaledConsumer(
            ForebayClient client,
            Journal journal,
            Duration extension,
            Supplier<RandomGenerator> random,
            BooleanSupplier isGone,
            Runnable beforeAnswer,
            Consumer<Throwable> fail) {
        this.client = client;
        this.journal = journal;
        this.extension = extension;
        this.random = random;
        this.isGone = isGone;
        this.beforeAnswer = beforeAnswer;
        this.fail = fail;
    }

    /** @param dice what is done with each: from {@link #POISON} to {@link #ACK} */
    void take(String group, List<Delivery> deliveries, ToIntFunction<Delivery> dice) {
        List<ReceiptHandle> done = new ArrayList<>();
        for (Delivery delivery : deliveries) {
            switch (dice.applyAsInt(delivery)) {
                case POISON -> nack(group, delivery.handle());
                case GIVE_BACK -> giveBack(group, delivery.handle());
                case EXTEND -> extend(group, delivery.handle());
                case FORGET -> {}
                default -> done.add(delivery.handle());
            }
        }
        ack(group, done);
    }

    private void ack(String group, List<ReceiptHandle> handles) {
        Durability level = random.get().nextBoolean() ? Durability.WRITTEN : Durability.FLUSHED;
        handles.forEach(handle -> journal.note(new Fact.Acking(handle)));
        client.ackBatch(group, handles, level).whenComplete((results, refused) -> {
            if (isGone.getAsBoolean()) {
                return;
            }
            beforeAnswer.run();
            if (refused != null) {
                fail.accept(refused);
                return;
            }
            for (int index = 0; index < results.size(); index++) {
                noteAcked(handles.get(index), level, results.get(index));
            }
        });
    }

    private void noteAcked(ReceiptHandle handle, Durability level, AckResult result) {
        journal.note(
                result instanceof AckOutcome outcome
                        ? new Fact.Acked(handle, level, outcome)
                        : new Fact.NotAcked(handle, ((Refusal) result).code()));
    }

    private void nack(String group, ReceiptHandle handle) {
        journal.note(new Fact.Nacking(handle));
        client.nack(group, handle, Duration.ofMillis(30), "poison").whenComplete((result, refused) -> {
            if (!isGone.getAsBoolean() && result instanceof Changed changed) {
                beforeAnswer.run();
                journal.note(new Fact.Nacked(handle, changed.invisibleUntilMillis()));
            }
        });
    }

    private void giveBack(String group, ReceiptHandle handle) {
        journal.note(new Fact.GivingBack(handle));
        client.giveBack(group, List.of(handle));
    }

    /** Extends, and then acks. */
    private void extend(String group, ReceiptHandle handle) {
        journal.note(new Fact.Extending(handle));
        client.extend(group, handle, extension).whenComplete((result, refused) -> {
            if (isGone.getAsBoolean()) {
                return;
            }
            beforeAnswer.run();
            if (result instanceof Changed changed) {
                journal.note(new Fact.Extended(handle, changed.invisibleUntilMillis()));
            }
            ack(group, List.of(handle));
        });
    }

    /** The fact that a delivery of the dead letters is. */
    static Fact.Letter letter(Delivery delivery) {
        Map<String, String> properties = delivery.message().properties();
        return new Fact.Letter(
                properties.get(DeadLetterForm.GROUP),
                delivery.queue(),
                delivery.queueOffset(),
                ReceiptHandle.nodeIdOf(properties.get(DeadLetterForm.NODE)),
                properties.get(DeadLetterForm.TOPIC),
                Integer.parseInt(properties.get(DeadLetterForm.QUEUE)),
                Long.parseLong(properties.get(DeadLetterForm.OFFSET)),
                Integer.parseInt(properties.get(DeadLetterForm.ATTEMPTS)),
                delivery.message().id(),
                Message.crcOf(delivery.body()));
    }
}
