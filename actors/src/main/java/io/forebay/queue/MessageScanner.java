package io.forebay.queue;

import io.forebay.queue.core.MessageFilter;
import io.forebay.storage.log.CorruptRecordException;
import io.forebay.storage.log.EntryRecord;
import io.forebay.storage.log.MessageRecord;
import io.forebay.storage.log.MessageView;
import io.forebay.storage.log.QueueReader;
import io.forebay.storage.log.RecordView;
import io.forebay.store.StripeHandle;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Looks at messages before they go out: which of them the group's filter wants, and whose keys they have. A scan may run on
 * another thread while the group goes on deciding; at most one runs at a time.
 */
final class MessageScanner {

    /**
     * What was found.
     *
     * @param firstOffset the first one looked at
     * @param wanted for each message from there on, whether the filter wants it
     * @param keyHashes for each message from there on, {@link #hash} of its message group, 0 without one
     * @param count how many were looked at
     * @param unreadableOrNull what lies behind them and cannot be read
     * @param isRewriting whether the stripe cannot be read for now, behind what was looked at
     */
    record Found(
            long firstOffset,
            boolean[] wanted,
            long[] keyHashes,
            int count,
            Unreadable unreadableOrNull,
            boolean isRewriting) {}

    /** Of records, that one scan reads at most: large messages are not looked at far ahead. */
    private static final long BYTES_MAX = 4 << 20;

    private final int queueId;
    private final StripeHandle stripe;
    private final MessageView view = new MessageView();
    private QueueReader reader;

    MessageScanner(int queueId, StripeHandle stripe) {
        this.queueId = queueId;
        this.stripe = stripe;
    }

    /** May wait for the device if the messages are cold. */
    Found scan(long firstOffset, int count, MessageFilter filter) {
        if (reader == null) {
            reader = stripe.log().newReader(queueId);
        }
        boolean[] wanted = new boolean[count];
        long[] keyHashes = new long[count];
        int[] next = {0};
        long bytesLeft = BYTES_MAX;
        QueueReader.Sink sink = (offset, message, body) -> {
            look(message, body, filter, wanted, keyHashes, next[0]);
            next[0]++;
        };
        while (next[0] < count && bytesLeft > 0) {
            long from = firstOffset + next[0];
            QueueReader.Result result = reader.read(from, count - next[0], bytesLeft, sink);
            switch (result.status()) {
                case READ -> {
                    bytesLeft -= result.bytes();
                    if (result.count() == 0) {
                        return found(firstOffset, wanted, keyHashes, next[0], null);
                    }
                }
                case NOT_READABLE -> {
                    return new Found(firstOffset, wanted, keyHashes, next[0], null, true);
                }
                case FAILED, QUARANTINED, GONE -> {
                    return found(firstOffset, wanted, keyHashes, next[0], Unreadable.of(result));
                }
            }
        }
        return found(firstOffset, wanted, keyHashes, next[0], null);
    }

    private static Found found(
            long firstOffset, boolean[] wanted, long[] keyHashes, int count, Unreadable unreadableOrNull) {
        return new Found(firstOffset, wanted, keyHashes, count, unreadableOrNull, false);
    }

    private void look(
            RecordView message, RecordView body, MessageFilter filter, boolean[] wanted, long[] keyHashes, int index)
            throws CorruptRecordException {
        if (body == null) {
            throw new CorruptRecordException("the message that its entry names is not stored any more");
        }
        view.wrap(body.bytes(), body.bodyAt(), body.bodyBytes());
        if (view.hasMessageGroup()) {
            keyHashes[index] = hash(view.messageGroup());
        }
        if (filter == MessageFilter.ALL) {
            wanted[index] = true;
            return;
        }
        MessageRecord record = view.toRecord();
        Map<String, String> added =
                message != body && message.decode() instanceof EntryRecord entry ? entry.properties() : Map.of();
        wanted[index] = filter.matches(record, added);
    }

    /** What stands for a key: 64 bits of its UTF-16 units, never 0. The same for ever is not needed: it is not stored. */
    static long hash(String messageGroup) {
        long hash = 0xCBF29CE484222325L;
        for (int i = 0; i < messageGroup.length(); i++) {
            hash = (hash ^ messageGroup.charAt(i)) * 0x100000001B3L;
        }
        hash ^= hash >>> 29;
        return hash == 0 ? 1 : hash;
    }

    // ---- single messages ------------------------------------------------------------------------------------------

    /**
     * What an entry for a message needs, and its key.
     *
     * @param bodyQueueId where the body is, if the message is itself an entry not its own queue
     * @param properties of the entry that it is, else empty
     * @param unreadableOrNull why it cannot be read, null if it can
     */
    record Origin(
            long offset,
            int bodyQueueId,
            long bodyOffset,
            long bodySequence,
            int tagHash,
            Map<String, String> properties,
            String messageGroup,
            long bornMillis,
            Unreadable unreadableOrNull) {}

    /** What was read of single messages; {@code isRewriting}: not all could be, try again. */
    record Origins(List<Origin> found, boolean isRewriting) {}

    /** May wait for the device if the messages are cold. */
    Origins origins(long[] offsets) {
        if (reader == null) {
            reader = stripe.log().newReader(queueId);
        }
        List<Origin> found = new ArrayList<>(offsets.length);
        for (long offset : offsets) {
            Origin[] one = {null};
            QueueReader.Result result =
                    reader.read(offset, 1, Long.MAX_VALUE, (at, message, body) -> one[0] = origin(at, message, body));
            if (result.status() == QueueReader.Status.NOT_READABLE) {
                return new Origins(found, true);
            }
            found.add(one[0] != null ? one[0] : unreadable(Unreadable.of(result)));
        }
        return new Origins(found, false);
    }

    private Origin origin(long offset, RecordView message, RecordView body) throws CorruptRecordException {
        if (body == null) {
            throw new CorruptRecordException("the message that its entry names is not stored any more");
        }
        view.wrap(body.bytes(), body.bodyAt(), body.bodyBytes());
        String messageGroup = view.hasMessageGroup() ? view.messageGroup() : "";
        if (message != body && message.decode() instanceof EntryRecord entry) {
            return new Origin(
                    offset,
                    entry.bodyQueueId(),
                    entry.bodyOffset(),
                    entry.bodySequence(),
                    entry.tagHash(),
                    entry.properties(),
                    messageGroup,
                    view.bornMillis(),
                    null);
        }
        return new Origin(
                offset,
                queueId,
                offset,
                body.sequence(),
                view.tagHash(),
                Map.of(),
                messageGroup,
                view.bornMillis(),
                null);
    }

    private static Origin unreadable(Unreadable bad) {
        return new Origin(bad.offset(), 0, 0, 0, 0, Map.of(), "", 0, bad);
    }
}
