package io.forebay.peers.workpulling;

import akka.Done;
import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.delivery.ConsumerController;
import akka.actor.typed.delivery.WorkPullingProducerController;
import akka.actor.typed.delivery.WorkPullingProducerController.MessageWithConfirmation;
import akka.actor.typed.delivery.WorkPullingProducerController.RequestNext;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.receptionist.ServiceKey;
import akka.persistence.typed.PersistenceId;
import akka.persistence.typed.delivery.EventSourcedProducerQueue;
import io.forebay.yardstick.Batch;
import java.util.ArrayDeque;
import java.util.Optional;

/** The producer of one queue: hands over a message for each that its controller asks for, and confirms a batch that is stored. */
final class WorkManager extends AbstractBehavior<WorkManager.Command> {
    sealed interface Command {}

    /** Takes a batch, to be handed over behind those before it. */
    record Submit(Batch batch) implements Command {}

    enum Stop implements Command {
        INSTANCE
    }

    /** One message may be handed over. */
    private record Asked(RequestNext<byte[]> next) implements Command {}

    /** The oldest message that was handed over is stored. */
    private enum Stored implements Command {
        INSTANCE
    }

    private final ActorRef<Done> stored;
    /** Those of which something is to be handed over, and those of which something is to be stored; in order. */
    private final ArrayDeque<Batch> waiting = new ArrayDeque<>();

    private final ArrayDeque<Batch> unconfirmed = new ArrayDeque<>();
    private int handedOverOfFirst;
    private int storedOfFirst;
    private ActorRef<MessageWithConfirmation<byte[]>> askedByOrNull;

    private WorkManager(ActorContext<Command> context) {
        super(context);
        stored = context.messageAdapter(Done.class, done -> Stored.INSTANCE);
    }

    /**
     * @param name of the queue, in the journal too
     * @param journal configuration path of its plugin
     */
    static Behavior<Command> create(
            String name, ServiceKey<ConsumerController.Command<byte[]>> workers, String journal) {
        return Behaviors.setup(context -> {
            // A companion inside an object has no static methods for Java.
            EventSourcedProducerQueue.Settings settings = EventSourcedProducerQueue.Settings$.MODULE$
                    .create(context.getSystem())
                    .withJournalPluginId(journal);
            ActorRef<WorkPullingProducerController.Command<byte[]>> controller = context.spawn(
                    WorkPullingProducerController.create(
                            byte[].class,
                            name,
                            workers,
                            Optional.of(EventSourcedProducerQueue.create(PersistenceId.ofUniqueId(name), settings))),
                    "controller");
            controller.tell(new WorkPullingProducerController.Start<>(
                    context.messageAdapter(WorkPullingProducerController.requestNextClass(), Asked::new)));
            return new WorkManager(context);
        });
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Submit.class, this::onSubmit)
                .onMessage(Asked.class, this::onAsked)
                .onMessageEquals(Stored.INSTANCE, this::onStored)
                .onMessageEquals(Stop.INSTANCE, Behaviors::stopped)
                .build();
    }

    private Behavior<Command> onSubmit(Submit submit) {
        waiting.addLast(submit.batch());
        unconfirmed.addLast(submit.batch());
        handOver();
        return this;
    }

    private Behavior<Command> onAsked(Asked asked) {
        askedByOrNull = asked.next().askNextTo();
        handOver();
        return this;
    }

    private void handOver() {
        Batch first = waiting.peekFirst();
        if (first == null || askedByOrNull == null) {
            return;
        }
        askedByOrNull.tell(new MessageWithConfirmation<>(first.body(handedOverOfFirst), stored));
        askedByOrNull = null;
        handedOverOfFirst++;
        if (handedOverOfFirst == first.count()) {
            handedOverOfFirst = 0;
            waiting.removeFirst();
        }
    }

    private Behavior<Command> onStored() {
        storedOfFirst++;
        if (storedOfFirst == unconfirmed.getFirst().count()) {
            storedOfFirst = 0;
            unconfirmed.removeFirst().confirmed();
        }
        return this;
    }
}
