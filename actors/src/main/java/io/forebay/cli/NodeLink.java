package io.forebay.cli;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import io.forebay.client.ClientNotice;
import io.forebay.client.ClientSettings;
import io.forebay.client.ContactPoint;
import io.forebay.client.ForebayClient;
import io.forebay.client.Target;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketException;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A client of one node, in an actor system of its own outside the node's cluster, for the life of one command. Used by the
 * command's thread, except {@link #client()}, which is thread-safe.
 */
final class NodeLink implements AutoCloseable {
    private static final String CONFIG = "forebay-launcher.conf";
    private static final Duration LIKE_FOR_EVER = Duration.ofDays(3650);
    private static final Duration ENDING_MAX = Duration.ofSeconds(7);

    private final ActorSystem<Void> system;
    private final ForebayClient client;
    private final Shell shell;
    private boolean isDetached;

    private NodeLink(Shell shell, ActorSystem<Void> system, ForebayClient client) {
        this.shell = shell;
        this.system = system;
        this.client = client;
    }

    /**
     * Connects for one short request: if there is no answer soon, it fails.
     *
     * @throws CliException when no node answers
     */
    static NodeLink brief(Shell shell, ConnectOptions options) throws InterruptedException {
        Duration timeout = options.timeout(Duration.ofSeconds(5));
        return open(
                shell,
                options,
                timeout,
                false,
                Map.of("forebay.client.admin-timeout", millis(timeout.plusSeconds(15))));
    }

    /**
     * Connects for long work: once connected, whatever was begun is repeated for as long as the node is away.
     *
     * @param settings more settings of the client
     */
    static NodeLink lasting(Shell shell, ConnectOptions options, Map<String, String> settings)
            throws InterruptedException {
        Map<String, String> all = new HashMap<>(settings);
        all.putAll(patience());
        return open(shell, options, options.timeout(Duration.ofSeconds(30)), true, all);
    }

    private static NodeLink open(
            Shell shell, ConnectOptions options, Duration timeout, boolean isTold, Map<String, String> settings)
            throws InterruptedException {
        ContactPoint node = options.contactPoint();
        Config config = config(node, options.configFile(), settings);
        ActorSystem<Void> system = startSystem(config, "forebay-cli");
        Notices notices = new Notices(shell.console(), isTold);
        try {
            ForebayClient client =
                    ForebayClient.connect(system, new Target.Contact(node), ClientSettings.of(system), notices);
            client.whenConnected().toCompletableFuture().get(timeout.toMillis(), TimeUnit.MILLISECONDS);
            notices.connected();
            return new NodeLink(shell, system, client);
        } catch (TimeoutException e) {
            end(system);
            throw new CliException(
                    ExitCode.NO_NODE,
                    "no answer from " + node + " within " + Durations.print(timeout) + notices.advice());
        } catch (ExecutionException e) {
            end(system);
            if (Refusals.of(e) != null) {
                throw new CliException(
                        ExitCode.REFUSED, node + ": " + Refusals.of(e).text());
            }
            throw new AssertionError("connecting to " + node, e.getCause());
        } catch (RuntimeException | InterruptedException e) {
            end(system);
            throw e;
        }
    }

    /** An actor system on configuration of ours alone, whatever lies on the class path of an application. */
    static ActorSystem<Void> startSystem(Config config, String name) {
        try {
            return ActorSystem.create(Behaviors.empty(), name, config);
        } catch (ConfigException e) {
            throw CliException.usage("--config: " + CliException.reasonOf(e));
        }
    }

    private static Config config(ContactPoint node, String file, Map<String, String> settings) {
        Config config = ConfigFactory.parseMap(settings, "the command line");
        Config here = ConfigFactory.parseMap(
                Map.of("akka.remote.artery.canonical.hostname", addressTowards(node)), "the way to the node");
        return ConfigFactory.defaultOverrides()
                .withFallback(config)
                .withFallback(parseFile(file))
                .withFallback(here)
                .withFallback(ConfigFactory.parseResources(NodeLink.class.getClassLoader(), CONFIG))
                .withFallback(ConfigFactory.defaultReferenceUnresolved(NodeLink.class.getClassLoader()))
                .resolve();
    }

    private static Config parseFile(String file) {
        if (file == null) {
            return ConfigFactory.empty();
        }
        try (InputStreamReader reader =
                new InputStreamReader(LocalFiles.file(file).open(), StandardCharsets.UTF_8)) {
            return ConfigFactory.parseReader(
                    reader, ConfigParseOptions.defaults().setOriginDescription(file));
        } catch (IOException e) {
            throw new CliException(ExitCode.LOCAL, "--config '" + file + "': " + LocalFiles.reasonOf(e), e);
        } catch (ConfigException e) {
            throw CliException.usage("--config '" + file + "': " + CliException.reasonOf(e));
        }
    }

