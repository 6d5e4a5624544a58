package io.forebay.store;

import static io.forebay.store.StripeFixture.LONG;
import static io.forebay.store.StripeFixture.assertWritten;
import static io.forebay.store.StripeFixture.expect;
import static io.forebay.store.StripeFixture.frame;
import static io.forebay.store.StripeFixture.patient;
import static org.assertj.core.api.Assertions.assertThat;

import akka.actor.testkit.typed.javadsl.TestProbe;
import io.forebay.storage.log.Frame;
import io.forebay.store.StoreWriter.Available;
import io.forebay.store.StoreWriter.Durable;
import io.forebay.store.StoreWriter.Event;
import io.forebay.store.StoreWriter.Unavailable;
import io.forebay.testkit.faults.DiskObserver.Operation;
import io.forebay.testkit.faults.MemoryDisk;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import jdk.jfr.Name;
import jdk.jfr.Recording;
import jdk.jfr.Threshold;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The flight recorder shows the forces of a stripe and the times in which its appends waited, as long as they were. */
class JfrEventsTest {
    private final MemoryDisk disk = new MemoryDisk();

    @TempDir
    Path folder;

    /** The recorder's clock may go otherwise than the machine's: what is compared with what it shows is measured by it, too. */
    @Name(HeldEvent.NAME)
    static final class HeldEvent extends jdk.jfr.Event {
        static final String NAME = "io.forebay.test.Held";
    }

    private List<RecordedEvent> held = List.of();

    /** Something that uses a stripe. */
    private interface Use {
        void with(StripeFixture fixture, TestProbe<Event> origin) throws IOException;
    }

    private List<RecordedEvent> recorded(String name, Duration threshold, Use use) throws IOException {
        try (Recording recording = new Recording()) {
            recording.enable(name).withThreshold(threshold);
            recording.enable(HeldEvent.NAME).withoutThreshold();
            recording.start();
            try (StripeFixture fixture = StripeFixture.open(disk, patient())) {
                use.with(fixture, fixture.origin());
                fixture.stop();
            }
            recording.stop();
            Path file = folder.resolve("recording.jfr");
            recording.dump(file);
            List<RecordedEvent> all = RecordingFile.readAllEvents(file);
            held = named(all, HeldEvent.NAME);
            return named(all, name);
        }
    }

    private static List<RecordedEvent> named(List<RecordedEvent> all, String name) {
        // Each thread's are in order, those of several are not.
        return all.stream()
                .filter(event -> event.getEventType().getName().equals(name))
                .sorted(Comparator.comparing(RecordedEvent::getStartTime))
                .toList();
    }

