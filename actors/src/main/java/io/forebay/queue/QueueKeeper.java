package io.forebay.queue;

import io.forebay.protocol.Refusal;
import io.forebay.queue.core.OffsetMarks;
import io.forebay.queue.core.QueueRetention;
import io.forebay.queue.core.QueueState;
import io.forebay.queue.core.TopicPolicy;
import io.forebay.storage.log.ExpiredRecord;
import io.forebay.storage.log.OffsetSet;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.QuarantinedRecord;
import io.forebay.storage.log.ReadProblem;
import io.forebay.store.EventLog;
import io.forebay.store.LogEvent;
import io.forebay.store.StripeBudget;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import org.slf4j.Logger;

/**
 * What a queue keeps: carries out what {@link QueueRetention} decides, purges, and notes what cannot be read. The log is told
 * to free something, and groups that it is gone, when the record that says so is written: a checkpoint that frees it comes
 * behind that record, so a start cannot find the one without the other. Confined to its queue's actor.
 */
final class QueueKeeper {
    /** What a record takes at most, without texts. */
    private static final int RECORD_BYTES = 192;

    private static final int TEXT_CHARS_MAX = 500;
    private static final long TICK_MILLIS_MIN = 1_000;
    private static final long TICK_MILLIS_MAX = 60_000;
    private static final long EXPIRY_LOG_MILLIS = 60_000;

    private final Queue.Identity identity;
    private final StripePort port;
    private final Outbox<QueuePart> outbox;
    private final QueueState state;
    private final QueueMarks marks;
    private final Consumer<GroupQueue.Command> groups;
    private final LongConsumer timer;
    private final Logger log;
    private TopicPolicy policy;
    private final List<Queue.Purge> purges = new ArrayList<>();
    private final List<Queue.ReleaseQuarantine> releases = new ArrayList<>();
    private boolean isClosed;
    /** When the timer rings, by log time. */
    private long tickMillis = QueueRetention.NEVER;

    private long expiredCountLogged;
    private long nextExpiryLogMillis;

    /**
     * @param groups tells every group of the queue
     * @param timer rings after so many milliseconds, once, whatever it was set to before; then {@link #tick} is called
     */
    QueueKeeper(
            Queue.Identity identity,
            StripePort port,
            Outbox<QueuePart> outbox,
            QueueState state,
            QueueMarks marks,
            Consumer<GroupQueue.Command> groups,
            LongConsumer timer,
            Logger log) {
        this.identity = identity;
        this.port = port;
        this.outbox = outbox;
        this.state = state;
        this.marks = marks;
        this.groups = groups;
        this.timer = timer;
        this.log = log;
        policy = identity.policy();
        expiredCountLogged = state.retention().expiredCount();
        publishMarks();
        setTimer();
    }

    void configure(TopicPolicy newPolicy) {
        policy = newPolicy;
        release();
        expire();
    }

    private long nowMillis() {
        return port.stripe().clock().millis();
    }

    // ---- groups ---------------------------------------------------------------------------------------------------

    void groupFloor(int groupId, long floor) {
        state.retention().groupFloor(groupId, floor, nowMillis(), policy.graceMillis());
        release();
    }

    void removeGroup(int groupId) {
        state.retention().removeGroup(groupId, nowMillis(), policy.graceMillis());
        release();
    }

    private void release() {
        if (state.retention().release(nowMillis(), policy.graceMillis())) {
            publishFirstOffset();
        }
        setTimer();
    }

    private void publishFirstOffset() {
        publishMarks();
        port.stripe().log().releaseBelow(identity.queueId(), state.retention().firstOffset());
    }

    private void publishMarks() {
        long firstOffset = state.retention().firstOffset();
        marks.nextOffset(state.writtenEnd());
        marks.firstOffset(firstOffset);
        marks.expiredCount(state.retention().expiredCount());
        marks.quarantinedCount(state.quarantined().from(firstOffset).count());
        marks.quarantines(state.quarantines());
    }

