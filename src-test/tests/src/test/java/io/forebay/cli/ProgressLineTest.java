package io.forebay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.time.Instant;
import org.junit.jupiter.api.Test;

/** What a person is told of long work, in a time that only this test moves. */
class ProgressLineTest {
    private static final long MILLIS = 1_000_000;

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();
    private long nowNanos = -3_000_000_000L; // a clock's origin means nothing
    private int number;

    private ProgressLine line(boolean isTerminal, boolean isAsked) {
        Console console = new Console(new PrintStream(out, true, UTF_8), new PrintStream(err, true, UTF_8), isTerminal);
        Shell shell = new Shell(
                InputStream.nullInputStream(), console, new Interruption(), () -> Instant.EPOCH, () -> nowNanos);
        return new ProgressLine(shell, isAsked);
    }

    /** Tells it once a millisecond. */
    private void tell(ProgressLine line, int millis) {
        for (int i = 0; i < millis; i++) {
            nowNanos += MILLIS;
            number++;
            line.tell(() -> "line " + number);
        }
    }

    @Test
    void terminalIsDrawnOverFiveTimesASecond() {
        ProgressLine line = line(true, false);
        tell(line, 1000);
        assertThat(err.toString(UTF_8).split("\r\u001b\\[K"))
                .containsExactly("", "line 200", "line 400", "line 600", "line 800", "line 1000");
        line.end(() -> "the end");
        assertThat(err.toString(UTF_8)).endsWith("line 1000\r\u001b[Kthe end\n");
        assertThat(out.size()).isZero();
    }

    @Test
    void elsewhereALineIsAddedEveryTwoSecondsIfAsked() {
        ProgressLine line = line(false, true);
        tell(line, 5000);
        line.end(() -> "the end");
        assertThat(err.toString(UTF_8)).isEqualTo("line 2000\nline 4000\nthe end\n");
        assertThat(out.size()).isZero();
    }

    @Test
    void nobodyWhoHasNotAskedIsTold() {
        ProgressLine line = line(false, false);
        tell(line, 5000);
        line.end(() -> "the end");
        assertThat(err.size()).isZero();
    }
}
