package io.forebay.persistence;

import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.typed.ActorSystem;
import io.forebay.queue.OwnerLog;
import io.forebay.storage.log.Owner;
import io.forebay.store.ForebayStorage;
import io.forebay.store.StripeHandle;
import io.forebay.testkit.faults.MemoryDisk;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** What a reserved queue's side of the stripe keeps in memory. */
class IdleQueueTest {
    @Test
    void whatIsAskedOfAnIdleQueueIsAnsweredAndNotKept() throws Exception {
        ActorSystem<Void> system = PersistentActorsTest.start(new MemoryDisk(), "");
        StripeHandle stripe = ForebayStorage.get(system)
                .open()
                .toCompletableFuture()
                .get(60, TimeUnit.SECONDS)
                .get(0);
        OwnerLog log = new OwnerLog(
                stripe,
                Owner.queue(Owner.RESERVED_FROM + 0x900),
                system.ignoreRef(),
                1024,
                OwnerLog.Held.NOTHING,
                () -> new byte[0],
                () -> {},
                () -> false,
                () -> {});
        AtomicInteger answered = new AtomicInteger();
        for (int i = 1; i <= 1_000; i++) {
            log.awaitFlushed(answered::incrementAndGet, refusal -> {});
            assertThat(answered).hasValue(i);
            assertThat(log.unansweredCount()).isZero();
        }
        PersistentActorsTest.stop(system);
    }
}
