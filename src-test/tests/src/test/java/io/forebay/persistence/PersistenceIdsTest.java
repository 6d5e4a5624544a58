package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;

import akka.stream.javadsl.SinkQueueWithCancel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The stream of persistence ids: each comes once, however many there are beside what is read at once. */
class PersistenceIdsTest {
    /** The least that may be set. */
    private static final int BATCH = 16;

    @TempDir
    Path directory;

    @Test
    void eachIdComesOnceWhereverABatchEnds() throws Exception {
        try (QueryFixture fixture = new QueryFixture(directory, "forebay.persistence.query-batch-events = " + BATCH)) {
            SinkQueueWithCancel<String> live = fixture.run(fixture.journal.persistenceIds());
            List<String> ids = new ArrayList<>();
            List<String> told = new ArrayList<>();
            // Of one queue, so that its batches end where they are full; and of all.
            for (int round = 0; round < 2 * BATCH + 2; round++) {
                String id = "a" + round;
                while (round < BATCH + 2 && ShardKind.shardOf(id) != 3) {
                    id += "'";
                }
                ids.add(id);
                fixture.write(id, 1, "event");
                if (ids.size() % BATCH <= 1 || ids.size() % BATCH == BATCH - 1) {
                    assertThat(fixture.all(fixture.journal.currentPersistenceIds()))
                            .containsExactlyInAnyOrderElementsOf(ids);
                }
                if (round % 7 == 6) {
                    told.addAll(QueryFixture.take(live, ids.size() - told.size()));
                    assertThat(told).containsExactlyInAnyOrderElementsOf(ids);
                }
            }
            List<CompletableFuture<Void>> more = new ArrayList<>();
            for (int i = 0; i < 3 * BATCH; i++) {
                ids.add("b" + i);
                more.add(fixture.writeLater("b" + i, 1, List.of(), "event"));
            }
            for (CompletableFuture<Void> one : more) {
                QueryFixture.get(one);
            }
            told.addAll(QueryFixture.take(live, ids.size() - told.size()));
            assertThat(told).containsExactlyInAnyOrderElementsOf(ids);
            assertThat(fixture.all(fixture.journal.currentPersistenceIds())).containsExactlyInAnyOrderElementsOf(ids);
            live.cancel();
        }
    }
}
