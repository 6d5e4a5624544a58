package io.forebay.look.core;

import io.forebay.protocol.LifeEvent;
import io.forebay.protocol.LifeEvent.Kind;
import io.forebay.queue.DeadLetterForm;
import io.forebay.storage.log.AckRecord;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.DeadLetteredRecord;
import io.forebay.storage.log.DeadlineRecord;
import io.forebay.storage.log.DeliveryRange;
import io.forebay.storage.log.EntryRecord;
import io.forebay.storage.log.ExpiredRecord;
import io.forebay.storage.log.FilteredRecord;
import io.forebay.storage.log.GivenBackRecord;
import io.forebay.storage.log.GroupSnapshot;
import io.forebay.storage.log.KeyParkedRecord;
import io.forebay.storage.log.KeyUnparkedRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.PopRecord;
import io.forebay.storage.log.PurgeRecord;
import io.forebay.storage.log.QuarantinedRecord;
import io.forebay.storage.log.RecordType;
import io.forebay.storage.log.RecordView;
import io.forebay.storage.log.RedriveReceivedRecord;
import io.forebay.storage.log.RedrivenRecord;
import io.forebay.storage.log.SeekRecord;
import io.forebay.storage.log.SnapshotRecord;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Picks from the records of a stripe, given in the order of the log, what happened to one message. Says nothing that no
 * record says: a deadline that passed is not among it. Confined to one thread.
 */
public final class LifeReader {
    /** A larger snapshot is not put together. */
    private static final int SNAPSHOT_PARTS_MAX = 256;

    /**
     * The message whose life it is.
     *
     * @param messageGroup its key, "" for none or if it is not known
     * @param sequence of its own record, -1 if that is not stored any more
     */
    public record Subject(int queueId, long offset, String messageGroup, long sequence) {
        public static final long NOT_STORED = -1;
    }

    /**
     * Where a record stands.
     *
     * @param groupId 0 for a record of the queue itself
     * @param logMillis log time of its frame
     */
    public record Origin(int queueId, int groupId, long sequence, long logMillis) {
        public static Origin of(RecordView view) {
            return new Origin(view.queueId(), view.groupId(), view.sequence(), view.logTimeMillis());
        }
    }

    private final int queueId;
    private final long offset;
    private final String messageGroup;
    private final long durableSequence;
    private final LifeNames names;
    private final Consumer<LifeEvent> events;
    private final Map<Integer, List<SnapshotRecord>> snapshotParts = new HashMap<>();
    private final Set<Integer> stated = new HashSet<>();
    /** Of the message's own record. */
    private long ownSequence;
    /** Who had given the message up, if its own record says that it was a dead letter. */
    private String givenUp = "";
    /** The entry before this record, if there was one: in a frame the record that says why follows its entry. */
    private Origin entryFrom;

    private long entryOffset;
    private Origin from;

    /** @param durableSequence records up to here are flushed */
    public LifeReader(Subject subject, long durableSequence, LifeNames names, Consumer<LifeEvent> events) {
        queueId = subject.queueId;
        offset = subject.offset;
        messageGroup = subject.messageGroup;
        ownSequence = subject.sequence;
        this.durableSequence = durableSequence;
        this.names = names;
        this.events = events;
    }

    /** The message's own record, a message or an entry: before all others, for it may have been moved out of their order. */
    public void sent(Origin origin, LogRecord record) {
        from = origin;
        ownSequence = origin.sequence;
        if (record instanceof EntryRecord entry) {
            String body = names.queue(entry.bodyQueueId()) + "/" + entry.bodyOffset();
            tell(Kind.SENT, from.logMillis, 0, 0, 0, "as an entry of the message " + body + lost(entry, body));
            if (isRedriven(entry.properties())) {
                String letter = entry.properties().get(DeadLetterForm.REDRIVEN_FROM);
                tell(Kind.REDRIVEN, from.logMillis, 0, 0, 0, cameFrom(letter, entry.properties()));
            }
        } else if (record instanceof MessageRecord message) {
            givenUp = givenUp(message.properties());
            tell(Kind.SENT, from.logMillis, 0, 0, 0, sent(message));
        } else {
            throw new AssertionError(record);
        }
    }

    /**
     * Takes a record of the message's stripe, if it tells anything. Passes over what was before the message, the message's own record,
     * which is told by {@link #sent}, and what cleaning has copied forward.
     *
     * @throws CorruptRecordException if it does not decode though its frame's checksum is right
     */
    public void record(RecordView view) throws CorruptRecordException {
        RecordType type = view.type();
        if (type == null || view.isMoved() || view.sequence() <= ownSequence) {
            return;
        }
        // An entry may lie in any queue and name our body; a message that comes from another stripe is told of in a
        // queue of letters.
        boolean isOurs = type == RecordType.ENTRY
                || type == RecordType.REDRIVE_RECEIVED
                || (view.queueId() == queueId
                        && (!view.hasOffset() || view.queueOffset() == offset)
                        && (type != RecordType.SNAPSHOT || isToState(view.groupId())));
        if (isOurs) {
            record(Origin.of(view), view.decode());
        }
    }

