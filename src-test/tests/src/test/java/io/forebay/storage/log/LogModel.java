package io.forebay.storage.log;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a stripe's log must hold, kept beside it in plain lists, and a sink that builds the same from a recovery. An
 * owner's state is the number of its records and a hash over them in order, so that a lost, doubled, invented, altered or
 * swapped record shows.
 */
final class LogModel {
    /** One record that was appended. */
    record Entry(
            Owner owner,
            long ownerNumber,
            long sequence,
            long queueOffset,
            long content,
            long bodyContent,
            boolean isState) {}

    /** What an owner's records come to. */
    record State(long count, long hash) {
        static final State EMPTY = new State(0, 17);

        State with(long ownerNumber, long sequence, long content) {
            return new State(count + 1, ((hash * 31 + ownerNumber) * 31 + sequence) * 31 + content);
        }
    }

    private final List<Entry> entries = new ArrayList<>();

    /** Takes over what an append gave. */
    void appended(Frame frame, List<LogRecord> records) {
        for (int index = 0; index < frame.recordCount(); index++) {
            LogRecord record = records.get(index);
            entries.add(new Entry(
                    frame.owner(index),
                    frame.ownerNumber(index),
                    frame.firstSequence() + index,
                    frame.queueOffset(index),
                    content(record),
                    bodyContent(record),
                    isState(record.type())));
        }
    }

    static boolean isState(RecordType type) {
        return type != RecordType.SNAPSHOT && type != RecordType.MANIFEST;
    }

    /** What tells one record from another, wherever it was stored. */
    static long content(LogRecord record) {
        if (record instanceof MessageRecord message) {
            return message.id().hashCode() * 31L + java.util.Arrays.hashCode(message.body());
        }
        if (record instanceof EntryRecord entry) {
            return entry.bodyQueueId() * 31L + entry.bodyOffset();
        }
        if (record instanceof PersistenceEventRecord event) {
            return event.number() * 31 + event.sequenceNr() * 7 + java.util.Arrays.hashCode(event.payload());
        }
        return record.hashCode();
    }

    /** Of an entry what the message it names carries. */
    private long bodyContent(LogRecord record) {
        if (record instanceof EntryRecord entry) {
            return entry(entry.bodyQueueId(), entry.bodyOffset()).content;
        }
        return content(record);
    }

    /** The message at an offset of a queue. */
    Entry entry(int queueId, long offset) {
        for (Entry entry : entries) {
            if (entry.queueOffset == offset && entry.owner.queueId() == queueId) {
                return entry;
            }
        }
        throw new AssertionError("queue " + queueId + " has no offset " + offset);
    }

    long lastSequence() {
        return entries.isEmpty() ? 0 : entries.get(entries.size() - 1).sequence;
    }

    /** What was lost behind that sequence never was. */
    void cutBehind(long sequence) {
        while (!entries.isEmpty() && entries.get(entries.size() - 1).sequence > sequence) {
            entries.remove(entries.size() - 1);
        }
    }

    /** A record that the log wrote on its own. */
    void manifest(long sequence, long ownerNumber) {
        entries.add(new Entry(Owner.STRIPE, ownerNumber, sequence, -1, 0, 0, false));
    }

    List<Entry> entries() {
        return entries;
    }

    Map<Owner, State> states() {
        Map<Owner, State> states = new HashMap<>();
        for (Entry entry : entries) {
            if (entry.isState) {
                states.merge(
                        entry.owner,
                        State.EMPTY.with(entry.ownerNumber, entry.sequence, entry.content),
                        (old, one) -> old.with(entry.ownerNumber, entry.sequence, entry.content));
            }
        }
        return states;
    }

    State state(Owner owner) {
        return states().getOrDefault(owner, State.EMPTY);
    }

    /** Per queue the contents in order of offset. */
    Map<Integer, List<Long>> queues() {
        Map<Integer, List<Long>> queues = new HashMap<>();
        for (Entry entry : entries) {
            if (entry.queueOffset >= 0) {
                List<Long> queue = queues.computeIfAbsent(entry.owner.queueId(), id -> new ArrayList<>());
                if (queue.size() != entry.queueOffset) {
                    throw new AssertionError(entry + " where offset " + queue.size() + " is next");
                }
                queue.add(entry.bodyContent);
            }
        }
        return queues;
    }

    /** Builds the owners' states from what recovery hands out. */
    static final class Sink implements RecoverySink {
        final Map<Owner, State> states = new HashMap<>();
        private final Map<Owner, List<SnapshotRecord>> parts = new HashMap<>();
        private long lastSequence;
        long snapshots;
        long records;

        @Override
        public void snapshot(RecordView part) throws CorruptRecordException {
            List<SnapshotRecord> list = parts.computeIfAbsent(part.owner(), owner -> new ArrayList<>());
            list.add((SnapshotRecord) part.decode());
            if (list.size() == list.get(0).parts()) {
                snapshots++;
                states.put(part.owner(), decode(SnapshotRecord.join(list)));
            }
        }

        @Override
        public void record(RecordView record) throws CorruptRecordException {
            if (record.sequence() <= lastSequence) {
                throw new AssertionError(record + " comes behind sequence " + lastSequence);
            }
            lastSequence = record.sequence();
            records++;
            State old = states.getOrDefault(record.owner(), State.EMPTY);
            states.put(record.owner(), old.with(record.ownerNumber(), record.sequence(), content(record.decode())));
        }
    }

    /** The payload of a snapshot of such a state, with some bytes to make it large. */
    static byte[] encode(State state, int paddingBytes) {
        byte[] payload = new byte[16 + paddingBytes];
        for (int index = 0; index < 8; index++) {
            payload[index] = (byte) (state.count >>> (8 * index));
            payload[8 + index] = (byte) (state.hash >>> (8 * index));
        }
        return payload;
    }

    private static State decode(byte[] payload) {
        long count = 0;
        long hash = 0;
        for (int index = 7; index >= 0; index--) {
            count = count << 8 | (payload[index] & 0xFF);
            hash = hash << 8 | (payload[8 + index] & 0xFF);
        }
        return new State(count, hash);
    }
}
