package io.forebay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code actors/bin/forebay} in a checkout of its own, with a {@code java} and a {@code mvn} that only say they were called. */
class LauncherScriptTest {
    @TempDir
    Path folder;

    private Path checkout;
    private Path tools;
    private Path jdk;

    @BeforeEach
    void checkoutWithoutGit() throws IOException {
        checkout = folder.resolve("a check out");
        for (String room : List.of("protocol", "config", "storage", "actors")) {
            Files.createDirectories(checkout.resolve(room + "/src/main/java"));
            Files.writeString(checkout.resolve(room + "/pom.xml"), "<project/>");
        }
        Files.writeString(checkout.resolve("pom.xml"), "<project/>");
        Files.createDirectories(checkout.resolve("actors/bin"));
        Path script =
                Path.of("..", "..", "actors", "bin", "forebay").toAbsolutePath().normalize();
        Files.copy(script, checkout.resolve("actors/bin/forebay"));
        setExecutable(checkout.resolve("actors/bin/forebay"));
        // Older than whatever is built now.
        age(checkout, 3600);

        tools = Files.createDirectory(folder.resolve("tools"));
        executable(tools.resolve("mvn"), """
            read -r -t 5 line && echo "mvn was given stdin" >&2
            echo "mvn $* in $PWD"
            mkdir -p actors/target/classes/io/forebay/cli actors/target/lib
            for room in protocol config storage; do : >actors/target/lib/forebay-$room-1.jar; done
            : >actors/target/lib/picocli-1.jar
            : >actors/target/forebay-node-1.jar
            """);
        jdk = jdk("17.0.2");
    }

    @Test
    void firstUseBuildsAndTheSecondDoesNot() throws Exception {
        Result first = run(List.of("pop", "a topic", "--json"));
        assertThat(first.code).as(first.err).isEqualTo(42);
        assertThat(first.err)
                .contains("first use, building")
                .contains(
                        "mvn -q -B -Dstyle.color=never -DskipTests package -pl actors -am in " + checkout.toRealPath());
        assertThat(first.err).doesNotContain("was given stdin");
        assertThat(first.out)
                .as("stdout is the JVM's alone")
                .startsWith("java\n")
                .endsWith("io.forebay.cli.Main\npop\na topic\n--json\n")
                .contains("\n" + checkout.toRealPath() + "/actors/target/classes:" + checkout.toRealPath()
                        + "/actors/target/lib/*\n");
        assertThat(run(List.of("--version")).err).isEmpty();
    }

    @Test
    void newerSourceBuildsAgain() throws Exception {
        run(List.of());
        for (String path : List.of("storage/src/main/java/New.java", "pom.xml", "config/pom.xml")) {
            Files.writeString(checkout.resolve(path), "x");
            future(checkout.resolve(path), 2);
            Result again = run(List.of());
            assertThat(again.err).contains("is newer than the build, building").contains("mvn -q");
            age(checkout.resolve(path), 3600);
        }
        Files.delete(checkout.resolve("storage/src/main/java/New.java"));
        future(checkout.resolve("storage/src/main/java"), 2);
        assertThat(run(List.of()).err).as("a source was deleted").contains("building");
    }

    @Test
    void whatMavenLeftIsUsedAsItIs() throws Exception {
        Process mvn = new ProcessBuilder(tools.resolve("mvn").toString())
                .directory(checkout.toFile())
                .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                .start();
        assertThat(mvn.waitFor()).isZero();
        Result result = run(List.of("demo"));
        assertThat(result.err).isEmpty();
        assertThat(result.code).isEqualTo(42);
    }

    @Test
    void failedBuildIsNotRunAndHalfABuildIsNot() throws Exception {
        run(List.of());
        Files.writeString(checkout.resolve("pom.xml"), "x");
        future(checkout.resolve("pom.xml"), 2);
        executable(tools.resolve("mvn"), "echo '[ERROR] no'; exit 1");
        for (int attempt = 0; attempt < 2; attempt++) {
            Result result = run(List.of());
            assertThat(result.code).isEqualTo(ExitCode.LOCAL);
            assertThat(result.out).isEmpty();
            assertThat(result.err).contains("[ERROR] no").contains("the build failed");
        }
    }

    @Test
    void linksAndOtherFoldersLeadToTheSameCheckout() throws Exception {
        Path bin = Files.createDirectory(folder.resolve("bin"));
        Files.createSymbolicLink(bin.resolve("near"), Path.of("..", "a check out", "actors", "bin", "forebay"));
        Files.createSymbolicLink(bin.resolve("forebay"), Path.of("near"));
        Result result = start(bin.resolve("forebay"), List.of("x"), Map.of(), folder.resolve("bin"));
        assertThat(result.code).as(result.err).isEqualTo(42);
        assertThat(result.out).contains("-Dforebay-launcher.home=" + checkout.toRealPath() + "\n");
    }

