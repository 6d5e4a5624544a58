package io.forebay.queue.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.DeadLetteredRecord;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.GroupSnapshot;
import io.forebay.storage.log.KeyParkedRecord;
import io.forebay.storage.log.KeyUnparkedRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PopRecord;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.SeekRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.LongUnaryOperator;
import org.junit.jupiter.api.Test;

/** I3, I4, I5, I6, I7 of one group and queue, rule by rule. The mixture is {@link GroupQueueStateModelTest}'s. */
class GroupQueueStateTest {
    private static final long EPOCH = 3;
    private static final long NONCE = 77;
    private static final long SESSION = 5;
    private static final long READABLE = 1_000;
    private static final long INVISIBLE = 100;

    private GroupQueueState state = new GroupQueueState(new GroupQueueLimits(256, 1_000), 0);
    private long nextSequence = 1;
    private long nextRequest = 1;

    @Test
    void popTakesNewMessagesInOrderOfOffset() {
        assertThat(pop(0, 3).deliveries()).containsExactly(new DeliveryRange(0, 3, 1));
        assertThat(pop(0, 2).deliveries()).containsExactly(new DeliveryRange(3, 2, 1));
    }

    @Test
    void popOfNothingReadableIsEmpty() {
        assertThat(decide(0, 5, 0).reason()).isEqualTo(PopReason.EMPTY);
    }

    @Test
    void messageThatExpiredGoesOutAgainBeforeNewOnesWithTheNextAttempt() {
        pop(0, 2);
        assertThat(pop(INVISIBLE - 1, 1).deliveries()).containsExactly(new DeliveryRange(2, 1, 1));
        assertThat(pop(INVISIBLE, 3).deliveries())
                .containsExactly(new DeliveryRange(0, 2, 2), new DeliveryRange(3, 1, 1));
    }

    @Test
    void lateAckIsTakenUntilTheMessageGoesOutAgain() {
        Checkpoint first = pop(0, 2);
        state.expire(INVISIBLE);
        assertThat(ack(first, 0)).isEqualTo(HandleOutcome.ACCEPTED);
        assertThat(pop(INVISIBLE, 1).deliveries()).containsExactly(new DeliveryRange(1, 1, 2));
        assertThat(ack(first, 1)).isEqualTo(HandleOutcome.STALE_HANDLE);
    }

    @Test
    void ackOfASettledMessageIsAlreadySettledWhicheverHandleAsks() {
        Checkpoint first = pop(0, 1);
        Checkpoint second = pop(INVISIBLE, 1);
        assertThat(ack(second, 0)).isEqualTo(HandleOutcome.ACCEPTED);
        assertThat(ack(first, 0)).isEqualTo(HandleOutcome.ALREADY_SETTLED);
        assertThat(ack(second, 0)).isEqualTo(HandleOutcome.ALREADY_SETTLED);
    }

    @Test
    void handleWithAnotherNonceIsForged() {
        Checkpoint popped = pop(0, 1);
        TokenBatch batch = new TokenBatch(1).add(0, EPOCH, popped.sequence(), NONCE + 1);
        assertThat(state.decideAck(batch)).isNull();
        assertThat(batch.outcome(0)).isEqualTo(HandleOutcome.FORGED_HANDLE);
    }

    @Test
    void handleOfAMessageNeverPoppedIsUnknown() {
        Checkpoint popped = pop(0, 1);
        assertThat(ack(popped, 1)).isEqualTo(HandleOutcome.UNKNOWN_OFFSET);
        assertThat(ack(popped, -1)).isEqualTo(HandleOutcome.UNKNOWN_OFFSET);
    }

    @Test
    void oneRecordCarriesWhatAnAckSettlesAndNothingElse() {
        Checkpoint popped = pop(0, 6);
        ack(popped, 2);
        TokenBatch batch = new TokenBatch(1);
        for (long offset : new long[] {4, 0, 2, 4, 9}) {
            batch.add(offset, EPOCH, popped.sequence(), NONCE);
        }
        AckRecord record = state.decideAck(batch);
        assertThat(record.offsets()).isEqualTo(OffsetSet.of(0, 4));
        assertThat(List.of(batch.outcome(0), batch.outcome(1), batch.outcome(2), batch.outcome(3), batch.outcome(4)))
                .containsExactly(
                        HandleOutcome.ACCEPTED,
                        HandleOutcome.ACCEPTED,
                        HandleOutcome.ALREADY_SETTLED,
                        HandleOutcome.ACCEPTED,
                        HandleOutcome.UNKNOWN_OFFSET);
    }

