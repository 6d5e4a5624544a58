package io.forebay.peers.leveldb;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.journals.Journal;
import io.forebay.yardstick.Setup;
import java.util.LinkedHashMap;
import java.util.Map;
import org.fusesource.leveldbjni.JniDBFactory;

/**
 * The journal in {@code akka-persistence}, with LevelDB's native library. It writes what one actor persists at a time, with one batch
 * of LevelDB, and with {@code fsync = on} forces its log behind each; its files are mapped, so that {@code off} means the page cache.
 */
public final class LevelDbJournal implements Journal {
    private final Map<String, String> settings = new LinkedHashMap<>();

    @Override
    public Config config(Setup setup) {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("akka.persistence.journal.leveldb.native", "on");
        values.put("akka.persistence.journal.leveldb.fsync", setup.isFlushed() ? "on" : "off");
        settings.put("leveldbjni", JniDBFactory.VERSION);
        values.forEach((name, value) -> settings.put(name, value.toString()));
        values.put("akka.persistence.journal.plugin", "akka.persistence.journal.leveldb");
        values.put(
                "akka.persistence.journal.leveldb.dir",
                setup.directory().resolve("journal").toString());
        return ConfigFactory.parseMap(values);
    }

    @Override
    public Map<String, String> settings() {
        return settings;
    }
}
