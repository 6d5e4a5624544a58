package io.forebay.bench;

import akka.actor.typed.ActorRef;
import akka.actor.typed.ActorSystem;
import akka.actor.typed.Behavior;
import akka.actor.typed.DispatcherSelector;
import akka.actor.typed.PostStop;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import io.forebay.node.Forebay;
import io.forebay.protocol.Delivery;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.NodeProtocol;
import io.forebay.protocol.SessionCommand;
import io.forebay.protocol.SessionEvent;
import io.forebay.protocol.SubscriptionProgress;
import io.forebay.protocol.wire.WireFrames;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;

/**
 * A session of its own with one subscription that always has the same number of credits open: as many messages as the Pops of
 * the plain run would take..
 */
final class PushConsumer extends AbstractBehavior<SessionEvent> {
    private static final int SUBSCRIPTION_ID = 1;
    private static final int BYTES_MAX = 4 << 20;
    private static final long INVISIBLE_MILLIS = 60_000;

    private final Load.Plan plan;
    private final Consumer<List<Delivery>> deliveries;
    private final Consumer<Throwable> failures;
    private ActorRef<SessionCommand> session;
    private SubscriptionProgress progress;

    private PushConsumer(
            ActorContext<SessionEvent> context,
            Load.Plan plan,
            ActorRef<NodeProtocol.Request> entry,
            Consumer<List<Delivery>> deliveries,
            Consumer<Throwable> failures) {
        super(context);
        this.plan = plan;
        this.deliveries = deliveries;
        this.failures = failures;
        this.progress = SubscriptionProgress.begin((long) plan.popsInFlight() * plan.popCountMax());
        entry.tell(new NodeProtocol.OpenSession(
                NodeProtocol.VERSION,
                ThreadLocalRandom.current().nextLong(1, Long.MAX_VALUE),
                "bench-push",
                WireFrames.FRAME_BYTES_DEFAULT,
                context.getSelf()));
    }

    /**
     * Begins to take what is pushed.
     *
     * @param deliveries told of each push, in the actor's thread
     * @return to be run when it is over
     */
    static Runnable start(
            ActorSystem<?> system, Load.Plan plan, Consumer<List<Delivery>> deliveries, Consumer<Throwable> failures) {
        ActorRef<NodeProtocol.Request> entry = Forebay.get(system).entry();
        ActorRef<SessionEvent> consumer = system.systemActorOf(
                Behaviors.setup(context -> new PushConsumer(context, plan, entry, deliveries, failures)),
                "bench-push-" + plan.topic(),
                DispatcherSelector.fromConfig("forebay.client.dispatcher"));
        return () -> consumer.tell(new SessionEvent.SubscriptionMode(SUBSCRIPTION_ID, DeliveryMode.POP));
    }

    @Override
    public Receive<SessionEvent> createReceive() {
        return newReceiveBuilder()
                .onMessage(SessionEvent.Opened.class, this::onOpened)
                .onMessage(SessionEvent.Pushed.class, this::onPushed)
                .onMessage(SessionEvent.Subscribed.class, this::onSubscribed)
                .onMessage(SessionEvent.SubscriptionMode.class, mode -> Behaviors.stopped())
                .onAnyMessage(this::onOther)
                .onSignal(PostStop.class, stopped -> {
                    if (session != null) {
                        session.tell(new SessionCommand.Detach());
                    }
                    return this;
                })
                .build();
    }

    private Behavior<SessionEvent> onOpened(SessionEvent.Opened opened) {
        session = opened.session();
        session.tell(new SessionCommand.Subscribe(
                1,
                SUBSCRIPTION_ID,
                plan.topic(),
                plan.group(),
                plan.popCountMax(),
                BYTES_MAX,
                INVISIBLE_MILLIS,
                progress));
        return this;
    }

    private Behavior<SessionEvent> onSubscribed(SessionEvent.Subscribed subscribed) {
        return subscribed.mode() == DeliveryMode.PUSH ? this : onOther(subscribed);
    }

    private Behavior<SessionEvent> onPushed(SessionEvent.Pushed pushed) {
        if (!progress.hasReceived(pushed.pushNumber())) {
            int count = pushed.deliveries().size();
            progress = progress.received(pushed.pushNumber(), count);
            progress = progress.withTotalCredits(progress.totalCredits() + count);
            session.tell(new SessionCommand.Credit(SUBSCRIPTION_ID, progress, DeliveryMode.PUSH));
            deliveries.accept(pushed.deliveries());
        }
        return this;
    }

    private Behavior<SessionEvent> onOther(SessionEvent event) {
        if (!(event instanceof SessionEvent.Heartbeat)) {
            failures.accept(new IllegalStateException("nothing is pushed any more: " + event));
        }
        return this;
    }
}