    /** The node must be able to answer: the address of this machine that packets to it leave from. Sends nothing. */
    private static String addressTowards(ContactPoint node) {
        try (DatagramSocket socket = new DatagramSocket()) {
            String host = node.host().startsWith("[")
                    ? node.host().substring(1, node.host().length() - 1)
                    : node.host();
            socket.connect(new InetSocketAddress(InetAddress.getByName(host), node.port()));
            String address = socket.getLocalAddress().getHostAddress();
            return address.indexOf(':') < 0 ? address : "[" + address.replaceAll("%.*", "") + "]";
        } catch (UnknownHostException e) {
            throw new CliException(
                    ExitCode.NO_NODE,
                    "--connect: no host '" + node.host() + "' is known here; use a name or address that is");
        } catch (SocketException | java.io.UncheckedIOException e) {
            throw new CliException(
                    ExitCode.NO_NODE,
                    "--connect: no way to " + node.host() + " from here: " + CliException.reasonOf(e));
        }
    }

    /** An actor system for several clients of a node of this machine. */
    static ActorSystem<Void> outside(String address, String name) {
        return startSystem(config(ContactPoint.parse(address), null, Map.of()), name);
    }

    /** A client that repeats for as long as its node is away, and says nothing about it. */
    static ForebayClient patientClient(ActorSystem<Void> system, String address) {
        Config patient = ConfigFactory.parseMap(patience())
                .withFallback(system.settings().config())
                .getConfig("forebay.client");
        return ForebayClient.connect(
                system, Target.contact(address), ClientSettings.from(patient, system.name()), notice -> {});
    }

    private static Map<String, String> patience() {
        return Map.of(
                "forebay.client.send.timeout",
                millis(LIKE_FOR_EVER),
                "forebay.client.ack.timeout",
                millis(LIKE_FOR_EVER));
    }

    ForebayClient client() {
        return client;
    }

    /** Waits for an answer of the node. A refusal is thrown as what it is. */
    <T> T await(CompletionStage<T> stage) throws InterruptedException {
        return awaitStage(stage);
    }

    static <T> T awaitStage(CompletionStage<T> stage) throws InterruptedException {
        try {
            return stage.toCompletableFuture().get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw new AssertionError(e.getCause());
        }
    }

    /** Leaves what was popped to its deadlines, instead of giving it back at the end. */
    void detach() throws InterruptedException {
        isDetached = true;
        awaitStage(client.detach());
    }

    /**
     * Gives back what was popped and not settled, and ends the actor system. Takes seconds at most, and an interrupt does not
     * shorten it: what is held must be given back nevertheless.
     */
    @Override
    public void close() {
        boolean isInterrupted = Thread.interrupted();
        if (!isDetached) {
            isInterrupted |= awaitQuietly(client.close());
        }
        end(system);
        if (isInterrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Begins to end an actor system. Nobody waits for that: what had to be answered was, and the process ends next. */
    static void end(ActorSystem<Void> system) {
        system.terminate();
    }

    /** Returns whether the thread was interrupted meanwhile. */
    private boolean awaitQuietly(CompletionStage<?> stage) {
        long endNanos = shell.nanos() + ENDING_MAX.toNanos();
        boolean isInterrupted = false;
        while (true) {
            try {
                stage.toCompletableFuture().get(Math.max(0, endNanos - shell.nanos()), TimeUnit.NANOSECONDS);
                return isInterrupted;
            } catch (InterruptedException e) {
                isInterrupted = true;
            } catch (ExecutionException | TimeoutException e) {
                // The process ends anyway, and what is held comes back by its deadline.
                return isInterrupted;
            }
        }
    }

    private static String millis(Duration duration) {
        return duration.toMillis() + " ms";
    }

    /** Tells a person what becomes of the connection, when there is time to. */
    private static final class Notices implements java.util.function.Consumer<ClientNotice> {
        private final Console console;
        private final boolean isTold;
        private volatile String advice = ". Is a node running there? Its ready line shows the address to use.";
        private volatile boolean isConnected;

        Notices(Console console, boolean isTold) {
            this.console = console;
            this.isTold = isTold;
        }

        void connected() {
            isConnected = true;
        }

        /** Begins the next sentence, or is empty. */
        String advice() {
            return advice;
        }

        @Override
        public void accept(ClientNotice notice) {
            if (notice instanceof ClientNotice.NoAnswer noAnswer) {
                // Said once, here or with the error.
                advice = isTold ? "" : ". " + noAnswer.advice();
            }
            boolean isNews = !(notice instanceof ClientNotice.Connected connected) || connected.isAgain();
            if (isNews && (isTold || isConnected)) {
                console.say("forebay: " + notice.text());
            }
        }
    }
}