    @Test
    void aForceIsRecordedWithItsGroupAndItsLength() throws IOException {
        CountDownLatch mayForce = new CountDownLatch(1);
        CountDownLatch forcing = new CountDownLatch(1);
        List<RecordedEvent> events = recorded(ForceEvent.NAME, Duration.ZERO, (fixture, origin) -> {
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.FORCE && path.startsWith("segment-") && forcing.getCount() > 0) {
                    forcing.countDown();
                    await(mayForce);
                }
            });
            Frame first = frame(1, "a");
            fixture.send(origin, first, true, 0);
            assertWritten(origin, first, 0);
            await(forcing);
            HeldEvent holding = new HeldEvent();
            holding.begin();
            Frame second = frame(1, "b");
            fixture.send(origin, second, true, 1);
            assertWritten(origin, second, 1);
            Frame third = frame(1, "c");
            fixture.send(origin, third, true, 2);
            assertWritten(origin, third, 2);
            holding.commit();
            mayForce.countDown();
            while (expect(origin, Durable.class).upToSequence() < third.lastSequence()) {
                // One for each force.
            }
        });
        assertThat(events).hasSizeGreaterThanOrEqualTo(2);
        RecordedEvent first = events.get(0);
        assertThat(first.getInt("stripe")).isZero();
        assertThat(first.getInt("frames")).isEqualTo(1);
        assertThat(first.getLong("bytes")).isPositive();
        assertThat(first.getBoolean("failed")).isFalse();
        assertThat(held).hasSize(1);
        assertThat(first.getStartTime()).isBeforeOrEqualTo(held.get(0).getStartTime());
        assertThat(first.getEndTime()).isAfterOrEqualTo(held.get(0).getEndTime());
        assertThat(events.get(1).getInt("frames"))
                .as("what came during the first is forced at once")
                .isEqualTo(2);
    }

    @Test
    void aForceThatFailedIsRecordedAsThat() throws IOException {
        List<RecordedEvent> events = recorded(ForceEvent.NAME, Duration.ZERO, (fixture, origin) -> {
            disk.failNextForces(1);
            Frame first = frame(1, "a");
            fixture.send(origin, first, true, 0);
            assertWritten(origin, first, 0);
            expect(origin, StoreWriter.FlushFailed.class);
            fixture.writer.tell(new StoreWriter.Rewrite(List.of(first), origin.ref()));
            expect(origin, StoreWriter.Rewritten.class);
        });
        assertThat(events.get(0).getBoolean("failed")).isTrue();
    }

    /** As a page of a map that cannot be had shows. */
    @Test
    void aForceThatFailsWithAnErrorOfTheMachineIsRecordedAsFailed() throws IOException {
        AtomicBoolean isFailing = new AtomicBoolean();
        List<RecordedEvent> events = recorded(ForceEvent.NAME, Duration.ZERO, (fixture, origin) -> {
            disk.observe((operation, path, at, length) -> {
                if (operation == Operation.FORCE && isFailing.compareAndSet(true, false)) {
                    throw new InternalError("a fault occurred in a recent unsafe memory access operation");
                }
            });
            isFailing.set(true);
            Frame first = frame(1, "a");
            fixture.send(origin, first, true, 0);
            assertWritten(origin, first, 0);
            expect(origin, StoreWriter.FlushFailed.class);
            fixture.writer.tell(new StoreWriter.Rewrite(List.of(first), origin.ref()));
            expect(origin, StoreWriter.Rewritten.class);
        });
        assertThat(events.get(0).getBoolean("failed")).isTrue();
    }

    /** No range is forced any more then: it is tried in vain to write it again. */
    @Test
    void everyForceOfADeviceThatKeepsFailingIsRecorded() throws IOException {
        List<RecordedEvent> events = recorded(FileForceEvent.NAME, Duration.ZERO, (fixture, origin) -> {
            disk.failNextForces(1_000_000);
            disk.failNextDirectoryForces(1_000_000);
            Frame first = frame(1, "a");
            fixture.send(origin, first, true, 0);
            assertWritten(origin, first, 0);
            expect(origin, StoreWriter.FlushFailed.class);
            fixture.writer.tell(new StoreWriter.Rewrite(List.of(first), origin.ref()));
            expect(origin, Unavailable.class);
            disk.failNextForces(0);
            disk.failNextDirectoryForces(0);
            while (!(origin.receiveMessage(LONG) instanceof StoreWriter.Rewritten)) {
                // Available comes when it has been told of what is written again.
            }
        });
        List<RecordedEvent> failed =
                events.stream().filter(event -> event.getBoolean("failed")).toList();
        assertThat(failed.stream().map(event -> event.getString("kind")))
                .as("the range, then each attempt to write it again")
                .startsWith("segment")
                .hasSizeGreaterThanOrEqualTo(4)
                .containsOnly("segment", "directory");
        assertThat(failed.get(0).getLong("bytes")).isPositive();
        assertThat(events.stream().map(event -> event.getInt("stripe"))).containsOnly(0);
        assertThat(events.stream().filter(event -> !event.getBoolean("failed")).map(event -> event.getString("kind")))
                .containsOnly("segment", "directory", "index", "checkpoint");
    }

    @Test
    void aStallIsRecordedWithItsCause() throws IOException {
        List<RecordedEvent> events = recorded(AppendStallEvent.NAME, Duration.ZERO, (fixture, origin) -> {
            disk.fullAfter(0);
            String large = "x".repeat(8000);
            boolean isTaken = true;
            for (int sent = 0; isTaken; sent++) {
                assertThat(sent).isLessThan(1000);
                fixture.send(origin, frame(1, large), false, sent);
                isTaken = !(origin.receiveMessage(LONG) instanceof Unavailable);
            }
            disk.roomAgain();
            while (!(origin.receiveMessage(LONG) instanceof Available)) {
                // What waited is written.
            }
        });
        RecordedEvent longest = events.stream()
                .max((one, other) -> one.getDuration().compareTo(other.getDuration()))
                .orElseThrow();
        assertThat(longest.getInt("stripe")).isZero();
        assertThat(longest.getString("cause")).isIn("DISK_FULL", "the next segment");
        assertThat(longest.getDuration()).as("a pause at least").isGreaterThan(Duration.ofMillis(10));
    }

    /** A recording with default settings takes what is worth looking at. */
    @Test
    void shortOnesAreLeftOutUnlessAskedFor() throws IOException {
        assertThat(ForceEvent.class.getAnnotation(Threshold.class).value()).isEqualTo("20 ms");
        assertThat(FileForceEvent.class.getAnnotation(Threshold.class).value()).isEqualTo("20 ms");
        assertThat(AppendStallEvent.class.getAnnotation(Threshold.class).value())
                .isEqualTo("20 ms");
        assertThat(recorded(ForceEvent.NAME, Duration.ofHours(1), (fixture, origin) -> {
                    Frame first = frame(1, "a");
                    fixture.send(origin, first, true, 0);
                    assertWritten(origin, first, 0);
                    expect(origin, Durable.class);
                }))
                .isEmpty();
    }

    private static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(LONG.toSeconds(), TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
