package io.forebay.watch;

import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigSyntax;
import io.forebay.client.ForebayClient;
import io.forebay.client.Target;
import io.forebay.node.Forebay;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StorageEnvironment;
import io.forebay.store.StripeHealth;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;

/** A node on a disk in memory that is watched over HTTP, at any free port of loopback. */
final class WatchedNode implements AutoCloseable {
    static final Duration PATIENCE = Duration.ofSeconds(30);

    private static final Config SMALL = ConfigFactory.parseString("""
        akka.actor.provider = local
        akka.loglevel = WARNING
        akka.log-dead-letters = off
        akka.coordinated-shutdown.run-by-jvm-shutdown-hook = off
        akka.coordinated-shutdown.exit-jvm = off
        forebay {
          storage { segment-size = 1 MiB, low-space = 0 B }
          store {
            flush-bytes = 256 KiB, max-unflushed = 32 MiB, flush-interval = 10 ms, retry-backoff = 20 ms
            rewrite-attempts-max = 1, rewrite-timeout = 200 ms, checkpoint-idle-interval = 50 ms
          }
          queue { body-max = 64 KiB, batch-bytes-max = 512 KiB }
          group.pop-bytes-max = 1 MiB
          topic { auto-create = on, default-queues = 2 }
          watch { enabled = on, port = 0 }
        }
        """);

    final ActorSystem<Void> system;
    final Forebay forebay;
    final HttpClient http = HttpClient.newHttpClient();
    private ForebayClient client;

    private WatchedNode(StorageEnvironment environment, String settings) {
        Config config = ConfigFactory.parseString(settings)
                .withFallback(SMALL)
                .withFallback(ConfigFactory.load())
                .resolve();
        system = ActorSystem.create(Behaviors.empty(), "watched", config);
        ForebayStorage.get(system).use(environment);
        forebay = Forebay.get(system);
    }

    /** One that may still be starting. */
    static WatchedNode starting(StorageEnvironment environment, String settings) {
        return new WatchedNode(environment, settings);
    }

    /** One that serves. */
    static WatchedNode serving(MemoryDisk disk, String settings) {
        WatchedNode node =
                new WatchedNode(StorageEnvironment.of(disk, InstantSource.system(), System::nanoTime), settings);
        node.forebay.whenReady().toCompletableFuture().join();
        return node;
    }

    InetSocketAddress address() {
        return now(forebay.watchAddress());
    }

    URI uri(String path) {
        InetSocketAddress address = address();
        return URI.create("http://" + address.getAddress().getHostAddress() + ":" + address.getPort() + path);
    }

    HttpResponse<String> send(HttpRequest.Builder request) {
        try {
            return http.send(request.timeout(PATIENCE).build(), HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new AssertionError(e);
        } catch (InterruptedException e) {
            throw new AssertionError("interrupted", e);
        }
    }

    HttpResponse<String> get(String path) {
        return send(HttpRequest.newBuilder(uri(path)));
    }

    /** What a page of JSON says now. */
    record Page(int status, Config json) {
        List<String> codes() {
            return json.getConfigList("reasons").stream()
                    .map(reason -> reason.getString("code"))
                    .toList();
        }

        List<String> texts() {
            return json.getConfigList("reasons").stream()
                    .map(reason -> reason.getString("text"))
                    .toList();
        }
    }

    Page page(String path) {
        HttpResponse<String> response = get(path);
        ConfigParseOptions asJson = ConfigParseOptions.defaults().setSyntax(ConfigSyntax.JSON);
        return new Page(response.statusCode(), ConfigFactory.parseString(response.body(), asJson));
    }

    Page ready() {
        return page("/ready");
    }

    Page alive() {
        return page("/alive");
    }

    Exposition metrics() {
        return Exposition.read(get("/metrics").body());
    }

    /** Of its first stripe, without asking for a page. */
    StripeHealth health() {
        return ForebayStorage.get(system).health().get(0);
    }

    ForebayClient client() {
        if (client == null) {
            client = ForebayClient.connect(system, Target.node(forebay.entry()));
        }
        return client;
    }

    static <T> T now(CompletionStage<T> stage) {
        try {
            return stage.toCompletableFuture().get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public void close() {
        system.terminate();
        now(system.getWhenTerminated());
    }
}
