package io.forebay.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** JSON, the console and the percentiles that are printed. */
class OutputTest {

    @Test
    void jsonIsOnOneLineAndEscaped() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("text", "a\"b\\c\n\r\t\u0001\u007f é\ud800");
        map.put("numbers", List.of(1, 2L, 3.5, Double.NaN));
        map.put("none", null);
        map.put("flag", true);
        map.put("empty", Map.of());
        assertThat(Json.write(map))
                .isEqualTo("{\"text\":\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u007f é\\ud800\",\"numbers\":[1,2,3.5,null],"
                        + "\"none\":null,\"flag\":true,\"empty\":{}}");
    }

    @Test
    void resultsAndTalkDoNotMix() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Console console = new Console(new PrintStream(out), new PrintStream(err), true);
        console.println("a result");
        console.progress("12 of 100");
        console.say("a word");
        assertThat(out.size()).as("nothing before the flush").isZero();
        console.flush();
        assertThat(out.toString(StandardCharsets.UTF_8)).isEqualTo("a result\n");
        assertThat(err.toString(StandardCharsets.UTF_8)).isEqualTo("\r\u001b[K12 of 100\r\u001b[Ka word\n");
    }

    @Test
    void readerThatWentAwayIsNoticedAtTheFlush() {
        OutputStream closed = new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                throw new IOException("Broken pipe");
            }
        };
        Console console = new Console(new PrintStream(closed, false), System.err, false);
        console.println("x");
        assertThatThrownBy(console::flush).isInstanceOf(Console.OutputGoneException.class);
    }

    @Test
    void percentilesAreNearTheTruth() {
        Random random = new Random(7);
        LatencyHistogram histogram = new LatencyHistogram();
        long[] truth = new long[50_000];
        for (int index = 0; index < truth.length; index++) {
            truth[index] = (long) Math.exp(random.nextDouble() * 40);
            histogram.record(truth[index]);
        }
        Arrays.sort(truth);
        for (double share : new double[] {0.01, 0.5, 0.9, 0.99, 1}) {
            long exact = truth[(int) Math.ceil(share * truth.length) - 1];
            assertThat(histogram.percentileNanos(share)).isBetween(exact, exact + exact / 60 + 1);
        }
        assertThat(histogram.count()).isEqualTo(truth.length);
        histogram.record(Long.MAX_VALUE);
        histogram.record(-1);
        assertThat(histogram.percentileNanos(1)).isEqualTo(Long.MAX_VALUE);
        assertThat(histogram.percentileNanos(0)).isZero();
        assertThat(new LatencyHistogram().percentileNanos(0.5)).isZero();
    }
}
