package io.forebay.queue;

import static org.assertj.core.api.Assertions.assertThat;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.Changed;
import io.forebay.protocol.Durability;
import io.forebay.protocol.GiveBackOutcome;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.queue.core.Policies;
import io.forebay.queue.core.RetryBackoff;
import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.OffsetSet;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Acks, changes and give-backs of one group's queue: each is answered once, for all of its handles in their order, when what it has
 * decided is written to the level asked for; what finds no room decides nothing; and no reservation is left over.
 */
class GroupSettlementTest {
    private GroupParts parts;
    private GroupSettlement settlement;

    @BeforeEach
    void begin() throws Exception {
        begin(5);
    }

    private void begin(int messages) throws Exception {
        parts = new GroupParts(
                Policies.group(policy -> policy.backoff = RetryBackoff.parse("list 10 ms, 500 ms")), messages);
        settlement = new GroupSettlement(parts.environment, parts.appender);
    }

    @AfterEach
    void end() throws Exception {
        assertThat(parts.session.hasMessages()).as("nobody is answered twice").isFalse();
        parts.sendNext();
        if (parts.appender.isEmpty()) {
            assertThat(parts.appender.port().account().reservedBytes())
                    .as("left over")
                    .isZero();
        }
        parts.close();
    }

    private void ack(List<ReceiptHandle> handles, Durability level, long token) {
        settlement.onAck(new GroupQueue.Ack(handles, level, token, parts.session.getRef()));
    }

    private void change(List<ReceiptHandle> handles, DeadlineRecord.Kind kind, long millis, long token) {
        settlement.onChange(new GroupQueue.Change(handles, kind, millis, "no stock", token, parts.session.getRef()));
    }

    private void giveBack(List<ReceiptHandle> handles, long token) {
        settlement.onGiveBack(new GroupQueue.GiveBack(handles, token, parts.session.getRef()));
    }

    private <T extends QueueReply> T answer(Class<T> type) {
        return type.cast(parts.session.receiveMessage());
    }

    private void assertNoAnswer() {
        assertThat(parts.session.hasMessages()).isFalse();
    }

    private static ReceiptHandle with(ReceiptHandle handle, long offset, long sequence, long nonce) {
        return new ReceiptHandle(
                handle.nodeId(),
                handle.stripe(),
                handle.queueId(),
                handle.groupId(),
                offset,
                handle.epoch(),
                sequence,
                nonce);
    }

    private static Refusal.Code code(Object result) {
        return ((Refusal) result).code();
    }

    // ---- acks -------------------------------------------------------------------------------------------------------

    @Test
    void anAckIsAnsweredWhenItIsWritten() throws Exception {
        List<ReceiptHandle> handles = parts.pop(7, 3);
        ack(handles, Durability.WRITTEN, 1);
        assertNoAnswer();
        assertThat(parts.sendNext()).containsExactly(new AckRecord(OffsetSet.range(0, 3)));
        assertNoAnswer();
        parts.written();
        QueueReply.Acked acked = answer(QueueReply.Acked.class);
        assertThat(acked).isEqualTo(new QueueReply.Acked(1, null, Durability.WRITTEN));
        assertThat(parts.state.floor()).isEqualTo(3);
    }

    @Test
    void anAckThatIsToBeFlushedIsAnsweredWhenItIsForced() throws Exception {
        ack(parts.pop(7, 1), Durability.FLUSHED, 1);
        parts.writeAll();
        assertNoAnswer();
        parts.force();
        assertThat(answer(QueueReply.Acked.class).level()).isEqualTo(Durability.FLUSHED);
    }

