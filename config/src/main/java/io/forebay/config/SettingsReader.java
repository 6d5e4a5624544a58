package io.forebay.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigRenderOptions;
import com.typesafe.config.ConfigUtil;
import com.typesafe.config.ConfigValue;
import com.typesafe.config.ConfigValueType;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/** Reads all sections, refuses keys that no {@code reference.conf} knows, and says where a refused value stands. */
final class SettingsReader {
    static final String ROOT = "forebay";

    private static final int SHOWN_CHARS_MAX = 120;

    private SettingsReader() {}

    static ForebaySettings read(Config root) {
        return read(root, new HashSet<>());
    }

    /** @param keysRead takes the full path of every key that is read */
    static ForebaySettings read(Config root, Set<String> keysRead) {
        try {
            ConfigObject reference = ConfigFactory.defaultReferenceUnresolved(SettingsReader.class.getClassLoader())
                    .resolve()
                    .getObject(ROOT);
            refuseUnknown(root, object(root, ROOT), reference, ROOT);
            var settings = new ForebaySettings(
                    NodeSettings.from(new Section(root, NodeSettings.SECTION, keysRead)),
                    StorageSettings.from(new Section(root, StorageSettings.SECTION, keysRead)),
                    StoreSettings.from(new Section(root, StoreSettings.SECTION, keysRead)),
                    QueueSettings.from(new Section(root, QueueSettings.SECTION, keysRead)),
                    GroupSettings.from(new Section(root, GroupSettings.SECTION, keysRead)),
                    TopicSettings.from(new Section(root, TopicSettings.SECTION, keysRead)),
                    SessionSettings.from(new Section(root, SessionSettings.SECTION, keysRead)),
                    WatchSettings.from(new Section(root, WatchSettings.SECTION, keysRead)),
                    PersistenceSettings.from(new Section(root, PersistenceSettings.SECTION, keysRead)));
            checkFlushThreads(root, settings.storage().stripes());
            return settings;
        } catch (SettingsException e) {
            throw located(root, e);
        }
    }

    /** Only where the pool has a fixed size: what else may stand in a dispatcher is its author's matter. */
    private static void checkFlushThreads(Config root, int stripes) {
        String pool = StoreSettings.FLUSH_DISPATCHER + ".thread-pool-executor.fixed-pool-size";
        String executor = root.getString(StoreSettings.FLUSH_DISPATCHER + ".executor");
        String size = root.hasPath(pool) ? root.getString(pool) : "off";
        if (executor.equals("thread-pool-executor") && !size.equals("off")) {
            Checks.check(
                    root.getInt(pool) > stripes,
                    pool,
                    size,
                    "more than the " + stripes
                            + " stripes of forebay.storage.stripes, so that slow forces of all of them"
                            + " leave a thread to make segments");
        }
    }

    /** The value as the user wrote it. */
    static String written(Config root, String key) {
        return value(root, key).map(SettingsReader::render).orElse("missing");
    }

    private static ConfigObject object(Config root, String key) {
        try {
            return root.getObject(key);
        } catch (ConfigException e) {
            throw new SettingsException(key, written(root, key), "a section with the settings of its reference.conf");
        }
    }

    private static void refuseUnknown(Config root, ConfigObject section, ConfigObject reference, String path) {
        for (String name : new TreeSet<>(section.keySet())) {
            String key = path + "." + ConfigUtil.joinPath(name);
            ConfigValue known = reference.get(name);
            ConfigValue value = section.get(name);
            if (known == null && path.equals(ROOT) && isPlainSystemProperty(value)) continue;
            if (known == null) throw unknown(key, value, reference, path, name);
            if (known.valueType() != ConfigValueType.OBJECT) continue;
            if (value.valueType() != ConfigValueType.OBJECT) {
                throw new SettingsException(key, render(value), "a section");
            }
            // What may stand in a dispatcher, mailbox or plugin is Akka's matter.
            if (!isAkkaSection((ConfigObject) known)) {
                refuseUnknown(root, (ConfigObject) value, (ConfigObject) known, key);
            }
        }
    }

    /** The launcher's own, such as {@code -Dforebay.home}: every system property becomes a part of the configuration. */
    private static boolean isPlainSystemProperty(ConfigValue value) {
        return value.valueType() != ConfigValueType.OBJECT
                && value.origin().description().equals("system properties");
    }

    static boolean isAkkaSection(ConfigObject section) {
        return section.containsKey("executor") || section.containsKey("mailbox-type") || section.containsKey("class");
    }

    private static SettingsException unknown(
            String key, ConfigValue value, ConfigObject reference, String path, String name) {
        String nearest = null;
        int nearestDistance = Math.max(2, name.length() / 3) + 1;
        for (String candidate : new TreeSet<>(reference.keySet())) {
            int distance = distance(name, candidate);
            if (distance < nearestDistance) {
                nearest = candidate;
                nearestDistance = distance;
            }
        }
        return new SettingsException(
                key,
                "an unknown setting (" + render(value) + ")",
                nearest == null
                        ? "one that a reference.conf documents; " + path + " knows "
                                + String.join(", ", new TreeSet<>(reference.keySet()))
                        : "one that a reference.conf documents; is " + path + "." + nearest + " meant?");
    }

    /** Edits of one character that turn one name into the other. */
    private static int distance(String from, String to) {
        int[] row = new int[to.length() + 1];
        for (int j = 0; j <= to.length(); j++) row[j] = j;
        for (int i = 1; i <= from.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= to.length(); j++) {
                int replaced = diagonal + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[to.length()];
    }

    private static SettingsException located(Config root, SettingsException refusal) {
        Optional<ConfigValue> value = value(root, refusal.key());
        if (value.isEmpty()) return refusal;
        String shown = refusal.value().startsWith("an unknown setting") ? refusal.value() : render(value.get());
        return refusal.foundAt(shown, value.get().origin().description());
    }

    private static Optional<ConfigValue> value(Config root, String key) {
        try {
            ConfigValue value = root.root();
            for (String name : ConfigUtil.splitPath(key)) {
                value = value instanceof ConfigObject section ? section.get(name) : null;
            }
            return Optional.ofNullable(value);
        } catch (ConfigException e) {
            return Optional.empty();
        }
    }

    private static String render(ConfigValue value) {
        String shown = value.valueType() == ConfigValueType.STRING
                ? String.valueOf(value.unwrapped())
                : value.render(ConfigRenderOptions.concise());
        return shown.length() <= SHOWN_CHARS_MAX ? shown : shown.substring(0, SHOWN_CHARS_MAX) + "…";
    }
}
