package io.forebay.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DemoInputTest {
    @TempDir
    Path folder;

    @Test
    void everyLineOfEveryPassHasANumberOfItsOwn() throws Exception {
        Path first = Files.writeString(folder.resolve("first.txt"), "a\n\nb");
        Path second = Files.writeString(folder.resolve("second.txt"), "c\n");
        DemoInput input = DemoInput.of(List.of(first.toString(), second.toString()), 10);
        assertThat(input.linesPerPass()).isEqualTo(4);
        assertThat(input.passCount()).isEqualTo(3);
        BitSet numbers = new BitSet();
        List<String> bodies = new ArrayList<>();
        for (int pass = 0; pass < input.passCount(); pass++) {
            for (DemoInput.Source source : input.sources()) {
                int current = pass;
                DemoInput.forEachLine(source, (line, body) -> {
                    int number = input.number(current, source, line);
                    assertThat(numbers.get(number)).isFalse();
                    numbers.set(number);
                    bodies.add(new String(body));
                    return true;
                });
            }
        }
        assertThat(numbers.cardinality()).isEqualTo(input.messageCount()).isEqualTo(12);
        assertThat(bodies).startsWith("a", "", "b", "c", "a");
    }

    @Test
    void onePassWhenFilesAreNamed() throws IOException {
        Path file = Files.writeString(folder.resolve("lines"), "a\nb\n");
        assertThat(DemoInput.of(List.of(file.toString()), 1).messageCount()).isEqualTo(2);
    }

    @Test
    void textsAreFoundAndTheRestIsLeftOut() throws IOException {
        Path checkout = Files.createDirectory(folder.resolve("check out"));
        Files.writeString(checkout.resolve("README.md"), "one\ntwo\n");
        Files.write(checkout.resolve("image.png"), new byte[] {1, 0, 2, '\n'});
        Files.writeString(Files.createDirectory(checkout.resolve(".git")).resolve("HEAD"), "x\n");
        Files.writeString(Files.createDirectory(checkout.resolve("target")).resolve("log.txt"), "x\n");
        Files.writeString(checkout.resolve("long.txt"), "x".repeat(100_000));
        Files.createFile(checkout.resolve("empty"));
        Files.createSymbolicLink(checkout.resolve("loop"), checkout);
        Files.createSymbolicLink(checkout.resolve("same.md"), checkout.resolve("README.md"));
        Path jdk = Files.createDirectory(folder.resolve("jdk"));
        Files.writeString(Files.createDirectory(jdk.resolve("conf")).resolve("net.properties"), "three\n");
        Files.createDirectory(jdk.resolve("lib"));
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(jdk.resolve("lib/src.zip")))) {
            zip.putNextEntry(new ZipEntry("java.base/java/lang/Object.java"));
            zip.write("four\nfive\n".getBytes());
            zip.closeEntry();
        }
        DemoInput input = DemoInput.ofTexts(checkout, jdk, 100);
        assertThat(input.sources())
                .extracting(source -> source.file().name() + " " + source.lineCount())
                .containsExactly(
                        "README.md 2", "jdk/conf/net.properties 1", "jdk/src.zip/java.base/java/lang/Object.java 2");
        assertThat(input.messageCount()).isEqualTo(100);
        assertThat(DemoInput.ofTexts(checkout, jdk, 4).messageCount())
                .as("cut in the last file")
                .isEqualTo(4);
    }

    @Test
    void littleTextIsEnough() {
        assertThat(DemoInput.ofTexts(null, folder, 1000).messageCount()).isEqualTo(1000);
        assertThat(DemoInput.ofTexts(folder.resolve("missing"), folder.resolve("missing"), 7)
                        .messageCount())
                .isEqualTo(7);
    }

    @Test
    void whatCannotBeSentIsNamed() throws IOException {
        assertThatThrownBy(() -> DemoInput.of(List.of(folder.resolve("missing").toString()), 1))
                .hasMessage("'" + folder.resolve("missing") + "' does not exist");
        assertThatThrownBy(() -> DemoInput.of(List.of(folder.toString()), 1)).hasMessageContaining("is a directory");
        Path empty = Files.createFile(folder.resolve("empty"));
        assertThatThrownBy(() -> DemoInput.of(List.of(empty.toString()), 1)).hasMessageContaining("no line in");
        Path wide = Files.writeString(folder.resolve("wide"), "a\n" + "x".repeat(40_000));
        assertThatThrownBy(() -> DemoInput.of(List.of(wide.toString()), 1))
                .hasMessageContaining("line 2 is longer than");
    }
}
