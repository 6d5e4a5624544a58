package io.forebay.store;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.log.Frame;
import io.forebay.store.StripeBudget.Reason;
import io.forebay.store.StripeBudget.Tier;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("proof")
class StripeBudgetTest {
    private static final long GIB = 1L << 30;

    private final StripeBudget budget = new StripeBudget(3, 1000, 70, 400, Integer.MAX_VALUE);
    private final StripeBudget.Account account = budget.open();

    @Test
    void sendsAreRefusedFirstAndAcksLast() {
        assertThat(account.tryReserve(700, Tier.SEND)).isTrue();
        assertThat(account.tryReserve(1, Tier.SEND)).isFalse();
        assertThat(account.tryReserve(100, Tier.DELIVERY)).isTrue();
        assertThat(account.tryReserve(1, Tier.DELIVERY)).isFalse();
        assertThat(account.tryReserve(100, Tier.EXTENSION)).isTrue();
        assertThat(account.tryReserve(1, Tier.EXTENSION)).isFalse();
        assertThat(account.tryReserve(100, Tier.ACK)).isTrue();
        assertThat(account.tryReserve(1, Tier.ACK)).isFalse();
        assertThat(budget.unflushedBytes()).isEqualTo(1000);
        assertThat(budget.refusal(Tier.ACK).reason()).isEqualTo(Reason.BUSY);
        assertThat(budget.refusal(Tier.ACK).detail()).contains("stripe 3").contains("1000");
    }

    @Test
    void whatIsLargerThanTheLimitIsTakenAlone() {
        assertThat(account.tryReserve(5000, Tier.SEND)).isTrue();
        assertThat(account.tryReserve(1, Tier.ACK)).isFalse();
        account.giveBack(5000);
        assertThat(account.tryReserve(1, Tier.SEND)).isTrue();
        assertThat(account.tryReserve(5000, Tier.SEND)).isFalse();
    }

    @Test
    void aClosedAccountGivesBackWhatItHeldAndReservesNothing() {
        StripeBudget.Account other = budget.open();
        assertThat(account.tryReserve(300, Tier.SEND)).isTrue();
        assertThat(other.tryReserve(200, Tier.SEND)).isTrue();
        account.close();
        account.close();
        assertThat(budget.unflushedBytes()).isEqualTo(200);
        assertThat(account.tryReserve(1, Tier.ACK)).isFalse();
        assertThat(other.reservedBytes()).isEqualTo(200);
    }

    @Test
    void anAccountGivesBackAtMostWhatItHolds() {
        StripeBudget.Account other = budget.open();
        assertThat(account.tryReserve(10, Tier.SEND)).isTrue();
        assertThat(other.tryReserve(20, Tier.SEND)).isTrue();
        account.giveBack(11);
        account.giveBack(1);
        assertThat(account.reservedBytes()).isZero();
        assertThat(budget.unflushedBytes()).isEqualTo(20);
    }

    @Test
    void aFrameTakesItsLengthFromTheAccountAndTheRestOfItsMemoryFromTheStripe() {
        Frame frame = StripeFixture.frame(1, "a", "b");
        long length = frame.lengthBytes();
        assertThat(frame.retainedBytes()).isGreaterThan((int) length);
        assertThat(account.tryReserve(length + 5, Tier.SEND)).isTrue();
        account.spend(frame);
        assertThat(account.reservedBytes()).isEqualTo(5);
        account.giveBack(5);
        assertThat(budget.unflushedBytes()).isEqualTo(frame.retainedBytes());
        budget.flushed(frame.retainedBytes(), 1_000_000);
        assertThat(budget.unflushedBytes()).isZero();
        account.spend(frame);
        assertThat(budget.unflushedBytes()).isEqualTo(frame.retainedBytes());
    }

    @Test
    void theRetryAfterFollowsTheRateOfTheDisk() {
        StripeBudget large = new StripeBudget(0, GIB, 70, 0, Integer.MAX_VALUE);
        StripeBudget.Account sender = large.open();
        assertThat(sender.tryReserve(GIB / 2, Tier.SEND)).isTrue();
        assertThat(sender.tryReserve(GIB / 2, Tier.SEND)).isFalse();
        long atFirst = large.refusal(Tier.SEND).retryAfterMillis();
        assertThat(atFirst).isBetween(1L, 5000L);
        large.take(GIB);
        for (int i = 0; i < 20; i++) {
            large.take(1 << 20);
            large.flushed(1 << 20, 10_000_000); // 100 MB/s
        }
        long slow = large.refusal(Tier.SEND).retryAfterMillis();
        for (int i = 0; i < 20; i++) {
            large.take(1 << 20);
            large.flushed(1 << 20, 500_000); // 2 GB/s
        }
        long fast = large.refusal(Tier.SEND).retryAfterMillis();
        assertThat(slow).isEqualTo(5000);
        assertThat(fast).isBetween(100L, 2000L);
    }