    @Test
    void floorPassesOnlyWhatIsSettledWithoutAGap() {
        Checkpoint popped = pop(0, 4);
        ack(popped, 1);
        assertThat(state.floor()).isZero();
        ack(popped, 0);
        assertThat(state.floor()).isEqualTo(2);
        assertThat(state.counts(READABLE).depth()).isEqualTo(READABLE - 2);
    }

    @Test
    void extendedMessageComesBackAtItsNewDeadlineAndKeepsItsHandle() {
        Checkpoint popped = pop(0, 2);
        change(popped, DeadlineRecord.Kind.EXTENDED, 50, 500, 0);
        assertThat(state.expire(INVISIBLE)).isEqualTo(1);
        assertThat(pop(INVISIBLE, 1).deliveries()).containsExactly(new DeliveryRange(1, 1, 2));
        assertThat(state.nextDueMillis()).isLessThanOrEqualTo(550);
        assertThat(ack(popped, 0)).isEqualTo(HandleOutcome.ACCEPTED);
    }

    @Test
    void deadlineMayBeShortened() {
        Checkpoint popped = pop(0, 1);
        change(popped, DeadlineRecord.Kind.EXTENDED, 10, 5, 0);
        assertThat(state.nextDueMillis()).isEqualTo(15);
        assertThat(state.expire(15)).isEqualTo(1);
    }

    @Test
    void expiredMessageMayBeExtendedUntilItGoesOutAgain() {
        Checkpoint popped = pop(0, 1);
        state.expire(INVISIBLE);
        assertThat(change(popped, DeadlineRecord.Kind.EXTENDED, INVISIBLE, 50, 0))
                .isEqualTo(HandleOutcome.ACCEPTED);
        assertThat(pop(INVISIBLE, 1).deliveries()).containsExactly(new DeliveryRange(1, 1, 1));
        assertThat(state.expire(INVISIBLE + 50)).isEqualTo(1);
    }

    @Test
    void nackedMessageWaitsForItsDelayAndCountsItsAttempt() {
        Checkpoint popped = pop(0, 1);
        change(popped, DeadlineRecord.Kind.NACKED, 10, 30, 0);
        assertThat(state.expire(39)).isZero();
        assertThat(state.expire(40)).isEqualTo(1);
        assertThat(pop(40, 1).deliveries()).containsExactly(new DeliveryRange(0, 1, 2));
    }

    @Test
    void returnedMessageCanBeAckedButNotExtended() {
        Checkpoint popped = pop(0, 2);
        change(popped, DeadlineRecord.Kind.NACKED, 10, 30, 0);
        assertThat(change(popped, DeadlineRecord.Kind.NACKED, 11, 30, 0)).isEqualTo(HandleOutcome.ALREADY_RETURNED);
        assertThat(change(popped, DeadlineRecord.Kind.EXTENDED, 11, 30, 0)).isEqualTo(HandleOutcome.STALE_HANDLE);
        assertThat(ack(popped, 0)).isEqualTo(HandleOutcome.ACCEPTED);
        assertThat(state.expire(40)).isZero();
    }

    @Test
    void givenBackMessageGoesOutAtOnceWithTheSameAttempt() {
        Checkpoint popped = pop(0, 2);
        TokenBatch batch = new TokenBatch(1).add(1, EPOCH, popped.sequence(), NONCE);
        GivenBackRecord record = state.decideGiveBack(batch, 10);
        assertThat(record.counted()).isFalse();
        state.apply(record);
        assertThat(pop(10, 1).deliveries()).containsExactly(new DeliveryRange(1, 1, 1));
        assertThat(ack(popped, 1)).isEqualTo(HandleOutcome.STALE_HANDLE);
    }

