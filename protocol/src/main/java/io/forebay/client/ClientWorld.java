package io.forebay.client;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.Extension;
import akka.actor.typed.ExtensionId;
import java.util.function.LongSupplier;

/**
 * What the clients of an actor system take from outside: clocks, and chance for the ids of their sessions. An application has no use
 * for it; a test whose time is virtual gives its clients that time, so that code that connects a client itself has it, too.
 * Thread-safe.
 */
public final class ClientWorld implements Extension {
    private static final Id ID = new Id();

    private volatile ClientEnvironment environment = ClientEnvironment.system();

    private ClientWorld() {}

    /** The one of this system: the real world, until somebody says otherwise. */
    public static ClientWorld get(ActorSystem<?> system) {
        return ID.apply(system);
    }

    /**
     * Clients that connect from now on live by other clocks; for tests and simulations. Thread-safe if its arguments are.
     *
     * @param monotonicMillis never goes back; its origin means nothing
     * @param wallMillis milliseconds since 1970
     * @param randomLong for ids of sessions: must differ between all clients of a node
     */
    public void use(LongSupplier monotonicMillis, LongSupplier wallMillis, LongSupplier randomLong) {
        environment = new ClientEnvironment(
                monotonicMillis,
                wallMillis,
                randomLong,
                ClientEnvironment.system().alarm());
    }

    ClientEnvironment environment() {
        return environment;
    }

    /** As Akka makes it. */
    public static final class Id extends ExtensionId<ClientWorld> {
        @Override
        public ClientWorld createExtension(ActorSystem<?> system) {
            return new ClientWorld();
        }
    }
}
