package io.forebay.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueType;
import java.math.BigInteger;
import java.time.Duration;
import java.util.Arrays;
import java.util.Locale;
import java.util.Set;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * One section of the configuration, read key by key. Every failure is a {@link SettingsException} that names the full key.
 * Sizes and durations need their unit: a bare number means bytes in one key and milliseconds in the next. Values beyond a
 * type's range are clamped to it, so that the range check that follows words the refusal.
 */
final class Section {
    private static final Pattern BARE_NUMBER = Pattern.compile("[+-]?[0-9.]+([eE][+-]?[0-9]+)?");

    private final Config root;
    private final String path;
    private final Set<String> keysRead;

    /** @param keysRead takes the full path of every key that is read */
    Section(Config root, String path, Set<String> keysRead) {
        this.root = root;
        this.path = path;
        this.keysRead = keysRead;
    }

    String text(String name) {
        String key = key(name);
        return typed(key, "a text", () -> root.getString(key));
    }

    boolean flag(String name) {
        String key = key(name);
        return typed(key, "on or off", () -> root.getBoolean(key));
    }

    int count(String name) {
        String key = key(name);
        String expected = "a whole number";
        double number = typed(key, expected, () -> root.getDouble(key));
        if (number != Math.rint(number)) throw wrongType(key, expected);
        return (int) Math.max(Integer.MIN_VALUE, Math.min(Integer.MAX_VALUE, number));
    }

    long bytes(String name) {
        String key = key(name);
        String expected = "a size with its unit, such as 64 MiB";
        refuseBareNumber(key, expected);
        BigInteger bytes = typed(key, expected, () -> root.getMemorySize(key).toBytesBigInteger());
        return bytes.bitLength() < Long.SIZE ? bytes.longValueExact() : Long.MAX_VALUE;
    }

    int intBytes(String name) {
        return (int) Math.min(Integer.MAX_VALUE, bytes(name));
    }

    Duration duration(String name) {
        String key = key(name);
        String expected = "a duration with its unit, such as 30 s";
        refuseBareNumber(key, expected);
        return typed(key, expected, () -> root.getDuration(key));
    }

    <E extends Enum<E>> E choice(String name, Class<E> type) {
        String key = key(name);
        String expected =
                Arrays.stream(type.getEnumConstants()).map(Section::written).collect(Collectors.joining(" or "));
        String chosen = typed(key, expected, () -> root.getString(key))
                .toUpperCase(Locale.ROOT)
                .replace('-', '_');
        for (E choice : type.getEnumConstants()) {
            if (choice.name().equals(chosen)) return choice;
        }
        throw wrongType(key, expected);
    }

    /** A constant as it is written in settings. */
    static String written(Enum<?> choice) {
        return choice.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** A dispatcher or mailbox: Akka reads it itself, here it only has to be a section. */
    void akkaSection(String name) {
        String key = key(name);
        typed(key, "a section", () -> root.getConfig(key));
    }

    private String key(String name) {
        String key = path + "." + name;
        keysRead.add(key);
        return key;
    }

    private void refuseBareNumber(String key, String expected) {
        ConfigValue value = typed(key, expected, () -> root.getValue(key));
        boolean isBare = value.valueType() == ConfigValueType.NUMBER
                || BARE_NUMBER
                        .matcher(String.valueOf(value.unwrapped()).strip())
                        .matches();
        if (isBare) throw wrongType(key, expected);
    }

    private <T> T typed(String key, String expected, Supplier<T> read) {
        try {
            return read.get();
        } catch (ConfigException e) {
            SettingsException refusal = wrongType(key, expected);
            refusal.initCause(e);
            throw refusal;
        }
    }

    private SettingsException wrongType(String key, String expected) {
        return new SettingsException(key, SettingsReader.written(root, key), expected);
    }
}
