package io.forebay.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.LinkedHashMap;
import java.util.Map;

/** What figures were measured on. */
final class Machine {
    private Machine() {}

    /** @param directory where the data lies */
    static Map<String, String> describe(Path directory) throws IOException {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("date", LocalDate.now(ZoneOffset.UTC).toString());
        facts.put("cores", Integer.toString(Runtime.getRuntime().availableProcessors()));
        facts.put("processor", procLine("/proc/cpuinfo", "model name"));
        facts.put("memory", procLine("/proc/meminfo", "MemTotal"));
        facts.put("operating system", System.getProperty("os.name") + " " + System.getProperty("os.version"));
        facts.put(
                "file system",
                Files.getFileStore(Files.createDirectories(directory)).type());
        facts.put("JDK", Runtime.version().toString());
        return facts;
    }

    private static String procLine(String file, String name) throws IOException {
        Path path = Path.of(file);
        if (Files.isReadable(path)) {
            for (String line : Files.readAllLines(path)) {
                if (line.startsWith(name)) {
                    return line.substring(line.indexOf(':') + 1).strip();
                }
            }
        }
        return "unknown";
    }
}
