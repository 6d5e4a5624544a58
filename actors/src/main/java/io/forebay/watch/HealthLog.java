package io.forebay.watch;

import akka.actor.typed.Behavior;
import akka.actor.typed.SupervisorStrategy;
import akka.actor.typed.javadsl.AbstractBehavior;
import akka.actor.typed.javadsl.ActorContext;
import akka.actor.typed.javadsl.Behaviors;
import akka.actor.typed.javadsl.Receive;
import akka.actor.typed.javadsl.TimerScheduler;
import io.forebay.config.WatchSettings;
import io.forebay.store.EventLog;
import io.forebay.store.StripeHandle;
import io.forebay.store.StripeHealth;
import java.time.Duration;
import java.util.List;
import java.util.function.LongSupplier;

/**
 * Tells in the log when something of a node has waited for longer than it may, and when it does not any more, whether anybody
 * asks for the node's health or not. It looks at what stripes publish, and has the node's actors asked for a sign of life, for
 * which it does not wait. It runs on a dispatcher of its own: neither actors nor a disk that hang keep it from telling that, and
 * a log that hangs holds up nobody else.
 */
public final class HealthLog extends AbstractBehavior<HealthLog.Message> {
    /** Its own; nobody tells it anything. */
    public interface Message {}

    private enum LookAgain implements Message {
        INSTANCE
    }

    private final TimerScheduler<Message> timers;
    private final NodeView node;
    private final LongSupplier nanoTime;
    private final OverdueBook book;
    private final Pulse pulse;

    /** @param nanoTime monotonic */
    public static Behavior<Message> create(NodeView node, WatchSettings settings, LongSupplier nanoTime) {
        // What had begun is told again. It is not looked at once, so what fails each time does so at a measured pace.
        return Behaviors.supervise(Behaviors.<Message>setup(context -> Behaviors.withTimers(
                        timers -> new HealthLog(context, timers, node, settings.stallLimit(), nanoTime))))
                .onFailure(Exception.class, SupervisorStrategy.restart());
    }

    private HealthLog(
            ActorContext<Message> context,
            TimerScheduler<Message> timers,
            NodeView node,
            Duration stallLimit,
            LongSupplier nanoTime) {
        super(context);
        this.timers = timers;
        this.node = node;
        this.nanoTime = nanoTime;
        this.book = new OverdueBook(stallLimit);
        this.pulse = new Pulse(node::countSessions, nanoTime);
        lookAfter(OverdueBook.shortPause(stallLimit));
    }

    @Override
    public Receive<Message> createReceive() {
        return newReceiveBuilder()
                .onMessageEquals(LookAgain.INSTANCE, this::onLookAgain)
                .build();
    }

    private void lookAfter(Duration pause) {
        timers.startSingleTimer(LookAgain.INSTANCE, pause);
    }

    private Behavior<Message> onLookAgain() {
        List<StripeHealth> stripes =
                node.stripes().stream().map(StripeHandle::health).toList();
        // Which queues are not served is told as it happens.
        var now = new HealthView.Node(node.state(), node.failure(), pulse.silence(), List.of());
        OverdueBook.Look look = book.look(now, stripes, nanoTime.getAsLong());
        look.changes().forEach(this::tell);
        pulse.beat();
        lookAfter(look.pause());
        return this;
    }

    private void tell(OverdueBook.Change change) {
        Overdue what = change.subject().what();
        boolean isOfStripe = change.subject().stripe().isPresent();
        String whose = isOfStripe ? "stripe" : "node";
        Object which = isOfStripe ? change.subject().stripe().get() : node.name();
        if (change instanceof OverdueBook.Begun begun) {
            EventLog.log(
                    what.weight(),
                    what.begin(),
                    whose,
                    which,
                    "waited-millis",
                    begun.waited().toMillis(),
                    "detail",
                    begun.detail(),
                    "remedy",
                    what.remedy());
        } else if (change instanceof OverdueBook.Ended ended) {
            EventLog.log(
                    EventLog.Weight.WARNING,
                    what.end(),
                    whose,
                    which,
                    "lasted-millis",
                    ended.lasted().toMillis());
        } else {
            throw new AssertionError(change);
        }
    }
}
