package io.forebay.deadletter;

import io.forebay.look.QueueScan;
import io.forebay.protocol.DeadLetterFilter;
import io.forebay.protocol.StoredMessage;
import io.forebay.queue.DeadLetterForm;
import io.forebay.queue.FrameSize;
import io.forebay.queue.MessageForm;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.EntryRecord;
import io.forebay.storage.log.LogRecord;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.MessageView;
import io.forebay.storage.log.RecordView;
import io.forebay.store.StripeHandle;
import io.forebay.topic.TopicDirectory;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Reads dead letters of one queue, one page of them. Runs on a thread that may wait. */
final class LetterJob {
    /** How long a page may take before it ends, by the stripe's clock; it always gets a little further. */
    private static final long MILLIS_MAX = 100;

    private static final int NOTES_MAX = 100;

    /**
     * What is asked for.
     *
     * @param topic of the dead letters
     * @param targetsOrNull where they are to go, null if they are only looked at
     * @param countMax most letters that are meant
     * @param bytesMax of what is copied; one letter is given however large it is
     */
    record Question(
            String topic,
            TopicDirectory.QueueRoute queue,
            long[] offsets,
            DeadLetterFilter filter,
            LetterTargets targetsOrNull,
            int countMax,
            long bytesMax) {}

    /**
     * A letter that is meant.
     *
     * @param target null if letters are only looked at
     * @param moved what the target's queue is to get: an {@link EntryRecord} if it is of the same stripe, else a {@link
     *     MessageRecord}; null if letters are only looked at
     * @param message null unless letters are only looked at
     */
    record Letter(long offset, String messageId, LetterTargets.Target target, LogRecord moved, StoredMessage message) {}

    /**
     * What was read.
     *
     * @param letters in order
     * @param stayedCount letters that are meant and cannot go anywhere
     * @param nextOffset the first one that was not looked at, -1 if all were
     * @param isNotReadable whether it ends there because the stripe cannot be read for now
     */
    record Found(List<Letter> letters, int stayedCount, List<String> notes, long nextOffset, boolean isNotReadable) {}

    private final Question question;
    private final StripeHandle stripe;
    private final MessageView view = new MessageView();
    private final List<Letter> letters = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();
    private final Map<String, Integer> problems = new TreeMap<>();
    private int stayedCount;
    private long bytes;

    LetterJob(Question question, StripeHandle stripe) {
        this.question = question;
        this.stripe = stripe;
    }

    Found run() {
        QueueScan scan = new QueueScan(question.queue, stripe);
        long endMillis = stripe.clock().millis() + MILLIS_MAX;
        long next = -1;
        for (long offset : question.offsets) {
            boolean isFull = letters.size() >= question.countMax
                    || bytes >= question.bytesMax
                    || stripe.clock().millis() >= endMillis;
            if (isFull && offset > question.offsets[0]) {
                next = offset;
                break;
            }
            scan.read(offset, offset + 1, new QueueScan.Sink() {
                @Override
                public boolean message(long at, RecordView message, RecordView body) throws CorruptRecordException {
                    letter(at, message, body);
                    return false;
                }

                @Override
                public boolean unreadable(long at, String reason) {
                    note("queue " + question.queue.number() + ", offset " + at + " cannot be read: " + reason);
                    return false;
                }
            });
            if (scan.isNotReadable()) {
                next = offset;
                break;
            }
        }
        problems.forEach(
                (problem, count) -> note(count + (count == 1 ? " letter stays: " : " letters stay: ") + problem));
        return new Found(letters, stayedCount, notes, next, scan.isNotReadable());
    }

    private void letter(long offset, RecordView message, RecordView body) throws CorruptRecordException {
        if (body == null) {
            throw new CorruptRecordException("the message that its entry names is not stored any more");
        }
        view.wrap(body.bytes(), body.bodyAt(), body.bodyBytes());
        EntryRecord entry = message != body && message.decode() instanceof EntryRecord named
                ? named
                // Sent here by hand: its body is its own.
                : new EntryRecord(-1, question.queue.queueId(), offset, body.sequence(), view.tagHash(), Map.of());
        Map<String, String> properties = entry.properties();
        if (!question.filter.matches(
                properties.getOrDefault(DeadLetterForm.TOPIC, ""),
                properties.getOrDefault(DeadLetterForm.REASON, ""),
                message.logTimeMillis())) {
            return;
        }
        if (question.targetsOrNull == null) {
            StoredMessage copy = QueueScan.copy(question.topic, question.queue.number(), offset, message, body);
            bytes += copy.message().body().length;
            letters.add(new Letter(offset, view.id(), null, null, copy));
            return;
        }
        LetterTargets.Target target =
                question.targetsOrNull.of(properties, view.hasMessageGroup() ? view.messageGroup() : "");
        LogRecord moved = target.queue() == null ? null : moved(offset, entry, body, target);
        String problem = target.problem();
        if (moved != null && FrameSize.ofFrameWith(moved) > stripe.log().frameBytesMax()) {
            problem = "with its properties it is too large for one of the node's segments";
        }
        if (problem != null) {
            stayedCount++;
            problems.merge(problem, 1, Integer::sum);
            return;
        }
        bytes += FrameSize.ofRecord(moved);
        letters.add(new Letter(offset, view.id(), target, moved, null));
    }

    private LogRecord moved(long offset, EntryRecord entry, RecordView body, LetterTargets.Target target)
            throws CorruptRecordException {
        String place = question.topic + "/" + question.queue.number() + "/" + offset;
        Map<String, String> properties = DeadLetterForm.redriven(entry.properties(), place);
        if (target.queue().stripeId() == stripe.stripeId()) {
            return new EntryRecord(
                    -1, entry.bodyQueueId(), entry.bodyOffset(), entry.bodySequence(), entry.tagHash(), properties);
        }
        if (!(body.decode() instanceof MessageRecord stored)) {
            throw new CorruptRecordException("it is a record of type " + body.type());
        }
        Map<String, String> all = new LinkedHashMap<>(stored.properties());
        all.putAll(properties);
        return MessageForm.copy(stored, all);
    }

    private void note(String note) {
        if (notes.size() < NOTES_MAX) {
            notes.add(note);
        }
    }
}
