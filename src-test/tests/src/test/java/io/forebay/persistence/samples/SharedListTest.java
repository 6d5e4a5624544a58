package io.forebay.persistence.samples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.persistence.typed.ReplicaId;
import io.forebay.persistence.samples.SharedList.Command;
import io.forebay.testkit.faults.MemoryDisk;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiFunction;
import org.junit.jupiter.api.Test;

/**
 * Akka's replicated event sourcing, both replicas in one application. <b>I1</b>: what was added, or removed, and answered by one replica
 * is so behind a kill or a power cut. <b>I2</b>: both come to the same, each event of the other applied once.
 */
class SharedListTest {
    @Test
    void replicasOfOneJournalConverge() throws Exception {
        converge(SharedList::inCommonJournal);
    }

    @Test
    void replicasThatNameTheirJournalsConverge() throws Exception {
        converge(SharedList::withJournalOfItsOwn);
    }

    private static void converge(BiFunction<String, ReplicaId, Behavior<Command>> replica) throws Exception {
        Random random = new Random(3);
        Set<String> added = ConcurrentHashMap.newKeySet();
        Set<String> removed = ConcurrentHashMap.newKeySet();
        Set<String> maybeRemoved = ConcurrentHashMap.newKeySet();
        SampleApp app = new SampleApp(new MemoryDisk(), "");
        for (int life = 0; life < 3; life++) {
            List<ActorRef<Command>> both = List.of(
                    app.spawn(replica.apply("groceries", SharedList.NORTH), "north"),
                    app.spawn(replica.apply("groceries", SharedList.SOUTH), "south"));
            check(app, both, added, removed, maybeRemoved);
            List<CompletionStage<?>> underWay = new ArrayList<>();
            for (int step = 0; step < 30; step++) {
                ActorRef<Command> one = both.get(random.nextInt(2));
                String entry = "entry-" + life + "-" + step;
                // Removed once, by either of them, whether it has heard of it or not: then nothing happens.
                List<String> there = added.stream()
                        .filter(each -> !maybeRemoved.contains(each))
                        .sorted()
                        .toList();
                if (random.nextInt(3) == 0 && !there.isEmpty()) {
                    String gone = there.get(random.nextInt(there.size()));
                    maybeRemoved.add(gone);
                    if (all(app, one).contains(gone)) {
                        CompletionStage<Set<String>> removing =
                                app.ask(one, replyTo -> new SharedList.Remove(gone, replyTo));
                        removing.thenAccept(after -> removed.add(gone));
                        underWay.add(removing);
                    }
                } else {
                    CompletionStage<Set<String>> adding = app.ask(one, replyTo -> new SharedList.Add(entry, replyTo));
                    adding.thenAccept(after -> added.add(entry));
                    underWay.add(adding);
                }
            }
            // Half of it for certain: how much of the rest is answered is the machine's matter.
            for (CompletionStage<?> one : underWay.subList(0, underWay.size() / 2)) {
                SampleApp.get(one);
            }
            app = new SampleApp(life == 0 ? app.kill() : app.cutPower(random), "");
        }
        check(
                app,
                List.of(
                        app.spawn(replica.apply("groceries", SharedList.NORTH), "north"),
                        app.spawn(replica.apply("groceries", SharedList.SOUTH), "south")),
                added,
                removed,
                maybeRemoved);
        assertThat(added).hasSizeGreaterThan(20);
        assertThat(removed).isNotEmpty();
        app.stop();
    }

    private static Set<String> all(SampleApp app, ActorRef<Command> replica) throws Exception {
        return SampleApp.get(app.ask(replica, SharedList.GetAll::new));
    }

    private static void check(
            SampleApp app,
            List<ActorRef<Command>> both,
            Set<String> added,
            Set<String> removed,
            Set<String> maybeRemoved) {
        Set<String> kept = ConcurrentHashMap.newKeySet();
        kept.addAll(added);
        kept.removeAll(maybeRemoved);
        await().atMost(SampleApp.PATIENCE).untilAsserted(() -> {
            Set<String> north = all(app, both.get(0));
            assertThat(all(app, both.get(1))).isEqualTo(north);
            assertThat(north).containsAll(kept).noneMatch(removed::contains);
        });
    }
}