    @Test
    void everyHandleGetsItsOwnOutcomeInOrder() throws Exception {
        List<ReceiptHandle> first = parts.pop(7, 1);
        List<ReceiptHandle> settled = parts.pop(7, 1);
        List<ReceiptHandle> old = parts.pop(7, 1);
        ack(settled, Durability.WRITTEN, 1);
        giveBack(old, 2);
        parts.writeAll();
        answer(QueueReply.Acked.class);
        answer(QueueReply.GivenBack.class);
        parts.pop(8, 1); // what was given back is out again
        ReceiptHandle mine = first.get(0);
        ack(
                List.of(
                        with(mine, 0, mine.checkpointSequence(), mine.nonce() + 1),
                        mine,
                        settled.get(0),
                        old.get(0),
                        with(mine, 4, mine.checkpointSequence(), mine.nonce())),
                Durability.WRITTEN,
                3);
        assertThat(parts.sendNext()).containsExactly(new AckRecord(OffsetSet.of(0)));
        parts.written();
        List<AckResult> results = answer(QueueReply.Acked.class).results();
        assertThat(results).hasSize(5);
        assertThat(code(results.get(0))).isEqualTo(Refusal.Code.FORGED_HANDLE);
        assertThat(results.get(1)).isEqualTo(AckOutcome.ACKED);
        assertThat(results.get(2)).isEqualTo(AckOutcome.ALREADY_SETTLED);
        assertThat(code(results.get(3))).isEqualTo(Refusal.Code.STALE_HANDLE);
        assertThat(((Refusal) results.get(3)).text()).contains("offset 2 of queue 0 of topic t for group g");
        assertThat(code(results.get(4))).isEqualTo(Refusal.Code.FORGED_HANDLE);
        assertThat(((Refusal) results.get(4)).text()).contains("never delivered");
    }

    @Test
    void anAckThatIsRepeatedWaitsForTheFirst() throws Exception {
        List<ReceiptHandle> handles = parts.pop(7, 1);
        ack(handles, Durability.WRITTEN, 1);
        parts.sendNext();
        ack(handles, Durability.WRITTEN, 2);
        assertNoAnswer();
        parts.written();
        assertThat(answer(QueueReply.Acked.class).token()).isEqualTo(1);
        QueueReply.Acked second = answer(QueueReply.Acked.class);
        assertThat(second.token()).isEqualTo(2);
        assertThat(second.results()).containsExactly(AckOutcome.ALREADY_SETTLED);
    }

    @Test
    void anAckThatIsRepeatedAndToBeFlushedWaitsForTheForce() throws Exception {
        List<ReceiptHandle> handles = parts.pop(7, 1);
        ack(handles, Durability.WRITTEN, 1);
        parts.writeAll();
        answer(QueueReply.Acked.class);
        ack(handles, Durability.FLUSHED, 2);
        assertNoAnswer();
        parts.force();
        assertThat(answer(QueueReply.Acked.class).results()).containsExactly(AckOutcome.ALREADY_SETTLED);
        parts.writer.getAllReceived(); // it has asked for the force
    }

    @Test
    void anAckOfNothingThatIsOutIsAnsweredAtOnce() throws Exception {
        ReceiptHandle handle = parts.pop(7, 1).get(0);
        ack(List.of(with(handle, 0, handle.checkpointSequence(), 1234)), Durability.FLUSHED, 1);
        assertThat(code(answer(QueueReply.Acked.class).results().get(0))).isEqualTo(Refusal.Code.FORGED_HANDLE);
        assertThat(parts.sendNext()).isEmpty();
        assertThat(parts.state.inFlightCount()).isEqualTo(1);
    }

    @Test
    void aLargeAckIsCutIntoRecordsAndAnsweredBehindTheLast() throws Exception {
        parts.close();
        int perRecord = parts.appender.handlesPerRecordMax();
        int count = 2 * perRecord + 10;
        begin(count);
        List<ReceiptHandle> handles = parts.pop(7, count);
        assertThat(handles).hasSize(count);
        // Not in the order of offsets, and one of them twice.
        Collections.reverse(handles);
        handles.set(count - 1, handles.get(0));
        ack(handles, Durability.WRITTEN, 1);
        List<LogRecord> records = new ArrayList<>(parts.sendNext());
        while (records.size() < 3) {
            assertNoAnswer();
            List<LogRecord> more = parts.writtenAndNext();
            assertThat(more).isNotEmpty();
            records.addAll(more);
        }
        assertNoAnswer();
        parts.written();
        assertThat(records)
                .containsExactly(
                        new AckRecord(OffsetSet.range(count - perRecord, perRecord)),
                        new AckRecord(OffsetSet.range(count - 2L * perRecord, perRecord)),
                        new AckRecord(OffsetSet.range(1, 9)));
        List<AckResult> results = answer(QueueReply.Acked.class).results();
        assertThat(results).hasSize(count);
        assertThat(results.subList(0, count - 1)).allMatch(result -> result == AckOutcome.ACKED);
        assertThat(results.get(count - 1)).isEqualTo(AckOutcome.ALREADY_SETTLED);
        assertThat(parts.state.inFlightCount()).isEqualTo(1);
    }

