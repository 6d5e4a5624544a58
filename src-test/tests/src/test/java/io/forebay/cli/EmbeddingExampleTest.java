package io.forebay.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import akka.Done;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.javadsl.Behaviors;
import akka.japi.Pair;
import akka.stream.javadsl.Keep;
import akka.stream.javadsl.Sink;
import akka.stream.javadsl.Source;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.client.Control;
import io.forebay.client.ForebayClient;
import io.forebay.client.ForebayFlow;
import io.forebay.client.ForebaySink;
import io.forebay.client.ForebaySource;
import io.forebay.client.PopRequest;
import io.forebay.client.Target;
import io.forebay.node.Forebay;
import io.forebay.protocol.Message;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The examples of README.md and docs/embedding.md. What lies between the marks in this file stands in the pages word for word,
 * so that neither changes without the other.
 */
class EmbeddingExampleTest {
    private static final Path ROOT = Path.of("..", "..");

    @TempDir
    Path folder;

    private final LinkedBlockingQueue<String> billed = new LinkedBlockingQueue<>();
    private final LinkedBlockingQueue<String> said = new LinkedBlockingQueue<>();

    private void bill(byte[] body) {
        billed.add(new String(body, UTF_8));
    }

    @Test
    void nodeInsideAnApplication() throws Exception {
        // The data directory is the test's own; all else is as the page says.
        Config config = ConfigFactory.parseString("forebay.storage.directory = \"" + folder + "\"")
                .withFallback(ConfigFactory.parseString(block(ROOT.resolve("README.md"), "hocon")))
                .withFallback(ConfigFactory.load());
        // <example>
        ActorSystem<Void> system = ActorSystem.create(Behaviors.empty(), "shop", config);
        Forebay node = Forebay.get(system).whenReady().toCompletableFuture().join();
        ForebayClient client = ForebayClient.connect(system, Target.node(node.entry()));

        client.send(Message.of("orders", "one coffee".getBytes(UTF_8)))
                .thenAccept(receipt -> said.add("stored, " + receipt.level()));
        client.pop(PopRequest.of("orders", "billing", 32))
                .thenAccept(deliveries -> deliveries.forEach(delivery -> {
                    bill(delivery.body());
                    client.ack(delivery);
                }));
        // </example>
        assertThat(said.poll(20, TimeUnit.SECONDS)).isEqualTo("stored, FLUSHED");
        assertThat(billed.poll(20, TimeUnit.SECONDS)).isEqualTo("one coffee");

        List<String> orders = List.of("two teas", "a cake", "the bill, please");
        // <streams>
        CompletionStage<Done> sent = Source.from(orders)
                .map(text -> Message.of("orders", text.getBytes(UTF_8)))
                .via(ForebayFlow.send(client))
                .runWith(Sink.foreach(receipt -> said.add("stored at " + receipt.queueOffset())), system);

        Pair<Control, CompletionStage<Done>> billing = ForebaySource.deliveries(client, "orders", "billing")
                .map(delivery -> {
                    bill(delivery.body());
                    return delivery;
                })
                .toMat(ForebaySink.ack(client), Keep.both())
                .run(system);
        // …
        billing.first().drainAndShutdown(billing.second());
        // </streams>
        sent.toCompletableFuture().get(20, TimeUnit.SECONDS);
        client.close().toCompletableFuture().get(20, TimeUnit.SECONDS);
        system.terminate();
        system.getWhenTerminated().toCompletableFuture().get(60, TimeUnit.SECONDS);
    }

    @Test
    void pagesShowWhatRuns() throws IOException {
        String source = Files.readString(
                ROOT.resolve("src-test/tests/src/test/java/io/forebay/cli/EmbeddingExampleTest.java"), UTF_8);
        assertThat(block(ROOT.resolve("README.md"), "java")).isEqualTo(marked(source, "example"));
        assertThat(Files.readString(ROOT.resolve("docs/embedding.md"), UTF_8))
                .contains(marked(source, "example"))
                .contains(marked(source, "streams"))
                .contains(block(ROOT.resolve("README.md"), "hocon"));
    }

    /** The first code block of a language. */
    private static String block(Path page, String language) throws IOException {
        Matcher matcher =
                Pattern.compile("```" + language + "\n(.*?)```", Pattern.DOTALL).matcher(Files.readString(page, UTF_8));
        assertThat(matcher.find()).as(page + " has " + language).isTrue();
        return matcher.group(1);
    }

    private static String marked(String source, String mark) {
        int from = source.indexOf("// <" + mark + ">\n") + mark.length() + 6;
        return source.substring(from, source.indexOf("        // </" + mark + ">"))
                .indent(-8);
    }
}
