package io.forebay.cli;

import io.forebay.cli.LocalFiles.Readable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/**
 * The lines the demo sends. They are counted once, before anything is sent, so that every message has a number:
 * {@code pass * linesPerPass + first line of its file + line}. The number is judged; no line is kept in memory. Immutable.
 */
final class DemoInput {
    /** What the default input gives at least; and where a single pass of it ends. */
    static final int DEFAULT_MESSAGE_COUNT = 100_000;
    /** What the judge has room for. */
    static final int MESSAGE_COUNT_MAX = 20_000_000;

    private static final long FILE_BYTES_MAX = 16 << 20;
    private static final int LINE_BYTES_MAX = 32 << 10;
    private static final Set<String> FOLDERS_WITHOUT_SOURCES =
            Set.of("target", "target-dev", "node_modules", "build", "out", "forebay-data", "data");

    /** @param firstLine number of its first line within a pass */
    record Source(Readable file, int firstLine, int lineCount) {}

    /** Takes a line of a file; returns false to stop. */
    interface LineSink {
        boolean line(int lineInFile, byte[] body) throws InterruptedException;
    }

    private final List<Source> sources;
    private final int linesPerPass;
    private final int passCount;

    private DemoInput(List<Source> sources, int linesPerPass, int passCount) {
        this.sources = List.copyOf(sources);
        this.linesPerPass = linesPerPass;
        this.passCount = passCount;
    }

    /**
     * Every line of the files, in as many passes as give {@code messageCountMin} messages.
     *
     * @throws CliException when a file cannot be read, a line is too long, or there is nothing to send
     */
    static DemoInput of(List<String> names, int messageCountMin) {
        List<Source> sources = new ArrayList<>();
        long lines = 0;
        for (String name : names) {
            Readable file = LocalFiles.file(name);
            try {
                int count = count(file, Integer.MAX_VALUE);
                sources.add(new Source(file, (int) lines, count));
                lines += count;
            } catch (LineReader.TooLongException e) {
                throw CliException.usage("'" + name + "': " + e.getMessage() + ", the longest the demo sends");
            } catch (IOException e) {
                throw new CliException(ExitCode.LOCAL, "'" + name + "' cannot be read: " + LocalFiles.reasonOf(e), e);
            }
            checkCount(lines);
        }
        if (lines == 0) {
            throw CliException.usage(
                    "there is no line in " + String.join(", ", names) + "; the demo needs at least one");
        }
        return inPasses(sources, (int) lines, messageCountMin);
    }

    /**
     * The text files of a checkout and of a JDK, whatever there is of them, in as many passes as give
     * {@code messageCountMin} messages; one pass ends when it has given them.
     *
     * @param checkout folder of the checkout, or null
     */
    static DemoInput ofTexts(Path checkout, Path javaHome, int messageCountMin) {
        List<Readable> candidates = new ArrayList<>();
        Predicate<String> hidden = name -> name.startsWith(".");
        if (checkout != null) {
            candidates.addAll(
                    LocalFiles.below(checkout, "", hidden.or(FOLDERS_WITHOUT_SOURCES::contains), FILE_BYTES_MAX));
        }
        for (String folder : new String[] {"conf", "legal", "include", "man"}) {
            candidates.addAll(
                    LocalFiles.below(javaHome.resolve(folder), "jdk/" + folder + "/", hidden, FILE_BYTES_MAX));
        }
        candidates.addAll(
                LocalFiles.inside(javaHome.resolve("lib").resolve("src.zip"), "jdk/src.zip/", FILE_BYTES_MAX));

        List<Source> sources = new ArrayList<>();
        int lines = 0;
        for (Readable file : candidates) {
            if (lines >= messageCountMin) {
                break;
            }
            try {
                int count = isText(file) ? count(file, messageCountMin - lines) : 0;
                if (count > 0) {
                    sources.add(new Source(file, lines, count));
                    lines += count;
                }
            } catch (IOException e) {
                // Whatever text there is: one file less.
                continue;
            }
        }
        if (lines == 0) {
            Readable line = new Readable(
                    "built-in",
                    () -> new java.io.ByteArrayInputStream(
                            "A forebay takes the river as it comes and hands it on at the rate the turbine can use.\n"
                                    .getBytes(java.nio.charset.StandardCharsets.UTF_8)));
            sources.add(new Source(line, 0, 1));
            lines = 1;
        }
        return inPasses(sources, lines, messageCountMin);
    }

    private static DemoInput inPasses(List<Source> sources, int lines, int messageCountMin) {
        long passes = Math.max(1, ((long) messageCountMin + lines - 1) / lines);
        checkCount(passes * lines);
        return new DemoInput(sources, lines, (int) passes);
    }

    private static void checkCount(long count) {
        if (count > MESSAGE_COUNT_MAX) {
            throw CliException.usage(
                    "these files give more than " + MESSAGE_COUNT_MAX + " messages, the most the demo judges");
        }
    }

    List<Source> sources() {
        return sources;
    }

    int linesPerPass() {
        return linesPerPass;
    }

    int passCount() {
        return passCount;
    }

    int messageCount() {
        return linesPerPass * passCount;
    }

    int number(int pass, Source source, int lineInFile) {
        return pass * linesPerPass + source.firstLine() + lineInFile;
    }

    /**
     * Hands over the lines of a file, no more than were counted; fewer when the file has become shorter since.
     *
     * @return false when the sink stopped it
     */
    static boolean forEachLine(Source source, LineSink sink) throws IOException, InterruptedException {
        try (InputStream stream = source.file().open()) {
            LineReader reader = new LineReader(stream, LINE_BYTES_MAX);
            for (int line = 0; line < source.lineCount(); line++) {
                byte[] body = reader.next();
                if (body == null) {
                    return true;
                }
                if (!sink.line(line, body)) {
                    return false;
                }
            }
            return true;
        }
    }

    private static int count(Readable file, int countMax) throws IOException {
        try (InputStream stream = file.open()) {
            LineReader reader = new LineReader(stream, LINE_BYTES_MAX);
            while (reader.lineCount() < countMax && reader.next() != null) {
                // counted by the reader
                continue;
            }
            return Math.toIntExact(reader.lineCount());
        }
    }

    /** As git and grep tell it: no zero byte near the beginning. */
    private static boolean isText(Readable file) throws IOException {
        try (InputStream stream = file.open()) {
            for (byte b : stream.readNBytes(8 * 1024)) {
                if (b == 0) {
                    return false;
                }
            }
            return true;
        }
    }
}
