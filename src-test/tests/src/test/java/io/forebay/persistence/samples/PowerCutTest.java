package io.forebay.persistence.samples;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.ActorRef;
import akka.actor.typed.javadsl.Adapter;
import akka.pattern.Patterns;
import akka.persistence.Persistence;
import akka.persistence.SnapshotProtocol;
import akka.persistence.SnapshotSelectionCriteria;
import akka.persistence.typed.SnapshotCompleted;
import com.typesafe.config.ConfigFactory;
import io.forebay.persistence.samples.BankAccount.Account;
import io.forebay.persistence.samples.VisitCounter.Visits;
import io.forebay.testkit.faults.MemoryDisk;
import io.forebay.testkit.sim.Proof;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/**
 * The power goes before any one thing that is done to the disk, while all three plugins are at work. <b>I1</b>: an event, a durable
 * state whose handler has run, and a snapshot that was answered for, are there. <b>I2</b>: numbers of events and revisions have no gap and
 * no repetition; events that were persisted together are there all or none. More cuts: {@code -Dforebay.persistence.cut-rounds=100}.
 */
class PowerCutTest {
    private static final int ROUNDS = Integer.getInteger("forebay.persistence.cut-rounds", 1);
    private static final int CUTS_IN_A_ROUND = 14;
    private static final int DEPOSITS = 45;

    private static final String SMALL = """
        forebay.storage { segment-size = 1 MiB, spare-segments = 1 }
        forebay.store { checkpoint-bytes = 64 KiB, flush-bytes = 64 KiB, max-unflushed = 2 MiB }
        forebay.queue { body-max = 128 KiB, batch-bytes-max = 256 KiB }
        forebay.group.pop-bytes-max = 256 KiB
        """;

    /** What was promised when the power went, and what it left. */
    private record Cut(Account account, long snapshotSequenceNr, Visits visits, MemoryDisk left) {}

    /** What has been answered so far. */
    private static final class Promised {
        final AtomicReference<Account> account = new AtomicReference<>(new Account(0, 0, 0));
        final AtomicLong snapshotSequenceNr = new AtomicLong();
        final AtomicReference<Visits> visits = new AtomicReference<>(new Visits(0, ""));
    }

    /** Some of all the cuts there could be, each as likely as the others. */
    private static final class Cuts {
        private final MemoryDisk disk;
        private final Promised promised;
        private final Random random;
        private final List<Cut> chosen = new ArrayList<>();
        private int seen;

        Cuts(MemoryDisk disk, Promised promised, Random random) {
            this.disk = disk;
            this.promised = promised;
            this.random = random;
        }

        synchronized void consider() {
            int place = chosen.size() < CUTS_IN_A_ROUND ? chosen.size() : random.nextInt(seen + 1);
            seen++;
            if (place < CUTS_IN_A_ROUND) {
                // First what was promised: what comes to it meanwhile may be in the image, or not.
                Account account = promised.account.get();
                long snapshotSequenceNr = promised.snapshotSequenceNr.get();
                Visits visits = promised.visits.get();
                Cut cut = new Cut(account, snapshotSequenceNr, visits, disk.powerCutImage(random));
                if (place == chosen.size()) {
                    chosen.add(cut);
                } else {
                    chosen.set(place, cut);
                }
            }
        }

        synchronized List<Cut> chosen() {
            return List.copyOf(chosen);
        }
    }

    private static BankAccount account(Promised promised) {
        return new BankAccount("A", new BankAccount.Entries(2, () -> {}), Optional.empty(), signal -> {
            if (signal instanceof SnapshotCompleted completed) {
                promised.snapshotSequenceNr.set(completed.metadata().sequenceNr());
            }
        });
    }

    @Test
    void whatWasAnsweredIsThereWheneverThePowerGoes() throws Exception {
        for (int round = 0; round < ROUNDS; round++) {
            Random random = new Random(100 + round);
            List<Account> states = new ArrayList<>();
            List<Cut> cuts = cuts(random, states);
            assertThat(cuts).hasSize(CUTS_IN_A_ROUND);
            for (Cut cut : cuts) {
                check(cut, states);
                Proof.images.increment();
                Proof.messagesAcknowledged.add(cut.account.events() + cut.visits.count());
            }
        }
    }

    /** @param states of the account, added one by one */
    private static List<Cut> cuts(Random random, List<Account> states) throws Exception {
        SampleApp app = new SampleApp(new MemoryDisk(), SMALL);
        Promised promised = new Promised();
        Cuts cuts = new Cuts(app.disk, promised, random);
        app.disk.observe((operation, path, at, length) -> {
            if (operation.isMutation()) {
                cuts.consider();
            }
        });
        ActorRef<BankAccount.Command> account = app.spawn(account(promised), "account");
        ActorRef<VisitCounter.Command> counter = app.spawn(new VisitCounter("p0"), "page");
        Account last = new Account(0, 0, 0);
        states.add(last);
        for (int i = 1; i <= DEPOSITS; i++) {
            long cents = 10 + i;
            CompletionStage<Account> changing;
            if (i % 3 == 0) {
                changing = app.ask(account, replyTo -> new BankAccount.Withdraw(cents, replyTo));
                last = last.with(-cents).with(-BankAccount.FEE_CENTS);
            } else {
                changing = app.ask(account, replyTo -> new BankAccount.Deposit(cents, replyTo));
                last = last.with(cents);
            }
            states.add(last);
            changing.thenAccept(promised.account::set);
            CompletionStage<Visits> visiting = app.ask(counter, replyTo -> new VisitCounter.Visit("visitor", replyTo));
            visiting.thenAccept(promised.visits::set);
            if (i % 4 == 0) {
                SampleApp.get(changing);
            }
            if (i % 5 == 0) {
                SampleApp.get(visiting);
            }
        }
        Account answered = SampleApp.get(app.ask(account, BankAccount.GetAccount::new));
        assertThat(answered).isEqualTo(last);
        app.stop();
        return cuts.chosen();
    }

    private static void check(Cut cut, List<Account> states) throws Exception {
        SampleApp app = new SampleApp(cut.left, SMALL);
        ActorRef<BankAccount.Command> account = app.spawn(account(new Promised()), "account");
        Account found = SampleApp.get(app.ask(account, BankAccount.GetAccount::new));
        assertThat(states).contains(found);
        assertThat(found.events()).isGreaterThanOrEqualTo(cut.account.events());
        SnapshotProtocol.LoadSnapshotResult snapshot = (SnapshotProtocol.LoadSnapshotResult) SampleApp.get(Patterns.ask(
                Persistence.get(Adapter.toClassic(app.system)).snapshotStoreFor("", ConfigFactory.empty()),
                new SnapshotProtocol.LoadSnapshot("Account|A", SnapshotSelectionCriteria.latest(), Long.MAX_VALUE),
                SampleApp.PATIENCE));
        long newest = snapshot.snapshot().isEmpty()
                ? 0
                : snapshot.snapshot().get().metadata().sequenceNr();
        assertThat(newest).isBetween(cut.snapshotSequenceNr, found.events());
        ActorRef<VisitCounter.Command> counter = app.spawn(new VisitCounter("p0"), "page");
        VisitCounterTest.check(app, counter, 0, cut.visits);
        // It goes on, too.
        Account more = SampleApp.get(
                app.<BankAccount.Command, Account>ask(account, replyTo -> new BankAccount.Deposit(1, replyTo)));
        assertThat(more).isEqualTo(found.with(1));
        app.kill();
    }
}
