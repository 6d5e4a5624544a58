package io.forebay.config;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.typed.DispatcherSelector;
import com.typesafe.config.ConfigFactory;
import io.forebay.support.PatientTestKits;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The dispatchers of {@code reference.conf} are ones that Akka can make, each with threads of its own. */
class DispatchersTest {
    private static ActorTestKit kit;

    @BeforeAll
    static void start() {
        kit = PatientTestKits.create("dispatchers", ConfigFactory.load());
    }

    @AfterAll
    static void stop() {
        kit.shutdownTestKit();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                StoreSettings.WRITER_DISPATCHER,
                StoreSettings.FLUSHER_DISPATCHER,
                StoreSettings.FLUSH_DISPATCHER,
                StoreSettings.READ_DISPATCHER,
                QueueSettings.DISPATCHER,
                WatchSettings.DISPATCHER
            })
    void runsOnThreadsOfItsOwn(String dispatcher) throws Exception {
        Executor executor = kit.system().dispatchers().lookup(DispatcherSelector.fromConfig(dispatcher));
        CompletableFuture<String> thread = new CompletableFuture<>();
        executor.execute(() -> thread.complete(Thread.currentThread().getName()));
        assertThat(thread.get(10, TimeUnit.SECONDS)).contains(dispatcher);
    }
}