    @Test
    void aFillingDiskStopsSendsFirstAndAcksLast() {
        budget.freeDisk(400);
        assertThat(account.tryReserve(1, Tier.SEND)).isTrue();
        budget.freeDisk(399);
        assertThat(account.tryReserve(1, Tier.SEND)).isFalse();
        assertThat(budget.refusal(Tier.SEND).reason()).isEqualTo(Reason.DISK_FULL);
        assertThat(account.tryReserve(1, Tier.DELIVERY)).isTrue();
        budget.freeDisk(299);
        assertThat(account.tryReserve(1, Tier.DELIVERY)).isFalse();
        assertThat(account.tryReserve(1, Tier.EXTENSION)).isTrue();
        budget.freeDisk(199);
        assertThat(account.tryReserve(1, Tier.EXTENSION)).isFalse();
        assertThat(account.tryReserve(1, Tier.ACK)).isTrue();
        budget.freeDisk(99);
        assertThat(account.tryReserve(1, Tier.ACK)).isFalse();
        budget.freeDisk(GIB);
        assertThat(account.tryReserve(1, Tier.SEND)).isTrue();
    }

    @Test
    void whatTheLogHasReadyIsForExtensionsAndAcks() {
        StripeBudget small = new StripeBudget(3, 1000, 70, 400, 60);
        small.freeDisk(120);
        assertThat(small.hasRoom(Tier.DELIVERY, 1)).isFalse();
        assertThat(small.hasRoom(Tier.EXTENSION, 1)).isTrue();
        small.freeDisk(119);
        assertThat(small.hasRoom(Tier.EXTENSION, 1)).isFalse();
        small.freeDisk(60);
        assertThat(small.hasRoom(Tier.ACK, 1)).isTrue();
        small.freeDisk(59);
        assertThat(small.hasRoom(Tier.ACK, 1)).isFalse();
    }

    private StripeBudget.Account waiting(long bytes, Tier tier, Runnable wakeUp) {
        StripeBudget.Account waiting = budget.open();
        waiting.awaitTurn(bytes, tier, wakeUp);
        return waiting;
    }

    @Test
    void whoWaitsIsWokenOnceInTurnWhenThereIsRoomForIt() {
        List<String> woken = new ArrayList<>();
        assertThat(account.tryReserve(700, Tier.SEND)).isTrue();
        StripeBudget.Account first = waiting(300, Tier.SEND, () -> woken.add("first"));
        StripeBudget.Account second = waiting(100, Tier.SEND, () -> woken.add("second"));
        StripeBudget.Account ack = waiting(100, Tier.ACK, () -> woken.add("ack"));
        assertThat(woken).as("acks pass Sends").containsExactly("ack");
        assertThat(ack.tryReserve(100, Tier.ACK)).isTrue();
        ack.giveBack(100);
        account.giveBack(200);
        assertThat(woken).as("there is room for the second").containsExactly("ack");
        account.giveBack(100);
        assertThat(woken).containsExactly("ack", "first");
        assertThat(account.tryReserve(1, Tier.SEND))
                .as("it is kept for the first")
                .isFalse();
        assertThat(first.tryReserve(300, Tier.SEND)).isTrue();
        account.giveBack(400);
        assertThat(woken).containsExactly("ack", "first", "second");
        assertThat(second.tryReserve(100, Tier.SEND)).isTrue();
        assertThat(budget.unflushedBytes()).isEqualTo(400);
        assertThat(budget.waiterCount()).isZero();
    }

    /** Those who come again and again with little would else take whatever comes free. */
    @Test
    void whoWaitsForMuchIsNotOvertakenByManyWhoWantLittle() {
        StripeBudget.Account large = budget.open();
        List<String> woken = new ArrayList<>();
        assertThat(account.tryReserve(700, Tier.SEND)).isTrue();
        large.awaitTurn(690, Tier.SEND, () -> woken.add("large"));
        for (int flush = 0; flush < 50 && woken.isEmpty(); flush++) {
            account.giveBack(100);
            account.tryReserve(100, Tier.SEND);
        }
        assertThat(woken).containsExactly("large");
        assertThat(account.tryReserve(100, Tier.DELIVERY))
                .as("what is refused later")
                .isTrue();
        assertThat(large.tryReserve(690, Tier.SEND)).isTrue();
        assertThat(budget.hasRoom(Tier.SEND, 1)).isFalse();
        large.giveBack(690);
        assertThat(account.tryReserve(100, Tier.SEND)).isTrue();
    }

