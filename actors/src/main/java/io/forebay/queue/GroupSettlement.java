package io.forebay.queue;

import io.forebay.protocol.AckOutcome;
import io.forebay.protocol.AckResult;
import io.forebay.protocol.ChangeResult;
import io.forebay.protocol.Changed;
import io.forebay.protocol.GiveBackOutcome;
import io.forebay.protocol.GiveBackResult;
import io.forebay.protocol.ReceiptHandle;
import io.forebay.protocol.Refusal;
import io.forebay.queue.core.GroupQueueState;
import io.forebay.queue.core.HandleOutcome;
import io.forebay.queue.core.TokenBatch;
import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.store.StripeBudget;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/**
 * What consumers say of their deliveries: acks, changes of the deadline, give-backs. Each is decided in pieces of as many handles
 * as a record takes, all of them before anything else is, and answered when its last record is written to the level asked for;
 * one for which there is no room is refused whole, and decides nothing. Confined to its actor.
 */
final class GroupSettlement {
    private final GroupEnvironment environment;
    private final GroupAppender appender;
    private final GroupQueueState state;
    private final GroupQueue.Identity identity;
    private final TokenBatch tokens = new TokenBatch(4);

    GroupSettlement(GroupEnvironment environment, GroupAppender appender) {
        this.environment = environment;
        this.appender = appender;
        state = environment.state;
        identity = environment.identity;
    }

    void onAck(GroupQueue.Ack request) {
        int count = request.handles().size();
        long reserved = appender.reserveHandles(count, StripeBudget.Tier.ACK);
        if (reserved < 0) {
            new Waiting.Ack(request, null).refuse(appender.refusal(StripeBudget.Tier.ACK));
            return;
        }
        long left = reserved;
        AckResult[] results = null;
        boolean isSettledBefore = false;
        AckRecord record = null;
        List<AckRecord> earlier = null;
        for (int from = 0; from < count; from += appender.handlesPerRecordMax()) {
            int to = Math.min(count, from + appender.handlesPerRecordMax());
            fill(request.handles(), from, to);
            if (record != null) {
                earlier = earlier == null ? new ArrayList<>() : earlier;
                earlier.add(record);
            }
            record = state.decideAck(tokens);
            if (record != null) {
                state.apply(record);
            }
            for (int i = from; i < to; i++) {
                HandleOutcome outcome = tokens.outcome(i - from);
                if (outcome == HandleOutcome.ACCEPTED) {
                    if (results != null) {
                        results[i] = AckOutcome.ACKED;
                    }
                    continue;
                }
                if (results == null) {
                    results = new AckResult[count];
                    Arrays.fill(results, 0, i, AckOutcome.ACKED);
                }
                if (outcome == HandleOutcome.ALREADY_SETTLED) {
                    results[i] = AckOutcome.ALREADY_SETTLED;
                    isSettledBefore = true;
                } else {
                    results[i] = refused(outcome, request.handles().get(i));
                }
            }
        }
        Waiting waiting =
                new Waiting.Ack(request, results == null ? null : Collections.unmodifiableList(Arrays.asList(results)));
        if (earlier != null) {
            for (AckRecord one : earlier) {
                left -= appender.append(one, null, true);
            }
        }
        if (record != null) {
            left -= appender.append(record, waiting, true);
        } else if (isSettledBefore || earlier != null) {
            appender.waitForWritten(waiting, false);
        } else {
            waiting.answerOnce(-1);
        }
        appender.giveBack(left);
    }

