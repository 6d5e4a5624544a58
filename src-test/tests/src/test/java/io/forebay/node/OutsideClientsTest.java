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
import io.forebay.support.ForkedJvm;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/** Clients outside the cluster come by the thousand and are killed with -9: nothing of them is left on the node. */
class OutsideClientsTest {
    private static final int PROCESSES = 2;
    private static final int CLIENTS_PER_PROCESS = 500;
    private static final Duration HEARTBEAT = Duration.ofSeconds(2);
    private static final String REMOTE = """
        akka.actor.provider = remote
        akka.remote.warn-about-direct-use = off
        akka.remote.artery.canonical { hostname = 127.0.0.1, port = 0 }
        akka.loglevel = OFF
        akka.coordinated-shutdown.run-by-jvm-shutdown-hook = off
        """;

    @Test
    void aThousandThatAreKilledLeaveNothing() throws Exception {
        String settings = REMOTE + "forebay.session { heartbeat-interval = 500 ms, timeout = 8 s }";
        try (NodeFixture node = NodeFixture.inMemory(new MemoryDisk(), settings)) {
            NodeFixture.Client inside = node.open();
            for (int i = 0; i < 3; i++) {
                inside.send("crowd", 1000, "m" + i + "-");
            }
            inside.send("alone", 1, "a");
            inside.popAll("crowd", "g", 1, 10);
            List<String> before = actorsAtRest(node.system);
            String address = node.system.address() + "/system/forebay";
            List<Process> crowds = new ArrayList<>();
            try {
                for (int i = 0; i < PROCESSES; i++) {
                    crowds.add(Crowd.start(address, 1_000_000 + i * CLIENTS_PER_PROCESS));
                }
                for (Process crowd : crowds) {
                    assertThat(crowd.inputReader().readLine()).isEqualTo(Crowd.ALL_HAVE_POPPED);
                }
                assertThat(node.forebay.countSessions().toCompletableFuture().get())
                        .isEqualTo(1 + PROCESSES * CLIENTS_PER_PROCESS);
            } finally {
                // SIGKILL: nothing is closed, nothing is said.
                crowds.forEach(Process::destroyForcibly);
            }
            for (Process crowd : crowds) {
                assertThat(crowd.waitFor(30, TimeUnit.SECONDS)).isTrue();
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

    /** Many clients in a process of its own, that can be killed. */
    static final class Crowd {
        static final String ALL_HAVE_POPPED = "all have popped";

        private Crowd() {}

        static Process start(String address, int firstSessionId) throws IOException {
            List<String> command = ForkedJvm.command(Crowd.class, "-Xmx256m");
            command.addAll(List.of(address, String.valueOf(firstSessionId)));
            return new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
        }

        public static void main(String[] arguments) {
            AtomicInteger popped = new AtomicInteger();
            ActorSystem<Void> system = ActorSystem.create(
                    Behaviors.empty(),
                    "crowd",
                    ConfigFactory.parseString(REMOTE).withFallback(ConfigFactory.load()));
            ActorRef<NodeProtocol.Request> entry = ActorRefResolver.get(system).resolveActorRef(arguments[0]);
            int firstSessionId = Integer.parseInt(arguments[1]);
            for (int c = 0; c < CLIENTS_PER_PROCESS; c++) {
                Behavior<SessionEvent> client = client(entry, firstSessionId + c, popped);
                system.systemActorOf(client, "client-" + c, Props.empty());
            }
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
                        // The others may be a while in coming: it must not be taken for gone meanwhile.
                        context.getSystem()
                                .scheduler()
                                .scheduleAtFixedRate(
                                        HEARTBEAT,
                                        HEARTBEAT,
                                        () -> opened.session().tell(new SessionCommand.Heartbeat(1)),
                                        context.getExecutionContext());
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
                        if (popped.incrementAndGet() == CLIENTS_PER_PROCESS) {
                            System.out.println(Crowd.ALL_HAVE_POPPED);
                        }
                        return Behaviors.same();
                    })
                    .onAnyMessage(other -> Behaviors.same())
                    .build();
        });
    }

    /**
     * The same once each has an empty mailbox. A line of the tree tells whether it has (status=0), so one that was taken of an
     * actor at work is never seen again when all rest.
     */
    private static List<String> actorsAtRest(ActorSystem<?> system) {
        return Awaitility.await("actors rest")
                .until(() -> actors(system), actors -> actors.stream().allMatch(actor -> actor.contains(" status=0 ")));
    }

    /** All actors of ours on the node, each with its state and the number of its children. */
    private static List<String> actors(ActorSystem<?> system) {
        String tree = ((ExtendedActorSystem) Adapter.toClassic(system)).printTree();
        return tree.lines()
                .filter(line -> line.contains("session-") || line.contains("queue-") || line.contains("group-"))
                .map(line -> line.replaceAll(".*[>] ", "").trim())
                .sorted()
                .toList();
    }
}