    @Test
    void goneConsumersMessagesComeBackCountedAfterTheirBackoff() {
        state.configure(Policies.group(group -> group.backoff = RetryBackoff.exponential(10, 60)), 0, false, 0);
        pop(0, 2);
        pop(INVISIBLE + 10, 3);
        List<GivenBackRecord> records = state.decideConsumerGone(SESSION, INVISIBLE + 11);
        assertThat(records)
                .containsExactly(
                        new GivenBackRecord(OffsetSet.of(2), true, GivenBackRecord.Cause.CONSUMER_GONE, INVISIBLE + 21),
                        new GivenBackRecord(
                                OffsetSet.of(0, 1), true, GivenBackRecord.Cause.CONSUMER_GONE, INVISIBLE + 31));
        records.forEach(state::apply);
        assertThat(state.decideConsumerGone(SESSION, INVISIBLE + 12)).isEmpty();
        assertThat(pop(INVISIBLE + 31, 3).deliveries())
                .containsExactly(new DeliveryRange(0, 2, 3), new DeliveryRange(2, 1, 2));
    }

    @Test
    void closedSessionGivesBackUncounted() {
        pop(0, 2);
        GivenBackRecord record = state.decideSessionClosed(SESSION, 7);
        assertThat(record).isEqualTo(new GivenBackRecord(OffsetSet.of(0, 1), false, GivenBackRecord.Cause.RETURNED, 7));
        state.apply(record);
        assertThat(pop(7, 2).deliveries()).containsExactly(new DeliveryRange(0, 2, 1));
    }

    @Test
    void repeatedRequestGetsTheSameDeliveriesWhileTheyAreInFlight() {
        Checkpoint popped = pop(0, 3);
        ack(popped, 1);
        PopDecision repeated = state.decidePop(
                new PopCommand(SESSION, popped.requestId(), 3, Long.MAX_VALUE, INVISIBLE), 5, READABLE, EPOCH, 1, null);
        assertThat(repeated.reason()).isEqualTo(PopReason.REPEATED);
        assertThat(repeated.repeated()).isSameAs(popped);
        List<Long> inFlight = new ArrayList<>();
        state.visitInFlight(popped, (offset, attempt, deadline) -> inFlight.add(offset));
        assertThat(inFlight).containsExactly(0L, 2L);

        PopDecision afterExpiry = state.decidePop(
                new PopCommand(SESSION, popped.requestId(), 3, Long.MAX_VALUE, INVISIBLE),
                INVISIBLE,
                READABLE,
                EPOCH,
                1,
                null);
        assertThat(afterExpiry.reason()).isEqualTo(PopReason.DELIVERED);
    }

    @Test
    void whoAsksForTheSameDeliveriesOnlyGetsNoOthers() {
        Checkpoint popped = pop(0, 3);
        PopCommand again = new PopCommand(SESSION, popped.requestId(), 0, Long.MAX_VALUE, INVISIBLE);
        assertThat(state.decidePop(again, 5, READABLE, EPOCH, 1, null).repeated())
                .isSameAs(popped);
        PopDecision expired = state.decidePop(again, INVISIBLE, READABLE, EPOCH, 1, null);
        assertThat(expired.record()).isNull();
        assertThat(expired.repeated()).isNull();
    }

    @Test
    void requestOfAnotherSessionIsAnotherRequest() {
        Checkpoint popped = pop(0, 1);
        PopDecision other = state.decidePop(
                new PopCommand(SESSION + 1, popped.requestId(), 1, Long.MAX_VALUE, INVISIBLE),
                0,
                READABLE,
                EPOCH,
                1,
                null);
        assertThat(other.reason()).isEqualTo(PopReason.DELIVERED);
    }

