package io.forebay.store;

import static io.forebay.store.StripeFixture.LONG;
import static io.forebay.store.StripeFixture.assertWritten;
import static io.forebay.store.StripeFixture.expect;
import static io.forebay.store.StripeFixture.frame;
import static io.forebay.store.StripeFixture.patient;
import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestProbe;
import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import io.forebay.storage.log.Frame;
import io.forebay.store.StoreWriter.Available;
import io.forebay.store.StoreWriter.Event;
import io.forebay.store.StoreWriter.FlushFailed;
import io.forebay.store.StoreWriter.Rewrite;
import io.forebay.store.StoreWriter.Rewritten;
import io.forebay.store.StoreWriter.Unavailable;
import io.forebay.store.StripeBudget.Reason;
import io.forebay.store.StripeBudget.Tier;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/** I8: a stripe's health says at any moment whether it serves, and why not; each change of that is an event in the log. */
class StripeHealthTest {
    private static final Logger EVENTS = (Logger) LoggerFactory.getLogger(EventLog.LOGGER);

    private final MemoryDisk disk = new MemoryDisk();
    private final List<String> events = new CopyOnWriteArrayList<>();
    private final AppenderBase<ILoggingEvent> appender = new AppenderBase<>() {
        @Override
        protected void append(ILoggingEvent event) {
            events.add(event.getLevel() + " " + event.getFormattedMessage());
        }
    };
    private Level level;

    @BeforeEach
    void listen() {
        level = EVENTS.getLevel();
        EVENTS.setLevel(Level.INFO);
        EVENTS.setAdditive(false);
        appender.start();
        EVENTS.addAppender(appender);
    }

    @AfterEach
    void stopListening() {
        EVENTS.detachAppender(appender);
        EVENTS.setAdditive(true);
        EVENTS.setLevel(level);
    }

    /** Fills what is prepared, until the stripe says that it takes nothing. */
    private static Unavailable fill(StripeFixture fixture, TestProbe<Event> origin) {
        String large = "x".repeat(8000);
        for (int sent = 0; sent < 1000; sent++) {
            fixture.send(origin, frame(1, large), false, sent);
            Event event = origin.receiveMessage(LONG);
            if (event instanceof Unavailable unavailable) {
                return unavailable;
            }
        }
        throw new AssertionError("it takes everything");
    }