    private boolean isToState(int groupId) {
        return groupId != 0 && !stated.contains(groupId);
    }

    void record(Origin origin, LogRecord record) throws CorruptRecordException {
        from = origin;
        if (record instanceof EntryRecord entry) {
            entry(entry);
        } else if (record instanceof RedriveReceivedRecord received) {
            received(received);
        } else if (origin.queueId == queueId) {
            if (record instanceof SnapshotRecord part) {
                if (isToState(origin.groupId)) {
                    snapshot(part);
                }
            } else {
                own(record);
            }
        }
    }

    private void entry(EntryRecord entry) {
        entryFrom = from;
        entryOffset = entry.queueOffset();
        if (from.queueId == queueId && entry.queueOffset() == offset) {
            sent(from, entry);
        } else if (entry.bodyQueueId() == queueId && entry.bodyOffset() == offset) {
            String there = "as " + names.queue(from.queueId) + "/" + entry.queueOffset();
            String why = isRedriven(entry.properties())
                    ? ", sent back from the dead letter " + entry.properties().get(DeadLetterForm.REDRIVEN_FROM)
                    : "";
            tell(Kind.ENTERED, from.logMillis, 0, 0, 0, there + why);
        }
    }

    private void own(LogRecord record) {
        if (record instanceof MessageRecord message) {
            if (message.queueOffset() == offset) {
                sent(from, message);
            }
        } else if (record instanceof PopRecord pop) {
            popped(pop);
        } else if (record instanceof AckRecord ack) {
            if (ack.offsets().contains(offset)) {
                tell(Kind.ACKED, from.logMillis, 0, 0, 0, "");
            }
        } else if (record instanceof DeadlineRecord moved) {
            if (moved.offsets().contains(offset)) {
                Kind kind = moved.kind() == DeadlineRecord.Kind.NACKED ? Kind.NACKED : Kind.EXTENDED;
                tell(kind, from.logMillis, 0, 0, moved.deadlineMillis(), moved.reason());
            }
        } else if (record instanceof GivenBackRecord back) {
            givenBack(back);
        } else if (record instanceof DeadLetteredRecord dead) {
            if (dead.offset() == offset) {
                String to = "to " + entered(dead.deadQueueId());
                tell(
                        Kind.DEAD_LETTERED,
                        from.logMillis,
                        dead.attempts(),
                        0,
                        0,
                        dead.reason().isEmpty() ? to : to + ": " + dead.reason());
            }
        } else if (record instanceof FilteredRecord filtered) {
            if (filtered.offsets().contains(offset)) {
                tell(Kind.FILTERED, from.logMillis, 0, 0, 0, "the group's filter does not want it");
            }
        } else {
            seldom(record);
        }
    }

    private void seldom(LogRecord record) {
        if (record instanceof RedrivenRecord redriven) {
            if (redriven.offset() == offset) {
                String to = redriven.toQueueId() == RedrivenRecord.QUEUE_NOT_KNOWN
                        ? "to a queue of another stripe, before a crash"
                        : "to " + entered(redriven.toQueueId());
                tell(Kind.REDRIVEN, from.logMillis, 0, 0, 0, to);
            }
        } else if (record instanceof KeyParkedRecord parked) {
            if (parked.blockedOffset() == offset) {
                tell(Kind.PARKED, parked.parkedMillis(), parked.attempts(), 0, 0, parked.reason());
            } else if (isBehind(parked.messageGroup(), parked.blockedOffset())) {
                tell(Kind.PARKED, parked.parkedMillis(), 0, 0, 0, "behind offset " + parked.blockedOffset());
            }
        } else if (record instanceof KeyUnparkedRecord unparked) {
            if (unparked.blockedOffset() == offset) {
                tell(Kind.UNPARKED, unparked.unparkedMillis(), 0, 0, 0, how(unparked.how()));
            } else if (isBehind(unparked.messageGroup(), unparked.blockedOffset())) {
                tell(Kind.UNPARKED, unparked.unparkedMillis(), 0, 0, 0, "with offset " + unparked.blockedOffset());
            }
        } else if (record instanceof PurgeRecord purge) {
            if (offset < purge.belowOffset()) {
                String detail = "everything below offset " + purge.belowOffset();
                tell(
                        Kind.PURGED,
                        purge.purgedMillis(),
                        0,
                        0,
                        0,
                        from.groupId == 0 ? detail + ", for everyone" : detail);
            }
        } else if (record instanceof ExpiredRecord expired) {
            if (offset < expired.belowOffset()) {
                String why = expired.cause() == ExpiredRecord.Cause.MAX_AGE ? "too old" : "too much is stored";
                tell(
                        Kind.PURGED,
                        expired.expiredMillis(),
                        0,
                        0,
                        0,
                        why + ": everything below offset " + expired.belowOffset() + ", for everyone");
            }
        } else if (record instanceof SeekRecord seek) {
            seek(seek);
        } else if (record instanceof QuarantinedRecord bad) {
            if (offset >= bad.firstOffset() && offset < bad.firstOffset() + bad.count()) {
                boolean isReleased = bad.cause() == QuarantinedRecord.Cause.RELEASED;
                tell(
                        isReleased ? Kind.RELEASED : Kind.QUARANTINED,
                        bad.notedMillis(),
                        0,
                        0,
                        0,
                        isReleased
                                ? "from quarantine"
                                : bad.cause() + ": " + bad.problem().text());
            }
        }
    }