    void onChange(GroupQueue.Change request) {
        int count = request.handles().size();
        long reserved = appender.reserveHandles(count, StripeBudget.Tier.EXTENSION);
        if (reserved < 0) {
            new Waiting.Change(request, null).refuse(appender.refusal(StripeBudget.Tier.EXTENSION));
            return;
        }
        long now = environment.now();
        boolean isNack = request.kind() == DeadlineRecord.Kind.NACKED;
        ChangeResult[] results = new ChangeResult[count];
        Waiting waiting = new Waiting.Change(request, Collections.unmodifiableList(Arrays.asList(results)));
        List<LogRecord> records = new ArrayList<>(1);
        for (int from = 0; from < count; from += appender.handlesPerRecordMax()) {
            int to = Math.min(count, from + appender.handlesPerRecordMax());
            fill(request.handles(), from, to);
            if (isNack) {
                for (LogRecord record : state.decideNack(tokens, now, request.millis(), request.reason())) {
                    applyReturn(record);
                    records.add(record);
                }
            } else {
                DeadlineRecord record = state.decideExtend(tokens, now, request.millis());
                if (record != null) {
                    state.apply(record);
                    records.add(record);
                }
            }
            for (int i = from; i < to; i++) {
                HandleOutcome outcome = tokens.outcome(i - from);
                results[i] = outcome == HandleOutcome.ACCEPTED || outcome == HandleOutcome.ALREADY_RETURNED
                        ? new Changed(changedTo(request, outcome, tokens.queueOffset(i - from), now))
                        : refused(outcome, request.handles().get(i));
            }
        }
        appender.giveBack(reserved - appender.appendAll(records, waiting));
    }

    private void applyReturn(LogRecord record) {
        if (record instanceof DeadlineRecord nacked) {
            state.apply(nacked);
        } else {
            state.apply((GivenBackRecord) record);
        }
    }

    /**
     * When a message that was nacked by the group's schedule comes back is the state's to tell, and so it is when it had been nacked
     * before: a nack that is repeated delays nothing.
     */
    private long changedTo(GroupQueue.Change request, HandleOutcome outcome, long offset, long now) {
        return request.millis() >= 0 && outcome == HandleOutcome.ACCEPTED
                ? now + request.millis()
                : Math.max(now, state.dueMillis(offset));
    }

    void onGiveBack(GroupQueue.GiveBack request) {
        int count = request.handles().size();
        long reserved = appender.reserveHandles(count, StripeBudget.Tier.EXTENSION);
        if (reserved < 0) {
            new Waiting.GiveBack(request, null).refuse(appender.refusal(StripeBudget.Tier.EXTENSION));
            return;
        }
        long now = environment.now();
        GiveBackResult[] results = new GiveBackResult[count];
        Waiting waiting = new Waiting.GiveBack(request, Collections.unmodifiableList(Arrays.asList(results)));
        List<LogRecord> records = new ArrayList<>(1);
        for (int from = 0; from < count; from += appender.handlesPerRecordMax()) {
            int to = Math.min(count, from + appender.handlesPerRecordMax());
            fill(request.handles(), from, to);
            GivenBackRecord record = state.decideGiveBack(tokens, now);
            if (record != null) {
                state.apply(record);
                records.add(record);
            }
            for (int i = from; i < to; i++) {
                HandleOutcome outcome = tokens.outcome(i - from);
                results[i] = switch (outcome) {
                    case ACCEPTED, ALREADY_RETURNED -> GiveBackOutcome.GIVEN_BACK;
                    case ALREADY_SETTLED -> GiveBackOutcome.ALREADY_SETTLED;
                    default -> refused(outcome, request.handles().get(i));
                };
            }
        }
        appender.giveBack(reserved - appender.appendAll(records, waiting));
    }

    private void fill(List<ReceiptHandle> handles, int from, int to) {
        tokens.clear();
        for (int i = from; i < to; i++) {
            ReceiptHandle handle = handles.get(i);
            tokens.add(handle.queueOffset(), handle.epoch(), handle.checkpointSequence(), handle.nonce());
        }
    }

    private Refusal refused(HandleOutcome outcome, ReceiptHandle handle) {
        String message = "offset " + handle.queueOffset() + " of queue " + identity.queueNumber() + " of topic "
                + identity.topic() + " for group " + identity.group();
        return switch (outcome) {
            case ALREADY_SETTLED -> Refusal.of(Refusal.Code.STALE_HANDLE, message + " is settled");
            case FORGED_HANDLE ->
                Refusal.of(Refusal.Code.FORGED_HANDLE, message + " was never delivered with this handle");
            case UNKNOWN_OFFSET -> Refusal.of(Refusal.Code.FORGED_HANDLE, message + " was never delivered");
            case QUARANTINED ->
                Refusal.of(Refusal.Code.STALE_HANDLE, message + " cannot be read any more and is passed over");
            default ->
                Refusal.of(
                        Refusal.Code.STALE_HANDLE,
                        message + " has gone out again or was given back since this delivery");
        };
    }
}
