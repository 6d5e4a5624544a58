package io.forebay.client;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.Delivery;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.testkit.sim.SeededRun;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** When deadlines are moved, on a clock that the test moves. */
class HeldDeliveriesTest {
    private static final long MAX_HOLD = 3_600_000;
    private final HeldDeliveries held = new HeldDeliveries(MAX_HOLD);

    private void add(long nowMillis, long invisibleMillis, long... offsets) {
        held.add(
                LongStream.of(offsets)
                        .mapToObj(offset -> ClientSessionHarness.delivery(offset, invisibleMillis))
                        .toList(),
                null,
                true,
                nowMillis);
    }

    private List<Long> takeDue(long nowMillis) {
        List<Long> offsets = new ArrayList<>();
        held.takeDue(nowMillis).forEach(due -> due.handles().forEach(handle -> offsets.add(handle.queueOffset())));
        return offsets;
    }

    @Test
    void whatIsDueWithinAnEighthOfItsTimeGoesWithTheFirst() {
        add(0, 8000, 1, 2);
        add(400, 8000, 3);
        add(1000, 8000, 4);
        add(1001, 8000, 5);
        assertThat(held.nextDueMillis()).isEqualTo(4000);
        assertThat(takeDue(3999)).isEmpty();
        assertThat(takeDue(4000)).containsExactly(1L, 2L, 3L, 4L);
        assertThat(held.nextDueMillis()).isEqualTo(5001);
        assertThat(takeDue(5001)).containsExactly(5L);
        assertThat(held.nextDueMillis()).isEqualTo(8000);
        assertThat(takeDue(8000)).as("together for good").containsExactly(1L, 2L, 3L, 4L);
    }

    @Test
    void whatHasAnotherDurationHasItsOwnTime() {
        add(0, 8000, 1);
        add(0, 8400, 2);
        assertThat(takeDue(4000)).containsExactly(1L);
        assertThat(takeDue(4200)).containsExactly(2L);
    }

    @Test
    void nothingIsTakenAlongWhenNothingIsDue() {
        add(0, 8000, 1);
        held.remove(ClientSessionHarness.delivery(1).handle());
        add(300, 8000, 2);
        assertThat(takeDue(4000)).isEmpty();
        assertThat(held.nextDueMillis()).isEqualTo(4300);
    }

    /**
     * Pops of several durations come all the time, and are settled at some time. No deadline passes while a delivery is held; none
     * is moved before three eighths of its time are over; and of each duration no more than one request goes in an eighth of it.
     */
    @Test
    void noDeadlinePassesAndFewRequestsGo() {
        long[] durations = {1_000, 10_000, 30_000};
        SeededRun.run("deadlines of what is held", (random, progress) -> {
            HeldDeliveries all = new HeldDeliveries(MAX_HOLD);
            Map<ReceiptHandle, Long> durationOf = new HashMap<>();
            Map<ReceiptHandle, Long> grantedAt = new HashMap<>();
            Map<Long, Long> requestedAt = new HashMap<>();
            long offset = 0;
            long now = 0;
            for (long step = 0; step < SeededRun.steps(10_000); step++) {
                progress.at(step);
                long arrivesAt = now + random.nextLong(200);
                while (all.nextDueMillis() <= arrivesAt) {
                    now = all.nextDueMillis();
                    Set<Long> requested = new HashSet<>();
                    for (HeldDeliveries.Due due : all.takeDue(now)) {
                        requested.add(due.millis());
                        for (ReceiptHandle handle : due.handles()) {
                            long passed = now - grantedAt.put(handle, now);
                            assertThat(passed).isBetween(due.millis() * 3 / 8, due.millis() / 2);
                        }
                    }
                    for (long duration : requested) {
                        Long before = requestedAt.put(duration, now);
                        assertThat(before == null || now - before > duration / 8)
                                .as("a request of %s ms at %s, the one before at %s", duration, now, before)
                                .isTrue();
                    }
                }
                now = arrivesAt;
                long duration = durations[random.nextInt(durations.length)];
                List<Delivery> popped = new ArrayList<>();
                for (int i = random.nextInt(4); i >= 0; i--) {
                    popped.add(ClientSessionHarness.delivery(++offset, duration));
                }
                all.add(popped, null, true, now);
                for (Delivery delivery : popped) {
                    durationOf.put(delivery.handle(), duration);
                    grantedAt.put(delivery.handle(), now);
                }
                List<ReceiptHandle> some = List.copyOf(grantedAt.keySet());
                while (grantedAt.size() > 60) {
                    ReceiptHandle settled = some.get(random.nextInt(some.size()));
                    all.remove(settled);
                    grantedAt.remove(settled);
                }
                for (Map.Entry<ReceiptHandle, Long> one : grantedAt.entrySet()) {
                    if (now - one.getValue() > durationOf.get(one.getKey()) / 2) {
                        throw new AssertionError(one.getKey() + " was extended " + (now - one.getValue()) + " ms ago");
                    }
                }
            }
        });
    }
}
