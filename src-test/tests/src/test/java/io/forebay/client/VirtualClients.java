package io.forebay.client;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import io.forebay.protocol.NodeProtocol;
import java.util.function.LongSupplier;

/** Clients whose time and chance are a test's; their timers are those of the actor system. */
public final class VirtualClients {
    private VirtualClients() {}

    /**
     * @param monotonicMillis the time
     * @param randomLong for the ids of sessions
     */
    public static ForebayClient connect(
            ActorSystem<?> system,
            ActorRef<NodeProtocol.Request> entry,
            LongSupplier monotonicMillis,
            LongSupplier randomLong) {
        return ForebayClient.connect(
                system,
                Target.node(entry),
                ClientSettings.of(system),
                new ClientEnvironment(
                        monotonicMillis,
                        monotonicMillis,
                        randomLong,
                        ClientEnvironment.system().alarm()),
                notice -> {});
    }
}