    @Test
    void deliveryWhoseRecordIsNotWrittenHasNoHandleAndDoesNotExpire() {
        PopDecision decision = decide(0, 1, READABLE);
        Checkpoint pending = state.apply(decision.record());
        assertThat(state.hasPending()).isTrue();
        TokenBatch batch = new TokenBatch(1).add(0, EPOCH, -1, NONCE);
        state.decideAck(batch);
        assertThat(batch.outcome(0)).isEqualTo(HandleOutcome.STALE_HANDLE);
        assertThat(state.expire(10 * INVISIBLE)).isZero();
        assertThatThrownBy(() -> state.snapshot()).isInstanceOf(AssertionError.class);
        state.written(pending, nextSequence++);
        assertThat(state.expire(10 * INVISIBLE)).isEqualTo(1);
    }

    @Test
    void cursorStopsAtTheLookAheadAndSaysSo() {
        state = new GroupQueueState(new GroupQueueLimits(4, 100), 0);
        Checkpoint popped = pop(0, 10);
        assertThat(popped.deliveries()).containsExactly(new DeliveryRange(0, 4, 1));
        ack(popped, 3);
        assertThat(decide(0, 1, READABLE).reason()).isEqualTo(PopReason.LOOK_AHEAD_FULL);
        ack(popped, 0);
        assertThat(pop(0, 10).deliveries()).containsExactly(new DeliveryRange(4, 1, 1));
    }

    @Test
    void inFlightLimitIsKept() {
        state = new GroupQueueState(new GroupQueueLimits(100, 3), 0);
        Checkpoint popped = pop(0, 10);
        assertThat(popped.deliveries()).containsExactly(new DeliveryRange(0, 3, 1));
        assertThat(state.available(READABLE)).isZero();
        assertThat(decide(0, 1, READABLE).reason()).isEqualTo(PopReason.IN_FLIGHT_LIMIT);
        ack(popped, 1);
        assertThat(state.available(READABLE)).isEqualTo(1);
    }

    @Test
    void bytesAreLimitedButOneMessageAlwaysGoes() {
        PopCommand small = new PopCommand(SESSION, 1, 10, 5, INVISIBLE);
        assertThat(state.decidePop(small, 0, READABLE, EPOCH, NONCE, offset -> 7)
                        .record()
                        .deliveries())
                .containsExactly(new DeliveryRange(0, 1, 1));
        PopCommand larger = new PopCommand(SESSION, 1, 10, 15, INVISIBLE);
        assertThat(state.decidePop(larger, 0, READABLE, EPOCH, NONCE, offset -> 7)
                        .record()
                        .deliveries())
                .containsExactly(new DeliveryRange(0, 2, 1));
    }

    @Test
    void deadLetteredMessageIsSettled() {
        Checkpoint popped = pop(0, 2);
        state.apply(new DeadLetteredRecord(0, 9, 16, "poison"));
        assertThat(state.floor()).isEqualTo(1);
        assertThat(ack(popped, 0)).isEqualTo(HandleOutcome.ALREADY_SETTLED);
    }

    @Test
    void seekMakesOldHandlesStale() {
        Checkpoint popped = pop(0, 4);
        state.apply(new SeekRecord(1, 5, -1));
        assertThat(state.inFlightCount()).isZero();
        assertThat(ack(popped, 1)).isEqualTo(HandleOutcome.STALE_HANDLE);
        assertThat(pop(5, 2).deliveries()).containsExactly(new DeliveryRange(1, 2, 1));
        assertThat(ack(popped, 1)).isEqualTo(HandleOutcome.STALE_HANDLE);
    }

    @Test
    void purgeSettlesUnseen() {
        Checkpoint popped = pop(0, 4);
        state.apply(new PurgeRecord(2, 5));
        assertThat(state.floor()).isEqualTo(2);
        assertThat(ack(popped, 1)).isEqualTo(HandleOutcome.ALREADY_SETTLED);
        assertThat(ack(popped, 2)).isEqualTo(HandleOutcome.ACCEPTED);
        state.apply(new PurgeRecord(50, 6));
        assertThat(state.cursor()).isEqualTo(50);
        assertThat(state.inFlightCount()).isZero();
    }