    // ---- too old, too much ----------------------------------------------------------------------------------------

    /** After messages were written. */
    void written() {
        expire();
        if (tickMillis == QueueRetention.NEVER) {
            setTimer();
        }
    }

    private void expire() {
        QueueRetention retention = state.retention();
        long now = nowMillis();
        if (isClosed || !retention.isExpiryDue(now, policy.maxAgeMillis(), policy.maxBytes())) {
            return;
        }
        // Without room the next tick tries again.
        if (port.account().tryReserve(RECORD_BYTES, StripeBudget.Tier.ACK)) {
            ExpiredRecord record = retention.decideExpiry(now, policy.maxAgeMillis(), policy.maxBytes());
            long used = outbox.add(record, 0, frame -> {
                retention.apply(record);
                truncated();
                logExpired();
            });
            port.account().giveBack(RECORD_BYTES - used);
        }
    }

    private void truncated() {
        publishFirstOffset();
        groups.accept(new GroupQueue.Truncated(state.retention().firstOffset()));
        setTimer();
    }

    /** At most once in a while, and then for all that went since. */
    private void logExpired() {
        long count = state.retention().expiredCount() - expiredCountLogged;
        long now = nowMillis();
        if (count > 0 && now >= nextExpiryLogMillis) {
            nextExpiryLogMillis = now + EXPIRY_LOG_MILLIS;
            expiredCountLogged += count;
            log.info(
                    "topic {} queue {}: {} messages were dropped that not every group had settled, older than {} ms or"
                            + " beyond {} bytes (0: no limit)",
                    identity.topic(),
                    identity.number(),
                    count,
                    policy.maxAgeMillis(),
                    policy.maxBytes());
        }
    }

    void tick() {
        tickMillis = QueueRetention.NEVER;
        state.window().forgetBefore(nowMillis());
        expire();
        logExpired();
        release();
    }

    /** One timer, for whatever is due first; not to the millisecond, so that what becomes due soon after goes with it. */
    private void setTimer() {
        long due = state.nextDueMillis(policy);
        if (due >= tickMillis || isClosed) {
            return;
        }
        long shortest = Math.min(
                policy.maxAgeMillis() == 0 ? Long.MAX_VALUE : policy.maxAgeMillis() / 100,
                policy.graceMillis() == 0 ? Long.MAX_VALUE : policy.graceMillis() / 100);
        long step = Math.max(TICK_MILLIS_MIN, Math.min(TICK_MILLIS_MAX, shortest));
        long now = nowMillis();
        // What is overdue was so before a start, or had no room: soon again, but not at once.
        tickMillis = due <= now ? now + TICK_MILLIS_MIN : due + step;
        timer.accept(tickMillis - now);
    }

    // ---- operators ------------------------------------------------------------------------------------------------

    void purge(Queue.Purge purge) {
        if (!port.account().tryReserve(RECORD_BYTES, StripeBudget.Tier.ACK)) {
            answer(purge, StoreRefusals.of(port.stripe().budget().refusal(StripeBudget.Tier.ACK)));
            return;
        }
        PurgeRecord record = state.retention().decidePurge(purge.belowOffset(), state.writtenEnd(), nowMillis());
        purges.add(purge);
        long used = outbox.add(record, 0, frame -> {
            state.retention().apply(record);
            truncated();
            port.awaitDurable(frame.lastSequence(), () -> {
                if (purges.remove(purge)) {
                    answer(purge, null);
                }
            });
        });
        port.account().giveBack(RECORD_BYTES - used);
    }

    void answer(Queue.Purge purge, Refusal refusalOrNull) {
        purge.replyTo()
                .tell(new Queue.Purged(identity.queueId(), state.retention().firstOffset(), refusalOrNull));
    }

