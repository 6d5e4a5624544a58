package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import akka.NotUsed;
import akka.actor.typed.ActorSystem;
import akka.persistence.query.EventEnvelope;
import akka.persistence.query.Offset;
import akka.persistence.query.PersistenceQuery;
import akka.stream.javadsl.Sink;
import akka.stream.javadsl.Source;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.forebay.persistence.core.EventDraft;
import io.forebay.persistence.core.EventTable;
import io.forebay.persistence.core.SnapshotBounds;
import io.forebay.persistence.core.SnapshotDraft;
import io.forebay.persistence.core.SnapshotTable;
import io.forebay.persistence.core.StateDraft;
import io.forebay.persistence.core.StateTable;
import io.forebay.persistence.core.UnreadableEventException;
import io.forebay.persistence.core.UnreadableSnapshotException;
import io.forebay.protocol.ForebayException;
import io.forebay.protocol.Refusal;
import io.forebay.storage.log.DurableStateRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.LogRepair;
import io.forebay.storage.log.LogVerifier;
import io.forebay.storage.log.PersistenceEventRecord;
import io.forebay.storage.log.PersistenceIdRecord;
import io.forebay.storage.log.PersistenceSnapshotRecord;
import io.forebay.storage.log.RecordType;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.SnapshotRecord;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/**
 * A log with records of reserved queues is damaged and repaired. <b>I1</b>: persistence ids of which no record was lost have all that
 * was answered, and take more. <b>I2</b>: of the others nothing is replayed as if nothing were missing, and none of them is taken for a
 * new one. <b>I8</b>: a damaged queue says so before the repair, and serves behind it.
 */
class RepairedShardTest {
    private static final String LOST = "lost";

    private MemoryDisk disk = new MemoryDisk();
    private ActorSystem<Void> system;
    private ForebayPersistence persistence;

    /** Of one queue, by their names in order. */
    private final List<String> ids = new ArrayList<>();

    RepairedShardTest() {
        for (int i = 0; ids.size() < 6; i++) {
            String id = "id-" + i;
            if (ShardKind.shardOf(id) == ShardKind.shardOf(LOST)) {
                ids.add(id);
            }
        }
    }

    private void start(String settings) {
        system = PersistentActorsTest.start(disk, settings);
        persistence = ForebayPersistence.get(system);
    }

    private void stop() throws Exception {
        PersistentActorsTest.stop(system);
    }

    private void kill() throws Exception {
        disk.crash();
        MemoryDisk left = disk.killImage();
        stop();
        disk = left;
    }

    private static <T> T got(CompletableFuture<T> asked) throws Exception {
        return asked.get(60, TimeUnit.SECONDS);
    }

    private static Refusal refusalOf(CompletableFuture<?> asked) throws Exception {
        try {
            throw new AssertionError("it was answered: " + got(asked));
        } catch (ExecutionException e) {
            return ((ForebayException) e.getCause()).refusal();
        }
    }

    private CompletableFuture<Void> write(String id, long number) {
        CompletableFuture<Void> written = new CompletableFuture<>();
        EventDraft event = EventDraft.of(number, 0, 20, "", new byte[100], "writer", "", List.of("tag"));
        persistence.request(ShardKind.EVENTS, id, new EventShard.Write(id, List.of(event), written));
        return written;
    }

    private CompletableFuture<EventTable.Place> locate(String id) {
        CompletableFuture<EventTable.Place> place = new CompletableFuture<>();
        persistence.request(ShardKind.EVENTS, id, new EventShard.Locate(id, place));
        return place;
    }

    private List<Long> replayed(String id) throws Exception {
        List<Long> numbers = new ArrayList<>();
        new StoredEvents(
                        got(persistence.stripe().toCompletableFuture()),
                        ShardKind.EVENTS.queueId(ShardKind.shardOf(id)),
                        id,
                        got(locate(id)),
                        1,
                        Long.MAX_VALUE,
                        Long.MAX_VALUE)
                .handOut(stored -> numbers.add(stored.event().sequenceNr()));
        return numbers;
    }

    private CompletableFuture<Void> upsert(String id, long revision) {
        CompletableFuture<Void> stored = new CompletableFuture<>();
        StateDraft state = new StateDraft(1, "", new byte[100]);
        persistence.request(ShardKind.STATES, id, new StateShard.Upsert(id, revision, state, "", stored));
        return stored;
    }

