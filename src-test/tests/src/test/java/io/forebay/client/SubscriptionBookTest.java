package io.forebay.client;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.Delivery;
import io.forebay.protocol.DeliveryMode;
import io.forebay.protocol.SubscriptionProgress;
import io.forebay.testkit.sim.SeededRun;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a subscription asks for, of a node that pushes and pops as the test says. */
class SubscriptionBookTest {
    private static final int CREDITS_MAX = 1000;
    private final SubscriptionBook book = new SubscriptionBook();

    private static List<Delivery> deliveries(int count) {
        return Collections.nCopies(count, ClientSessionHarness.delivery(1));
    }

    @Test
    void whatHasComeIsToldAfterEightPushesOrTheTimeThatIsSet() {
        book.takeReport(0, 100, CREDITS_MAX);
        for (int number = 1; number <= 8; number++) {
            assertThat(book.takeReport(10, 100, CREDITS_MAX)).isNull();
            book.received(number, deliveries(1), 10, 500);
        }
        assertThat(book.takeReport(10, 100, CREDITS_MAX).receivedUpTo()).isEqualTo(8);
        book.received(9, deliveries(1), 20, 500);
        assertThat(book.reportAtMillis()).isEqualTo(520);
        assertThat(book.takeReport(519, 100, CREDITS_MAX)).isNull();
        assertThat(book.takeReport(520, 100, CREDITS_MAX).receivedUpTo()).isEqualTo(9);
        assertThat(book.reportAtMillis()).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void whatIsWantedIsBoundedByWhatTheNodeTakes() {
        assertThat(book.takeReport(0, 5000, CREDITS_MAX).openCredits()).isEqualTo(CREDITS_MAX);
        book.received(1, deliveries(300), 0, 500);
        assertThat(book.takeReport(0, 5000, CREDITS_MAX).totalCredits()).isEqualTo(300 + CREDITS_MAX);
    }

    /**
     * The group is set to pop and to push again and again, pops bring what they may, the node pushes what it was last told, and
     * what is wanted grows. What has come, what pops may bring and what the node may push are never more than is wanted.
     */
    @Test
    void noMoreIsAskedForThanIsWanted() {
        SeededRun.run("what a subscription asks for", (random, progress) -> {
            SubscriptionBook one = new SubscriptionBook();
            List<Integer> pops = new ArrayList<>();
            long wanted = 0;
            long came = 0;
            long pushNumber = 0;
            long now = 0;
            SubscriptionProgress told = SubscriptionProgress.begin(0);
            for (long step = 0; step < SeededRun.steps(20_000); step++) {
                progress.at(step);
                now += random.nextInt(50);
                switch (random.nextInt(6)) {
                    case 0 -> wanted += random.nextInt(100);
                    case 1 -> one.changeMode(random.nextInt(4) == 0 ? DeliveryMode.POP : DeliveryMode.PUSH);
                    case 2 -> {
                        int free = (int) Math.min(32, one.freeCount(wanted));
                        if (one.mode() == DeliveryMode.POP && free > 0) {
                            one.asked(free);
                            pops.add(free);
                        }
                    }
                    case 3 -> {
                        if (!pops.isEmpty()) {
                            int countMax = pops.remove(random.nextInt(pops.size()));
                            int count = random.nextInt(countMax + 1);
                            one.popped(countMax, count);
                            came += count;
                        }
                    }
                    default -> {
                        int count = (int) Math.min(
                                20, told.totalCredits() - one.progress().receivedCount());
                        if (one.mode() == DeliveryMode.PUSH && count > 0 && one.isNew(pushNumber + 1)) {
                            one.received(++pushNumber, deliveries(count), now, 500);
                            came += count;
                        }
                    }
                }
                long asked = pops.stream().mapToInt(Integer::intValue).sum();
                assertThat(one.freeCount(wanted)).isEqualTo(wanted - came - asked);
                SubscriptionProgress report = one.takeReport(now, wanted, CREDITS_MAX);
                told = report == null ? told : report;
                long open = told.totalCredits() - one.progress().receivedCount();
                assertThat(came + asked + open)
                        .as("%s came, %s are asked for by pops, %s by credits", came, asked, open)
                        .isLessThanOrEqualTo(wanted);
                assertThat(open).isBetween(0L, (long) CREDITS_MAX);
                assertThat(one.mode() == DeliveryMode.POP ? open : 0).isZero();
            }
        });
    }
}
