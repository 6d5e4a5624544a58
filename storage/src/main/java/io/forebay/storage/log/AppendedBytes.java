package io.forebay.storage.log;

import io.forebay.storage.io.LittleEndian;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;

/** What a log has written since its start, by kind. Counted by the StoreWriter's thread, read by any. */
final class AppendedBytes {
    private static final int KIND_MESSAGES = 0;
    private static final int KIND_GROUPS = 1;
    private static final int KIND_CHECKPOINTS = 2;
    private static final int KIND_OTHERS = 3;
    private static final byte[] KINDS = kinds();

    private final AtomicLong[] bytes = {new AtomicLong(), new AtomicLong(), new AtomicLong(), new AtomicLong()};
    private final AtomicLong moved = new AtomicLong();
    private final long[] pending = new long[4];

    private static byte[] kinds() {
        byte[] kinds = new byte[256];
        Arrays.fill(kinds, (byte) KIND_OTHERS);
        for (RecordType type : RecordType.values()) {
            kinds[type.number()] = (byte) kindOf(type);
        }
        return kinds;
    }

    private static int kindOf(RecordType type) {
        switch (type) {
            case MESSAGE:
            case ENTRY:
                return KIND_MESSAGES;
            case POP:
            case ACK:
            case DEADLINE:
            case GIVEN_BACK:
            case DEAD_LETTERED:
            case REDRIVEN:
            case REDRIVE_RECEIVED:
            case KEY_PARKED:
            case KEY_UNPARKED:
                return KIND_GROUPS;
            case SNAPSHOT:
            case MANIFEST:
                return KIND_CHECKPOINTS;
            default:
                return KIND_OTHERS;
        }
    }

    /** A frame was appended; its header counts to the kind of its first record. */
    void appended(Frame frame) {
        byte[] image = frame.image();
        int count = frame.recordCount();
        int kind = KINDS[image[frame.recordAt(0) + 4] & 0xFF];
        pending[kind] += FrameCodec.HEADER_BYTES;
        for (int record = 0; record < count; record++) {
            int at = frame.recordAt(record);
            pending[KINDS[image[at + 4] & 0xFF]] += LittleEndian.getInt(image, at);
        }
        for (int each = 0; each < pending.length; each++) {
            if (pending[each] != 0) {
                bytes[each].lazySet(bytes[each].getPlain() + pending[each]);
                pending[each] = 0;
            }
        }
    }

    void moved(long count) {
        moved.lazySet(moved.getPlain() + count);
    }

    WrittenBytes get() {
        return new WrittenBytes(
                bytes[KIND_MESSAGES].get(),
                bytes[KIND_GROUPS].get(),
                bytes[KIND_CHECKPOINTS].get(),
                moved.get(),
                bytes[KIND_OTHERS].get());
    }
}
