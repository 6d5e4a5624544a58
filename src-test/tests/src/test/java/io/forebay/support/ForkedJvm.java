package io.forebay.support;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.forebay.cli.ForkTraining;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * How tests start JVMs of their own: with what makes a short life quick, and with their classes from an archive (class data sharing),
 * which halves the time until a node serves. The archive is made before the first one of a build is started. It lies in
 * {@code target/forks}, and is used for as long as the class path stays what it is. Where the JVM makes none, they start without.
 * Thread-safe.
 */
public final class ForkedJvm {
    private static final int TRAINING_SECONDS = 120;
    /** Tells a process that was started from here, and starts others, of the archive. Settings of the node have another beginning. */
    private static final String ARCHIVE_PROPERTY = "archive.of.tests";

    private ForkedJvm() {}

    /**
     * @param options of the JVM, beside those that all of them have, or in their place
     * @return a command to which the arguments of the main class can be added
     */
    public static List<String> command(Class<?> main, String... options) {
        List<String> command = command(List.of(options));
        if (Prepared.ARCHIVE != null) {
            // Stdout is for what the process says, also when the JVM finds something wrong with its archive.
            command.addAll(List.of(
                    "-XX:SharedArchiveFile=" + Prepared.ARCHIVE,
                    "-Xlog:cds*=off",
                    "-D" + ARCHIVE_PROPERTY + "=" + Prepared.ARCHIVE));
        }
        command.addAll(List.of("-cp", Prepared.CLASS_PATH, main.getName()));
        return command;
    }

    /** Makes the archive, unless it is there. Whoever needs it meanwhile waits. */
    static void prepare() {
        command(ForkTraining.class);
    }

    private static List<String> command(List<String> options) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
        if (Runtime.version().feature() >= 24) {
            command.add("--sun-misc-unsafe-memory-access=allow");
        }
        command.addAll(options);
        return command;
    }

    /** Once for all processes of a test run. */
    private static final class Prepared {
        static final String CLASS_PATH;
        /** Null if there is none. */
        static final Path ARCHIVE;

        static {
            String inherited = System.getProperty(ARCHIVE_PROPERTY);
            String given = System.getProperty("java.class.path");
            try {
                Path folder =
                        inherited == null ? folder(given) : Path.of(inherited).getParent();
                // An archive takes classes from jars alone.
                CLASS_PATH = inherited == null ? jars(given, folder) : given;
                Path archive = folder.resolve("classes.jsa");
                if (!Files.exists(archive)) {
                    train(archive, CLASS_PATH);
                }
                ARCHIVE = Files.exists(archive) ? archive : null;
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        /** For what belongs to that class path; those of earlier builds are deleted. */
        private static Path folder(String classPath) throws IOException {
            Path all = Files.createDirectories(Path.of(System.getProperty("basedir", "."), "target", "forks")
                    .toAbsolutePath());
            Path folder = all.resolve(Long.toHexString(stateOf(classPath)));
            deleteBut(all, folder);
            return folder;
        }

        private Prepared() {}
    }

    /** Another one for another JVM, and whenever a file on the class path has changed. */
    private static long stateOf(String classPath) throws IOException {
        CRC32 crc = new CRC32();
        crc.update((System.getProperty("java.home") + Runtime.version() + classPath).getBytes(UTF_8));
        for (String entry : classPath.split(File.pathSeparator)) {
            if (Files.exists(Path.of(entry))) {
                try (Stream<Path> tree = Files.walk(Path.of(entry))) {
                    for (Path path : tree.sorted().toList()) {
                        String state = path + " " + Files.size(path) + " " + Files.getLastModifiedTime(path);
                        crc.update(state.getBytes(UTF_8));
                    }
                }
            }
        }
        return crc.getValue();
    }

    /** The same class path with a jar in the place of each directory. */
    private static String jars(String classPath, Path folder) throws IOException {
        Files.createDirectories(folder);
        List<String> entries = new ArrayList<>();
        for (String entry : classPath.split(File.pathSeparator)) {
            Path path = Path.of(entry);
            if (Files.isDirectory(path)) {
                Path jar = folder.resolve("directory-" + entries.size() + ".jar");
                if (!Files.exists(jar)) {
                    Path making = folder.resolve(UUID.randomUUID().toString());
                    pack(path, making);
                    Files.move(making, jar, StandardCopyOption.ATOMIC_MOVE);
                }
                entries.add(jar.toString());
            } else if (Files.exists(path)) {
                entries.add(entry);
            }
        }
        return String.join(File.pathSeparator, entries);
    }

    private static void pack(Path directory, Path jar) throws IOException {
        try (OutputStream out = Files.newOutputStream(jar);
                ZipOutputStream zip = new ZipOutputStream(out);
                Stream<Path> tree = Files.walk(directory)) {
            zip.setLevel(0);
            for (Path path : tree.filter(Files::isRegularFile).sorted().toList()) {
                zip.putNextEntry(
                        new ZipEntry(directory.relativize(path).toString().replace(File.separatorChar, '/')));
                Files.copy(path, zip);
            }
        }
    }

    /** A process does once what the others will do; the classes that it has loaded at its end are the archive. */
    private static void train(Path archive, String classPath) throws IOException {
        Path folder = archive.getParent();
        Path making = folder.resolve(UUID.randomUUID().toString());
        Path said = folder.resolve("training.log");
        Path data = Files.createTempDirectory(folder, "data-");
        List<String> command = command(List.of("-Xmx256m", "-XX:ArchiveClassesAtExit=" + making));
        command.addAll(List.of("-cp", classPath, ForkTraining.class.getName(), data.toString()));
        Process training = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(said.toFile())
                .start();
        try {
            boolean isOver = training.waitFor(TRAINING_SECONDS, TimeUnit.SECONDS);
            if (isOver && training.exitValue() == 0 && Files.exists(making)) {
                Files.move(making, archive, StandardCopyOption.ATOMIC_MOVE);
            } else {
                System.out.println("processes start without an archive of their classes, see " + said);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            training.destroyForcibly().onExit().join();
            delete(data);
        }
    }

    private static void deleteBut(Path folder, Path kept) throws IOException {
        try (Stream<Path> all = Files.list(folder)) {
            for (Path each : all.filter(path -> !path.equals(kept)).toList()) {
                delete(each);
            }
        }
    }

    private static void delete(Path folder) throws IOException {
        Files.walkFileTree(folder, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.delete(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path directory, IOException failure) throws IOException {
                Files.delete(directory);
                return FileVisitResult.CONTINUE;
            }
        });
    }
}