    @Test
    void unreadableMessageHoldsNobodyBackAndIsNeverCalledAcked() {
        Checkpoint popped = pop(0, 2);
        state.quarantine(1, 2);
        assertThat(pop(0, 2).deliveries()).containsExactly(new DeliveryRange(3, 2, 1));
        assertThat(ack(popped, 1)).isEqualTo(HandleOutcome.QUARANTINED);
        ack(popped, 0);
        assertThat(state.floor()).isEqualTo(3);
        assertThat(ack(popped, 1)).isEqualTo(HandleOutcome.QUARANTINED);
    }

    @Test
    void inFlightMessagesKeepDeadlineAttemptAndHandleOverARestart() throws Exception {
        pop(0, 2);
        Checkpoint second = pop(INVISIBLE, 3);
        change(second, DeadlineRecord.Kind.EXTENDED, INVISIBLE, 900, 0);
        change(second, DeadlineRecord.Kind.NACKED, INVISIBLE, 20, 2);
        GroupSnapshot snapshot = GroupSnapshot.decode(state.snapshot().encode());
        state = GroupQueueState.restore(new GroupQueueLimits(256, 1_000), snapshot, state.heldSequence(), INVISIBLE);
        state.recovered(INVISIBLE + 5);
        assertThat(state.counts(READABLE).inFlight()).isEqualTo(2);
        assertThat(pop(INVISIBLE + 19, 1).deliveries()).containsExactly(new DeliveryRange(3, 1, 1));
        assertThat(pop(2 * INVISIBLE, 2).deliveries())
                .containsExactly(new DeliveryRange(1, 1, 3), new DeliveryRange(2, 1, 2));
        assertThat(ack(second, 0)).isEqualTo(HandleOutcome.ACCEPTED);
        assertThat(ack(second, 1)).isEqualTo(HandleOutcome.STALE_HANDLE);
    }

    @Test
    void clockThatStandsBehindTheLogGivesNobodyMoreThanWasGranted() {
        long newest = 10_000;
        GroupQueueState before = new GroupQueueState(new GroupQueueLimits(256, 1_000), 0);
        PopDecision decision = before.decidePop(
                new PopCommand(SESSION, 1, 2, Long.MAX_VALUE, INVISIBLE), newest - 40, READABLE, EPOCH, NONCE, null);
        before.replay(decision.record(), 1, newest - 40);
        before.replay(new DeadlineRecord(OffsetSet.of(1), newest + 300, DeadlineRecord.Kind.NACKED, ""), 2, newest);
        before.recovered(7_000);
        assertThat(before.nextDueMillis()).isEqualTo(7_060);
        assertThat(before.expire(7_059)).isZero();
        assertThat(before.expire(7_060)).isEqualTo(1);
        assertThat(before.expire(7_299)).isZero();
        assertThat(before.expire(7_300)).isEqualTo(1);
    }

    @Test
    void requestsInFlightAreKnownAfterARestart() {
        Checkpoint popped = pop(0, 2);
        state = GroupQueueState.restore(new GroupQueueLimits(256, 1_000), state.snapshot(), 1, 0);
        List<String> requests = new ArrayList<>();
        state.visitRequests((session, request) -> requests.add(session + "/" + request));
        assertThat(requests).containsExactly(SESSION + "/" + popped.requestId());
    }

    @Test
    void recordThatContradictsTheStateIsNamed() {
        assertThatThrownBy(() -> state.replay(new AckRecord(OffsetSet.of(4)), 1, 0))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("offset 4");
    }

    @Test
    void waitingEntriesOfSettledMessagesDoNotGather() {
        for (int round = 0; round < 10_000; round++) {
            Checkpoint popped = pop(0, 1);
            long offset = popped.deliveries().get(0).firstOffset();
            change(popped, DeadlineRecord.Kind.NACKED, 0, 1_000_000, offset);
            assertThat(ack(popped, offset)).isEqualTo(HandleOutcome.ACCEPTED);
        }
        assertThat(state.waitingEntries()).isLessThan(200);
    }

    @Test
    void messageThatIsGivenBackAboveALoweredLimitIsPoison() {
        Checkpoint last = popAndExpire(3);
        configure(group -> {}, 2);
        assertThat(giveBack(last, 0)).isEqualTo(HandleOutcome.ACCEPTED);
        assertThat(state.available(1)).isZero();
        assertThat(state.takePoisoned(10)).extracting(Poison::attempts).containsExactly(2);
    }