    @Test
    void anAckWithoutRoomIsRefusedWholeAndDecidesNothing() throws Exception {
        List<ReceiptHandle> handles = parts.pop(7, 2);
        parts.fill();
        ack(handles, Durability.WRITTEN, 1);
        List<AckResult> results = answer(QueueReply.Acked.class).results();
        assertThat(results).hasSize(2).allMatch(result -> code(result) == Refusal.Code.BUSY);
        assertThat(parts.state.inFlightCount()).isEqualTo(2);
        assertThat(parts.appender.isEmpty()).isTrue();
        assertThat(parts.appender.isEverythingAnswered()).isTrue();
    }

    // ---- changes ----------------------------------------------------------------------------------------------------

    @Test
    void anExtensionMovesTheDeadlineOfWhatIsOutAndOfNothingElse() throws Exception {
        List<ReceiptHandle> handles = parts.pop(7, 3);
        ack(handles.subList(0, 1), Durability.WRITTEN, 1);
        change(handles.subList(1, 2), DeadlineRecord.Kind.NACKED, 5_000, 2);
        parts.writeAll();
        answer(QueueReply.Acked.class);
        answer(QueueReply.Changed.class);
        parts.pass(1_000);
        long until = parts.now() + 60_000;
        change(handles, DeadlineRecord.Kind.EXTENDED, 60_000, 3);
        assertNoAnswer();
        assertThat(parts.sendNext())
                .containsExactly(new DeadlineRecord(OffsetSet.of(2), until, DeadlineRecord.Kind.EXTENDED, ""));
        parts.written();
        QueueReply.Changed changed = answer(QueueReply.Changed.class);
        assertThat(changed.token()).isEqualTo(3);
        assertThat(code(changed.results().get(0))).isEqualTo(Refusal.Code.STALE_HANDLE);
        assertThat(((Refusal) changed.results().get(0)).text()).endsWith("is settled");
        assertThat(code(changed.results().get(1))).isEqualTo(Refusal.Code.STALE_HANDLE);
        assertThat(changed.results().get(2)).isEqualTo(new Changed(until));
        assertThat(parts.state.dueMillis(2)).isEqualTo(until);
    }

    @Test
    void aNackWithADelaySaysWhenItComesBack() throws Exception {
        List<ReceiptHandle> handles = parts.pop(7, 2);
        change(handles, DeadlineRecord.Kind.NACKED, 700, 1);
        long due = parts.now() + 700;
        assertThat(parts.sendNext())
                .containsExactly(
                        new DeadlineRecord(OffsetSet.range(0, 2), due, DeadlineRecord.Kind.NACKED, "no stock"));
        parts.written();
        assertThat(answer(QueueReply.Changed.class).results()).containsExactly(new Changed(due), new Changed(due));
        assertThat(parts.state.inFlightCount()).isZero();
        // Repeated because the answer was lost it changes nothing, and must not promise more.
        parts.pass(5);
        change(handles, DeadlineRecord.Kind.NACKED, 700, 2);
        assertThat(answer(QueueReply.Changed.class).results()).containsExactly(new Changed(due), new Changed(due));
        assertThat(parts.sendNext()).isEmpty();
    }

    @Test
    void aNackLeftToTheGroupFollowsItsScheduleAttemptByAttempt() throws Exception {
        change(parts.pop(7, 1), DeadlineRecord.Kind.NACKED, 0, 1);
        parts.writeAll();
        answer(QueueReply.Changed.class);
        parts.state.expire(parts.now());
        // The first one for the second time, the second for the first time.
        List<ReceiptHandle> handles = new ArrayList<>(parts.pop(7, 2));
        long now = parts.now();
        change(handles, DeadlineRecord.Kind.NACKED, GroupQueue.BACKOFF, 2);
        assertThat(parts.sendNext())
                .containsExactly(
                        new DeadlineRecord(OffsetSet.of(1), now + 10, DeadlineRecord.Kind.NACKED, "no stock"),
                        new DeadlineRecord(OffsetSet.of(0), now + 500, DeadlineRecord.Kind.NACKED, "no stock"));
        assertNoAnswer();
        parts.written();
        assertThat(answer(QueueReply.Changed.class).results())
                .containsExactly(new Changed(now + 500), new Changed(now + 10));
        // Once more it changes nothing, and says the same.
        parts.pass(5);
        change(handles, DeadlineRecord.Kind.NACKED, GroupQueue.BACKOFF, 3);
        assertThat(answer(QueueReply.Changed.class).results())
                .containsExactly(new Changed(now + 500), new Changed(now + 10));
        assertThat(parts.sendNext()).isEmpty();
    }

