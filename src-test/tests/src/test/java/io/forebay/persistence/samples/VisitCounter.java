package io.forebay.persistence.samples;

import akka.actor.typed.ActorRef;
import akka.pattern.StatusReply;
import akka.persistence.typed.PersistenceId;
import akka.persistence.typed.state.javadsl.CommandHandler;
import akka.persistence.typed.state.javadsl.DurableStateBehavior;

/** How often a page was visited: the newest state alone is kept. */
final class VisitCounter extends DurableStateBehavior<VisitCounter.Command, VisitCounter.Visits> {
    static final String TAG = "pages";

    interface Command {}

    record Visit(String visitor, ActorRef<StatusReply<Visits>> replyTo) implements Command {}

    record GetVisits(ActorRef<StatusReply<Visits>> replyTo) implements Command {}

    record Visits(long count, String lastVisitor) implements Stored {}

    VisitCounter(String page) {
        super(PersistenceId.of("Page", page));
    }

    @Override
    public Visits emptyState() {
        return new Visits(0, "");
    }

    @Override
    public CommandHandler<Command, Visits> commandHandler() {
        return newCommandHandlerBuilder()
                .forAnyState()
                .onCommand(
                        Visit.class,
                        (visits, visit) -> Effect()
                                .persist(new Visits(visits.count + 1, visit.visitor))
                                .thenReply(visit.replyTo, StatusReply::success))
                .onCommand(GetVisits.class, (visits, get) -> Effect().reply(get.replyTo, StatusReply.success(visits)))
                .build();
    }

    @Override
    public String tag() {
        return TAG;
    }
}
