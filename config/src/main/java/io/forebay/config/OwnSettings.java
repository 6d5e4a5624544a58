package io.forebay.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigValueFactory;
import java.time.Duration;
import java.util.Collections;
import java.util.HashSet;
import java.util.Map;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * What a single topic or group sets for itself, as texts: names as in the node's section for it, values as they would be
 * written there. Read name by name, each with what holds where it is not set; afterwards {@link #unknown()} has the names
 * that nobody has asked for. Every failure is a {@link SettingsException} with the bare name as its key. Confined to one
 * thread.
 */
public final class OwnSettings {
    private static final String PATH = "own";

    private final Map<String, String> texts;
    private final Section section;
    private final SortedMap<String, String> effective = new TreeMap<>();

    /** @param texts must not change meanwhile */
    public OwnSettings(Map<String, String> texts) {
        this.texts = texts;
        Config root = ConfigValueFactory.fromMap(texts).atPath(PATH);
        section = new Section(root, PATH, new HashSet<>());
    }

    /** A duration as it is written in settings. */
    public static String text(Duration duration) {
        return Checks.duration(duration);
    }

    public String text(String name, String otherwise) {
        return read(name, section::text, text -> text, otherwise);
    }

    public boolean flag(String name, boolean otherwise) {
        return read(name, section::flag, isOn -> isOn ? "on" : "off", otherwise);
    }

    int count(String name, int otherwise) {
        return read(name, section::count, count -> Integer.toString(count), otherwise);
    }

    long bytes(String name, long otherwise) {
        return read(name, section::bytes, Checks::bytes, otherwise);
    }

    Duration duration(String name, Duration otherwise) {
        return read(name, section::duration, Checks::duration, otherwise);
    }

    /** One of the names of the constants, in lower case and with hyphens. */
    public <E extends Enum<E>> E choice(String name, Class<E> type, E otherwise) {
        return read(name, one -> section.choice(one, type), Section::written, otherwise);
    }

    /** @return in order */
    public SortedSet<String> unknown() {
        SortedSet<String> unknown = new TreeSet<>(texts.keySet());
        unknown.removeAll(effective.keySet());
        return unknown;
    }

    /** @return all that was asked for so far, in order of name, with the text that holds for it: its own or the default */
    public SortedMap<String, String> effective() {
        return Collections.unmodifiableSortedMap(effective);
    }

    private <T> T read(String name, Function<String, T> reader, Function<T, String> text, T otherwise) {
        boolean isOwn = texts.containsKey(name);
        effective.put(name, isOwn ? texts.get(name) : text.apply(otherwise));
        return isOwn ? bare(() -> reader.apply(name)) : otherwise;
    }

    /** Whatever is refused inside is refused under its bare name, with the value as it was written. */
    <T> T bare(Supplier<T> made) {
        try {
            return made.get();
        } catch (SettingsException e) {
            String name = bare(e.key());
            throw new SettingsException(name, texts.getOrDefault(name, e.value()), e.allowed());
        }
    }

    private static String bare(String key) {
        return key.substring(key.lastIndexOf('.') + 1);
    }
}