    @Test
    void aNackWhileTheBreakerIsOpenIsGivenBackUncounted() throws Exception {
        parts.state.breaker(true);
        change(parts.pop(7, 1), DeadlineRecord.Kind.NACKED, 700, 1);
        assertThat(parts.sendNext())
                .containsExactly(new GivenBackRecord(
                        OffsetSet.of(0), false, GivenBackRecord.Cause.BREAKER_OPEN, parts.now() + 700));
        parts.written();
        assertThat(answer(QueueReply.Changed.class).results()).containsExactly(new Changed(parts.now() + 700));
    }

    @Test
    void aChangeWithoutRoomIsRefusedWholeAndDecidesNothing() throws Exception {
        List<ReceiptHandle> handles = parts.pop(7, 2);
        parts.fill();
        change(handles, DeadlineRecord.Kind.NACKED, 0, 1);
        assertThat(answer(QueueReply.Changed.class).results())
                .hasSize(2)
                .allMatch(result -> code(result) == Refusal.Code.BUSY);
        assertThat(parts.state.inFlightCount()).isEqualTo(2);
        assertThat(parts.appender.isEmpty()).isTrue();
    }

    // ---- give-backs -------------------------------------------------------------------------------------------------

    @Test
    void whatIsGivenBackIsNotCountedAndCanBeHadAtOnce() throws Exception {
        List<ReceiptHandle> handles = parts.pop(7, 2);
        giveBack(handles, 1);
        assertNoAnswer();
        assertThat(parts.sendNext())
                .containsExactly(
                        new GivenBackRecord(OffsetSet.range(0, 2), false, GivenBackRecord.Cause.RETURNED, parts.now()));
        parts.written();
        assertThat(answer(QueueReply.GivenBack.class).results())
                .containsExactly(GiveBackOutcome.GIVEN_BACK, GiveBackOutcome.GIVEN_BACK);
        parts.state.expire(parts.now());
        assertThat(parts.pop(8, 2)).extracting(ReceiptHandle::queueOffset).containsExactly(0L, 1L);
        parts.state.visitRequests((session, request) -> assertThat(session).isEqualTo(8));
        assertThat(parts.state.poisonAt(0).attempts()).as("I6").isEqualTo(1);
    }

    @Test
    void aGiveBackOfWhatIsSettledOrOutAgainSaysSo() throws Exception {
        List<ReceiptHandle> handles = parts.pop(7, 3);
        ack(handles.subList(0, 1), Durability.WRITTEN, 1);
        giveBack(handles.subList(1, 2), 2);
        parts.writeAll();
        answer(QueueReply.Acked.class);
        answer(QueueReply.GivenBack.class);
        parts.state.expire(parts.now());
        parts.pop(8, 1);
        giveBack(handles, 3);
        assertThat(parts.sendNext())
                .containsExactly(
                        new GivenBackRecord(OffsetSet.of(2), false, GivenBackRecord.Cause.RETURNED, parts.now()));
        parts.written();
        QueueReply.GivenBack answered = answer(QueueReply.GivenBack.class);
        assertThat(answered.results().get(0)).isEqualTo(GiveBackOutcome.ALREADY_SETTLED);
        assertThat(code(answered.results().get(1))).isEqualTo(Refusal.Code.STALE_HANDLE);
        assertThat(answered.results().get(2)).isEqualTo(GiveBackOutcome.GIVEN_BACK);
        assertThat(parts.state.inFlightCount()).as("of the other").isEqualTo(1);
    }

    @Test
    void aGiveBackWithoutRoomIsRefusedWholeAndDecidesNothing() throws Exception {
        List<ReceiptHandle> handles = parts.pop(7, 2);
        parts.fill();
        giveBack(handles, 1);
        assertThat(answer(QueueReply.GivenBack.class).results())
                .hasSize(2)
                .allMatch(result -> code(result) == Refusal.Code.BUSY);
        assertThat(parts.state.inFlightCount()).isEqualTo(2);
        assertThat(parts.appender.isEmpty()).isTrue();
    }
}
