package io.forebay.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * All that the command line does with files of its own accord: read what the user names, and keep the demo's temporary
 * directory. A node's data is not its business; that is behind {@code storage.io}.
 */
final class LocalFiles {
    private static final int LINK_DEPTH_MAX = 40;

    private LocalFiles() {}

    /** A file that can be read from its beginning, more than once. */
    record Readable(String name, Opener opener) {
        interface Opener {
            InputStream open() throws IOException;
        }

        InputStream open() throws IOException {
            return opener.open();
        }
    }

    /** @throws CliException when there is no such file, or it is none that can be read */
    static Readable file(String name) {
        Path path = Path.of(name);
        if (Files.isDirectory(path)) {
            throw new CliException(ExitCode.LOCAL, "'" + name + "' is a directory; a file is needed");
        }
        if (!Files.exists(path)) {
            throw new CliException(ExitCode.LOCAL, "'" + name + "' does not exist");
        }
        if (!Files.isReadable(path)) {
            throw new CliException(ExitCode.LOCAL, "'" + name + "' may not be read by this user");
        }
        return new Readable(name, () -> Files.newInputStream(path));
    }

    /** Whether there is a directory of that name. */
    static boolean isDirectory(String name) {
        return Files.isDirectory(Path.of(name));
    }

    /**
     * The files below a folder, sorted by name, links followed, each real file once. What cannot be read is left out, and a
     * missing folder has none.
     *
     * @param skipFolder simple names of folders that are not entered
     */
    static List<Readable> below(Path folder, String prefix, Predicate<String> skipFolder, long fileBytesMax) {
        List<Path> found = new ArrayList<>();
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try {
            Files.walkFileTree(
                    folder, EnumSet.of(FileVisitOption.FOLLOW_LINKS), LINK_DEPTH_MAX, new SimpleFileVisitor<>() {
                        @Override
                        public FileVisitResult preVisitDirectory(Path path, BasicFileAttributes attributes) {
                            boolean isSkipped = !path.equals(folder)
                                    && (Files.isSymbolicLink(path)
                                            || skipFolder.test(
                                                    path.getFileName().toString()));
                            return isSkipped ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE;
                        }

                        @Override
                        public FileVisitResult visitFile(Path path, BasicFileAttributes attributes) {
                            if (attributes.isRegularFile()
                                    && attributes.size() > 0
                                    && attributes.size() <= fileBytesMax
                                    && Files.isReadable(path)) {
                                found.add(path);
                            }
                            return FileVisitResult.CONTINUE;
                        }

                        @Override
                        public FileVisitResult visitFileFailed(Path path, IOException e) {
                            return FileVisitResult.CONTINUE;
                        }

                        @Override
                        public FileVisitResult postVisitDirectory(Path path, IOException e) {
                            return FileVisitResult.CONTINUE;
                        }
                    });
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        found.sort(Comparator.naturalOrder());
        List<Readable> files = new ArrayList<>();
        Set<Path> real = new java.util.HashSet<>();
        for (Path path : found) {
            try {
                if (real.add(path.toRealPath())) {
                    files.add(new Readable(prefix + folder.relativize(path), () -> Files.newInputStream(path)));
                }
            } catch (IOException e) {
                // Gone since it was listed.
                continue;
            }
        }
        return files;
    }

    /** The files inside a zip archive in its own order, or none when there is no such archive. It stays open. */
    static List<Readable> inside(Path archive, String prefix, long fileBytesMax) {
        if (!Files.isRegularFile(archive)) {
            return List.of();
        }
        List<Readable> files = new ArrayList<>();
        try {
            // Closed with the process: the entries are opened as they are needed, pass after pass.
            ZipFile zip = new ZipFile(archive.toFile(), StandardCharsets.UTF_8);
            zip.stream()
                    .filter(entry -> !entry.isDirectory() && entry.getSize() > 0 && entry.getSize() <= fileBytesMax)
                    .sorted(Comparator.comparing(ZipEntry::getName))
                    .forEach(entry ->
                            files.add(new Readable(prefix + entry.getName(), () -> zip.getInputStream(entry))));
        } catch (IOException e) {
            return List.of();
        }
        return files;
    }

    /** A new, empty directory that only this user may enter. */
    static Path createTemporaryDirectory(String prefix) {
        try {
            return Files.createTempDirectory(prefix);
        } catch (IOException e) {
            throw new CliException(
                    ExitCode.LOCAL,
                    "no temporary directory can be made in '" + System.getProperty("java.io.tmpdir") + "': "
                            + CliException.reasonOf(e),
                    e);
        }
    }

    /** Removes a directory and all in it; what cannot be removed stays. Links are removed, not followed. */
    static void deleteTree(Path directory) {
        try {
            Files.walkFileTree(directory, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path path, BasicFileAttributes attributes) throws IOException {
                    Files.deleteIfExists(path);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult visitFileFailed(Path path, IOException e) {
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult postVisitDirectory(Path path, IOException e) throws IOException {
                    Files.deleteIfExists(path);
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (IOException e) {
            // A file that appeared meanwhile, or is not ours to remove: the directory stays, and nobody is harmed.
            return;
        }
    }

    /** Lets a child process append what it says on stderr to a file. */
    static ProcessBuilder.Redirect appendTo(Path log) {
        return ProcessBuilder.Redirect.appendTo(log.toFile());
    }

    /** The last lines of a log, for a message about what went wrong; empty when there is none. */
    static List<String> lastLines(Path log, int countMax) {
        try {
            List<String> lines = Files.readAllLines(log, StandardCharsets.UTF_8);
            return lines.subList(Math.max(0, lines.size() - countMax), lines.size());
        } catch (IOException e) {
            return List.of();
        }
    }

    /** One clear reason out of the exceptions of {@code java.nio.file}, whose messages are often just the path. */
    static String reasonOf(IOException e) {
        if (e instanceof NoSuchFileException) {
            return "it does not exist";
        }
        if (e instanceof AccessDeniedException denied) {
            return "this user may not open " + denied.getFile();
        }
        if (e instanceof FileAlreadyExistsException there) {
            return there.getFile() + " is a file";
        }
        if (e instanceof FileSystemException other && other.getReason() != null) {
            return other.getFile() + ": " + other.getReason();
        }
        return CliException.reasonOf(e);
    }

    /** The failed file operation behind an exception, or null. */
    static IOException fileFailureBehind(Throwable thrown) {
        for (Throwable cause = thrown.getCause(); cause != null; cause = cause.getCause()) {
            if (cause instanceof FileSystemException failure) {
                return failure;
            }
        }
        return null;
    }
}
