package io.forebay.node;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.ExtendedActorSystem;
import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorRefResolver;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Behavior;
import akka.actor.typed.Props;
import akka.actor.typed.javadsl.Adapter;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.ConfigFactory;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Message;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.testkit.faults.MemoryDisk;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/** Clients outside the cluster come by the thousand and are gone without a word: nothing of them is left on the node. */
class OutsideClientsTest {
    private static final int SYSTEMS = 4;
    private static final int CLIENTS_PER_SYSTEM = 250;
    private static final String REMOTE = """
        akka.actor.provider = remote
        akka.remote.warn-about-direct-use = off
        akka.remote.artery.canonical { hostname = 127.0.0.1, port = 0 }
        akka.loglevel = OFF
        akka.coordinated-shutdown.run-by-jvm-shutdown-hook = off
        """;

    @Test
    void aThousandThatVanishLeaveNothing() throws Exception {
        String settings = REMOTE + "forebay.session { heartbeat-interval = 500 ms, timeout = 4 s }";
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), settings)) {
            NodeFixture.Client inside = node.open();
            for (int i = 0; i < 3; i++) {
                inside.send("crowd", 1000, "m" + i + "-");
            }
            inside.send("alone", 1, "a");
            inside.popAll("crowd", "g", 1, 10);
            List<String> before = actors(node.system);
            AtomicInteger popped = new AtomicInteger();
            List<ActorSystem<Void>> systems = new ArrayList<>();
            String address = node.system.address() + "/system/forebay";
            for (int i = 0; i < SYSTEMS; i++) {
                ActorSystem<Void> system = ActorSystem.create(
                        Behaviors.empty(),
                        "crowd-" + i,
                        ConfigFactory.parseString(REMOTE).withFallback(ConfigFactory.load()));
                systems.add(system);
                ActorRef<NodeProtocol.Request> entry =
                        ActorRefResolver.get(system).resolveActorRef(address);
                for (int c = 0; c < CLIENTS_PER_SYSTEM; c++) {
                    long sessionId = 1_000_000 + i * CLIENTS_PER_SYSTEM + c;
                    system.systemActorOf(client(entry, sessionId, popped), "client-" + c, Props.empty());
                }
            }
            Awaitility.await("all have popped")
                    .atMost(Duration.ofSeconds(60))
                    .until(() -> popped.get() == SYSTEMS * CLIENTS_PER_SYSTEM);
            for (ActorSystem<Void> system : systems) {
                system.terminate();
                system.getWhenTerminated().toCompletableFuture().get(30, TimeUnit.SECONDS);
            }
            Awaitility.await("sessions end")
                    .atMost(Duration.ofSeconds(60))
                    .pollInterval(Duration.ofMillis(100))
                    .until(() ->
                            node.forebay.countSessions().toCompletableFuture().get() == 1);
            // Everything they held is free again, and only the attempt tells that it was out.
            assertThat(inside.popAll("crowd", "g", 3000, 60_000)).hasSize(3000);
            assertThat(node.forebay.bytesHeldForClients()).isZero();
            Awaitility.await("actors end").until(() -> actors(node.system).equals(before));
        }
    }

    /** Opens, sends a message, pops two, and then says nothing any more but that it lives. */
    private static Behavior<SessionEvent> client(
            ActorRef<NodeProtocol.Request> entry, long sessionId, AtomicInteger popped) {
        return Behaviors.setup(context -> {
            entry.tell(new NodeProtocol.OpenSession(
                    NodeProtocol.VERSION, sessionId, "crowd", 256 * 1024, context.getSelf()));
            return Behaviors.receive(SessionEvent.class)
                    .onMessage(SessionEvent.Opened.class, opened -> {
                        opened.session()
                                .tell(new SessionCommand.Send(
                                        1,
                                        "alone",
                                        -1,
                                        List.of(Message.of("alone", new byte[10])),
                                        Durability.WRITTEN));
                        opened.session().tell(new SessionCommand.Pop(2, "crowd", "g", 2, 1000, 600_000, 60_000));
                        return Behaviors.same();
                    })
                    .onMessage(SessionEvent.Popped.class, one -> {
                        popped.incrementAndGet();
                        return Behaviors.same();
                    })
                    .onAnyMessage(other -> Behaviors.same())
                    .build();
        });
    }

    /** Paths of all actors of ours on the node. */
    private static List<String> actors(ActorSystem<?> system) {
        String tree = ((ExtendedActorSystem) Adapter.toClassic(system)).printTree();
        return tree.lines()
                .filter(line -> line.contains("session-") || line.contains("queue-") || line.contains("group-"))
                .map(line -> line.replaceAll(".*[>] ", "").trim())
                .sorted()
                .toList();
    }
}