    // ---- dead letters -----------------------------------------------------------------------------------------------

    /** It lies right behind its message. */
    private void received(RedriveReceivedRecord received) {
        if (received.toQueueId() == queueId && from.sequence == ownSequence + 1) {
            String letter = names.queue(received.fromQueueId()) + "/" + received.fromOffset();
            // It is no group's of this queue.
            from = new Origin(queueId, 0, from.sequence, from.logMillis);
            tell(Kind.REDRIVEN, from.logMillis, 0, 0, 0, "from the dead letter " + letter + givenUp);
        }
    }

    /** The queue, with the offset if the entry there is what this record follows. */
    private String entered(int toQueueId) {
        boolean isOfFrame =
                entryFrom != null && entryFrom.sequence == from.sequence - 1 && entryFrom.queueId == toQueueId;
        return names.queue(toQueueId) + (isOfFrame ? "/" + entryOffset : "");
    }

    /** A letter that has died again says both; what it says of its death is newer. */
    private static boolean isRedriven(Map<String, String> properties) {
        return properties.containsKey(DeadLetterForm.REDRIVEN_FROM) && !properties.containsKey(DeadLetterForm.GROUP);
    }

    private static String cameFrom(String letter, Map<String, String> properties) {
        return "from the dead letter " + letter + givenUp(properties);
    }

    private static String givenUp(Map<String, String> properties) {
        String group = properties.get(DeadLetterForm.REDRIVEN_GROUP);
        if (group == null) {
            return "";
        }
        String attempts = properties.getOrDefault(DeadLetterForm.REDRIVEN_ATTEMPTS, "?");
        String reason = properties.getOrDefault(DeadLetterForm.REDRIVEN_REASON, "");
        return ", given up by group " + group + " after " + attempts + (attempts.equals("1") ? " attempt" : " attempts")
                + (reason.isEmpty() ? "" : ": " + reason);
    }

    /** Of a dead letter, by whom it is, and where it was then if that is not where its body is. */
    private static String lost(EntryRecord entry, String body) {
        Map<String, String> properties = entry.properties();
        String group = properties.get(DeadLetterForm.GROUP);
        if (group == null) {
            return "";
        }
        String place = properties.get(DeadLetterForm.TOPIC) + "/" + properties.get(DeadLetterForm.QUEUE) + "/"
                + properties.get(DeadLetterForm.OFFSET);
        return ", given up by group " + group + (place.equals(body) ? "" : " as " + place);
    }

    // ---- parked keys ------------------------------------------------------------------------------------------------

    private boolean isBehind(String key, long blockedOffset) {
        return !messageGroup.isEmpty() && key.equals(messageGroup) && offset > blockedOffset;
    }

    private static String how(KeyUnparkedRecord.How how) {
        return switch (how) {
            case TRIED_AGAIN -> "it is tried again";
            case SKIPPED -> "it is settled without having been processed";
            case DEAD_LETTERED -> "it goes to the dead letters";
        };
    }

    private void popped(PopRecord pop) {
        for (DeliveryRange range : pop.deliveries()) {
            if (offset >= range.firstOffset() && offset < range.firstOffset() + range.count()) {
                tell(
                        Kind.POPPED,
                        pop.poppedMillis(),
                        range.attempt(),
                        pop.sessionId(),
                        pop.deadlineMillis(),
                        "request " + pop.requestId());
                return;
            }
        }
    }

    private void givenBack(GivenBackRecord back) {
        if (back.offsets().contains(offset)) {
            boolean isGone = back.cause() == GivenBackRecord.Cause.CONSUMER_GONE;
            String detail = back.counted() ? "the attempt counts" : "the attempt does not count";
            if (back.cause() == GivenBackRecord.Cause.BREAKER_OPEN) {
                detail += ": the group's breaker was open";
            }
            tell(isGone ? Kind.CONSUMER_GONE : Kind.GIVEN_BACK, from.logMillis, 0, 0, back.dueMillis(), detail);
        }
    }

