package io.forebay.testkit;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.client.ForebayClient;
import io.forebay.client.PopRequest;
import io.forebay.protocol.Delivery;
import io.forebay.testkit.junit.ForebayTest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the application does with its messages: the same code as in production. */
class Billing {
    final List<String> billed = new ArrayList<>();
    boolean isCardReaderBroken;

    Billing(ForebayClient client) {
        client.subscribe(PopRequest.of("orders", "billing", 32), this::bill);
    }

    private CompletionStage<?> bill(Delivery order) {
        if (isCardReaderBroken) {
            return CompletableFuture.failedStage(new IllegalStateException("no card reader"));
        }
        billed.add(new String(order.body(), UTF_8));
        return CompletableFuture.completedStage(null);
    }
}

@ForebayTest
class BillingExampleTest {
    @BeforeEach
    void createTopic(ForebayTestKit kit) {
        kit.createTopic("orders", 4);
        kit.createGroup("billing", "orders", Map.of("max-attempts", "3", "retry-backoff", "fixed 1 h"));
    }

    @Test
    void anOrderIsTriedAgainUntilItIsBilled(ForebayTestKit kit) {
        Billing billing = new Billing(kit.client());
        billing.isCardReaderBroken = true;
        kit.send("orders", "a coffee");
        kit.settle();
        assertThat(billing.billed).isEmpty();
        billing.isCardReaderBroken = false;
        kit.passTime(Duration.ofMinutes(61));
        assertThat(billing.billed).containsExactly("a coffee");
        kit.assertSettled("billing", "orders");
    }

    @Test
    void whatIsTriedTooOftenIsADeadLetter(ForebayTestKit kit) {
        new Billing(kit.client()).isCardReaderBroken = true;
        kit.send("orders", "a coffee");
        kit.passTime(Duration.ofHours(3));
        assertThat(kit.deadLetters("billing")).hasSize(1);
    }

    @Test
    void anOrderSurvivesAPowerCut(ForebayTestKit kit) {
        kit.send("orders", "a coffee");
        kit.cutPower();
        kit.start();
        Billing billing = new Billing(kit.client());
        kit.passTime(Duration.ofSeconds(1));
        assertThat(billing.billed).containsExactly("a coffee");
    }
}
