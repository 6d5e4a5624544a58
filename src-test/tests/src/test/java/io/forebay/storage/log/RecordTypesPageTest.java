package io.forebay.storage.log;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The page on record types names every type with its number, and every field of every record. */
class RecordTypesPageTest {
    private static String page() throws IOException {
        return Files.readString(
                Path.of(System.getProperty("basedir", "")).toAbsolutePath().resolve("../../docs/record-types.md"));
    }

    @Test
    void namesEveryTypeAndItsVersion() throws Exception {
        String page = page();
        for (RecordType type : RecordType.values()) {
            assertThat(page)
                    .contains("| " + type.number() + " | [`" + type.name() + "`]")
                    .contains("### " + type.name() + "\n\nNumber " + type.number() + ", version " + type.version());
        }
    }

    @Test
    void namesEveryField() throws Exception {
        String page = page();
        for (LogRecord record : RecordSamples.all()) {
            int from = page.indexOf("### " + record.type().name() + "\n");
            int to = page.indexOf("\n### ", from + 1);
            String section = page.substring(from, to < 0 ? page.length() : to);
            if (record.getClass().isRecord() && record.type() != RecordType.TOPIC) {
                for (RecordComponent component : record.getClass().getRecordComponents()) {
                    String name = component.getName().equals("deliveries") ? "ranges" : component.getName();
                    assertThat(section)
                            .as(record.type() + " " + name)
                            .containsIgnoringCase(
                                    name.equals("startOffsets")
                                            ? "start offsets"
                                            : name.equals("sends") ? "sends" : name);
                }
            }
        }
    }
}