    @Test
    void messageThatIsPoisonNoMoreStillWaitsForItsTime() {
        configure(group -> group.backoff = RetryBackoff.fixed(400), 1);
        Checkpoint popped = pop(0, 2);
        change(popped, DeadlineRecord.Kind.NACKED, 0, 1_000, 0);
        state.expire(INVISIBLE);
        assertThat(state.takePoisoned(10)).extracting(Poison::queueOffset).containsExactly(0L, 1L);
        state.configure(Policies.group(group -> group.backoff = RetryBackoff.fixed(400)), 2, false, INVISIBLE);
        assertThat(state.expire(INVISIBLE + 399)).isZero();
        assertThat(pop(INVISIBLE + 400, 1).deliveries()).containsExactly(new DeliveryRange(1, 1, 2));
        assertThat(state.expire(999)).isZero();
        assertThat(pop(1_000, 1).deliveries()).containsExactly(new DeliveryRange(0, 1, 2));
    }

    @Test
    void messageBeforeAParkedOneOfItsKeyGoesOn() {
        Checkpoint popped = pop(0, 3);
        configure(group -> group.isOrdered = true, 0);
        scan(3, offset -> 9);
        change(popped, DeadlineRecord.Kind.NACKED, 0, 10, 0);
        change(popped, DeadlineRecord.Kind.NACKED, 0, 0, 1);
        state.apply(new KeyParkedRecord(1, 1, 0, "key", "poison"));
        Checkpoint first = pop(10, 3);
        assertThat(first.deliveries()).containsExactly(new DeliveryRange(0, 1, 2));
        change(first, DeadlineRecord.Kind.NACKED, 10, 0, 0);
        state.apply(state.decideUnpark(1, KeyUnparkedRecord.How.TRIED_AGAIN, 10));
        first = pop(10, 3);
        assertThat(first.deliveries()).containsExactly(new DeliveryRange(0, 1, 3));
        ack(first, 0);
        assertThat(pop(10, 3).deliveries()).containsExactly(new DeliveryRange(1, 1, 1));
    }

    @Test
    void unreadableMessageThatALookFindsIsCountedOnce() {
        Checkpoint popped = pop(0, 2);
        configure(group -> group.isOrdered = true, 0);
        assertThat(state.isScanDue(4)).isTrue();
        // As the shell does it: for one that is out, and for one that never was.
        state.quarantine(0, 1);
        state.scannedUnreadable(0);
        ack(popped, 1);
        assertThat(state.isScanDue(4)).isTrue();
        state.quarantine(2, 1);
        state.scannedUnreadable(2);
        state.scanned(3, true, 9);
        assertThat(state.counts(4).depth()).isEqualTo(1);
        assertThat(state.floor()).isEqualTo(3);
    }

    @Test
    void lookThatComesLateDoesNotGoBeyondTheLookAhead() {
        state = new GroupQueueState(new GroupQueueLimits(4, 100), 0);
        configure(group -> group.isOrdered = true, 0);
        for (long offset = 0; offset < 10; offset++) {
            state.scanned(offset, true, KeyLines.NO_KEY);
        }
        assertThat(state.cursor()).isEqualTo(4);
        ack(pop(0, 1), 0);
        assertThat(state.isScanDue(READABLE)).isTrue();
        assertThat(state.scanFrom()).isEqualTo(4);
    }

    @Test
    void unreadableMessageIsNotCountedAsPurged() {
        pop(0, 3);
        state.quarantine(1, 1);
        state.apply(new PurgeRecord(3, 0));
        assertThat(state.counts(READABLE).purgedTotal()).isEqualTo(2);
    }

    @Test
    void parkedMessageKeepsItsReasonOverARestart() {
        List<LogRecord> records = List.of(
                decide(0, 1, READABLE).record(),
                new DeadlineRecord(OffsetSet.of(0), 0, DeadlineRecord.Kind.NACKED, "no stock"),
                new PopRecord(EPOCH, NONCE, SESSION, 2, 1, 2, List.of(new DeliveryRange(0, 1, 2))),
                new KeyParkedRecord(0, 2, 3, "key", GroupQueueState.REASON_EXPIRED));
        for (LogRecord record : records) {
            state.replay(record, nextSequence++, 3);
        }
        assertThat(state.poisonAt(0).reason()).isEqualTo(GroupQueueState.REASON_EXPIRED);
    }

