package io.forebay.store;

import static io.forebay.store.StripeFixture.LONG;
import static io.forebay.store.StripeFixture.QUIET;
import static io.forebay.store.StripeFixture.frame;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorSystem;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigValueFactory;
import io.forebay.config.SettingsException;
import io.forebay.storage.io.DirectoryLockedException;
import io.forebay.storage.io.ForeignDirectoryException;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.RecoverySink;
import io.forebay.support.PatientTestKits;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The extension, mostly on real files: recovery into sinks, clean stop, directories that must not be opened. */
class ForebayStorageTest {
    @TempDir
    Path directory;

    private final List<ActorTestKit> testKits = new ArrayList<>();

    private ActorTestKit testKit(String... settings) {
        Config small = ConfigFactory.parseString(
                        "forebay.storage.segment-size = 256 KiB, forebay.storage.low-space = 0 B,"
                                + " forebay.queue.body-max = 16 KiB, forebay.queue.batch-bytes-max = 64 KiB,"
                                + " forebay.group.pop-bytes-max = 64 KiB")
                .withValue("forebay.storage.directory", ConfigValueFactory.fromAnyRef(directory.toString()));
        Config config = ConfigFactory.parseString(String.join("\n", settings))
                .withFallback(small)
                .withFallback(QUIET);
        ActorTestKit testKit = PatientTestKits.create(config);
        testKits.add(testKit);
        return testKit;
    }

    @AfterEach
    void stopAll() {
        testKits.forEach(ActorTestKit::shutdownTestKit);
    }

    @Test
    void whatWasAppendedIsRecoveredAfterACleanShutdown() {
        ActorTestKit first = testKit("forebay.storage.stripes = 2");
        List<StripeHandle> stripes = get(ForebayStorage.get(first.system()).open());
        assertThat(stripes).extracting(StripeHandle::stripeId).containsExactly(0, 1);
        assertThat(ForebayStorage.get(first.system()).health()).allMatch(StripeHealth::isServing);
        append(first, stripes.get(0), frame(1, "in stripe 0"));
        append(first, stripes.get(1), frame(2, "in stripe 1"));
        terminate(first.system());

        ActorTestKit second = testKit("forebay.storage.stripes = 2");
        StripeFixture.Recovered[] recovered = {new StripeFixture.Recovered(), new StripeFixture.Recovered()};
        ForebayStorage storage = ForebayStorage.get(second.system());
        storage.register(stripeId -> recovered[stripeId]);
        RecoverySink another = new StripeFixture.Recovered();
        storage.register(stripeId -> another);
        for (StripeHandle stripe : get(storage.open())) {
            assertThat(stripe.recovery().isCleanStop()).isTrue();
        }
        assertThat(recovered[0].bodies).containsExactly("in stripe 0");
        assertThat(recovered[1].bodies).containsExactly("in stripe 1");
        assertThat(((StripeFixture.Recovered) another).bodies).containsExactlyInAnyOrder("in stripe 0", "in stripe 1");
    }

