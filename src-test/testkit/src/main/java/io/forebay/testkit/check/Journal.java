package io.forebay.testkit.check;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import java.util.zip.CRC32C;

/**
 * What clients saw, in the order in which they saw it: append-only, in memory or in a file. A file may have several writers at once,
 * in several processes; what {@link #note} has returned from survives {@code kill -9} of its process, though not a power cut.
 *
 * <p>A file holds lines of {@code CRC WRITER NUMBER MILLIS FACT…}, with an empty line before each: a writer that was killed in the
 * middle of one spoils no other. Each writer numbers its lines, so none can be missing but the last one of a writer that was
 * killed.
 *
 * <p>Thread-safe.
 */
public final class Journal implements AutoCloseable {
    private static final int CRC_CHARS = 8;

    private final String writer;
    private final LongSupplier millis;
    /** Null if there is a file. */
    private final List<Noted> memory;
    /** Null if there is none. */
    private final FileChannel file;

    private final StringBuilder line = new StringBuilder();
    private long lastNumber;

    private Journal(String writer, LongSupplier millis, List<Noted> memory, FileChannel file) {
        this.writer = writer;
        this.millis = millis;
        this.memory = memory;
        this.file = file;
    }

    /** @param millis the clock of the test, real or virtual */
    public static Journal inMemory(LongSupplier millis) {
        return new Journal("memory", millis, new ArrayList<>(), null);
    }

    /**
     * A journal that goes to the end of a file, which is made if it is missing.
     *
     * @param writer without blanks; the name of nobody else who ever writes to that file
     * @param millis the same clock for all writers
     */
    public static Journal toFile(Path path, String writer, LongSupplier millis) throws IOException {
        if (!writer.matches("[^\\s]+")) {
            throw new IllegalArgumentException(
                    "a writer's name has no blanks and is not empty, this is '" + writer + "'");
        }
        // One write to the end of the file at a time, whichever process it is of: that is what gives the lines an
        // order.
        FileChannel file =
                FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.APPEND);
        return new Journal(writer, millis, null, file);
    }

    /** Adds a fact. When it returns, the fact is behind all that were noted before and before all that will be. */
    public synchronized void note(Fact fact) {
        Noted noted = new Noted(writer, millis.getAsLong(), fact);
        if (memory != null) {
            memory.add(noted);
            return;
        }
        line.setLength(0);
        line.append(writer)
                .append(' ')
                .append(++lastNumber)
                .append(' ')
                .append(noted.atMillis())
                .append(' ');
        FactForm.write(fact, line);
        String text = "\n" + crc(line) + " " + line + "\n";
        ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
        try {
            while (bytes.hasRemaining()) {
                file.write(bytes);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("the journal cannot be written", e);
        }
    }

    /** Everything noted so far in memory; a copy. A journal in a file is {@link #read} from there. */
    public synchronized List<Noted> noted() {
        if (memory == null) {
            throw new IllegalStateException("this journal is in a file");
        }
        return List.copyOf(memory);
    }

    /**
     * What is in a file, in order. The line that a killed writer did not finish is passed over.
     *
     * @throws IllegalStateException if a line is missing, or one that its writer finished cannot be read: the journal then proves
     *     nothing
     */
    public static List<Noted> read(Path path) throws IOException {
        List<Noted> all = new ArrayList<>();
        Map<String, Long> lastNumbers = new HashMap<>();
        // The bytes, not the characters: a torn line may end in the middle of one.
        byte[] bytes = Files.readAllBytes(path);
        int from = 0;
        for (int at = 0; at <= bytes.length; at++) {
            if (at < bytes.length && bytes[at] != '\n') {
                continue;
            }
            String text = new String(bytes, from, at - from, StandardCharsets.UTF_8);
            from = at + 1;
            if (!isWhole(text)) {
                continue;
            }
            List<String> words = Arrays.asList(text.split(" "));
            String writer = words.get(1).intern();
            long number = Long.parseLong(words.get(2));
            long expected = lastNumbers.getOrDefault(writer, 0L) + 1;
            if (number != expected) {
                throw new IllegalStateException("the journal " + path + " is damaged: writer " + writer
                        + " noted number " + number + " where " + expected + " had to come");
            }
            lastNumbers.put(writer, number);
            all.add(new Noted(writer, Long.parseLong(words.get(3)), FactForm.read(words.subList(4, words.size()))));
        }
        return all;
    }

    private static boolean isWhole(String text) {
        return text.length() > CRC_CHARS + 1
                && text.charAt(CRC_CHARS) == ' '
                && text.startsWith(crc(text.substring(CRC_CHARS + 1)));
    }

    private static String crc(CharSequence text) {
        CRC32C crc = new CRC32C();
        crc.update(text.toString().getBytes(StandardCharsets.UTF_8));
        return String.format("%08x", crc.getValue());
    }

    @Override
    public void close() throws IOException {
        if (file != null) {
            file.close();
        }
    }
}
