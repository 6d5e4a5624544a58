package io.forebay.persistence;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Props;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.ConfigFactory;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/**
 * An application of persistent actors in a process of its own. Says {@code has ID COUNT} of each actor that has recovered, then
 * {@code begun}, then {@code ID COUNT} whenever a handler has run; persists three events together at a time, for ever.
 */
final class PersistingProcess {
    static final int ACTORS = 12;

    private PersistingProcess() {}

    /** @param args the directory, and what durability is to be */
    public static void main(String[] args) throws Exception {
        ActorSystem<Void> system = ActorSystem.create(
                Behaviors.empty(),
                "app",
                ConfigFactory.parseMap(Map.of(
                                "forebay.storage.directory",
                                Path.of(args[0]).toString(),
                                "forebay.persistence.durability",
                                args[1],
                                "forebay.store.checkpoint-bytes",
                                "256 KiB"))
                        .withFallback(PersistentActorsTest.CONFIG)
                        .withFallback(ConfigFactory.load()));
        PrintStream out = System.out;
        List<String> ids = java.util.stream.IntStream.range(0, ACTORS)
                .mapToObj(i -> "id-" + i)
                .toList();
        List<ActorRef<PersistentActorsTest.Command>> actors = ids.stream()
                .map(id -> system.systemActorOf(
                        (akka.actor.typed.Behavior<PersistentActorsTest.Command>) new PersistentActorsTest.Counter(id),
                        id,
                        Props.empty()))
                .toList();
        for (int i = 0; i < ACTORS; i++) {
            List<String> all = PersistentActorsTest.get(actors.get(i));
            if (!all.equals(PersistentActorsTest.numbers(ids.get(i), all.size()))) {
                out.println("wrong " + ids.get(i) + " " + all);
            }
            out.println("has " + ids.get(i) + " " + all.size());
        }
        out.println("begun");
        for (int i = 0; i < ACTORS; i++) {
            persist(out, ids.get(i), actors.get(i));
        }
    }

    private static void persist(PrintStream out, String id, ActorRef<PersistentActorsTest.Command> actor) {
        CompletableFuture<Integer> added = new CompletableFuture<>();
        added.thenAccept(count -> {
            out.println(id + " " + count);
            persist(out, id, actor);
        });
        actor.tell(new PersistentActorsTest.Add(3, added));
    }
}
