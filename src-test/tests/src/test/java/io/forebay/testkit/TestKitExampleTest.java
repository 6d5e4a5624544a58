package io.forebay.testkit;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The example of docs/testing.md is a test that is run: {@link BillingExampleTest}, word for word. */
class TestKitExampleTest {
    private static final Path ROOT = Path.of("..", "..");

    @Test
    void thePageShowsWhatRuns() throws IOException {
        String source = Files.readString(
                ROOT.resolve("src-test/tests/src/test/java/io/forebay/testkit/BillingExampleTest.java"), UTF_8);
        String example = source.substring(source.indexOf("/** What the application does"));
        assertThat(Files.readString(ROOT.resolve("docs/testing.md"), UTF_8)).contains("```java\n" + example + "```");
    }
}
