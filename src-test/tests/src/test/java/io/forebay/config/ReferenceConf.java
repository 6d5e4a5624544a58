package io.forebay.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigValue;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** This room's {@code reference.conf} as text: other rooms have one, too, so the right one is known by what it sets. */
final class ReferenceConf {
    private static final ConfigObject ROOT = parse();

    private ReferenceConf() {}

    /** The full path of every setting; a dispatcher is one setting. */
    static SortedSet<String> keys() {
        SortedSet<String> keys = new TreeSet<>();
        collect(ROOT, "", keys);
        return Collections.unmodifiableSortedSet(keys);
    }

    /** What stands above a key, on one line. */
    static String comment(String key) {
        return ROOT.toConfig().getValue(key).origin().comments().stream()
                .map(String::strip)
                .collect(Collectors.joining(" "));
    }

    private static void collect(ConfigObject section, String path, SortedSet<String> keys) {
        for (Map.Entry<String, ConfigValue> entry : section.entrySet()) {
            String key = path + entry.getKey();
            if (entry.getValue() instanceof ConfigObject inner && !SettingsReader.isAkkaSection(inner)) {
                collect(inner, key + ".", keys);
            } else {
                keys.add(key);
            }
        }
    }

    private static ConfigObject parse() {
        try {
            for (URL url :
                    Collections.list(ForebaySettings.class.getClassLoader().getResources("reference.conf"))) {
                try (InputStream in = url.openStream();
                        Reader reader = new InputStreamReader(in, StandardCharsets.UTF_8)) {
                    Config parsed = ConfigFactory.parseReader(reader, ConfigParseOptions.defaults());
                    if (parsed.hasPath("forebay.storage.directory")) {
                        return parsed.root();
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        throw new AssertionError("no reference.conf on the class path says where a node stores its messages");
    }
}
