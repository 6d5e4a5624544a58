package io.forebay.cli;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class LineReaderTest {

    @Test
    void emptyLinesCountAndSoDoesALastOneWithoutNewline() throws IOException {
        assertThat(lines("", 10)).isEmpty();
        assertThat(lines("\n", 10)).containsExactly("");
        assertThat(lines("a", 10)).containsExactly("a");
        assertThat(lines("a\n", 10)).containsExactly("a");
        assertThat(lines("\n\nb", 10)).containsExactly("", "", "b");
        assertThat(lines("a\r\nb\0c\n", 10)).containsExactly("a\r", "b\0c");
    }

    @Test
    void lineOverTheLimitIsNamed() throws IOException {
        assertThat(lines("x".repeat(10) + "\n" + "y".repeat(10), 10)).hasSize(2);
        assertThatThrownBy(() -> lines("ok\n" + "x".repeat(11) + "\n", 10))
                .isInstanceOf(LineReader.TooLongException.class)
                .hasMessage("line 2 is longer than 10 bytes");
        assertThatThrownBy(() -> lines("x".repeat(300_000), 100_000)).isInstanceOf(LineReader.TooLongException.class);
    }

    /** Any bytes, in pieces of any size, come out as a split at each newline says. */
    @Test
    void anyBytesInAnyPieces() throws IOException {
        long seed = new Random().nextLong();
        Random random = new Random(seed);
        for (int round = 0; round < 300; round++) {
            byte[] bytes = new byte[random.nextInt(200_000)];
            random.nextBytes(bytes);
            int newlines = random.nextInt(2000);
            for (int index = 0; index < newlines && bytes.length > 0; index++) {
                bytes[random.nextInt(bytes.length)] = '\n';
            }
            String text = new String(bytes, ISO_8859_1);
            List<String> expected = new ArrayList<>(List.of(text.split("\n", -1)));
            if (expected.get(expected.size() - 1).isEmpty()) {
                expected.remove(expected.size() - 1);
            }
            InputStream inPieces = new ByteArrayInputStream(bytes) {
                @Override
                public int read(byte[] target, int at, int length) {
                    return super.read(target, at, Math.min(length, 1 + random.nextInt(70_000)));
                }
            };
            assertThat(lines(inPieces, 300_000))
                    .as("seed %d round %d", seed, round)
                    .isEqualTo(expected);
        }
    }

    private static List<String> lines(String text, int max) throws IOException {
        return lines(new ByteArrayInputStream(text.getBytes(ISO_8859_1)), max);
    }

    private static List<String> lines(InputStream source, int max) throws IOException {
        LineReader reader = new LineReader(source, max);
        List<String> lines = new ArrayList<>();
        for (byte[] line = reader.next(); line != null; line = reader.next()) {
            lines.add(new String(line, ISO_8859_1));
            assertThat(reader.lineCount()).isEqualTo(lines.size());
        }
        return lines;
    }
}