    @Test
    void openingTwiceIsOpeningOnce() {
        ForebayStorage storage = ForebayStorage.get(testKit().system());
        assertThat(storage.stripes()).isEmpty();
        List<StripeHandle> stripes = get(storage.open());
        assertThat(get(storage.open())).isSameAs(stripes);
        assertThat(get(storage.whenReady())).isSameAs(stripes);
        assertThat(storage.stripes()).isSameAs(stripes);
        assertThatThrownBy(() -> storage.register(stripeId -> null)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void aDirectoryThatIsOpenIsNotOpenedAgain() {
        get(ForebayStorage.get(testKit().system()).open());
        ActorTestKit second = testKit();
        assertThat(failureOf(ForebayStorage.get(second.system()).open())).isInstanceOf(DirectoryLockedException.class);
        assertThat(ForebayStorage.get(second.system()).stripes()).isEmpty();
    }

    @Test
    void theDirectoryOfAnotherNodeIsNotOpened() {
        ActorTestKit first = testKit("forebay.node.name = one");
        get(ForebayStorage.get(first.system()).open());
        terminate(first.system());
        ActorTestKit second = testKit("forebay.node.name = two");
        assertThat(failureOf(ForebayStorage.get(second.system()).open())).isInstanceOf(ForeignDirectoryException.class);
        ActorTestKit third = testKit("forebay.node.name = one");
        assertThat(get(ForebayStorage.get(third.system()).open())).hasSize(1);
    }

    @Test
    void stripesThatAreThereAreOpenedThoughFewerAreConfigured() {
        ActorTestKit first = testKit("forebay.storage.stripes = 3");
        get(ForebayStorage.get(first.system()).open());
        terminate(first.system());
        ActorTestKit second = testKit("forebay.storage.stripes = 1");
        assertThat(get(ForebayStorage.get(second.system()).open())).hasSize(3);
    }

    @Test
    void aStripeThatIsMissingIsNotMadeAnew() throws IOException {
        ActorTestKit first = testKit("forebay.storage.stripes = 3");
        get(ForebayStorage.get(first.system()).open());
        terminate(first.system());
        Files.move(directory.resolve("stripe-1"), directory.resolve("elsewhere"));
        ActorTestKit second = testKit("forebay.storage.stripes = 3");
        assertThat(failureOf(ForebayStorage.get(second.system()).open()))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("stripe-1");
        Files.move(directory.resolve("elsewhere"), directory.resolve("stripe-1"));
        ActorTestKit third = testKit("forebay.storage.stripes = 3");
        assertThat(get(ForebayStorage.get(third.system()).open())).hasSize(3);
    }

    @Test
    void aSegmentOfAnotherNodeIsSetAsideAndNamed() throws IOException {
        Path elsewhere = directory.resolve("elsewhere");
        for (String settings : List.of("", "forebay.storage.directory = \"" + elsewhere + "\"")) {
            ActorTestKit node = testKit(settings);
            append(node, get(ForebayStorage.get(node.system()).open()).get(0), frame(1, "a"));
            terminate(node.system());
        }
        Path stripe = directory.resolve("stripe-0");
        Files.copy(
                elsewhere.resolve("stripe-0/segment-0000000000000000.log"),
                stripe.resolve("segment-0000000000001000.log"));
        ActorTestKit second = testKit();
        StripeHandle opened = get(ForebayStorage.get(second.system()).open()).get(0);
        assertThat(opened.recovery().findings())
                .singleElement()
                .asString()
                .startsWith("segment-0000000000001000.log: it belongs to stripe 0, log ")
                .endsWith("it is kept as strange-segment-0000000000001000.log");
        assertThat(stripe.resolve("strange-segment-0000000000001000.log")).exists();
        assertThat(stripe.resolve("segment-0000000000001000.log")).doesNotExist();
    }

    @Test
    void aStripeThatCannotBeRecoveredStopsTheOthersAndGivesTheDirectoryBack() throws IOException {
        ActorTestKit first = testKit("forebay.storage.stripes = 2");
        append(first, get(ForebayStorage.get(first.system()).open()).get(0), frame(1, "a"));
        terminate(first.system());
        ActorTestKit second = testKit("forebay.storage.stripes = 2");
        ForebayStorage failing = ForebayStorage.get(second.system());
        failing.register(stripeId -> {
            if (stripeId == 1) {
                throw new IllegalStateException("no sink for it");
            }
            return new StripeFixture.Recovered();
        });
        assertThat(failureOf(failing.open())).hasMessage("no sink for it");
        ActorTestKit third = testKit("forebay.storage.stripes = 2");
        StripeFixture.Recovered recovered = new StripeFixture.Recovered();
        ForebayStorage storage = ForebayStorage.get(third.system());
        storage.register(stripeId -> stripeId == 0 ? recovered : new StripeFixture.Recovered());
        assertThat(get(storage.open())).hasSize(2);
        assertThat(recovered.bodies).containsExactly("a");
    }

    @Test
    void aSettingThatIsOutOfRangeIsToldByTheStage() {
        ActorTestKit testKit = testKit("forebay.storage.stripes = 0");
        assertThat(failureOf(ForebayStorage.get(testKit.system()).open()))
                .isInstanceOf(SettingsException.class)
                .hasMessageContaining("forebay.storage.stripes");
    }

    @Test
    void stoppingWhatWasNeverOpenedTouchesNothing() throws IOException {
        ActorTestKit testKit = testKit();
        ForebayStorage storage = ForebayStorage.get(testKit.system());
        get(storage.stop());
        assertThat(failureOf(storage.open())).isInstanceOf(IllegalStateException.class);
        try (var files = Files.list(directory)) {
            assertThat(files).isEmpty();
        }
    }

    @Test
    void anotherDiskCanTakeTheDirectorysPlace() {
        MemoryDisk disk = new MemoryDisk();
        ActorTestKit testKit = testKit();
        ForebayStorage storage = ForebayStorage.get(testKit.system());
        storage.use(StorageEnvironment.of(disk, InstantSource.system(), System::nanoTime));
        append(testKit, get(storage.open()).get(0), frame(1, "a"));
        assertThat(disk.files()).anyMatch(path -> path.startsWith(ForebayStorage.directoryName(0) + "/"));
        get(storage.stop());
        assertThat(disk.openFiles()).isEmpty();
        assertThat(storage.health()).allMatch(health -> health.phase() == StripePhase.CLOSED);
    }

    private static void append(ActorTestKit testKit, StripeHandle stripe, Frame frame) {
        TestProbe<StoreWriter.Event> origin = testKit.createTestProbe(StoreWriter.Event.class);
        try (StripeBudget.Account account = stripe.budget().open()) {
            account.spend(frame);
        }
        stripe.writer().tell(new StoreWriter.Append(frame, origin.ref(), false, 1));
        StripeFixture.assertWritten(origin, frame, 1);
    }

    private static void terminate(ActorSystem<?> system) {
        system.terminate();
        get(system.getWhenTerminated());
    }

    private static <T> T get(CompletionStage<T> stage) {
        try {
            return stage.toCompletableFuture().get(LONG.toSeconds(), TimeUnit.SECONDS);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private static Throwable failureOf(CompletionStage<?> stage) {
        try {
            Object value = stage.toCompletableFuture().get(LONG.toSeconds(), TimeUnit.SECONDS);
            throw new AssertionError("did not fail: " + value);
        } catch (ExecutionException e) {
            return e.getCause();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }
}
