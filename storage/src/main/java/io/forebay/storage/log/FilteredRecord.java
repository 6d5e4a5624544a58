package io.forebay.storage.log;

/**
 * Messages that the group's filter does not want: settled unseen. Owner: the group.
 * <pre> byte 0  offsets, see {@link OffsetSet} </pre>
 */
public record FilteredRecord(OffsetSet offsets) implements LogRecord {
    public FilteredRecord {
        Fields.offsets(offsets);
    }

    @Override
    public RecordType type() {
        return RecordType.FILTERED;
    }

    @Override
    public int bodyBytes() {
        return offsets.encodedBytes();
    }

    @Override
    public void encodeBody(byte[] target, int at) {
        new BodyWriter(target, at).offsets(offsets);
    }

    static FilteredRecord decode(BodyReader in) throws CorruptRecordException {
        return new FilteredRecord(in.offsets());
    }
}
