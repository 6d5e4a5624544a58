package io.forebay.storage.log;

/**
 * Settles messages for good. Owner: the group.
 * <pre> byte 0  offsets, see {@link OffsetSet} </pre>
 */
public record AckRecord(OffsetSet offsets) implements LogRecord {
    public AckRecord {
        Fields.offsets(offsets);
    }

    @Override
    public RecordType type() {
        return RecordType.ACK;
    }

    @Override
    public int bodyBytes() {
        return offsets.encodedBytes();
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        offsets.encode(target, at);
    }

    static AckRecord decode(BodyReader in) throws CorruptRecordException {
        return new AckRecord(in.offsets());
    }
}
