package io.forebay.bench;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.journals.JournalPlan;
import io.forebay.journals.JournalWorker;
import io.forebay.yardstick.Outcome;
import io.forebay.yardstick.Setup;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The benchmark of journals, short: what persistent actors persist is recovered once, unaltered and in order. */
class PersistenceSmokeTest {
    @TempDir
    private Path directory;

    @Test
    void whatIsPersistedIsRecovered() throws Exception {
        List<Outcome> outcomes = JournalWorker.run(
                new BenchJournal(),
                new Setup(directory, true, Map.of()),
                List.of(new JournalPlan("persist-50", 50, 0, 0, 1), new JournalPlan("recover-50", 50, 100, 0, 0)));
        assertThat(outcomes).hasSize(2).allMatch(Outcome::isGood);
        assertThat(outcomes).allMatch(outcome -> outcome.number("perSecond") > 0);
        assertThat(outcomes.get(1).number("persisted")).isEqualTo(5_000);
    }
}
