package io.forebay.storage.log;

import java.util.Map;

/**
 * Puts a body stored earlier, in any queue of the stripe, at an offset of a queue: a due, committed or dead-lettered
 * message without a copy. It pins the body, which is found through its own queue's index. Owner: the queue it joins.
 * <pre> byte  0  i64  queueOffset      −1 until the append gives it
 * byte  8  i32  tagHash
 * byte 12  i32  bodyQueueId
 * byte 16  i64  bodyOffset
 * byte 24  i64  bodySequence     of the record that holds the body
 * byte 32  text map  properties  added to, and before, the body's own </pre>
 */
public record EntryRecord(
        long queueOffset,
        int bodyQueueId,
        long bodyOffset,
        long bodySequence,
        int tagHash,
        Map<String, String> properties)
        implements LogRecord {
    public EntryRecord {
        Fields.check(queueOffset >= -1, "queueOffset", queueOffset, "-1 or more");
        Fields.notNegative("bodyOffset", bodyOffset);
        Fields.notNegative("bodySequence", bodySequence);
        properties = Fields.copy("properties", properties);
    }

    @Override
    public RecordType type() {
        return RecordType.ENTRY;
    }

    @Override
    public int bodyBytes() {
        return 32 + BodyWriter.textMapBytes(properties);
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at)
                .i64(queueOffset)
                .i32(tagHash)
                .i32(bodyQueueId)
                .i64(bodyOffset)
                .i64(bodySequence)
                .textMap(properties);
    }

    static EntryRecord decode(BodyReader in) throws CorruptRecordException {
        long queueOffset = in.i64();
        int tagHash = in.i32();
        return new EntryRecord(queueOffset, in.i32(), in.i64(), in.i64(), tagHash, in.textMap());
    }
}
