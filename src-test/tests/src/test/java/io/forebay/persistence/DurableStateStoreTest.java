package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.actor.testkit.typed.javadsl.ActorTestKit;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.Adapter;
import akka.japi.Pair;
import akka.persistence.query.DeletedDurableState;
import akka.persistence.query.DurableStateChange;
import akka.persistence.query.Offset;
import akka.persistence.query.Sequence;
import akka.persistence.query.TimestampOffset;
import akka.persistence.query.UpdatedDurableState;
import akka.persistence.query.javadsl.DurableStateStorePagedPersistenceIdsQuery;
import akka.persistence.query.javadsl.DurableStateStoreQuery;
import akka.persistence.query.typed.javadsl.DurableStateStoreBySliceQuery;
import akka.persistence.state.DurableStateStoreRegistry;
import akka.persistence.state.javadsl.DurableStateUpdateStore;
import akka.persistence.state.javadsl.GetObjectResult;
import akka.persistence.typed.PersistenceId;
import akka.persistence.typed.state.javadsl.CommandHandler;
import akka.persistence.typed.state.javadsl.DurableStateBehavior;
import akka.stream.javadsl.Keep;
import akka.stream.javadsl.Sink;
import akka.stream.javadsl.SinkQueueWithCancel;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.persistence.core.StateDraft;
import io.forebay.persistence.core.StateTable;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Refusal;
import io.forebay.storage.log.StripeLog;
import io.forebay.store.ForebayStorage;
import io.forebay.support.PatientTestKits;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import scala.jdk.javaapi.FutureConverters;

/**
 * Akka's behaviour of a durable state store and its queries, of which it has no specification that runs. Invariants: I1 a state that was
 * stored is found after a start, whatever its size, with a checkpoint or without; I2 it is what was stored; a revision is stored
 * once, and the next one only; a deletion counts. A query gives the newest change of each state of its tag once, in the order of
 * offsets that only grow.
 */
class DurableStateStoreTest {
    private static final String PLUGIN = "forebay.persistence.state-store";
    private static final long LONG_SECONDS = 60;
    private static final String STOPS_CLEANLY = "akka.coordinated-shutdown.run-by-actor-system-terminate";
    private static final String DIES = STOPS_CLEANLY + " = off";

    @TempDir
    Path directory;

    private ActorTestKit testKit;
    private DurableStateUpdateStore<Object> store;
    private Path home;

    @AfterEach
    void stop() {
        if (testKit != null) {
            testKit.shutdownTestKit();
        }
    }

    private void start(String... settings) {
        start(directory.resolve("home"), settings);
    }

    private void start(Path in, String... settings) {
        home = in;
        Config config = ConfigFactory.parseString(String.join("\n", settings))
                .withFallback(ConfigFactory.parseString("""
                        forebay.storage.segment-size = 256 KiB
                        forebay.queue.body-max = 16 KiB
                        forebay.queue.batch-bytes-max = 64 KiB
                        forebay.group.pop-bytes-max = 64 KiB
                        akka.loglevel = WARNING
                        """))
                .withFallback(PluginConfig.in(in));
        testKit = PatientTestKits.create(config);
        store = store(DurableStateUpdateStore.class);
    }

    @SuppressWarnings("unchecked")
    private <S extends akka.persistence.state.javadsl.DurableStateStore<?>> S store(Class<?> type) {
        return registry().getDurableStateStoreFor((Class<S>) type, PLUGIN);
    }

    private DurableStateStoreRegistry registry() {
        return DurableStateStoreRegistry.get(Adapter.toClassic(testKit.system()));
    }

    /** A clean stop, whose checkpoint holds all, and a start in the same directory. */
    private void startAgain() {
        testKit.shutdownTestKit();
        start(home);
        assertThat(isCleanStart()).isTrue();
    }

