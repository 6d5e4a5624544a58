package io.forebay.persistence.samples;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.Dropped;
import akka.actor.testkit.typed.javadsl.TestProbe;
import akka.actor.typed.ActorRef;
import akka.actor.typed.Signal;
import akka.actor.typed.javadsl.Adapter;
import akka.persistence.query.EventEnvelope;
import akka.persistence.query.Offset;
import akka.persistence.typed.DeleteEventsCompleted;
import akka.persistence.typed.DeleteSnapshotsCompleted;
import akka.persistence.typed.SnapshotCompleted;
import io.forebay.persistence.samples.BankAccount.Account;
import io.forebay.persistence.samples.BankAccount.Command;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.Proof;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * Akka's bank account, with snapshots, retention, event adapters, tags and stash. <b>I1</b>: a change that was answered is in the
 * balance behind a kill or a power cut. <b>I2</b>: the balance is one that the account had, made by a number of events that fits it: no
 * gap, no repetition, a withdrawal with its fee or not at all. <b>I3</b>: what is replayed behind a snapshot is what came after it.
 */
class BankAccountTest {
    private final BlockingQueue<Signal> signals = new LinkedBlockingQueue<>();
    private final AtomicInteger replayed = new AtomicInteger();
    private SampleApp app = new SampleApp(new MemoryDisk(), "");

    @AfterEach
    void stop() throws Exception {
        app.stop();
    }

    private ActorRef<Command> account(String number) {
        return account(number, 2, Optional.empty());
    }

    private ActorRef<Command> account(String number, int version, Optional<Integer> stashCapacity) {
        return app.spawn(
                new BankAccount(
                        number,
                        new BankAccount.Entries(version, replayed::incrementAndGet),
                        stashCapacity,
                        signals::add),
                "account-" + number);
    }

    private CompletionStage<Account> deposit(ActorRef<Command> account, long cents) {
        return app.ask(account, replyTo -> new BankAccount.Deposit(cents, replyTo));
    }

    private CompletionStage<Account> withdraw(ActorRef<Command> account, long cents) {
        return app.ask(account, replyTo -> new BankAccount.Withdraw(cents, replyTo));
    }

    private Account deposit(ActorRef<Command> account, int count, long cents) throws Exception {
        Account after = null;
        for (int i = 0; i < count; i++) {
            after = SampleApp.get(deposit(account, cents));
        }
        return after;
    }

    private Account get(ActorRef<Command> account) throws Exception {
        return SampleApp.get(app.ask(account, BankAccount.GetAccount::new));
    }

    /** What an account has had, change by change, if everything that it was sent was done. */
    private static final class Expected {
        final List<Account> states = new ArrayList<>(List.of(new Account(0, 0, 0)));
        volatile Account answered = states.get(0);

        Account last() {
            return states.get(states.size() - 1);
        }

        /** It is as if what is lost had never been sent. */
        void lostBehind(Account found) {
            assertThat(states).contains(found);
            assertThat(found.events()).isGreaterThanOrEqualTo(answered.events());
            states.subList(states.indexOf(found) + 1, states.size()).clear();
            answered = found;
        }

        /** An answer is the state behind the change; they come in order. */
        void note(CompletionStage<Account> answer) {
            answer.thenAccept(account -> answered = account);
        }
    }

    private void send(ActorRef<Command> account, Expected expected, Random random) {
        if (expected.last().frozen() == 1) {
            app.ask(account, BankAccount.Unfreeze::new);
            expected.states.add(expected.last().with(false));
        }
        for (int step = random.nextInt(12); step >= 0; step--) {
            long cents = 1 + random.nextInt(1_000);
            switch (random.nextInt(4)) {
                case 0 -> {
                    Account last = expected.last();
                    if (last.cents() >= cents + BankAccount.FEE_CENTS) {
                        expected.states.add(last.with(-cents).with(-BankAccount.FEE_CENTS));
                    }
                    expected.note(withdraw(account, cents));
                }
                case 1 -> {
                    // What comes while it is frozen is done when it is not any more.
                    app.ask(account, BankAccount.Freeze::new);
                    CompletionStage<Account> waits = deposit(account, cents);
                    app.ask(account, BankAccount.Unfreeze::new);
                    expected.states.add(expected.last().with(true));
                    expected.states.add(expected.last().with(false));
                    expected.states.add(expected.last().with(cents));
                    expected.note(waits);
                }
                default -> {
                    expected.states.add(expected.last().with(cents));
                    expected.note(deposit(account, cents));
                }
            }
        }
    }