    private StateTable.Place stateOf(String id) throws Exception {
        CompletableFuture<StateTable.Place> place = new CompletableFuture<>();
        persistence.request(ShardKind.STATES, id, new StateShard.Locate(id, place));
        return got(place);
    }

    /** The frame with the first such record. */
    private void damage(Predicate<LogRecord> which) throws IOException {
        boolean[] isFound = {false};
        damageAll(view -> {
            boolean isIt = !isFound[0] && which.test(view.decode());
            isFound[0] |= isIt;
            return isIt;
        });
        assertThat(isFound[0]).isTrue();
    }

    private static boolean holdsNothingButItsLog(MemoryDisk disk) {
        try {
            return LogVerifier.verify(disk.child("stripe-0")).notes().stream()
                    .noneMatch(note -> note.contains("is no part of the log"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private interface Choice {
        boolean isIt(RecordView record) throws IOException;
    }

    /** The frames with such records. */
    private void damageAll(Choice which) throws IOException {
        Set<String> places = new TreeSet<>();
        LogVerifier.verify(disk.child("stripe-0"), (file, position, view) -> {
            if (which.isIt(view)) {
                places.add(file + " " + (position - Long.parseLong(file.replaceAll("\\D", ""), 16)));
            }
        });
        for (String place : places) {
            String[] fileAndAt = place.split(" ");
            disk.flip("stripe-0/" + fileAndAt[0], Long.parseLong(fileAndAt[1]) + 60, 4);
        }
    }

    private static boolean isEvent(LogRecord record, long number, long sequenceNr) {
        return record instanceof PersistenceEventRecord event
                && event.number() == number
                && event.sequenceNr() == sequenceNr;
    }

    private CompletableFuture<Void> save(String id, long sequenceNr, int bytes) {
        CompletableFuture<Void> saved = new CompletableFuture<>();
        SnapshotDraft draft = new SnapshotDraft(id, sequenceNr, 7, 1, "", new byte[bytes], 0, "", new byte[0]);
        persistence.request(ShardKind.SNAPSHOTS, id, new SnapshotShard.Save(draft, saved));
        return saved;
    }

    private PersistenceSnapshotRecord newestSnapshot(String id) throws Exception {
        CompletableFuture<Optional<SnapshotTable.Place>> place = new CompletableFuture<>();
        SnapshotBounds any = new SnapshotBounds(0, Long.MAX_VALUE, Long.MIN_VALUE, Long.MAX_VALUE);
        persistence.request(ShardKind.SNAPSHOTS, id, new SnapshotShard.Select(id, any, place));
        return new StoredSnapshot(
                        got(persistence.stripe().toCompletableFuture()),
                        ShardKind.SNAPSHOTS.queueId(ShardKind.shardOf(id)),
                        id,
                        got(place).orElseThrow())
                .readOrNull();
    }

    private List<String> knownIds() throws Exception {
        ForebayReadJournal journal =
                PersistenceQuery.get(system).getReadJournalFor(ForebayReadJournal.class, "forebay.persistence.query");
        return got(journal.currentPersistenceIds().runWith(Sink.seq(), system).toCompletableFuture());
    }

    @Test
    void idsThatHaveLostNothingAreServedBehindARepair() throws Exception {
        start("");
        String gap = ids.get(0);
        String sound = ids.get(1);
        String late = ids.get(2);
        for (String id : List.of(gap, LOST, sound)) {
            got(write(id, 1));
        }
        for (long number = 2; number <= 3; number++) {
            for (String id : List.of(gap, LOST, sound)) {
                got(write(id, number));
            }
        }
        got(write(late, 1));
        got(save(gap, 1, 10));
        got(save(gap, 2, 3 << 20));
        got(save(sound, 2, 3 << 20));
        for (long revision = 1; revision <= 3; revision++) {
            got(upsert(gap, revision));
            got(upsert(sound, revision));
        }
        kill();
        // Event 2 of the first id, the name of the second, and a state that was replaced since.
        damage(record -> isEvent(record, 1, 2));
        damage(record -> record instanceof PersistenceIdRecord named
                && named.persistenceId().equals(LOST));
        damage(record -> record instanceof PersistenceSnapshotRecord part && part.number() == 1 && part.part() == 1);
        damage(record -> record instanceof DurableStateRecord state && state.number() == 1 && state.revision() == 2);

        start("");
        assertThat(refusalOf(locate(sound)).text()).contains("forebay log").contains("repair");
        kill();
        assertThat(LogRepair.apply(disk.child("stripe-0"), 1, System.currentTimeMillis())
                        .refusalOrNull())
                .isNull();

        start("");
        assertThat(replayed(sound)).containsExactly(1L, 2L, 3L);
        assertThat(replayed(late)).containsExactly(1L);
        assertThatThrownBy(() -> replayed(gap))
                .isInstanceOf(UnreadableEventException.class)
                .hasMessageContaining("repair");
        assertThat(refusalOf(locate(LOST)).text()).contains("forebay.persistence.lost-names");
        assertThat(refusalOf(write(LOST, 4)).text()).contains(LOST);
        assertThat(refusalOf(write(ids.get(3), 1)).text())
                .as("it may be one that has lost its name")
                .contains(ids.get(3));
        assertThat(newestSnapshot(sound).payload()).hasSize(3 << 20);
        assertThatThrownBy(() -> newestSnapshot(gap))
                .as("an older one is not taken for it")
                .isInstanceOf(UnreadableSnapshotException.class)
                .hasMessageContaining("snapshot 2")
                .hasMessageContaining("repair");
        got(write(sound, 4));
        got(write(gap, 4));
        assertThat(stateOf(gap).revision()).isEqualTo(3);
        got(upsert(gap, 4));
        got(upsert(sound, 4));
        got(upsert(late, 1));
        assertThat(knownIds()).containsExactlyInAnyOrder(gap, sound, late);
        // A clean stop takes a checkpoint: from there on the tables alone tell.
        stop();

        start("");
        assertThat(replayed(sound)).containsExactly(1L, 2L, 3L, 4L);
        assertThatThrownBy(() -> newestSnapshot(gap)).isInstanceOf(UnreadableSnapshotException.class);
        got(save(gap, 2, 11));
        assertThat(newestSnapshot(gap).payload()).hasSize(11);
        assertThat(refusalOf(locate(LOST)).text()).contains("forebay.persistence.lost-names");
        assertThat(stateOf(gap).revision()).isEqualTo(4);
        stop();

        start("forebay.persistence.lost-names = forget");
        assertThat(got(locate(LOST))).isEqualTo(EventTable.Place.NOWHERE);
        got(write(LOST, 1));
        got(write(sound, 5));
        assertThat(knownIds()).containsExactlyInAnyOrder(gap, sound, late, LOST);
        kill();

        start("");
        assertThat(replayed(LOST)).containsExactly(1L);
        assertThat(replayed(sound)).containsExactly(1L, 2L, 3L, 4L, 5L);
        stop();
    }

    private List<String> told(Source<String, NotUsed> query) throws Exception {
        return got(query.runWith(Sink.seq(), system).toCompletableFuture());
    }

    private Source<String, NotUsed> byTag(Offset offset) {
        return queries().currentEventsByTag("tag", offset).map(RepairedShardTest::nameOf);
    }

    private Source<String, NotUsed> bySlices() {
        return queries()
                .currentEventsBySlices("", 0, 1023, Offset.noOffset())
                .map(event -> event.persistenceId() + "/" + event.sequenceNr());
    }

    private static String nameOf(EventEnvelope event) {
        return event.persistenceId() + "/" + event.sequenceNr();
    }

    private ForebayReadJournal queries() {
        return PersistenceQuery.get(system).getReadJournalFor(ForebayReadJournal.class, "forebay.persistence.query");
    }

    /** Tells all of one query for as long as this is open. */
    private static final class QueryLog implements AutoCloseable {
        private final Logger logger = (Logger) LoggerFactory.getLogger(QueueEvents.class);
        private final ListAppender<ILoggingEvent> lines = new ListAppender<>();

        QueryLog() {
            lines.start();
            logger.addAppender(lines);
        }

        @Override
        public void close() {
            logger.detachAppender(lines);
        }
    }

    /**
     * Events are lost, some that a start replays and some that it does not: queries of all that there is say so before the repair, and
     * tell the rest, in order, behind it.
     */
    @Test
    void queriesGoOnPastWhatARepairHasGivenUp() throws Exception {
        for (boolean isReplayed : new boolean[] {true, false}) {
            disk = new MemoryDisk();
            start("");
            List<String> rest = new ArrayList<>();
            for (long number = 1; number <= 6; number++) {
                for (String id : List.of(ids.get(0), ids.get(1), ids.get(2))) {
                    got(write(id, number));
                    rest.add(id + "/" + number);
                }
            }
            if (isReplayed) {
                kill();
            } else {
                stop();
            }
            // Neighbours, and one alone.
            List<String> lost = List.of(ids.get(1) + "/3", ids.get(2) + "/3", ids.get(0) + "/4", ids.get(1) + "/5");
            damageAll(view -> view.decode() instanceof PersistenceEventRecord event
                    && lost.contains(ids.get((int) event.number() - 1) + "/" + event.sequenceNr()));
            start("");
            String whatToDo = isReplayed ? "forebay log repair" : "'forebay log repair'";
            assertThatThrownBy(() -> told(byTag(Offset.noOffset()))).hasMessageContaining(whatToDo);
            assertThatThrownBy(() -> told(bySlices())).hasMessageContaining(whatToDo);
            kill();
            assertThat(LogRepair.apply(disk.child("stripe-0"), 1, System.currentTimeMillis())
                            .refusalOrNull())
                    .isNull();

            rest.removeAll(lost);
            for (int life = 0; life < 3; life++) {
                start("");
                try (QueryLog log = new QueryLog()) {
                    assertThat(told(byTag(Offset.noOffset()))).isEqualTo(rest);
                    assertThat(log.lines.list)
                            .isNotEmpty()
                            .allMatch(line -> line.getFormattedMessage().contains("offsets "));
                }
                assertThat(told(bySlices())).isEqualTo(rest);
                got(write(ids.get(0), 7 + life));
                rest.add(ids.get(0) + "/" + (7 + life));
                List<String> live = got(queries()
                        .eventsByTag("tag", Offset.noOffset())
                        .map(RepairedShardTest::nameOf)
                        .take(rest.size())
                        .runWith(Sink.seq(), system)
                        .toCompletableFuture());
                assertThat(live).isEqualTo(rest);
                for (String id : List.of(ids.get(0), ids.get(1), ids.get(2))) {
                    assertThatThrownBy(() -> replayed(id)).as("I2: " + id).isInstanceOf(UnreadableEventException.class);
                }
                // Then the tables alone tell.
                if (life == 0) {
                    kill();
                } else {
                    stop();
                }
            }
        }
    }

    /** Whoever may have lost its newest event is not served as if nothing were missing: only who has written since has not. */
    @Test
    void idsThatMayHaveLostTheirNewestAreNotServedShort() throws Exception {
        String short1 = ids.get(0);
        String idle = ids.get(1);
        String busy = ids.get(2);
        start("");
        for (long number = 1; number <= 3; number++) {
            for (String id : List.of(idle, short1, busy)) {
                if (number < 3 || !id.equals(idle)) {
                    got(write(id, number));
                }
            }
        }
        got(write(busy, 4));
        kill();
        damage(record -> isEvent(record, 2, 3));
        assertThat(LogRepair.apply(disk.child("stripe-0"), 1, System.currentTimeMillis())
                        .refusalOrNull())
                .isNull();
        for (int life = 0; life < 3; life++) {
            start("");
            assertThat(replayed(busy)).hasSize(4 + life);
            for (String id : List.of(short1, idle)) {
                assertThat(refusalOf(locate(id)).text()).contains(id, "newest", "forebay.persistence.lost-names");
                assertThat(refusalOf(write(id, 4)).text()).contains("newest");
            }
            assertThat(refusalOf(locate(ids.get(3))).text())
                    .as("what it was may be all that there was of one")
                    .contains("forebay.persistence.lost-names");
            got(write(busy, 5 + life));
            if (life == 0) {
                kill();
            } else {
                stop();
            }
        }
        start("forebay.persistence.lost-names = forget");
        assertThat(replayed(short1)).containsExactly(1L, 2L);
        assertThat(replayed(idle)).containsExactly(1L, 2L);
        got(write(short1, 3));
        stop();
        start("");
        assertThat(replayed(short1)).as("it has written since").containsExactly(1L, 2L, 3L);
        assertThat(refusalOf(locate(idle)).text()).contains("newest");
        stop();
    }

    /** A deletion that is there names a number whose event is not. */
    @Test
    void whatADeletionAloneTellsOfIsMissed() throws Exception {
        String id = ids.get(0);
        start("");
        for (long number = 1; number <= 3; number++) {
            got(write(id, number));
        }
        CompletableFuture<Void> deleted = new CompletableFuture<>();
        persistence.request(ShardKind.EVENTS, id, new EventShard.Delete(id, 1, deleted));
        got(deleted);
        kill();
        damage(record -> isEvent(record, 1, 3));
        assertThat(LogRepair.apply(disk.child("stripe-0"), 1, System.currentTimeMillis())
                        .refusalOrNull())
                .isNull();
        for (int life = 0; life < 2; life++) {
            start("");
            assertThat(got(locate(id)).highestSequenceNr()).isEqualTo(3);
            assertThatThrownBy(() -> replayed(id))
                    .isInstanceOf(UnreadableEventException.class)
                    .hasMessageContaining("events 3 to 3")
                    .hasMessageContaining("repair");
            stop();
        }
    }

    /**
     * The table of a queue cannot be read, and much of what it was made of has been cleaned away. An older table, if there is one, is
     * taken only if nothing is missing behind it.
     */
    @Test
    void idsThatWereMadeSinceAreServedWhenTheTableIsLost() throws Exception {
        String settings = """
            forebay.storage { segment-size = 1 MiB, spare-segments = 1 }
            forebay.store { checkpoint-bytes = 1 MiB, flush-bytes = 64 KiB, max-unflushed = 2 MiB, evacuation-share = 100 }
            forebay.queue { body-max = 128 KiB, batch-bytes-max = 256 KiB }
            forebay.group.pop-bytes-max = 256 KiB
            """;
        start(settings);
        String busy = ids.get(0);
        String late = ids.get(1);
        got(write(LOST, 1));
        int queueId = ShardKind.EVENTS.queueId(ShardKind.shardOf(LOST));
        long last = 0;
        for (long number = 1; disk.files().contains("stripe-0/segment-0000000000000000.log"); number++) {
            assertThat(number).as("the first segment is cleaned").isLessThan(2_000);
            CompletableFuture<Void> written = new CompletableFuture<>();
            EventDraft event = EventDraft.of(number, 0, 20, "", new byte[64 * 1024], "writer", "", List.of());
            persistence.request(ShardKind.EVENTS, busy, new EventShard.Write(busy, List.of(event), written));
            got(written);
            CompletableFuture<Void> deleted = new CompletableFuture<>();
            persistence.request(ShardKind.EVENTS, busy, new EventShard.Delete(busy, number - 1, deleted));
            got(deleted);
            last = number;
        }
        got(write(late, 1));
        got(write(late, 2));
        // Not in the middle of a cleaning: a segment that was about to go may hold a table of which nothing is missing.
        MemoryDisk whole = Awaitility.await("what is cleaned has gone")
                .until(disk::killImage, RepairedShardTest::holdsNothingButItsLog);
        kill();
        long[] newest = {-1};
        LogVerifier.verify(whole.child("stripe-0"), (file, position, view) -> {
            if (isSnapshotOf(queueId, view)) {
                newest[0] = Math.max(newest[0], ((SnapshotRecord) view.decode()).heldSequence());
            }
        });
        for (long damagedFrom : new long[] {0, newest[0]}) {
            disk = whole.killImage();
            damageAll(view ->
                    isSnapshotOf(queueId, view) && ((SnapshotRecord) view.decode()).heldSequence() >= damagedFrom);
            assertThat(LogRepair.apply(disk.child("stripe-0"), 1, System.currentTimeMillis())
                            .refusalOrNull())
                    .isNull();
            for (int life = 0; life < 2; life++) {
                start(settings);
                assertThat(replayed(late)).hasSize(2 + life);
                got(write(late, 3 + life));
                if (damagedFrom == 0) {
                    for (String id : List.of(LOST, busy, ids.get(2))) {
                        assertThat(refusalOf(locate(id)).text()).contains("forebay.persistence.lost-names");
                    }
                } else {
                    checkWholeOrRefused(LOST, 1L);
                    checkWholeOrRefused(busy, last);
                }
                stop();
            }
        }
    }

    private static boolean isSnapshotOf(int queueId, RecordView view) {
        return view.type() == RecordType.SNAPSHOT && view.queueId() == queueId;
    }

    private void checkWholeOrRefused(String id, long number) throws Exception {
        try {
            assertThat(replayed(id)).containsExactly(number);
        } catch (ExecutionException e) {
            assertThat(e).hasMessageContaining("forebay.persistence.lost-names");
        }
    }
}
