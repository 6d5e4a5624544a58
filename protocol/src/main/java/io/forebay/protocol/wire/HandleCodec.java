package io.forebay.protocol.wire;

import io.forebay.protocol.ReceiptHandle;
import java.util.List;

/**
 * The wire form of receipt handles: of those that follow each other only the difference. Thread-safe, without state.
 */
final class HandleCodec {
    static final int SAME_CHECKPOINT = 1;
    static final int OTHER_OFFSET = 2;
    static final int FIRST_ATTEMPT = 4;

    private HandleCodec() {}

    static void writeHandles(WireWriter out, List<ReceiptHandle> handles) {
        out.varint(handles.size());
        ReceiptHandle last = null;
        for (ReceiptHandle handle : handles) {
            last = writeHandle(out, handle, last, last == null ? 0 : last.queueOffset() + 1, 0);
        }
    }

    static List<ReceiptHandle> readHandles(WireReader in) throws MalformedWireException {
        ReceiptHandle[] handles = new ReceiptHandle[in.count(1)];
        ReceiptHandle last = null;
        for (int i = 0; i < handles.length; i++) {
            long expected = last == null ? 0 : last.queueOffset() + 1;
            int flags = handleFlags(in, SAME_CHECKPOINT | OTHER_OFFSET, last);
            long difference = (flags & OTHER_OFFSET) != 0 ? in.zigzag() : 0;
            ReceiptHandle checkpoint = (flags & SAME_CHECKPOINT) != 0 ? last : readCheckpoint(in);
            last = withOffset(checkpoint, expected + difference);
            handles[i] = last;
        }
        return WireValues.listOf(handles);
    }

    /**
     * Flags; the offset if it is not the expected one; the rest if it is of another checkpoint than the last handle's. The
     * node and stripe, queue and group are four bytes each: ids are hashes or numbers that need not be small.
     */
    static ReceiptHandle writeHandle(
            WireWriter out, ReceiptHandle handle, ReceiptHandle last, long expectedOffset, int otherFlags) {
        boolean isSame = last != null
                && last.checkpointSequence() == handle.checkpointSequence()
                && last.nonce() == handle.nonce()
                && last.epoch() == handle.epoch()
                && last.queueId() == handle.queueId()
                && last.groupId() == handle.groupId()
                && last.stripe() == handle.stripe()
                && last.nodeId() == handle.nodeId();
        boolean isExpected = handle.queueOffset() == expectedOffset;
        out.u8((isSame ? SAME_CHECKPOINT : 0) | (isExpected ? 0 : OTHER_OFFSET) | otherFlags);
        if (!isExpected) {
            out.zigzag(handle.queueOffset() - expectedOffset);
        }
        if (!isSame) {
            out.int32(handle.nodeId());
            out.zigzag(handle.stripe());
            out.zigzag(handle.queueId());
            out.zigzag(handle.groupId());
            out.zigzag(handle.epoch());
            out.zigzag(handle.checkpointSequence());
            out.int64(handle.nonce());
        }
        return handle;
    }

    static int handleFlags(WireReader in, int known, ReceiptHandle last) throws MalformedWireException {
        int flags = in.u8();
        if ((flags & ~known) != 0 || ((flags & SAME_CHECKPOINT) != 0 && last == null)) {
            throw in.malformed("handle flags " + flags);
        }
        return flags;
    }

    static ReceiptHandle readCheckpoint(WireReader in) throws MalformedWireException {
        return new ReceiptHandle(
                in.int32(), in.zigzagInt(), in.zigzagInt(), in.zigzagInt(), 0, in.zigzag(), in.zigzag(), in.int64());
    }

    static ReceiptHandle withOffset(ReceiptHandle of, long queueOffset) {
        return new ReceiptHandle(
                of.nodeId(),
                of.stripe(),
                of.queueId(),
                of.groupId(),
                queueOffset,
                of.epoch(),
                of.checkpointSequence(),
                of.nonce());
    }
}
