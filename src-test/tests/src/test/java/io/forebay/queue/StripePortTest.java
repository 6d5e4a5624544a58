package io.forebay.queue;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestInbox;
import io.forebay.storage.log.Frame;
import io.forebay.storage.log.Owner;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.store.StoreWriter;
import io.forebay.store.StripeBudget;
import io.forebay.store.StripeHandle;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What an owner of records sends its stripe, and in which order. */
class StripePortTest {
    private static final long RESERVED_BYTES = 1000;

    private final StripeBudget budget = new StripeBudget(0, 10_000, 70, 100, Integer.MAX_VALUE);
    private final TestInbox<StoreWriter.Command> writer = TestInbox.create();
    private final TestInbox<StoreWriter.Event> origin = TestInbox.create();

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
}
