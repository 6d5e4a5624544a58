package io.forebay.journals;

import akka.actor.typed.ActorRef;
import akka.actor.typed.Behavior;
import akka.actor.typed.PostStop;
import akka.actor.typed.javadsl.Behaviors;
import akka.persistence.typed.PersistenceId;
import akka.persistence.typed.RecoveryCompleted;
import akka.persistence.typed.RecoveryFailed;
import akka.persistence.typed.javadsl.CommandHandler;
import akka.persistence.typed.javadsl.Effect;
import akka.persistence.typed.javadsl.EventHandler;
import akka.persistence.typed.javadsl.EventSourcedBehavior;
import akka.persistence.typed.javadsl.SignalHandler;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * A persistent actor. Each of its events says whose it is and which one of them; whatever handles one, a recovery too, finds out
 * whether it is the next.
 */
final class Member extends EventSourcedBehavior<Member.Command, byte[], Member.State> {
    sealed interface Command {}

    /** Persist one event, and so on until it is over. */
    enum Persist implements Command {
        INSTANCE
    }

    /** Persist events until there are so many, some of them together. */
    record Fill(int count) implements Command {}

    enum Stop implements Command {
        INSTANCE
    }

    /** How many events were handled. */
    static final class State {
        private long count;
    }

    private static final int EVENT_BYTES = 300;
    private static final int FILLED_TOGETHER = 10;

    private final Crew crew;
    private final int index;
    private final ActorRef<Command> self;
    private boolean isStopping;

    private Member(Crew crew, String id, int index, ActorRef<Command> self) {
        super(PersistenceId.ofUniqueId(id));
        this.crew = crew;
        this.index = index;
        this.self = self;
    }

    /** @param index among the actors of its crew */
    static Behavior<Command> create(Crew crew, String id, int index) {
        return Behaviors.setup(context -> new Member(crew, id, index, context.getSelf()));
    }

    @Override
    public State emptyState() {
        return new State();
    }

    @Override
    public CommandHandler<Command, byte[], State> commandHandler() {
        return newCommandHandlerBuilder()
                .forAnyState()
                .onCommand(Persist.class, (state, persist) -> persist(state))
                .onCommand(Fill.class, this::fill)
                .onCommand(Stop.class, (state, stop) -> {
                    isStopping = true;
                    return Effect().stop();
                })
                .build();
    }

    private Effect<byte[], State> persist(State state) {
        long begin = System.nanoTime();
        return Effect().persist(event(state.count + 1)).thenRun(after -> {
            crew.micros.recordValue((System.nanoTime() - begin) / 1000);
            crew.persists.increment();
            if (crew.isOver()) {
                idle(after);
            } else {
                self.tell(Persist.INSTANCE);
            }
        });
    }

    private Effect<byte[], State> fill(State state, Fill fill) {
        List<byte[]> events = new ArrayList<>();
        for (int i = 0; i < FILLED_TOGETHER && state.count + i < fill.count; i++) {
            events.add(event(state.count + i + 1));
        }
        return Effect().persist(events).thenRun(after -> {
            if (after.count < fill.count) {
                self.tell(fill);
            } else {
                idle(after);
            }
        });
    }

    private void idle(State state) {
        crew.counts[index] = state.count;
        crew.idle.countDown();
    }

    @Override
    public EventHandler<State, byte[]> eventHandler() {
        return newEventHandlerBuilder().forAnyState().onAnyEvent((state, event) -> {
            state.count++;
            ByteBuffer buffer = ByteBuffer.wrap(event);
            long number = buffer.getLong(Integer.BYTES);
            if (event.length != EVENT_BYTES
                    || buffer.getInt(0) != index
                    || buffer.getLong(EVENT_BYTES - Long.BYTES) != ~number) {
                crew.altered.incrementAndGet();
            } else if (number != state.count) {
                crew.orderBreaks.incrementAndGet();
            }
            return state;
        });
    }

    private byte[] event(long number) {
        return ByteBuffer.allocate(EVENT_BYTES)
                .putInt(index)
                .putLong(number)
                .putLong(EVENT_BYTES - Long.BYTES, ~number)
                .array();
    }

    @Override
    public SignalHandler<State> signalHandler() {
        return newSignalHandlerBuilder()
                .onSignal(RecoveryCompleted.instance(), state -> {
                    crew.counts[index] = state.count;
                    crew.recoveredEvents.addAndGet(state.count);
                    crew.recovered.countDown();
                })
                .onSignal(
                        RecoveryFailed.class,
                        (state, failed) ->
                                crew.failed("recovery of " + persistenceId().id() + ": " + failed.getFailure()))
                .onSignal(PostStop.instance(), state -> {
                    if (!isStopping) {
                        crew.failed(persistenceId().id() + " ended by itself");
                    }
                    crew.stopped.countDown();
                })
                .build();
    }
}