    /** A start with what lies on the disk when all threads are gone at once: without the checkpoint of a stop. */
    private void startWithoutCheckpoint() throws IOException {
        assertThat(testKit.system().settings().config().getBoolean(STOPS_CLEANLY))
                .isFalse();
        testKit.shutdownTestKit();
        Path copy = directory.resolve("copy");
        try (Stream<Path> files = Files.walk(home)) {
            for (Path file : files.toList()) {
                Files.copy(file, copy.resolve(home.relativize(file).toString()));
            }
        }
        start(copy);
        assertThat(isCleanStart()).isFalse();
    }

    private boolean isCleanStart() {
        ForebayStorage storage = ForebayStorage.get(testKit.system());
        return get(storage.open()).get(0).recovery().isCleanStop();
    }

    private static <T> T get(CompletionStage<T> stage) {
        try {
            return stage.toCompletableFuture().get(LONG_SECONDS, TimeUnit.SECONDS);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private static Throwable failureOf(CompletionStage<?> stage) {
        try {
            Object value = stage.toCompletableFuture().get(LONG_SECONDS, TimeUnit.SECONDS);
            throw new AssertionError("did not fail: " + value);
        } catch (ExecutionException e) {
            return e.getCause();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private void assertState(String persistenceId, Object state, long revision) {
        GetObjectResult<Object> found = get(store.getObject(persistenceId));
        assertThat(found.value()).as(persistenceId).isEqualTo(Optional.ofNullable(state));
        assertThat(found.revision()).as(persistenceId).isEqualTo(revision);
    }

    private void upsert(String persistenceId, long revision, Object state, String tag) {
        get(store.upsertObject(persistenceId, revision, state, tag));
    }

    private void assertRefused(CompletionStage<?> stage, String expected) {
        assertThat(failureOf(stage))
                .isInstanceOf(ForebayException.class)
                .hasMessageContaining(expected)
                .extracting(failure -> ((ForebayException) failure).refusal().code())
                .isEqualTo(Refusal.Code.ILLEGAL_ARGUMENT);
    }

    // ---- single states ----------------------------------------------------------------------------------------------

    @Test
    void aStateIsStoredReplacedDeletedAndStoredAgain() {
        start();
        assertState("a", null, 0);
        upsert("a", 1, "one", "");
        assertState("a", "one", 1);
        upsert("a", 2, 22, "t");
        assertState("a", 22, 2);
        get(store.deleteObject("a", 3));
        assertState("a", null, 3);
        upsert("a", 4, "four", "");
        assertState("a", "four", 4);
        assertState("b", null, 0);
        get(store.deleteObject("b", 1));
        assertState("b", null, 1);
    }

    @Test
    void anotherRevisionThanTheNextChangesNothing() {
        start();
        assertRefused(store.upsertObject("a", 2, "x", ""), "has to be 1");
        assertRefused(store.upsertObject("a", 0, "x", ""), "has to be 1");
        assertRefused(store.deleteObject("a", 2), "has to be 1");
        upsert("a", 1, "one", "");
        assertRefused(store.upsertObject("a", 1, "x", ""), "has to be 2");
        assertRefused(store.upsertObject("a", 3, "x", ""), "has to be 2");
        assertRefused(store.deleteObject("a", 1), "'a'");
        assertState("a", "one", 1);
        // Of those that are under way together one alone is the next.
        List<CompletionStage<?>> racing = new ArrayList<>();
        for (int each = 0; each < 8; each++) {
            racing.add(store.upsertObject("a", 2, "of " + each, ""));
        }
        get(racing.get(0));
        racing.subList(1, 8).forEach(late -> assertRefused(late, "has to be 3"));
        assertState("a", "of 0", 2);
    }

    @SuppressWarnings("deprecation")
    @Test
    void aStateIsDeletedWhateverItsRevision() {
        start();
        get(store.deleteObject("a"));
        assertState("a", null, 0);
        upsert("a", 1, "one", "");
        get(store.deleteObject("a"));
        assertState("a", null, 2);
        get(store.deleteObject("a"));
        assertState("a", null, 2);
        upsert("a", 3, "three", "");
        startAgain();
        assertState("a", "three", 3);
    }

    @Test
    void whatIsMissingOrCannotBeSerializedIsRefused() {
        start();
        assertThat(failureOf(store.getObject(null))).hasMessageContaining("persistence id is missing");
        assertThat(failureOf(store.upsertObject(null, 1, "x", ""))).hasMessageContaining("persistence id is missing");
        assertThat(failureOf(store.deleteObject(null, 1))).hasMessageContaining("persistence id is missing");
        assertThat(failureOf(store.upsertObject("a", 1, null, ""))).hasMessageContaining("'a' is null");
        assertThat(failureOf(store.upsertObject("a", 1, new Object(), ""))).hasMessageContaining("java.lang.Object");
        assertRefused(store.upsertObject("x".repeat(70_000), 1, "x", ""), "persistenceId takes 70000 bytes");
        upsert("a", 1, "one", null);
        upsert("", 1, "of nobody", "");
        assertState("a", "one", 1);
        assertState("", "of nobody", 1);
    }

    /** More than a frame holds, more than a segment, what fits exactly or not quite; and most of it has to wait for room. */
    @Test
    void aStateMayBeLargerThanASegment() throws IOException {
        start(DIES, "forebay.store { max-unflushed = 256 KiB, flush-bytes = 64 KiB }");
        RandomGenerator random = new SplittableRandom(3);
        Map<String, String> states = new HashMap<>();
        int id = 0;
        for (int size : new int[] {0, 1, 60_000, 62_000, 64_000, 240_000, 256_000, 400_000, 900_000}) {
            StringBuilder state = new StringBuilder();
            while (state.length() < size) {
                state.append((char) ('a' + random.nextInt(26)));
            }
            states.put("large" + id++, state.toString());
        }
        List<CompletionStage<?>> under = new ArrayList<>();
        states.forEach((each, state) -> under.add(store.upsertObject(each, 1, "x", "")));
        states.forEach((each, state) -> under.add(store.upsertObject(each, 2, state, "large")));
        states.forEach((each, state) -> under.add(store.upsertObject("small " + each, 1, each, "")));
        under.forEach(DurableStateStoreTest::get);
        states.forEach((each, state) -> assertState(each, state, 2));
        startWithoutCheckpoint();
        states.forEach((each, state) -> assertState(each, state, 2));
        states.forEach((each, state) -> assertState("small " + each, each, 1));
        assertThat(current("large", Offset.noOffset())).hasSize(states.size());
    }

    @Test
    void whatIsStoredIsThereAfterAStart() throws IOException {
        // So small that it is taken many times.
        start(DIES, "forebay.store.checkpoint-bytes = 64 KiB");
        Map<String, String> states = new HashMap<>();
        for (int revision = 1; revision <= 3; revision++) {
            List<CompletionStage<?>> under = new ArrayList<>();
            for (int id = 0; id < 100; id++) {
                String state = "state " + id + " of revision " + revision + " " + "x".repeat(900);
                states.put("id|" + id, state);
                under.add(store.upsertObject("id|" + id, revision, state, "tag" + id % 3));
            }
            under.forEach(DurableStateStoreTest::get);
        }
        get(store.deleteObject("id|7", 4));
        states.put("id|7", null);
        List<String> changes = idsOf(current("tag1", Offset.noOffset()));
        startWithoutCheckpoint();
        states.forEach((id, state) -> assertState(id, state, state == null ? 4 : 3));
        assertThat(idsOf(current("tag1", Offset.noOffset()))).isEqualTo(changes);
        startAgain();
        states.forEach((id, state) -> assertState(id, state, state == null ? 4 : 3));
        assertThat(idsOf(current("tag1", Offset.noOffset()))).isEqualTo(changes);
        assertRefused(store.upsertObject("id|7", 1, "x", ""), "has to be 5");
        upsert("id|7", 5, "again", "tag1");
        assertState("id|7", "again", 5);
        changes.remove("id|7");
        changes.add("id|7");
        assertThat(idsOf(current("tag1", Offset.noOffset()))).isEqualTo(changes);
    }

    /** All but the newest revision of each may go, also what is known to be replaced from what a start finds. */
    @Test
    void whatWasReplacedKeepsNoSpace() throws IOException {
        start(DIES);
        for (int revision = 1; revision <= 20; revision++) {
            upsert("a", revision, "x".repeat(revision * 10_000), "");
        }
        assertState("a", "x".repeat(200_000), 20);
        assertNewestAloneIsKept();
        startWithoutCheckpoint();
        assertState("a", "x".repeat(200_000), 20);
        assertNewestAloneIsKept();
        startAgain();
        assertState("a", "x".repeat(200_000), 20);
        assertNewestAloneIsKept();
        get(store.deleteObject("a", 21));
        assertState("a", null, 21);
        assertNewestAloneIsKept();
    }

    private void assertNewestAloneIsKept() {
        StripeLog log = get(ForebayStorage.get(testKit.system()).open()).get(0).log();
        int queueId = ShardKind.STATES.queueId(ShardKind.shardOf("a"));
        CompletableFuture<StateTable.Place> place = new CompletableFuture<>();
        ForebayPersistence.get(testKit.system()).request(ShardKind.STATES, "a", new StateShard.Locate("a", place));
        assertThat(get(place).firstOffset() + get(place).parts()).isEqualTo(log.nextOffset(queueId));
        assertThat(log.releasedBelow(queueId)).isEqualTo(get(place).firstOffset());
    }

    @Test
    void bothApisAreOneStore() {
        start();
        akka.persistence.state.scaladsl.DurableStateUpdateStore<Object> scala =
                registry().durableStateStoreFor(PLUGIN);
        get(FutureConverters.asJava(scala.upsertObject("a", 1, "one", "t")));
        assertState("a", "one", 1);
        upsert("a", 2, "two", "t");
        akka.persistence.state.scaladsl.GetObjectResult<Object> found =
                get(FutureConverters.asJava(scala.getObject("a")));
        assertThat(found.value().get()).isEqualTo("two");
        assertThat(found.revision()).isEqualTo(2);
        get(FutureConverters.asJava(scala.deleteObject("a", 3)));
        assertThat(get(FutureConverters.asJava(scala.getObject("a"))).value().isEmpty())
                .isTrue();
        assertState("a", null, 3);
        Throwable failure =
                get(FutureConverters.asJava(scala.upsertObject("a", 3, "x", "")).handle((done, asGiven) -> asGiven));
        assertThat(failure).isInstanceOf(ForebayException.class);
        var queries = (akka.persistence.query.scaladsl.DurableStateStoreQuery<Object>)
                (akka.persistence.state.scaladsl.DurableStateStore<Object>) scala;
        assertThat(get(queries.currentChanges("t", Offset.noOffset()).asJava().runWith(Sink.seq(), testKit.system())))
                .hasSize(1);
    }

    // ---- queries ----------------------------------------------------------------------------------------------------

    private List<DurableStateChange<Object>> current(String tag, Offset offset) {
        DurableStateStoreQuery<Object> queries = store(DurableStateStoreQuery.class);
        return get(queries.currentChanges(tag, offset).runWith(Sink.seq(), testKit.system()));
    }

    private SinkQueueWithCancel<DurableStateChange<Object>> live(String tag, Offset offset) {
        DurableStateStoreQuery<Object> queries = store(DurableStateStoreQuery.class);
        return queries.changes(tag, offset).toMat(Sink.queue(), Keep.right()).run(testKit.system());
    }

    private static DurableStateChange<Object> next(SinkQueueWithCancel<DurableStateChange<Object>> queue) {
        return get(queue.pull()).orElseThrow();
    }

    private static List<String> idsOf(List<DurableStateChange<Object>> changes) {
        return new ArrayList<>(
                changes.stream().map(DurableStateChange::persistenceId).toList());
    }

    private static void assertChange(
            DurableStateChange<Object> change, String persistenceId, Object state, long revision) {
        assertThat(change.persistenceId()).isEqualTo(persistenceId);
        if (state == null) {
            assertThat(((DeletedDurableState<Object>) change).revision()).isEqualTo(revision);
        } else {
            UpdatedDurableState<Object> updated = (UpdatedDurableState<Object>) change;
            assertThat(updated.value()).isEqualTo(state);
            assertThat(updated.revision()).isEqualTo(revision);
            assertThat(updated.timestamp()).isPositive();
        }
    }

    @Test
    void theNewestChangeOfEachStateOfATagIsGivenOnce() {
        start();
        assertThat(current("t", Offset.noOffset())).isEmpty();
        upsert("a", 1, "a1", "t");
        upsert("b", 1, "b1", "t");
        upsert("c", 1, "c1", "u");
        upsert("d", 1, "d1", "");
        upsert("a", 2, "a2", "t");
        List<DurableStateChange<Object>> changes = current("t", Offset.noOffset());
        assertThat(changes).hasSize(2);
        assertChange(changes.get(0), "b", "b1", 1);
        assertChange(changes.get(1), "a", "a2", 2);
        assertThat(idsOf(current("t", changes.get(0).offset()))).containsExactly("a");
        assertThat(current("t", changes.get(1).offset())).isEmpty();
        assertThat(idsOf(current("", Offset.noOffset()))).containsExactly("d");
        get(store.deleteObject("b", 2));
        upsert("a", 3, "a3", "u");
        List<DurableStateChange<Object>> later = current("t", changes.get(1).offset());
        assertThat(later).hasSize(1);
        assertChange(later.get(0), "b", null, 2);
        assertThat(idsOf(current("u", Offset.noOffset()))).containsExactly("c", "a");
        assertThat(current("t", Offset.sequence(Long.MAX_VALUE))).isEmpty();
    }

    private DurableStateStoreBySliceQuery<Object> slices() {
        return store(DurableStateStoreBySliceQuery.class);
    }

    private List<DurableStateChange<Object>> bySlices(int minSlice, int maxSlice, Offset offset) {
        return get(slices().currentChangesBySlices("Cart", minSlice, maxSlice, offset)
                .runWith(Sink.seq(), testKit.system()));
    }

    /** Whatever their tags are; an entity type of its own is told apart, and so is an id without one. */
    @Test
    void slicesTellTheNewestChangeOfEachStateOfAnEntityTypeOnce() {
        start();
        upsert("Cart|a", 1, "a1", "t");
        upsert("Cart|b", 1, "b1", "");
        upsert("Order|c", 1, "c1", "t");
        upsert("d", 1, "d1", "t");
        upsert("Cart|a", 2, "a2", "u");
        List<DurableStateChange<Object>> changes = bySlices(0, 1023, Offset.noOffset());
        assertThat(changes).hasSize(2);
        assertChange(changes.get(0), "Cart|b", "b1", 1);
        assertChange(changes.get(1), "Cart|a", "a2", 2);
        assertThat(idsOf(bySlices(0, 1023, changes.get(0).offset()))).containsExactly("Cart|a");
        get(store.deleteObject("Cart|b", 2));
        List<DurableStateChange<Object>> later =
                bySlices(0, 1023, changes.get(1).offset());
        assertThat(later).hasSize(1);
        assertChange(later.get(0), "Cart|b", null, 2);

        for (int id = 0; id < 50; id++) {
            upsert("Cart|" + id, 1, "x", "t" + id % 3);
        }
        List<String> all = new ArrayList<>();
        for (Pair<Integer, Integer> range : slices().sliceRanges(4)) {
            for (DurableStateChange<Object> change : bySlices(range.first(), range.second(), Offset.noOffset())) {
                assertThat(slices().sliceForPersistenceId(change.persistenceId()))
                        .isBetween(range.first(), range.second());
                all.add(change.persistenceId());
            }
        }
        assertThat(all).hasSize(52).doesNotHaveDuplicates();

        var scala = (akka.persistence.query.typed.scaladsl.DurableStateStoreBySliceQuery<Object>)
                (akka.persistence.state.scaladsl.DurableStateStore<Object>) registry()
                        .<akka.persistence.state.scaladsl.DurableStateUpdateStore<Object>>durableStateStoreFor(PLUGIN);
        assertThat(get(scala.currentChangesBySlices("Order", 0, 1023, Offset.noOffset())
                        .asJava()
                        .runWith(Sink.seq(), testKit.system())))
                .hasSize(1);
        assertThat(scala.sliceRanges(4).size()).isEqualTo(4);
        assertThatThrownBy(() -> slices().changesBySlices("Cart", 0, 1023, TimestampOffset.Zero()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Sequence");
    }

    /** Woken by whatever is written, under any tag. */
    @Test
    void aLiveQueryOfSlicesGoesOnWithWhatComes() {
        start();
        upsert("Cart|a", 1, "a1", "t");
        SinkQueueWithCancel<DurableStateChange<Object>> live = slices().changesBySlices(
                        "Cart", 0, 1023, Offset.noOffset())
                .toMat(Sink.queue(), Keep.right())
                .run(testKit.system());
        assertChange(next(live), "Cart|a", "a1", 1);
        for (int round = 2; round < 6; round++) {
            CompletionStage<Optional<DurableStateChange<Object>>> asked = live.pull();
            upsert("Order|a", round - 1, "other", "t");
            upsert("Cart|b", round - 1, "b" + round, "tag" + round);
            assertChange(get(asked).orElseThrow(), "Cart|b", "b" + round, round - 1);
        }
        live.cancel();
    }

    @Test
    void anOffsetOfAnotherKindIsRefused() {
        start();
        DurableStateStoreQuery<Object> queries = store(DurableStateStoreQuery.class);
        assertThatThrownBy(() -> queries.changes("t", TimestampOffset.Zero()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("Sequence");
    }

    /** They come from all queues, many more than are asked for at once, and nobody is asked while nothing changes. */
    @Test
    void aLiveQueryGoesOnWithWhatComes() {
        start();
        List<CompletionStage<?>> under = new ArrayList<>();
        for (int id = 0; id < 1_500; id++) {
            under.add(store.upsertObject("id" + id, 1, id, "t"));
        }
        under.forEach(DurableStateStoreTest::get);
        SinkQueueWithCancel<DurableStateChange<Object>> all = live("t", Offset.noOffset());
        Map<String, Object> seen = new HashMap<>();
        long last = -1;
        Offset half = null;
        for (int count = 0; count < 1_500; count++) {
            UpdatedDurableState<Object> change = (UpdatedDurableState<Object>) next(all);
            assertThat(seen.put(change.persistenceId(), change.value())).isNull();
            long sequence = ((Sequence) change.offset()).value();
            assertThat(sequence).as("offsets grow").isGreaterThan(last);
            last = sequence;
            if (count == 749) {
                half = change.offset();
            }
        }
        seen.forEach((id, value) -> assertThat(id).isEqualTo("id" + value));
        assertThat(current("t", half)).hasSize(750);
        assertThat(current("t", Offset.noOffset())).hasSize(1_500);

        CompletionStage<Optional<DurableStateChange<Object>>> coming = all.pull();
        upsert("other", 1, "x", "u");
        assertThat(coming.toCompletableFuture()).isNotDone();
        upsert("id3", 2, "new", "t");
        assertChange(get(coming).orElseThrow(), "id3", "new", 2);
        get(store.deleteObject("id4", 2));
        assertChange(next(all), "id4", null, 2);
        SinkQueueWithCancel<DurableStateChange<Object>> behind = live("t", Offset.sequence(last));
        assertChange(next(behind), "id3", "new", 2);
        assertChange(next(behind), "id4", null, 2);
        all.cancel();
        upsert("id5", 2, "newer", "t");
        assertChange(next(behind), "id5", "newer", 2);
        behind.cancel();
    }

    /** What is written while it is read is passed over by nobody: the newest revision of each id comes in the end. */
    @Test
    void aLiveQueryBesideManyWritersMissesNothing() {
        start();
        int ids = 40;
        long revisions = 25;
        SinkQueueWithCancel<DurableStateChange<Object>> changes = live("t", Offset.noOffset());
        for (int id = 0; id < ids; id++) {
            writeOn("id" + id, 1, revisions);
        }
        Map<String, Long> newest = new HashMap<>();
        long last = -1;
        long ended = 0;
        while (ended < ids) {
            UpdatedDurableState<Object> change = (UpdatedDurableState<Object>) next(changes);
            long sequence = ((Sequence) change.offset()).value();
            assertThat(sequence).isGreaterThan(last);
            last = sequence;
            Long before = newest.put(change.persistenceId(), change.revision());
            assertThat(change.revision()).isGreaterThan(before == null ? 0 : before);
            assertThat(change.value()).isEqualTo(change.persistenceId() + " " + change.revision());
            ended += change.revision() == revisions ? 1 : 0;
        }
        changes.cancel();
    }

    private void writeOn(String id, long revision, long to) {
        store.upsertObject(id, revision, id + " " + revision, "t").thenAccept(done -> {
            if (revision < to) {
                writeOn(id, revision + 1, to);
            }
        });
    }

    @Test
    void persistenceIdsComeInOrderAndInPages() {
        start();
        List<String> ids = new ArrayList<>();
        for (int id = 100; id < 160; id++) {
            ids.add("id" + id);
            upsert("id" + id, 1, "x", "");
        }
        get(store.deleteObject("id111", 2));
        DurableStateStorePagedPersistenceIdsQuery<Object> queries =
                store(DurableStateStorePagedPersistenceIdsQuery.class);
        List<String> found = new ArrayList<>();
        Optional<String> after = Optional.empty();
        while (true) {
            List<String> page = get(queries.currentPersistenceIds(after, 7).runWith(Sink.seq(), testKit.system()));
            if (page.isEmpty()) {
                break;
            }
            found.addAll(page);
            after = Optional.of(page.get(page.size() - 1));
        }
        assertThat(found).isEqualTo(ids);
        assertThatThrownBy(() -> queries.currentPersistenceIds(Optional.empty(), 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("limit is 0");
    }

    // ---- actors -----------------------------------------------------------------------------------------------------

    private sealed interface CounterCommand permits Add, Clear, Look {}

    private record Add(int value, ActorRef<Object> replyTo) implements CounterCommand {}

    private record Clear(ActorRef<Object> replyTo) implements CounterCommand {}

    private record Look(ActorRef<Object> replyTo) implements CounterCommand {}

    /** Answers with its value. */
    private static final class Counter extends DurableStateBehavior<CounterCommand, Integer> {
        static Behavior<CounterCommand> create(String id) {
            return new Counter(PersistenceId.ofUniqueId(id));
        }

        private Counter(PersistenceId id) {
            super(id);
        }

        @Override
        public Integer emptyState() {
            return 0;
        }

        @Override
        public String tag() {
            return "counters";
        }

        @Override
        public CommandHandler<CounterCommand, Integer> commandHandler() {
            return newCommandHandlerBuilder()
                    .forAnyState()
                    .onCommand(
                            Add.class,
                            (state, add) -> Effect().persist(state + add.value).thenReply(add.replyTo, now -> now))
                    .onCommand(Clear.class, (state, clear) -> Effect().delete().thenReply(clear.replyTo, now -> now))
                    .onCommand(Look.class, (state, look) -> Effect().reply(look.replyTo, state))
                    .build();
        }
    }

    private void add(ActorRef<CounterCommand> counter, TestProbe<Object> probe, int value, int expected) {
        counter.tell(new Add(value, probe.getRef()));
        assertThat(probe.receiveMessage()).isEqualTo(expected);
    }

    @Test
    void anActorGoesOnWhereItWas() throws IOException {
        start(DIES);
        TestProbe<Object> probe = testKit.createTestProbe();
        ActorRef<CounterCommand> counter = testKit.spawn(Counter.create("c"));
        add(counter, probe, 5, 5);
        add(counter, probe, 5, 10);
        startWithoutCheckpoint();
        probe = testKit.createTestProbe();
        counter = testKit.spawn(Counter.create("c"));
        add(counter, probe, 1, 11);
        assertState("c", 11, 3);
        startAgain();
        probe = testKit.createTestProbe();
        counter = testKit.spawn(Counter.create("c"));
        add(counter, probe, 1, 12);
        counter.tell(new Clear(probe.getRef()));
        assertThat(probe.receiveMessage()).isEqualTo(0);
        add(counter, probe, 3, 3);
        assertState("c", 3, 6);
        assertThat(idsOf(current("counters", Offset.noOffset()))).containsExactly("c");
    }

    @Test
    void ofTwoActorsOfOneIdTheSlowerOneFails() {
        start();
        TestProbe<Object> probe = testKit.createTestProbe();
        ActorRef<CounterCommand> one = testKit.spawn(Counter.create("c"));
        ActorRef<CounterCommand> other = testKit.spawn(Counter.create("c"));
        for (ActorRef<CounterCommand> each : List.of(one, other)) {
            each.tell(new Look(probe.getRef()));
            assertThat(probe.receiveMessage()).isEqualTo(0);
        }
        add(one, probe, 1, 1);
        other.tell(new Add(100, probe.getRef()));
        probe.expectTerminated(other);
        add(one, probe, 1, 2);
        assertState("c", 2, 2);
    }

    /** No shard knows it, so whoever takes it has a bug. */
    private record Strange(CompletableFuture<Void> reply) implements Shard.Request {}

    /** It was decided when nobody watched, and nothing is written behind it. */
    @Test
    void whoBeginsToWatchHearsOfWhatIsUnderWay() throws Exception {
        MemoryDisk disk = new MemoryDisk();
        akka.actor.typed.ActorSystem<Void> system = PersistentActorsTest.start(disk, "");
        ForebayPersistence persistence = ForebayPersistence.get(system);
        CompletableFuture<Void> first = new CompletableFuture<>();
        persistence.request(ShardKind.STATES, "a", upsert(1, first));
        get(first);
        CountDownLatch mayForce = new CountDownLatch(1);
        disk.observe((operation, path, at, length) -> {
            if (operation == Operation.FORCE) {
                await(mayForce);
            }
        });
        CompletableFuture<Void> underWay = new CompletableFuture<>();
        persistence.request(ShardKind.STATES, "a", upsert(2, underWay));
        CompletableFuture<Void> isTold = new CompletableFuture<>();
        CompletableFuture<Void> watches = new CompletableFuture<>();
        persistence.request(ShardKind.STATES, "a", new StateShard.Watch("red", () -> isTold.complete(null), watches));
        get(watches);
        assertThat(isTold).isNotDone();
        mayForce.countDown();
        get(underWay);
        get(isTold);
        PersistentActorsTest.stop(system);
    }

    private static StateShard.Upsert upsert(long revision, CompletableFuture<Void> stored) {
        return new StateShard.Upsert("a", revision, new StateDraft(1, "", new byte[9]), "red", stored);
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Also when nothing more is written, by whomever. */
    @Test
    void aLiveQueryFailsWhenOneOfItsQueuesIsClosed() throws Exception {
        start();
        get(store.upsertObject("a", 1, "state", "red"));
        DurableStateStoreQuery<Object> query = store(DurableStateStoreQuery.class);
        SinkQueueWithCancel<DurableStateChange<Object>> changes =
                query.changes("red", Offset.noOffset()).runWith(Sink.queue(), testKit.system());
        assertThat(get(changes.pull())).isPresent();
        CompletionStage<Optional<DurableStateChange<Object>>> next = changes.pull();
        Strange bug = new Strange(new CompletableFuture<>());
        ForebayPersistence.get(testKit.system()).request(ShardKind.STATES, "a", bug);
        assertThatThrownBy(() -> get(next)).hasStackTraceContaining("Strange");
    }
}
