package io.forebay.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The judge of the demo finds what breaks I1 (lost), I2 (altered), I3 (order), I4 (back after its ack), and nothing else. */
class DemoJudgeTest {
    private static final int QUEUE = 3;

    @TempDir
    Path folder;

    private DemoInput input;
    private DemoJudge judge;

    @BeforeEach
    void tenLines() throws IOException {
        Path file = Files.writeString(folder.resolve("ten"), "x\n".repeat(10));
        input = DemoInput.of(List.of(file.toString()), 1);
        judge = new DemoJudge(input.messageCount());
    }

    @Test
    void goodRunIsGood() {
        all(0, 10);
        DemoJudge.Verdict verdict = judge.verdict(input);
        assertThat(verdict.isGood()).isTrue();
        assertThat(judge.isWhole()).isTrue();
        assertThat(verdict.sendToPopP50Nanos()).isBetween(50L, 51L);
    }

    @Test
    void lostIsWhatWasConfirmedAndNeverCame() {
        all(0, 9);
        send(9);
        assertThat(judge.verdict(input).lostCount())
                .as("not confirmed, not lost")
                .isZero();
        assertThat(judge.verdict(input).isGood()).isFalse();
        judge.confirmed(9);
        assertThat(judge.verdict(input).lostCount()).isEqualTo(1);
    }

    @Test
    void alteredBodyAndInventedNumberAreSeen() {
        all(0, 9);
        send(9);
        judge.popped(9, 1, QUEUE, 9, 0);
        judge.popped(10, 0, QUEUE, 9, 0);
        judge.popped(-1, 0, QUEUE, 9, 0);
        assertThat(judge.verdict(input).alteredCount()).isEqualTo(3);
        assertThat(judge.verdict(input).isGood()).isFalse();
    }

    @Test
    void inFlightAtTheKillMayComeAgain() {
        all(0, 5);
        send(5);
        judge.confirmed(5);
        pop(5, 5);
        send(6); // unconfirmed: will be sent again, so stored twice
        send(7);
        judge.confirmed(7); // in the queue, not in flight
        judge.nodeKilled();
        pop(7, 8); // the answer was on the wire
        judge.nodeBack();
        pop(5, 5);
        judge.acked(5);
        judge.confirmed(6);
        pop(6, 6);
        judge.acked(6);
        pop(6, 7);
        pop(7, 8);
        judge.acked(7);
        all(8, 10);
        DemoJudge.Verdict verdict = judge.verdict(input);
        assertThat(verdict.duplicateAtKillCount()).isEqualTo(3);
        assertThat(verdict.duplicateElsewhereCount()).isZero();
        assertThat(verdict.isGood()).isTrue();
    }

    @Test
    void ackedMessageMustNotComeBackNotEvenOverAKill() {
        all(0, 10);
        judge.nodeKilled();
        judge.nodeBack();
        pop(4, 4);
        assertThat(judge.verdict(input).afterAckCount()).isEqualTo(1);
        assertThat(judge.verdict(input).isGood()).isFalse();
    }

    @Test
    void duplicateWithoutAKillIsCountedApart() {
        all(0, 9);
        send(9);
        judge.confirmed(9);
        pop(9, 10);
        pop(9, 10);
        judge.acked(9);
        DemoJudge.Verdict verdict = judge.verdict(input);
        assertThat(verdict.duplicateElsewhereCount()).isEqualTo(1);
        assertThat(verdict.isGood()).as("at-least-once").isTrue();
    }

    @Test
    void orderIsThatOfTheQueueNotOfThePop() {
        for (int number = 0; number < 10; number++) {
            send(number);
            judge.confirmed(number);
        }
        for (int number = 9; number >= 0; number--) {
            pop(number, 100 + number);
            judge.acked(number);
        }
        assertThat(judge.verdict(input).isGood()).isTrue();

        DemoJudge other = new DemoJudge(10);
        other.sent(0, 0, 0);
        other.sent(1, 0, 0);
        other.popped(0, 0, QUEUE, 8, 1);
        other.popped(1, 0, QUEUE, 7, 1);
        assertThat(other.verdict(input).orderBreakCount()).isEqualTo(1);
    }

    private void all(int from, int to) {
        for (int number = from; number < to; number++) {
            send(number);
            judge.confirmed(number);
            pop(number, number > 6 ? number + 1 : number);
            judge.acked(number);
        }
    }

    private void send(int number) {
        judge.sent(number, 0, number * 10L);
    }

    private void pop(int number, long queueOffset) {
        judge.popped(number, 0, QUEUE, queueOffset, number * 10L + 50);
    }
}