    void offsetAt(Queue.OffsetAt at) {
        QueueRetention retention = state.retention();
        OffsetMarks.Range range = retention.marks().at(at.logMillis(), retention.firstOffset());
        at.replyTo().tell(new Queue.OffsetRange(identity.queueId(), range.low(), range.high()));
    }

    // ---- what cannot be read --------------------------------------------------------------------------------------

    void quarantine(Queue.Quarantine quarantine) {
        ReadProblem problem = quarantine.problem();
        String detail = cut(problem.reason());
        String segment = cut(problem.segment());
        long reserved = RECORD_BYTES + 3L * (detail.length() + segment.length());
        // Without room it is noted when it is met again.
        if (isClosed || !port.account().tryReserve(reserved, StripeBudget.Tier.ACK)) {
            return;
        }
        long used = 0;
        if (state.decideQuarantine(quarantine.firstOffset(), quarantine.count())) {
            QuarantinedRecord record = new QuarantinedRecord(
                    quarantine.firstOffset(),
                    quarantine.count(),
                    problem.position(),
                    -1,
                    nowMillis(),
                    problem.cause(),
                    segment,
                    detail);
            used = outbox.add(record, 0, frame -> {
                state.apply(record);
                publishMarks();
                tell(record);
                groups.accept(new GroupQueue.Quarantined(state.quarantined()));
            });
        }
        port.account().giveBack(reserved - used);
    }

    private void tell(QuarantinedRecord record) {
        EventLog.log(
                EventLog.Weight.ERROR,
                LogEvent.MESSAGES_QUARANTINED,
                "stripe",
                port.stripe().stripeId(),
                "topic",
                identity.topic(),
                "queue",
                identity.number(),
                "offset",
                record.firstOffset(),
                "count",
                record.count(),
                "cause",
                record.cause(),
                "segment",
                record.segment(),
                "position",
                record.position(),
                "detail",
                record.detail());
    }

    void release(Queue.ReleaseQuarantine release) {
        QuarantinedRecord record = state.decideRelease(release.firstOffset(), release.count(), nowMillis());
        if (record == null || release.isDryRun()) {
            answer(release, record == null ? 0 : state.quarantinedIn(record).count(), null);
            return;
        }
        if (!port.account().tryReserve(RECORD_BYTES, StripeBudget.Tier.ACK)) {
            answer(release, 0, StoreRefusals.of(port.stripe().budget().refusal(StripeBudget.Tier.ACK)));
            return;
        }
        releases.add(release);
        long used = outbox.add(record, 0, frame -> {
            OffsetSet released = state.quarantinedIn(record);
            state.apply(record);
            publishMarks();
            EventLog.log(
                    EventLog.Weight.INFO,
                    LogEvent.QUARANTINE_RELEASED,
                    "stripe",
                    port.stripe().stripeId(),
                    "topic",
                    identity.topic(),
                    "queue",
                    identity.number(),
                    "count",
                    released.count());
            groups.accept(new GroupQueue.QuarantineReleased(released));
            port.awaitDurable(frame.lastSequence(), () -> {
                if (releases.remove(release)) {
                    answer(release, released.count(), null);
                }
            });
        });
        port.account().giveBack(RECORD_BYTES - used);
    }

    void answer(Queue.ReleaseQuarantine release, long count, Refusal refusalOrNull) {
        release.replyTo().tell(new Queue.QuarantineReleased(identity.queueId(), count, refusalOrNull));
    }

    private static String cut(String text) {
        return text.length() > TEXT_CHARS_MAX ? text.substring(0, TEXT_CHARS_MAX) : text;
    }

    // ---- the end --------------------------------------------------------------------------------------------------

    void refuseUnanswered(Refusal refusal) {
        purges.forEach(purge -> answer(purge, refusal));
        purges.clear();
        releases.forEach(release -> answer(release, 0, refusal));
        releases.clear();
    }

    /** Nothing will be written any more. */
    void close() {
        isClosed = true;
    }
}
