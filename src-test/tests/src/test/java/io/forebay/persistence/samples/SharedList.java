package io.forebay.persistence.samples;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.pattern.StatusReply;
import akka.persistence.typed.ReplicaId;
import akka.persistence.typed.ReplicationId;
import akka.persistence.typed.crdt.ORSet;
import akka.persistence.typed.javadsl.CommandHandler;
import akka.persistence.typed.javadsl.EventHandler;
import akka.persistence.typed.javadsl.ReplicatedEventSourcedBehavior;
import akka.persistence.typed.javadsl.ReplicatedEventSourcing;
import akka.persistence.typed.javadsl.ReplicationContext;
import io.forebay.persistence.ForebayReadJournal;
import java.util.Map;
import java.util.Set;

/** A list that two replicas write to, each on its own. */
final class SharedList extends ReplicatedEventSourcedBehavior<SharedList.Command, ORSet.DeltaOp, ORSet<String>> {
    static final ReplicaId NORTH = new ReplicaId("north");
    static final ReplicaId SOUTH = new ReplicaId("south");

    interface Command {}

    record Add(String entry, ActorRef<StatusReply<Set<String>>> replyTo) implements Command {}

    record Remove(String entry, ActorRef<StatusReply<Set<String>>> replyTo) implements Command {}

    record GetAll(ActorRef<StatusReply<Set<String>>> replyTo) implements Command {}

    static Behavior<Command> inCommonJournal(String list, ReplicaId replica) {
        return ReplicatedEventSourcing.commonJournalConfig(
                new ReplicationId("SharedList", list, replica),
                Set.of(NORTH, SOUTH),
                ForebayReadJournal.IDENTIFIER,
                SharedList::new);
    }

    static Behavior<Command> withJournalOfItsOwn(String list, ReplicaId replica) {
        return ReplicatedEventSourcing.perReplicaJournalConfig(
                new ReplicationId("SharedList", list, replica),
                Map.of(NORTH, ForebayReadJournal.IDENTIFIER, SOUTH, ForebayReadJournal.IDENTIFIER),
                SharedList::new);
    }

    private SharedList(ReplicationContext context) {
        super(context);
    }

    @Override
    public ORSet<String> emptyState() {
        return ORSet.empty(getReplicationContext().replicaId());
    }

    @Override
    public CommandHandler<Command, ORSet.DeltaOp, ORSet<String>> commandHandler() {
        return newCommandHandlerBuilder()
                .forAnyState()
                .onCommand(
                        Add.class,
                        (list, add) -> Effect()
                                .persist(list.add(add.entry))
                                .thenReply(add.replyTo, after -> StatusReply.success(after.getElements())))
                .onCommand(
                        Remove.class,
                        (list, remove) -> Effect()
                                .persist(list.remove(remove.entry))
                                .thenReply(remove.replyTo, after -> StatusReply.success(after.getElements())))
                .onCommand(
                        GetAll.class,
                        (list, get) -> Effect().reply(get.replyTo, StatusReply.success(list.getElements())))
                .build();
    }

    @Override
    public EventHandler<ORSet<String>, ORSet.DeltaOp> eventHandler() {
        return newEventHandlerBuilder().forAnyState().onAnyEvent(ORSet::applyOperation);
    }
}
