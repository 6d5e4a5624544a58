package io.forebay.node;

import akka.Done;
import akka.actor.Address;
import akka.actor.CoordinatedShutdown;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import io.forebay.cluster.ClusterMembership;
import io.forebay.config.ForebaySettings;
import io.forebay.config.SettingsException;
import io.forebay.storage.io.DirectoryLockedException;
import io.forebay.storage.io.DiskFullException;
import io.forebay.storage.io.ForeignDirectoryException;
import io.forebay.storage.log.CorruptLogException;
import io.forebay.storage.log.StripeException;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import org.slf4j.LoggerFactory;

/**
 * A node in an actor system of its own: cluster provider, joined to the configured seed nodes or, without any, to itself;
 * Artery bound to loopback unless configured otherwise. This is what {@code forebay node} runs. An application that has an
 * actor system embeds {@code Forebay} instead.
 */
public final class ForebayNode {
    private static final String BASE_RESOURCE = "forebay-node.conf";
    /** Left to coordinated shutdown on top of what the node's own settings allow. */
    private static final Duration PHASE_MARGIN = Duration.ofSeconds(3);

    private final ActorSystem<Void> system;
    private final Address address;

    private ForebayNode(ActorSystem<Void> system, Address address) {
        this.system = system;
        this.address = address;
    }

    /**
     * Starts and waits until the node serves (recovery included).
     *
     * @throws NodeStartException with one clear line; nothing is left behind, and nothing stored was touched
     */
    public static ForebayNode start(NodeOptions options) throws NodeStartException {
        Config config = config(options);
        ForebaySettings settings = settings(config);
        checkAddress(config, settings);
        ActorSystem<Void> system = createSystem(withDerived(config, settings), settings);
        try {
            ClusterMembership.joinSelfWithoutSeeds(system);
            Forebay.get(system).whenReady().toCompletableFuture().join();
            return new ForebayNode(system, ClusterMembership.addressOf(system).orElseThrow());
        } catch (CompletionException e) {
            terminate(system);
            throw startFailure(settings, e.getCause() == null ? e : e.getCause());
        } catch (RuntimeException e) {
            terminate(system);
            throw startFailure(settings, e);
        }
    }

    public ActorSystem<Void> system() {
        return system;
    }

    /** {@code akka://SYSTEM@HOST:PORT}, the address under which others reach {@code /system/forebay}. */
    public String address() {
        return address.toString();
    }

    /** The one line a launcher prints to stdout when the node serves: {@code ready akka://SYSTEM@HOST:PORT}. */
    public String readyLine() {
        return "ready " + address();
    }

    /**
     * Stops gracefully: refuses what is new, drains, forces, writes the closing checkpoint. Also what SIGTERM does. What follows the
     * stage runs in Java's common pool, as the actor system's own dispatchers are gone by then.
     */
    public CompletionStage<Done> stop() {
        return CoordinatedShutdown.get(system).runAll(CoordinatedShutdown.unknownReason());
    }

    /** Completes when the system has terminated, however that came about. What follows runs where it does for {@link #stop()}. */
    public CompletionStage<Done> whenTerminated() {
        return system.getWhenTerminated();
    }

    private static Config config(NodeOptions options) throws NodeStartException {
        Map<String, Object> values = new HashMap<>(options.overrides());
        if (options.data() != null) {
            values.put("forebay.storage.directory", options.data().toString());
        }
        if (options.host() != null) {
            values.put("forebay.node.host", options.host());
        }
        if (options.port() >= 0) {
            values.put("forebay.node.port", options.port());
        }
        if (options.systemName() != null) {
            values.put("forebay.node.system-name", options.systemName());
        }
        try {
            Config config = ConfigFactory.parseMap(values, "the command line");
            if (options.configFile().isPresent()) {
                config = config.withFallback(configFile(options.configFile().get()));
            }
            return ConfigFactory.defaultOverrides()
                    .withFallback(config)
                    .withFallback(ConfigFactory.parseResources(ForebayNode.class.getClassLoader(), BASE_RESOURCE))
                    .withFallback(ConfigFactory.defaultReferenceUnresolved(ForebayNode.class.getClassLoader()))
                    .resolve();
        } catch (ConfigException e) {
            throw new NodeStartException(
                    NodeStartException.Reason.CONFIGURATION, "the configuration cannot be read: " + line(e), e);
        }
    }

    private static Config configFile(Path file) throws NodeStartException {
        try {
            return ConfigFactory.parseFile(
                    file.toFile(), ConfigParseOptions.defaults().setAllowMissing(false));
        } catch (ConfigException.IO e) {
            throw new NodeStartException(
                    NodeStartException.Reason.CONFIGURATION,
                    "the configuration file " + file
                            + " cannot be read: it is missing, no file, or not readable for this user",
                    e);
        }
    }

