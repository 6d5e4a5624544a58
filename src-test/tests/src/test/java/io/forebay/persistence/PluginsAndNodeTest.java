package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.node.Forebay;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.Message;
import io.forebay.testkit.faults.MemoryDisk;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** A node and persistent actors in one application share the stripes, whichever of them comes first. */
class PluginsAndNodeTest {
    private static final String SETTINGS = "forebay.topic.auto-create = on";

    private static Forebay node(ActorSystem<Void> system) throws Exception {
        return Forebay.get(system).whenReady().toCompletableFuture().get(60, TimeUnit.SECONDS);
    }

    private static void send(ActorSystem<Void> system, String id) throws Exception {
        ForebayClient client =
                ForebayClient.connect(system, Target.node(node(system).entry()));
        client.send(Message.builder("orders").id(id).body(new byte[10]).build())
                .toCompletableFuture()
                .get(60, TimeUnit.SECONDS);
    }

    private static void pop(ActorSystem<Void> system, Set<String> wanted) throws Exception {
        ForebayClient client =
                ForebayClient.connect(system, Target.node(node(system).entry()));
        PopRequest request = PopRequest.of("orders", "billing", 10).withWaitMax(Duration.ofSeconds(1));
        Set<String> ids = new HashSet<>();
        do {
            for (Delivery delivery : client.pop(request).toCompletableFuture().get(60, TimeUnit.SECONDS)) {
                ids.add(delivery.message().id());
            }
        } while (!ids.containsAll(wanted));
        assertThat(ids).isEqualTo(wanted);
    }

    @Test
    void theNodeMayComeFirstOrLast() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        ActorSystem<Void> system = PersistentActorsTest.start(disk, SETTINGS);
        ActorRef<PersistentActorsTest.Command> actor = PersistentActorsTest.spawn(system, "one");
        assertThat(PersistentActorsTest.add(actor, 2)).isEqualTo(2);
        pop(system, Set.of());
        send(system, "m1");
        PersistentActorsTest.stop(system);

        system = PersistentActorsTest.start(disk, SETTINGS);
        send(system, "m2");
        actor = PersistentActorsTest.spawn(system, "one");
        assertThat(PersistentActorsTest.add(actor, 1)).isEqualTo(3);
        PersistentActorsTest.stop(system);

        // Neither of them loses what the other one has, though it is not there.
        system = PersistentActorsTest.start(disk, SETTINGS);
        actor = PersistentActorsTest.spawn(system, "one");
        assertThat(PersistentActorsTest.get(actor)).isEqualTo(PersistentActorsTest.numbers("one", 3));
        PersistentActorsTest.stop(system);
        system = PersistentActorsTest.start(disk, SETTINGS);
        node(system);
        send(system, "m3");
        PersistentActorsTest.stop(system);

        system = PersistentActorsTest.start(disk, SETTINGS);
        pop(system, Set.of("m1", "m2", "m3"));
        actor = PersistentActorsTest.spawn(system, "one");
        assertThat(PersistentActorsTest.get(actor)).isEqualTo(PersistentActorsTest.numbers("one", 3));
        PersistentActorsTest.stop(system);
    }
}