    @Test
    void balancesAreRightBehindKillsAndPowerCuts() throws Exception {
        Random random = new Random(20);
        Map<String, Expected> bank = new LinkedHashMap<>();
        for (int i = 0; i < 16; i++) {
            bank.put("A" + i, new Expected());
        }
        for (int life = 0; life < 7; life++) {
            List<ActorRef<Command>> accounts = new ArrayList<>();
            for (Map.Entry<String, Expected> one : bank.entrySet()) {
                ActorRef<Command> account = account(one.getKey());
                accounts.add(account);
                one.getValue().lostBehind(get(account));
                send(account, one.getValue(), random);
            }
            ActorRef<Command> last = accounts.get(random.nextInt(accounts.size()));
            get(last);
            MemoryDisk left = random.nextBoolean() ? app.kill() : app.cutPower(random);
            app = new SampleApp(left, life % 2 == 0 ? "forebay.store.checkpoint-bytes = 1 GiB" : "");
        }
        long events = 0;
        for (Map.Entry<String, Expected> one : bank.entrySet()) {
            one.getValue().lostBehind(get(account(one.getKey())));
            events += one.getValue().last().events();
        }
        assertThat(events).isGreaterThan(16 * BankAccount.SNAPSHOT_EVERY);
        Proof.messagesAcknowledged.add(events);
    }

    @Test
    void aSnapshotAndTheRestOfTheEventsAreReplayed() throws Exception {
        for (int life = 0; life < 2; life++) {
            ActorRef<Command> account = account("A");
            // 37 in the first life: snapshots behind 10, 20 and 30, and the events up to 10 are not needed any more.
            deposit(account, life == 0 ? 37 : 10, 3);
            long newest = life == 0 ? 30 : 40;
            awaitRetention(newest);
            app = new SampleApp(life == 0 ? app.kill() : app.cutPower(new Random(life)), "");
            replayed.set(0);
            assertThat(get(account("A"))).isEqualTo(new Account(3 * (life == 0 ? 37 : 47), life == 0 ? 37 : 47, 0));
            assertThat(replayed).hasValue(7);
            long oldest = newest - BankAccount.SNAPSHOT_EVERY * BankAccount.SNAPSHOTS_KEPT + 1;
            assertThat(app.all(app.journal.currentEventsByPersistenceId("Account|A", 0, Long.MAX_VALUE)))
                    .extracting(EventEnvelope::sequenceNr)
                    .containsExactlyElementsOf(LongStream.rangeClosed(oldest, life == 0 ? 37 : 47)
                            .boxed()
                            .toList());
            app = new SampleApp(app.kill(), "");
        }
    }

