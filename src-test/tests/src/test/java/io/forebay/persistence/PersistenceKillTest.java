package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.support.ForkedJvm;
import io.forebay.testkit.sim.Proof;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * <b>I1</b>, with {@code kill -9} of a real process: an event whose handler has run is there in the next life, at either durability.
 * <b>I2</b>: without a gap, a repetition or half of a group. More lives: {@code -Dforebay.persistence.kills=100}.
 */
class PersistenceKillTest {
    private static final int KILLS = Integer.getInteger("forebay.persistence.kills", 4);

    @TempDir
    Path directory;

    @Test
    void whatAHandlerHasSeenIsThereBehindAKill() throws Exception {
        Map<String, Integer> seen = new HashMap<>();
        for (int life = 0; life <= KILLS; life++) {
            Process process = start(life % 2 == 0 ? "flushed" : "written");
            try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
                Map<String, Integer> recovered = recovered(lines);
                assertThat(recovered).hasSize(PersistingProcess.ACTORS);
                seen.forEach((id, count) -> assertThat(recovered.get(id)).as(id).isGreaterThanOrEqualTo(count));
                assertThat(recovered.values()).allMatch(count -> count % 3 == 0);
                seen.putAll(recovered);
                for (int line = 0; line < 300 + 170 * life; line++) {
                    note(lines.readLine(), seen);
                }
                // By its handle: the process itself would close what is to be read.
                process.toHandle().destroyForcibly();
                process.waitFor();
                Proof.kills.increment();
                // What it had said before it died counts, too.
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    note(line, seen);
                }
            } finally {
                process.destroyForcibly().waitFor(60, TimeUnit.SECONDS);
            }
        }
        Proof.messagesAcknowledged.add(
                seen.values().stream().mapToInt(Integer::intValue).sum());
    }

    /** A last line may be cut by the kill. */
    private static void note(String line, Map<String, Integer> seen) {
        String[] words = line.split(" ");
        if (words.length == 2 && seen.containsKey(words[0])) {
            int count = Integer.parseInt(words[1]);
            if (count % 3 == 0 && count == seen.get(words[0]) + 3) {
                seen.put(words[0], count);
            }
        }
    }

    private static Map<String, Integer> recovered(BufferedReader lines) throws IOException {
        Map<String, Integer> recovered = new HashMap<>();
        for (String line = lines.readLine(); !"begun".equals(line); line = lines.readLine()) {
            assertThat(line).as("the process has ended").isNotNull().doesNotStartWith("wrong");
            String[] words = line.split(" ");
            if (words.length == 3 && words[0].equals("has")) {
                recovered.put(words[1], Integer.valueOf(words[2]));
            }
        }
        return recovered;
    }

    private Process start(String durability) throws IOException {
        List<String> command = ForkedJvm.command(PersistingProcess.class, "-Xmx256m");
        command.addAll(List.of(directory.toString(), durability));
        return new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
    }
}
