package io.forebay.protocol.wire;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** The numbers of messages in docs/wire-format.md are those of the code. */
class WireFormatPageTest {
    private static final Path PAGE = Path.of("..", "..", "docs", "wire-format.md");
    private static final Pattern ROW = Pattern.compile("\\| ([0-9][0-9, ]*) \\| ([A-Za-z, ]+?)(?: \\(.*\\))? \\|");

    @Test
    void thePageNamesEveryMessageWithItsNumber() throws IOException {
        Map<Integer, String> told = new TreeMap<>();
        for (String line : Files.readAllLines(PAGE)) {
            Matcher row = ROW.matcher(line);
            if (row.matches()) {
                String[] numbers = row.group(1).split(", ");
                String[] names = row.group(2).split(", ");
                assertThat(names).as(line).hasSameSizeAs(numbers);
                for (int i = 0; i < numbers.length; i++) {
                    assertThat(told.put(Integer.valueOf(numbers[i]), names[i]))
                            .as("number %s twice", numbers[i])
                            .isNull();
                }
            }
        }
        Map<Integer, String> known = new TreeMap<>();
        for (WireType type : WireType.values()) {
            String name = Arrays.stream(type.name().split("_"))
                    .map(word -> word.charAt(0) + word.substring(1).toLowerCase(Locale.ROOT))
                    .collect(Collectors.joining());
            known.put(type.number(), name);
        }
        assertThat(told).isEqualTo(known);
    }
}
