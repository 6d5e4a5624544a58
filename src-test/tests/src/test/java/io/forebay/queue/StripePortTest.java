package io.forebay.queue;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestInbox;
import io.forebay.storage.log.FlushRange;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RecoverySink;
import io.forebay.storage.log.StripeException;
import io.forebay.storage.log.StripeLog;
import io.forebay.storage.log.StripeOptions;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What an owner of records sends its stripe, and in which order. */
class StripePortTest {
    private static final long RESERVED_BYTES = 1000;

    private final StripeBudget budget = new StripeBudget(0, 10_000, 70, 100, Integer.MAX_VALUE);
    private final TestInbox<StoreWriter.Command> writer = TestInbox.create();
    private final TestInbox<StoreWriter.Event> origin = TestInbox.create();
    private long written;

    /** Who is registered hears that the stripe takes nothing, also when it has taken nothing before. */
    @Test
    void originIsRegisteredBeforeItsFirstFrame() {
        StripePort port = new StripePort(
                new StripeHandle(0, writer.getRef(), null, budget, null, null, null, null),
                Owner.queue(7),
                origin.getRef());
        assertThat(port.account().tryReserve(RESERVED_BYTES, StripeBudget.Tier.SEND))
                .isTrue();
        Frame frame =
                Frame.builder(100).add(Owner.queue(7), new PurgeRecord(3, 0)).build();
        port.append(frame, false);
        List<StoreWriter.Command> sent = writer.getAllReceived();
        assertThat(sent)
                .containsExactly(
                        new StoreWriter.Register(Owner.queue(7), origin.getRef(), port.account()),
                        new StoreWriter.Append(frame, origin.getRef(), false, 1));
    }

    /** What is durable is told even if the stripe says so of less only, and who waited first hears first. */
    @Test
    void whatIsDurableWaitsForNoMoreThanWhatIsParkedBefore() throws Exception {
        try (StripeLog log = openLog()) {
            StripePort port = new StripePort(
                    new StripeHandle(0, writer.getRef(), log, budget, null, null, null, null),
                    Owner.queue(7),
                    origin.getRef());
            List<String> told = new ArrayList<>();
            long first = write(port, log);
            port.awaitDurable(first, () -> told.add("first"));
            long second = write(port, log);
            FlushRange range = log.takeUnflushed();
            log.force(range);
            log.forced(range);
            port.awaitDurable(second, () -> told.add("second"));
            assertThat(told).isEmpty();
            assertThat(asked()).containsExactly(first);
            port.onDurable(new StoreWriter.Durable(first));
            assertThat(told).containsExactly("first", "second");
            assertThat(port.hasParked()).isFalse();
        }
    }

    private long write(StripePort port, StripeLog log) throws StripeException {
        assertThat(port.account().tryReserve(RESERVED_BYTES, StripeBudget.Tier.SEND))
                .isTrue();
        Frame frame =
                Frame.builder(100).add(Owner.queue(7), new PurgeRecord(3, 0)).build();
        port.append(frame, false);
        log.append(frame, 1);
        return port.onWritten(new StoreWriter.Written(++written, frame));
    }

    /** Sequences of whose durability the stripe is to tell. */
    private List<Long> asked() {
        return writer.getAllReceived().stream()
                .filter(StoreWriter.AwaitDurable.class::isInstance)
                .map(command -> ((StoreWriter.AwaitDurable) command).sequence())
                .toList();
    }

    private static StripeLog openLog() throws IOException {
        StripeLog log = StripeLog.open(new MemoryDisk(), StripeOptions.of(0), 1, new RecoverySink() {
            @Override
            public void snapshot(RecordView part) {}

            @Override
            public void record(RecordView record) {}
        });
        while (log.isPreparationNeeded()) {
            log.prepareNext();
        }
        return log;
    }
}
