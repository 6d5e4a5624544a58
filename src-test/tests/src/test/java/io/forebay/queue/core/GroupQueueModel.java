package io.forebay.queue.core;

import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.PopRecord;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.SeekRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.TreeSet;

/** A group's queue told in the plainest way: one object for each message, everything else found by looking at all of them. */
public final class GroupQueueModel {
    /** One delivery attempt's record. */
    public static final class Popped {
        public final PopRecord record;
        public long sequence = -1;

        Popped(PopRecord record) {
            this.record = record;
        }

        boolean isWritten() {
            return sequence >= 0;
        }
    }

    /** A message that was out and is not settled. */
    public static final class Out {
        public Popped last;
        public boolean isReturned;
        /** The deadline, or when it may go out again. */
        public long dueMillis;

        public int attempts;

        boolean isReady(long nowMillis) {
            return dueMillis <= nowMillis && (isReturned || last.isWritten());
        }

        boolean isInFlight(long nowMillis) {
            return !isReturned && !isReady(nowMillis);
        }
    }

    public final NavigableMap<Long, Out> outs = new TreeMap<>();
    /** Settled ones above {@link #base}. */
    final TreeSet<Long> settled = new TreeSet<>();

    final TreeSet<Long> quarantined = new TreeSet<>();
    long base;
    public long cursor;
    /** Handles below are of before a seek if nothing else is known of them. */
    private long staleBelow;

    public GroupQueueModel(long start) {
        base = start;
        cursor = start;
    }

    public long floor() {
        while (base < cursor && !outs.containsKey(base)) {
            settled.remove(base++);
        }
        return base;
    }

    void passQuarantined(long readableEnd, int lookAheadMax) {
        while (cursor < Math.min(readableEnd, floor() + lookAheadMax) && quarantined.contains(cursor)) {
            cursor++;
        }
    }

    /** What a Pop takes. */
    List<Long> candidates(long nowMillis, long readableEnd, int lookAheadMax) {
        List<Long> offsets = new ArrayList<>();
        outs.forEach((offset, out) -> {
            if (out.isReady(nowMillis)) {
                offsets.add(offset);
            }
        });
        for (long offset = cursor; offset < Math.min(readableEnd, floor() + lookAheadMax); offset++) {
            if (!quarantined.contains(offset)) {
                offsets.add(offset);
            }
        }
        return offsets;
    }

    int attemptOf(long offset) {
        Out out = outs.get(offset);
        return out == null ? 1 : out.attempts + 1;
    }

    long inFlight(long nowMillis) {
        return outs.values().stream().filter(out -> out.isInFlight(nowMillis)).count();
    }

    public Popped apply(PopRecord record) {
        Popped popped = new Popped(record);
        for (DeliveryRange range : record.deliveries()) {
            for (long offset = range.firstOffset(); offset <= range.lastOffset(); offset++) {
                if (offset < cursor && !outs.containsKey(offset)) {
                    continue; // unreadable since
                }
                Out out = outs.computeIfAbsent(offset, any -> new Out());
                out.last = popped;
                out.isReturned = false;
                out.dueMillis = record.deadlineMillis();
                out.attempts = range.attempt();
                cursor = Math.max(cursor, offset + 1);
            }
        }
        return popped;
    }

    public void apply(LogRecord record) {
        if (record instanceof AckRecord ack) {
            ack.offsets().forEach(offset -> {
                if (outs.remove(offset) != null) {
                    settled.add(offset);
                }
            });
        } else if (record instanceof DeadlineRecord deadline) {
            deadline.offsets().forEach(offset -> {
                Out out = outs.get(offset);
                if (out != null) {
                    out.isReturned = deadline.kind() == DeadlineRecord.Kind.NACKED;
                    out.dueMillis = deadline.deadlineMillis();
                }
            });
        } else if (record instanceof GivenBackRecord givenBack) {
            givenBack.offsets().forEach(offset -> {
                Out out = outs.get(offset);
                if (out != null) {
                    out.isReturned = true;
                    out.dueMillis = givenBack.dueMillis();
                    out.attempts -= givenBack.counted() ? 0 : 1;
                }
            });
        } else if (record instanceof SeekRecord seek) {
            staleBelow = Math.max(staleBelow, cursor);
            beginAt(seek.offset());
        } else if (record instanceof PurgeRecord purge) {
            if (purge.belowOffset() >= cursor) {
                beginAt(Math.max(purge.belowOffset(), floor()));
            } else {
                outs.headMap(purge.belowOffset()).clear();
            }
        } else {
            throw new AssertionError(record);
        }
    }

    void quarantine(long offset) {
        quarantined.add(offset);
        outs.remove(offset);
    }

    public HandleOutcome judge(long offset, long epoch, long sequence, long nonce) {
        if (offset < 0 || offset >= cursor) {
            return offset >= 0 && offset < staleBelow ? HandleOutcome.STALE_HANDLE : HandleOutcome.UNKNOWN_OFFSET;
        }
        Out out = outs.get(offset);
        if (out == null) {
            boolean isUnreadable = quarantined.contains(offset) && !settled.contains(offset);
            return isUnreadable ? HandleOutcome.QUARANTINED : HandleOutcome.ALREADY_SETTLED;
        }
        if (out.last.record.epoch() != epoch || out.last.sequence != sequence || sequence < 0) {
            return HandleOutcome.STALE_HANDLE;
        }
        return out.last.record.nonce() == nonce ? HandleOutcome.ACCEPTED : HandleOutcome.FORGED_HANDLE;
    }

    private void beginAt(long offset) {
        outs.clear();
        settled.clear();
        base = offset;
        cursor = offset;
    }
}
