package io.forebay.testkit.check;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.Durability;
import io.forebay.protocol.Receipt;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A journal holds what was noted, in order, whoever noted it: over {@code kill -9} of a writer, too. Whatever is missing of a file
 * but the last line of somebody is found.
 */
@Tag("proof")
class JournalTest {
    private static final ReceiptHandle HANDLE = new ReceiptHandle(-7, 1, 2, 3, 1L << 40, 4, 5, Long.MIN_VALUE);

    /** One of each type. */
    private static final List<Fact> FACTS = List.of(
            new Fact.Sending("ü id\n", "t", "", "p 1", 1L << 50, -1),
            new Fact.Stored(
                    "ü id\n",
                    Durability.WRITTEN,
                    new Receipt(Durability.FLUSHED, "node-1", 2, 1L << 40, "t", 3, 4, Integer.MIN_VALUE)),
            new Fact.NotStored("", Refusal.Code.OUTCOME_UNKNOWN),
            new Fact.Popped("c", "g", "t", 1, 2, 3, HANDLE, 4, 5, "%=", 6),
            new Fact.PopFailed("c", "t", "g"),
            new Fact.Acking(HANDLE),
            new Fact.Acked(HANDLE, Durability.FLUSHED, AckOutcome.ALREADY_SETTLED),
            new Fact.NotAcked(HANDLE, Refusal.Code.STALE_HANDLE),
            new Fact.Nacking(HANDLE),
            new Fact.Nacked(HANDLE, 7),
            new Fact.Extending(HANDLE),
            new Fact.Extended(HANDLE, 8),
            new Fact.GivingBack(HANDLE),
            new Fact.Gone("c"),
            new Fact.Letter("g", 1, 2, 3, "t", 4, 5, 6, "id", 7),
            new Fact.Fault(Fact.Fault.Kind.POWER_CUT),
            new Fact.Remark("the disk is full, and 100 % of it"),
            new Fact.Serving(),
            new Fact.NotServing("no room"),
            new Fact.Damaged(Fact.Damaged.What.NOTES, "g", 7, "t", 1, -1),
            new Fact.Drained("t", "g"));

    @TempDir
    Path directory;

    @Test
    void everyFactComesBackAsItWas() throws IOException {
        assertThat(FACTS.stream().map(fact -> fact.getClass().getSimpleName()))
                .as("a sample for each type")
                .containsExactlyInAnyOrderElementsOf(Arrays.stream(Fact.class.getPermittedSubclasses())
                        .map(Class::getSimpleName)
                        .toList());
        Path path = directory.resolve("journal");
        List<Noted> expected = new ArrayList<>();
        long[] now = {5};
        try (Journal first = Journal.toFile(path, "first", () -> now[0]);
                Journal second = Journal.toFile(path, "second", () -> now[0]);
                Journal memory = Journal.inMemory(() -> now[0])) {
            for (Fact fact : FACTS) {
                now[0]++;
                boolean isFirst = now[0] % 3 > 0;
                (isFirst ? first : second).note(fact);
                memory.note(fact);
                expected.add(new Noted(isFirst ? "first" : "second", now[0], fact));
            }
            assertThat(memory.noted()).extracting(Noted::fact).isEqualTo(FACTS);
            assertThat(memory.noted()).extracting(Noted::atMillis).isSorted().contains(now[0]);
        }
        assertThat(Journal.read(path)).isEqualTo(expected);
    }

    @Test
    void aTornLineSpoilsNoOther() throws IOException {
        Path path = directory.resolve("journal");
        try (Journal journal = Journal.toFile(path, "torn", () -> 1)) {
            journal.note(FACTS.get(0));
            journal.note(FACTS.get(3));
        }
        byte[] whole = Files.readAllBytes(path);
        int lastLine = new String(whole, StandardCharsets.UTF_8).lastIndexOf("\n\n") + 1;
        for (int size = lastLine; size < whole.length - 1; size++) {
            Files.write(path, Arrays.copyOf(whole, size));
            try (Journal other = Journal.toFile(path, "other", () -> 2)) {
                other.note(FACTS.get(1));
            }
            assertThat(Journal.read(path)).extracting(Noted::fact).containsExactly(FACTS.get(0), FACTS.get(1));
        }
    }

    @Test
    void aMissingOrChangedLineIsFound() throws IOException {
        Path path = directory.resolve("journal");
        try (Journal journal = Journal.toFile(path, "w", () -> 1)) {
            FACTS.forEach(journal::note);
        }
        List<String> lines = Files.readAllLines(path);
        for (int index = 1; index < lines.size() - 2; index += 2) {
            List<String> without = new ArrayList<>(lines);
            without.remove(index);
            Files.write(path, without);
            assertDamaged(path);
            List<String> changed = new ArrayList<>(lines);
            changed.set(index, lines.get(index) + "0");
            Files.write(path, changed);
            assertDamaged(path);
        }
    }

    private static void assertDamaged(Path path) {
        assertThatThrownBy(() -> Journal.read(path))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("is damaged: writer w noted number");
    }

    /** What a writer has said that it noted is there, however it ended. */
    @Test
    @Timeout(value = 2, unit = TimeUnit.MINUTES)
    void whatWasNotedSurvivesTheKillOfItsWriter() throws Exception {
        Path path = directory.resolve("journal");
        Process writer = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx64m",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Writer.class.getName(),
                        path.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String said = "";
        try (BufferedReader output = writer.inputReader(StandardCharsets.UTF_8);
                Journal own = Journal.toFile(path, "own", () -> 1)) {
            for (int count = 0; count < 2000; count++) {
                said = output.readLine();
                assertThat(said).as("the writer goes on").isNotNull();
                own.note(new Fact.Gone("own " + count));
            }
            writer.toHandle().destroyForcibly(); // leaves open what it has said
            for (String line = output.readLine(); line != null && line.endsWith("."); line = output.readLine()) {
                said = line;
            }
        } finally {
            writer.destroyForcibly().waitFor();
        }
        int last = Integer.parseInt(said.substring(0, said.length() - 1));
        List<Noted> all = Journal.read(path);
        assertThat(all.stream().filter(noted -> noted.writer().equals("own")).count())
                .isEqualTo(2000);
        assertThat(all.stream().filter(noted -> noted.writer().equals("killed")).count())
                .as("noted by the writer, who has told of %d", last)
                .isBetween((long) last, last + 1L);
    }

    /** Notes and tells, one after the other, until it is killed. */
    static final class Writer {
        private Writer() {}

        public static void main(String[] arguments) throws IOException {
            try (Journal journal = Journal.toFile(Path.of(arguments[0]), "killed", () -> 1)) {
                for (int number = 1; number < 10_000_000; number++) {
                    journal.note(new Fact.Gone("x".repeat(number % 5000)));
                    System.out.println(number + ".");
                    if (System.out.checkError()) {
                        return; // whoever started it is gone
                    }
                }
            }
        }
    }

    @Test
    void aWriterHasAName() {
        assertThatThrownBy(() -> Journal.toFile(directory.resolve("journal"), "two words", () -> 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'two words'");
    }
}
