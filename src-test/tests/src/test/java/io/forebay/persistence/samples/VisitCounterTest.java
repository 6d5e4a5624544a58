package io.forebay.persistence.samples;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.Adapter;
import akka.persistence.query.DurableStateChange;
import akka.persistence.query.Offset;
import akka.persistence.query.UpdatedDurableState;
import akka.persistence.query.javadsl.DurableStateStoreQuery;
import akka.persistence.state.DurableStateStoreRegistry;
import akka.persistence.state.javadsl.GetObjectResult;
import io.forebay.persistence.samples.VisitCounter.Command;
import io.forebay.persistence.samples.VisitCounter.Visits;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.Proof;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/**
 * Akka's durable state behaviour. <b>I1</b>: a state whose handler has run, or a later one, is there behind a kill or a power cut.
 * <b>I2</b>: revisions have no gap and no repetition: a state of so many visits has that revision. <b>I3</b>: a query by tag tells of the
 * newest state of each.
 */
class VisitCounterTest {
    private static final int PAGES = 16;

    @Test
    void visitsThatWereAnsweredAreCountedBehindCrashes() throws Exception {
        Random random = new Random(11);
        AtomicReferenceArray<Visits> answered = new AtomicReferenceArray<>(PAGES);
        for (int page = 0; page < PAGES; page++) {
            answered.set(page, new Visits(0, ""));
        }
        SampleApp app = new SampleApp(new MemoryDisk(), "");
        for (int life = 0; life < 6; life++) {
            List<CompletionStage<Visits>> underWay = new ArrayList<>();
            for (int page = 0; page < PAGES; page++) {
                int of = page;
                ActorRef<Command> counter = app.spawn(new VisitCounter("p" + page), "page-" + page);
                answered.set(page, check(app, counter, page, answered.get(page)));
                for (int visit = random.nextInt(8); visit >= 0; visit--) {
                    String visitor = life + "-" + visit;
                    CompletionStage<Visits> counting =
                            app.ask(counter, replyTo -> new VisitCounter.Visit(visitor, replyTo));
                    counting.thenAccept(after -> answered.set(of, after));
                    underWay.add(counting);
                }
            }
            SampleApp.get(underWay.get(random.nextInt(underWay.size())));
            app = new SampleApp(random.nextBoolean() ? app.kill() : app.cutPower(random), "");
        }
        long visits = 0;
        for (int page = 0; page < PAGES; page++) {
            ActorRef<Command> counter = app.spawn(new VisitCounter("p" + page), "page-" + page);
            answered.set(page, check(app, counter, page, answered.get(page)));
            visits += answered.get(page).count();
        }
        List<DurableStateChange<Object>> changes =
                app.all(store(app).currentChanges(VisitCounter.TAG, Offset.noOffset()));
        // Of the last page no visit need have been counted when its application died, in no life.
        List<Integer> visited = IntStream.range(0, PAGES)
                .filter(page -> answered.get(page).count() > 0)
                .boxed()
                .toList();
        assertThat(visited).hasSizeGreaterThan(PAGES / 2);
        assertThat(changes.stream().map(VisitCounterTest::pageOf)).containsExactlyInAnyOrderElementsOf(visited);
        assertThat(changes).allSatisfy(change -> {
            UpdatedDurableState<Object> updated = (UpdatedDurableState<Object>) change;
            int page = pageOf(change);
            assertThat(updated.value()).isEqualTo(answered.get(page));
            assertThat(updated.revision()).isEqualTo(answered.get(page).count());
        });
        Proof.messagesAcknowledged.add(visits);
        app.stop();
    }

    private static int pageOf(DurableStateChange<Object> change) {
        return Integer.parseInt(change.persistenceId().substring("Page|p".length()));
    }

    @SuppressWarnings("unchecked")
    private static DurableStateStoreQuery<Object> store(SampleApp app) {
        return DurableStateStoreRegistry.get(Adapter.toClassic(app.system))
                .getDurableStateStoreFor(DurableStateStoreQuery.class, "forebay.persistence.state-store");
    }

    static Visits check(SampleApp app, ActorRef<Command> counter, int page, Visits promised) throws Exception {
        Visits found = SampleApp.get(app.ask(counter, VisitCounter.GetVisits::new));
        assertThat(found.count()).isGreaterThanOrEqualTo(promised.count());
        if (found.count() == promised.count()) {
            assertThat(found).isEqualTo(promised);
        }
        GetObjectResult<Object> stored = SampleApp.get(store(app).getObject("Page|p" + page));
        assertThat(stored.revision()).isEqualTo(found.count());
        return found;
    }
}
