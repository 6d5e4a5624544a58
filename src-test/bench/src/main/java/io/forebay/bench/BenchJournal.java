package io.forebay.bench;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.journals.Journal;
import io.forebay.yardstick.Setup;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Forebay's journal in an application that has no node. All settings that could make it faster are at their defaults.
 *
 * <p>Options: settings, to try others.
 */
public final class BenchJournal implements Journal {
    private final Map<String, String> settings = new LinkedHashMap<>();

    @Override
    public Config config(Setup setup) {
        settings.put("forebay.persistence.durability", setup.isFlushed() ? "flushed" : "written");
        settings.put("forebay.storage.low-space", "0 B");
        settings.putAll(setup.options());
        Map<String, String> values = new LinkedHashMap<>(settings);
        values.put("akka.persistence.journal.plugin", "forebay.persistence.journal");
        values.put(
                "forebay.storage.directory", setup.directory().resolve("data").toString());
        return ConfigFactory.parseMap(values);
    }

    @Override
    public Map<String, String> settings() {
        return settings;
    }
}