    @Test
    void flagsOfTheUserComeLast() throws Exception {
        Result result = start(
                checkout.resolve("actors/bin/forebay"),
                List.of("node"),
                Map.of("FOREBAY_JAVA_OPTS", "-Xmx3g -Da=*"),
                folder);
        List<String> words = result.out.lines().toList();
        assertThat(words).containsSubsequence("-XX:+UseG1GC", "-Xmx3g", "-Da=*", "io.forebay.cli.Main", "node");
    }

    @Test
    void wrongOrMissingJavaIsNamed() throws Exception {
        Path old = jdk("11.0.3");
        assertThat(withJavaHome(old).err)
                .isEqualTo("forebay: '" + old + "/bin/java' is Java 11.0.3; Forebay needs JDK 17 or later"
                        + " (set JAVA_HOME)\n");
        Result none = withJavaHome(folder.resolve("nowhere"));
        assertThat(none.code).isEqualTo(ExitCode.LOCAL);
        assertThat(none.err)
                .contains("JAVA_HOME is '" + folder.resolve("nowhere") + "'")
                .contains("JDK 17 or later");
        assertThat(withJavaHome(jdk("25")).out).contains("--sun-misc-unsafe-memory-access=allow");
    }

    @Test
    void oneOfManyBuildsAndTheOthersWait() throws Exception {
        executable(
                tools.resolve("mvn"),
                Files.readString(tools.resolve("mvn"))
                        .replace("#!/usr/bin/env bash\n", "echo called >>mvn-calls\nsleep 1\n"));
        List<Process> processes = new ArrayList<>();
        for (int index = 0; index < 4; index++) {
            processes.add(builder(checkout.resolve("actors/bin/forebay"), List.of("x"), Map.of(), folder)
                    .redirectErrorStream(true)
                    .start());
        }
        for (Process process : processes) {
            String said = new String(process.getInputStream().readAllBytes(), UTF_8);
            assertThat(process.waitFor()).as(said).isEqualTo(42);
        }
        assertThat(Files.readAllLines(checkout.resolve("mvn-calls"))).hasSize(1);
    }

    private record Result(int code, String out, String err) {}

    private Result run(List<String> arguments) throws Exception {
        return start(checkout.resolve("actors/bin/forebay"), arguments, Map.of(), folder);
    }

    private Result withJavaHome(Path javaHome) throws Exception {
        return start(
                checkout.resolve("actors/bin/forebay"), List.of("x"), Map.of("JAVA_HOME", javaHome.toString()), folder);
    }

    private Result start(Path script, List<String> arguments, Map<String, String> environment, Path current)
            throws Exception {
        Path out = Files.createTempFile(folder, "out", "");
        Path err = Files.createTempFile(folder, "err", "");
        Process process = builder(script, arguments, environment, current)
                .redirectOutput(out.toFile())
                .redirectError(err.toFile())
                .start();
        process.getOutputStream().write("for the JVM\n".getBytes(UTF_8));
        process.getOutputStream().close();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return new Result(process.exitValue(), Files.readString(out), Files.readString(err));
    }

    private ProcessBuilder builder(Path script, List<String> arguments, Map<String, String> environment, Path current) {
        List<String> command = new ArrayList<>(List.of(script.toString()));
        command.addAll(arguments);
        ProcessBuilder builder = new ProcessBuilder(command).directory(current.toFile());
        builder.environment().put("PATH", tools + ":/usr/bin:/bin");
        builder.environment().put("JAVA_HOME", jdk.toString());
        builder.environment().remove("FOREBAY_JAVA_OPTS");
        builder.environment().remove("FOREBAY_NO_BUILD");
        builder.environment().putAll(environment);
        return builder;
    }

    /** A JDK whose java prints its arguments, one a line, and ends with 42. */
    private Path jdk(String version) throws IOException {
        Path home = folder.resolve("jdk " + version);
        Files.createDirectories(home.resolve("bin"));
        Files.writeString(home.resolve("release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"" + version + "\"\n");
        executable(home.resolve("bin/java"), "printf '%s\\n' java \"$@\"; exit 42");
        return home;
    }

    private static void executable(Path file, String body) throws IOException {
        Files.writeString(file, body.startsWith("#!") ? body : "#!/usr/bin/env bash\n" + body);
        setExecutable(file);
    }

    private static void setExecutable(Path file) throws IOException {
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private static void age(Path path, long seconds) throws IOException {
        try (var files = Files.walk(path)) {
            for (Path file : files.toList()) {
                Files.setLastModifiedTime(file, FileTime.from(Instant.now().minusSeconds(seconds)));
            }
        }
    }

    private static void future(Path path, long seconds) throws IOException {
        Files.setLastModifiedTime(path, FileTime.from(Instant.now().plusSeconds(seconds)));
    }
}
