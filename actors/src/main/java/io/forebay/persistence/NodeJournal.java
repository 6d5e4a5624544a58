package io.forebay.persistence;

import akka.actor.ActorRef;
import akka.actor.typed.javadsl.Adapter;
import akka.persistence.AtomicWrite;
import akka.persistence.PersistentRepr;
import akka.persistence.journal.japi.AsyncWriteJournal;
import com.typesafe.config.Config;
import io.forebay.storage.log.NodeEventsSnapshot.Event;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import scala.concurrent.Future;
import scala.jdk.javaapi.CollectionConverters;
import scala.jdk.javaapi.FutureConverters;

/**
 * The journal in which the node's registry keeps its {@link NodeEvent}s: as {@link ForebayJournal}, but always flushed, in a queue that
 * holds no others, and with nothing stored that comes from elsewhere than the event and the log: who wrote it, and when by the wall, Akka
 * does not get back. Where a repair of the log has given up events, the others are replayed.
 */
public final class NodeJournal extends AsyncWriteJournal {
    private static final String NO_WRITER = "";

    private final NodeEvents events;

    /** Called by Akka with the plugin's section. */
    public NodeJournal(Config config) {
        events = NodeEvents.get(Adapter.toTyped(context().system()));
    }

    @Override
    public Future<Iterable<Optional<Exception>>> doAsyncWriteMessages(Iterable<AtomicWrite> messages) {
        List<CompletableFuture<Optional<Exception>>> outcomes = new ArrayList<>();
        for (AtomicWrite write : messages) {
            outcomes.add(write(write));
        }
        return JournalWrites.all(outcomes);
    }

    private CompletableFuture<Optional<Exception>> write(AtomicWrite write) {
        List<Event> drafts = new ArrayList<>(write.size());
        for (PersistentRepr repr : CollectionConverters.asJava(write.payload())) {
            if (!(repr.payload() instanceof NodeEvent event)) {
                return CompletableFuture.completedFuture(Optional.of(new UnsupportedOperationException(
                        NodeEvents.JOURNAL + " is the node's own, and takes no events of others: "
                                + repr.payload().getClass().getName())));
            }
            drafts.add(new Event(repr.sequenceNr(), event.manifest(), event.payload()));
        }
        CompletableFuture<Void> stored = new CompletableFuture<>();
        events.request(new NodeEventShard.Write(write.persistenceId(), drafts, stored));
        return JournalWrites.outcome(stored);
    }

    @Override
    public Future<Void> doAsyncDeleteMessagesTo(String persistenceId, long toSequenceNr) {
        CompletableFuture<Void> deleted = new CompletableFuture<>();
        events.request(new NodeEventShard.Delete(persistenceId, toSequenceNr, deleted));
        return FutureConverters.asScala(deleted);
    }

    @Override
    public Future<Long> doAsyncReadHighestSequenceNr(String persistenceId, long fromSequenceNr) {
        return FutureConverters.asScala(read(persistenceId).thenApply(NodeEventShard.Stored::highestSequenceNr));
    }

    @Override
    public Future<Void> doAsyncReplayMessages(
            String persistenceId,
            long fromSequenceNr,
            long toSequenceNr,
            long max,
            Consumer<PersistentRepr> replayCallback) {
        return FutureConverters.asScala(read(persistenceId).thenApply(stored -> {
            long left = max;
            long before = stored.deletedTo();
            for (Event event : stored.events()) {
                long number = event.sequenceNr();
                if (left > 0 && number >= fromSequenceNr && number <= toSequenceNr) {
                    left--;
                    replayCallback.accept(PersistentRepr.apply(
                            new NodeEvent(event.manifest(), event.payload(), number > before + 1),
                            number,
                            persistenceId,
                            "",
                            false,
                            ActorRef.noSender(),
                            NO_WRITER));
                }
                before = number;
            }
            return null;
        }));
    }

    private CompletableFuture<NodeEventShard.Stored> read(String persistenceId) {
        CompletableFuture<NodeEventShard.Stored> stored = new CompletableFuture<>();
        events.request(new NodeEventShard.Read(persistenceId, stored));
        return stored;
    }
}