    /** What of Akka follows from our own settings. */
    private static Config withDerived(Config config, ForebaySettings settings) {
        String phases = "akka.coordinated-shutdown.phases.";
        Duration drain = settings.node().drainTimeout().plus(PHASE_MARGIN);
        Duration stop = settings.store().stopTimeout().plus(PHASE_MARGIN);
        Map<String, Object> derived = Map.of(
                "akka.remote.artery.canonical.hostname",
                settings.node().host(),
                "akka.remote.artery.canonical.port",
                settings.node().port(),
                phases + "service-requests-done.timeout",
                drain.toMillis() + " ms",
                phases + "before-actor-system-terminate.timeout",
                stop.toMillis() + " ms");
        return ConfigFactory.parseMap(derived, "what follows from forebay.node").withFallback(config);
    }

    private static ForebaySettings settings(Config config) throws NodeStartException {
        try {
            return ForebaySettings.from(config);
        } catch (SettingsException | ConfigException e) {
            throw new NodeStartException(NodeStartException.Reason.CONFIGURATION, line(e), e);
        }
    }

    private static void checkAddress(Config config, ForebaySettings settings) throws NodeStartException {
        String host = settings.node().host();
        InetAddress address;
        try {
            address = InetAddress.getByName(host);
        } catch (UnknownHostException e) {
            throw new NodeStartException(
                    NodeStartException.Reason.ADDRESS,
                    "forebay.node.host is '" + host + "', which is no host that this machine knows",
                    e);
        }
        boolean isEncrypted = config.getString("akka.remote.artery.transport").equals("tls-tcp");
        if (address.isLoopbackAddress() || isEncrypted) {
            return;
        }
        if (!settings.node().allowPlaintext()) {
            throw new NodeStartException(
                    NodeStartException.Reason.CONFIGURATION,
                    "forebay.node.host is '" + host
                            + "', which is not loopback, and akka.remote.artery.transport is not"
                            + " tls-tcp: set it up, or set forebay.node.allow-plaintext = on if everybody who can reach"
                            + " this port may do everything",
                    null);
        }
        LoggerFactory.getLogger(ForebayNode.class)
                .warn("the node listens on {} without TLS: whoever reaches the port may do everything", host);
    }

    private static ActorSystem<Void> createSystem(Config config, ForebaySettings settings) throws NodeStartException {
        try {
            return ActorSystem.create(Behaviors.empty(), settings.node().systemName(), config);
        } catch (RuntimeException e) {
            String where = settings.node().host() + ":" + settings.node().port();
            for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                String message = String.valueOf(cause.getMessage());
                if (cause instanceof BindException || message.contains("BindException") || message.contains("bind")) {
                    boolean isTaken = message.contains("in use");
                    throw new NodeStartException(
                            NodeStartException.Reason.ADDRESS,
                            isTaken
                                    ? "port " + settings.node().port() + " of "
                                            + settings.node().host()
                                            + " is in use by another process; stop it, or take another port (0 for any"
                                            + " free one)"
                                    : "cannot listen on " + where + ": " + line(cause),
                            e);
                }
            }
            throw new NodeStartException(
                    NodeStartException.Reason.OTHER, "the actor system cannot start: " + line(e), e);
        }
    }

    private static NodeStartException startFailure(ForebaySettings settings, Throwable failure) {
        return new NodeStartException(reasonOf(failure), lineOf(settings, failure), failure);
    }

    private static NodeStartException.Reason reasonOf(Throwable failure) {
        if (failure instanceof SettingsException || failure instanceof ConfigException) {
            return NodeStartException.Reason.CONFIGURATION;
        }
        if (failure instanceof CorruptLogException) {
            return NodeStartException.Reason.CORRUPTION;
        }
        if (failure instanceof StripeException stripe && stripe.reason() == StripeException.Reason.CORRUPT) {
            return NodeStartException.Reason.CORRUPTION;
        }
        return failure instanceof IOException ? NodeStartException.Reason.DIRECTORY : NodeStartException.Reason.OTHER;
    }

    private static String lineOf(ForebaySettings settings, Throwable failure) {
        String directory = settings.storage().directory();
        boolean saysWhere = failure instanceof DirectoryLockedException
                || failure instanceof ForeignDirectoryException
                || failure instanceof DiskFullException
                || failure instanceof StripeException;
        String line = line(failure);
        return saysWhere || line.contains(directory) ? line : "data directory " + directory + ": " + line;
    }

    /** The message without line breaks; what kind of exception it is, if that says more. */
    private static String line(Throwable failure) {
        String message = failure.getMessage();
        String text = message == null || message.isBlank()
                ? failure.getClass().getSimpleName()
                : failure instanceof java.nio.file.FileSystemException || failure instanceof AssertionError
                        ? failure.getClass().getSimpleName() + ": " + message
                        : message;
        return text.replaceAll("\\s*[\\r\\n]+\\s*", " ");
    }

    private static void terminate(ActorSystem<Void> system) {
        system.terminate();
        system.getWhenTerminated().toCompletableFuture().join();
    }
}
