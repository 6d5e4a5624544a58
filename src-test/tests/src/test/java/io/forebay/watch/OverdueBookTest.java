package io.forebay.watch;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.storage.log.WrittenBytes;
import io.forebay.store.StripeHealth;
import io.forebay.store.StripePhase;
import io.forebay.testkit.sim.SeededRun;
import io.forebay.watch.NodeView.State;
import io.forebay.watch.OverdueBook.Begun;
import io.forebay.watch.OverdueBook.Change;
import io.forebay.watch.OverdueBook.Ended;
import io.forebay.watch.OverdueBook.Look;
import io.forebay.watch.OverdueBook.Subject;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;

/**
 * I8: what waits for longer than it may begins once and ends once, however often it is looked; and nothing that does so is
 * missed, though it is looked only now and then.
 */
class OverdueBookTest {
    private static final Duration LIMIT = Duration.ofSeconds(10);
    private static final Duration SILENCE = LIMIT.multipliedBy(3);
    private static final Duration MOMENT = Duration.ofMillis(1);

    private final OverdueBook book = new OverdueBook(LIMIT);
    private long nanos = Long.MAX_VALUE - 5; // a clock may wrap
    private State state = State.SERVING;
    private Duration silence = Duration.ZERO;

    private static StripeHealth stripe(int id, StripePhase phase, Duration appendWait, Duration unflushedAge) {
        return new StripeHealth(
                id,
                phase,
                Optional.empty(),
                1,
                20,
                10,
                100,
                1000,
                unflushedAge,
                appendWait,
                5000,
                0,
                Set.of(),
                0,
                0,
                0,
                0,
                0,
                new WrittenBytes(0, 0, 0, 0, 0),
                Optional.empty());
    }

    private static StripeHealth waiting(int id, Duration appendWait) {
        return stripe(id, StripePhase.RUNNING, appendWait, Duration.ZERO);
    }

    private static StripeHealth unflushed(int id, Duration age) {
        return stripe(id, StripePhase.RUNNING, Duration.ZERO, age);
    }

    private static Subject of(Overdue what, int stripe) {
        return new Subject(what, Optional.of(stripe));
    }

    private Look look(StripeHealth... stripes) {
        return book.look(new HealthView.Node(state, Optional.empty(), silence, List.of()), List.of(stripes), nanos);
    }

    private List<Change> changes(StripeHealth... stripes) {
        return look(stripes).changes();
    }

    private void pass(Duration time) {
        nanos += time.toNanos();
    }

    @Test
    void whatWaitsForNoLongerThanItMayIsNotTold() {
        silence = SILENCE;
        assertThat(changes(stripe(0, StripePhase.RUNNING, LIMIT, LIMIT))).isEmpty();
    }

    @Test
    void itIsToldOnceThatItBeginsAndOnceThatItEnds() {
        Duration waited = LIMIT.plusMillis(3);
        assertThat(changes(unflushed(0, waited)))
                .containsExactly(new Begun(
                        of(Overdue.FORCE_SLOW, 0),
                        waited,
                        "what is written has not been forced for 10.0 s: nothing is answered FLUSHED"));
        pass(Duration.ofSeconds(5));
        assertThat(changes(unflushed(0, waited.plusSeconds(5)))).isEmpty();
        pass(Duration.ofSeconds(1));
        // The force has ended, and what was written meanwhile waits for as long.
        assertThat(changes(unflushed(0, LIMIT.plusMillis(1)))).isEmpty();
        pass(Duration.ofSeconds(1));
        assertThat(changes(unflushed(0, Duration.ofMillis(5))))
                .containsExactly(new Ended(of(Overdue.FORCE_SLOW, 0), waited.plusSeconds(7)));
        assertThat(changes(unflushed(0, Duration.ZERO))).isEmpty();
        assertThat(changes(unflushed(0, waited))).as("another time").hasSize(1);
    }

    @Test
    void eachStripeAndEachKindIsToldByItself() {
        Duration waited = LIMIT.plusMillis(3);
        assertThat(changes(waiting(0, waited), unflushed(1, waited)))
                .extracting(Change::subject)
                .containsExactly(of(Overdue.APPENDS_STALLED, 0), of(Overdue.FORCE_SLOW, 1));
        assertThat(changes(stripe(0, StripePhase.RUNNING, waited, waited), unflushed(1, Duration.ZERO)))
                .containsExactly(
                        new Begun(
                                of(Overdue.FORCE_SLOW, 0),
                                waited,
                                "what is written has not been forced for 10.0 s: nothing is answered FLUSHED"),
                        new Ended(of(Overdue.FORCE_SLOW, 1), waited));
        assertThat(changes(waiting(0, Duration.ZERO), waiting(1, waited)))
                .extracting(Change::subject)
                .containsExactly(
                        of(Overdue.APPENDS_STALLED, 0), of(Overdue.FORCE_SLOW, 0), of(Overdue.APPENDS_STALLED, 1));
    }