    /** H5: the phase stays RUNNING. */
    @Test
    void aStripeThatHasNoRoomForASegmentDoesNotServeAndSaysWhy() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            fixture.append(origin, frame(1, "first"));
            assertThat(fixture.stripe.health().isServing()).isTrue();
            assertThat(fixture.stripe.health().unavailable()).isEmpty();
            disk.fullAfter(0);
            Unavailable told = fill(fixture, origin);
            StripeHealth full = fixture.stripe.health();
            assertThat(full.isServing()).isFalse();
            assertThat(full.unavailable()).contains(new StripeBudget.Unavailability(Reason.DISK_FULL, told.detail()));
            assertThat(full.appendWait()).isPositive();
            assertThat(full.unflushedAge()).isPositive();
            disk.roomAgain();
            while (!(origin.receiveMessage(LONG) instanceof Available)) {
                // What waited is written.
            }
            StripeHealth again = fixture.stripe.health();
            assertThat(again.isServing()).isTrue();
            assertThat(again.unavailable()).isEmpty();
            assertThat(again.appendWait()).isZero();
            assertThat(fixture.stripe.meters().stallCount()).isPositive();
            fixture.stop();
        }
        assertThat(events)
                .anySatisfy(event -> assertThat(event)
                        .startsWith("WARN event=stripe-unavailable stripe=0 reason=DISK_FULL detail=\"stripe 0: "));
        assertThat(events).containsOnlyOnce("WARN event=stripe-available stripe=0");
    }

    @Test
    void eachPhaseOfAFailingDeviceIsAnEvent() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            Frame first = fixture.append(origin, frame(1, "first"));
            disk.failNextForces(1);
            Frame second = frame(1, "second");
            fixture.send(origin, second, true, 1);
            assertWritten(origin, second, 1);
            expect(origin, FlushFailed.class);
            fixture.writer.tell(new Rewrite(List.of(first, second), origin.ref()));
            expect(origin, Rewritten.class);
            origin.awaitAssert(LONG, () -> {
                assertThat(fixture.stripe.health().isServing()).isTrue();
                return null;
            });
            assertThat(fixture.stripe.meters().rewriteCount()).isEqualTo(1);
            origin.awaitAssert(LONG, () -> {
                assertThat(fixture.stripe.health().unflushedAge()).isZero();
                return null;
            });
            fixture.stop();
        }
        List<String> phases = events.stream()
                .filter(event -> event.contains("event=stripe-phase"))
                .map(event -> event.replaceAll(" written=.*", ""))
                .toList();
        assertThat(phases)
                .containsExactly(
                        "WARN event=stripe-phase stripe=0 from=RUNNING to=REWRITING",
                        "WARN event=stripe-phase stripe=0 from=REWRITING to=RUNNING",
                        "INFO event=stripe-phase stripe=0 from=RUNNING to=CLOSING",
                        "INFO event=stripe-phase stripe=0 from=CLOSING to=CLOSED");
        assertThat(events.get(0)).startsWith("INFO event=stripe-opened stripe=0 epoch=1 ");
        assertThat(events)
                .anySatisfy(event -> assertThat(event)
                        .contains("to=REWRITING written=2 durable=0 cause=")
                        .doesNotContain("\n"));
    }

    @Test
    void aDiskThatGetsLowAndIsNoMoreIsAnEventEach() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(
                disk, StripeFixture.with(LONG, LONG, 1 << 30, Duration.ofMillis(20), LONG), 64 * 1024, 10 << 20)) {
            TestProbe<Event> origin = fixture.origin();
            disk.fullAfter(8 << 20);
            origin.awaitAssert(LONG, () -> {
                assertThat(fixture.stripe.health().diskRefuses()).containsExactly(Tier.SEND);
                assertThat(events)
                        .anyMatch(event -> event.startsWith("WARN event=disk-low stripe=0 free-bytes=")
                                && event.endsWith(" refused=\"[SEND]\""));
                return null;
            });
            assertThat(fixture.stripe.health().isServing()).as("it takes acks").isTrue();
            assertThat(fixture.stripe.health().freeDiskBytes()).isLessThan(10 << 20);
            assertThat(fixture.stripe.health().lowDiskBytes()).isEqualTo(10 << 20);
            disk.fullAfter(4 << 20);
            origin.awaitAssert(LONG, () -> {
                assertThat(events)
                        .anyMatch(event -> event.startsWith("WARN event=disk-low stripe=0 free-bytes=")
                                && event.endsWith(" refused=\"[SEND, DELIVERY]\""));
                return null;
            });
            disk.roomAgain();
            origin.awaitAssert(LONG, () -> {
                assertThat(fixture.stripe.health().diskRefuses()).isEmpty();
                assertThat(events).anyMatch(event -> event.startsWith("WARN event=disk-enough stripe=0 free-bytes="));
                return null;
            });
            fixture.stop();
        }
    }

    /** And no others: it is measured again and again. */
    @Test
    void whoIsRefusedForWantOfDiskIsAnEventWheneverThatChanges() {
        StripeBudget budget = new StripeBudget(3, 1 << 20, 75, 1000, 200);
        StripeStatus status = new StripeStatus(3, null, budget, new StripeMeters(3, () -> 0));
        for (long free :
                new long[] {Long.MAX_VALUE, 1000, 999, 990, 750, 749, 400, 399, 200, 199, 0, 250, 1000, 2000, 0}) {
            budget.freeDisk(free);
            status.diskMeasured();
        }
        assertThat(events)
                .containsExactly(
                        "WARN event=disk-low stripe=3 free-bytes=999 refused=\"[SEND]\"",
                        "WARN event=disk-low stripe=3 free-bytes=749 refused=\"[SEND, DELIVERY]\"",
                        "WARN event=disk-low stripe=3 free-bytes=399 refused=\"[SEND, DELIVERY, EXTENSION]\"",
                        "WARN event=disk-full stripe=3 free-bytes=199 refused=\"[SEND, DELIVERY, EXTENSION, ACK]\"",
                        "WARN event=disk-low stripe=3 free-bytes=250 refused=\"[SEND, DELIVERY, EXTENSION]\"",
                        "WARN event=disk-enough stripe=3 free-bytes=1000",
                        "WARN event=disk-full stripe=3 free-bytes=0 refused=\"[SEND, DELIVERY, EXTENSION, ACK]\"");
    }

    @Test
    void aBugIsAnErrorThatNamesIt() throws IOException {
        try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
            TestProbe<Event> origin = fixture.origin();
            disk.observe((operation, path, at, length) -> {
                throw new AssertionError("a bug on purpose");
            });
            fixture.send(origin, frame(1, "a"), false, 0);
            origin.awaitAssert(LONG, () -> {
                assertThat(events)
                        .anySatisfy(event -> assertThat(event)
                                .startsWith("ERROR event=stripe-phase stripe=0 from=RUNNING to=CLOSED")
                                .contains("a bug on purpose"));
                return null;
            });
            assertThat(fixture.stripe.health().isServing()).isFalse();
            // Said behind the event.
            origin.awaitAssert(LONG, () -> {
                assertThat(fixture.stripe.health().unavailable())
                        .hasValueSatisfying(
                                unavailable -> assertThat(unavailable.reason()).isEqualTo(Reason.CLOSED));
                return null;
            });
        }
    }

    @Test
    void aLineIsReadBackWhateverIsInIt() {
        assertThat(EventLog.line("what", "a", 1, "b", "x.y-z/0:1+_", "none", null, "c", "two words", "d", ""))
                .isEqualTo("event=what a=1 b=x.y-z/0:1+_ c=\"two words\" d=\"\"");
        assertThat(EventLog.line("what", "a", "say \"no\"\n\\=", "b", StripePhase.READ_ONLY))
                .isEqualTo("event=what a=\"say \\\"no\\\"\\u000a\\\\=\" b=READ_ONLY");
    }
}