    @Test
    void attemptThatDoesNotCountChangesNoReason() {
        configure(group -> {}, 2);
        change(pop(0, 1), DeadlineRecord.Kind.NACKED, 0, 0, 0);
        pop(1, 1);
        state.breaker(true);
        state.expire(1 + INVISIBLE);
        state.decideUncounted(1 + INVISIBLE).forEach(state::apply);
        configure(group -> {}, 1);
        assertThat(state.takePoisoned(1)).extracting(Poison::reason).containsExactly(GroupQueueState.REASON_NACKED);
    }

    @Test
    void longReasonIsCutBetweenCharacters() {
        configure(group -> {}, 1);
        Checkpoint popped = pop(0, 1);
        TokenBatch batch = new TokenBatch(1).add(0, EPOCH, popped.sequence(), NONCE);
        String reason = "x".repeat(254) + "\uD83D\uDE00".repeat(9);
        state.decideNack(batch, 0, 0, reason).forEach(record -> state.apply((DeadlineRecord) record));
        assertThat(state.takePoisoned(1)).extracting(Poison::reason).containsExactly("x".repeat(254) + "…");
    }

    /** The last delivery of offset 0, out for so many attempts, in flight. */
    private Checkpoint popAndExpire(int attempts) {
        Checkpoint popped = pop(0, 1);
        for (int attempt = 2; attempt <= attempts; attempt++) {
            popped = pop((attempt - 1) * INVISIBLE, 1);
        }
        return popped;
    }

    private void configure(Consumer<Policies.Group> changes, int attemptsMax) {
        state.configure(Policies.group(changes), attemptsMax, false, 0);
    }

    private void scan(int count, LongUnaryOperator keyHashes) {
        for (int i = 0; i < count; i++) {
            assertThat(state.isScanDue(READABLE)).isTrue();
            long offset = state.scanFrom();
            state.scanned(offset, true, keyHashes.applyAsLong(offset));
        }
    }

    private HandleOutcome giveBack(Checkpoint checkpoint, long offset) {
        TokenBatch batch = new TokenBatch(1).add(offset, EPOCH, checkpoint.sequence(), NONCE);
        GivenBackRecord record = state.decideGiveBack(batch, 0);
        if (record != null) {
            state.apply(record);
        }
        return batch.outcome(0);
    }

    private PopDecision decide(long now, int max, long readableEnd) {
        return state.decidePop(
                new PopCommand(SESSION, nextRequest++, max, Long.MAX_VALUE, INVISIBLE),
                now,
                readableEnd,
                EPOCH,
                NONCE,
                null);
    }

    private Checkpoint pop(long now, int max) {
        Checkpoint checkpoint = state.apply(
                decide(now, max, Math.max(READABLE, state.cursor() + max)).record());
        state.written(checkpoint, nextSequence++);
        return checkpoint;
    }

    private HandleOutcome ack(Checkpoint checkpoint, long offset) {
        TokenBatch batch = new TokenBatch(1).add(offset, EPOCH, checkpoint.sequence(), NONCE);
        AckRecord record = state.decideAck(batch);
        if (record != null) {
            state.apply(record);
        }
        return batch.outcome(0);
    }

    private HandleOutcome change(Checkpoint checkpoint, DeadlineRecord.Kind kind, long now, long millis, long offset) {
        TokenBatch batch = new TokenBatch(1).add(offset, EPOCH, checkpoint.sequence(), NONCE);
        if (kind == DeadlineRecord.Kind.NACKED) {
            state.decideNack(batch, now, millis, "").forEach(record -> state.apply((DeadlineRecord) record));
        } else {
            DeadlineRecord record = state.decideExtend(batch, now, millis);
            if (record != null) {
                state.apply(record);
            }
        }
        return batch.outcome(0);
    }
}
