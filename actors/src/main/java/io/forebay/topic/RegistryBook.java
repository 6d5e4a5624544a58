package io.forebay.topic;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.persistence.typed.PersistenceId;
import akka.persistence.typed.RecoveryCompleted;
import akka.persistence.typed.SnapshotSelectionCriteria;
import akka.persistence.typed.javadsl.CommandHandler;
import akka.persistence.typed.javadsl.EventHandler;
import akka.persistence.typed.javadsl.EventSourcedBehavior;
import akka.persistence.typed.javadsl.Recovery;
import akka.persistence.typed.javadsl.SignalHandler;
import io.forebay.persistence.NodeEvent;
import io.forebay.persistence.NodeEvents;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.RegistryEvents;
import io.forebay.topic.core.RegistryHistory;
import io.forebay.topic.core.RegistryLimits;
import java.util.List;

/**
 * What the registry has decided, as a persistent actor: one for each node, under an id that holds its name. Decides nothing itself. It
 * ends when its journal fails; whoever begins it again hears of it how far it is stored.
 */
final class RegistryBook extends EventSourcedBehavior<RegistryBook.Store, NodeEvent, RegistryHistory> {
    /** Stores events, all or none; answered by {@link Stored}. Whoever asks waits for that, or for the end of this actor. */
    record Store(List<NodeEvent> events) {}

    /** What whoever began it is told. */
    sealed interface Told permits Recovered, Stored {}

    /**
     * Everything that is stored was read; told first.
     *
     * @param history its reader's own
     * @param sequenceNr of the newest event, 0 without one
     * @param eventBytes of all events together, {@link #bytesOf} each
     */
    record Recovered(RegistryHistory history, long sequenceNr, long eventBytes) implements Told {}

    /** All events up to that number are flushed. */
    record Stored(long sequenceNr) implements Told {}

    private static final int EVENT_OVERHEAD_BYTES = 128;

    private final ActorContext<Store> context;
    private final RegistryLimits limits;
    private final ActorRef<? super Told> owner;
    private long eventBytes;

    static Behavior<Store> create(String nodeName, RegistryLimits limits, ActorRef<? super Told> owner) {
        return Behaviors.setup(context -> new RegistryBook(context, nodeName, limits, owner));
    }

    private RegistryBook(
            ActorContext<Store> context, String nodeName, RegistryLimits limits, ActorRef<? super Told> owner) {
        super(idOf(nodeName));
        this.context = context;
        this.limits = limits;
        this.owner = owner;
    }

    static PersistenceId idOf(String nodeName) {
        return PersistenceId.ofUniqueId("forebay-registry|" + nodeName);
    }

    /** About what it takes in a frame. */
    static long bytesOf(NodeEvent event) {
        return event.payload().length + EVENT_OVERHEAD_BYTES;
    }

    static NodeEvent toEvent(LogRecord record) {
        return new NodeEvent(RegistryEvents.manifestOf(record), RegistryEvents.encode(record), false);
    }

    @Override
    public String journalPluginId() {
        return NodeEvents.JOURNAL;
    }

    @Override
    public String snapshotPluginId() {
        return NodeEvents.SNAPSHOT_STORE;
    }

    @Override
    public Recovery recovery() {
        return Recovery.withSnapshotSelectionCriteria(SnapshotSelectionCriteria.none());
    }

    @Override
    public RegistryHistory emptyState() {
        return new RegistryHistory(limits);
    }

    @Override
    public CommandHandler<Store, NodeEvent, RegistryHistory> commandHandler() {
        return newCommandHandlerBuilder()
                .forAnyState()
                .onCommand(
                        Store.class,
                        store -> Effect()
                                .persist(store.events)
                                .thenRun(history -> owner.tell(new Stored(lastSequenceNumber(context)))))
                .build();
    }

    @Override
    public EventHandler<RegistryHistory, NodeEvent> eventHandler() {
        return (history, event) -> {
            if (event.isBehindGap()) {
                history.passOver();
            }
            try {
                history.apply(RegistryEvents.decode(event.manifest(), event.payload()));
            } catch (CorruptRecordException e) {
                throw new IllegalStateException("an event of the registry cannot be read: " + e.getMessage(), e);
            }
            eventBytes += bytesOf(event);
            return history;
        };
    }

    @Override
    public SignalHandler<RegistryHistory> signalHandler() {
        return newSignalHandlerBuilder()
                .onSignal(
                        RecoveryCompleted.instance(),
                        history -> owner.tell(new Recovered(history.copy(), lastSequenceNumber(context), eventBytes)))
                .build();
    }
}
