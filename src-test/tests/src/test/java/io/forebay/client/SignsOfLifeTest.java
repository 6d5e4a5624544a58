package io.forebay.client;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.client.SignsOfLife.Verdict;
import io.forebay.protocol.SessionLimits;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the silence of a node means, on a clock that the test moves. */
class SignsOfLifeTest {
    private static final SessionLimits LIMITS =
            new SessionLimits(262_144, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1000, 6000);
    private static final long BEGIN = 50_000;

    private final SignsOfLife signs = new SignsOfLife();
    private long now = BEGIN;

    private void open(boolean isWatched) {
        signs.opened(LIMITS, isWatched, now);
    }

    /** Wakes up whenever it says so; what it wants, and how long after the beginning, until it is lost. */
    private List<String> untilLost() {
        List<String> wanted = new ArrayList<>();
        Verdict verdict = Verdict.ALIVE;
        while (verdict != Verdict.LOST) {
            assertThat(signs.nextMillis())
                    .as("does not ask to be called at once")
                    .isGreaterThan(now);
            now = signs.nextMillis();
            verdict = signs.look(now);
            if (verdict != Verdict.ALIVE) {
                wanted.add(verdict + " " + (now - BEGIN));
            }
            if (verdict != Verdict.LOST) {
                signs.takeHeartbeat(now);
            }
        }
        return wanted;
    }

    @Test
    void aSilentNodeIsAskedWhenTwoAnswersAreMissingAndThenOnceAnIntervalUntilItIsLost() {
        open(false);
        assertThat(untilLost()).containsExactly("ASK 2500", "ASK 3500", "ASK 4500", "ASK 5500", "LOST 6000");
        assertThat(signs.silentMillis(now)).isEqualTo(6000);
    }

    @Test
    void whoIsWatchedIsNotAsked() {
        open(true);
        assertThat(untilLost()).containsExactly("LOST 6000");
    }

    @Test
    void aNodeThatAnswersIsNotAsked() {
        open(false);
        for (int beat = 1; beat <= 20; beat++) {
            now = signs.nextMillis();
            assertThat(signs.look(now)).isEqualTo(Verdict.ALIVE);
            assertThat(signs.takeHeartbeat(now)).isEqualTo(beat);
            assertThat(signs.takeHeartbeat(now)).isZero();
            assertThat(now - BEGIN).isEqualTo(1000L * beat);
            signs.heard(now + 300);
        }
    }

    @Test
    void whatIsHeardBetweenTwoQuestionsBeginsTheSilenceAnew() {
        open(false);
        now += 2600;
        signs.look(now - 1000);
        assertThat(signs.look(now)).isEqualTo(Verdict.ASK);
        signs.takeHeartbeat(now);
        signs.heard(now);
        long heard = now - BEGIN;
        assertThat(untilLost()).startsWith("ASK " + (heard + 2500)).endsWith("LOST " + (heard + 6000));
    }

    @Test
    void whoStoodStillItselfGivesWhatWasSaidMeanwhileTimeToBeTaken() {
        open(false);
        now += 60_000;
        assertThat(signs.look(now)).isEqualTo(Verdict.ALIVE);
        assertThat(signs.takeHeartbeat(now)).isEqualTo(1);
        long stood = now - BEGIN;
        assertThat(untilLost()).startsWith("ASK " + (stood + 1000)).endsWith("LOST " + (stood + 3000));
    }

    /** An answer that was long on its way must not end the session that has been opened since. */
    @Test
    void whatWasAskedBeforeTheSessionWasOpenedMeansNothingForIt() {
        open(false);
        untilLost();
        long before = signs.askNumber();
        assertThat(signs.hasAsked(before)).isTrue();
        assertThat(signs.hasAsked(before + 1)).isFalse();
        open(false);
        assertThat(signs.hasAsked(before)).isFalse();
        now += 2500;
        signs.look(now - 600);
        assertThat(signs.look(now)).isEqualTo(Verdict.ASK);
        assertThat(signs.askNumber()).isEqualTo(before + 1);
        assertThat(signs.hasAsked(before + 1)).isTrue();
    }
}