    @Test
    void actorsThatOweAnAnswerAreOfTheNode() {
        Subject node = new Subject(Overdue.NODE_SILENT, Optional.empty());
        silence = SILENCE.plusSeconds(1);
        assertThat(changes(waiting(0, Duration.ZERO)))
                .containsExactly(new Begun(node, silence, "the node's actors have not answered for 31.0 s"));
        pass(Duration.ofSeconds(9));
        silence = Duration.ZERO;
        assertThat(changes(waiting(0, Duration.ZERO))).containsExactly(new Ended(node, Duration.ofSeconds(40)));
    }

    /** A stripe that is in another phase has an event for that. */
    @Test
    void appendsThatWaitForWhatIsToldAnywayAreNotToldAsWell() {
        Duration waited = LIMIT.plusSeconds(1);
        assertThat(changes(stripe(0, StripePhase.REWRITING, waited, Duration.ZERO)))
                .isEmpty();
        assertThat(changes(waiting(0, waited)))
                .as("it is over, and they wait on")
                .hasSize(1);
    }

    /** Whoever is told that it is over may take it that appends go on. */
    @Test
    void itIsNotOverWhileTheyWaitForSomethingElse() {
        Duration waited = LIMIT.plusSeconds(1);
        assertThat(changes(waiting(0, waited))).hasSize(1);
        pass(Duration.ofSeconds(2));
        assertThat(changes(stripe(0, StripePhase.REWRITING, waited.plusSeconds(2), Duration.ZERO)))
                .isEmpty();
        pass(Duration.ofSeconds(1));
        assertThat(changes(stripe(0, StripePhase.CLOSED, Duration.ZERO, Duration.ZERO)))
                .containsExactly(new Ended(of(Overdue.APPENDS_STALLED, 0), waited.plusSeconds(3)));
    }

    @Test
    void aNodeThatStopsIsToldOfNothingNewAndOfWhatIsOver() {
        Duration waited = LIMIT.plusSeconds(1);
        assertThat(changes(unflushed(0, waited), unflushed(1, Duration.ZERO))).hasSize(1);
        state = State.STOPPING;
        silence = SILENCE.plusSeconds(1);
        assertThat(changes(unflushed(0, waited), unflushed(1, waited))).isEmpty();
        assertThat(changes(unflushed(0, Duration.ZERO), unflushed(1, Duration.ZERO)))
                .containsExactly(new Ended(of(Overdue.FORCE_SLOW, 0), waited));
    }

    @Test
    void itIsLookedAgainWhenWhatWaitsDoesSoForTooLong() {
        assertThat(look(waiting(0, Duration.ZERO)).pause()).isEqualTo(LIMIT);
        assertThat(look(stripe(0, StripePhase.RUNNING, LIMIT.minusSeconds(4), LIMIT.minusSeconds(7)))
                        .pause())
                .isEqualTo(Duration.ofSeconds(4).plus(MOMENT));
        silence = SILENCE.minusSeconds(2);
        assertThat(look(waiting(0, Duration.ZERO)).pause())
                .isEqualTo(Duration.ofSeconds(2).plus(MOMENT));
        silence = Duration.ZERO;
        assertThat(look(waiting(0, LIMIT.plusMillis(1))).pause()).isEqualTo(LIMIT.dividedBy(10));
        assertThat(look(stripe(0, StripePhase.REWRITING, LIMIT.plusMillis(1), Duration.ZERO))
                        .pause())
                .as("as soon as it is told otherwise it is told")
                .isEqualTo(LIMIT.dividedBy(10));
    }

    /** Waits of any length, one behind the other, and looks when they are asked for. */
    @Test
    void noneThatLastsForTooLongIsMissedAndNoneIsToldTwice() {
        SeededRun.run("waits", (random, progress) -> {
            for (int run = 0; run < 200; run++) {
                checkWaits(random);
            }
        });
    }

    private static void checkWaits(RandomGenerator random) {
        OverdueBook book = new OverdueBook(LIMIT);
        List<Change> changes = new ArrayList<>();
        long lookMillis = 0;
        long beginMillis = 0;
        int longCount = 0;
        for (int i = 0; i < 50; i++) {
            long millis = random.nextLong(2 * LIMIT.toMillis());
            if (millis > LIMIT.plus(MOMENT).toMillis()) {
                longCount++;
            } else if (millis > LIMIT.toMillis()) {
                millis -= 2; // over in the moment in which it lasts for too long: it may be seen or not
            }
            while (lookMillis < beginMillis + millis) {
                Look look = book.look(
                        new HealthView.Node(State.SERVING, Optional.empty(), Duration.ZERO, List.of()),
                        List.of(waiting(0, Duration.ofMillis(lookMillis - beginMillis))),
                        Duration.ofMillis(lookMillis).toNanos());
                changes.addAll(look.changes());
                lookMillis += look.pause().toMillis();
            }
            beginMillis += millis;
        }
        List<Begun> begun = changes.stream()
                .filter(Begun.class::isInstance)
                .map(Begun.class::cast)
                .toList();
        assertThat(begun).hasSize(longCount).allMatch(one -> one.waited().equals(LIMIT.plus(MOMENT)));
        // The end of the last may not have been seen.
        assertThat(changes).hasSizeBetween(2 * longCount - 1, 2 * longCount);
        for (int i = 0; i < changes.size(); i++) {
            assertThat(changes.get(i)).isInstanceOf(i % 2 == 0 ? Begun.class : Ended.class);
        }
    }
}
