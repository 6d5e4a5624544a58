package io.forebay.topic;

import akka.actor.typed.Behavior;
import akka.actor.typed.Terminated;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import io.forebay.topic.core.RegistryState;
import java.util.function.Consumer;

/** The registry before its {@link RegistryBook} is recovered: nobody asks it for anything but its end. */
final class RegistryRecovery extends AbstractBehavior<Registry.Command> {
    private final Registry.Environment environment;
    private final Runnable ready;
    private final Consumer<Throwable> failed;
    private final RegistryJournal journal;
    private boolean isDraining;

    static Behavior<Registry.Command> create(
            Registry.Environment environment, Runnable ready, Consumer<Throwable> failed) {
        return Behaviors.setup(context -> new RegistryRecovery(context, environment, ready, failed));
    }

    private RegistryRecovery(
            ActorContext<Registry.Command> context,
            Registry.Environment environment,
            Runnable ready,
            Consumer<Throwable> failed) {
        super(context);
        this.environment = environment;
        this.ready = ready;
        this.failed = failed;
        NodeRecovery recovery = environment.recovery();
        journal = new RegistryJournal(
                context,
                environment,
                recovery.registryLimits(),
                recovery.registry().snapshot(),
                recovery.registryHeld());
    }

    @Override
    public Receive<Registry.Command> createReceive() {
        return newReceiveBuilder()
                .onMessage(Registry.FromBook.class, this::onBook)
                .onMessage(Registry.FromStore.class, this::onStoreEvent)
                .onMessageEquals(Registry.OpenBook.INSTANCE, this::onOpenBook)
                .onMessage(Registry.Drain.class, this::onDrain)
                .onMessageEquals(Registry.DrainDispatchers.INSTANCE, this::onDrainDispatchers)
                .onSignal(Terminated.class, this::onBookEnded)
                .build();
    }

    private Behavior<Registry.Command> onBook(Registry.FromBook message) {
        if (!(message.told() instanceof RegistryBook.Recovered recovered)) {
            throw new AssertionError(message);
        }
        RegistryState state = journal.begin(recovered);
        Registry registry = new Registry(getContext(), environment, state, journal);
        if (isDraining) {
            registry.onDrainDispatchers();
        }
        ready.run();
        return registry;
    }

    private Behavior<Registry.Command> onStoreEvent(Registry.FromStore message) {
        journal.onStoreEvent(message.event());
        return this;
    }

    private Behavior<Registry.Command> onOpenBook() {
        journal.tryAgain();
        return this;
    }

    private Behavior<Registry.Command> onDrain(Registry.Drain drain) {
        drain.replyTo().tell(Registry.IsDrained.INSTANCE);
        return this;
    }

    private Behavior<Registry.Command> onDrainDispatchers() {
        isDraining = true;
        return this;
    }

    private Behavior<Registry.Command> onBookEnded(Terminated ended) {
        Throwable reason = journal.onEnded(ended);
        if (reason != null) {
            failed.accept(reason);
        }
        return this;
    }
}
