package io.forebay.peers.workpulling;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.delivery.ConsumerController;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.receptionist.ServiceKey;
import io.forebay.yardstick.Intake;

/** Takes one message of a queue after the other and confirms each. */
final class Worker extends AbstractBehavior<Worker.Command> {
    sealed interface Command {}

    enum Stop implements Command {
        INSTANCE
    }

    private record Delivered(ConsumerController.Delivery<byte[]> delivery) implements Command {}

    private final Intake intake;

    private Worker(ActorContext<Command> context, Intake intake) {
        super(context);
        this.intake = intake;
    }

    static Behavior<Command> create(ServiceKey<ConsumerController.Command<byte[]>> queue, Intake intake) {
        return Behaviors.setup(context -> {
            ActorRef<ConsumerController.Command<byte[]>> controller =
                    context.spawn(ConsumerController.create(queue), "controller");
            controller.tell(new ConsumerController.Start<>(
                    context.messageAdapter(ConsumerController.deliveryClass(), Delivered::new)));
            return new Worker(context, intake);
        });
    }

    @Override
    public Receive<Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Delivered.class, this::onDelivered)
                .onMessageEquals(Stop.INSTANCE, Behaviors::stopped)
                .build();
    }

    private Behavior<Command> onDelivered(Delivered delivered) {
        if (!intake.take(delivered.delivery().message())) {
            intake.failed(new UnsupportedOperationException("work pulling cannot give a message back"));
            return Behaviors.stopped();
        }
        delivered.delivery().confirmTo().tell(ConsumerController.confirmed());
        intake.acked(1);
        return this;
    }
}