    /** Nobody waits for one who has gone, and what was kept for one who does not take it is for the others. */
    @Test
    void whatWasWaitedForInVainIsForOthers() {
        List<String> woken = new ArrayList<>();
        assertThat(account.tryReserve(700, Tier.SEND)).isTrue();
        StripeBudget.Account gone = waiting(600, Tier.SEND, () -> woken.add("gone"));
        StripeBudget.Account behind = waiting(100, Tier.SEND, () -> woken.add("behind"));
        account.giveBack(100);
        assertThat(woken).isEmpty();
        gone.close();
        assertThat(woken).containsExactly("behind");
        assertThat(behind.tryReserve(90, Tier.SEND)).as("there is no more").isFalse();
        behind.endTurn();
        behind.endTurn();
        assertThat(budget.unflushedBytes()).isEqualTo(600);
        assertThat(behind.tryReserve(90, Tier.SEND)).isTrue();
        StripeBudget.Account granted = waiting(10, Tier.SEND, () -> woken.add("granted"));
        assertThat(woken).containsExactly("behind", "granted");
        granted.close();
        assertThat(budget.unflushedBytes()).isEqualTo(690);
        assertThat(granted.tryReserve(10, Tier.SEND)).isFalse();
    }

    @Test
    void aStripeThatFailsRefusesUntilItComesBack() {
        budget.unavailable(Reason.READ_ONLY, "the device fails");
        assertThat(account.tryReserve(1, Tier.ACK)).isFalse();
        assertThat(budget.refusal(Tier.ACK).reason()).isEqualTo(Reason.READ_ONLY);
        assertThat(budget.refusal(Tier.ACK).detail()).isEqualTo("the device fails");
        budget.available();
        assertThat(account.tryReserve(1, Tier.ACK)).isTrue();
        budget.unavailable(Reason.CLOSED, "closed");
        assertThat(budget.refusal(Tier.SEND).reason()).isEqualTo(Reason.CLOSED);
    }

    /** Whatever makes waiting for a flush useless is heard of, once, by asking again. */
    @Test
    void whoWaitsForRoomIsWokenWhenThereIsAnotherReasonToRefuseIt() {
        List<String> woken = new ArrayList<>();
        assertThat(account.tryReserve(1000, Tier.ACK)).isTrue();
        waiting(1, Tier.SEND, () -> woken.add("send"));
        waiting(1, Tier.DELIVERY, () -> woken.add("delivery"));
        budget.freeDisk(399);
        assertThat(woken).containsExactly("send");
        assertThat(budget.refusal(Tier.SEND).reason()).isEqualTo(Reason.DISK_FULL);
        budget.unavailable(Reason.READ_ONLY, "the device fails");
        assertThat(woken).containsExactly("send", "delivery");
        waiting(1, Tier.ACK, () -> woken.add("at once"));
        assertThat(woken).containsExactly("send", "delivery", "at once");
        budget.available();
        budget.freeDisk(GIB);
        for (Reason reason : List.of(Reason.READ_ONLY, Reason.DISK_FULL, Reason.SHUTTING_DOWN, Reason.CLOSED)) {
            woken.clear();
            waiting(1, Tier.ACK, () -> woken.add(reason.name()));
            assertThat(woken).isEmpty();
            budget.unavailable(reason, "nothing is taken");
            assertThat(woken).containsExactly(reason.name());
            budget.available();
        }
        assertThat(budget.waiterCount()).isZero();
        assertThat(woken).hasSize(1);
    }

    /** Nothing is lost or reserved twice by threads that reserve and give back at the same time. */
    @Test
    void manyThreadsLeaveNothingBehind() throws InterruptedException {
        StripeBudget shared = new StripeBudget(0, 10_000, 70, 0, Integer.MAX_VALUE);
        AtomicInteger over = new AtomicInteger();
        CountDownLatch ended = new CountDownLatch(4);
        for (int t = 0; t < 4; t++) {
            RandomGenerator random = RandomGenerator.of("L64X128MixRandom");
            StripeBudget.Account own = shared.open();
            new Thread(() -> {
                        for (int i = 0; i < 50_000; i++) {
                            int bytes = 1 + random.nextInt(3000);
                            if (own.tryReserve(bytes, Tier.values()[random.nextInt(4)])) {
                                if (shared.unflushedBytes() > 10_000) {
                                    over.incrementAndGet();
                                }
                                own.giveBack(bytes);
                            }
                        }
                        own.close();
                        ended.countDown();
                    })
                    .start();
        }
        ended.await();
        assertThat(over).hasValue(0);
        assertThat(shared.unflushedBytes()).isZero();
    }
}