    private void seek(SeekRecord seek) {
        boolean isComing = offset >= seek.offset();
        boolean isBeginning = seek.askedMillis() == SeekRecord.BEGINNING;
        Kind kind = !isComing ? Kind.PASSED_OVER : isBeginning ? Kind.BEGAN : Kind.SEEK;
        String asked = seek.askedMillis() < 0 ? "" : ", which is " + Instant.ofEpochMilli(seek.askedMillis());
        String detail = (isBeginning ? "the group begins at offset " : "to offset ") + seek.offset() + asked;
        tell(kind, seek.seekedMillis(), 0, 0, 0, detail);
    }

    /** The first whole one of a group: what it says was so before any record that follows. */
    private void snapshot(SnapshotRecord part) throws CorruptRecordException {
        List<SnapshotRecord> parts = snapshotParts.computeIfAbsent(from.groupId, id -> new ArrayList<>());
        if (part.part() != parts.size() || part.parts() > SNAPSHOT_PARTS_MAX) {
            parts.clear();
        }
        if (part.part() == parts.size() && part.parts() <= SNAPSHOT_PARTS_MAX) {
            parts.add(part);
        }
        if (parts.size() < part.parts()) {
            return;
        }
        GroupSnapshot snapshot = GroupSnapshot.decode(SnapshotRecord.join(parts));
        stated.add(from.groupId);
        snapshotParts.remove(from.groupId);
        state(snapshot);
    }

    private void state(GroupSnapshot snapshot) {
        if (offset < snapshot.floor() || snapshot.acked().contains(offset)) {
            tell(Kind.STATED, from.logMillis, 0, 0, 0, "settled before");
            return;
        }
        LifeEvent inFlight = null;
        for (GroupSnapshot.CheckpointState checkpoint : snapshot.checkpoints()) {
            for (DeliveryRange range : checkpoint.ranges()) {
                boolean isIn = offset >= range.firstOffset() && offset < range.firstOffset() + range.count();
                if (isIn && !checkpoint.returned().contains(offset)) {
                    // The latest of several has it.
                    inFlight = event(
                            Kind.STATED,
                            from.logMillis,
                            range.attempt(),
                            checkpoint.sessionId(),
                            checkpoint.deadlineMillis(),
                            "in flight since " + Instant.ofEpochMilli(checkpoint.poppedMillis()));
                }
            }
        }
        if (inFlight != null) {
            events.accept(inFlight);
            return;
        }
        for (GroupSnapshot.Redelivery waiting : snapshot.redeliveries()) {
            if (waiting.offset() == offset) {
                tell(Kind.STATED, from.logMillis, Math.max(1, waiting.attempts()), 0, waiting.dueMillis(), "waits");
            }
        }
        for (GroupSnapshot.Parked parked : snapshot.parked()) {
            if (parked.delivery().offset() == offset) {
                int attempts = Math.max(1, parked.delivery().attempts());
                tell(Kind.STATED, from.logMillis, attempts, 0, 0, "parked: " + parked.reason());
            }
        }
    }

    private static String bytes(int count) {
        return count == 1 ? "1 byte" : count + " bytes";
    }

    private static String sent(MessageRecord message) {
        StringBuilder text = new StringBuilder("message '" + message.id() + "', " + bytes(message.body().length));
        if (message.bornMillis() > 0) {
            text.append(", made ").append(Instant.ofEpochMilli(message.bornMillis()));
        }
        if (message.bornHost() != null) {
            text.append(" on ").append(message.bornHost());
        }
        if (message.producerId() != 0) {
            text.append(" by producer ")
                    .append(message.producerId())
                    .append(", its number ")
                    .append(message.producerSequence());
        }
        if (message.messageGroup() != null) {
            text.append(", key '").append(message.messageGroup()).append('\'');
        }
        String letter = message.properties().get(DeadLetterForm.REDRIVEN_FROM);
        if (letter != null) {
            // Whoever sends may say so; that it is so is said by a record of its own, which is not kept as long.
            text.append(", by its properties from the dead letter ").append(letter);
        }
        return text.toString();
    }

    private void tell(Kind kind, long atMillis, int attempt, long sessionId, long untilMillis, String detail) {
        events.accept(event(kind, atMillis, attempt, sessionId, untilMillis, detail));
    }

    private LifeEvent event(Kind kind, long atMillis, int attempt, long sessionId, long untilMillis, String detail) {
        return new LifeEvent(
                kind,
                from.sequence,
                atMillis,
                from.sequence <= durableSequence,
                from.groupId == 0 ? "" : names.group(from.groupId),
                attempt,
                sessionId,
                untilMillis,
                detail);
    }
}
