package io.forebay.persistence.samples;

import akka.Done;
import akka.actor.typed.ActorRef;
import akka.actor.typed.Signal;
import akka.pattern.StatusReply;
import akka.persistence.typed.EventAdapter;
import akka.persistence.typed.EventSeq;
import akka.persistence.typed.PersistenceId;
import akka.persistence.typed.javadsl.CommandHandlerWithReply;
import akka.persistence.typed.javadsl.CommandHandlerWithReplyBuilder;
import akka.persistence.typed.javadsl.EventHandler;
import akka.persistence.typed.javadsl.EventSourcedBehaviorWithEnforcedReplies;
import akka.persistence.typed.javadsl.ReplyEffect;
import akka.persistence.typed.javadsl.RetentionCriteria;
import akka.persistence.typed.javadsl.SignalHandler;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/**
 * An account. Withdrawing costs a fee, which is an event of its own of the same {@code persist}. While it is frozen, deposits and
 * withdrawals wait in the stash. Every ten events a snapshot; two are kept, and the events since the older one.
 */
final class BankAccount
        extends EventSourcedBehaviorWithEnforcedReplies<BankAccount.Command, BankAccount.Event, BankAccount.Account> {
    static final String TAG = "bank";
    static final String TAG_LARGE = "large";
    static final long LARGE_CENTS = 100_000;
    static final long FEE_CENTS = 5;
    static final int SNAPSHOT_EVERY = 10;
    static final int SNAPSHOTS_KEPT = 2;

    interface Command {}

    record Deposit(long cents, ActorRef<StatusReply<Account>> replyTo) implements Command {}

    record Withdraw(long cents, ActorRef<StatusReply<Account>> replyTo) implements Command {}

    record Freeze(ActorRef<StatusReply<Done>> replyTo) implements Command {}

    record Unfreeze(ActorRef<StatusReply<Done>> replyTo) implements Command {}

    record GetAccount(ActorRef<StatusReply<Account>> replyTo) implements Command {}

    sealed interface Event {}

    record Deposited(long cents) implements Event {}

    record Withdrawn(long cents) implements Event {}

    record Charged(long cents) implements Event {}

    record Frozen() implements Event {}

    record Unfrozen() implements Event {}

    /**
     * Stored as it is in a snapshot.
     *
     * @param events how many have made it
     * @param frozen 1 if it is
     */
    record Account(long cents, long events, long frozen) implements Stored {
        Account with(long centsMore) {
            return new Account(cents + centsMore, events + 1, frozen);
        }

        Account with(boolean isFrozen) {
            return new Account(cents, events + 1, isFrozen ? 1 : 0);
        }
    }

    /** What the journal is given in place of an event. */
    record Entry(String kind, long amount) implements Stored {}

    /** The first version stored whole units of money, the second one cents. */
    static final class Entries extends EventAdapter<Event, Entry> {
        private static final long CENTS_IN_A_UNIT = 100;
        private final int version;
        private final Runnable replayed;

        /** @param replayed told of each event that is read */
        Entries(int version, Runnable replayed) {
            this.version = version;
            this.replayed = replayed;
        }

        private long unit(int ofVersion) {
            return ofVersion == 1 ? CENTS_IN_A_UNIT : 1;
        }

        @Override
        public Entry toJournal(Event event) {
            if (event instanceof Deposited deposited) {
                return new Entry("deposited", deposited.cents / unit(version));
            }
            if (event instanceof Withdrawn withdrawn) {
                return new Entry("withdrawn", withdrawn.cents / unit(version));
            }
            if (event instanceof Charged charged) {
                return new Entry("charged", charged.cents / unit(version));
            }
            return new Entry(event instanceof Frozen ? "frozen" : "unfrozen", 0);
        }

        @Override
        public String manifest(Event event) {
            return "v" + version;
        }

        @Override
        public EventSeq<Event> fromJournal(Entry entry, String manifest) {
            replayed.run();
            long cents = entry.amount * unit(Integer.parseInt(manifest.substring(1)));
            return EventSeq.single(
                    switch (entry.kind) {
                        case "deposited" -> new Deposited(cents);
                        case "withdrawn" -> new Withdrawn(cents);
                        case "charged" -> new Charged(cents);
                        case "frozen" -> new Frozen();
                        case "unfrozen" -> new Unfrozen();
                        default -> throw new IllegalArgumentException(entry.toString());
                    });
        }
    }

    private final Entries entries;
    private final Consumer<Signal> told;
    private final Optional<Integer> stashCapacity;

    /** @param told of all signals */
    BankAccount(String number, Entries entries, Optional<Integer> stashCapacity, Consumer<Signal> told) {
        super(PersistenceId.of("Account", number));
        this.entries = entries;
        this.stashCapacity = stashCapacity;
        this.told = told;
    }

    @Override
    public Account emptyState() {
        return new Account(0, 0, 0);
    }

    @Override
    public CommandHandlerWithReply<Command, Event, Account> commandHandler() {
        CommandHandlerWithReplyBuilder<Command, Event, Account> builder = newCommandHandlerWithReplyBuilder();
        builder.forAnyState()
                .onCommand(
                        GetAccount.class, (account, get) -> Effect().reply(get.replyTo, StatusReply.success(account)));
        builder.forState(account -> account.frozen == 1)
                .onCommand(
                        Unfreeze.class,
                        (account, unfreeze) -> Effect()
                                .persist(new Unfrozen())
                                .thenReply(unfreeze.replyTo, after -> StatusReply.ack())
                                .thenUnstashAll())
                .onAnyCommand(() -> Effect().stash());
        builder.forAnyState()
                .onCommand(
                        Deposit.class,
                        (account, deposit) -> Effect()
                                .persist(new Deposited(deposit.cents))
                                .thenReply(deposit.replyTo, StatusReply::success))
                .onCommand(Withdraw.class, this::withdraw)
                .onCommand(
                        Freeze.class,
                        (account, freeze) ->
                                Effect().persist(new Frozen()).thenReply(freeze.replyTo, after -> StatusReply.ack()))
                .onCommand(Unfreeze.class, (account, unfreeze) -> Effect().reply(unfreeze.replyTo, StatusReply.ack()));
        return builder.build();
    }

    private ReplyEffect<Event, Account> withdraw(Account account, Withdraw withdraw) {
        if (account.cents < withdraw.cents + FEE_CENTS) {
            return Effect().reply(withdraw.replyTo, StatusReply.error("there are only " + account.cents + " cents"));
        }
        return Effect()
                .persist(List.of(new Withdrawn(withdraw.cents), new Charged(FEE_CENTS)))
                .thenReply(withdraw.replyTo, StatusReply::success);
    }

    @Override
    public EventHandler<Account, Event> eventHandler() {
        return newEventHandlerBuilder()
                .forAnyState()
                .onEvent(Deposited.class, (account, deposited) -> account.with(deposited.cents))
                .onEvent(Withdrawn.class, (account, withdrawn) -> account.with(-withdrawn.cents))
                .onEvent(Charged.class, (account, charged) -> account.with(-charged.cents))
                .onEvent(Frozen.class, (account, frozen) -> account.with(true))
                .onEvent(Unfrozen.class, (account, unfrozen) -> account.with(false))
                .build();
    }

    @Override
    public SignalHandler<Account> signalHandler() {
        return newSignalHandlerBuilder()
                .onSignal(Signal.class, (account, signal) -> told.accept(signal))
                .build();
    }

    @Override
    public EventAdapter<Event, ?> eventAdapter() {
        return entries;
    }

    @Override
    public Set<String> tagsFor(Event event) {
        boolean isLarge = event instanceof Deposited deposited && deposited.cents >= LARGE_CENTS;
        return isLarge ? Set.of(TAG, TAG_LARGE) : Set.of(TAG);
    }

    @Override
    public RetentionCriteria retentionCriteria() {
        return RetentionCriteria.snapshotEvery(SNAPSHOT_EVERY, SNAPSHOTS_KEPT).withDeleteEventsOnSnapshot();
    }

    @Override
    public Optional<Integer> stashCapacity() {
        return stashCapacity;
    }
}
