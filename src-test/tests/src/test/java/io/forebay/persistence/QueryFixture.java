package io.forebay.persistence;

import akka.actor.ActorSystem;
import akka.actor.typed.javadsl.Adapter;
import akka.persistence.PersistentRepr;
import akka.persistence.journal.Tagged;
import akka.persistence.query.PersistenceQuery;
import akka.stream.Attributes;
import akka.stream.javadsl.Sink;
import akka.stream.javadsl.SinkQueueWithCancel;
import akka.stream.javadsl.Source;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.forebay.persistence.core.EventDraft;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import scala.jdk.javaapi.CollectionConverters;

/** An application that reads what it writes, with a handle on who writes. */
final class QueryFixture implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    final ActorSystem system;
    final ForebayPersistence persistence;
    final ForebayReadJournal journal;
    private final EventCodec codec;

    QueryFixture(Path directory, String settings) {
        Config config = ConfigFactory.parseString(settings).withFallback(PluginConfig.in(directory));
        system = ActorSystem.create("query", config);
        persistence = ForebayPersistence.get(Adapter.toTyped(system));
        journal =
                PersistenceQuery.get(system).getReadJournalFor(ForebayReadJournal.class, ForebayReadJournal.IDENTIFIER);
        codec = new EventCodec(system);
    }

    /** Stores events together; kept at the level of the settings. */
    CompletableFuture<Void> writeLater(
            String persistenceId, long firstSequenceNr, List<String> tags, String... events) {
        List<EventDraft> drafts = new ArrayList<>();
        long sequenceNr = firstSequenceNr;
        for (String event : events) {
            Object payload = tags.isEmpty()
                    ? event
                    : new Tagged(
                            event,
                            CollectionConverters.asScala(Set.copyOf(tags)).<String>toSet());
            drafts.add(codec.toDraft(PersistentRepr.apply(
                            payload, sequenceNr++, persistenceId, "", false, akka.actor.ActorRef.noSender(), "writer")
                    .withTimestamp(1_000 + sequenceNr)));
        }
        CompletableFuture<Void> stored = new CompletableFuture<>();
        persistence.request(ShardKind.EVENTS, persistenceId, new EventShard.Write(persistenceId, drafts, stored));
        return stored;
    }

    void write(String persistenceId, long firstSequenceNr, String... events) throws Exception {
        get(writeLater(persistenceId, firstSequenceNr, List.of(), events));
    }

    void delete(String persistenceId, long toSequenceNr) throws Exception {
        CompletableFuture<Void> deleted = new CompletableFuture<>();
        persistence.request(
                ShardKind.EVENTS, persistenceId, new EventShard.Delete(persistenceId, toSequenceNr, deleted));
        get(deleted);
    }

    /** All of a stream that ends. */
    <T> List<T> all(Source<T, ?> source) throws Exception {
        return get(source.runWith(Sink.seq(), system));
    }

    /** A stream that is asked for little more than is taken. */
    <T> SinkQueueWithCancel<T> run(Source<T, ?> source) {
        return source.runWith(Sink.<T>queue().withAttributes(Attributes.inputBuffer(1, 1)), system);
    }

    static <T> List<T> take(SinkQueueWithCancel<T> queue, int count) throws Exception {
        List<T> taken = new ArrayList<>();
        while (taken.size() < count) {
            Optional<T> next = get(queue.pull());
            if (next.isEmpty()) {
                throw new AssertionError("ended behind " + taken);
            }
            taken.add(next.get());
        }
        return taken;
    }

    static <T> T get(CompletionStage<T> stage) throws Exception {
        return stage.toCompletableFuture().get(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
    }

    /** How many listen for what is flushed, in all queues. */
    int listeners() {
        int count = 0;
        for (int shard = 0; shard < ShardKind.COUNT; shard++) {
            count += persistence.eventListeners(shard).count();
        }
        return count;
    }

    @Override
    public void close() {
        system.terminate();
        system.getWhenTerminated()
                .toCompletableFuture()
                .orTimeout(60, TimeUnit.SECONDS)
                .join();
    }
}