    /** Until the newest snapshot is stored, and what it makes superfluous is deleted. */
    private void awaitRetention(long newest) throws Exception {
        boolean isStored = false;
        boolean areEventsDeleted = false;
        boolean areSnapshotsDeleted = false;
        while (!(isStored && areEventsDeleted && areSnapshotsDeleted)) {
            Signal signal = signals.poll(SampleApp.PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
            assertThat(String.valueOf(signal)).doesNotContain("null").doesNotContain("Failed");
            if (signal instanceof SnapshotCompleted completed) {
                isStored = completed.metadata().sequenceNr() == newest;
            } else if (signal instanceof DeleteEventsCompleted deleted) {
                areEventsDeleted =
                        deleted.toSequenceNr() == newest - BankAccount.SNAPSHOT_EVERY * BankAccount.SNAPSHOTS_KEPT;
            } else if (signal instanceof DeleteSnapshotsCompleted) {
                areSnapshotsDeleted = areEventsDeleted;
            }
        }
    }

    @Test
    void whatWaitsInTheStashIsDoneInOrder() throws Exception {
        ActorRef<Command> account = account("A");
        SampleApp.get(app.ask(account, BankAccount.Freeze::new));
        List<CompletionStage<Account>> answers = new ArrayList<>();
        for (int i = 1; i <= 50; i++) {
            answers.add(deposit(account, i));
        }
        assertThat(get(account)).isEqualTo(new Account(0, 1, 1));
        assertThat(answers).noneMatch(answer -> answer.toCompletableFuture().isDone());
        SampleApp.get(app.ask(account, BankAccount.Unfreeze::new));
        for (int i = 1; i <= 50; i++) {
            assertThat(SampleApp.get(answers.get(i - 1))).isEqualTo(new Account(i * (i + 1) / 2, i + 2, 0));
        }
        app = new SampleApp(app.kill(), "");
        assertThat(get(account("A"))).isEqualTo(new Account(50 * 51 / 2, 52, 0));
    }

    /** While one event is being forced: what has no room is told to nobody, and is not stored either. */
    @Test
    void whatTheStashHasNoRoomForIsNotStored() throws Exception {
        int capacity = 10;
        ActorRef<Command> account = account("A", 2, Optional.of(capacity));
        assertThat(get(account)).isEqualTo(new Account(0, 0, 0));
        TestProbe<Dropped> dropped = TestProbe.create(app.system);
        // Not the typed one: it takes a subscription when it gets to it, maybe after what is to be seen.
        Adapter.toClassic(app.system).eventStream().subscribe(Adapter.toClassic(dropped.ref()), Dropped.class);
        CountDownLatch mayForce = new CountDownLatch(1);
        app.disk.observe((operation, path, at, length) -> {
            if (operation == Operation.FORCE) {
                await(mayForce);
            }
        });
        List<CompletableFuture<Account>> answers = new ArrayList<>();
        for (int i = 1; i <= 40; i++) {
            answers.add(deposit(account, i).toCompletableFuture());
        }
        dropped.receiveSeveralMessages(40 - capacity - 1, SampleApp.PATIENCE);
        assertThat(answers).noneMatch(CompletableFuture::isDone);
        mayForce.countDown();
        for (int i = 1; i <= capacity + 1; i++) {
            assertThat(SampleApp.get(answers.get(i - 1))).isEqualTo(new Account(i * (i + 1) / 2, i, 0));
        }
        app = new SampleApp(app.cutPower(new Random(4)), "");
        assertThat(get(account("A"))).isEqualTo(new Account(66, capacity + 1, 0));
        assertThat(answers.subList(capacity + 1, 40))
                .noneMatch(answer -> answer.isDone() && !answer.isCompletedExceptionally());
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(60, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    @Test
    void eventsOfAnEarlierVersionOfTheApplicationAreUnderstood() throws Exception {
        assertThat(deposit(account("A", 1, Optional.empty()), 3, 500)).isEqualTo(new Account(1_500, 3, 0));
        app = new SampleApp(app.kill(), "");
        assertThat(deposit(account("A"), 1, 7)).isEqualTo(new Account(1_507, 4, 0));
        app = new SampleApp(app.kill(), "");
        assertThat(get(account("A"))).isEqualTo(new Account(1_507, 4, 0));
        // Who reads the journal gets what the typed adapter has made of an event.
        assertThat(entries(BankAccount.TAG))
                .containsExactly(
                        new BankAccount.Entry("deposited", 5),
                        new BankAccount.Entry("deposited", 5),
                        new BankAccount.Entry("deposited", 5),
                        new BankAccount.Entry("deposited", 7));
    }

    @Test
    void eachEventIsFoundByItsTags() throws Exception {
        ActorRef<Command> account = account("A");
        deposit(account, 1, BankAccount.LARGE_CENTS);
        SampleApp.get(withdraw(account, 40));
        deposit(account("B"), 1, BankAccount.LARGE_CENTS + 1);
        app = new SampleApp(app.cutPower(new Random(5)), "");
        assertThat(entries(BankAccount.TAG))
                .containsExactly(
                        new BankAccount.Entry("deposited", BankAccount.LARGE_CENTS),
                        new BankAccount.Entry("withdrawn", 40),
                        new BankAccount.Entry("charged", BankAccount.FEE_CENTS),
                        new BankAccount.Entry("deposited", BankAccount.LARGE_CENTS + 1));
        assertThat(entries(BankAccount.TAG_LARGE))
                .containsExactly(
                        new BankAccount.Entry("deposited", BankAccount.LARGE_CENTS),
                        new BankAccount.Entry("deposited", BankAccount.LARGE_CENTS + 1));
    }

    private List<Object> entries(String tag) throws Exception {
        return app.all(app.journal.currentEventsByTag(tag, Offset.noOffset()).map(EventEnvelope::event));
    }

    /** Akka's classic ones, which come behind the typed one: what the actor has tagged they are given as such. */
    @Test
    void adaptersThatTheConfigurationNamesAreAsked() throws Exception {
        deposit(account("A"), 2, 9);
        String adapters = """
            forebay.persistence.journal {
              event-adapters.audit = "io.forebay.persistence.samples.AuditAdapter"
              event-adapter-bindings {
                "akka.persistence.journal.Tagged" = audit
                "io.forebay.persistence.samples.AuditAdapter$Audited" = audit
              }
            }
            """;
        app = new SampleApp(app.kill(), adapters);
        // What was stored without an adapter is read without its help.
        ActorRef<Command> account = account("A");
        assertThat(get(account)).isEqualTo(new Account(18, 2, 0));
        assertThat(deposit(account, 1, 7)).isEqualTo(new Account(25, 3, 0));
        SampleApp.get(withdraw(account, 10));
        app = new SampleApp(app.kill(), adapters);
        assertThat(entries(AuditAdapter.TAG))
                .containsExactly(new BankAccount.Entry("deposited", 7), new BankAccount.Entry("withdrawn", 10));
        assertThat(get(account("A"))).isEqualTo(new Account(10, 5, 0));
        app = new SampleApp(app.kill(), "");
        assertThat(app.all(app.journal.currentEventsByPersistenceId("Account|A", 3, Long.MAX_VALUE)))
                .extracting(EventEnvelope::event)
                .allMatch(AuditAdapter.Audited.class::isInstance);
    }

    @Test
    void aRefusalStoresNothing() throws Exception {
        ActorRef<Command> account = account("A");
        assertThat(withdraw(account, 1).toCompletableFuture())
                .failsWithin(60, TimeUnit.SECONDS)
                .withThrowableThat()
                .withMessageContaining("there are only 0 cents");
        app = new SampleApp(app.kill(), "");
        assertThat(get(account("A"))).isEqualTo(new Account(0, 0, 0));
    }
}
